//! Who answers: a table of methods, the clients and their threads, and an orderly end.
//!
//! Each client has a thread, which reads its calls and answers them one after another
//! (`session`). What a client is doing is one small state machine (`state`), who is there at all
//! and how stop waits for them is the `registry`'s, and connections come in through the accept
//! loop (`accept`). No lock is held while code of the user's runs, and a panic in it is caught.

mod accept;
mod observe;
mod place;
mod registry;
mod session;
mod shared;
mod state;
mod stop;

#[cfg(test)]
mod tests;

pub use observe::Event;

use std::fmt;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use crate::error::Error;
use crate::limits::Limits;
use crate::memory::Budget;
use crate::service::Service;
use crate::socket::{Credentials, Listener, Socket};
use registry::WhenFull;
use shared::Shared;

/// A server of urpc calls: a handle, cheap to clone, that can be used from any thread.
///
/// When the last handle is dropped the idle clients are closed, running calls end, and nobody is
/// waited for; the threads that serve clients are not handles. [`Server::stop`] is the orderly way.
///
/// ```
/// use std::time::Duration;
/// use urpc::{Client, Server, Service, Socket};
///
/// let server = Server::new();
/// server.register(Service::new("Math", ()).method("Double", |_: &(), n: i64| {
///     n.checked_mul(2).ok_or("too large")
/// }));
///
/// let (ours, theirs) = Socket::pair()?;
/// server.start_handling(theirs)?;
/// let client = Client::new(ours);
/// assert_eq!(client.call::<i64>("Math.Double", &21)?, 42);
/// assert_eq!(client.call::<i64>("Math.Double", &i64::MAX).unwrap_err().to_string(), "too large");
///
/// client.close();
/// server.stop(Duration::from_secs(5));
/// # Ok::<(), urpc::Error>(())
/// ```
#[derive(Clone)]
pub struct Server {
    shared: Arc<Shared>,
    _handle: Arc<Handle>,
}

/// What all handles share; dropped with the last of them.
struct Handle(Arc<Shared>);

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.registry.begin_stop();
        self.0.registry.close_clients();
    }
}

impl Server {
    /// A server with the default [`Limits`] and no callbacks.
    pub fn new() -> Server {
        ServerBuilder::default().build()
    }

    /// A server to be set up.
    pub fn builder() -> ServerBuilder {
        ServerBuilder::default()
    }

    /// Adds a service's methods, as `Name.Method`, and its stop callbacks. Clients that are being
    /// served can call them from now on.
    ///
    /// # Panics
    /// If a method of the same full name is there already, or the service's or a method's name is
    /// empty. The table is then as it was before.
    pub fn register<T>(&self, service: Service<T>) {
        assert!(!service.name.is_empty(), "a service has an empty name");
        let mut methods = self.shared.methods.write().unwrap_or_else(PoisonError::into_inner);
        // The service keeps its methods to the end, so a panic drops none of them under the lock.
        let mut table = methods.clone();
        for (name, method) in &service.methods {
            let full = format!("{}.{name}", service.name);
            assert!(!name.is_empty(), "the method {full:?} has an empty name");
            let taken = table.insert(full.clone(), Arc::clone(method)).is_some();
            assert!(!taken, "the method {full:?} is registered already");
        }
        *methods = table;
        drop(methods);
        self.shared.lock_stop_callbacks().extend(service.stop_callbacks);
    }

    /// Accepts connections from `listener`, each served by a thread of its own, until the server is
    /// stopped. It returns as soon as it accepts no more: call [`Server::stop`] behind it to wait
    /// until the calls that still run have ended. Several may run at once.
    ///
    /// A passing want of descriptors, memory or threads does not end it; see
    /// [`Event::AcceptPaused`].
    ///
    /// # Errors
    /// [`Error::Io`] if the listener fails for good.
    pub fn serve(&self, listener: &Listener) -> Result<(), Error> {
        accept::run(&self.shared, listener)
    }

