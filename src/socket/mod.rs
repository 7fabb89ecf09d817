//! Unix stream sockets that carry bytes and files.
//!
//! A [`Socket`] is one connected stream, a [`Listener`] takes connections, an [`Address`] says
//! where. This floor knows nothing of messages: it hands over bytes and owned files as the kernel
//! gives them, never raises `SIGPIPE`, and makes every descriptor close-on-exec from birth.
//! Waiting, time limits and which message a file belongs to are the `connection` floor's affair.

mod address;
mod bound_path;
mod listener;
#[cfg(test)]
mod tests;

#[doc(inline)]
pub use crate::control;
pub use crate::sys::Credentials;
pub use address::Address;
pub use listener::{BindOptions, Listener};

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixStream};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::closer::{self, Slot};
use crate::control::{ControlBuffer, Rights, SCM_MAX_FD};
use crate::error::Error;
use crate::files::Files;
use crate::sys::{self, Blocking, Interest};
use address::invalid;

/// One end of a connected Unix stream.
///
/// Dropping it closes the files that the peer sent and nobody received. The last close of a file
/// may block for as long as its sender likes: see
/// [`Limits::stuck_closes`](crate::Limits::stuck_closes).
///
/// ```
/// use urpc::Socket;
///
/// let (ours, theirs) = Socket::pair()?;
/// ours.send(b"hello", &[])?;
/// let mut buffer = [0; 16];
/// let (length, files) = theirs.receive(&mut buffer, 0)?;
/// assert_eq!((&buffer[..length], files.len()), (&b"hello"[..], 0));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Socket {
    stream: UnixStream,
}

impl Socket {
    /// Connects to `address`. A path goes through `/proc/self/fd` if it is longer than a socket
    /// address holds. An inherited descriptor is taken: see [`Address::Inherited`].
    ///
    /// To a server that accepts nobody, and whose queue of connections is full, this waits for
    /// ever: see [`Socket::connect_within`].
    ///
    /// # Errors
    /// What connect(2) says, with the address in the text: `NotFound` where there is no socket,
    /// `ConnectionRefused` where nobody listens, `PermissionDenied` where its mode forbids it.
    pub fn connect(address: impl Into<Address>) -> io::Result<Socket> {
        Socket::connect_within(address, None)
    }

    /// Like [`Socket::connect`], but waits at most `limit` for a place in the server's queue;
    /// `None` is for ever.
    ///
    /// # Errors
    /// `TimedOut` once `limit` has passed, otherwise as [`Socket::connect`].
    pub fn connect_within(
        address: impl Into<Address>,
        limit: Option<Duration>,
    ) -> io::Result<Socket> {
        let address = address.into();
        let connected = match &address {
            Address::Inherited(number) => {
                let socket = take_inherited(*number).and_then(Socket::from_fd);
                return socket.map_err(|error| address.add_context("cannot use", error));
            }
            Address::Abstract(name) => SocketAddr::from_abstract_name(name)
                .and_then(|to| connect_new(limit, |socket| socket.connect_addr(&to))),
            Address::Path(path) => address::with_short_path(path, |short| {
                connect_new(limit, |socket| socket.connect(short))
            }),
        };
        connected.map_err(|error| address.add_context("cannot connect to", error))
    }

    /// Two sockets connected to each other, for a child process or a test.
    ///
    /// # Errors
    /// What socketpair(2) says, such as too many open files.
    pub fn pair() -> io::Result<(Socket, Socket)> {
        let (left, right) = UnixStream::pair()?;
        Ok((Socket { stream: left }, Socket { stream: right }))
    }

    /// Adopts a connected socket, makes it close-on-exec and owns it from then on. A non-blocking
    /// one works as well, and so does one with `SO_PASSCRED` or `SO_PASSPIDFD` on. With
    /// `SO_PASSSEC` on there is room for a security label of 256 bytes beside the files: a longer
    /// one has a message with files refused as truncated.
    ///
    /// # Errors
    /// `InvalidInput` if it is not a Unix stream socket, `NotConnected` if it has no peer (a
    /// listening one, for instance). The descriptor is closed then.
    pub fn from_fd(fd: OwnedFd) -> io::Result<Socket> {
        check_unix_stream(fd.as_fd())?;
        let stream = UnixStream::from(fd);
        stream.peer_addr().map_err(|error| {
            io::Error::new(error.kind(), "the socket is not connected: is it a listening one?")
        })?;
        Ok(Socket { stream })
    }

    /// Gives the socket up as a descriptor, open and connected.
    pub fn into_fd(self) -> OwnedFd {
        self.stream.into()
    }

    /// Who is at the other end: see [`Credentials`] for what they are worth.
    ///
    /// # Errors
    /// What getsockopt(2) says; on a connected socket it does not fail.
    pub fn peer_credentials(&self) -> io::Result<Credentials> {
        sys::peer_credentials(self.as_fd())
    }

