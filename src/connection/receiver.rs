//! The receiving half: waits, reads, and hands over whole messages.

use std::ops::Range;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::deadline::Deadline;
use super::envelope::Envelope;
use super::read_buffer::{Message, ReadBuffer};
use super::transport::{self, Direction, Transport, wait_until};
use crate::closer;
use crate::error::Error;
use crate::limits::{Limit, Limits};
use crate::memory::Budget;
use crate::sys::Blocking;

pub(crate) struct Receiver<T> {
    pub(super) transport: T,
    pub(super) read_buffer: ReadBuffer,
    limits: Limits,
}

impl<T: Transport> Receiver<T> {
    /// The idle limit must be the transport's own receive timeout as well.
    pub(crate) fn new(transport: T, limits: Limits, budget: Option<Arc<Budget>>) -> Receiver<T> {
        let read_buffer = ReadBuffer::new(budget, limits.receive_files);
        Receiver { transport, read_buffer, limits }
    }

    /// Never closes a file on this thread, which somebody waits for.
    pub(crate) fn closing_aside(mut self) -> Receiver<T> {
        self.read_buffer.close_files_by(closer::close);
        self
    }

    /// Whether it holds files of a message that is not whole.
    pub(crate) fn holds_files(&self) -> bool {
        self.read_buffer.has_files()
    }

    /// Makes sure that there is memory to read into.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub(crate) fn prepare(&mut self) -> Result<(), Error> {
        self.read_buffer.make_room(self.limits.message_bytes)
    }

    /// The text at `range` of the message that was received last.
    pub(crate) fn slice(&self, range: &Range<usize>) -> &[u8] {
        self.read_buffer.slice(range)
    }

    /// `error`, or what is the matter where the peer has sent HTTP instead of a message.
    pub(crate) fn explain(&self, error: Error) -> Error {
        const LONGEST: usize = 64;
        let text = self.read_buffer.beginning();
        if !matches!(error, Error::Malformed { .. }) || !text.starts_with(b"HTTP/") {
            return error;
        }
        let end = text.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
        let line = &text[..end.unwrap_or(text.len()).min(LONGEST)];
        Error::Http { method: None, said: line.escape_ascii().to_string() }
    }

    /// Whether the peer has already sent something behind the message that was received last.
    pub(crate) fn has_more(&self) -> bool {
        self.read_buffer.has_more()
    }

    /// Forgets the message that was received last, and gives up memory that is not needed again.
    pub(crate) fn discard_message(&mut self) {
        self.read_buffer.begin_message();
    }

    #[cfg(test)]
    pub(crate) fn holds_large_buffer(&self) -> bool {
        self.read_buffer.bytes.capacity() > super::retention::Retention::LARGEST
    }

    /// Receives the next message; `None` is the end of the stream between two messages. It waits
    /// until the `call` deadline, or else as long as the idle limit allows.
    pub(crate) fn receive(
        &mut self,
        envelope: &mut Envelope,
        call: Option<Deadline>,
    ) -> Result<Option<Message>, Error> {
        envelope.clear();
        self.discard_message();
        // The idle limit is the socket's own receive timeout, so a first read that blocks keeps it.
        let mut polls = call.is_some();
        let idle = call.or_else(|| self.deadline(Limit::IdleTime, self.limits.idle_time));
        let (mut timed, mut message_limit) = (false, None);
        loop {
            if self.read_buffer.parse(envelope, self.limits.message_bytes)? {
                return Ok(Some(self.read_buffer.take_message()));
            }
            let begun = self.read_buffer.has_begun();
            // A peer can keep its own connection open by a file that it sent, so files count.
            if !timed && (begun || self.read_buffer.has_files()) {
                (timed, polls) = (true, true);
                message_limit = self.deadline(Limit::MessageTime, self.limits.message_time);
            }
            let deadline = Deadline::earlier(message_limit, if begun { call } else { idle });
            let blocking = if polls && deadline.is_some() { Blocking::No } else { Blocking::Yes };
            match self.read(deadline, blocking) {
                Ok(0) if begun => {
                    return Err(Error::disconnected().in_mid_message());
                }
                Ok(0) => return Ok(None),
                // The socket's own timeout begins anew with each read, and white space is no
                // message.
                Ok(_) => polls = true,
                Err(error) if timed => return Err(error.in_mid_message()),
                Err(error) => return Err(error),
            }
        }
    }

    /// Reads once, as much as comes; 0 is the end of the stream.
    fn read(&mut self, deadline: Option<Deadline>, mut blocking: Blocking) -> Result<usize, Error> {
        self.prepare()?;
        let mut spin = self.spin_until();
        if spin.is_some() {
            blocking = Blocking::No;
            // Check the deadline here too: a peer that sends one byte per spin would otherwise
            // never hit it.
            deadline.map(|deadline| deadline.remaining(self.transport.now())).transpose()?;
        }
        loop {
            if spin.is_none() && blocking == Blocking::No {
                wait_until(&self.transport, Direction::In, deadline)?;
            }
            let transport = &self.transport;
            let received = self
                .read_buffer
                .fill(|buffer, ancillary| transport.receive(buffer, ancillary, blocking));
            match received {
                Ok(count) => return Ok(count),
                Err(error) if transport::is_disconnect(&error) => return Ok(0),
                // A signal, the socket's own timeout, a socket that never blocks, or nothing there
                // to the end of the spin: from here on poll waits, for what is left of the time.
                Err(error) if transport::is_transient(&error) => {
                    blocking = Blocking::No;
                    spin = spin.filter(|until| self.keep_spinning(*until, deadline));
                }
                Err(error) => return Err(Error::io("receive", error)),
            }
        }
    }

    /// When busy polling ends, if it was asked for.
    fn spin_until(&self) -> Option<Instant> {
        let time = self.limits.spin_time;
        if time.is_zero() { None } else { self.transport.now().checked_add(time) }
    }

    /// Whether to look once more; a peer on the same CPU gets to run before that.
    fn keep_spinning(&self, until: Instant, deadline: Option<Deadline>) -> bool {
        let now = self.transport.now();
        let has_time = deadline.is_none_or(|deadline| deadline.remaining(now).is_ok());
        let goes_on = now < until && has_time;
        if goes_on {
            thread::yield_now();
        }
        goes_on
    }

    /// A deadline from now on. The clock is not asked where there is no limit.
    fn deadline(&self, name: Limit, after: Option<Duration>) -> Option<Deadline> {
        after.and_then(|after| Deadline::new(self.transport.now(), name, Some(after)))
    }
}
