//! The texts of errors: what happened, where, and what to do.

use std::fmt;
use std::io;

use super::{Error, RemoteError};
use crate::errno::{EBADF, EPERM, ETOOMANYREFS};
use crate::limits::Limit;
use crate::sys::Credentials;

/// The text of [`Error::ControlTruncated`], which the peer gets as well.
const CONTROL_TRUNCATED: &str = "control data truncated: not all files of the message \
    could be received (is the receiver's limit of open files reached?)";

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(method) = self.method() {
            write!(f, "{}: ", method.escape_debug())?;
        }
        match self {
            Error::TimedOut { doing, .. } | Error::Io { doing, .. } if !doing.is_empty() => {
                write!(f, "{doing}: ")?;
            }
            _ => {}
        }
        match self {
            Error::Remote(error) if error.message.is_empty() => {
                f.write_str("remote error without a text")
            }
            Error::Remote(error) => write!(f, "remote error: {error}"),
            Error::Closed => f.write_str("the connection was closed on this side"),
            Error::Disconnected { without_reply: true, .. } => {
                f.write_str("the peer ended the connection without a reply")
            }
            Error::Disconnected { mid_message: false, .. } => f.write_str("the peer is gone"),
            Error::Disconnected { mid_message: true, .. } => {
                f.write_str("the peer ended the connection in the middle of a message")
            }
            Error::OutOfMemory { limit: None, .. } => {
                f.write_str("out of memory: the system has none left for the message")
            }
            Error::ControlTruncated { .. } => f.write_str(CONTROL_TRUNCATED),
            Error::Malformed { source, .. } => write!(f, "malformed message: {source}"),
            Error::Http { said, .. } => write!(f, "the peer speaks HTTP: '{said}'"),
            Error::UnexpectedReply => {
                f.write_str("the server sent more data after an earlier reply")
            }
            Error::Argument { source, .. } => write!(f, "the argument cannot be sent: {source}"),
            Error::Result { source, .. } => write!(f, "the result does not fit: {source}"),
            Error::Finished(error) => write!(f, "an earlier failure finished this client: {error}"),
            Error::Stopped => f.write_str("the server was stopped"),
            Error::Unauthorized(Credentials { uid, gid, .. }) => {
                write!(f, "the server's check refused uid {uid} gid {gid}")
            }
            Error::Io { source, hint, .. } if hint.is_empty() => source.fmt(f),
            Error::Io { source, hint, .. } => write!(f, "{source}; {hint}"),
            _ => self.fmt_limit(f),
        }
    }
}

impl Error {
    /// Writes a limit that was reached, its value, and the member that raises it.
    fn fmt_limit(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::TimedOut { name, after, .. } => {
                let what = match name {
                    Limit::ConnectTime => "no server accepted within",
                    _ => "timed out after",
                };
                return write!(f, "{what} {after:?} (raise {name} to wait longer)");
            }
            Error::TooManyFiles { count, limit, .. } => {
                write!(f, "too many files: {count}, and the limit is {limit}")?;
            }
            Error::MessageTooLarge { limit, .. } => {
                write!(f, "message too large: the limit is {limit} bytes")?;
            }
            Error::OutOfMemory { limit: Some(limit), .. } => {
                write!(f, "out of memory: all clients together may hold {limit} bytes")?;
            }
            Error::TooManyClients { limit } => {
                write!(f, "too many clients: the limit is {limit}")?;
            }
            Error::TooManyClientsOfUser { uid, limit } => {
                write!(f, "too many clients of uid {uid}: the limit is {limit}")?;
            }
            _ => {}
        }
        self.limit().map_or(Ok(()), |name| write!(f, " (raise {name})"))
    }

    /// An error of sendmsg(2) for a send with files, and what it means (unix(7); `scm_fp_copy` in
    /// Linux's net/core/scm.c).
    pub(crate) fn of_send_with_files(error: io::Error) -> Error {
        let meaning = match error.raw_os_error() {
            Some(EBADF) => "one of the files is not open; nothing was sent",
            Some(EPERM) => "the receiver takes no files; nothing was sent",
            Some(ETOOMANYREFS) => {
                "this user has too many files in flight; nothing was sent: let peers receive, then \
                 try again"
            }
            _ => "",
        };
        Error::io("send with files", error).explain(meaning)
    }
}

impl fmt::Display for RemoteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for RemoteError {}

impl std::error::Error for Error {
    /// `None`, since the text contains the cause. Of an I/O error that has a further cause, that.
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Io { source, .. } => source.source(),
            _ => None,
        }
    }
}
