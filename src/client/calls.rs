//! Calls of every form, with the limit of time that each of them has.

use std::fmt;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use super::reply::Reply;
use super::turns::TurnQueue;
use crate::call;
use crate::connection::Deadline;
use crate::control::Rights;
use crate::error::Error;
use crate::files::Files;
use crate::json::{self, FromJson, RawJson, ToJson};
use crate::limits::{Limit, Limits};
use crate::memory::{Allowance, Buffer, Lent, Shortage};
use crate::sync::now;

/// A client's calls with a time limit of their own: see [`Client::within`](crate::Client::within).
#[derive(Clone, Copy)]
#[must_use = "it calls nothing by itself"]
pub struct TimedCalls<'c> {
    pub(super) turns: &'c TurnQueue,
    pub(super) limits: &'c Limits,
    /// What sets the limit, for the error.
    pub(super) name: Limit,
    pub(super) time: Option<Duration>,
}

impl TimedCalls<'_> {
    /// [`Client::call`](crate::Client::call) with this limit.
    ///
    /// # Errors
    /// See [`Client::within`](crate::Client::within); otherwise as without this limit.
    pub fn call<R: FromJson + Default>(
        &self,
        method: &str,
        arg: &(impl ToJson + ?Sized),
    ) -> Result<R, Error> {
        let mut result = R::default();
        self.call_into(method, arg, &mut result)?;
        Ok(result)
    }

    /// [`Client::call_into`](crate::Client::call_into) with this limit.
    ///
    /// # Errors
    /// See [`Client::within`](crate::Client::within); otherwise as without this limit.
    pub fn call_into(
        &self,
        method: &str,
        arg: &(impl ToJson + ?Sized),
        result: &mut (impl FromJson + ?Sized),
    ) -> Result<(), Error> {
        let files = arg.files().into_iter().flat_map(Files::iter);
        let run = || {
            let mut reply = self.send_and_receive(method, |out| json::lend(arg, out), files)?;
            // Decoded before the outcome is checked: a remote error may carry files, and they
            // belong in `result` as well.
            let decoded = reply.decode(result);
            reply.outcome()?;
            decoded
        };
        run().map_err(|error: Error| error.of_call(method))
    }

    /// [`Client::call_raw`](crate::Client::call_raw) with this limit.
    ///
    /// # Errors
    /// See [`Client::within`](crate::Client::within); otherwise as without this limit.
    pub fn call_raw(
        &self,
        method: &str,
        arg: &[u8],
        files: &[BorrowedFd<'_>],
    ) -> Result<(RawJson, Files), Error> {
        let files = files.iter().copied();
        let run = || {
            let mut reply = self.send_and_receive(method, |out| json::lend_raw(arg, out), files)?;
            reply.outcome()?;
            let mut result = Vec::new();
            let text = reply.raw_result().unwrap_or(b"null");
            if !Allowance::unlimited().reserve_exact(&mut result, text.len()) {
                return Err(Shortage::System.into());
            }
            result.extend_from_slice(text);
            Ok((RawJson::new(result), reply.take_files()))
        };
        run().map_err(|error: Error| error.of_call(method))
    }
}

impl<'c> TimedCalls<'c> {
    /// Waits for the call's turn, sends the call and receives the reply.
    fn send_and_receive<'f, 'a>(
        &self,
        method: &str,
        arg: impl FnOnce(&mut Buffer) -> Result<Lent<'a>, json::Error>,
        files: impl Iterator<Item = BorrowedFd<'f>> + Clone,
    ) -> Result<Reply<'c>, Error> {
        let (count, limit) = (files.clone().count(), self.limits.send_files);
        if count > limit {
            return Err(Error::TooManyFiles { method: None, count, limit, name: Limit::SendFiles });
        }
        // The clock is not asked where there is no limit.
        let deadline = self.time.and_then(|_| Deadline::new(now(), self.name, self.time));
        let mut turn = self.turns.acquire(deadline)?;
        let lent = call::write_call(&mut turn.channel().sender.write_buffer, method, arg)?;
        let message = turn.round_trip(method, lent, Rights::new(files).as_ref(), deadline)?;
        Reply::new(turn, message, self.limits)
    }
}

impl fmt::Debug for TimedCalls<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TimedCalls").field("time", &self.time).finish_non_exhaustive()
    }
}
