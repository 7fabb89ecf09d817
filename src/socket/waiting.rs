//! Waiting for several descriptors, and for one that is non-blocking.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use super::{Socket, retry_interrupted};
use crate::sys::{self, Interest};

/// Waits until one of `entries` is ready, with one poll(2). Returns `false` if none is within
/// `timeout`, which is rounded up to milliseconds; `None` means for ever. [`Interest::is_ready`]
/// says which are. A signal does not end the wait.
///
/// It is level-triggered: what is not read is reported again.
///
/// # Errors
/// The error of poll(2): `InvalidInput` for more entries than this process may have descriptors.
///
/// ```
/// use std::os::fd::AsFd;
/// use std::time::Duration;
/// use urpc::Socket;
/// use urpc::socket::{Interest, poll};
///
/// let ((ours, theirs), (quiet, _peer)) = (Socket::pair()?, Socket::pair()?);
/// ours.send(b"hello", &[])?;
/// let mut entries = [quiet.as_fd(), theirs.as_fd()].map(Interest::readable);
/// assert!(poll(&mut entries, None)?);
/// assert_eq!(entries.map(|entry| entry.is_ready()), [false, true]);
/// assert!(!poll(&mut [Interest::readable(quiet.as_fd())], Some(Duration::ZERO))?);
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn poll(entries: &mut [Interest<'_>], timeout: Option<Duration>) -> io::Result<bool> {
    let until = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    retry_interrupted(|| {
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        sys::wait_for(entries, left)
    })
}

impl Socket {
    /// Repeats `call`, which waits by itself unless the socket is non-blocking.
    pub(super) fn until_ready<'s, T>(
        &'s self,
        interest: fn(BorrowedFd<'s>) -> Interest<'s>,
        mut call: impl FnMut() -> io::Result<T>,
    ) -> io::Result<T> {
        loop {
            let result = call();
            let would_block =
                result.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock);
            // On a blocking socket it means that the socket's own time limit has passed.
            if !would_block || !sys::is_non_blocking(self.as_fd())? {
                return result;
            }
            poll(&mut [interest(self.as_fd())], None)?;
        }
    }
}
