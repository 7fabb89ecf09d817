//! The path of a listening socket, and when it may be removed.
//!
//! A server that replaces a stale socket takes two steps: it sees that no process listens at the
//! path, and it removes the path. Between the two, another server may do the same and listen. No
//! system call does both. (A rename that is checked afterwards would have to be undone if the
//! socket was in use, and the socket would be unreachable meanwhile.) So a server holds a lock for
//! both steps. The kernel releases the lock of a process that dies.
//!
//! The lock is on a file in the socket's directory. A socket cannot be opened to be locked, and a
//! lock on the directory could be held by every process that may read it. It is flock(2), which
//! excludes threads as well. The file is never removed, because that would have the same race. It is
//! created only to remove a stale socket: in some directories a socket can be made but no file.
//!
//! Between its bind(2) and its listen(2), gVisor shows a server's socket as stale (Linux does not).
//! So every server that finds the lock's file holds the lock for both calls. One that finds none
//! checks, once it listens, whether its socket is still at the path, and fails if not. If another
//! server creates the file meanwhile, what is at the path may be that server's socket. One that may
//! replace then starts again, with the lock.

#[cfg(test)]
mod tests;

use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use super::address::with_short_path;
use crate::error::Error;
use crate::sys::{self, O_NOFOLLOW};

/// How long to wait for the lock. This crate holds it only for a few system calls.
const LOCK_TIME: Duration = Duration::from_millis(if cfg!(test) { 50 } else { 5000 });
/// The pause between two attempts.
const LOCK_PAUSE: Duration = Duration::from_millis(2);

/// The right to remove what is at a path. Dropping it releases the lock.
#[derive(Debug)]
pub(super) struct PathLock(File);

impl PathLock {
    /// Takes the lock on `path`. Creates its file if there is none.
    fn create(path: &Path) -> io::Result<PathLock> {
        let name = lock_name(path);
        let opened = lock_options().create(true).mode(0o600).open(&name);
        opened
            .and_then(PathLock::take)
            .map_err(|error| Error::io(format!("cannot lock {}", name.display()), error).into())
    }

    /// Takes the lock on `path` if its file exists.
    pub(super) fn if_exists(path: &Path) -> io::Result<Option<PathLock>> {
        // If this user may not open the file, this user's servers do not lock it.
        lock_options().open(lock_name(path)).ok().map(PathLock::take).transpose()
    }

    fn take(file: File) -> io::Result<PathLock> {
        let until = Instant::now() + LOCK_TIME;
        loop {
            match sys::set_lock(file.as_fd(), true) {
                Ok(()) => return Ok(PathLock(file)),
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
                Err(_) if Instant::now() < until => thread::sleep(LOCK_PAUSE),
                Err(_) => {
                    let held = format!("another process has held the lock for {LOCK_TIME:?}");
                    return Err(io::Error::new(io::ErrorKind::TimedOut, held));
                }
            }
        }
    }
}

impl Drop for PathLock {
    /// Unlocks explicitly. Closing may not be enough: a child process that another thread has just
    /// started may have a copy of the descriptor.
    fn drop(&mut self) {
        let _ = sys::set_lock(self.0.as_fd(), false);
    }
}

fn lock_name(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    name.into()
}

fn lock_options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).custom_flags(O_NOFOLLOW);
    options
}

/// A path that this process bound, with the device and inode of its file. The socket must stay open
/// as long as this value lives, so that the inode is not used again.
#[derive(Debug)]
pub(super) struct BoundPath {
    path: PathBuf,
    /// `None` if the kernel does not show it. gVisor does not for sockets that it makes on the
    /// host. Such a path is not removed.
    identity: Option<(u64, u64)>,
    /// Held until the socket listens.
    lock: Option<PathLock>,
}

impl BoundPath {
    /// Takes ownership of the path that bind(2) has just made, and gives it all bits of `mode`.
    /// `lock` is held if its file existed before bind(2).
    pub(super) fn new(path: &Path, mode: u32, lock: Option<PathLock>) -> io::Result<BoundPath> {
        let mut bound = BoundPath { path: path.to_owned(), identity: None, lock };
        // All later steps use this descriptor, so that a link in place of the socket changes
        // nothing.
        let opened = sys::open_path(path, O_NOFOLLOW);
        match opened.and_then(|file| Ok((file.metadata()?, file))) {
            Ok((found, file)) => {
                bound.identity = Some(identity(&found));
                if mode & !found.mode() != 0 && found.file_type().is_socket() {
                    widen(&file, mode)?;
                }
                Ok(bound)
            }
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(bound),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(replaced()),
            Err(error) => Err(error),
        }
    }

