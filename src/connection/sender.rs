//! Sends messages: each with its files on its first byte.

use std::io::{self, IoSlice};
use std::sync::Arc;

use super::deadline::Deadline;
use super::retention::Retention;
use super::transport::{self, Direction, Transport, wait_until};

use crate::control::Rights;
use crate::error::Error;
use crate::limits::{Limit, Limits};
use crate::memory::{Budget, Buffer, Lent};
use crate::sys::Blocking;

pub(crate) struct Sender<T> {
    transport: T,
    /// The message to send. It is encoded completely before its first byte is sent. The caller
    /// clears the buffer before it writes the next message.
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

    /// Sends the write buffer and `lent`, with `files` on the first byte. It waits at most for
    /// `Limits::send_time`, and not beyond the deadline `call`.
    ///
    /// # Errors
    /// If a part of the message was sent, the connection is shut down, and the error says that it
    /// happened in mid-message. Otherwise nothing was sent.
    pub(crate) fn send(
        &self,
        lent: Lent<'_>,
        files: Option<&Rights<'_>>,
        call: Option<Deadline>,
    ) -> Result<(), Error> {
        let mut sent = 0;
        let mut parts = self.write_buffer.with(lent);
        self.send_parts(&mut parts, &mut sent, files, call).map_err(|error| {
            if sent == 0 {
                return error;
            }
            self.transport.shutdown();
            error.in_mid_message()
        })
    }

    /// Frees memory that the write buffer probably does not need for the next message. Call this
    /// after each message, also if it was not sent.
    pub(crate) fn shrink(&mut self) {
        if let Some(capacity) =
            self.retention.shrink_target(self.write_buffer.len(), self.write_buffer.capacity())
        {
            self.write_buffer.clear();
            self.write_buffer.shrink_to(capacity);
        }
    }

    fn send_parts(
        &self,
        mut parts: &mut [IoSlice<'_>],
        sent: &mut usize,
        files: Option<&Rights<'_>>,
        call: Option<Deadline>,
    ) -> Result<(), Error> {
        // Without a limit of time the send itself waits for room, which takes fewer system calls.
        let is_limited = call.is_some() || self.limits.send_time.is_some();
        let blocking = if is_limited { Blocking::No } else { Blocking::Yes };
        let mut deadline = None;
        // Removes what is empty at the front.
        IoSlice::advance_slices(&mut parts, 0);
        while !parts.is_empty() {
            // The first byte carries all files, so later sends carry none.
            let files = if *sent == 0 { files } else { None };
            match self.transport.send(parts, files, blocking) {
                Ok(0) => return Err(Error::io("send", io::ErrorKind::WriteZero.into())),
                Ok(count) => {
                    *sent += count;
                    IoSlice::advance_slices(&mut parts, count);
                }
                Err(error) if transport::is_transient(&error) => {}
                Err(error) if transport::is_disconnect(&error) => {
                    return Err(Error::disconnected());
                }
                Err(error) if files.is_some() => return Err(Error::of_send_with_files(error)),
                Err(error) => return Err(Error::io("send", error)),
            }
            if !parts.is_empty() {
                // There was no room for the rest.
                let deadline = *deadline.get_or_insert_with(|| self.deadline(call));
                wait_until(&self.transport, Direction::Out, deadline)?;
            }
        }
        Ok(())
    }

    /// The deadline of a send that has to wait. The time begins now, so that a send without a wait
    /// does not read the clock.
    fn deadline(&self, call: Option<Deadline>) -> Option<Deadline> {
        let now = self.transport.now();
        Deadline::earlier(Deadline::new(now, Limit::SendTime, self.limits.send_time), call)
    }

    /// Tries to send the write buffer without waiting, as the last message before the connection is
    /// ended.
    pub(crate) fn try_send(&self) {
        let _ = self.transport.send(&[IoSlice::new(&self.write_buffer)], None, Blocking::No);
    }
}
