//! The path of a listening socket: who may remove what is there.
//!
//! To look whether anybody listens at a path and to remove it are two steps, and so are bind(2) and
//! listen(2), between which a living server looks dead. Nothing that a file system offers makes
//! either pair one step: a rename would have to be undone if it took a living socket away, which
//! is unreachable meanwhile. So all who remove a path take a lock, and a process that dies gives
//! it up. The lock is on a file beside the socket, since a socket cannot be opened to be locked, and a
//! lock on the directory could be held by whoever may read that. It is flock(2), which excludes
//! threads too, and the file is never removed, as that would be the same race again.
//!
//! Only who replaces a socket makes the file: in many a place a socket can be made and no file. The
//! others bind without the lock. Once they listen they take it where the file exists by then, and
//! look whether their socket is still there. If the file comes to exist only later, whoever makes
//! it finds them listening.

use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use super::address::with_short_path;
use crate::sys::{self, O_NOFOLLOW, O_PATH};

/// How long the lock is waited for. Nobody of this crate holds it longer than a few system calls.
const LOCK_TIME: Duration = Duration::from_secs(5);
/// How often the lock is tried meanwhile.
const LOCK_PAUSE: Duration = Duration::from_millis(2);

/// The right to remove what is at a path; dropping it gives it up.
#[derive(Debug)]
pub(super) struct PathLock(File);

impl PathLock {
    /// Takes the lock on `path`. Its file is made if it does not exist.
    pub(super) fn make(path: &Path) -> io::Result<PathLock> {
        let name = lock_name(path);
        let opened = lock_options().create(true).mode(0o600).open(&name);
        opened.and_then(PathLock::take).map_err(|error| {
            io::Error::new(error.kind(), format!("cannot lock {}: {error}", name.display()))
        })
    }

    /// Takes the lock on `path` if anybody has ever made it.
    fn if_made(path: &Path) -> io::Result<Option<PathLock>> {
        // A file that this user may not open is none that this user's servers lock.
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
                    let held = "another process holds the lock";
                    return Err(io::Error::new(io::ErrorKind::TimedOut, held));
                }
            }
        }
    }
}

impl Drop for PathLock {
    /// A child that another thread has just started may have a copy of the file, so closing it
    /// would not do.
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

/// A path that this process made, with the device and inode that say whether it is still ours. The
/// socket, which is open for as long as this lives, keeps the inode from being used again.
#[derive(Debug)]
pub(super) struct BoundPath {
    path: PathBuf,
    /// `None` where the kernel does not show it, as gVisor does not of sockets that it makes on the
    /// host. Such a path stays.
    identity: Option<(u64, u64)>,
    /// Held until the socket listens, by who replaces.
    lock: Option<PathLock>,
}

impl BoundPath {
    /// Takes charge of the path that a bind(2) has just made, and gives it all of `mode`.
    pub(super) fn new(path: &Path, mode: u32, lock: Option<PathLock>) -> io::Result<BoundPath> {
        let mut bound = BoundPath { path: path.to_owned(), identity: None, lock };
        // What is there is held by a descriptor, so that nobody can put a link in its place.
        let opened = OpenOptions::new().read(true).custom_flags(O_PATH | O_NOFOLLOW).open(path);
        match opened.and_then(|file| Ok((file.metadata()?, file))) {
            Ok((found, file)) => {
                bound.identity = Some(identity(&found));
                if mode & !found.mode() != 0 && found.file_type().is_socket() {
                    widen(&file, mode)?;
                }
                Ok(bound)
            }
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(bound),
            Err(error) => Err(error),
        }
    }

    /// What is to be done once the socket listens: the lock is given up, or without one it is made
    /// sure that nobody took the socket for a dead one before it listened.
    pub(super) fn settle(&mut self) -> io::Result<()> {
        if self.lock.take().is_none() {
            let lock = PathLock::if_made(&self.path)?;
            if lock.is_some() && self.identity.is_some() && !self.is_ours() {
                let replaced = "another server has replaced the socket";
                return Err(io::Error::new(io::ErrorKind::AddrInUse, replaced));
            }
        }
        Ok(())
    }

    fn is_ours(&self) -> bool {
        let found = fs::symlink_metadata(&self.path);
        found.is_ok_and(|found| self.identity == Some(identity(&found)))
    }
}

impl Drop for BoundPath {
    fn drop(&mut self) {
        let lock = match self.lock.take() {
            None => PathLock::if_made(&self.path),
            lock => Ok(lock),
        };
        // Without the lock the path stays: it can be replaced, and nothing wrong is removed.
        if lock.is_ok() && self.is_ours() {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn identity(found: &Metadata) -> (u64, u64) {
    (found.dev(), found.ino())
}

/// Gives back what the umask took away. chmod(2) takes no descriptor of this kind, and a name could
/// be a link by now.
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

/// Removes a socket that nobody listens on any more, and gives the lock under which another can be
/// bound there; `None` if nothing is there.
pub(super) fn remove_stale(path: &Path) -> io::Result<Option<PathLock>> {
    // Looked at once before the lock, so that its file is not made where nothing can be replaced.
    if !is_stale(path)? {
        return Ok(None);
    }
    let lock = PathLock::make(path)?;
    if is_stale(path)? {
        fs::remove_file(path)?;
    }
    Ok(Some(lock))
}

/// Whether there is a socket on which nobody listens; `false` if nothing is there.
fn is_stale(path: &Path) -> io::Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => {}
        Ok(_) => {
            let no_socket = "what is there is no socket";
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, no_socket));
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    }
    match with_short_path(path, probe) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
        Ok(()) => {
            Err(io::Error::new(io::ErrorKind::AddrInUse, "somebody may be using the socket there"))
        }
    }
}

/// Finds out whether anybody has the socket at `path`: refused where nobody does. A datagram socket
/// is not let into a server's queue: it is told that the kind is wrong. Not every kernel does so
/// (gVisor's refuses it), hence the second, which does not wait for room in the queue.
fn probe(path: &Path) -> io::Result<()> {
    match UnixDatagram::unbound()?.connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            let stream = super::connectable(sys::new_stream()?);
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
