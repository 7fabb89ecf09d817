//! The path of a listening socket: who may remove what is there.
//!
//! To see that nobody listens at a path and to remove it are two steps. Between them another server
//! may have done the same and listen. No call does both: a rename that is checked afterwards would
//! have to be undone if it took a living socket away, which is unreachable meanwhile. So whoever
//! removes a path holds a lock for both steps, and a process that dies gives it up.
//!
//! The lock is on a file beside the socket. A socket cannot be opened to be locked, and a lock on
//! the directory could be held by whoever may read that. It is flock(2), which excludes threads as
//! well, and the file is never removed, as that would be the same race again. Only who removes a
//! stale socket makes the file: in many a place a socket can be made and no file.
//!
//! Between its bind(2) and its listen(2) a living server looks dead to gVisor (Linux tells the two
//! apart). So every server looks, once it listens, whether its socket is still there, and has
//! failed if not. It holds the lock meanwhile, if the file exists by then: who takes the lock later
//! finds it listening.

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
const LOCK_TIME: Duration = Duration::from_millis(if cfg!(test) { 50 } else { 5000 });
/// How often the lock is tried meanwhile.
const LOCK_PAUSE: Duration = Duration::from_millis(2);

/// The right to remove what is at a path; dropping it gives it up.
struct PathLock(File);

impl PathLock {
    /// Takes the lock on `path`. Its file is made if it does not exist.
    fn make(path: &Path) -> io::Result<PathLock> {
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
}

impl BoundPath {
    /// Takes charge of the path that a bind(2) has just made, and gives it all of `mode`.
    pub(super) fn new(path: &Path, mode: u32) -> io::Result<BoundPath> {
        let mut bound = BoundPath { path: path.to_owned(), identity: None };
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

    /// Checks, once the socket listens, that nobody took it for a dead one before.
    pub(super) fn check_not_replaced(&self) -> io::Result<()> {
        let _lock = PathLock::if_made(&self.path)?;
        if self.identity.is_some() && !self.is_ours() {
            let replaced = "another server has replaced the socket";
            return Err(io::Error::new(io::ErrorKind::AddrInUse, replaced));
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
        let lock = PathLock::if_made(&self.path);
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

/// Removes a socket that nobody listens on any more.
pub(super) fn remove_stale(path: &Path) -> io::Result<()> {
    // Looked at once before the lock, so that its file is not made where nothing can be replaced.
    if is_stale(path)? {
        let _lock = PathLock::make(path)?;
        if is_stale(path)? {
            fs::remove_file(path)?;
        }
    }
    Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::socket::{Listener, address};
    use crate::test_limit::limit_test;
    use std::os::fd::OwnedFd;

    /// A path in a directory of this test's own, which is removed.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Scratch {
            limit_test();
            let name = format!("urpc-place-{name}-{}", std::process::id());
            let directory = std::env::temp_dir().join(name);
            fs::create_dir(&directory).unwrap();
            Scratch(directory.join("s"))
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(self.0.parent().unwrap());
        }
    }

    fn bind(path: &Path) -> (OwnedFd, BoundPath) {
        let socket = sys::new_stream().unwrap();
        with_short_path(path, |short| sys::bind_to(socket.as_fd(), &address::path_name(short)?))
            .unwrap();
        (socket, BoundPath::new(path, 0o600).unwrap())
    }

    #[test]
    fn a_server_that_was_taken_for_dead_before_it_listened_fails_and_removes_nothing() {
        let scratch = Scratch::new("displaced");
        let (slow, bound) = bind(&scratch.0);
        // As `remove_stale` does in gVisor.
        fs::remove_file(&scratch.0).unwrap();
        let quick = Listener::bind(&scratch.0).unwrap();
        sys::start_listening(slow.as_fd()).unwrap();
        assert_eq!(bound.check_not_replaced().unwrap_err().kind(), io::ErrorKind::AddrInUse);
        drop(bound);
        crate::Socket::connect(&scratch.0).unwrap();
        quick.accept().unwrap();
    }

    #[test]
    fn nothing_is_removed_and_nobody_has_bound_while_another_holds_the_lock() {
        let scratch = Scratch::new("locked");
        let (socket, bound) = bind(&scratch.0);
        drop(socket);
        let lock = PathLock::make(&scratch.0).unwrap();
        let in_vain = remove_stale(&scratch.0).unwrap_err();
        assert_eq!(in_vain.kind(), io::ErrorKind::TimedOut);
        assert!(in_vain.to_string().contains("s.lock"), "{in_vain}");
        assert_eq!(bound.check_not_replaced().unwrap_err().kind(), io::ErrorKind::TimedOut);
        drop(bound);
        assert!(scratch.0.exists(), "removed by one who left");
        drop(lock);
        remove_stale(&scratch.0).unwrap();
        assert!(!scratch.0.exists());
    }

    #[test]
    fn a_link_in_place_of_the_lock_is_not_followed() {
        let scratch = Scratch::new("link");
        let elsewhere = scratch.0.with_file_name("elsewhere");
        std::os::unix::fs::symlink(&elsewhere, lock_name(&scratch.0)).unwrap();
        assert!(PathLock::make(&scratch.0).is_err());
        assert!(!elsewhere.exists());
    }
}
