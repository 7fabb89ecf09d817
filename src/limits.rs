//! What a peer may make this process do: how much it may send and how long it may take.

use std::fmt;
use std::time::Duration;

use crate::control;

/// The default of [`Limits::send_files`] and [`Limits::receive_files`]: the limit of gVisor before
/// 2022. Later builds of gVisor take 128 files.
pub const DEFAULT_MAX_FILES: usize = 32;

/// The limits of a server or a client. Members marked "Server" or "Client" concern only that side.
///
/// Start from [`Limits::default`] or [`Limits::for_client`] and change what must be changed. The
/// struct is not `#[non_exhaustive]`, because that would forbid the `..Limits::default()` below.
/// Later versions may add members, so use it always.
///
/// ```
/// use std::time::Duration;
/// use urpc::{Limits, Server};
///
/// let idle_time = Some(Duration::from_secs(60));
/// let limits = Limits { receive_files: 128, idle_time, ..Limits::default() };
/// let server = Server::builder().limits(limits).build();
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// The maximum size of one received message in bytes: 16 MiB. A larger message ends the
    /// connection, because its end is not known.
    pub message_bytes: usize,
    /// The maximum memory in bytes that decoding one message may take: 64 MiB. Strings, elements,
    /// entries and [`Value`](crate::json::Value)s count when they are allocated. A message that
    /// takes more is refused with a type error, and the connection goes on.
    pub decoded_bytes: usize,
    /// Server: the maximum memory in bytes that messages of all clients together may take: 256 MiB.
    /// What was read counts, what was decoded until its call is answered, and replies until they
    /// are sent. A long string that is the whole result is sent from where it lies and does not
    /// count. Nor do 16 KiB of each buffer and 64 KiB of each call's decoded values. A message or a
    /// reply beyond the limit is refused with an error, and the connection goes on.
    pub total_bytes: usize,
    /// The maximum number of files sent with one message: 32. Values above the kernel's limit of
    /// 253 are taken as 253.
    pub send_files: usize,
    /// The maximum number of files received with one message: 32. Values above 253 are taken as
    /// 253. If more come, all are closed and the message is refused.
    pub receive_files: usize,
    /// Server: the maximum number of clients at a time: 1,024. Beyond it, the accept loop leaves
    /// connections in the kernel's queue until a client has gone.
    ///
    /// A method that calls its own server takes another place. If such calls are nested deeper than
    /// this limit, the innermost waits for ever, and so does a thread that waits for it. Set a
    /// `call_time` for such calls.
    pub clients: usize,
    /// Server: the maximum number of clients at a time of one user, by the user id with which they
    /// connected: no limit. A connection beyond it is closed. A client whose thread still closes
    /// its files counts. In a user namespace all users that are not mapped share one id (65534).
    pub clients_per_user: Option<usize>,
    /// Server: the maximum number of clients that are gone and do not count among `clients`
    /// although their threads still close files that they sent: 64.
    ///
    /// Closing a file may block for as long as its sender likes (a TCP socket with `SO_LINGER` and
    /// unsent data, a file on FUSE whose daemon does not answer). Such a thread costs its stack and
    /// its descriptors. Beyond this number, it keeps its client's place. So a server has at most
    /// `clients` + `stuck_closes` threads for clients. A client that is still connected always
    /// keeps its place.
    pub stuck_closes: usize,
    /// The maximum time from a message's first byte, or from its first file, to its last byte: 30 s
    /// on a server, no limit on a client. Files that come with the white space before a message
    /// belong to that message.
    pub message_time: Option<Duration>,
    /// The maximum time that sending one message may take: 30 s on a server, no limit on a client.
    pub send_time: Option<Duration>,
    /// Server: the maximum time that a client may be silent between calls: no limit, because the
    /// number of clients is limited.
    pub idle_time: Option<Duration>,
    /// Client: the maximum time that connecting may wait for a place in the server's queue: 30 s.
    /// It waits only if the server does not accept and its queue is full, or if it was told to wait
    /// for a server: see [`ClientBuilder::wait`](crate::ClientBuilder::wait).
    pub connect_time: Option<Duration>,
    /// Client: the maximum time that a call may take, including the wait for its turn: no limit.
    /// Connecting is not included: see `connect_time`. A single call can have another limit: see
    /// [`Client::within`](crate::Client::within).
    pub call_time: Option<Duration>,
    /// How long a receive polls the kernel before it blocks (busy polling): zero, so not at all. If
    /// both sides poll and each has a CPU to itself, a small call takes a fraction of the time,
    /// because no thread has to be woken. It uses that CPU fully meanwhile, but yields it between
    /// two polls. Leave it at zero if calls are rare, if there are more clients than free CPUs, or
    /// if power matters.
    pub spin_time: Duration,
    /// The maximum nesting of arrays, objects and records in a typed value: 128. Types that contain
    /// themselves are decoded by recursion, so raise it only if the threads have enough stack. Raw
    /// and dynamic values always take the 10000 levels that JSON may have.
    pub typed_depth: usize,
    /// Server: the stack size in bytes of each client's thread: 1 MiB. Only the part that is used
    /// takes memory. Methods run on it. The default is enough for the default `typed_depth`. While
    /// memory is short, a thread serves one client after another, so a method must not leave
    /// thread-local state behind.
    pub stack_bytes: usize,
}

