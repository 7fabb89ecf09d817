//! The methods of one object: typed on the outside, erased inside.
//!
//! A [`Service`] is built by the user and handed to a server. Each method becomes a [`Method`]: a
//! closure that decodes its argument, runs the function and passes the result to a [`Responder`].
//! The server knows which client is served and in what state, and it catches panics.

mod method_error;

use std::fmt::{self, Display};
use std::sync::Arc;
use std::time::Duration;

use crate::call;
use crate::connection::Sender;
use crate::control::Rights;
use crate::error::Error;
use crate::files::Files;
use crate::json::{self, FromJson, RawJson, ToJson, Token};
use crate::limits::Limits;
use crate::memory::{Allowance, Budget, Lent};
use crate::socket::{Credentials, Socket};
use crate::sync::atomic::{AtomicBool, Ordering};
pub use method_error::BadArgument;
use method_error::{MethodError, WireText};

/// An object, its methods, and its callbacks for the server's stop.
///
/// A method takes one argument and returns a result or an error. The error is a `String`, a `&str`
/// or any type that implements [`std::error::Error`], `Send` and `Sync`, boxed or not. The caller
/// gets its text, and after it the text of each [`source`](std::error::Error::source), separated
/// by `": "`. To say that the argument was wrong, return a [`BadArgument`].
///
/// ```
/// use urpc::{Server, Service};
///
/// struct Greeter {
///     greeting: String,
/// }
///
/// impl Greeter {
///     fn greet(&self, name: String) -> Result<String, &'static str> {
///         if name.is_empty() { Err("who?") } else { Ok(format!("{}, {name}", self.greeting)) }
///     }
/// }
///
/// let server = Server::new();
/// let greeter = Greeter { greeting: "hello".into() };
/// server.register(Service::new("Greeter", greeter).method("Greet", Greeter::greet));
/// ```
#[must_use = "a service does nothing until it is registered"]
pub struct Service<T> {
    object: Arc<T>,
    pub(crate) name: String,
    pub(crate) methods: Vec<(String, Arc<Method>)>,
    pub(crate) stop_callbacks: Vec<Box<StopCallback>>,
}

/// A method without its types.
pub(crate) type Method = dyn Fn(Request<'_>, &mut Responder<'_>) + Send + Sync;
/// A callback for the server's stop.
pub(crate) type StopCallback = dyn FnOnce() + Send;

