//! A reply that was received, with its files.

use std::mem;

use super::channel::{Channel, UnclaimedFiles};
use super::turns::TurnGuard;
use crate::call;
use crate::connection::Message;
use crate::error::{Error, RemoteError};
use crate::files::Files;
use crate::json::FromJson;
use crate::limits::Limits;

/// A reply, and the turn during which its text is in the read buffer.
pub(super) struct Reply<'c> {
    // First, so that the next call gets its turn before files are closed.
    turn: TurnGuard<'c>,
    message: Message,
    files: UnclaimedFiles,
    limits: &'c Limits,
}

impl<'c> Reply<'c> {
    /// # Errors
    /// Why the message was refused, for its files or for lack of memory.
    pub(super) fn new(
        turn: TurnGuard<'c>,
        mut message: Message,
        limits: &'c Limits,
    ) -> Result<Reply<'c>, Error> {
        match message.refusal.take() {
            Some(refusal) => Err(refusal),
            None => {
                let files = UnclaimedFiles(mem::take(&mut message.files));
                Ok(Reply { turn, message, files, limits })
            }
        }
    }

    /// The remote error, if the reply is one.
    pub(super) fn outcome(&mut self) -> Result<(), Error> {
        match call::take_error(&mut self.turn.channel().envelope) {
            None => Ok(()),
            Some(text) => Err(Error::Remote(RemoteError::new(text))),
        }
    }

    /// Decodes the result into `value` and moves the files into it, if it carries files.
    pub(super) fn decode(&mut self, value: &mut (impl FromJson + ?Sized)) -> Result<(), Error> {
        let Channel { envelope, receiver, .. } = self.turn.channel();
        let text = receiver.slice(&self.message.range);
        call::decode_result(envelope, value, text, self.limits)
            .map_err(|source| Error::Result { method: None, source })?;
        if let Some(files) = value.files_mut() {
            // The caller's value may hold files of an earlier reply.
            drop(UnclaimedFiles(mem::replace(files, self.take_files())));
        }
        Ok(())
    }

    /// The text of the last result, if there is one.
    pub(super) fn raw_result(&mut self) -> Option<&[u8]> {
        let message = &self.message;
        let Channel { envelope, receiver, .. } = self.turn.channel();
        envelope.value.map(|place| &receiver.slice(&message.range)[place.range()])
    }

    pub(super) fn take_files(&mut self) -> Files {
        mem::take(&mut self.files.0)
    }
}
