//! What a peer may make us do: how much it may send, and how long it may take.

use std::time::Duration;

use crate::control;

/// The most files that ride with one message unless it is said otherwise, as in gVisor before 2022
/// (its later builds take 128).
pub const DEFAULT_MAX_FILES: usize = 32;

/// The limits of a server or a client, the same structure for both. Start from the default and
/// change what must be changed:
///
/// ```
/// use std::time::Duration;
/// use urpc::{Limits, Server};
///
/// let limits = Limits { receive_files: 128, idle_time: Some(Duration::from_secs(60)), ..Limits::default() };
/// let server = Server::builder().limits(limits).build();
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// The most bytes of one received message: 16 MiB. A larger one ends the connection, since
    /// nobody knows where it would end.
    pub message_bytes: usize,
    /// The most memory that decoding one message may take: 64 MiB. Strings, elements, entries and
    /// [`Value`](crate::json::Value)s count when they are allocated. What takes more is a type
    /// error, and the connection goes on.
    pub decoded_bytes: usize,
    /// Server: the most memory that messages of all clients together may take: 256 MiB, for what
    /// was read, what was decoded until its call is answered, and replies until they are sent. 16
    /// KiB of each buffer and 64 KiB of each call's decoded values are free. A message or a reply
    /// beyond it is refused with an error, and the connection goes on.
    pub total_bytes: usize,
    /// The most files sent with one message: 32. The kernel's own limit is 253, and so is ours,
    /// whatever is set here.
    pub send_files: usize,
    /// The most files received with one message: 32, at most 253. If more come all are closed and
    /// that message is refused.
    pub receive_files: usize,
    /// Server: the most clients at a time: 1,024. Beyond it the accept loop leaves connections in
    /// the kernel's queue until a client has gone. A method that calls its own server takes a place
    /// more: where such calls are nested deeper than this, the innermost waits for ever, and so
    /// does whoever closes the connections and waits for their end. Set a `call_time` for them.
    pub clients: usize,
    /// Server: the most clients at a time of one user, by the user id with which they connected: no
    /// limit. A connection beyond it is closed. A client whose thread is still closing its files
    /// counts. In a user namespace all users that are not mapped there share one id (65534).
    pub clients_per_user: Option<usize>,
    /// Server: the most clients that are gone and take no place among `clients` although their
    /// threads still close what they sent: 64. Closing a file may block for as long as its sender
    /// likes (a TCP socket with `SO_LINGER` and unsent data, a file on FUSE whose daemon does not
    /// answer). Such a thread costs its stack and its descriptors. Beyond this number it keeps its
    /// client's place, so a server has at most `clients` + `stuck_closes` threads for clients. A
    /// client that stays connected meanwhile keeps its place in any case.
    pub stuck_closes: usize,
    /// The longest that a message may take from its first byte, or from the first file that came
    /// for it, to its last byte: 30 s on a server, no limit on a client. Files on the white space
    /// before a message are that message's.
    pub message_time: Option<Duration>,
    /// The longest that the peer may take to accept a whole message from us: 30 s on a server, no
    /// limit on a client.
    pub send_time: Option<Duration>,
    /// Server: the longest that a client may stay silent between calls: no limit, since the number
    /// of clients is limited.
    pub idle_time: Option<Duration>,
    /// Client: the longest that connecting may wait for a place in the server's queue: 30 s. It
    /// waits only where the server does not accept and its queue is full.
    pub connect_time: Option<Duration>,
    /// Client: the longest that a call may take, waiting for its turn, sending and receiving
    /// included: no limit. Connecting comes before and is not covered: see `connect_time`.
    pub call_time: Option<Duration>,
    /// How long a receive asks the kernel again and again before it blocks: not at all. Where both
    /// sides do so and each has a CPU to itself, a small call takes a fraction of the time, since
    /// nobody has to be woken. It burns that CPU meanwhile: leave it at zero where calls are rare,
    /// where there are more clients than spare CPUs, or where power counts. Whoever else wants the
    /// CPU gets it between two looks.
    pub spin_time: Duration,
    /// How deep arrays, objects and records of a typed value may be nested: 128. Types that contain
    /// themselves are decoded by recursion; raise it only where the threads have the stack for it.
    /// Raw and dynamic values take all 10000 levels of JSON whatever this says.
    pub typed_depth: usize,
    /// Server: the stack of each client's thread: 1 MiB, of which only what is used takes memory.
    /// That is enough for the default `typed_depth`; methods run on it as well.
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
    /// A client's limits: the default without limits of time, save that for connecting.
    pub fn for_client() -> Limits {
        Limits { message_time: None, send_time: None, ..Limits::default() }
    }

    /// What both ends can keep to: file counts within the kernel's own limit.
    pub(crate) fn clamp_to_kernel(mut self) -> Limits {
        self.send_files = self.send_files.min(control::SCM_MAX_FD);
        self.receive_files = self.receive_files.min(control::SCM_MAX_FD);
        self
    }
}
