//! What can go wrong with a call or a connection, and what to do about it.

mod convert;
mod text;

use std::borrow::Cow;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::json;
use crate::limits::Limit;
use crate::memory;
use crate::sys::Credentials;

/// Why a call failed, or why a connection ended.
///
/// | error | who ended it | client usable? | what to do |
/// | --- | --- | --- | --- |
/// | [`Remote`](Error::Remote) | the remote method | yes | handle its message |
/// | [`Argument`](Error::Argument) | this side: the value | yes | send a value that JSON can carry |
/// | [`Result`](Error::Result) | this side: the type | yes | fix the result's type |
/// | [`TooManyFiles`](Error::TooManyFiles) | this side: a limit | yes | send fewer, or raise the limit |
/// | [`ControlTruncated`](Error::ControlTruncated) | the kernel | yes | free descriptors or raise `RLIMIT_NOFILE`, then call again |
/// | [`OutOfMemory`](Error::OutOfMemory) | the system, or a limit | unless `mid_message` | send less at a time, or raise the limit |
/// | [`TimedOut`](Error::TimedOut) | this side: a limit | unless `mid_message` | raise the limit, or find out why the peer is slow |
/// | [`Io`](Error::Io) | the system | unless `mid_message` | see its `source` |
/// | [`Closed`](Error::Closed) | this side | no | connect again if that was not intended |
/// | [`Disconnected`](Error::Disconnected) | the peer | no | connect again |
/// | [`MessageTooLarge`](Error::MessageTooLarge) | this side: a limit | no | raise the limit and connect again |
/// | [`Malformed`](Error::Malformed) | the peer | no | check that the peer speaks urpc |
/// | [`Http`](Error::Http) | the peer | no | check the address |
/// | [`UnexpectedReply`](Error::UnexpectedReply) | the server | no | connect again; the server is faulty |
/// | [`Finished`](Error::Finished) | an earlier call | no | connect again |
/// | [`Stopped`](Error::Stopped) | the server's own stop | (server) | make a new server to serve again |
/// | [`TooManyClients`](Error::TooManyClients) | the server's limit | (server) | raise the limit |
/// | [`TooManyClientsOfUser`](Error::TooManyClientsOfUser) | the server's limit | (server) | raise the limit |
/// | [`Unauthorized`](Error::Unauthorized) | the server's check | (server) | nothing, if the peer may not call |
///
/// "(server)" marks errors that only a [`Server`](crate::Server) returns or reports. If the client
/// is not usable, the connection has ended. `mid_message` says that it happened within a message,
/// so that the stream is out of step. [`Error::is_usable`] answers the third column. If connecting
/// failed ([`TimedOut`](Error::TimedOut), [`Io`](Error::Io)), there is no client to use.
///
/// **Text.** [`Display`](std::fmt::Display) begins with the method's name if the error concerns one
/// call of a client: see [`Error::method`]. The text contains the cause, so
/// [`source`](std::error::Error::source) does not give it again. The cause is in the variant.
///
/// ```
/// use urpc::{Client, Error, Limit};
///
/// fn count(client: &Client) -> Result<u64, Error> {
///     match client.call("Store.Count", &()) {
///         Err(Error::Remote(error)) if error.message() == "empty" => Ok(0),
///         Err(error) if error.limit() == Some(Limit::CallTime) => {
///             eprintln!("the server is slow: {error}");
///             Err(error)
///         }
///         Err(error) if !error.is_usable() => {
///             eprintln!("connect again: {error}");
///             Err(error)
///         }
///         result => result,
///     }
/// }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Error {
    /// The remote method failed, or the peer refused a call that it did not read to its end, most
    /// likely because it is too large. Such a peer has ended the connection, so the next call fails.
    Remote(RemoteError),
    /// This side closed the connection, or the server was stopped while it handled the client.
    Closed,
    /// The peer ended the connection. If no reply came at all, the server did not accept what it
    /// was sent.
    Disconnected {
        /// The call: see [`Error::method`].
        method: Option<Box<str>>,
        /// Whether a message had begun or a reply was due.
        mid_message: bool,
        /// Whether a reply was due and no byte of it came.
        without_reply: bool,
    },
    /// A time limit passed.
    TimedOut {
        /// The call: see [`Error::method`].
        method: Option<Box<str>>,
        /// What was being done, with the address, if it was connecting. Otherwise empty.
        doing: Cow<'static, str>,
        /// Which limit.
        name: Limit,
        /// Its value.
        after: Duration,
        /// Whether a message had begun, so that the stream is out of step.
        mid_message: bool,
    },
    /// A message has more files than the limit. If it was to be sent, nothing was sent. If it was
    /// received, all its files were closed.
    TooManyFiles {
        /// The call: see [`Error::method`].
        method: Option<Box<str>>,
        /// How many files the message has. Of a received message this many or more.
        count: usize,
        /// The limit.
        limit: usize,
        /// Which limit.
        name: Limit,
    },
    /// A received message is longer than [`Limits::message_bytes`](crate::Limits::message_bytes).
    MessageTooLarge {
        /// The call: see [`Error::method`].
        method: Option<Box<str>>,
        /// The limit in bytes.
        limit: usize,
    },
    /// There was no memory for a message. If it was to be sent, nothing was sent. If it was
    /// received, it was read to its end and dropped, and its files were closed. `mid_message` is
    /// set if there was no memory even to begin reading a reply.
    OutOfMemory {
        /// The call: see [`Error::method`].
        method: Option<Box<str>>,
        /// [`Limits::total_bytes`](crate::Limits::total_bytes) if that was reached; `None` if the
        /// system had no more memory.
        limit: Option<usize>,
        /// Whether a message had begun, so that the stream is out of step.
        mid_message: bool,
    },
    /// The kernel could not deliver all files of a message (`MSG_CTRUNC`). Most often this process
    /// has no free descriptor. The files that came were closed.
    ControlTruncated {
        /// The call: see [`Error::method`].
        method: Option<Box<str>>,
    },
    /// The peer sent something that is not a urpc message. The error shows at most one byte of it.
    Malformed {
        /// The call: see [`Error::method`].
        method: Option<Box<str>>,
        /// What is wrong with it.
        source: json::Error,
    },
    /// The peer answered a call in HTTP: the address is that of another server.
    Http {
        /// The call: see [`Error::method`].
        method: Option<Box<str>>,
        /// The first line that the peer sent: escaped, and at most 64 bytes of it.
        said: String,
    },
    /// The server sent more data after the reply to an earlier call, such as a second reply.
    /// Replies can no longer be assigned to calls. It is detected only if the data came in time:
    /// see [`Client`](crate::Client).
    UnexpectedReply,
    /// JSON cannot carry the argument, such as a NaN. Nothing was sent.
    Argument {
        /// The call: see [`Error::method`].
        method: Option<Box<str>>,
        /// Which part of the argument, and why.
        source: json::Error,
    },
    /// The result does not fit its type. The reply was read to its end and its files were closed.
    Result {
        /// The call: see [`Error::method`].
        method: Option<Box<str>>,
        /// Which part of the result, and why.
        source: json::Error,
    },
    /// The client was finished by an earlier failure, which is given here.
    Finished(Arc<Error>),
    /// The server was stopped.
    Stopped,
    /// The server has as many clients as [`Limits::clients`](crate::Limits::clients) allows. The
    /// socket was closed.
    TooManyClients {
        /// The limit.
        limit: usize,
    },
    /// The server has as many clients of this user as
    /// [`Limits::clients_per_user`](crate::Limits::clients_per_user) allows. The socket was closed.
    TooManyClientsOfUser {
        /// The user id with which the peer connected.
        uid: u32,
        /// The limit.
        limit: usize,
    },
    /// The server's check refused the peer. The socket was closed.
    Unauthorized(Credentials),
    /// A system call failed.
    Io {
        /// The call: see [`Error::method`].
        method: Option<Box<str>>,
        /// What was being done. Empty if the error was converted from an [`io::Error`].
        doing: Cow<'static, str>,
        /// The system's error.
        source: Arc<io::Error>,
        /// What the error means here, or what to do. Empty if the system's text says it.
        hint: Cow<'static, str>,
        /// Whether a message had begun, so that the stream is out of step.
        mid_message: bool,
    },
}

