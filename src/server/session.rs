//! One client: its calls, one after another, until it leaves or an error ends the connection.

use std::borrow::Cow;
use std::fmt::Display;
use std::mem;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::observe::Event;
use super::place::ServedClient;
use super::registry::{Registration, WhenFull};
use super::shared::{Shared, catch_panic};
use super::state::{Activity, State};
use crate::call::{self, CALL};
use crate::closer::{self, BackgroundClose};
use crate::connection::{self, Envelope, Message, Receiver, Sender};
use crate::error::Error;
use crate::files::Keeper;
use crate::json::{self, Token};
use crate::memory::Allowance;
use crate::service::{CallContext, Method, Outcome, Request, Responder};
use crate::socket::{Credentials, Socket};

/// Serves one client on this thread until it is gone: see `Server::handle`.
pub(super) fn run_here(shared: &Arc<Shared>, socket: Socket) -> Result<(), Error> {
    let (client, registration) = shared.admit(socket, WhenFull::Reject)?;
    let mut session = Session::new(Arc::clone(shared), registration, client);
    let result = session.run();
    session.close_in_background();
    result
}

/// Starts a thread that serves one client. The socket is closed if the client is refused.
pub(super) fn start(
    shared: &Arc<Shared>,
    socket: Socket,
    when_full: WhenFull,
) -> Result<(), Error> {
    let (client, registration) = shared.admit(socket, when_full)?;
    let id = registration.id;
    let session = Session::new(Arc::clone(shared), registration, client);
    // If no thread can be started, the session is dropped on this thread, which must not block.
    let session = BackgroundClose::new(session);
    // The reason was reported to the observer.
    let run = move || drop(session.into_inner().run());
    shared.threads.start(shared.limits.stack_bytes, run).map_err(|error| {
        shared.registry.give_up(id);
        shared.report_refusal(Error::io("start a thread", error))
    })
}

pub(super) struct Session {
    shared: Arc<Shared>,
    client: Arc<ServedClient>,
    credentials: Credentials,
    receiver: Receiver<Arc<Socket>>,
    sender: Sender<Arc<Socket>>,
    method_cache: MethodCache,
    keeper: Arc<Keeper>,
    // Last, so that the sockets are closed before the registration is dropped.
    registration: Registration,
}

impl Drop for Session {
    /// Shuts the socket down first, so that the peer sees the end also if closing its files blocks,
    /// and if another process has the socket as well.
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

    /// Ends the connection. If closing it may block, another thread closes it.
    pub(super) fn close_in_background(self) {
        self.client.end();
        self.registration.unbind_thread();
        if self.receiver.holds_files() || !self.client.socket.is_queue_empty() {
            closer::close(self);
        } else {
            closer::close_queued_before();
        }
    }

    fn serve(&mut self) -> Result<(), Error> {
        let mut envelope = Envelope::new(&CALL);
        while let Some(message) = self.receive(&mut envelope)? {
            self.serve_call(&envelope, message)?;
        }
        Ok(())
    }

    /// Waits for the next message. `None` if the client left, which is no error between messages.
    fn receive(&mut self, envelope: &mut Envelope) -> Result<Option<Message>, Error> {
        // Receiving may close files as well: those of a message that is refused.
        self.client.activity.set(Activity::Closing);
        connection::shrink_idle(&mut self.receiver, &mut self.sender);
        let received = self.receiver.receive(envelope, None);
        self.client.activity.set(Activity::Working);
        match received {
            // Stop shuts an idle client's socket down, which looks as if the client had left.
            Ok(None) if self.was_stopped() => Err(Error::Stopped),
            Err(error) => Err(self.refuse_stream(error)),
            received => received,
        }
    }