impl<T: Send + Sync + 'static> Service<T> {
    /// A service of `object`. `name` is the part of its methods' full names before the dot.
    ///
    /// ```
    /// use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
    /// use urpc::Service;
    ///
    /// let counter = Service::new("Counter", AtomicU64::new(0))
    ///     .method("Add", |count, n: u64| Ok::<_, String>(count.fetch_add(n, Relaxed) + n));
    /// ```
    pub fn new(name: impl Into<String>, object: T) -> Service<T> {
        Service::shared(name, Arc::new(object))
    }

    /// A service of an object that the caller keeps as well. Otherwise like [`Service::new`].
    ///
    /// ```
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
    /// use urpc::{Server, Service};
    ///
    /// let count = Arc::new(AtomicU64::new(0));
    /// let service = Service::shared("Counter", Arc::clone(&count))
    ///     .method("Add", |count, n: u64| Ok::<_, String>(count.fetch_add(n, Relaxed) + n))
    ///     .method("Get", |count, ()| Ok::<_, String>(count.load(Relaxed)))
    ///     .method("Reset", |count, ()| Ok::<_, String>(count.store(0, Relaxed)));
    /// let server = Server::new();
    /// server.register(service);
    /// println!("{} so far", count.load(Relaxed));
    /// ```
    pub fn shared(name: impl Into<String>, object: Arc<T>) -> Service<T> {
        Service { object, name: name.into(), methods: Vec::new(), stop_callbacks: Vec::new() }
    }

    /// Adds a method.
    ///
    /// If the argument has a [`Files`] member, it gets the files of the call. They stay open until
    /// the call has been answered. Files that the method releases stay open until they are dropped.
    /// The files of the result are sent with the reply and then closed.
    ///
    /// ```
    /// use urpc::{Files, Service};
    ///
    /// let service = Service::new("Peer", ())
    ///     .method("Length", |_: &(), text: String| Ok::<_, String>(text.len()))
    ///     .method("Return", |_: &(), files: Files| Ok::<_, String>(files));
    /// ```
    pub fn method<A, R, E>(
        self,
        name: impl Into<String>,
        function: impl Fn(&T, A) -> Result<R, E> + Send + Sync + 'static,
    ) -> Service<T>
    where
        A: FromJson + Default,
        R: ToJson,
        E: Into<MethodError>,
    {
        self.method_with_context(name, move |object, arg, _| function(object, arg))
    }

    /// Adds a method that also gets the [`CallContext`]. Otherwise like [`Service::method`].
    ///
    /// ```
    /// use urpc::{CallContext, Service};
    ///
    /// let service = Service::new("Peer", ())
    ///     .method_with_context("Uid", |_: &(), _: (), call: &CallContext<'_>| {
    ///         Ok::<_, String>(call.credentials().uid)
    ///     });
    /// ```
    pub fn method_with_context<A, R, E>(
        self,
        name: impl Into<String>,
        function: impl Fn(&T, A, &CallContext<'_>) -> Result<R, E> + Send + Sync + 'static,
    ) -> Service<T>
    where
        A: FromJson + Default,
        R: ToJson,
        E: Into<MethodError>,
    {
        self.add(name.into(), move |object, request, responder| {
            // Declared first, so that the memory is returned after all that uses it is dropped.
            let mut memory = Allowance::new(request.limits.decoded_bytes, Some(request.budget));
            let mut arg = A::default();
            if let Err(error) = request.decode(&mut arg, &mut memory) {
                return responder.reply_error(&error, Outcome::BadArgument);
            }
            if let Some(files) = arg.files_mut() {
                *files = request.files;
            }
            match function(object, arg, request.context) {
                Ok(result) => responder.reply_result(&result, result.files()),
                Err(error) => responder.reply_failure(error.into()),
            }
        })
    }

    /// Adds a method that takes its argument and returns its result as JSON text: for relays, and
    /// for use with another JSON library. If the call has no argument, the text is empty.
    ///
    /// ```
    /// use urpc::{BadArgument, CallContext, Files, Service, json};
    ///
    /// let service = Service::new("Peer", ())
    ///     .raw_method("Echo", |_: &(), arg: &[u8], files: Files, _: &CallContext<'_>| {
    ///         json::from_slice(arg).map(|result| (result, files)).map_err(BadArgument::new)
    ///     });
    /// ```
    pub fn raw_method<E: Into<MethodError>>(
        self,
        name: impl Into<String>,
        function: impl Fn(&T, &[u8], Files, &CallContext<'_>) -> Result<(RawJson, Files), E>
        + Send
        + Sync
        + 'static,
    ) -> Service<T> {
        self.add(name.into(), move |object, request, responder| {
            let arg = request.arg.map_or(&[][..], |place| &request.message[place.range()]);
            match function(object, arg, request.files, request.context) {
                Ok((result, files)) => responder.reply_result(&result, Some(&files)),
                Err(error) => responder.reply_failure(error.into()),
            }
        })
    }

    /// Adds a callback that runs once, when the server is stopped, before its clients are closed.
    /// It cannot be called over the wire.
    ///
    /// ```
    /// use std::sync::atomic::{AtomicBool, Ordering};
    /// use std::time::Duration;
    /// use urpc::{Server, Service};
    ///
    /// static SAVED: AtomicBool = AtomicBool::new(false);
    ///
    /// let server = Server::new();
    /// let service = Service::new("Store", ()).method("Ping", |_: &(), (): ()| Ok::<_, String>(()));
    /// server.register(service.on_stop(|_: &()| SAVED.store(true, Ordering::SeqCst)));
    /// server.stop(Duration::ZERO);
    /// assert!(SAVED.load(Ordering::SeqCst));
    /// ```
    #[doc(alias = "Stopper")]
    pub fn on_stop(mut self, callback: impl FnOnce(&T) + Send + 'static) -> Service<T> {
        let object = Arc::clone(&self.object);
        self.stop_callbacks.push(Box::new(move || callback(&object)));
        self
    }

    fn add(
        mut self,
        name: String,
        method: impl Fn(&T, Request<'_>, &mut Responder<'_>) + Send + Sync + 'static,
    ) -> Service<T> {
        let object = Arc::clone(&self.object);
        let method: Arc<Method> =
            Arc::new(move |request, responder| method(&object, request, responder));
        self.methods.push((name, method));
        self
    }
}

impl<T> fmt::Debug for Service<T> {
    /// Shows the names, and the number of stop callbacks.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let methods: Vec<&str> = self.methods.iter().map(|(name, _)| &**name).collect();
        f.debug_struct("Service")
            .field("name", &self.name)
            .field("methods", &methods)
            .field("stop_callbacks", &self.stop_callbacks.len())
            .finish_non_exhaustive()
    }
}

