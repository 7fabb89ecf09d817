//! A listening socket: made with its final mode, replaced only when dead, removed only when ours.

use std::fs::{File, Permissions};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::Duration;

use super::address::{self, Address, invalid, with_short_path};
use super::bound_path::{self, BoundPath};
use super::{Socket, check_unix_stream, retry_interrupted, take_inherited};
use crate::closer::BackgroundClose;
use crate::sys::{self, Interest};

/// How long accept(2) blocks at most. It does not block at all, unless another process that shares
/// the socket makes it blocking.
const ACCEPT_TIME: Duration = Duration::from_millis(100);

/// A socket that listens for connections. It is non-blocking: the server's accept loop waits for
/// it with poll(2), so that a stop is seen. Dropping it closes it and, if it made the path and the
/// path is still its own, removes that.
///
/// ```
/// use urpc::{Listener, Socket};
///
/// let path = std::env::temp_dir().join(format!("urpc-doc-{}.sock", std::process::id()));
/// let listener = Listener::bind(&path)?;
/// let client = Socket::connect(&path)?;
/// let server = listener.accept()?;
/// # drop((client, server));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Listener {
    // Before the socket, so that nobody finds a path on which nobody listens.
    _bound: Option<BoundPath>,
    // Closing it closes the connections in its backlog, with the files that were sent to them.
    listener: BackgroundClose<UnixListener>,
}

/// How to bind a [`Listener`]: mode 0600, nothing replaced, files taken, unless it is said
/// otherwise.
///
/// ```
/// use urpc::BindOptions;
///
/// let path = std::env::temp_dir().join(format!("urpc-doc-{}.opts", std::process::id()));
/// let listener = BindOptions::new().mode(0o660).replace_stale(true).bind(&path)?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct BindOptions {
    mode: u32,
    replace_stale: bool,
    refuse_files: bool,
}

impl Default for BindOptions {
    fn default() -> BindOptions {
        BindOptions { mode: 0o600, replace_stale: false, refuse_files: false }
    }
}

impl BindOptions {
    /// Mode 0600, nothing replaced, files taken.
    pub fn new() -> BindOptions {
        BindOptions::default()
    }

    /// The permission bits of the socket's file: who may connect needs write permission. The file
    /// has them from the moment it exists. Bits that the umask takes away are given back a moment
    /// later, which needs `/proc`; where the file system refuses it, they stay away.
    pub fn mode(mut self, mode: u32) -> BindOptions {
        self.mode = mode & 0o777;
        self
    }

    /// Whether a socket that is already at the path, and to which connecting is refused as nobody
    /// has it open, is removed first. Anything else there stays and is an error.
    ///
    /// Of several processes that do so at once exactly one succeeds, and no socket of a living one
    /// is removed. For that they lock a file beside the socket, with `.lock` behind its name. It is
    /// made, with mode 0600, when a stale socket is found, and never removed.
    pub fn replace_stale(mut self, replace: bool) -> BindOptions {
        self.replace_stale = replace;
        self
    }

    /// Whether the kernel refuses files for all connections: senders get `EPERM`, also before the
    /// connection is accepted. Binding fails with `ENOPROTOOPT` or `Unsupported` where the kernel
    /// cannot (before Linux 6.16, and in gVisor). A server whose
    /// [`Limits::receive_files`](crate::Limits::receive_files) is 0 tries it by itself.
    pub fn refuse_files(mut self, refuse: bool) -> BindOptions {
        self.refuse_files = refuse;
        self
    }

    /// Binds and listens.
    ///
    /// # Errors
    /// `AddrInUse` if something is at the path or has the abstract name; with `replace_stale`
    /// `AlreadyExists` if what is there is no socket, and `TimedOut` if another process holds the
    /// lock for 5 s; `Unsupported` if the umask narrows the mode and there is no `/proc`; otherwise
    /// what bind(2) and listen(2) say. The text names the address. Nothing is left behind.
    pub fn bind(&self, address: impl Into<Address>) -> io::Result<Listener> {
        let address = address.into();
        self.bind_to(&address).map_err(|error| address.add_context("cannot listen on", error))
    }

