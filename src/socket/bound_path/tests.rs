//! What happens between two servers of one path, and with what the system refuses.

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

fn bind(path: &Path, lock: Option<PathLock>) -> (OwnedFd, BoundPath) {
    let socket = sys::new_stream().unwrap();
    with_short_path(path, |short| sys::bind_to(socket.as_fd(), &address::path_name(short)?))
        .unwrap();
    (socket, BoundPath::new(path, 0o600, lock).unwrap())
}

#[test]
fn a_server_that_was_taken_for_dead_before_it_listened_fails_and_removes_nothing() {
    let scratch = Scratch::new("displaced");
    let (slow, mut bound) = bind(&scratch.0, None);
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
    let (socket, mut bound) = bind(&scratch.0, None);
    drop(socket);
    let lock = PathLock::create(&scratch.0).unwrap();
    let error = remove_stale(&scratch.0).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    assert!(error.to_string().contains("s.lock"), "{error}");
    assert_eq!(bound.check_not_replaced().unwrap_err().kind(), io::ErrorKind::TimedOut);
    drop(bound);
    assert!(scratch.0.exists(), "removed without the lock");
    drop(lock);
    remove_stale(&scratch.0).unwrap();
    assert!(!scratch.0.exists());
}

#[test]
fn a_server_with_the_lock_is_not_taken_for_dead_before_it_listens() {
    let scratch = Scratch::new("starting");
    let lock = PathLock::create(&scratch.0).unwrap();
    let (socket, mut bound) = bind(&scratch.0, Some(lock));
    bound.check_no_new_lock().unwrap();
    let error = PathLock::create(&scratch.0).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    sys::start_listening(socket.as_fd()).unwrap();
    bound.check_not_replaced().unwrap();
    PathLock::create(&scratch.0).expect("it has released the lock");
}

#[test]
fn what_another_server_may_have_put_in_place_is_not_taken_for_ours() {
    let scratch = Scratch::new("new-lock");
    let (_socket, mut bound) = bind(&scratch.0, None);
    drop(PathLock::create(&scratch.0).unwrap());
    assert_eq!(bound.check_no_new_lock().unwrap_err().kind(), io::ErrorKind::AddrInUse);
    drop(bound);
    assert!(scratch.0.exists());
}

#[test]
fn nobody_else_may_open_the_lock() {
    let scratch = Scratch::new("lock-mode");
    let lock = PathLock::create(&scratch.0).unwrap();
    // Whoever can open it, also only to read, can hold the lock.
    assert_eq!(lock.0.metadata().unwrap().mode() & 0o077, 0);
}

#[test]
fn a_link_in_place_of_the_lock_is_not_followed() {
    let scratch = Scratch::new("link");
    let elsewhere = scratch.0.with_file_name("elsewhere");
    std::os::unix::fs::symlink(&elsewhere, lock_name(&scratch.0)).unwrap();
    assert!(PathLock::create(&scratch.0).is_err());
    assert!(!elsewhere.exists());
}

#[test]
fn a_lock_is_released_though_another_process_may_have_a_copy_of_it() {
    let scratch = Scratch::new("copied");
    let lock = PathLock::create(&scratch.0).unwrap();
    let _copy = lock.0.try_clone().unwrap();
    drop(lock);
    PathLock::create(&scratch.0).unwrap();
}

#[test]
fn a_mode_that_cannot_be_widened_is_left_and_another_error_is_told() {
    // The kernel refuses to change the mode of what is below `/proc`.
    widen(&File::open("/proc/self/stat").unwrap(), 0o600).unwrap();
    // A link has no mode of its own.
    let link = sys::open_path(Path::new("/proc/self"), O_NOFOLLOW).unwrap();
    assert!(widen(&link, 0o600).is_err());
}

#[test]
fn what_is_found_at_a_path_decides_whether_it_is_stale() {
    use io::ErrorKind::{
        AddrInUse, ConnectionRefused, NotADirectory, NotFound, OutOfMemory, PermissionDenied,
    };
    let kind = |found: io::Result<bool>| found.map_err(|error| error.kind());
    let failed = |kind: io::ErrorKind| Err(io::Error::from(kind));
    assert_eq!(kind(has_no_server(failed(ConnectionRefused))), Ok(true));
    assert_eq!(kind(has_no_server(failed(NotFound))), Ok(false));
    for other in [PermissionDenied, OutOfMemory] {
        assert_eq!(kind(has_no_server(failed(other))), Err(other));
    }
    assert_eq!(kind(has_no_server(Ok(()))), Err(AddrInUse));
    assert_eq!(kind(is_stale(Path::new("/dev/null/s"))), Err(NotADirectory));
    assert_eq!(kind(is_stale(Path::new("/no-such-directory/s"))), Ok(false));
}

#[test]
fn a_lock_that_the_system_refuses_is_an_error_at_once() {
    limit_test();
    let no_access = sys::open_path(Path::new("/"), 0).unwrap();
    let error = PathLock::take(no_access).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(crate::errno::EBADF), "{error}");
}
