//! What can go wrong with a call or a connection, and what to do about it.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::control::LEGACY_SOCKOPTS;
use crate::json;
use crate::memory::Shortage;
use crate::socket::Credentials;

/// Why a call failed, or why a connection ended.
///
/// | error | who caused it | client usable? | what to do |
/// | --- | --- | --- | --- |
/// | [`Remote`](Error::Remote) | the remote method | yes | handle its message |
/// | [`Argument`](Error::Argument) | the caller's value | yes | send a value that JSON can carry |
/// | [`Result`](Error::Result) | the reply's JSON or the result's type | yes | fix the type |
/// | [`TooManyFiles`](Error::TooManyFiles) | the sender of the files | yes | send fewer, or raise the limit |
/// | [`ControlTruncated`](Error::ControlTruncated) | the kernel | yes | free descriptors or raise `RLIMIT_NOFILE`, then call again |
/// | [`OutOfMemory`](Error::OutOfMemory) | the system or the budget | unless `mid_message` | send less at a time, or raise the limit |
/// | [`TimedOut`](Error::TimedOut) | a time limit | unless `mid_message` | raise the limit, or find out why the peer is slow |
/// | [`Io`](Error::Io) | the system | unless `mid_message` | see `source` |
/// | [`Closed`](Error::Closed) | this side | no | connect again if that was not intended |
/// | [`Disconnected`](Error::Disconnected) | the peer | no | connect again |
/// | [`MessageTooLarge`](Error::MessageTooLarge) | the peer | no | raise the limit and connect again |
/// | [`Malformed`](Error::Malformed) | the peer | no | check that the peer speaks urpc |
/// | [`Http`](Error::Http) | the peer | no | check the address |
/// | [`UnexpectedReply`](Error::UnexpectedReply) | the server | no | connect again; the server is faulty |
/// | [`Finished`](Error::Finished) | an earlier call | no | connect again |
/// | [`Stopped`](Error::Stopped) | the server's own stop | (server) | make a new server to serve again |
/// | [`TooManyClients`](Error::TooManyClients) | the server's limit | (server) | raise the limit |
/// | [`TooManyClientsOfUser`](Error::TooManyClientsOfUser) | the server's limit | (server) | raise the limit |
/// | [`Unauthorized`](Error::Unauthorized) | the server's check | (server) | nothing, if the peer may not call |
///
/// "(server)" marks errors that only a [`Server`](crate::Server) returns or reports. An error that
/// is not usable ends the connection. `mid_message` says that it happened within a message, so
/// that the stream is out of step. [`Error::is_usable`] answers the third column.
///
/// ```
/// use urpc::{Client, Error};
///
/// fn count(client: &Client) -> Result<u64, Error> {
///     match client.call("Store.Count", &()) {
///         Err(Error::Remote(error)) if error.message() == "empty" => Ok(0),
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
    /// The remote method failed.
    Remote(RemoteError),
    /// This side closed the connection, or the server was stopped while it handled the client.
    Closed,
    /// The peer ended the connection. If no reply came at all, the server did not accept what it
    /// was sent.
    Disconnected {
        /// Whether a message had begun or a reply was due.
        mid_message: bool,
        /// Whether a reply was due and no byte of it came.
        without_reply: bool,
    },
    /// A time limit passed.
    TimedOut {
        /// The member of [`Limits`](crate::Limits) that sets the limit, or "the call's own limit"
        /// (see [`Client::within`](crate::Client::within)).
        name: &'static str,
        /// The limit.
        after: Duration,
        /// Whether a message had begun, so that the stream is out of step.
        mid_message: bool,
    },
    /// A message has more files than the limit. If it was to be sent, nothing was sent. If it was
    /// received, all its files were closed.
    TooManyFiles {
        /// How many files the message has. Of a received message this many or more.
        count: usize,
        /// The limit.
        limit: usize,
        /// The member of [`Limits`](crate::Limits) that sets the limit.
        name: &'static str,
    },
    /// A received message is longer than [`Limits::message_bytes`](crate::Limits::message_bytes).
    MessageTooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// There was no memory for a message. If it was to be sent, nothing was sent. If it was
    /// received, it was read to its end and dropped, and its files were closed. `mid_message` is
    /// set if there was no memory even to begin reading a reply.
    OutOfMemory {
        /// [`Limits::total_bytes`](crate::Limits::total_bytes) if that was reached; `None` if the
        /// system had no more memory.
        limit: Option<usize>,
        /// Whether a message had begun, so that the stream is out of step.
        mid_message: bool,
    },
    /// The kernel could not deliver all files of a message (`MSG_CTRUNC`). Most often this process
    /// has no free descriptor. The files that came were closed.
    ControlTruncated,
    /// The peer sent something that is not a urpc message. The error shows at most one byte of it.
    Malformed(json::Error),
    /// The peer answered a call in HTTP: the address is that of another server.
    Http {
        /// The first line that the peer sent: escaped, and at most 64 bytes of it.
        said: String,
    },
    /// The server sent more data after its reply, such as a second reply. Replies can no longer be
    /// assigned to calls. It is detected only if the data came in time: see
    /// [`Client`](crate::Client).
    UnexpectedReply,
    /// JSON cannot carry the argument, such as a NaN. Nothing was sent.
    Argument(json::Error),
    /// The result does not fit its type. The reply was read to its end and its files were closed.
    Result(json::Error),
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
        /// What was being done.
        doing: &'static str,
        /// The system's error.
        source: Arc<io::Error>,
        /// Whether a message had begun, so that the stream is out of step.
        mid_message: bool,
    },
}

