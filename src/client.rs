//! Who calls: one connection, one call at a time.
//!
//! Calls from several threads wait their turn in the order in which they came. Whoever has the
//! turn owns the connection until its reply is read; a failure in between leaves the stream out of
//! step, so the client is finished then and says so from then on. A Go peer drops what it reads
//! behind a message, so a second call is never sent before the first one's reply.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::mem;
use std::os::fd::BorrowedFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::call::{self, ReplyReader};
use crate::closer;
use crate::connection::{Deadline, Message, Receiver, Sender};
use crate::control::Rights;
use crate::error::{Error, RemoteError};
use crate::files::Files;
use crate::json::{self, FromJson, RawJson, ToJson};
use crate::limits::Limits;
use crate::memory::{Allowance, Buffer, Shortage};
use crate::socket::{self, Address, Socket};

/// A client of a urpc server. It can be used from any thread through a shared reference.
///
/// Replies carry no id; the next reply is taken as the answer to the current call. A server that
/// sends two for one call is found out ([`Error::UnexpectedReply`]) if the second came by the time
/// the first was read; to look for a later one would cost each call a system call more. What a
/// server that one does not trust says is not to be believed in any case.
///
/// The last close of a file that came with a reply may block for as long as the server likes: see
/// [`Limits::stuck_closes`]. The client closes files that nobody takes, and its connection, on a
/// thread of their own where that may block, and waits for it 40 ms at most. A process has 64 such
/// threads; beyond that the caller closes. Files that were taken are the caller's, to be dropped
/// where that may take long.
///
/// ```no_run
/// use urpc::Client;
///
/// let client = Client::connect("/run/sandbox.sock")?;
/// let pids: Vec<i32> = client.call("Sandbox.Processes", &"c1")?;
/// # Ok::<(), urpc::Error>(())
/// ```
pub struct Client {
    turns: Mutex<TurnQueue>,
    changed: Condvar,
    limits: Limits,
}

struct TurnQueue {
    /// Taken out by whoever has the turn.
    channel: Option<Box<Channel>>,
    /// For shutting down from outside, or why no call is possible any more.
    socket: Result<Arc<Socket>, Error>,
    /// The tickets of the calls that wait, first come first.
    waiting: VecDeque<u64>,
    last_ticket: u64,
}

/// The connection and what reads the replies on it.
struct Channel {
    socket: Arc<Socket>,
    sender: Sender<Arc<Socket>>,
    receiver: Receiver<Arc<Socket>>,
    reader: ReplyReader,
}

/// Sets up a [`Client`].
///
/// ```no_run
/// use std::time::Duration;
/// use urpc::{Client, Limits};
///
/// let limits = Limits { call_time: Some(Duration::from_secs(5)), ..Limits::for_client() };
/// let client = Client::builder().limits(limits).connect("/run/sandbox.sock")?;
/// # Ok::<(), urpc::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct ClientBuilder {
    limits: Limits,
}

impl Default for ClientBuilder {
    fn default() -> ClientBuilder {
        ClientBuilder { limits: Limits::for_client() }
    }
}

impl ClientBuilder {
    /// Sets the limits. Start from [`Limits::for_client`].
    pub fn limits(mut self, limits: Limits) -> ClientBuilder {
        self.limits = limits.clamp_to_kernel();
        self
    }

    /// Connects to `address`.
    ///
    /// # Errors
    /// [`Error::TimedOut`] after [`Limits::connect_time`], else [`Error::Io`]: see
    /// [`Socket::connect`].
    pub fn connect(self, address: impl Into<Address>) -> Result<Client, Error> {
        let limit = self.limits.connect_time;
        let connected = Socket::connect_within(address, limit);
        let socket = connected.map_err(|error| match (error.kind(), limit) {
            (io::ErrorKind::TimedOut, Some(after)) => {
                Error::TimedOut { name: "Limits::connect_time", after, mid_message: false }
            }
            _ => error.into(),
        })?;
        Ok(self.build(socket))
    }