    /// Checks that no server has created the lock's file since before bind(2). If one has, the path
    /// may be that server's, so it is not removed.
    pub(super) fn check_no_new_lock(&mut self) -> io::Result<()> {
        if self.lock.is_none() && PathLock::if_exists(&self.path)?.is_some() {
            self.identity = None;
            return Err(replaced());
        }
        Ok(())
    }

    /// Checks, once the socket listens, that no other server took it for stale before. Releases the
    /// lock.
    pub(super) fn check_not_replaced(&mut self) -> io::Result<()> {
        let _lock = self.take_lock()?;
        if self.identity.is_some() && !self.is_ours() {
            return Err(replaced());
        }
        Ok(())
    }

    fn take_lock(&mut self) -> io::Result<Option<PathLock>> {
        match self.lock.take() {
            None => PathLock::if_exists(&self.path),
            held => Ok(held),
        }
    }

    fn is_ours(&self) -> bool {
        let found = fs::symlink_metadata(&self.path);
        found.is_ok_and(|found| self.identity == Some(identity(&found)))
    }
}

impl Drop for BoundPath {
    fn drop(&mut self) {
        let lock = self.take_lock();
        // Without the lock the path stays. Another server can replace it later.
        if lock.is_ok() && self.is_ours() {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn replaced() -> io::Error {
    io::Error::new(io::ErrorKind::AddrInUse, "another server has replaced the socket")
}

fn identity(found: &Metadata) -> (u64, u64) {
    (found.dev(), found.ino())
}

/// Sets the bits that the umask took away. fchmod(2) takes no `O_PATH` descriptor, and the path
/// could be a link by now.
fn widen(file: &File, mode: u32) -> io::Result<()> {
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    match fs::set_permissions(path, Permissions::from_mode(mode)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let narrowed = "the umask narrows its mode, and there is no /proc to widen it by";
            Err(io::Error::new(io::ErrorKind::Unsupported, narrowed))
        }
        // gVisor refuses it for sockets on the host.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        result => result,
    }
}

/// Removes the socket at `path` if it is stale. Returns the lock for the bind(2) that follows.
pub(super) fn remove_stale(path: &Path) -> io::Result<Option<PathLock>> {
    // Checked once before the lock, so that its file is created only if there is a stale socket.
    if !is_stale(path)? {
        return PathLock::if_exists(path);
    }
    let lock = PathLock::create(path)?;
    if is_stale(path)? {
        fs::remove_file(path)?;
    }
    Ok(Some(lock))
}

/// Whether there is a socket that no process has open. `false` if nothing is there.
fn is_stale(path: &Path) -> io::Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => {}
        Ok(found) => {
            // The caller adds what a file is that is no socket. A link may lead to one.
            let exists = match found.is_symlink() {
                true => "a link is there already",
                false => "a file is there already",
            };
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, exists));
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    }
    has_no_server(with_short_path(path, probe))
}

/// What the result of [`probe`] says of the socket. `false` if it is gone.
fn has_no_server(probed: io::Result<()>) -> io::Result<bool> {
    let used = "another process may be using the socket there";
    match probed.map_err(|error| (error.kind(), error)) {
        Err((io::ErrorKind::ConnectionRefused, _)) => Ok(true),
        Err((io::ErrorKind::NotFound, _)) => Ok(false),
        Err((_, error)) => Err(error),
        Ok(()) => Err(io::Error::new(io::ErrorKind::AddrInUse, used)),
    }
}

/// Finds out whether a process has the socket at `path` open: `ConnectionRefused` if none has.
/// First with a datagram socket, which takes no place in a server's queue: Linux reports that its
/// type is wrong. gVisor refuses it in any case, so then a stream socket is tried, which does not
/// wait for room in the queue.
fn probe(path: &Path) -> io::Result<()> {
    match UnixDatagram::unbound()?.connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            let stream = super::connecting::connectable(sys::new_stream()?);
            stream.set_nonblocking(true)?;
            match stream.connect(path) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
                result => result,
            }
        }
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(error),
        _ => Ok(()),
    }
}