impl Error {
    /// Whether the client that returned this error can make further calls. If not, each further
    /// call fails with [`Error::Finished`] or [`Error::Closed`].
    pub fn is_usable(&self) -> bool {
        match self {
            Error::Remote(_)
            | Error::TooManyFiles { .. }
            | Error::ControlTruncated
            | Error::Argument(_)
            | Error::Result(_) => true,
            Error::TimedOut { mid_message, .. }
            | Error::Io { mid_message, .. }
            | Error::OutOfMemory { mid_message, .. } => !mid_message,
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

    pub(crate) fn io(doing: &'static str, source: io::Error) -> Error {
        Error::Io { doing, source: Arc::new(source), mid_message: false }
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

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Remote(error) => error.fmt(f),
            Error::Closed => f.write_str("the connection was closed on this side"),
            Error::Disconnected { without_reply: true, .. } => {
                f.write_str("the peer ended the connection without a reply")
            }
            Error::Disconnected { mid_message: false, .. } => f.write_str("the peer is gone"),
            Error::Disconnected { mid_message: true, .. } => {
                f.write_str("the peer ended the connection in the middle of a message")
            }
            Error::TimedOut { name, after, .. } => {
                write!(f, "timed out after {after:?} (raise {name} to wait longer)")
            }
            Error::OutOfMemory { limit: None, .. } => {
                f.write_str("out of memory: the system has none left for the message")
            }
            Error::TooManyFiles { .. }
            | Error::MessageTooLarge { .. }
            | Error::OutOfMemory { limit: Some(_), .. }
            | Error::TooManyClients { .. }
            | Error::TooManyClientsOfUser { .. } => self.fmt_limit(f),
            Error::ControlTruncated => f.write_str(CONTROL_TRUNCATED),
            Error::Malformed(error) => write!(f, "malformed message: {error}"),
            Error::Http { said } => write!(f, "the peer speaks HTTP: '{said}'"),
            Error::UnexpectedReply => f.write_str("the server sent more data after its reply"),
            Error::Argument(error) => write!(f, "the argument cannot be sent: {error}"),
            Error::Result(error) => write!(f, "the result does not fit: {error}"),
            Error::Finished(error) => write!(f, "an earlier failure finished this client: {error}"),
            Error::Stopped => f.write_str("the server was stopped"),
            Error::Unauthorized(peer) => {
                write!(f, "the server's check refused uid {} gid {}", peer.uid, peer.gid)
            }
            Error::Io { doing, source, .. } => {
                write!(f, "{doing}: {source}{}", hint(doing, source))
            }
        }
    }
}

impl Error {
    /// Writes a limit that was reached, its value, and the member that raises it.
    fn fmt_limit(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Error::TooManyFiles { count, limit, name } => {
                write!(f, "too many files: {count}, and the limit is {limit}")?;
                name
            }
            Error::MessageTooLarge { limit } => {
                write!(f, "message too large: the limit is {limit} bytes")?;
                "Limits::message_bytes"
            }
            Error::OutOfMemory { limit: Some(limit), .. } => {
                write!(f, "out of memory: all clients together may hold {limit} bytes")?;
                "Limits::total_bytes"
            }
            Error::TooManyClients { limit } => {
                write!(f, "too many clients: the limit is {limit}")?;
                "Limits::clients"
            }
            Error::TooManyClientsOfUser { uid, limit } => {
                write!(f, "too many clients of uid {uid}: the limit is {limit}")?;
                "Limits::clients_per_user"
            }
            _ => return Ok(()),
        };
        write!(f, " (raise {name})")
    }
}

