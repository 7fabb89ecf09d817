//! The server: a table of methods, the clients and their threads, and an orderly stop.
//!
//! Each client has a thread that reads its calls and answers them one after another (`session`).
//! The state of a client is a small state machine (`state`). The `registry` contains all clients
//! and accept loops, and a client's `place` says whether it counts for the limit. `accept` accepts
//! connections, and `threads` starts the clients' threads. `stop` waits until all have ended.
//! `shared` is the state that all of them use. No lock is held while user code runs, and a panic of
//! user code is caught.

mod accept;
mod observe;
mod place;
mod registry;
mod session;
mod shared;
mod state;
mod stop;
mod threads;

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
use crate::sync::thread::JoinHandle;
use accept::AcceptLoop;
use registry::WhenFull;
use shared::Shared;

/// A server of urpc calls: a handle that is cheap to clone and can be used from any thread.
///
/// When the last handle is dropped, idle clients are closed, running calls end, and nothing is
/// waited for. The threads that serve clients do not count as handles. Use [`Server::stop`] for an
/// orderly end.
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
/// let error = client.call::<i64>("Math.Double", &i64::MAX).unwrap_err();
/// assert_eq!(error.to_string(), "Math.Double: remote error: too large");
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

/// Shared by all handles and dropped with the last of them.
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

    /// A builder, to set limits and callbacks.
    pub fn builder() -> ServerBuilder {
        ServerBuilder::default()
    }

    /// Adds a service's methods, as `Name.Method`, and its stop callbacks. Clients that are already
    /// served can call them from now on.
    ///
    /// # Panics
    /// If a method of the same full name is registered already, or if the service's name or a
    /// method's name is empty. Nothing is added then.
    #[doc(alias = "Register")]
    pub fn register<T>(&self, service: Service<T>) {
        assert!(!service.name.is_empty(), "a service has an empty name");
        let mut methods = self.shared.methods.write().unwrap_or_else(PoisonError::into_inner);
        // `service` still owns the methods, so a panic here drops no user code under the lock.
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

    /// Accepts connections from `listener` until the server is stopped. Each client is served on a
    /// thread of its own. Returns as soon as nothing more is accepted: call [`Server::stop`]
    /// afterwards to wait for the calls that still run. Several threads may call this at once.
    ///
    /// A temporary lack of descriptors, memory or threads does not end it: see
    /// [`Event::AcceptPaused`].
    ///
    /// # Errors
    /// [`Error::Stopped`] if the server was stopped before this began. [`Error::Io`] if the listener
    /// fails for good.
    ///
    /// ```no_run
    /// use urpc::{Listener, Server, Service};
    ///
    /// let server = Server::new();
    /// let service = Service::new("Peer", ()).method("Ping", |_: &(), ()| Ok::<_, String>("pong"));
    /// server.register(service);
    /// server.serve(&Listener::bind("/run/sandbox.sock")?)?;
    /// # Ok::<(), urpc::Error>(())
    /// ```
    pub fn serve(&self, listener: &Listener) -> Result<(), Error> {
        AcceptLoop::new(&self.shared)?.run(listener)
    }

    /// Starts a thread that does what [`Server::serve`] does, and returns. The thread's result is
    /// that of `serve`. It closes the listener when it ends, and [`Server::stop`] waits for that.
    /// The thread does not count as a handle of the server, and need not be joined.
    ///
    /// # Errors
    /// [`Error::Stopped`], or [`Error::Io`] if the system has no descriptor or thread to give. The
    /// listener is then closed.
    ///
    /// ```
    /// use std::time::Duration;
    /// use urpc::{Client, Listener, Server, Service};
    ///
    /// # let path = std::env::temp_dir().join(format!("urpc-doc-start-{}", std::process::id()));
    /// let server = Server::new();
    /// server.register(Service::new("Peer", ()).method("Ping", |_: &(), ()| Ok::<_, String>(7)));
    /// let serving = server.start_serving(Listener::bind(&path)?)?;
    ///
    /// assert_eq!(Client::connect(&path)?.call::<i32>("Peer.Ping", &())?, 7);
    /// server.stop(Duration::ZERO);
    /// serving.join().expect("it does not panic")?;
    /// # Ok::<(), urpc::Error>(())
    /// ```
    pub fn start_serving(
        &self,
        listener: Listener,
    ) -> Result<JoinHandle<Result<(), Error>>, Error> {
        AcceptLoop::new(&self.shared)?.start(listener)
    }

    /// Serves one client on this thread until it is gone. `Ok` if it left between two messages.
    ///
    /// While it serves, this thread also closes files that the client sent, which may block: see
    /// [`Limits::stuck_closes`]. What is left at the end, another thread closes.
    ///
    /// # Errors
    /// Why the connection ended. Before the first call: [`Error::Stopped`],
    /// [`Error::TooManyClients`], [`Error::TooManyClientsOfUser`] or [`Error::Unauthorized`].
    /// Later: [`Error::Stopped`], [`Error::Malformed`], [`Error::MessageTooLarge`],
    /// [`Error::TimedOut`], [`Error::Disconnected`] or [`Error::Io`]. The socket is shut down and
    /// closed in any case.
    pub fn handle(&self, socket: Socket) -> Result<(), Error> {
        session::run_here(&self.shared, socket)
    }

    /// Starts a thread that serves one client, and returns.
    ///
    /// If the server is full, but the peer of one of its clients is gone, this waits for that
    /// client's place, 0.2 s at most.
    ///
    /// # Errors
    /// [`Error::Stopped`], [`Error::TooManyClients`], [`Error::TooManyClientsOfUser`], or
    /// [`Error::Io`] if no thread can be started. The socket is then shut down and closed.
    #[doc(alias = "StartHandling")]
    pub fn start_handling(&self, socket: Socket) -> Result<(), Error> {
        session::start(&self.shared, socket, WhenFull::Reject)
    }

    /// Stops the server and returns when all clients are gone. The steps are:
    ///
    /// 1. Nothing is accepted any more.
    /// 2. The stop callbacks of the services run, in the order of registration, once in the
    ///    server's life.
    /// 3. Clients have `grace` to leave by themselves. They are served meanwhile.
    /// 4. Idle clients are closed. The others are closed when their running call has been answered.
    ///
    /// A running method is never interrupted, so this waits for as long as it runs: see
    /// [`Server::stop_within`]. A thread that only closes files that its client sent is waited for
    /// 0.3 s, since such a close may block for as long as the client likes: see
    /// [`Limits::stuck_closes`]. Its [`Event::Disconnected`] may come later.
    ///
    /// Stop may be called more than once, and from several threads. If a method or a callback of
    /// the server calls it, it does not wait for that call, nor for other calls that are inside
    /// stop.
    pub fn stop(&self, grace: Duration) {
        self.shared.stop(grace, None);
    }

    /// Like [`Server::stop`], but waits at most `deadline` for running methods. Then it shuts the
    /// remaining sockets down and returns how many methods still run. `deadline` begins when
    /// `grace` has ended.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let server = urpc::Server::new();
    /// let (grace, deadline) = (Duration::from_secs(1), Duration::from_secs(5));
    /// assert_eq!(server.stop_within(grace, deadline), 0);
    /// ```
    pub fn stop_within(&self, grace: Duration, deadline: Duration) -> usize {
        self.shared.stop(grace, Some(deadline))
    }
}