/// The member `method` of an error, borrowed as the error is; `None` for those that no call returns.
macro_rules! method_of {
    ($error:expr) => {
        match $error {
            Error::Remote(RemoteError { method, .. })
            | Error::Disconnected { method, .. }
            | Error::TimedOut { method, .. }
            | Error::TooManyFiles { method, .. }
            | Error::MessageTooLarge { method, .. }
            | Error::OutOfMemory { method, .. }
            | Error::ControlTruncated { method }
            | Error::Malformed { method, .. }
            | Error::Http { method, .. }
            | Error::Argument { method, .. }
            | Error::Result { method, .. }
            | Error::Io { method, .. } => Some(method),
            _ => None,
        }
    };
}

impl Error {
    /// Whether the client whose call returned this error can make further calls. If not, each
    /// further call fails with [`Error::Finished`] or [`Error::Closed`]. In the same way, whether a
    /// [`MessageReader`](crate::MessageReader) that returned it has further messages to give.
    ///
    /// `false` for an error of connecting: there is no client.
    pub fn is_usable(&self) -> bool {
        match self {
            Error::TimedOut { mid_message: true, .. }
            | Error::Io { mid_message: true, .. }
            | Error::OutOfMemory { mid_message: true, .. } => false,
            Error::TimedOut { .. } | Error::Io { .. } => self.method().is_some(),
            Error::Remote(_)
            | Error::Argument { .. }
            | Error::Result { .. }
            | Error::TooManyFiles { .. }
            | Error::ControlTruncated { .. }
            | Error::OutOfMemory { .. } => true,
            _ => false,
        }
    }