    fn bind_to(&self, address: &Address) -> io::Result<Listener> {
        match address {
            Address::Path(path) => self.bind_path(path),
            Address::Abstract(name) => {
                let socket = self.new_socket()?;
                sys::bind_to(socket.as_fd(), &address::abstract_name(name)?)?;
                sys::start_listening(socket.as_fd())?;
                Listener::new(socket.into(), None)
            }
            Address::Inherited(number) => {
                let listener = Listener::from_fd(take_inherited(*number)?)?;
                if self.refuse_files {
                    listener.refuse_files()?;
                }
                Ok(listener)
            }
        }
    }

    fn bind_path(&self, path: &Path) -> io::Result<Listener> {
        match self.bind_new(path) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && self.replace_stale => {
                bound_path::remove_stale(path)?;
                self.bind_new(path)
            }
            bound => bound,
        }
    }

    /// The socket's own mode is that of the file which bind(2) makes, save what the umask takes
    /// away. So the file never exists with a wider mode than asked for, and it is made under its
    /// final name, as a socket can be wherever it can be bound.
    fn bind_new(&self, path: &Path) -> io::Result<Listener> {
        let socket = File::from(self.new_socket()?);
        socket.set_permissions(Permissions::from_mode(self.mode))?;
        let socket = OwnedFd::from(socket);
        with_short_path(path, |short| sys::bind_to(socket.as_fd(), &address::path_name(short)?))?;
        let bound = BoundPath::new(path, self.mode)?;
        sys::start_listening(socket.as_fd())?;
        bound.check_not_replaced()?;
        Listener::new(socket.into(), Some(bound))
    }

    fn new_socket(&self) -> io::Result<OwnedFd> {
        let socket = sys::new_stream()?;
        if self.refuse_files {
            sys::refuse_files(socket.as_fd())?;
        }
        Ok(socket)
    }
}

impl Listener {
    /// Binds and listens with the default [`BindOptions`].
    ///
    /// # Errors
    /// As [`BindOptions::bind`].
    pub fn bind(address: impl Into<Address>) -> io::Result<Listener> {
        BindOptions::new().bind(address)
    }

    /// Adopts a listening socket, makes it close-on-exec and non-blocking, and owns it from then
    /// on; its path, if any, stays when it is dropped. Non-blocking is a property of the socket,
    /// so whoever shares it sees that too.
    ///
    /// # Errors
    /// `InvalidInput` if it is not a Unix stream socket, or is a connected one. The descriptor is
    /// closed then.
    pub fn from_fd(fd: OwnedFd) -> io::Result<Listener> {
        check_unix_stream(fd.as_fd())?;
        let stream = UnixStream::from(fd);
        if stream.peer_addr().is_ok() {
            return Err(invalid("the socket is connected and listens for nobody"));
        }
        Listener::new(stream, None)
    }

    fn new(socket: UnixStream, bound: Option<BoundPath>) -> io::Result<Listener> {
        socket.set_nonblocking(true)?;
        socket.set_read_timeout(Some(ACCEPT_TIME))?;
        let listener = BackgroundClose::new(OwnedFd::from(socket).into());
        Ok(Listener { _bound: bound, listener })
    }

    /// Takes one connection.
    ///
    /// # Errors
    /// `WouldBlock` if none waits, `InvalidInput` if none will come any more, since somebody has shut
    /// the socket down; else what accept(2) says. In gVisor a connection for which
    /// no descriptor is free is lost.
    pub fn accept(&self) -> io::Result<Socket> {
        match self.listener.accept() {
            // accept(2) says for ever that none waits, and poll(2) that one does.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && self.has_ended() => {
                Err(invalid("the socket does not listen any more"))
            }
            accepted => accepted.map(|(stream, _)| Socket::from(stream)),
        }
    }

    fn has_ended(&self) -> bool {
        let mut state = [Interest::readable(self.as_fd())];
        let looked = retry_interrupted(|| sys::wait_for(&mut state, Some(Duration::ZERO)));
        looked.is_ok() && state[0].has_ended()
    }

    /// Makes the kernel refuse files for all connections to come: see
    /// [`BindOptions::refuse_files`].
    pub(crate) fn refuse_files(&self) -> io::Result<()> {
        sys::refuse_files(self.as_fd())
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }
}
