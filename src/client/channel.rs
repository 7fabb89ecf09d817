//! The connection of a client: one exchange of a call and its reply.

use std::mem;
use std::sync::Arc;

use crate::call::{self, REPLY};
use crate::closer;
use crate::connection::{Deadline, Envelope, Message, Receiver, Sender};
use crate::control::Rights;
use crate::error::{Error, RemoteError};
use crate::files::Files;
use crate::limits::Limits;
use crate::memory::Lent;
use crate::socket::Socket;
use crate::sync::now;

/// A connection, and the parts of the last reply on it.
pub(super) struct Channel {
    pub(super) socket: Arc<Socket>,
    pub(super) sender: Sender<Arc<Socket>>,
    pub(super) receiver: Receiver<Arc<Socket>>,
    pub(super) envelope: Envelope,
}

impl Channel {
    pub(super) fn new(socket: Socket, limits: Limits) -> Channel {
        let socket = Arc::new(socket);
        // A client only receives while a reply is due, so no idle limit applies.
        let limits = Limits { idle_time: None, ..limits };
        Channel {
            sender: Sender::new(Arc::clone(&socket), limits.clone(), None),
            receiver: Receiver::new(Arc::clone(&socket), limits, None).closing_in_background(),
            envelope: Envelope::new(&REPLY),
            socket,
        }
    }

    /// Sends the call that is in the write buffer and `lent`, with `files`, and receives its reply.
    pub(super) fn round_trip(
        &mut self,
        lent: Lent<'_>,
        files: Option<&Rights<'_>>,
        deadline: Option<Deadline>,
    ) -> Result<Message, Error> {
        if self.receiver.has_more() {
            // It would be taken for the reply to this call.
            return Err(Error::UnexpectedReply);
        }
        // If waiting for the turn took all the time, nothing is sent and the client stays usable.
        deadline.map(|deadline| deadline.remaining(now())).transpose()?;
        self.receiver.prepare()?;
        self.sender.send(lent, files, deadline).map_err(|error| match error {
            // Nothing is waited for, because the sender has shut the socket down.
            Error::Disconnected { mid_message: true, .. } => self.reason_of_peer().unwrap_or(error),
            error => error,
        })?;
        let received = self.receiver.receive(&mut self.envelope, deadline);
        let received = received.map_err(|error| self.receiver.explain(error).in_mid_message());
        let no_reply = Error::Disconnected { method: None, mid_message: true, without_reply: true };
        let mut message = received?.ok_or(no_reply)?;
        if matches!(message.refusal, Some(Error::OutOfMemory { .. })) {
            // The envelope may not have seen all of it.
            return Ok(message);
        }
        let checked = self.envelope.check();
        if checked.is_err() {
            drop(UnclaimedFiles(mem::take(&mut message.files)));
        }
        checked.map(|()| message)
    }

    /// The error with which the peer answered a call of which it did not read all, such as one that
    /// is larger than it takes. Such a peer ends the connection, and what it had sent before can
    /// still be received.
    fn reason_of_peer(&mut self) -> Option<Error> {
        let mut message = self.receiver.receive(&mut self.envelope, None).ok()??;
        drop(UnclaimedFiles(mem::take(&mut message.files)));
        self.envelope.check().ok()?;
        let text = call::take_error(&mut self.envelope)?;
        Some(Error::Remote(RemoteError::new(text)))
    }

    /// Shuts the connection down and closes it with all that came over it.
    pub(super) fn close(self: Box<Channel>) {
        if self.socket.shut_down_empty() && !self.receiver.holds_files() {
            return;
        }
        closer::close(self);
    }
}

/// Files of a reply that the caller does not get. Dropping this closes them on another thread,
/// since closing may block.
pub(super) struct UnclaimedFiles(pub(super) Files);

impl Drop for UnclaimedFiles {
    fn drop(&mut self) {
        if self.0.iter().next().is_some() {
            closer::close(mem::take(&mut self.0));
        }
    }
}
