//! The client: one connection, one call at a time.
//!
//! Calls from several threads take turns, in the order in which they came (`turns`). The call that
//! has the turn owns the connection (`channel`) until its reply has been read (`reply`). A failure
//! in between leaves the stream out of step. The client is then finished, and later calls report
//! that failure. A second call is never sent before the reply to the first has been read, because a
//! Go peer drops what it has read beyond a message.
//!
//! One call: [`Client::call`], [`TimedCalls::call`], `send_and_receive`, `TurnGuard::round_trip`,
//! `Channel::round_trip`, and `Reply::decode`.

mod calls;
mod channel;
mod reply;
#[cfg(test)]
mod tests;
mod turns;

use std::fmt;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use crate::error::Error;
use crate::files::Files;
use crate::json::{FromJson, RawJson, ToJson};
use crate::limits::{Limit, Limits};
use crate::socket::{self, Address, Socket};
pub use calls::TimedCalls;
use channel::Channel;
use turns::TurnQueue;

/// A client of a urpc server. It can be used from any thread through a shared reference.
///
/// Calls from several threads are sent one after another, in the order in which they came.
///
/// **Replies carry no id.** The next reply is taken as the answer to the current call. If a server
/// sends two replies to one call, the client detects it ([`Error::UnexpectedReply`]) only if the
/// second one had arrived when the first was read. Looking for a later one would cost each call a
/// system call. A server that is not trusted can lie in its replies in any case.
///
/// **Closing may block.** The last close of a file that came with a reply may block for as long as
/// the server likes: see [`Limits::stuck_closes`]. The client closes its connection, and files that
/// the caller does not get, on another thread if that may block. It waits at most 40 ms for that. A
/// process has at most 64 such threads. While all of them block, closing is delayed and the caller
/// does not wait. Files that the caller got are the caller's to drop, on a thread that may block.
///
/// ```no_run
/// use urpc::Client;
///
/// let client = Client::connect("/run/sandbox.sock")?;
/// let pids: Vec<i32> = client.call("Sandbox.Processes", &"c1")?;
/// # Ok::<(), urpc::Error>(())
/// ```
pub struct Client {
    turns: TurnQueue,
    limits: Limits,
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
#[must_use = "a builder does nothing until `connect` or `build` is called"]
pub struct ClientBuilder {
    limits: Limits,
    wait: bool,
}

impl Default for ClientBuilder {
    fn default() -> ClientBuilder {
        ClientBuilder { limits: Limits::for_client(), wait: false }
    }
}

impl ClientBuilder {
    /// Sets the limits. Start from [`Limits::for_client`].
    pub fn limits(mut self, limits: Limits) -> ClientBuilder {
        self.limits = limits.clamp_to_kernel();
        self
    }

    /// Whether [`ClientBuilder::connect`] waits for a server that is not there yet: `false` unless
    /// it is set. It waits for [`Limits::connect_time`] at most: see
    /// [`socket::connect_when_ready`](crate::socket::connect_when_ready).
    pub fn wait(mut self, wait: bool) -> ClientBuilder {
        self.wait = wait;
        self
    }

    /// Connects to `address`.
    ///
    /// # Errors
    /// [`Error::TimedOut`] after [`Limits::connect_time`]; otherwise [`Error::Io`] with the error
    /// of [`Socket::connect`], or of the last attempt if this waited for a server.
    pub fn connect(self, address: impl Into<Address>) -> Result<Client, Error> {
        let (address, limit) = (address.into(), self.limits.connect_time);
        let connect = |limit| Socket::connect_within(&address, limit);
        let connected = match self.wait {
            true => socket::connect_when_ready(limit, connect),
            false => connect(limit),
        };
        Ok(self.build(connected?))
    }

    /// Makes a client of a connected socket.
    pub fn build(self, socket: Socket) -> Client {
        let channel = Channel::new(socket, self.limits.clone());
        Client { turns: TurnQueue::new(channel), limits: self.limits }
    }
}

impl Client {
    /// Connects to `address` with the limits of [`Limits::for_client`].
    ///
    /// # Errors
    /// See [`ClientBuilder::connect`].
    pub fn connect(address: impl Into<Address>) -> Result<Client, Error> {
        Client::builder().connect(address)
    }

