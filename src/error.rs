//! What can go wrong with a call or a connection, and what to do about it.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::json;
use crate::memory::Shortage;
use crate::socket::Credentials;

/// Why a call, or the connection that it was to go over, failed.
///
/// [`Error::is_usable`] tells whether the client can go on with other calls.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Error {
    /// The remote method failed: the transport worked and the client is usable.
    Remote(RemoteError),
    /// This side closed the connection, or its server was stopped while it handled the client.
    /// Connect anew.
    Closed,
    /// The peer ended the connection; `mid_message` if it did so within a message or where a reply
    /// was due. A server that closes without a reply did not accept what it was sent. Connect anew.
    Disconnected {
        /// Whether something was under way.
        mid_message: bool,
        /// Whether a reply was due and not one byte of it came.
        without_reply: bool,
    },
    /// A limit of time passed. The client is usable only if nothing had been sent yet
    /// (`mid_message` is false). Raise the limit named, or look at why the peer is slow.
    TimedOut {
        /// The member of [`Limits`](crate::Limits) that was reached.
        name: &'static str,
        /// Its value.
        after: Duration,
        /// Whether a message was under way, so that the stream is out of step now.
        mid_message: bool,
    },
    /// More files than the limit, to be sent or received. Nothing was sent, or all that came were
    /// closed; the client is usable. Raise the limit named if the peer takes more.
    TooManyFiles {
        /// How many files there are; of received ones, at least so many.
        count: usize,
        /// The limit.
        limit: usize,
        /// The member of [`Limits`](crate::Limits) that sets it.
        name: &'static str,
    },
    /// A received message is longer than `Limits::message_bytes`; the connection is finished.
    MessageTooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// There was no memory for a message. One that was to be sent was not; one that came was read
    /// to its end and dropped, and its files were closed. The client is usable, unless not even the
    /// first bytes of a reply could be read. Send less at a time, or raise the limit if it is one.
    OutOfMemory {
        /// `Limits::total_bytes`, if that was reached; `None` if the system had no more.
        limit: Option<usize>,
        /// Whether a message was under way, so that the stream is out of step now.
        mid_message: bool,
    },
    /// The kernel could not deliver all files of a message (`MSG_CTRUNC`), most often because this
    /// process has no descriptor free, or there was no memory for them. Those that came were
    /// closed; the client is usable.
    ControlTruncated,
    /// The peer sent what is no message of urpc. The connection is finished. Of what it sent this
    /// has at most one byte.
    Malformed(json::Error),
    /// The peer answered a call in HTTP: the address is that of another server. The connection is
    /// finished.
    Http {
        /// The first line that it sent, escaped and at most 64 bytes of it.
        said: String,
    },
    /// The server sent something behind its last reply that no call had asked for, so what belongs
    /// to which call is no longer known. The client is finished. What comes only once that reply
    /// was read is not noticed: see [`Client`](crate::Client).
    UnexpectedReply,
    /// JSON cannot carry the argument, such as a NaN. Nothing was sent; the client is usable.
    Argument(json::Error),
    /// The result does not fit its type. The reply was read to its end and its files were closed;
    /// the client is usable.
    Result(json::Error),
    /// An earlier failure, given here, left the stream out of step. Connect anew.
    Finished(Arc<Error>),
    /// The server was stopped; make a new one to serve again.
    Stopped,
    /// The server has as many clients as `Limits::clients` allows; the socket was closed.
    TooManyClients {
        /// The limit.
        limit: usize,
    },
    /// The server has as many clients of this user as `Limits::clients_per_user` allows; the socket
    /// was closed.
    TooManyClientsOfUser {
        /// The user id with which the peer connected.
        uid: u32,
        /// The limit.
        limit: usize,
    },
    /// The server's check refused the peer; the socket was closed.
    Unauthorized(Credentials),
    /// A system call failed. The client is usable if that was before the first byte was sent.
    Io {
        /// What was being done.
        doing: &'static str,
        /// What the system said.
        source: Arc<io::Error>,
        /// Whether a message was under way, so that the stream is out of step now.
        mid_message: bool,
    },
}

impl Error {
    /// Whether the client that gave this error can make further calls. One that cannot says
    /// [`Error::Finished`] or [`Error::Closed`] from then on.
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

    /// The remote method's error, if that is what it is.
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
            Error::TooManyFiles { count, limit, name } => {
                write!(f, "too many files: {count}, and the limit is {limit} (raise {name})")
            }
            Error::MessageTooLarge { limit } => {
                write!(f, "message too large: the limit is {limit} bytes")?;
                f.write_str(" (raise Limits::message_bytes)")
            }
            Error::OutOfMemory { limit: None, .. } => {
                f.write_str("out of memory: the system has none left for the message")
            }
            Error::OutOfMemory { limit: Some(limit), .. } => {
                write!(f, "out of memory: all clients together may hold {limit} bytes")?;
                f.write_str(" (raise Limits::total_bytes)")
            }
            Error::ControlTruncated => f.write_str(CONTROL_TRUNCATED),
            Error::Malformed(error) => write!(f, "malformed message: {error}"),
            Error::Http { said } => write!(f, "the peer speaks HTTP: '{said}'"),
            Error::UnexpectedReply => f.write_str("the server sent what no call had asked for"),
            Error::Argument(error) => write!(f, "the argument cannot be sent: {error}"),
            Error::Result(error) => write!(f, "the result does not fit: {error}"),
            Error::Finished(error) => {
                write!(f, "this client is finished since an earlier failure: {error}")
            }
            Error::Stopped => f.write_str("the server was stopped"),
            Error::TooManyClients { limit } => {
                write!(f, "too many clients: the limit is {limit} (raise Limits::clients)")
            }
            Error::TooManyClientsOfUser { uid, limit } => {
                write!(f, "too many clients of uid {uid}: the limit is {limit}")?;
                f.write_str(" (raise Limits::clients_per_user)")
            }
            Error::Unauthorized(peer) => {
                write!(f, "the server's check refused uid {} gid {}", peer.uid, peer.gid)
            }
            Error::Io { doing, source, .. } => {
                write!(f, "{doing}: {source}")?;
                f.write_str(hint(doing, source))
            }
        }
    }
}

/// What the peer and the log are told when files went missing on the way.
pub(crate) const CONTROL_TRUNCATED: &str = "control data truncated: not all files of the message \
    could be received (is the receiver's limit of open files reached?)";

// errno(3); asm/errno.h of Linux where an architecture has its own.
const EPERM: i32 = 1;
const EBADF: i32 = 9;
const ETOOMANYREFS: i32 = match () {
    _ if cfg!(any(target_arch = "mips", target_arch = "mips64")) => 144,
    _ if cfg!(target_arch = "sparc64") => 59,
    _ => 109,
};

/// What is being done where the files of a message are sent. Only there the numbers below mean what
/// [`hint`] says.
pub(crate) const SEND_WITH_FILES: &str = "send with files";

/// What sendmsg(2) means by an error of a send with files (unix(7), `scm_fp_copy` in Linux's
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

/// The remote method's own error: its text, unchanged. It may be empty.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RemoteError {
    message: String,
}

impl RemoteError {
    /// An error with this text.
    pub fn new(message: impl Into<String>) -> RemoteError {
        RemoteError { message: message.into() }
    }

    /// The text, as it came.
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
