//! Descriptors that this process was started with.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{OwnedFd, RawFd};

use crate::error::Error;
use crate::socket::take_inherited;

/// The variables by which a service manager says which sockets it passed (sd_listen_fds(3)).
pub(super) const LISTEN_VARIABLES: [&str; 4] =
    ["LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "LISTEN_PIDFDID"];

/// A duplicate of the descriptor `number` that this process was started with.
///
/// Each number can be taken once. An inherited descriptor is not close-on-exec, but all that std
/// opens is. So this refuses a descriptor that is close-on-exec, and it makes the original
/// close-on-exec. The original stays open until the process ends, because something else in the
/// process may own it. So closing the duplicate does not end a connection: shut it down.
///
/// # Errors
/// `EBADF` if the number is not open. `InvalidInput` if it is close-on-exec, so that it was not
/// inherited or was taken already. The text contains the number.
///
/// ```
/// let standard_input = urpc::process::inherited(0)?;
/// assert!(urpc::process::inherited(0).is_err());
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn inherited(number: RawFd) -> io::Result<OwnedFd> {
    take_inherited(number).map_err(|error| Error::io(format!("descriptor {number}"), error).into())
}

/// Duplicates of the descriptors that a service manager passed (sd_listen_fds(3)). They begin at 3,
/// and `LISTEN_FDS` is their number. There are none if `LISTEN_PID` is not this process.
///
/// They can be taken once. The variables stay set, because changing them is unsafe while other
/// threads run. [`spawn_with_files`](super::spawn_with_files) removes them for its programs. For
/// other programs use `Command::env_remove`.
///
/// # Errors
/// The error of [`inherited`] for the first number that is not open or was taken already.
///
/// ```
/// use urpc::Listener;
///
/// for socket in urpc::process::listen_fds()? {
///     let listener = Listener::from_fd(socket)?;
///     // server.serve(&listener)?;
/// }
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn listen_fds() -> io::Result<Vec<OwnedFd>> {
    let [count, pid, ..] = LISTEN_VARIABLES.map(std::env::var_os);
    let count = listen_count(count.as_deref(), pid.as_deref(), std::process::id());
    (3..count.saturating_add(3)).map(inherited).collect()
}

fn listen_count(count: Option<&OsStr>, pid: Option<&OsStr>, own_pid: u32) -> RawFd {
    let number = |text: Option<&OsStr>| text?.to_str()?.parse::<u32>().ok();
    match (number(count), number(pid)) {
        (Some(count), Some(pid)) if pid == own_pid => RawFd::try_from(count).unwrap_or(RawFd::MAX),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_of_a_service_manager_are_taken_only_if_they_are_meant_for_us() {
        let count = |count: &str, pid: &str| {
            listen_count(Some(OsStr::new(count)), Some(OsStr::new(pid)), 42)
        };
        assert_eq!(count("2", "42"), 2);
        assert_eq!(count("2", "43"), 0);
        assert_eq!(count("-1", "42"), 0);
        assert_eq!(count("", "42"), 0);
        assert_eq!(count("4294967295", "42"), RawFd::MAX);
        assert_eq!(listen_count(None, None, 42), 0);
    }

    #[test]
    fn a_number_that_is_not_open_is_refused_with_its_number() {
        let error = inherited(RawFd::MAX).unwrap_err().to_string();
        assert!(error.contains("2147483647"), "{error}");
    }
}
