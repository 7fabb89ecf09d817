//! A listening socket: bound with its final mode. A path is replaced only if its socket is stale,
//! and removed only if it is still this listener's.

use std::fs::{File, Permissions};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::Duration;

use super::address::{self, Address, invalid, with_short_path};
use super::bound_path::{self, BoundPath, PathLock};
use super::{Socket, check_unix_stream, retry_interrupted, take_inherited};
use crate::closer::BackgroundClose;
use crate::sys::{self, Interest};

/// How long accept(2) blocks at most. It blocks only if another process that shares the socket
/// makes it blocking.
const ACCEPT_TIME: Duration = Duration::from_millis(100);

/// A socket that listens for connections. It is non-blocking: the server's accept loop waits for it
/// with poll(2), together with the server's stop. Dropping it closes it. It also removes the path,
/// if the listener made it and it has not been replaced.
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
    // Dropped before the socket, so that the path is never that of a closed socket.
    _bound: Option<BoundPath>,
    // Closing it closes the connections in its backlog and the files that were sent to them.
    listener: BackgroundClose<UnixListener>,
}

/// How to bind a [`Listener`]. By default the mode is 0600, nothing is replaced, and files are
/// accepted.
///
/// ```
/// use urpc::BindOptions;
///
/// let path = std::env::temp_dir().join(format!("urpc-doc-{}.opts", std::process::id()));
/// let listener = BindOptions::new().mode(0o660).replace_stale(true).bind(&path)?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone)]
#[must_use = "options do nothing until `bind` is called"]
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
    /// Mode 0600, nothing is replaced, files are accepted.
    pub fn new() -> BindOptions {
        BindOptions::default()
    }

    /// Sets the permission bits of the socket's file. Connecting needs write permission. The file
    /// never has more permissions than these. Bits that the umask takes away are set again after
    /// binding, which needs `/proc`. If the file system refuses that, they stay cleared.
    pub fn mode(mut self, mode: u32) -> BindOptions {
        self.mode = mode & 0o777;
        self
    }

    /// Sets whether a stale socket at the path is replaced: one that no process has open, so that
    /// connecting is refused. Anything else at the path stays and is an error.
    ///
    /// If several processes do so at once, exactly one succeeds, and no socket in use is removed.
    /// For that they lock a file in the socket's directory: its name is the socket's and `.lock`.
    /// It is created with mode 0600 when a stale socket is found, and never removed.
    pub fn replace_stale(mut self, replace: bool) -> BindOptions {
        self.replace_stale = replace;
        self
    }

    /// Sets whether the kernel refuses files for all connections. Senders get `EPERM`, also before
    /// the connection is accepted. Binding fails with `ENOPROTOOPT` or `Unsupported` if the kernel
    /// cannot (before Linux 6.16, and in gVisor). A server whose
    /// [`Limits::receive_files`](crate::Limits::receive_files) is 0 tries it without this option.
    pub fn refuse_files(mut self, refuse: bool) -> BindOptions {
        self.refuse_files = refuse;
        self
    }

    /// Binds and listens.
    ///
    /// # Errors
    /// `AddrInUse` if something is at the path or has the abstract name. With `replace_stale`:
    /// `AlreadyExists` if the file at the path is not a socket, and `TimedOut` if another process
    /// holds the lock for 5 s. `Unsupported` if the umask narrows the mode and there is no `/proc`.
    /// Otherwise the error of bind(2) or listen(2). The text names the address. After an error there
    /// is no new socket file at the path.
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
        match self.bind_new(path, PathLock::if_exists(path)?) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && self.replace_stale => {
                self.bind_new(path, bound_path::remove_stale(path)?)
            }
            bound => bound,
        }
    }

    /// Binds under the final name and with the final mode: bind(2) gives the file the socket's own
    /// mode, without the bits of the umask. So the file never has a wider mode, and it need not be
    /// renamed.
    fn bind_new(&self, path: &Path, lock: Option<PathLock>) -> io::Result<Listener> {
        let socket = File::from(self.new_socket()?);
        socket.set_permissions(Permissions::from_mode(self.mode))?;
        let socket = OwnedFd::from(socket);
        with_short_path(path, |short| sys::bind_to(socket.as_fd(), &address::path_name(short)?))?;
        let mut bound = BoundPath::new(path, self.mode, lock)?;
        if self.replace_stale {
            bound.check_no_new_lock()?;
        }
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
    /// See [`BindOptions::bind`].
    pub fn bind(address: impl Into<Address>) -> io::Result<Listener> {
        BindOptions::new().bind(address)
    }

    /// Adopts a listening socket and makes it close-on-exec and non-blocking. Its path, if it has
    /// one, is not removed when it is dropped. Every process that shares the socket sees it as
    /// non-blocking.
    ///
    /// # Errors
    /// `InvalidInput` if it is not a Unix stream socket, or if it is connected. The descriptor is
    /// then closed.
    pub fn from_fd(fd: OwnedFd) -> io::Result<Listener> {
        check_unix_stream(fd.as_fd())?;
        let stream = UnixStream::from(fd);
        if stream.peer_addr().is_ok() {
            return Err(invalid("the socket is connected, so it does not listen"));
        }
        Listener::new(stream, None)
    }

    fn new(socket: UnixStream, bound: Option<BoundPath>) -> io::Result<Listener> {
        socket.set_nonblocking(true)?;
        socket.set_read_timeout(Some(ACCEPT_TIME))?;
        let listener = BackgroundClose::new(OwnedFd::from(socket).into());
        Ok(Listener { _bound: bound, listener })
    }

    /// Accepts one connection.
    ///
    /// # Errors
    /// `WouldBlock` if no connection waits; `InvalidInput` if the socket was shut down, so that
    /// none will come; otherwise the error of accept(2). In gVisor a connection is lost if no
    /// descriptor is free.
    pub fn accept(&self) -> io::Result<Socket> {
        match self.listener.accept() {
            // After a shutdown accept(2) always reports that none waits, and poll(2) that one does.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && self.has_ended() => {
                Err(invalid("the socket was shut down and does not listen"))
            }
            accepted => accepted.map(|(stream, _)| Socket::from(stream)),
        }
    }

    fn has_ended(&self) -> bool {
        let mut state = [Interest::readable(self.as_fd())];
        let waited = retry_interrupted(|| sys::wait_for(&mut state, Some(Duration::ZERO)));
        waited.is_ok() && state[0].has_ended()
    }

    /// Makes the kernel refuse files for all later connections: see [`BindOptions::refuse_files`].
    pub(crate) fn refuse_files(&self) -> io::Result<()> {
        sys::refuse_files(self.as_fd())
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }
}
