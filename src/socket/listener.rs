//! A listening socket: made with its final mode, replaced only when dead, removed only when ours.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::address::{self, Address, with_short_path};
use super::{Socket, check_unix_stream, invalid};
use crate::closer::ClosedAside;
use crate::sys;

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
    _made: Option<MadePath>,
    // Closing it closes the connections in its backlog, with the files that were sent to them.
    listener: ClosedAside<UnixListener>,
}

/// A path that this process made, with the device and inode that say whether it is still ours.
#[derive(Debug)]
struct MadePath {
    path: PathBuf,
    identity: (u64, u64),
}

/// How to bind a [`Listener`]: mode 0600 and nothing replaced, unless it is said otherwise.
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
}

impl Default for BindOptions {
    fn default() -> BindOptions {
        BindOptions { mode: 0o600, replace_stale: false }
    }
}

impl BindOptions {
    /// Mode 0600, nothing replaced.
    pub fn new() -> BindOptions {
        BindOptions::default()
    }

    /// The permission bits of the socket's file: who may connect needs write permission.
    pub fn mode(mut self, mode: u32) -> BindOptions {
        self.mode = mode & 0o777;
        self
    }

    /// Whether a socket that is already at the path, and to which connecting is refused as nobody
    /// has it open, is removed first. Anything else there stays and is an error.
    pub fn replace_stale(mut self, replace: bool) -> BindOptions {
        self.replace_stale = replace;
        self
    }

    /// Binds and listens.
    ///
    /// # Errors
    /// `AlreadyExists` or `AddrInUse` if something is at the path or has the abstract name;
    /// otherwise what bind(2) and listen(2) say. The text names the address.
    pub fn bind(&self, address: impl Into<Address>) -> io::Result<Listener> {
        let address = address.into();
        self.bind_to(&address).map_err(|error| address.explain("cannot listen on", error))
    }

    fn bind_to(&self, address: &Address) -> io::Result<Listener> {
        match address {
            Address::Path(path) => self.bind_path(path),
            Address::Abstract(name) => {
                let address = SocketAddr::from_abstract_name(name)?;
                Listener::new(UnixListener::bind_addr(&address)?, None)
            }
            Address::Inherited(number) => Listener::from_fd(sys::duplicate_inherited(*number)?),
        }
    }

    /// The socket must never exist with a wider mode than asked for. A umask is the whole
    /// process's and a chmod after the bind leaves a gap, so it is made in a directory that nobody
    /// else may enter, given its mode there, and then linked to its name, which fails if anything
    /// is there already, be it a dangling link.
    fn bind_path(&self, path: &Path) -> io::Result<Listener> {
        if self.replace_stale {
            remove_stale(path)?;
        }
        let (directory, _) = address::split(path)?;
        let private = PrivateDirectory::new_in(directory)?;
        let hidden = private.0.join("s");
        let listener = with_short_path(&hidden, |short| UnixListener::bind(short))?;
        fs::set_permissions(&hidden, Permissions::from_mode(self.mode))?;
        fs::hard_link(&hidden, path)?;
        let identity = identity_of(path)?;
        Listener::new(listener, Some(MadePath { path: path.to_owned(), identity }))
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
        Listener::new(OwnedFd::from(stream).into(), None)
    }

    fn new(listener: UnixListener, made: Option<MadePath>) -> io::Result<Listener> {
        listener.set_nonblocking(true)?;
        Ok(Listener { _made: made, listener: ClosedAside::new(listener) })
    }

    /// Takes one connection.
    ///
    /// # Errors
    /// `WouldBlock` if none waits, else what accept(2) says.
    pub fn accept(&self) -> io::Result<Socket> {
        self.listener.accept().map(|(stream, _)| Socket::from(stream))
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }
}

impl Drop for MadePath {
    fn drop(&mut self) {
        if identity_of(&self.path).is_ok_and(|now| now == self.identity) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn identity_of(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|found| (found.dev(), found.ino()))
}

/// Removes a socket that nobody listens on any more.
fn remove_stale(path: &Path) -> io::Result<()> {
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if !found.file_type().is_socket() {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "what is there is no socket"));
    }
    match with_short_path(path, connect_in_vain) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            drop(MadePath { path: path.to_owned(), identity: (found.dev(), found.ino()) });
            Ok(())
        }
        Err(error) => Err(error),
        Ok(()) => {
            Err(io::Error::new(io::ErrorKind::AddrInUse, "somebody may be using the socket there"))
        }
    }
}

/// Finds out whether anybody has the socket at `path`: refused where nobody does. Connecting may
/// wait for ever for a server that accepts nobody. A datagram socket is not even let into its
/// queue: it is told that the kind is wrong. Not every kernel does so (gVisor's refuses it), hence
/// the second.
fn connect_in_vain(path: &Path) -> io::Result<()> {
    match UnixDatagram::unbound()?.connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            UnixStream::connect(path).map(drop)
        }
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(error),
        _ => Ok(()),
    }
}

/// A fresh directory that only this user may enter; removed with the one socket in it.
struct PrivateDirectory(PathBuf);

impl PrivateDirectory {
    fn new_in(parent: &Path) -> io::Result<PrivateDirectory> {
        static COUNTER: AtomicU64 = AtomicU64::new(0);
        loop {
            let count = COUNTER.fetch_add(1, Ordering::Relaxed);
            let path = parent.join(format!(".urpc-{}-{count}", std::process::id()));
            match DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => return Ok(PrivateDirectory(path)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                Err(error) => return Err(error),
            }
        }
    }
}

impl Drop for PrivateDirectory {
    fn drop(&mut self) {
        let _ = fs::remove_file(self.0.join("s"));
        let _ = fs::remove_dir(&self.0);
    }
}