    /// Makes a client of a connected socket.
    pub fn build(self, socket: Socket) -> Client {
        let socket = Arc::new(socket);
        // A client is never idle on a receive, so there is no timeout to set that could fail.
        let limits = Limits { idle_time: None, ..self.limits };
        let channel = Channel {
            socket: Arc::clone(&socket),
            sender: Sender::new(Arc::clone(&socket), limits.clone(), None),
            receiver: Receiver::new(Arc::clone(&socket), limits.clone(), None).closing_aside(),
            reader: ReplyReader::default(),
        };
        let turns = TurnQueue {
            channel: Some(Box::new(channel)),
            socket: Ok(socket),
            waiting: VecDeque::new(),
            last_ticket: 0,
        };
        Client { turns: Mutex::new(turns), changed: Condvar::new(), limits }
    }
}

impl Client {
    /// Connects to `address` with the limits of [`Limits::for_client`].
    ///
    /// # Errors
    /// As [`ClientBuilder::connect`].
    pub fn connect(address: impl Into<Address>) -> Result<Client, Error> {
        Client::builder().connect(address)
    }

    /// Makes a client of a connected socket.
    pub fn new(socket: Socket) -> Client {
        Client::builder().build(socket)
    }

    /// A client to be set up.
    pub fn builder() -> ClientBuilder {
        ClientBuilder::default()
    }

    /// Calls `method` with `arg`, whose files ride along and stay the caller's, and gives the
    /// result. Its [`Files`], if it has such a member, get the files that came; otherwise they are
    /// closed.
    ///
    /// It returns within `Limits::call_time` and the 0.1 s that closing files may add, unless this
    /// process has no descriptor free for a file of the reply: the kernel itself closes that one
    /// then, within recvmsg(2).
    ///
    /// # Errors
    /// [`Error::Remote`] if the remote method failed; otherwise see [`Error`], and
    /// [`Error::is_usable`] for whether further calls make sense.
    pub fn call<R: FromJson + Default>(
        &self,
        method: &str,
        arg: &(impl ToJson + ?Sized),
    ) -> Result<R, Error> {
        let mut result = R::default();
        self.call_into(method, arg, &mut result)?;
        Ok(result)
    }

    /// Like [`Client::call`], but decodes into a value of the caller's, which keeps what the reply
    /// does not name. If it carries files it gets those of the reply, a remote error's too.
    ///
    /// # Errors
    /// As [`Client::call`]. After [`Error::Result`] the value holds all that did fit.
    pub fn call_into(
        &self,
        method: &str,
        arg: &(impl ToJson + ?Sized),
        result: &mut (impl FromJson + ?Sized),
    ) -> Result<(), Error> {
        let files = arg.files().into_iter().flat_map(Files::iter);
        let mut reply = self.send_and_receive(method, |out| json::append(arg, out), files)?;
        let decoded = reply.decode(result);
        reply.outcome()?;
        decoded
    }

