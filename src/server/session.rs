//! One client: its calls, one after another, until it goes or an error ends the connection.

use std::borrow::Cow;
use std::fmt::Display;
use std::mem;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::observe::Event;
use super::place::ServedClient;
use super::registry::Registration;
use super::state::{Activity, State};
use super::{Shared, catch_panic};
use crate::call::{self, CALL};
use crate::closer;
use crate::connection::{self, Envelope, Message, Receiver, Sender};
use crate::error::Error;
use crate::files::Keeper;
use crate::json::{self, Token};
use crate::memory::Allowance;
use crate::service::{CallContext, Method, Outcome, Request, Responder};
use crate::socket::{Credentials, Socket};

pub(super) struct Session {
    shared: Arc<Shared>,
    client: Arc<ServedClient>,
    credentials: Credentials,
    receiver: Receiver<Arc<Socket>>,
    sender: Sender<Arc<Socket>>,
    method_cache: MethodCache,
    keeper: Arc<Keeper>,
    // Last, so that the sockets are closed before the registration is given up.
    registration: Registration,
}

impl Drop for Session {
    /// The peer sees the end at once, also where closing what it sent blocks.
    fn drop(&mut self) {
        self.client.end();
    }
}

impl Session {
    pub(super) fn new(
        shared: Arc<Shared>,
        registration: Registration,
        client: Arc<ServedClient>,
    ) -> Session {
        let socket = &client.socket;
        let budget = || Some(Arc::clone(&shared.budget));
        Session {
            receiver: Receiver::new(Arc::clone(socket), shared.limits.clone(), budget()),
            sender: Sender::new(Arc::clone(socket), shared.limits.clone(), budget()),
            method_cache: MethodCache::default(),
            keeper: Arc::default(),
            credentials: Credentials::default(),
            client,
            shared,
            registration,
        }
    }

    /// Serves the client on this thread until it is gone. `Ok` if it left between two messages.
    /// Dropping the session closes the connection, which may block.
    pub(super) fn run(&mut self) -> Result<(), Error> {
        self.registration.bind_thread();
        let checked = self.shared.authorize_peer(&self.client.socket);
        self.credentials = checked.map_err(|error| self.shared.report_refusal(error))?;
        let (client, credentials) = (self.registration.id, self.credentials);
        self.shared.emit(&Event::Accepted { client, credentials });
        let result = self.serve();
        self.shared.emit(&Event::Disconnected { client, reason: result.as_ref().err() });
        result
    }

    /// Ends the connection and closes it where nobody waits for that.
    pub(super) fn close_in_background(self) {
        self.client.end();
        self.registration.unbind_thread();
        if self.receiver.holds_files() || !self.client.socket.is_queue_empty() {
            closer::close(self);
        }
    }

    fn serve(&mut self) -> Result<(), Error> {
        let mut envelope = Envelope::new(&CALL);
        loop {
            // A receive closes files as well: those that are refused.
            self.client.activity.set(Activity::Closing);
            connection::shrink_idle(&mut self.receiver, &mut self.sender);
            let received = self.receiver.receive(&mut envelope, None);
            self.client.activity.set(Activity::Working);
            let mut message = match received {
                Ok(Some(message)) => message,
                // Stop shuts an idle client's socket down, which looks like the client's leaving.
                Ok(None) if self.was_stopped() => return Err(Error::Stopped),
                Ok(None) => return Ok(()),
                Err(error) => return Err(self.refuse_stream(error)),
            };
            let began = self.shared.observer.as_ref().map(|_| Instant::now());
            let (name, arg) = match call::read_call(&envelope) {
                Ok(call) => call,
                // Not all of it may have been looked at.
                Err(_) if matches!(message.refusal, Some(Error::OutOfMemory { .. })) => ("", None),
                Err(error @ Error::OutOfMemory { .. }) => {
                    message.refusal = Some(error);
                    ("", None)
                }
                Err(error) => return Err(self.refuse_stream(error)),
            };
            self.method_cache.look_up(name, &self.shared);
            let log_name = match self.method_cache.method {
                Some(_) => Cow::Borrowed(name),
                None => Cow::Owned(json::snippet(name.as_bytes())),
            };
            let has_files = !message.files.is_empty();
            if has_files {
                message.files.keep(&self.keeper);
            }
            let (outcome, result) = self.answer(message, name, &log_name, arg);
            let time = began.map_or(Duration::ZERO, |began| began.elapsed());
            let goes_on = self.end_call();
            if has_files {
                self.client.activity.set(Activity::Closing);
                drop(self.keeper.end_call());
                self.client.activity.set(Activity::Working);
            }
            self.finish_call(&log_name, outcome, time);
            if !goes_on {
                return Err(self.reason_to_close());
            }
            result?;
        }
    }

