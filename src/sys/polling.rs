//! Waiting for several descriptors: poll(2).

use std::ffi::{c_int, c_short, c_ulong};
use std::io;
use std::mem::{offset_of, size_of};
use std::os::fd::BorrowedFd;
use std::time::Duration;

use super::abi::os_result;
use crate::architecture::SPARC;

const POLLIN: c_short = 1;
const POLLPRI: c_short = 2;
const POLLOUT: c_short = 4;
const POLLHUP: c_short = 0x10;
const POLLRDHUP: c_short = if SPARC { 0x800 } else { 0x2000 };

/// A descriptor, what to wait for on it, and what [`poll`](crate::socket::poll) has found.
#[derive(Debug)]
#[repr(C)]
pub struct Interest<'f> {
    // `struct pollfd` of poll(2).
    file: BorrowedFd<'f>,
    events: c_short,
    returned: c_short,
}

const _: () = {
    assert!(size_of::<Interest<'_>>() == 8 && offset_of!(Interest<'_>, events) == 4);
    assert!(offset_of!(Interest<'_>, returned) == 6);
};

unsafe extern "C" {
    fn poll(entries: *mut Interest<'_>, count: c_ulong, timeout: c_int) -> c_int;
}

impl<'f> Interest<'f> {
    /// Waits until `file` can be read, has ended or has failed. A listening socket can be read if
    /// a connection waits to be accepted.
    pub fn readable(file: BorrowedFd<'f>) -> Interest<'f> {
        Interest { file, events: POLLIN | POLLRDHUP, returned: 0 }
    }

    /// Waits until `file` can be written or has failed.
    pub fn writable(file: BorrowedFd<'f>) -> Interest<'f> {
        Interest { file, events: POLLOUT, returned: 0 }
    }

    /// Waits only until the peer has closed the connection (`POLLHUP`) or for an error.
    pub(crate) fn gone(file: BorrowedFd<'f>) -> Interest<'f> {
        Interest { file, events: 0, returned: 0 }
    }

    /// Waits for an out-of-band byte (`POLLPRI`).
    pub(crate) fn urgent(file: BorrowedFd<'f>) -> Interest<'f> {
        Interest { file, events: POLLPRI, returned: 0 }
    }

    /// Whether there is an out-of-band byte.
    pub(crate) fn is_urgent(&self) -> bool {
        self.returned & POLLPRI != 0
    }

    /// Whether the peer sends nothing more. Data may still be queued.
    pub(crate) fn has_ended(&self) -> bool {
        self.returned & (POLLHUP | POLLRDHUP) != 0
    }

    /// Whether an awaited event has happened.
    pub fn is_ready(&self) -> bool {
        self.returned != 0
    }
}

/// For the model in `tests/interleavings`.
#[cfg(urpc_interleavings)]
impl<'f> Interest<'f> {
    pub(crate) fn parts(&self) -> (BorrowedFd<'f>, c_short) {
        (self.file, self.events)
    }

    pub(crate) fn from_parts(file: BorrowedFd<'f>, events: c_short) -> Interest<'f> {
        Interest { file, events, returned: 0 }
    }
}

/// Waits until one of `entries` is ready and returns `true`, or `false` if `timeout` passed first.
/// `timeout` is rounded up to milliseconds; `None` is no limit.
pub(crate) fn wait_for(
    entries: &mut [Interest<'_>],
    timeout: Option<Duration>,
) -> io::Result<bool> {
    let timeout = timeout.map_or(-1, milliseconds);
    let count = c_ulong::try_from(entries.len()).unwrap_or(c_ulong::MAX);
    // SAFETY: `entries` is a live slice of `struct pollfd` (a `BorrowedFd` has the layout of a
    // `c_int`), and the kernel writes only their `returned` members.
    os_result(unsafe { poll(entries.as_mut_ptr(), count, timeout) }).map(|ready| ready > 0)
}

/// Rounds up: a caller that waits again and again for less than a millisecond must not spin.
fn milliseconds(time: Duration) -> c_int {
    c_int::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(c_int::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_waits_are_rounded_up_to_a_tick_and_long_ones_do_not_wrap() {
        for (time, expected) in [(0, 0), (1, 1), (999_999, 1), (1_000_000, 1), (1_000_001, 2)] {
            assert_eq!(milliseconds(Duration::from_nanos(time)), expected);
        }
        assert_eq!(milliseconds(Duration::MAX), c_int::MAX);
    }
}
