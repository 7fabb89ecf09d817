//! Used by `serve` and `trace`: accepting clients, and starting threads.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::thread;
use std::time::Duration;

use urpc::{Listener, Socket, process};

use crate::outcome::{Failure, Outcome, say};

/// Accepts the next client. `None` when `ended` is readable.
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
            // Most likely no descriptor is free. The client stays in the queue until one is.
            _ => {
                say(&format!("urpc: accepting is paused: {error}"));
                process::wait_readable(&[ended.as_fd()], Some(PAUSE)).map_err(failed)?;
            }
        }
    }
}

/// A builder for a thread that copies, waits or logs. std's default stack is twice that of a
/// server's client, and would fail first if memory is limited.
pub fn small_thread() -> thread::Builder {
    thread::Builder::new().stack_size(256 * 1024)
}

/// Starts such a thread. Nobody waits for it. The code that starts one is there once: it is large.
pub fn spawn(act: impl FnOnce() + Send + 'static) -> Outcome {
    let act: Box<dyn FnOnce() + Send> = Box::new(act);
    small_thread().spawn(act).map(drop).map_err(no_thread)
}

/// The failure of starting a thread.
pub fn no_thread(error: io::Error) -> Failure {
    Failure::local("cannot start a thread", error)
}
