//! The methods of one object: typed on the outside, erased inside.
//!
//! A [`Service`] is built by the user and handed to a server. Each method becomes a [`Method`]: a
//! closure that decodes its argument, runs the function and hands the result to a [`Responder`].
//! Which client is served, in what state, and how a panic is caught is the server's affair.

use std::fmt::Display;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::call;
use crate::connection::Sender;
use crate::control::Rights;
use crate::error::Error;
use crate::files::Files;
use crate::json::{self, FromJson, RawJson, ToJson, Token};
use crate::limits::Limits;
use crate::memory::{Allowance, Budget};
use crate::socket::{Credentials, Socket};

/// An object, its methods, and what to do for it when the server stops.
///
/// A method takes one argument and gives one result or an error. Any error type that implements
/// `Display` works: its text is what the caller gets, and nothing else.
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
    /// A service under `name`, which is the part of its methods' names before the dot.
    pub fn new(name: impl Into<String>, object: T) -> Service<T> {
        let (object, name) = (Arc::new(object), name.into());
        Service { object, name, methods: Vec::new(), stop_callbacks: Vec::new() }
    }

    /// Adds a method. Its argument's [`Files`] get the files that come with a call; they stay open
    /// until the call has been answered, and longer what the method releases. The files of its
    /// result are sent with the reply and then closed.
    pub fn method<A, R, E>(
        self,
        name: impl Into<String>,
        function: impl Fn(&T, A) -> Result<R, E> + Send + Sync + 'static,
    ) -> Service<T>
    where
        A: FromJson + Default,
        R: ToJson,
        E: Display,
    {
        self.method_with_context(name, move |object, arg, _| function(object, arg))
    }

    /// Adds a method that also wants to know about its call.
    pub fn method_with_context<A, R, E>(
        self,
        name: impl Into<String>,
        function: impl Fn(&T, A, &CallContext<'_>) -> Result<R, E> + Send + Sync + 'static,
    ) -> Service<T>
    where
        A: FromJson + Default,
        R: ToJson,
        E: Display,
    {
        self.add(name.into(), move |object, request, responder| {
            // What it drew is given back when the call has been answered and all else is dropped.
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
                Err(error) => responder.reply_error(&error, Outcome::Failed),
            }
        })
    }

    /// Adds a method that takes its argument as JSON text and gives its result likewise: for
    /// relays, and for those who bring a JSON library of their own. A missing argument is an empty
    /// text.
    pub fn raw_method<E: Display>(
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
                Err(error) => responder.reply_error(&error, Outcome::Failed),
            }
        })
    }

    /// Adds a callback that runs once, when the server is stopped, before its clients are asked to
    /// go. It cannot be called over the wire.
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

/// What a method can ask about the call it runs for.
pub struct CallContext<'a> {
    pub(crate) method: &'a str,
    pub(crate) client: u64,
    pub(crate) credentials: Credentials,
    pub(crate) socket: &'a Socket,
    pub(crate) stopping: &'a AtomicBool,
}

impl CallContext<'_> {
    /// The full name under which the method was called.
    pub fn method(&self) -> &str {
        self.method
    }

    /// The number of the client, counted up from 1 in the order in which they came.
    pub fn client(&self) -> u64 {
        self.client
    }

    /// Who connected: see [`Credentials`] for what they are worth.
    pub fn credentials(&self) -> Credentials {
        self.credentials
    }

    /// Whether the caller is gone for good, so that nobody waits for the result. One that only
    /// ended its sending side still does.
    pub fn is_client_gone(&self) -> bool {
        self.socket.is_peer_gone()
    }

    /// Whether the server is being stopped; it waits for this method.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }
}

/// What a call brought for its method.
pub(crate) struct Request<'a> {
    pub(crate) message: &'a [u8],
    /// Where the argument lies in the message.
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

/// How a call ended, as an observer sees it. Where the reply could not be sent the connection ends,
/// and the client's [`Event::Disconnected`](crate::Event::Disconnected) says why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The method succeeded and its result was sent.
    Succeeded,
    /// The method failed; its error's text was sent.
    Failed,
    /// The method panicked; the caller was told so.
    Panicked,
    /// There is no such method.
    UnknownMethod,
    /// The argument did not fit the method's type.
    BadArgument,
    /// The method succeeded, but its result could not be sent: too many files, or a value that
    /// JSON cannot carry. The caller was told so.
    BadResult,
    /// The message was refused for its files.
    Refused,
    /// The server was stopped before the method began, or the client was gone and had lost its
    /// place; no reply was sent.
    Dropped,
}

/// Takes a method's outcome and sends the reply.
pub(crate) struct Responder<'a> {
    pub(crate) sender: &'a mut Sender<Arc<Socket>>,
    /// Set once there is an outcome, as the peer may take its time to be told.
    pub(crate) has_outcome: &'a AtomicBool,
    /// How the call ended, once a reply was sent or could not be.
    pub(crate) ended: Option<(Outcome, Result<(), Error>)>,
}

impl Responder<'_> {
    pub(crate) fn reply_result(&mut self, result: &impl ToJson, files: Option<&Files>) {
        let count = files.map_or(0, |files| files.iter().count());
        if count > self.sender.limits().send_files {
            return self.reply_error(&call::TOO_MANY_FILES, Outcome::BadResult);
        }
        if let Err(error) = call::write_success(&mut self.sender.write_buffer, result) {
            return self.reply_error(
                &format_args!("the result cannot be sent: {error}"),
                Outcome::BadResult,
            );
        }
        let rights = files.and_then(|files| Rights::new(files.iter()));
        self.send_reply(rights.as_ref(), Outcome::Succeeded);
    }

    pub(crate) fn reply_error(&mut self, error: &dyn Display, outcome: Outcome) {
        match call::write_failure(&mut self.sender.write_buffer, error) {
            Ok(()) => self.send_reply(None, outcome),
            Err(error) => self.end(outcome, Err(error)),
        }
    }

    fn send_reply(&mut self, rights: Option<&Rights<'_>>, outcome: Outcome) {
        self.has_outcome.store(true, Ordering::Release);
        let sent = self.sender.send(rights, None);
        self.end(outcome, sent);
    }

    fn end(&mut self, outcome: Outcome, sent: Result<(), Error>) {
        self.ended = Some((outcome, sent));
        self.sender.shrink();
    }
}
