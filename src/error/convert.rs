//! Conversions from and to other errors.

use std::io::{self, ErrorKind};

use super::{Error, RemoteError};
use crate::limits::Limit;
use crate::memory::Shortage;

impl From<io::Error> for Error {
    /// An [`Error::Io`] with the text of `source` and nothing else. If `source` holds an [`Error`],
    /// it is taken out.
    fn from(source: io::Error) -> Error {
        source.downcast::<Error>().unwrap_or_else(|source| Error::io("", source))
    }
}

impl From<Error> for io::Error {
    /// An error of the nearest kind, with the same text. It holds `error`, so converting it back
    /// gives that again, with its [`Error::raw_os_error`].
    ///
    /// ```
    /// use std::io;
    /// use urpc::{Error, RemoteError};
    ///
    /// let error = io::Error::from(Error::from(RemoteError::new("busy")));
    /// assert_eq!(error.to_string(), "remote error: busy");
    /// assert!(Error::from(error).as_remote().is_some());
    /// ```
    fn from(error: Error) -> io::Error {
        io::Error::new(kind(&error), error)
    }
}

/// The nearest kind of std.
fn kind(error: &Error) -> ErrorKind {
    match error {
        Error::Remote(_) => ErrorKind::Other,
        Error::Closed | Error::Stopped => ErrorKind::ConnectionAborted,
        Error::Disconnected { mid_message: true, .. } => ErrorKind::UnexpectedEof,
        Error::Disconnected { .. } => ErrorKind::BrokenPipe,
        Error::TimedOut { .. } => ErrorKind::TimedOut,
        Error::OutOfMemory { .. } => ErrorKind::OutOfMemory,
        Error::Argument { .. } | Error::TooManyFiles { name: Limit::SendFiles, .. } => {
            ErrorKind::InvalidInput
        }
        Error::TooManyFiles { .. }
        | Error::MessageTooLarge { .. }
        | Error::ControlTruncated { .. }
        | Error::Malformed { .. }
        | Error::Http { .. }
        | Error::UnexpectedReply
        | Error::Result { .. } => ErrorKind::InvalidData,
        Error::Finished(_) => ErrorKind::NotConnected,
        Error::TooManyClients { .. } | Error::TooManyClientsOfUser { .. } => {
            ErrorKind::ConnectionRefused
        }
        Error::Unauthorized(_) => ErrorKind::PermissionDenied,
        Error::Io { source, .. } => source.kind(),
    }
}

impl From<Shortage> for Error {
    fn from(shortage: Shortage) -> Error {
        Error::OutOfMemory { method: None, limit: shortage.limit(), mid_message: false }
    }
}

impl From<RemoteError> for Error {
    fn from(error: RemoteError) -> Error {
        Error::Remote(error)
    }
}
