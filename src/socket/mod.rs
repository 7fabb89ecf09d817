//! Unix stream sockets that carry bytes and files.
//!
//! A [`Socket`] is one connected stream, a [`Listener`] accepts connections, and an [`Address`]
//! says where. This module knows nothing of messages: it passes bytes and owned files as the kernel
//! gives them. It never raises `SIGPIPE`, and every descriptor is close-on-exec from the start.
//! Time limits and which message a file belongs to are the task of the `connection` module.

mod address;
mod bound_path;
mod connecting;
mod listener;
mod ready;
#[cfg(test)]
mod tests;
mod waiting;

#[doc(inline)]
pub use crate::control;
pub use crate::sys::{Credentials, Interest};
pub use address::Address;
pub use listener::{BindOptions, Listener};
pub use ready::connect_when_ready;
pub use waiting::poll;

use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::sync::PoisonError;
use std::time::Duration;

use crate::closer;
use crate::control::{Rights, SCM_MAX_FD};
use crate::error::Error;
use crate::files::Files;
use crate::sync::{Mutex, shut_down};
use crate::sys::{self, Ancillary, Blocking};
use address::invalid;
use connecting::connect_new;

/// One end of a connected Unix stream.
///
/// Dropping it also closes files that the peer sent and that were not received. The last close of a
/// file may block for as long as its sender likes: see
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
    /// Connects to `address`. A path that is longer than a socket address holds (107 bytes) is
    /// reached through `/proc/self/fd`. For an inherited descriptor see [`Address::Inherited`].
    ///
    /// If the server does not accept and its queue of connections is full, this waits for ever: see
    /// [`Socket::connect_within`].
    ///
    /// # Errors
    /// The error of connect(2), with the address in its text: `NotFound` if there is no socket,
    /// `ConnectionRefused` if no process listens, `PermissionDenied` if the socket's mode forbids
    /// it, `InvalidInput` if the path leads to something that is not a socket.
    pub fn connect(address: impl Into<Address>) -> io::Result<Socket> {
        Socket::connect_within(address, None)
    }

    /// Like [`Socket::connect`], but waits at most `limit` for a place in the server's queue.
    /// `None` means for ever.
    ///
    /// # Errors
    /// `TimedOut` if `limit` passed; otherwise see [`Socket::connect`].
    ///
    /// ```no_run
    /// use std::time::Duration;
    /// use urpc::Socket;
    ///
    /// let socket = Socket::connect_within("/run/sandbox.sock", Some(Duration::from_secs(5)))?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
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
        let connected = connected.map_err(|error| {
            let error = match error.kind() {
                io::ErrorKind::ConnectionRefused if address.is_no_socket() => {
                    invalid(error.to_string())
                }
                _ => error,
            };
            address.add_context("cannot connect to", error)
        })?;
        Ok(Socket { stream: connected.into() })
    }

    /// Makes two sockets that are connected to each other, for a child process or a test.
    ///
    /// # Errors
    /// The error of socketpair(2), such as too many open files.
    pub fn pair() -> io::Result<(Socket, Socket)> {
        let (left, right) = UnixStream::pair()?;
        Ok((Socket { stream: left }, Socket { stream: right }))
    }

    /// Adopts a connected socket and makes it close-on-exec. It may be non-blocking, and may have
    /// `SO_PASSCRED` or `SO_PASSPIDFD` set. With `SO_PASSSEC` there is room for the files and a
    /// security label of 256 bytes. With a longer label, a message with files is refused as
    /// truncated.
    ///
    /// # Errors
    /// `InvalidInput` if it is not a Unix stream socket; `NotConnected` if it has no peer, for
    /// instance if it listens. The descriptor is then closed.
    pub fn from_fd(fd: OwnedFd) -> io::Result<Socket> {
        check_unix_stream(fd.as_fd())?;
        let stream = UnixStream::from(fd);
        stream.peer_addr().map_err(|error| {
            io::Error::new(error.kind(), "the socket is not connected: is it a listening one?")
        })?;
        Ok(Socket { stream })
    }

    /// Converts the socket into its descriptor, which stays open and connected.
    pub fn into_fd(self) -> OwnedFd {
        self.stream.into()
    }

    /// The peer's credentials: see [`Credentials`] for what they are worth.
    ///
    /// # Errors
    /// The error of getsockopt(2). On a connected socket it does not fail.
    pub fn peer_credentials(&self) -> io::Result<Credentials> {
        sys::peer_credentials(self.as_fd())
    }

    pub(crate) fn credentials(&self) -> Result<Credentials, Error> {
        self.peer_credentials().map_err(|error| Error::io("get SO_PEERCRED", error))
    }

    /// A pidfd of the process that connected or listened at the other end (`SO_PEERPIDFD`). It
    /// refers to that process also if its number is used again. It becomes readable when the
    /// process has ended (pidfd_open(2)).
    ///
    /// `None` if the kernel gives none: before Linux 6.5, in gVisor, if the process is gone, or if
    /// no descriptor is free.
    pub fn peer_process(&self) -> Option<OwnedFd> {
        sys::peer_pidfd(self.as_fd()).ok()
    }

    /// Shuts both directions down, from any thread. Every thread that is blocked on this socket, in
    /// any process, wakes and sees the end of the stream. The descriptor stays open until the
    /// socket is dropped, so its number is not used again meanwhile.
    ///
    /// # Errors
    /// The error of shutdown(2). It is no error if the peer is gone.
    pub fn shutdown(&self) -> io::Result<()> {
        shut_down(&self.stream, Shutdown::Both)
    }

    /// Shuts the sending direction down. The peer reads the end of the stream and can still answer.
    ///
    /// # Errors
    /// The error of shutdown(2).
    pub fn shutdown_send(&self) -> io::Result<()> {
        shut_down(&self.stream, Shutdown::Write)
    }

    /// Sets the size of the kernel's send buffer to about `bytes` (`SO_SNDBUF`, socket(7)).
    ///
    /// # Errors
    /// The error of setsockopt(2).
    pub fn set_send_buffer(&self, bytes: usize) -> io::Result<()> {
        sys::set_send_buffer(self.as_fd(), bytes)
    }

    /// Makes the kernel refuse files for this socket: senders get `EPERM` (Linux 6.16 and later).
    ///
    /// # Errors
    /// `ENOPROTOOPT` or `Unsupported` if the kernel cannot, as in gVisor. Files are then received
    /// and closed.
    pub fn refuse_files(&self) -> io::Result<()> {
        sys::refuse_files(self.as_fd())
    }

    /// Sends some of `bytes`, and `files` with the first byte, with one sendmsg(2), or with one
    /// send(2) if there are no files. Waits until there is room, also if the socket is non-blocking. Returns how many bytes were sent. If that
    /// is above zero, all files were sent as well. Send the remaining bytes without the files. The
    /// caller's own descriptors stay open.
    ///
    /// # Errors
    /// `InvalidInput` for more files than [`SCM_MAX_FD`], or for files without bytes, which the
    /// kernel would drop; `WouldBlock` if the socket has a send timeout (`SO_SNDTIMEO`) and it
    /// passed; otherwise the error of sendmsg(2). On an error no file was sent.
    ///
    /// ```
    /// use std::os::fd::AsFd;
    /// use urpc::Socket;
    ///
    /// let (ours, theirs) = Socket::pair()?;
    /// let null = std::fs::File::open("/dev/null")?;
    /// ours.send(b"x", &[null.as_fd()])?;
    /// let (_, files) = theirs.receive(&mut [0], 1)?;
    /// assert_eq!(files.len(), 1);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn send(&self, bytes: &[u8], files: &[BorrowedFd<'_>]) -> io::Result<usize> {
        self.until_ready(Interest::writable, || self.send_once(bytes, files, Blocking::Yes))
    }

    /// Like [`Socket::send`], but never waits, whether the socket is non-blocking or not. It sends
    /// what there is room for.
    ///
    /// To send a message with files, pass the files until one send returns more than zero, and then
    /// none. `WouldBlock` before that means that neither a byte nor a file was sent. `WouldBlock`
    /// after that means that the peer reads slowly: keep the rest, wait until the socket is
    /// writable, and go on after the last byte that was sent. Send nothing else before the rest. A
    /// message that is given up in the middle leaves the stream out of step, so end the connection.
    ///
    /// # Errors
    /// `WouldBlock` if there is no room; otherwise see [`Socket::send`].
    ///
    /// ```
    /// use std::io::{self, ErrorKind};
    /// use std::os::fd::{AsFd, BorrowedFd};
    /// use urpc::Socket;
    ///
    /// /// Sends on from `sent`. `false` if the socket must become writable first.
    /// fn send_rest(
    ///     socket: &Socket, message: &[u8], sent: &mut usize, files: &[BorrowedFd<'_>],
    /// ) -> io::Result<bool> {
    ///     while *sent < message.len() {
    ///         let files = if *sent == 0 { files } else { &[] };
    ///         match socket.try_send(&message[*sent..], files) {
    ///             Ok(count) => *sent += count,
    ///             Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
    ///             Err(error) => return Err(error),
    ///         }
    ///     }
    ///     Ok(true)
    /// }
    ///
    /// let ((ours, _theirs), null) = (Socket::pair()?, std::fs::File::open("/dev/null")?);
    /// let (message, mut sent) = (vec![b' '; 1 << 24], 0);
    /// assert!(!send_rest(&ours, &message, &mut sent, &[null.as_fd()])?);
    /// assert!(sent > 0);
    /// # Ok::<(), io::Error>(())
    /// ```
    pub fn try_send(&self, bytes: &[u8], files: &[BorrowedFd<'_>]) -> io::Result<usize> {
        self.send_once(bytes, files, Blocking::No)
    }

    fn send_once(
        &self,
        bytes: &[u8],
        files: &[BorrowedFd<'_>],
        blocking: Blocking,
    ) -> io::Result<usize> {
        if files.len() > SCM_MAX_FD {
            return Err(invalid(format!("more than {SCM_MAX_FD} files in one send")));
        }
        if bytes.is_empty() && !files.is_empty() {
            return Err(invalid("files are sent with at least one byte"));
        }
        let (parts, rights) = ([IoSlice::new(bytes)], Rights::new(files.iter().copied()));
        retry_interrupted(|| sys::send_message(self.as_fd(), &parts, rights.as_ref(), blocking))
    }

    /// Receives bytes into `buffer` with one recvmsg(2), and the files that came with them, at most
    /// `max_files`. Waits until there is something, also if the socket is non-blocking. Returns the
    /// number of bytes and the files. Zero bytes mean the end of the stream. For an example see
    /// [`Socket::send`].
    ///
    /// Which message the files belong to depends on where messages begin and end: see
    /// [`MessageReader`](crate::MessageReader).
    ///
    /// # Errors
    /// `InvalidInput` for an empty buffer; `InvalidData` if more files came, or if the kernel could
    /// not deliver all of them. All are then closed and the bytes are lost. `WouldBlock` if the
    /// socket has a receive timeout (`SO_RCVTIMEO`) and it passed. Otherwise the error of
    /// recvmsg(2).
    pub fn receive(&self, buffer: &mut [u8], max_files: usize) -> io::Result<(usize, Files)> {
        self.until_ready(Interest::readable, || self.receive_once(buffer, max_files, Blocking::Yes))
    }

    /// Like [`Socket::receive`], but never waits, whether the socket is non-blocking or not.
    ///
    /// Under an edge-triggered poller (epoll(7) with `EPOLLET`, mio, tokio's `AsyncFd`) receive
    /// until `WouldBlock` before waiting again. A single receive may leave bytes in the socket, because
    /// it ends after a send that carried files.
    ///
    /// # Errors
    /// `WouldBlock` if there is nothing; otherwise see [`Socket::receive`].
    ///
    /// ```
    /// use std::io::ErrorKind;
    /// use urpc::Socket;
    ///
    /// let (_ours, theirs) = Socket::pair()?;
    /// assert_eq!(theirs.try_receive(&mut [0], 0).unwrap_err().kind(), ErrorKind::WouldBlock);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn try_receive(&self, buffer: &mut [u8], max_files: usize) -> io::Result<(usize, Files)> {
        self.receive_once(buffer, max_files, Blocking::No)
    }

    fn receive_once(
        &self,
        buffer: &mut [u8],
        max_files: usize,
        blocking: Blocking,
    ) -> io::Result<(usize, Files)> {
        // There is room for every file that can come. The kernel would close the others within
        // recvmsg(2), which may block.
        let mut ancillary = Ancillary::new(SCM_MAX_FD);
        let count = retry_interrupted(|| {
            sys::receive_into(self.as_fd(), buffer, &mut ancillary, blocking)
        })?;
        let Ancillary { files, is_truncated, .. } = ancillary;
        let refusal = match files.len() {
            more if more > max_files => {
                let text = format!("too many files: {more}, and max_files is {max_files}");
                io::Error::new(io::ErrorKind::InvalidData, text)
            }
            _ if is_truncated => Error::ControlTruncated { method: None }.into(),
            _ => return Ok((count, files.into())),
        };
        closer::close(files);
        Err(refusal)
    }

    /// Whether the peer is gone. A peer that only shut its sending direction down may still wait
    /// for a reply, so it is not gone.
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
        // A receive skips a byte that was sent out of band, and it may have files as well.
        let mut urgent = [Interest::urgent(self.as_fd())];
        let waited = retry_interrupted(|| sys::wait_for(&mut urgent, Some(Duration::ZERO)));
        if waited.is_err() || urgent[0].is_urgent() {
            return false;
        }
        match retry_interrupted(|| sys::peek(self.as_fd())) {
            Ok(count) => count == 0,
            // The kernel reports that the peer closed with unread data only if nothing is queued.
            Err(error) => error.kind() == io::ErrorKind::ConnectionReset,
        }
    }

    /// Sets how long a blocking receive waits (`SO_RCVTIMEO`). At least 1 ms, because std refuses
    /// zero, which the kernel would take for no limit.
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

/// Duplicates a descriptor that this process inherited, once for each number. An inherited
/// descriptor is not close-on-exec, while all that std opens is. It is made close-on-exec here, so
/// it cannot be taken again. The number itself stays open, because other code of this process may
/// own it.
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

/// Repeats `call` while a signal interrupts it.
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