impl Default for Limits {
    /// A server's limits.
    fn default() -> Limits {
        Limits {
            message_bytes: 16 << 20,
            decoded_bytes: 64 << 20,
            total_bytes: 256 << 20,
            send_files: DEFAULT_MAX_FILES,
            receive_files: DEFAULT_MAX_FILES,
            clients: 1024,
            clients_per_user: None,
            stuck_closes: 64,
            message_time: Some(Duration::from_secs(30)),
            send_time: Some(Duration::from_secs(30)),
            idle_time: None,
            connect_time: Some(Duration::from_secs(30)),
            call_time: None,
            spin_time: Duration::ZERO,
            typed_depth: 128,
            stack_bytes: 1 << 20,
        }
    }
}

impl Limits {
    /// A client's limits: the default without `message_time` and `send_time`. Only connecting has a
    /// time limit.
    pub fn for_client() -> Limits {
        Limits { message_time: None, send_time: None, ..Limits::default() }
    }

    /// The limits with the numbers of files reduced to what the kernel allows.
    pub(crate) fn clamp_to_kernel(mut self) -> Limits {
        self.send_files = self.send_files.min(control::SCM_MAX_FD);
        self.receive_files = self.receive_files.min(control::SCM_MAX_FD);
        self
    }
}

/// Which member of [`Limits`] an error is about: see [`Error::limit`](crate::Error::limit). Its
/// [`Display`](fmt::Display) is the member's name, such as `Limits::call_time`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Limit {
    /// [`Limits::message_bytes`].
    MessageBytes,
    /// [`Limits::decoded_bytes`].
    DecodedBytes,
    /// [`Limits::total_bytes`].
    TotalBytes,
    /// [`Limits::send_files`].
    SendFiles,
    /// [`Limits::receive_files`].
    ReceiveFiles,
    /// [`Limits::clients`].
    Clients,
    /// [`Limits::clients_per_user`].
    ClientsPerUser,
    /// [`Limits::message_time`].
    MessageTime,
    /// [`Limits::send_time`].
    SendTime,
    /// [`Limits::idle_time`].
    IdleTime,
    /// [`Limits::connect_time`], or the limit given to
    /// [`Socket::connect_within`](crate::Socket::connect_within).
    ConnectTime,
    /// [`Limits::call_time`].
    CallTime,
    /// [`Limits::typed_depth`].
    TypedDepth,
    /// The call's own limit: see [`Client::within`](crate::Client::within).
    Within,
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Limit::MessageBytes => "Limits::message_bytes",
            Limit::DecodedBytes => "Limits::decoded_bytes",
            Limit::TotalBytes => "Limits::total_bytes",
            Limit::SendFiles => "Limits::send_files",
            Limit::ReceiveFiles => "Limits::receive_files",
            Limit::Clients => "Limits::clients",
            Limit::ClientsPerUser => "Limits::clients_per_user",
            Limit::MessageTime => "Limits::message_time",
            Limit::SendTime => "Limits::send_time",
            Limit::IdleTime => "Limits::idle_time",
            Limit::ConnectTime => "Limits::connect_time",
            Limit::CallTime => "Limits::call_time",
            Limit::TypedDepth => "Limits::typed_depth",
            Limit::Within => "the call's own limit",
        })
    }
}