    /// The remote method's error, if this is one.
    pub fn as_remote(&self) -> Option<&RemoteError> {
        match self {
            Error::Remote(remote) => Some(remote),
            _ => None,
        }
    }

    /// The method whose call returned this error. A name of more than 128 bytes is cut and ends in
    /// `...`.
    ///
    /// `None` for the errors of a server and of connecting, and for those that do not concern one
    /// call: [`Error::Closed`], [`Error::UnexpectedReply`] and [`Error::Finished`], whose own error
    /// names the earlier call. Also `None` if there was no memory for the name.
    pub fn method(&self) -> Option<&str> {
        method_of!(self)?.as_deref()
    }

    /// The limit that was reached, if that is the reason.
    ///
    /// An [`Error::Result`] has one if the reply takes more than
    /// [`Limits::decoded_bytes`](crate::Limits::decoded_bytes), or is nested deeper than
    /// [`Limits::typed_depth`](crate::Limits::typed_depth).
    pub fn limit(&self) -> Option<Limit> {
        match self {
            Error::TimedOut { name, .. } | Error::TooManyFiles { name, .. } => Some(*name),
            Error::MessageTooLarge { .. } => Some(Limit::MessageBytes),
            Error::OutOfMemory { limit: Some(_), .. } => Some(Limit::TotalBytes),
            Error::TooManyClients { .. } => Some(Limit::Clients),
            Error::TooManyClientsOfUser { .. } => Some(Limit::ClientsPerUser),
            Error::Result { source: json::Error::Type(error), .. } => match &*error.expected {
                json::FEWER_LEVELS => Some(Limit::TypedDepth),
                memory::FEWER_BYTES => Some(Limit::DecodedBytes),
                _ => None,
            },
            _ => None,
        }
    }

    /// The system's error number (errno(3)), if a system call failed. Of [`Error::Finished`], that
    /// of the earlier failure.
    ///
    /// ```
    /// use urpc::{Client, Error, Listener};
    ///
    /// const ENOENT: i32 = 2;
    /// let error = Client::connect("/no/such/socket").unwrap_err();
    /// assert_eq!(error.raw_os_error(), Some(ENOENT));
    ///
    /// // An `io::Error` of this crate whose text names an address gives it after conversion.
    /// let error = Listener::bind("/no/such/socket").unwrap_err();
    /// assert_eq!(Error::from(error).raw_os_error(), Some(ENOENT));
    /// ```
    pub fn raw_os_error(&self) -> Option<i32> {
        match self {
            Error::Finished(error) => error.raw_os_error(),
            Error::Io { source, .. } => source.raw_os_error().or_else(|| {
                source.get_ref()?.downcast_ref::<Error>().and_then(Error::raw_os_error)
            }),
            _ => None,
        }
    }

