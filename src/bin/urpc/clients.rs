//! What `serve` and `trace` share: clients who come until it is over, and threads for them.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::thread;
use std::time::Duration;

use urpc::{Listener, Socket, process};

use crate::outcome::{Failure, Outcome, say};

/// The next client that comes, `None` once `ended` can be read.
pub fn next(listener: &Listener, ended: &File) -> Result<Option<Socket>, Failure> {
    use io::ErrorKind::{ConnectionAborted, Interrupted, InvalidInput, WouldBlock};
    const PAUSE: Duration = Duration::from_millis(100);
    let failed = |error: io::Error| Failure::Transport(format!("cannot accept: {error}"));
    loop {
        let ready = process::wait_readable(&[ended.as_fd(), listener.as_fd()], None);
        if ready.map_err(failed)? == Some(0) {
            return Ok(None);
        }
        let error = match listener.accept() {
            Ok(client) => return Ok(Some(client)),
            Err(error) => error,
        };
        match error.kind() {
            ConnectionAborted | Interrupted | WouldBlock => {}
            InvalidInput => return Err(failed(error)),
            // No descriptor is free, most likely: the client stays queued until one is.
            _ => {
                say(&format!("urpc: accepting waits: {error}"));
                process::wait_readable(&[ended.as_fd()], Some(PAUSE)).map_err(failed)?;
            }
        }
    }
}

/// Starts a thread that nobody waits for.
pub fn spawn(act: impl FnOnce() + Send + 'static) -> Outcome {
    let spawned = thread::Builder::new().spawn(act);
    spawned.map(drop).map_err(|error| Failure::local("cannot start a thread", error))
}