    /// Calls `method` with an argument in JSON text and gives the result likewise, for those who
    /// bring their own JSON library. The argument is checked, and written without white space and
    /// with the escapes that Go writes; a reply without a result gives `null`.
    ///
    /// # Errors
    /// As [`Client::call`]; [`Error::Argument`] if `arg` is not one JSON value.
    ///
    /// ```
    /// # let (ours, theirs) = urpc::Socket::pair()?;
    /// # let server = urpc::Server::new();
    /// # server.register(urpc::Service::new("Peer", ()).method("Echo", |_: &(), n: i64| Ok::<_, String>(n)));
    /// # server.start_handling(theirs)?;
    /// let client = urpc::Client::new(ours);
    /// let stdout = std::io::stdout();
    /// let (result, files) = client.call_raw("Peer.Echo", b" 7 ", &[])?;
    /// assert_eq!((result.as_bytes(), files.len()), (&b"7"[..], 0));
    /// # Ok::<(), urpc::Error>(())
    /// ```
    pub fn call_raw(
        &self,
        method: &str,
        arg: &[u8],
        files: &[BorrowedFd<'_>],
    ) -> Result<(RawJson, Files), Error> {
        let files = files.iter().copied();
        let mut reply = self.send_and_receive(method, |out| json::append_raw(arg, out), files)?;
        reply.outcome()?;
        let mut result = Vec::new();
        let text = reply.raw_result().unwrap_or(b"null");
        if !Allowance::unlimited().reserve_exact(&mut result, text.len()) {
            return Err(Shortage::System.into());
        }
        result.extend_from_slice(text);
        Ok((RawJson::new(result), mem::take(&mut reply.files.0)))
    }

    /// Ends the connection, at any time, from any thread, as often as you like: a call that is
    /// blocked and the calls that wait for their turn end at once with [`Error::Closed`].
    pub fn close(&self) {
        self.finish(Error::Closed);
    }

    /// Ends the connection, unless that was done before, and lets later calls say why.
    fn finish(&self, reason: Error) {
        let mut turns = self.lock();
        if let Ok(socket) = turns.socket.clone() {
            turns.socket = Err(reason);
            let channel = turns.channel.take();
            drop(turns);
            self.changed.notify_all();
            // It fails only where the peer is gone, which is as good.
            let _ = socket.shutdown();
            if let Some(channel) = channel {
                channel.close();
            }
            // Whoever has the turn may have closed its line meanwhile.
            if let Some(last) = Arc::into_inner(socket) {
                socket::close_connection(last, |socket| socket, None);
            }
        }
    }

    /// Waits for its turn, sends the call and receives the reply.
    fn send_and_receive<'f>(
        &self,
        method: &str,
        arg: impl FnOnce(&mut Buffer) -> Result<(), json::Error>,
        files: impl Iterator<Item = BorrowedFd<'f>> + Clone,
    ) -> Result<Reply<'_>, Error> {
        let (count, limit) = (files.clone().count(), self.limits.send_files);
        if count > limit {
            return Err(Error::TooManyFiles { count, limit, name: "Limits::send_files" });
        }
        let deadline = self
            .limits
            .call_time
            .and_then(|after| Deadline::new(Instant::now(), "Limits::call_time", Some(after)));
        let mut turn = self.take_turn(deadline)?;
        call::write_call(&mut turn.channel().sender.write_buffer, method, arg)?;
        let rights = Rights::new(files);
        let mut message = turn.exchange(|channel| channel.round_trip(rights.as_ref(), deadline))?;
        match message.refusal.take() {
            Some(refusal) => Err(refusal),
            None => {
                let files = Untaken(mem::take(&mut message.files));
                Ok(Reply { turn, message, files })
            }
        }
    }

    fn take_turn(&self, deadline: Option<Deadline>) -> Result<TurnGuard<'_>, Error> {
        let mut turns = self.lock();
        let mut ticket = None;
        let channel = loop {
            if let Some(next) = turns.try_acquire(ticket) {
                break next;
            }
            ticket = ticket.or_else(|| Some(turns.enqueue()));
            match deadline.map(|deadline| deadline.remaining(Instant::now())).transpose() {
                Ok(left) => {
                    let waited = self.changed.wait_timeout(turns, left.unwrap_or(Duration::MAX));
                    turns = waited.unwrap_or_else(PoisonError::into_inner).0;
                }
                Err(error) => {
                    turns.dequeue(ticket);
                    // Whoever stands behind may be the next now.
                    self.changed.notify_all();
                    break Err(error);
                }
            }
        };
        Ok(TurnGuard { client: self, channel: Some(channel?), failure: None })
    }

    fn lock(&self) -> MutexGuard<'_, TurnQueue> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl Drop for Client {
    /// A socket that was inherited, or is shared with another process, ends only by a shutdown.
    fn drop(&mut self) {
        self.close();
    }
}

impl TurnQueue {
    /// The channel if it is the turn of `ticket`, or of whoever has none because nobody waits; or
    /// why it will never be; `None` to wait.
    fn try_acquire(&mut self, ticket: Option<u64>) -> Option<Result<Box<Channel>, Error>> {
        let next = match &self.socket {
            Err(reason) => Err(reason.clone()),
            Ok(_) if self.waiting.front() == ticket.as_ref() => Ok(self.channel.take()?),
            Ok(_) => return None,
        };
        self.dequeue(ticket);
        Some(next)
    }

    fn enqueue(&mut self) -> u64 {
        self.last_ticket += 1;
        self.waiting.push_back(self.last_ticket);
        self.last_ticket
    }

    fn dequeue(&mut self, ticket: Option<u64>) {
        if let Some(ticket) = ticket {
            self.waiting.retain(|waiting| *waiting != ticket);
        }
    }
}