/// The text of [`Error::ControlTruncated`], which the peer gets as well.
pub(crate) const CONTROL_TRUNCATED: &str = "control data truncated: not all files of the message \
    could be received (is the receiver's limit of open files reached?)";

// errno(3); asm/errno.h of Linux where an architecture has its own.
const EPERM: i32 = 1;
const EBADF: i32 = 9;
const ETOOMANYREFS: i32 = match () {
    _ if cfg!(any(target_arch = "sparc", target_arch = "sparc64")) => 59,
    _ if LEGACY_SOCKOPTS => 144, // mips
    _ => 109,
};

/// `doing` of an error of a send with files. [`hint`] explains only these.
pub(crate) const SEND_WITH_FILES: &str = "send with files";

/// What an error of sendmsg(2) means for a send with files (unix(7); `scm_fp_copy` in Linux's
/// net/core/scm.c).
fn hint(doing: &str, error: &io::Error) -> &'static str {
    match error.raw_os_error().filter(|_| doing == SEND_WITH_FILES) {
        Some(EBADF) => " (one of the files is not open; nothing was sent)",
        Some(EPERM) => " (the receiver takes no files; nothing was sent)",
        Some(ETOOMANYREFS) => {
            " (this user has too many files in flight; nothing was sent: let peers receive, then \
             try again)"
        }
        _ => "",
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Remote(error) => Some(error),
            Error::Malformed(error) | Error::Argument(error) | Error::Result(error) => Some(error),
            Error::Finished(error) => Some(&**error),
            Error::Io { source, .. } => Some(&**source),
            _ => None,
        }
    }
}

impl From<io::Error> for Error {
    fn from(source: io::Error) -> Error {
        Error::io("socket", source)
    }
}

impl From<Shortage> for Error {
    fn from(shortage: Shortage) -> Error {
        Error::OutOfMemory { limit: shortage.limit(), mid_message: false }
    }
}

impl From<RemoteError> for Error {
    fn from(error: RemoteError) -> Error {
        Error::Remote(error)
    }
}

/// The remote method's own error: its text, unchanged. The text may be empty.
///
/// ```
/// use urpc::{Error, RemoteError};
///
/// let error = Error::from(RemoteError::new("no such container"));
/// assert_eq!(error.as_remote().map(RemoteError::message), Some("no such container"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RemoteError {
    message: String,
}

impl RemoteError {
    /// An error with this text.
    pub fn new(message: impl Into<String>) -> RemoteError {
        RemoteError { message: message.into() }
    }

    /// The text, as it was received.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for RemoteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for RemoteError {}
