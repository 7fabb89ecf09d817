//! The events that a server reports to an observer.

use std::io;
use std::time::Duration;

use crate::error::Error;
use crate::service::Outcome;
use crate::socket::Credentials;

/// Something that happened in a server: see
/// [`ServerBuilder::observe`](crate::ServerBuilder::observe). `client` is the client's number, as
/// in [`CallContext::client`](crate::CallContext::client).
///
/// An event contains nothing that a peer sent, with two exceptions: a short escaped snippet of the
/// name of an unknown method, and in a syntax error the one wrong byte, escaped.
///
/// ```
/// use urpc::{Event, Server};
///
/// let server = Server::builder()
///     .observe(|event| match event {
///         Event::CallEnded { client, method, outcome, time } => {
///             eprintln!("client {client}: {method}: {outcome:?} in {time:?}");
///         }
///         event => eprintln!("{event:?}"),
///     })
///     .build();
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A client was accepted.
    Accepted {
        /// The client's number.
        client: u64,
        /// The peer's credentials.
        credentials: Credentials,
    },
    /// A connection was closed before its first call.
    Refused {
        /// Why: the authorization check, a limit on clients, a thread that could not be started, or
        /// the stop.
        reason: &'a Error,
    },
    /// A client is gone. Its connection is closed after this event. Then another client can be
    /// admitted in its place.
    Disconnected {
        /// The client's number.
        client: u64,
        /// Why; `None` if it left between two messages.
        reason: Option<&'a Error>,
    },
    /// A call was received. Its method, if there is one, begins now.
    CallStarted {
        /// The client's number.
        client: u64,
        /// The method's full name; of an unknown method a short escaped snippet.
        method: &'a str,
    },
    /// A call ended.
    CallEnded {
        /// The client's number.
        client: u64,
        /// The method's full name; of an unknown method a short escaped snippet.
        method: &'a str,
        /// How it ended.
        outcome: Outcome,
        /// The time from the whole message being received to the reply being sent.
        time: Duration,
    },
    /// A message was refused. The connection goes on if the reason is its files or lack of memory.
    MessageRefused {
        /// The client's number.
        client: u64,
        /// Why.
        reason: &'a Error,
    },
    /// The accept loop pauses because descriptors or memory are missing. It goes on by itself. This
    /// is reported once at the beginning of each pause.
    AcceptPaused {
        /// The error of accept(2); `ResourceBusy` if closes block.
        reason: &'a io::Error,
    },
}