impl Channel {
    fn round_trip(
        &mut self,
        files: Option<&Rights<'_>>,
        deadline: Option<Deadline>,
    ) -> Result<Message, Error> {
        if self.receiver.has_more() {
            // Taken for the reply to this call it would be silently wrong.
            return Err(Error::UnexpectedReply);
        }
        // Where the wait for the turn took all the time, nothing is sent and the client lives on.
        deadline.map(|deadline| deadline.remaining(Instant::now())).transpose()?;
        self.receiver.prepare()?;
        self.sender.send(files, deadline)?;
        let received = self.receiver.receive(&mut self.reader, deadline);
        let received = received.map_err(|error| self.receiver.explain(error).in_mid_message());
        let no_reply = Error::Disconnected { mid_message: true, without_reply: true };
        let mut message = received?.ok_or(no_reply)?;
        if matches!(message.refusal, Some(Error::OutOfMemory { .. })) {
            // Not all of it may have been looked at.
            return Ok(message);
        }
        let checked = self.reader.finish();
        if checked.is_err() {
            drop(Untaken(mem::take(&mut message.files)));
        }
        checked.map(|()| message)
    }

    /// Ends the connection, and closes it with all that came over it.
    fn close(self: Box<Channel>) {
        if self.socket.shut_down_empty() && !self.receiver.holds_files() {
            return;
        }
        closer::close(self);
    }
}

/// The turn of one call. Dropping it passes the channel on, or ends the client if the stream is out
/// of step.
struct TurnGuard<'c> {
    client: &'c Client,
    /// Taken when it is dropped, and not before.
    channel: Option<Box<Channel>>,
    failure: Option<Error>,
}

impl TurnGuard<'_> {
    fn channel(&mut self) -> &mut Channel {
        self.channel.as_mut().expect("the channel is held until the turn is dropped")
    }

    /// Does what leaves the stream out of step if it ends halfway, be it with a panic.
    fn exchange<T>(
        &mut self,
        exchange: impl FnOnce(&mut Channel) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.failure = Some(Error::Closed);
        let exchanged = exchange(self.channel());
        self.failure = exchanged.as_ref().err().filter(|error| !error.is_usable()).cloned();
        exchanged.map_err(|error| match &self.client.lock().socket {
            Ok(_) => error,
            // If another thread closed the client, report that instead of the I/O error it caused.
            Err(reason) => reason.clone(),
        })
    }
}

impl Drop for TurnGuard<'_> {
    fn drop(&mut self) {
        // The argument may have panicked or been refused when half of it was written.
        let channel = self.channel();
        channel.sender.shrink();
        channel.receiver.discard_message();
        if let Some(failure) = self.failure.take() {
            self.client.finish(Error::Finished(Arc::new(failure)));
        }
        let mut turns = self.client.lock();
        if turns.socket.is_ok() {
            turns.channel = self.channel.take();
        }
        // Waking nobody is a system call all the same.
        let someone_waits = !turns.waiting.is_empty();
        drop(turns);
        if someone_waits {
            self.client.changed.notify_all();
        }
        // The client was closed meanwhile.
        if let Some(channel) = self.channel.take() {
            channel.close();
        }
    }
}

/// A reply that was read, and the turn that its text is held by.
struct Reply<'c> {
    // First, so that the turn is passed on before files are closed.
    turn: TurnGuard<'c>,
    message: Message,
    files: Untaken,
}

/// Files that nobody took; they are closed where the caller does not wait for it.
struct Untaken(Files);

impl Drop for Untaken {
    fn drop(&mut self) {
        if self.0.iter().next().is_some() {
            closer::close(mem::take(&mut self.0));
        }
    }
}

