//! The accept loop: waits for connections and for the server's stop.
//!
//! A stop must not shut the listening socket down: another process may share it, and its
//! connections would be refused as well. So a stop wakes the loop through a socket pair. While the
//! server is full, nothing is accepted, and connections wait in the kernel's queue.

use std::io;
use std::mem;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use super::observe::Event;
use super::registry::{Registration, WhenFull};
use super::session;
use super::shared::Shared;
use crate::errno::{EMFILE, ENFILE, ENOBUFS, ENOMEM};
use crate::error::Error;
use crate::socket::{Listener, Socket, retry_interrupted};
use crate::sync::thread::{self, JoinHandle};
use crate::sys::{self, Interest};

/// How long to wait if a descriptor or memory is missing. The connection stays queued, so a loop
/// without a wait would spin.
const PAUSE: Duration = Duration::from_millis(30);

/// An accept loop that is registered: a stop ends it, and waits until this is dropped.
pub(super) struct AcceptLoop {
    shared: Arc<Shared>,
    /// Readable once the server is stopping.
    wake: UnixStream,
    registration: Registration,
}

impl AcceptLoop {
    /// Registers a loop.
    ///
    /// # Errors
    /// The server is stopped, or no descriptor is free.
    pub(super) fn new(shared: &Arc<Shared>) -> Result<AcceptLoop, Error> {
        let (waker, wake) =
            UnixStream::pair().map_err(|error| Error::io("make a socket pair", error))?;
        let registration = shared.registry.admit_loop(waker)?;
        Ok(AcceptLoop { shared: Arc::clone(shared), wake, registration })
    }

    /// Starts a thread that runs the loop. A stop that waits for it finds the listener closed.
    pub(super) fn start(self, listener: Listener) -> Result<JoinHandle<Result<(), Error>>, Error> {
        let run = move || {
            let result = self.run(&listener);
            drop(listener);
            result
        };
        let thread = thread::Builder::new().name("urpc-accept".to_owned());
        thread.spawn(run).map_err(|error| Error::io("start a thread", error))
    }

    /// Accepts from `listener` and starts a thread for each connection, until the server is
    /// stopped.
    pub(super) fn run(&self, listener: &Listener) -> Result<(), Error> {
        let AcceptLoop { shared, wake, registration } = self;
        registration.bind_thread();
        if shared.limits.receive_files == 0 {
            // If the kernel cannot refuse files, they are received and closed.
            let _ = listener.refuse_files();
        }
        let mut pauses = false;
        while shared.registry.wait_for_place(&shared.limits) {
            match next(wake, listener) {
                Ok(None) => break,
                Ok(Some(socket)) => {
                    pauses = false;
                    // The observer has been told of a refusal.
                    let _ = session::start(shared, socket, WhenFull::Wait);
                }
                Err(error) if is_shortage(&error) => {
                    if !mem::replace(&mut pauses, true) {
                        shared.emit(&Event::AcceptPaused { reason: &error });
                    }
                    shared.registry.pause(PAUSE);
                }
                Err(error) if is_transient(&error) => {}
                Err(error) => return Err(Error::io("accept", error)),
            }
        }
        Ok(())
    }
}

/// Accepts the next connection. `None` if the stop came first.
fn next(wake: &UnixStream, listener: &Listener) -> io::Result<Option<Socket>> {
    let mut both = [Interest::readable(wake.as_fd()), Interest::readable(listener.as_fd())];
    retry_interrupted(|| sys::wait_for(&mut both, None))?;
    match both {
        [wake, _] if wake.is_ready() => Ok(None),
        _ => listener.accept().map(Some),
    }
}

/// Whether descriptors or memory are missing for the moment.
fn is_shortage(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(ENOMEM | ENFILE | EMFILE | ENOBUFS))
}

/// Whether only this connection is lost, or another process took it.
fn is_transient(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, Interrupted, WouldBlock};
    matches!(error.kind(), ConnectionAborted | Interrupted | WouldBlock)
}