    /// Runs the call that `message` makes, replies, and closes its files. An error ends the
    /// connection.
    fn serve_call(&mut self, envelope: &Envelope, mut message: Message) -> Result<(), Error> {
        let began = self.shared.observer.as_ref().map(|_| Instant::now());
        let (name, arg) = match call::read_call(envelope) {
            Ok(call) => call,
            // The envelope may not have seen all of it.
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
        let goes_on = self.mark_idle();
        if has_files {
            self.client.activity.set(Activity::Closing);
            self.keeper.close_files();
            self.client.activity.set(Activity::Working);
        }
        self.report_end(&log_name, outcome, time);
        if goes_on { result } else { Err(self.reason_to_close()) }
    }

    /// Runs the method and replies.
    fn answer(
        &mut self,
        mut message: Message,
        name: &str,
        log_name: &str,
        arg: Option<Token>,
    ) -> (Outcome, Result<(), Error>) {
        let client = self.registration.id;
        if !self.client.begin_call() {
            return (Outcome::Dropped, Err(self.reason_to_close()));
        }
        self.shared.emit(&Event::CallStarted { client, method: log_name });
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
                    stopping: &self.shared.registry.stopping,
                    stop: &|grace| self.shared.stop(grace, None),
                },
            };
            let returned = catch_panic(|| method(request, &mut responder));
            if returned.is_none() && responder.ended.is_none() {
                responder.reply_error(&"method panicked", Outcome::Panicked);
            }
        } else {
            responder.reply_error(&call::UNKNOWN_METHOD, Outcome::UnknownMethod);
        }
        // Each branch has replied or tried to.
        responder.ended.unwrap_or((Outcome::Dropped, Err(Error::Closed)))
    }

    /// Marks the client as idle, once its call has been answered. `false` if a close was requested
    /// meanwhile: the client is closed now. Its peer then sees the end of the connection before the
    /// call's files are closed.
    fn mark_idle(&self) -> bool {
        let goes_on = self.client.state.end_call();
        if !goes_on {
            let _ = self.client.socket.shutdown();
        }
        goes_on
    }

    /// Runs the callbacks for the end of a call, once its files are closed.
    fn report_end(&self, method: &str, outcome: Outcome, time: Duration) {
        let client = self.registration.id;
        self.shared.emit(&Event::CallEnded { client, method, outcome, time });
        if let Some(after_call) = &self.shared.after_call {
            catch_panic(after_call);
        }
    }

    /// Reports an error that leaves the stream out of step: to the observer, and to the peer if its
    /// message was too large. Returns the reason why the connection ends.
    fn refuse_stream(&mut self, error: Error) -> Error {
        if matches!(error, Error::MessageTooLarge { .. } | Error::Malformed { .. }) {
            let client = self.registration.id;
            self.shared.emit(&Event::MessageRefused { client, reason: &error });
        }
        if let Error::MessageTooLarge { limit, .. } = error {
            if self.client.state.begin_call() {
                // Without the hint: the peer cannot raise the limit.
                let written = call::write_failure(
                    &mut self.sender.write_buffer,
                    &format_args!("message too large: the limit is {limit} bytes"),
                );
                if written.is_ok() {
                    self.sender.try_send();
                }
                self.client.state.end_call();
            }
        }
        if self.was_stopped() { Error::Stopped } else { error }
    }

    fn was_stopped(&self) -> bool {
        self.client.state.get() == State::Closed && self.shared.registry.is_stopping()
    }

    /// Why a client is closed that did not ask for it: by a stop, or because it lost its place
    /// after its peer was gone.
    fn reason_to_close(&self) -> Error {
        match self.shared.registry.is_stopping() {
            true => Error::Stopped,
            false => Error::disconnected(),
        }
    }
}

/// The method of the current call, if one of that name is registered. The next call is often to the
/// same method. It then needs neither the table nor its lock.
#[derive(Default)]
struct MethodCache {
    name: String,
    method: Option<Arc<Method>>,
}

impl MethodCache {
    fn look_up(&mut self, name: &str, shared: &Shared) {
        if self.method.is_none() || self.name != name {
            self.method = shared.method(name);
            // An unknown name is not copied: it may be as long as the sender likes.
            if self.method.is_some() && !Allowance::unlimited().set(&mut self.name, name) {
                self.name.clear();
            }
        }
    }
}

/// The error text that the peer gets for a message that was refused for its files or for lack of
/// memory.
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

    /// What the peer reads after it has sent too much. If `is_closed`, its client was closed
    /// before.
    fn last_reply(is_closed: bool) -> String {
        let limits = Limits { message_bytes: 8, ..Limits::default() };
        let server = Server::builder().limits(limits).build();
        let (ours, theirs) = Socket::pair().unwrap();
        ours.send(br#"{"method":"A.B""#, &[]).unwrap();
        let (client, registration) = server.shared.admit(theirs, WhenFull::Reject).unwrap();
        // Stop does this, and shuts the socket down a moment later.
        assert!(!is_closed || client.state.request_close());
        Session::new(Arc::clone(&server.shared), registration, client).run().unwrap_err();
        let mut text = String::new();
        UnixStream::from(ours.into_fd()).read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn a_client_that_sent_too_much_is_told_unless_it_was_closed_before() {
        limit_test();
        assert!(last_reply(false).contains("message too large"));
        assert_eq!(last_reply(true), "");
    }
}