    /// Makes a client of a connected socket, with the limits of [`Limits::for_client`].
    pub fn new(socket: Socket) -> Client {
        Client::builder().build(socket)
    }

    /// A builder, to set limits.
    pub fn builder() -> ClientBuilder {
        ClientBuilder::default()
    }

    /// Calls `method` with `arg` and returns the result.
    ///
    /// If `arg` has a [`Files`] member, its files are sent with it and stay open here. If the
    /// result has such a member, it gets the files that came with the reply. Otherwise they are
    /// closed.
    ///
    /// The call returns within `Limits::call_time`, plus 0.1 s at most for closing files. There is
    /// one exception: if this process has no free descriptor for a file of the reply, the kernel
    /// itself closes the file within recvmsg(2), which may block.
    ///
    /// # Errors
    /// [`Error::Remote`] if the remote method failed; otherwise see [`Error`].
    /// [`Error::is_usable`] tells whether the client can make further calls.
    ///
    /// ```
    /// # let (ours, theirs) = urpc::Socket::pair()?;
    /// # let server = urpc::Server::new();
    /// # server.register(urpc::Service::new("Math", ()).method("Double", |_: &(), n: i64| {
    /// #     n.checked_mul(2).ok_or("too large")
    /// # }));
    /// # server.start_handling(theirs)?;
    /// # let client = urpc::Client::new(ours);
    /// let doubled: i64 = client.call("Math.Double", &21)?;
    /// assert_eq!(doubled, 42);
    /// # Ok::<(), urpc::Error>(())
    /// ```
    pub fn call<R: FromJson + Default>(
        &self,
        method: &str,
        arg: &(impl ToJson + ?Sized),
    ) -> Result<R, Error> {
        self.calls().call(method, arg)
    }

    /// Like [`Client::call`], but within `time` instead of [`Limits::call_time`]. This is
    /// [`Client::within`] for one call.
    ///
    /// # Errors
    /// See [`Client::within`].
    ///
    /// ```no_run
    /// use std::time::Duration;
    ///
    /// let client = urpc::Client::connect("/run/sandbox.sock")?;
    /// let pids: Vec<i32> =
    ///     client.call_within(Duration::from_secs(1), "Sandbox.Processes", &"c1")?;
    /// # Ok::<(), urpc::Error>(())
    /// ```
    pub fn call_within<R: FromJson + Default>(
        &self,
        time: Duration,
        method: &str,
        arg: &(impl ToJson + ?Sized),
    ) -> Result<R, Error> {
        self.within(time).call(method, arg)
    }

    /// Calls of every form that each take `time` at most, instead of [`Limits::call_time`]. The
    /// time of a call begins when it is made, and includes the wait for its turn. A time that is
    /// too long for the clock is no limit.
    ///
    /// # Errors
    /// A call that is out of time fails with [`Error::TimedOut`]. If nothing was sent (it still
    /// waited for its turn, or the time is zero), the client stays usable. Otherwise the stream is
    /// out of step: the connection is shut down, and later calls fail with [`Error::Finished`].
    ///
    /// ```
    /// # let (ours, theirs) = urpc::Socket::pair()?;
    /// # let server = urpc::Server::new();
    /// # server.register(urpc::Service::new("Peer", ()).method("Echo", |_: &(), n: i64| Ok::<_, String>(n)));
    /// # server.start_handling(theirs)?;
    /// # let client = urpc::Client::new(ours);
    /// use std::time::Duration;
    ///
    /// let quick = client.within(Duration::from_secs(5));
    /// let (result, _files) = quick.call_raw("Peer.Echo", b"7", &[])?;
    /// assert_eq!(result.as_bytes(), b"7");
    /// # Ok::<(), urpc::Error>(())
    /// ```
    pub fn within(&self, time: Duration) -> TimedCalls<'_> {
        self.timed(Some(time), Limit::Within)
    }