    /// Runs one call and replies.
    fn answer(
        &mut self,
        mut message: Message,
        name: &str,
        log_name: &str,
        arg: Option<Token>,
    ) -> (Outcome, Result<(), Error>) {
        let client = self.registration.id;
        if !self.client.state.begin_call() {
            return (Outcome::Dropped, Err(self.reason_to_close()));
        }
        self.shared.emit(&Event::CallStarted { client, method: log_name });
        self.client.has_outcome.store(false, Ordering::Release);
        let mut responder = Responder {
            sender: &mut self.sender,
            has_outcome: &self.client.has_outcome,
            ended: None,
        };
        if let Some(reason) = &message.refusal {
            self.shared.emit(&Event::MessageRefused { client, reason });
            responder.reply_error(wire_error_text(reason), Outcome::Refused);
        } else if let Some(method) = &self.method_cache.method {
            let request = Request {
                message: self.receiver.slice(&message.range),
                arg,
                files: mem::take(&mut message.files),
                limits: &self.shared.limits,
                budget: &self.shared.budget,
                context: &CallContext {
                    method: name,
                    client,
                    credentials: self.credentials,
                    socket: &self.client.socket,
                    stopping: self.shared.stopping(),
                },
            };
            if catch_panic(|| method(request, &mut responder)).is_none()
                && responder.ended.is_none()
            {
                responder.reply_error(&"method panicked", Outcome::Panicked);
            }
        } else {
            responder.reply_error(&call::UNKNOWN_METHOD, Outcome::UnknownMethod);
        }
        // Whoever ran has replied, or could not.
        responder.ended.unwrap_or((Outcome::Dropped, Err(Error::Closed)))
    }

    /// Ends a call that has been answered; `false` if the client is to be closed now, which its
    /// peer sees before the call's files are closed.
    fn end_call(&self) -> bool {
        let goes_on = self.client.state.end_call();
        if !goes_on {
            let _ = self.client.socket.shutdown();
        }
        goes_on
    }

    /// Tells whoever wants to know that a call has ended and its files are closed.
    fn finish_call(&self, method: &str, outcome: Outcome, time: Duration) {
        let client = self.registration.id;
        self.shared.emit(&Event::CallEnded { client, method, outcome, time });
        if let Some(after_call) = &self.shared.after_call {
            catch_panic(after_call);
        }
    }

    /// Tells why the stream cannot be followed any further: the observer, and the peer if it sent
    /// too much.
    fn refuse_stream(&mut self, error: Error) -> Error {
        if matches!(error, Error::MessageTooLarge { .. } | Error::Malformed(_)) {
            self.shared
                .emit(&Event::MessageRefused { client: self.registration.id, reason: &error });
        }
        if matches!(error, Error::MessageTooLarge { .. }) && self.client.state.begin_call() {
            if call::write_failure(&mut self.sender.write_buffer, &error).is_ok() {
                self.sender.try_send();
            }
            self.client.state.end_call();
        }
        if self.was_stopped() { Error::Stopped } else { error }
    }

    fn was_stopped(&self) -> bool {
        self.client.state.get() == State::Closed && self.shared.registry.is_stopping()
    }

    /// A client is closed by a stop, or for its place, once its peer is gone.
    fn reason_to_close(&self) -> Error {
        match self.shared.registry.is_stopping() {
            true => Error::Stopped,
            false => Error::Disconnected { mid_message: false, without_reply: false },
        }
    }
}

/// The method of the present call, if there is one of that name. The next call is mostly to the
/// same one, and then the table and its lock are left alone.
#[derive(Default)]
struct MethodCache {
    name: String,
    method: Option<Arc<Method>>,
}

impl MethodCache {
    fn look_up(&mut self, name: &str, shared: &Shared) {
        if self.method.is_none() || self.name != name {
            self.method = shared.method(name);
            // Any other name is as long as its sender chose.
            if self.method.is_some() && !Allowance::unlimited().set(&mut self.name, name) {
                self.name.clear();
            }
        }
    }
}

/// What the peer is told of a message that is refused for its files or for want of memory.
fn wire_error_text(refusal: &Error) -> &dyn Display {
    match refusal {
        Error::TooManyFiles { .. } => &call::TOO_MANY_FILES,
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::super::Server;
    use super::super::registry::WhenFull;
    use super::*;
    use crate::limits::Limits;
    use crate::test_limit::limit_test;
    use std::io::Read;
    use std::os::unix::net::UnixStream;

    /// What a client reads that has sent too much, and was closed before that if `is_closed`.
    fn last_word(is_closed: bool) -> String {
        let limits = Limits { message_bytes: 8, ..Limits::default() };
        let server = Server::builder().limits(limits).build();
        let (ours, theirs) = Socket::pair().unwrap();
        ours.send(br#"{"method":"A.B""#, &[]).unwrap();
        let (client, registration) =
            server.shared.admit(theirs, WhenFull::Reject, &mut None).unwrap();
        // Stop does this, and shuts the socket down a moment later.
        assert!(!is_closed || client.state.close());
        Session::new(Arc::clone(&server.shared), registration, client).run().unwrap_err();
        let mut text = String::new();
        UnixStream::from(ours.into_fd()).read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn a_client_that_sent_too_much_is_told_unless_it_was_closed_before() {
        limit_test();
        assert!(last_word(false).contains("message too large"));
        assert_eq!(last_word(true), "");
    }
}