/// The call for which a method runs: see [`Service::method_with_context`].
///
/// ```
/// use urpc::CallContext;
///
/// fn wait_for_exit(_: &(), pid: i32, call: &CallContext<'_>) -> Result<i32, String> {
///     # let exit_status = |_: i32| Some(0);
///     loop {
///         if call.is_client_gone() || call.is_stopping() {
///             return Err("nobody waits any more".to_owned());
///         }
///         if let Some(status) = exit_status(pid) {
///             return Ok(status);
///         }
///     }
/// }
///
/// let service = urpc::Service::new("Process", ()).method_with_context("Wait", wait_for_exit);
/// ```
pub struct CallContext<'a> {
    pub(crate) method: &'a str,
    pub(crate) client: u64,
    pub(crate) credentials: Credentials,
    pub(crate) socket: &'a Socket,
    pub(crate) stopping: &'a AtomicBool,
    /// Stops the server; gives how many methods still run.
    pub(crate) stop: &'a (dyn Fn(Duration) -> usize + Sync),
}

impl CallContext<'_> {
    /// The full name under which the method was called.
    pub fn method(&self) -> &str {
        self.method
    }

    /// The client's number. Clients and accept loops are numbered together from 1, in the order in
    /// which they came.
    pub fn client(&self) -> u64 {
        self.client
    }

    /// The peer's credentials: see [`Credentials`] for what they are worth.
    pub fn credentials(&self) -> Credentials {
        self.credentials
    }

    /// Whether the client is gone, so that nobody waits for the result. A client that only shut its
    /// sending direction down still waits, so it is not gone. In gVisor (2022) it is never `true`:
    /// limit by time there what waits for it.
    pub fn is_client_gone(&self) -> bool {
        self.socket.is_peer_gone()
    }

    /// Whether the server is stopping. It waits for this method.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// Stops the server of this method, as [`Server::stop`](crate::Server::stop) does, but does not
    /// wait for this method: its reply is sent, and then its client is closed. A method that stops
    /// its server this way need not keep a handle to it, which would keep the server alive.
    ///
    /// ```
    /// use std::time::Duration;
    /// use urpc::{CallContext, Service};
    ///
    /// let service = Service::new("Daemon", ())
    ///     .method_with_context("Shutdown", |_: &(), _: (), call: &CallContext<'_>| {
    ///         call.stop_server(Duration::from_secs(1));
    ///         Ok::<_, String>(())
    ///     });
    /// ```
    pub fn stop_server(&self, grace: Duration) {
        (self.stop)(grace);
    }
}

impl fmt::Debug for CallContext<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallContext")
            .field("method", &self.method)
            .field("client", &self.client)
            .field("credentials", &self.credentials)
            .field("client_gone", &self.is_client_gone())
            .field("stopping", &self.is_stopping())
            .finish()
    }
}