    pub(crate) fn credentials(&self) -> Result<Credentials, Error> {
        self.peer_credentials().map_err(|error| Error::io("get SO_PEERCRED", error))
    }

    /// A handle on the process at the other end, as it connected or listened (`SO_PEERPIDFD`): it
    /// stays that process's, whatever its number is used for later. It becomes readable when the
    /// process has ended (pidfd_open(2)).
    ///
    /// `None` where the kernel gives none: before Linux 6.5, in gVisor, where the process is gone,
    /// or where no descriptor is free.
    pub fn peer_process(&self) -> Option<OwnedFd> {
        sys::peer_pidfd(self.as_fd()).ok()
    }

    /// Ends both directions, from any thread. Whoever is blocked on this socket, in whatever
    /// process, wakes with the end of the stream. The descriptor stays open until it is dropped,
    /// so its number cannot come to mean something else meanwhile.
    ///
    /// # Errors
    /// What shutdown(2) says; the other side being gone already is no error.
    pub fn shutdown(&self) -> io::Result<()> {
        self.stream.shutdown(std::net::Shutdown::Both)
    }

    /// Ends the sending direction: the peer reads the end of the stream and can still answer.
    ///
    /// # Errors
    /// What shutdown(2) says.
    pub fn shutdown_send(&self) -> io::Result<()> {
        self.stream.shutdown(std::net::Shutdown::Write)
    }

    /// Asks the kernel for a send buffer of about `bytes` (socket(7), `SO_SNDBUF`).
    ///
    /// # Errors
    /// What setsockopt(2) says.
    pub fn set_send_buffer(&self, bytes: usize) -> io::Result<()> {
        sys::set_send_buffer(self.as_fd(), bytes)
    }

    /// Makes the kernel refuse files for this socket: senders get `EPERM` (Linux 6.16 and later).
    ///
    /// # Errors
    /// `ENOPROTOOPT` or `Unsupported` where the kernel cannot, as in gVisor; files are then received
    /// and closed as ever.
    pub fn refuse_files(&self) -> io::Result<()> {
        sys::refuse_files(self.as_fd())
    }

