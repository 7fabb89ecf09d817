//! The sending half: a whole message goes out, its files with its first byte.

use std::io;
use std::sync::Arc;

use super::deadline::Deadline;
use super::retention::Retention;
use super::transport::{self, Direction, Transport, wait_until};

use crate::control::Rights;
use crate::error::{Error, SEND_WITH_FILES};
use crate::limits::{Limit, Limits};
use crate::memory::{Budget, Buffer};

pub(crate) struct Sender<T> {
    transport: T,
    /// The message to send: encoded whole before its first byte goes. Whoever writes the next one
    /// clears it first.
    pub(crate) write_buffer: Buffer,
    pub(super) retention: Retention,
    limits: Limits,
}

impl<T: Transport> Sender<T> {
    pub(crate) fn new(transport: T, limits: Limits, budget: Option<Arc<Budget>>) -> Sender<T> {
        Sender {
            transport,
            write_buffer: Buffer::new(budget),
            retention: Retention::default(),
            limits,
        }
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Sends the write buffer, with `files` on its first byte. An error that struck later leaves
    /// half a message on the wire, so the connection is shut down and the error says so.
    pub(crate) fn send(
        &mut self,
        files: Option<&Rights<'_>>,
        call: Option<Deadline>,
    ) -> Result<(), Error> {
        let mut sent = 0;
        self.send_from(&mut sent, files, call).map_err(|error| {
            if sent == 0 {
                return error;
            }
            self.transport.shutdown();
            error.in_mid_message()
        })
    }

    /// Gives up memory that the write buffer does not need from here on, whether it was sent or
    /// not.
    pub(crate) fn shrink(&mut self) {
        if let Some(capacity) =
            self.retention.shrink_target(self.write_buffer.len(), self.write_buffer.capacity())
        {
            self.write_buffer.clear();
            self.write_buffer.shrink_to(capacity);
        }
    }

    fn send_from(
        &self,
        sent: &mut usize,
        files: Option<&Rights<'_>>,
        call: Option<Deadline>,
    ) -> Result<(), Error> {
        let mut deadline = None;
        while *sent < self.write_buffer.len() {
            // Once some bytes went all files went with them: they must not go again.
            let files = if *sent == 0 { files } else { None };
            match self.transport.send(&self.write_buffer[*sent..], files) {
                Ok(0) => return Err(Error::io("send", io::ErrorKind::WriteZero.into())),
                Ok(count) => *sent += count,
                Err(error) if transport::is_transient(&error) => {
                    let deadline = *deadline.get_or_insert_with(|| self.deadline(call));
                    wait_until(&self.transport, Direction::Out, deadline)?;
                }
                Err(error) if transport::is_disconnect(&error) => {
                    return Err(Error::disconnected());
                }
                Err(error) if files.is_some() => return Err(Error::io(SEND_WITH_FILES, error)),
                Err(error) => return Err(Error::io("send", error)),
            }
        }
        Ok(())
    }

    /// The limit of a send that has to wait. The clock was not asked before.
    fn deadline(&self, call: Option<Deadline>) -> Option<Deadline> {
        let now = self.transport.now();
        Deadline::earlier(Deadline::new(now, Limit::SendTime, self.limits.send_time), call)
    }

    /// Sends the write buffer if that can be done without waiting: a last word to a peer that is
    /// about to be cut off.
    pub(crate) fn try_send(&self) {
        let _ = self.transport.send(&self.write_buffer, None);
    }
}