/// The parts of a call that a method gets.
pub(crate) struct Request<'a> {
    pub(crate) message: &'a [u8],
    /// Where the argument is in the message.
    pub(crate) arg: Option<Token>,
    pub(crate) files: Files,
    pub(crate) limits: &'a Limits,
    pub(crate) budget: &'a Budget,
    pub(crate) context: &'a CallContext<'a>,
}

impl<'a> Request<'a> {
    fn decode(
        &self,
        arg: &mut impl FromJson,
        memory: &mut Allowance<'a>,
    ) -> Result<(), json::Error> {
        let depth = self.limits.typed_depth;
        match &self.arg {
            Some(place) => json::decode_at(arg, self.message, place, "arg", depth, memory),
            None => Err(json::Error::UnexpectedEnd),
        }
    }
}

/// How a call ended: see [`Event::CallEnded`](crate::Event::CallEnded). If the reply could not be
/// sent, the connection ends, and [`Event::Disconnected`](crate::Event::Disconnected) says why.
///
/// ```
/// use urpc::{Event, Outcome, Server};
///
/// let server = Server::builder()
///     .observe(|event| {
///         if let Event::CallEnded { method, outcome: Outcome::Panicked, .. } = event {
///             eprintln!("a bug in {method}");
///         }
///     })
///     .build();
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The method succeeded and its result was sent.
    Succeeded,
    /// The method failed. The caller got its error.
    Failed,
    /// The method panicked. The caller got an error.
    Panicked,
    /// No such method is registered.
    UnknownMethod,
    /// The argument did not fit the method's type, or the method returned a
    /// [`BadArgument`](crate::BadArgument).
    BadArgument,
    /// The method succeeded, but its result could not be sent: it has too many files, or a value
    /// that JSON cannot carry. The caller got an error.
    BadResult,
    /// The message was refused for its files or for lack of memory. The caller got an error.
    Refused,
    /// The server was stopped before the method began, or the client was gone and had lost its
    /// place. No reply was sent.
    Dropped,
}

/// Sends the reply to a call.
pub(crate) struct Responder<'a> {
    pub(crate) sender: &'a mut Sender<Arc<Socket>>,
    /// Set before the reply is sent, since the peer may delay that.
    pub(crate) has_outcome: &'a AtomicBool,
    /// How the call ended, and whether its reply was sent. Set by the first reply.
    pub(crate) ended: Option<(Outcome, Result<(), Error>)>,
}

impl Responder<'_> {
    pub(crate) fn reply_result(&mut self, result: &impl ToJson, files: Option<&Files>) {
        let count = files.map_or(0, |files| files.iter().count());
        if count > self.sender.limits().send_files {
            return self.reply_error(&call::TOO_MANY_FILES, Outcome::BadResult);
        }
        match call::write_success(&mut self.sender.write_buffer, result) {
            Ok(lent) => {
                let rights = files.and_then(|files| Rights::new(files.iter()));
                self.send_reply(lent, rights.as_ref(), Outcome::Succeeded);
            }
            Err(error) => self.reply_error(
                &format_args!("the result cannot be sent: {error}"),
                Outcome::BadResult,
            ),
        }
    }

    fn reply_failure(&mut self, error: MethodError) {
        let outcome = match error.is::<BadArgument>() {
            true => Outcome::BadArgument,
            false => Outcome::Failed,
        };
        self.reply_error(&WireText(&*error), outcome);
    }

    pub(crate) fn reply_error(&mut self, error: &dyn Display, outcome: Outcome) {
        match call::write_failure(&mut self.sender.write_buffer, error) {
            Ok(()) => self.send_reply(Lent::default(), None, outcome),
            Err(error) => self.end(outcome, Err(error)),
        }
    }

    fn send_reply(&mut self, lent: Lent<'_>, rights: Option<&Rights<'_>>, outcome: Outcome) {
        self.has_outcome.store(true, Ordering::Release);
        let sent = self.sender.send(lent, rights, None);
        self.end(outcome, sent);
    }

    fn end(&mut self, outcome: Outcome, sent: Result<(), Error>) {
        self.ended = Some((outcome, sent));
        self.sender.shrink();
    }
}
