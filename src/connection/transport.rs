//! The system calls of a connection, and the clock.

use std::io::{self, IoSlice};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::deadline::Deadline;
use crate::control::Rights;
use crate::error::Error;
use crate::socket::Socket;
use crate::sync;
use crate::sys::{self, Ancillary, Blocking, Interest};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    In,
    Out,
}

/// The system calls of a connection, and the clock. Tests use a fake.
pub(crate) trait Transport {
    /// Sends, if `blocking` says so all of `parts`. Returns the number of bytes that were sent.
    fn send(
        &self,
        parts: &[IoSlice<'_>],
        files: Option<&Rights<'_>>,
        blocking: Blocking,
    ) -> io::Result<usize>;
    /// Receives into the spare capacity of `buffer`. Returns the number of bytes.
    fn receive(
        &self,
        buffer: &mut Vec<u8>,
        ancillary: &mut Ancillary,
        blocking: Blocking,
    ) -> io::Result<usize>;
    /// Waits until data can be read or sent. Returns `false` if `timeout` passed first.
    fn wait(&self, direction: Direction, timeout: Option<Duration>) -> io::Result<bool>;
    fn shutdown(&self);
    fn now(&self) -> Instant;
}

impl Transport for Arc<Socket> {
    fn send(
        &self,
        parts: &[IoSlice<'_>],
        files: Option<&Rights<'_>>,
        blocking: Blocking,
    ) -> io::Result<usize> {
        sys::send_message(self.as_fd(), parts, files, blocking)
    }

    fn receive(
        &self,
        buffer: &mut Vec<u8>,
        ancillary: &mut Ancillary,
        blocking: Blocking,
    ) -> io::Result<usize> {
        sys::receive_message(self.as_fd(), buffer, ancillary, blocking)
    }

    fn wait(&self, direction: Direction, timeout: Option<Duration>) -> io::Result<bool> {
        let interest = match direction {
            Direction::In => Interest::readable(self.as_fd()),
            Direction::Out => Interest::writable(self.as_fd()),
        };
        sys::wait_for(&mut [interest], timeout)
    }

    fn shutdown(&self) {
        // It fails only if the peer is gone.
        let _ = Socket::shutdown(self);
    }

    fn now(&self) -> Instant {
        sync::now()
    }
}

/// Waits for `direction` until the deadline. Signals do not end the wait.
pub(super) fn wait_until(
    transport: &impl Transport,
    direction: Direction,
    deadline: Option<Deadline>,
) -> Result<(), Error> {
    loop {
        let left = deadline.map(|deadline| deadline.remaining(transport.now())).transpose()?;
        match transport.wait(direction, left) {
            Ok(true) => return Ok(()),
            Ok(false) => {}
            Err(error) if is_transient(&error) => {}
            Err(error) => return Err(Error::io("poll", error)),
        }
    }
}

/// Whether the call was interrupted by a signal or would have to wait.
pub(super) fn is_transient(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock)
}

/// Whether the peer is gone.
pub(super) fn is_disconnect(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset)
}