impl fmt::Debug for Server {
    /// Shows the methods, the number of clients, whether the server is stopping, and the limits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut methods = self.shared.method_names();
        methods.sort_unstable();
        f.debug_struct("Server")
            .field("methods", &methods)
            .field("clients", &self.shared.registry.lock().clients.len())
            .field("stopping", &self.shared.registry.is_stopping())
            .field("limits", &self.shared.limits)
            .finish()
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
#[must_use = "a builder does nothing until `build` is called"]
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

    /// Sets a callback that runs after each call, whatever its outcome. The call's files are closed
    /// by then, and its client is idle again.
    #[doc(alias = "NewServerWithCallback")]
    pub fn after_call(mut self, callback: impl Fn() + Send + Sync + 'static) -> ServerBuilder {
        self.shared.after_call = Some(Box::new(callback));
        self
    }

    /// Sets a callback for the server's events. It runs on the thread where the event happens, so
    /// it should be quick.
    pub fn observe(
        mut self,
        observer: impl Fn(&Event<'_>) + Send + Sync + 'static,
    ) -> ServerBuilder {
        self.shared.observer = Some(Box::new(observer));
        self
    }

    /// Sets a check of who may call. It runs before a client's first call. A client for which it
    /// returns `false` is closed without a reply. See [`Credentials`] for what they are worth, also
    /// in a user namespace and in gVisor.
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

impl fmt::Debug for ServerBuilder {
    /// Shows which callbacks are set, and the limits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Shared { limits, observer, authorizer, after_call, .. } = &self.shared;
        f.debug_struct("ServerBuilder")
            .field("observe", &observer.is_some())
            .field("authorize", &authorizer.is_some())
            .field("after_call", &after_call.is_some())
            .field("limits", limits)
            .finish()
    }
}