impl Reply<'_> {
    /// The remote error, if that is what came.
    fn outcome(&mut self) -> Result<(), Error> {
        match self.turn.channel().reader.take_error() {
            None => Ok(()),
            Some(text) => Err(Error::Remote(RemoteError::new(text))),
        }
    }

    /// Decodes the result into `value` and hands the files over.
    fn decode(&mut self, value: &mut (impl FromJson + ?Sized)) -> Result<(), Error> {
        let limits = &self.turn.client.limits;
        let Channel { reader, receiver, .. } = self.turn.channel();
        let text = receiver.slice(&self.message.range);
        reader.decode_result(value, text, limits).map_err(Error::Result)?;
        if let Some(files) = value.files_mut() {
            // The caller's value may hold those of an earlier reply.
            drop(Untaken(mem::replace(files, mem::take(&mut self.files.0))));
        }
        Ok(())
    }

    /// The text of the last result, if there is one.
    fn raw_result(&mut self) -> Option<&[u8]> {
        let message = &self.message;
        let Channel { reader, receiver, .. } = self.turn.channel();
        reader.last_result().map(|place| &receiver.slice(&message.range)[place.range()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_turn_goes_to_whoever_came_first() {
        let (ours, _theirs) = Socket::pair().unwrap();
        let client = Client::new(ours);
        let mut turns = client.lock();
        turns.waiting.extend([1, 2, 3]);
        assert!(turns.try_acquire(Some(2)).is_none());
        let Some(Ok(channel)) = turns.try_acquire(Some(1)) else {
            panic!("it was the first one's turn")
        };
        assert!(turns.try_acquire(Some(2)).is_none(), "the first one has the channel");
        turns.channel = Some(channel);
        assert!(turns.try_acquire(Some(3)).is_none());
        assert!(turns.try_acquire(None).is_none(), "whoever comes now has to queue up");
        // Who waited too long leaves, and the next one moves up.
        turns.dequeue(Some(2));
        assert!(matches!(turns.try_acquire(Some(3)), Some(Ok(_))));
    }

    #[test]
    fn closing_ends_a_waiting_call_also_while_the_turn_is_held_up() {
        let (ours, _theirs) = Socket::pair().unwrap();
        let client = Arc::new(Client::new(ours));
        let _held = client.lock().channel.take();
        let (caller, (ends, ended)) = (Arc::clone(&client), std::sync::mpsc::channel());
        std::thread::spawn(move || ends.send(caller.call::<()>("Peer.Any", &())));
        while client.lock().waiting.is_empty() {
            std::thread::yield_now();
        }
        client.close();
        let outcome = ended.recv_timeout(std::time::Duration::from_secs(10));
        assert!(matches!(outcome, Ok(Err(Error::Closed))), "{outcome:?}");
    }

    #[test]
    fn a_panic_before_the_reply_is_whole_finishes_it() {
        let (ours, theirs) = Socket::pair().unwrap();
        theirs.send(br#"{"success":true}"#, &[]).unwrap();
        let client = Client::new(ours);
        let exchange = || client.take_turn(None)?.exchange(|_| -> Result<(), _> { panic!("so") });
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(exchange)).unwrap_err();
        assert!(matches!(client.call::<()>("Peer.Any", &()), Err(Error::Finished(_))));
    }

    #[test]
    fn memory_for_an_argument_that_was_not_sent_is_given_up() {
        let (ours, _theirs) = Socket::pair().unwrap();
        let client = Client::new(ours);
        let half = format!("[\"{}\"", "x".repeat(3 << 20));
        let error = client.call_raw("Peer.Any", half.as_bytes(), &[]).unwrap_err();
        assert!(matches!(error, Error::Argument(_)), "{error:?}");
        let capacity =
            client.lock().channel.as_ref().map(|channel| channel.sender.write_buffer.capacity());
        assert!(capacity.is_some_and(|bytes| bytes <= 2 << 20), "{capacity:?}");
    }

    #[test]
    fn memory_for_a_large_reply_is_given_up_behind_its_call() {
        let (ours, theirs) = Socket::pair().unwrap();
        let client = Client::new(ours);
        let reply = format!("{{\"success\":true,\"result\":\"{}\"}}", "x".repeat(5 << 20));
        let answering = std::thread::spawn(move || {
            let mut sent = 0;
            while sent < reply.len() {
                sent += theirs.send(&reply.as_bytes()[sent..], &[]).unwrap();
            }
        });
        let result: String = client.call("Peer.Any", &()).unwrap();
        answering.join().unwrap();
        assert_eq!(result.len(), 5 << 20);
        assert!(
            client
                .lock()
                .channel
                .as_ref()
                .is_some_and(|channel| !channel.receiver.holds_large_buffer())
        );
    }
}