    /// Serves one client on this thread until it is gone. `Ok` if it left between two messages.
    ///
    /// # Errors
    /// Why the connection ended: [`Error::Stopped`], [`Error::TooManyClients`] and
    /// [`Error::Unauthorized`] before the first call, [`Error::Malformed`],
    /// [`Error::MessageTooLarge`], [`Error::TimedOut`], [`Error::Disconnected`] or [`Error::Io`]
    /// later. The socket is shut down and closed in any case.
    ///
    /// While it serves, this thread closes what the client sent, which may block: see
    /// [`Limits::stuck_closes`]. At the end another thread does so.
    pub fn handle(&self, socket: Socket) -> Result<(), Error> {
        session::run_here(&self.shared, socket)
    }

    /// Starts a thread that serves one client, and returns.
    ///
    /// # Errors
    /// [`Error::Stopped`], [`Error::TooManyClients`], or [`Error::Io`] if no thread can be made.
    /// The socket is shut down and closed then. Where the server is full and a client's peer is
    /// gone already, this waits for its place, 0.2 s at most.
    pub fn start_handling(&self, socket: Socket) -> Result<(), Error> {
        session::start(&self.shared, socket, WhenFull::Reject, None)
    }

    /// Ends the server. Nobody is accepted from now on; the services' stop callbacks run, in the
    /// order of registration and once in the server's life; clients have `grace` to leave by
    /// themselves, and are served meanwhile; then idle ones are closed, and the others as soon as
    /// their running call has been answered. Returns when all are gone.
    ///
    /// A running method is never interrupted, so this waits for as long as it runs: see
    /// [`Server::stop_within`]. A thread that only closes what its client sent is waited for a
    /// moment (0.3 s), as that may block for as long as the client likes: see
    /// [`Limits::stuck_closes`]. Its observer may be told of the client's end later. Stop may be
    /// called again, and from several threads. Called from a method or callback of the server, it
    /// waits neither for that call nor for others that are inside stop themselves.
    pub fn stop(&self, grace: Duration) {
        self.shared.stop(grace, None);
    }

    /// Like [`Server::stop`], but waits at most `deadline` for running methods; then it shuts the
    /// remaining sockets down and returns how many methods still run.
    pub fn stop_within(&self, grace: Duration, deadline: Duration) -> usize {
        self.shared.stop(grace, Some(deadline))
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("limits", &self.shared.limits).finish_non_exhaustive()
    }
}

impl Default for Server {
    fn default() -> Server {
        Server::new()
    }
}

/// Sets up a [`Server`].
///
/// ```
/// use urpc::{Event, Server};
///
/// let server = Server::builder()
///     .authorize(|peer| peer.uid == 0 || peer.uid == 1000)
///     .observe(|event| {
///         if let Event::Refused { reason } = event {
///             eprintln!("refused a client: {reason}");
///         }
///     })
///     .build();
/// ```
#[derive(Default)]
pub struct ServerBuilder {
    shared: Shared,
}

impl ServerBuilder {
    /// Sets the limits.
    pub fn limits(mut self, limits: Limits) -> ServerBuilder {
        self.shared.budget = Arc::new(Budget::new(limits.total_bytes));
        self.shared.limits = limits.clamp_to_kernel();
        self
    }

    /// Sets a callback that runs after each call, whatever its outcome: last of all, when its
    /// files are closed and its client is idle again.
    pub fn after_call(mut self, callback: impl Fn() + Send + Sync + 'static) -> ServerBuilder {
        self.shared.after_call = Some(Box::new(callback));
        self
    }

    /// Sets a callback that is told what happens. It runs on the thread where it happens, so it
    /// should be quick.
    pub fn observe(
        mut self,
        observer: impl Fn(&Event<'_>) + Send + Sync + 'static,
    ) -> ServerBuilder {
        self.shared.observer = Some(Box::new(observer));
        self
    }

    /// Sets a check on who may call; it runs before a client's first call, and a client that it
    /// refuses is closed without a reply. Decide by user and group: see [`Credentials`], also for
    /// what they say in a user namespace and in gVisor.
    pub fn authorize(
        mut self,
        check: impl Fn(&Credentials) -> bool + Send + Sync + 'static,
    ) -> ServerBuilder {
        self.shared.authorizer = Some(Box::new(check));
        self
    }

    /// Makes the server.
    pub fn build(self) -> Server {
        let shared = Arc::new(self.shared);
        Server { _handle: Arc::new(Handle(Arc::clone(&shared))), shared }
    }
}