    /// Like [`Client::call`], but decodes into `result`. Members that the reply does not name keep
    /// their values. A [`Files`] member gets the files of the reply, also those of a remote error.
    ///
    /// # Errors
    /// See [`Client::call`]. After [`Error::Result`], `result` holds the members that fitted.
    ///
    /// ```
    /// # let (ours, theirs) = urpc::Socket::pair()?;
    /// # let server = urpc::Server::new();
    /// # server.register(urpc::Service::new("Peer", ())
    /// #     .raw_method("Ports", |_: &(), _: &[u8], files, _: &urpc::CallContext<'_>| {
    /// #         Ok::<_, String>((urpc::json::from_str(r#"{"http":80}"#).unwrap(), files))
    /// #     }));
    /// # server.start_handling(theirs)?;
    /// # let client = urpc::Client::new(ours);
    /// use std::collections::BTreeMap;
    ///
    /// let mut ports = BTreeMap::from([("ssh".to_owned(), 22)]);
    /// client.call_into("Peer.Ports", &(), &mut ports)?; // the reply is {"http":80}
    /// assert_eq!((ports["ssh"], ports["http"]), (22, 80));
    /// # Ok::<(), urpc::Error>(())
    /// ```
    pub fn call_into(
        &self,
        method: &str,
        arg: &(impl ToJson + ?Sized),
        result: &mut (impl FromJson + ?Sized),
    ) -> Result<(), Error> {
        self.calls().call_into(method, arg, result)
    }

    /// Calls `method` with an argument in JSON text and returns the result as JSON text, for use
    /// with another JSON library. The argument is checked, and sent without white space and with
    /// the escapes that Go writes. If the reply has no result, the result is `null`.
    ///
    /// # Errors
    /// See [`Client::call`]; [`Error::Argument`] if `arg` is not one JSON value.
    ///
    /// ```
    /// # let (ours, theirs) = urpc::Socket::pair()?;
    /// # let server = urpc::Server::new();
    /// # server.register(urpc::Service::new("Peer", ()).method("Echo", |_: &(), n: i64| Ok::<_, String>(n)));
    /// # server.start_handling(theirs)?;
    /// let client = urpc::Client::new(ours);
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
        self.calls().call_raw(method, arg, files)
    }

    /// Whether no further call can succeed: the peer has closed its end, or has shut down its
    /// sending direction so that no reply can come, or this client is closed or finished. A call
    /// that runs may still get a reply that was sent before.
    ///
    /// It asks the kernel once and does not wait. It receives nothing, so it can be called at any
    /// time, from any thread, also while a call runs.
    ///
    /// `false` is no promise. The peer may go right afterwards. It is not gone for the kernel while
    /// any process has its end open, or if it hangs. Inside gVisor (2022) the kernel never reports
    /// the end in this way: only a call finds out.
    ///
    /// ```
    /// let (ours, theirs) = urpc::Socket::pair()?;
    /// let client = urpc::Client::new(ours);
    /// assert!(!client.is_peer_gone());
    /// drop(theirs);
    /// assert!(client.is_peer_gone());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn is_peer_gone(&self) -> bool {
        self.turns.is_peer_gone()
    }

    /// Ends the connection. It can be called at any time, from any thread, and more than once. A
    /// call that is blocked, and calls that wait for their turn, fail at once with
    /// [`Error::Closed`].
    pub fn close(&self) {
        self.turns.finish(Error::Closed);
    }

    /// Calls with the limit that the client has for all.
    fn calls(&self) -> TimedCalls<'_> {
        self.timed(self.limits.call_time, Limit::CallTime)
    }

    fn timed(&self, time: Option<Duration>, name: Limit) -> TimedCalls<'_> {
        TimedCalls { turns: &self.turns, limits: &self.limits, name, time }
    }
}

impl fmt::Debug for Client {
    /// Shows why the client is finished, if it is, and its limits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let finished = self.turns.lock().socket.as_ref().err().cloned();
        let mut debug = f.debug_struct("Client");
        debug.field("finished", &finished).field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl Drop for Client {
    /// Shuts the socket down. Closing alone would not end the connection if the socket was
    /// inherited or another process shares it.
    fn drop(&mut self) {
        self.close();
    }
}