    /// Sends some of `bytes`, waiting for room, with `files` beside the first of them, and returns
    /// how many went. That number being above zero means that all files went; the caller still
    /// owns its copies. This is one raw send: what remains is to be sent without the files.
    ///
    /// # Errors
    /// `InvalidInput` for more files than [`SCM_MAX_FD`] or for files without bytes (which the
    /// kernel would drop), else what sendmsg(2) says. On any error no file went.
    pub fn send(&self, bytes: &[u8], files: &[BorrowedFd<'_>]) -> io::Result<usize> {
        if files.len() > SCM_MAX_FD || (bytes.is_empty() && !files.is_empty()) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let rights = Rights::new(files.iter().copied());
        retry_interrupted(|| sys::send_message(self.as_fd(), bytes, rights.as_ref(), Blocking::Yes))
    }

    /// Receives what is there into `buffer`, waiting for it, and the files that came with it, at
    /// most `max_files`. `(0, _)` is the end of the stream.
    ///
    /// # Errors
    /// `InvalidInput` for an empty buffer, `InvalidData` if more files came or if the kernel could
    /// not deliver all (all are closed, the bytes are lost to the caller), else what recvmsg(2)
    /// says.
    pub fn receive(&self, buffer: &mut [u8], max_files: usize) -> io::Result<(usize, Files)> {
        let (mut control, mut files) = (ControlBuffer::new(), Vec::new());
        // The kernel closes what there is no room for within recvmsg(2), which may block.
        let received = retry_interrupted(|| {
            sys::receive_into(self.as_fd(), buffer, &mut control, SCM_MAX_FD, &mut files)
        })?;
        let refusal = match files.len() > max_files {
            true => "too many files",
            false if received.control_truncated => "control data truncated",
            false => return Ok((received.bytes, files.into())),
        };
        closer::close(files);
        Err(io::Error::new(io::ErrorKind::InvalidData, refusal))
    }

    /// Whether the other side is gone for good. One that only ended its sending side still waits
    /// for its reply, so that does not count.
    pub(crate) fn is_peer_gone(&self) -> bool {
        let mut gone = [Interest::gone(self.as_fd())];
        matches!(retry_interrupted(|| sys::wait_for(&mut gone, Some(Duration::ZERO))), Ok(true))
    }

    /// Shuts the socket down. Returns whether its receive queue is empty. From then on the peer can
    /// queue nothing more (`unix_stream_sendmsg` of Linux), so closing an empty socket closes no
    /// file and cannot block.
    pub(crate) fn shut_down_empty(&self) -> bool {
        // It fails only if the peer is gone.
        let _ = self.shutdown();
        self.is_queue_empty()
    }

    /// Whether the receive queue of a socket that was shut down is empty.
    pub(crate) fn is_queue_empty(&self) -> bool {
        // A receive passes over a byte that was sent out of band, which may carry files too.
        let mut urgent = [Interest::urgent(self.as_fd())];
        let looked = retry_interrupted(|| sys::wait_for(&mut urgent, Some(Duration::ZERO)));
        if looked.is_err() || urgent[0].is_urgent() {
            return false;
        }
        match retry_interrupted(|| sys::peek(self.as_fd())) {
            Ok(count) => count == 0,
            // What is queued comes before the error that the peer closed with unread data.
            Err(error) => error.kind() == io::ErrorKind::ConnectionReset,
        }
    }

    /// Sets the longest that a blocking receive waits (`SO_RCVTIMEO`). std refuses zero, which the
    /// kernel would take for no limit.
    pub(crate) fn set_receive_timeout(&self, limit: Option<Duration>) -> io::Result<()> {
        self.stream.set_read_timeout(limit.map(|limit| limit.max(Duration::from_millis(1))))
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

impl From<UnixStream> for Socket {
    fn from(stream: UnixStream) -> Socket {
        Socket { stream }
    }
}

impl From<Socket> for OwnedFd {
    fn from(socket: Socket) -> OwnedFd {
        socket.into_fd()
    }
}

/// Connects a fresh socket within `limit`. The kernel waits for a place in the server's queue as
/// long as the socket's send timeout says (`SO_SNDTIMEO`, socket(7)).
fn connect_new(
    limit: Option<Duration>,
    connect: impl Fn(&UnixDatagram) -> io::Result<()>,
) -> io::Result<Socket> {
    /// How long to wait where the kernel does not: gVisor says at once that the queue is full.
    const PAUSE: Duration = Duration::from_millis(5);
    let socket = connectable(sys::new_stream()?);
    let until = limit.and_then(|limit| Instant::now().checked_add(limit));
    retry_interrupted(|| {
        if let Some(until) = until {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let text = format!("nobody accepted within {:?}", limit.unwrap_or_default());
                return Err(io::Error::new(io::ErrorKind::TimedOut, text));
            }
            socket.set_write_timeout(Some(left))?;
        }
        connect(&socket).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => {
                thread::sleep(PAUSE);
                io::ErrorKind::Interrupted.into()
            }
            _ => error,
        })
    })?;
    if until.is_some() {
        socket.set_write_timeout(None)?;
    }
    Ok(Socket { stream: OwnedFd::from(socket).into() })
}

/// std connects a socket that it has not made itself if that is called a datagram socket; the
/// system call is the same for all.
fn connectable(socket: OwnedFd) -> UnixDatagram {
    socket.into()
}

/// A duplicate of a number that this process inherited. It can be taken once: what was inherited is
/// not close-on-exec, as all is that std opens, and it is made so. The number itself stays open,
/// since something else in this process may own it all the same.
pub(crate) fn take_inherited(number: RawFd) -> io::Result<OwnedFd> {
    static TAKING: Mutex<()> = Mutex::new(());
    let _taking = TAKING.lock().unwrap_or_else(PoisonError::into_inner);
    if sys::is_close_on_exec(number)? {
        return Err(invalid("it was not inherited, or was taken already"));
    }
    let copy = sys::duplicate_from(number, 3)?;
    sys::set_close_on_exec(number)?;
    Ok(copy)
}

/// Makes `call` again for as long as a signal interrupts it.
pub(crate) fn retry_interrupted<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            result => return result,
        }
    }
}

/// Checks that `fd` is a Unix stream socket and makes it close-on-exec.
fn check_unix_stream(fd: BorrowedFd<'_>) -> io::Result<()> {
    if !sys::is_stream(fd).map_err(|_| invalid("the descriptor is not a socket"))? {
        return Err(invalid("the socket is not a stream socket"));
    }
    // std refuses an address of another family than AF_UNIX.
    UnixStream::from(fd.try_clone_to_owned()?)
        .local_addr()
        .map_err(|_| invalid("the socket is not a Unix socket"))?;
    sys::set_close_on_exec(fd.as_raw_fd())
}

/// Shuts the socket of `owner` down and drops `owner`, which owns no other descriptors. If that may
/// block, another thread drops it, in `slot` if there is one.
pub(crate) fn close_connection<T: Send + 'static>(
    owner: T,
    socket: impl FnOnce(&T) -> &Socket,
    slot: Option<Slot>,
) {
    if socket(&owner).shut_down_empty() {
        return drop(owner);
    }
    match slot {
        Some(slot) => slot.close(owner),
        None => closer::close(owner),
    }
}
