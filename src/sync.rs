//! What threads share and wait with, and the clock: std's.
//!
//! Modules whose threads depend on each other's order take these from here. `tests/interleavings`
//! puts a model in their place, which runs the threads in every order.

pub(crate) use std::sync::{Condvar, Mutex, MutexGuard, RwLock, atomic, mpsc};
pub(crate) use std::thread;

use std::io;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::time::Instant;

pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Ends one or both directions of a stream, which wakes whoever waits for it.
pub(crate) fn shut_down(stream: &UnixStream, direction: Shutdown) -> io::Result<()> {
    stream.shutdown(direction)
}