    pub(crate) fn io(doing: impl Into<Cow<'static, str>>, source: io::Error) -> Error {
        let (doing, source) = (doing.into(), Arc::new(source));
        Error::Io { method: None, doing, source, hint: "".into(), mid_message: false }
    }

    pub(crate) fn timed_out(name: Limit, after: Duration) -> Error {
        Error::TimedOut { method: None, doing: "".into(), name, after, mid_message: false }
    }

    /// Says what was being done, and what the error means there, if `meaning` is not empty.
    pub(crate) fn while_doing(mut self, what: String, meaning: &str) -> Error {
        match &mut self {
            Error::TimedOut { doing, .. } | Error::Io { doing, .. } => *doing = what.into(),
            _ => {}
        }
        self.explain(meaning)
    }

    /// Adds what the error means, if the system reported it.
    pub(crate) fn explain(mut self, meaning: &str) -> Error {
        if let Error::Io { hint, .. } = &mut self {
            let between = if hint.is_empty() || meaning.is_empty() { "" } else { "; " };
            *hint = format!("{hint}{between}{meaning}").into();
        }
        self
    }

    /// Says that a server was waited for so long.
    pub(crate) fn after_waiting(mut self, limit: Duration) -> Error {
        if let Error::TimedOut { after, .. } = &mut self {
            *after = limit;
        }
        self.explain(&format!("waited {limit:?} for a server"))
    }

    pub(crate) fn disconnected() -> Error {
        Error::Disconnected { method: None, mid_message: false, without_reply: false }
    }

    pub(crate) fn malformed(source: json::Error) -> Error {
        Error::Malformed { method: None, source }
    }

    /// Names the method of the client's call that returns this error.
    pub(crate) fn of_call(mut self, called: &str) -> Error {
        const LONGEST: usize = 128;
        if let Some(method) = method_of!(&mut self) {
            let short = called.char_indices().take_while(|(at, c)| at + c.len_utf8() <= LONGEST);
            let end = short.last().map_or(0, |(at, c)| at + c.len_utf8());
            let rest = if end < called.len() { "..." } else { "" };
            let name = memory::short_text(format_args!("{}{rest}", &called[..end]));
            // It is empty if there was no memory for it.
            *method = (name.is_empty() == called.is_empty()).then(|| name.into_boxed_str());
        }
        self
    }

    /// Marks the error as leaving the stream out of step.
    pub(crate) fn in_mid_message(mut self) -> Error {
        match &mut self {
            Error::TimedOut { mid_message, .. }
            | Error::Io { mid_message, .. }
            | Error::OutOfMemory { mid_message, .. }
            | Error::Disconnected { mid_message, .. } => *mid_message = true,
            _ => {}
        }
        self
    }
}

/// The remote method's own error: its text, unchanged. The text may be empty.
///
/// Its [`Display`](std::fmt::Display) is that text alone. A method that fails with the `RemoteError`
/// of a further call, or with that call's [`Error`], passes the text on unchanged.
///
/// ```
/// use urpc::{Error, RemoteError};
///
/// let error = Error::from(RemoteError::new("no such container"));
/// assert_eq!(error.as_remote().map(RemoteError::message), Some("no such container"));
/// assert_eq!(error.to_string(), "remote error: no such container");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RemoteError {
    message: String,
    /// The call: see [`Error::method`].
    method: Option<Box<str>>,
}

impl RemoteError {
    /// An error with this text.
    pub fn new(message: impl Into<String>) -> RemoteError {
        RemoteError { message: message.into(), method: None }
    }

    /// The text, as it was received.
    pub fn message(&self) -> &str {
        &self.message
    }
}
