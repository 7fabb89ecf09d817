//! What a server tells an observer: events, and nothing of what was said, save where it is said.

use std::io;
use std::time::Duration;

use crate::error::Error;
use crate::service::Outcome;
use crate::socket::Credentials;

/// Something that happened in a server. Clients are named by the number under which they came.
///
/// Nothing of what a peer said is in it, save two things: a short escaped piece of a method's name
/// that there is not, and in a syntax error the one byte at which the JSON is broken, escaped too.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A client was taken in.
    Accepted {
        /// Its number.
        client: u64,
        /// Who it is.
        credentials: Credentials,
    },
    /// A connection was closed before its first call.
    Refused {
        /// Why: the check, the number of clients, of all or of one user, a thread that could not be
        /// made.
        reason: &'a Error,
    },
    /// A client is gone. Its connection is closed behind this, its place is free then.
    Disconnected {
        /// Its number.
        client: u64,
        /// Why, if it did not leave between two messages.
        reason: Option<&'a Error>,
    },
    /// A call was understood and its method begins.
    CallStarted {
        /// The client's number.
        client: u64,
        /// The method's full name; a short escaped piece of the caller's text if there is none
        /// such.
        method: &'a str,
    },
    /// A call ended.
    CallEnded {
        /// The client's number.
        client: u64,
        /// The method's full name; a short escaped piece of the caller's text if there is none
        /// such.
        method: &'a str,
        /// How it ended.
        outcome: Outcome,
        /// From the message being whole to the reply being sent.
        time: Duration,
    },
    /// A message was refused; the connection goes on if it was for its files.
    MessageRefused {
        /// The client's number.
        client: u64,
        /// Why.
        reason: &'a Error,
    },
    /// The accept loop waits for want of descriptors or memory, or because 64 closes of this
    /// process block, and goes on by itself; told once each time that it begins.
    AcceptPaused {
        /// What accept(2) said; `ResourceBusy` for the closes.
        reason: &'a io::Error,
    },
}
