//! Connecting, with a limit of time.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::thread;
use std::time::{Duration, Instant};

use crate::error::Error;
use crate::limits::Limit;
use crate::sys;

/// Connects a new socket within `limit`. The socket's send timeout limits how long the kernel waits
/// for a place in the server's queue (`SO_SNDTIMEO`, socket(7)).
pub(super) fn connect_new(
    limit: Option<Duration>,
    connect: impl Fn(&UnixDatagram) -> io::Result<()>,
) -> io::Result<OwnedFd> {
    /// How long to wait if the kernel does not: gVisor reports at once that the queue is full.
    const PAUSE: Duration = Duration::from_millis(5);
    let socket = connectable(sys::new_stream()?);
    let until = limit.and_then(|limit| Instant::now().checked_add(limit));
    loop {
        if let Some(until) = until {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let after = limit.unwrap_or_default();
                return Err(Error::timed_out(Limit::ConnectTime, after).into());
            }
            socket.set_write_timeout(Some(left))?;
        }
        match connect(&socket) {
            Ok(()) => break,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::sleep(PAUSE),
            Err(error) => return Err(error),
        }
    }
    if until.is_some() {
        socket.set_write_timeout(None)?;
    }
    Ok(socket.into())
}

/// The socket as the std type that can connect an existing descriptor. `UnixStream` can not. The
/// system call is the same for each kind of socket.
pub(super) fn connectable(socket: OwnedFd) -> UnixDatagram {
    socket.into()
}
