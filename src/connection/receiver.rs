//! Receives messages: waits, reads, and returns complete messages.

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
    /// The caller must also set `Limits::idle_time` as the transport's receive timeout.
    pub(crate) fn new(transport: T, limits: Limits, budget: Option<Arc<Budget>>) -> Receiver<T> {
        let read_buffer = ReadBuffer::new(budget, limits.receive_files);
        Receiver { transport, read_buffer, limits }
    }

    /// Refused files are closed by `closer` from now on, because the thread must not block.
    pub(crate) fn closing_in_background(mut self) -> Receiver<T> {
        self.read_buffer.close_files_by(closer::close);
        self
    }

    /// Whether files came for a message that is not complete.
    pub(crate) fn holds_files(&self) -> bool {
        self.read_buffer.has_files()
    }

    /// Makes room for the next read.
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

    /// Returns `error`, or [`Error::Http`] instead if the peer has sent HTTP.
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

    /// Whether the buffer contains the beginning of another message.
    pub(crate) fn has_more(&self) -> bool {
        self.read_buffer.has_more()
    }

    /// Drops the message that was received last. Frees memory that was only needed for it.
    pub(crate) fn discard_message(&mut self) {
        self.read_buffer.begin_message();
    }

    #[cfg(test)]
    pub(crate) fn holds_large_buffer(&self) -> bool {
        self.read_buffer.bytes.capacity() > super::retention::Retention::LARGEST
    }

    /// Receives the next message. `None` is the end of the stream between two messages. It waits at
    /// most until the deadline `call`, or without one for `Limits::idle_time`. After the first byte
    /// or file, `Limits::message_time` counts as well.
    ///
    /// # Errors
    /// After an error the connection must be ended.
    pub(crate) fn receive(
        &mut self,
        envelope: &mut Envelope,
        call: Option<Deadline>,
    ) -> Result<Option<Message>, Error> {
        envelope.clear();
        self.discard_message();
        // The socket's receive timeout keeps the idle limit while the first read blocks.
        let mut polls = call.is_some();
        let idle = call.or_else(|| self.deadline(Limit::IdleTime, self.limits.idle_time));
        let (mut timed, mut message_limit) = (false, None);
        loop {
            if self.read_buffer.find_message_end(envelope, self.limits.message_bytes)? {
                return Ok(Some(self.read_buffer.take_message()));
            }
            let begun = self.read_buffer.has_begun();
            // Files count too: a peer can send the other end of its own connection, which keeps the
            // connection open for as long as the file is held.
            if !timed && (begun || self.read_buffer.has_files()) {
                (timed, polls) = (true, true);
                message_limit = self.deadline(Limit::MessageTime, self.limits.message_time);
            }
            let deadline = Deadline::earlier(message_limit, if begun { call } else { idle });
            let blocking = if polls && deadline.is_some() { Blocking::No } else { Blocking::Yes };
            match self.read(deadline, blocking) {
                Ok(0) if begun => return Err(Error::disconnected().in_mid_message()),
                Ok(0) => return Ok(None),
                // Each read restarts the socket's receive timeout, also a read of white space.
                Ok(_) => polls = true,
                Err(error) if timed => return Err(error.in_mid_message()),
                Err(error) => return Err(error),
            }
        }
    }

    /// Makes one successful read. Returns the number of bytes; 0 is the end of the stream.
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
            match self.read_buffer.fill(|bytes, files| transport.receive(bytes, files, blocking)) {
                Ok(count) => return Ok(count),
                Err(error) if transport::is_disconnect(&error) => return Ok(0),
                // A signal, the socket's receive timeout, or a non-blocking socket without data.
                // Once the spin is over, poll waits for the remaining time.
                Err(error) if transport::is_transient(&error) => {
                    blocking = Blocking::No;
                    spin = spin.filter(|until| self.keep_spinning(*until, deadline));
                }
                Err(error) => return Err(Error::io("receive", error)),
            }
        }
    }

    /// When busy polling ends, if `Limits::spin_time` is set.
    fn spin_until(&self) -> Option<Instant> {
        let time = self.limits.spin_time;
        if time.is_zero() { None } else { self.transport.now().checked_add(time) }
    }

    /// Whether to poll once more. It yields the CPU before that, for a peer on the same CPU.
    fn keep_spinning(&self, until: Instant, deadline: Option<Deadline>) -> bool {
        let now = self.transport.now();
        let has_time = deadline.is_none_or(|deadline| deadline.remaining(now).is_ok());
        let goes_on = now < until && has_time;
        if goes_on {
            thread::yield_now();
        }
        goes_on
    }

    /// A deadline `after` now. Without a limit it does not read the clock.
    fn deadline(&self, name: Limit, after: Option<Duration>) -> Option<Deadline> {
        after.and_then(|after| Deadline::new(self.transport.now(), name, Some(after)))
    }
}
