//! Waiting for a server that is not there yet.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use super::Socket;
use crate::error::Error;

/// Calls `connect` until it gives a socket, for `limit` at most; `None` means for ever. `connect`
/// gets what is left of the time.
///
/// An attempt that fails with `NotFound` or `ConnectionRefused` is repeated after a pause of 1 ms,
/// which doubles each time up to 100 ms: the server may not have made its socket yet, or the socket
/// is that of a server that has died. Any other error is returned at once.
///
/// # Errors
/// The error of the last attempt. If it came when the time was over, its text also has the limit.
///
/// ```
/// use std::io::ErrorKind;
/// use std::time::Duration;
/// use urpc::{Socket, socket};
///
/// let limit = Some(Duration::from_millis(20));
/// let connected = socket::connect_when_ready(limit, |left| {
///     Socket::connect_within("/run/no-such.sock", left)
/// });
/// assert_eq!(connected.unwrap_err().kind(), ErrorKind::NotFound);
/// ```
pub fn connect_when_ready(
    limit: Option<Duration>,
    mut connect: impl FnMut(Option<Duration>) -> io::Result<Socket>,
) -> io::Result<Socket> {
    use io::ErrorKind::{ConnectionRefused, NotFound};
    const LONGEST_PAUSE: Duration = Duration::from_millis(100);
    /// So that the last attempt finds out why there is no server, however late it comes.
    const SHORTEST_ATTEMPT: Duration = Duration::from_millis(10);
    let until = limit.and_then(|limit| Instant::now().checked_add(limit));
    let mut left = limit;
    let mut pause = Duration::from_millis(1);
    loop {
        let error = match connect(left.map(|left| left.max(SHORTEST_ATTEMPT))) {
            Ok(socket) => return Ok(socket),
            Err(error) => error,
        };
        let may_come = matches!(error.kind(), NotFound | ConnectionRefused);
        let now = Instant::now();
        left = until.map(|until| until.saturating_duration_since(now));
        match limit {
            Some(limit) if left == Some(Duration::ZERO) => {
                return Err(Error::from(error).after_waiting(limit).into());
            }
            _ if !may_come => return Err(error),
            _ => {}
        }
        thread::sleep(left.map_or(pause, |left| left.min(pause)));
        left = left.map(|left| left.saturating_sub(pause));
        pause = LONGEST_PAUSE.min(pause * 2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pauses_become_longer() {
        let mut attempts = 0;
        let connected = connect_when_ready(Some(Duration::from_millis(60)), |_| {
            attempts += 1;
            Err(io::ErrorKind::NotFound.into())
        });
        assert_eq!(connected.unwrap_err().kind(), io::ErrorKind::NotFound);
        // After 0, 1, 3, 7, 15, 31 and 60 ms.
        assert!(attempts <= 7, "{attempts}");
    }
}
