//! Connecting and accepting: abstract names, full queues, the peer's credentials.

use std::fs;
use std::io::ErrorKind;
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::{Duration, Instant};

use super::assert_serves;
use crate::support;
use crate::support::{Scratch, fill_queue, is_close_on_exec, leave_stale, within_timeout};
use urpc::{Address, Client, Error, Limit, Limits, Listener, Socket};

#[test]
fn abstract_names_take_any_bytes_and_a_trailing_nul_counts() {
    let name = |tail: &[u8]| {
        let pid = std::process::id();
        Address::abstract_name([format!("\0urpc-test-{pid}").as_bytes(), tail].concat())
    };
    let listener = Listener::bind(name(b"\xff\0")).unwrap();
    assert_serves(&listener, name(b"\xff\0"));
    let error = Client::connect(name(b"\xff")).err().unwrap();
    assert!(error.to_string().contains(r"\xff"), "{error}");
    let Error::Io { source, .. } = error else { panic!("{error:?}") };
    assert_eq!(source.kind(), ErrorKind::ConnectionRefused);
    assert!(source.raw_os_error().is_some());
}

#[test]
fn accepting_where_nobody_waits_does_not_block() {
    let scratch = Scratch::new("nobody");
    let own = Listener::bind(scratch.path("s")).unwrap();
    let adopted = UnixListener::bind(scratch.path("t")).unwrap();
    let adopted = Listener::from_fd(adopted.into()).unwrap();
    let errors = within_timeout(move || [own, adopted].map(|one| one.accept().unwrap_err()));
    assert_eq!(errors.map(|error| error.kind()), [ErrorKind::WouldBlock; 2]);
}

#[test]
fn a_listener_that_another_holder_makes_blocking_does_not_block_for_long() {
    let scratch = Scratch::new("blocking");
    let listener = Listener::bind(scratch.path("s")).unwrap();
    let shared = UnixListener::from(listener.as_fd().try_clone_to_owned().unwrap());
    shared.set_nonblocking(false).unwrap();
    let error = within_timeout(move || listener.accept().unwrap_err());
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
}

#[test]
fn a_listener_that_somebody_shut_down_gives_what_waits_and_then_says_so() {
    let scratch = Scratch::new("shut");
    for ended in [Shutdown::Both, Shutdown::Read] {
        let listener = Listener::bind(scratch.path("s")).unwrap();
        let _waiting = Socket::connect(scratch.path("s")).unwrap();
        let shared = UnixStream::from(listener.as_fd().try_clone_to_owned().unwrap());
        shared.shutdown(ended).unwrap();
        listener.accept().expect("the client that connected before");
        let error = listener.accept().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    }
}

#[test]
fn connecting_to_a_full_queue_ends_with_the_limit_and_names_it() {
    let scratch = Scratch::new("queue");
    let path = scratch.path("s");
    let busy = Listener::bind(&path).unwrap();
    fill_queue(&path);
    let began = Instant::now();
    let limit = Some(Duration::from_millis(50));
    let error = Socket::connect_within(&path, limit).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
    let limits = Limits { connect_time: limit, ..Limits::for_client() };
    let error = Client::builder().limits(limits).connect(&path).err().unwrap();
    let Error::TimedOut { name: Limit::ConnectTime, after, mid_message: false, .. } = error else {
        panic!("{error:?}")
    };
    assert!(!error.is_usable(), "connecting failed, so there is no client");
    assert_eq!(Some(after), limit);
    assert!(began.elapsed() >= 2 * after);
    busy.accept().unwrap();
    // The limit was only for connecting.
    let client = Socket::connect_within(&path, limit).unwrap();
    let stream = UnixStream::from(client.into_fd());
    assert_eq!(stream.write_timeout().unwrap(), None);
}

#[test]
fn a_handle_on_the_peer_is_one_on_the_process_that_connected() {
    support::limit::limit_test();
    let (ours, _theirs) = Socket::pair().unwrap();
    let Some(process) = ours.peer_process() else {
        // gVisor has no such file.
        let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let mut numbers = release.split(['.', '-']).map_while(|number| number.parse::<u32>().ok());
        assert!((numbers.next(), numbers.next()) < (Some(6), Some(5)), "Linux {release}");
        return support::available::skipped("the kernel has no SO_PEERPIDFD");
    };
    assert!(is_close_on_exec(&process));
    let info = format!("/proc/self/fdinfo/{}", process.as_raw_fd());
    let info = fs::read_to_string(info).unwrap();
    let pid = info.lines().find_map(|line| line.strip_prefix("Pid:")).unwrap();
    assert_eq!(pid.trim(), std::process::id().to_string());
}

#[test]
fn connecting_to_nothing_names_the_address() {
    let scratch = Scratch::new("nothing");
    let error = Socket::connect(scratch.path("s")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("nothing-"), "{error}");
    leave_stale(scratch.path("s"));
    assert_eq!(
        Socket::connect(scratch.path("s")).unwrap_err().kind(),
        ErrorKind::ConnectionRefused
    );
}

#[test]
fn what_looks_like_a_network_address_is_told_apart_from_a_path() {
    let text = |address: &str| Socket::connect(address).unwrap_err().to_string();
    for address in ["http://x", "unix:/nowhere", "nowhere:80", "[::1]:1"] {
        let text = text(address);
        assert!(text.contains("an address is the path of a Unix socket"), "{text}");
    }
    for path in ["/nowhere", "nowhere", "nowhere:", "nowhere:x", "nowhere:8x", "/nowhere/x:80"] {
        let text = text(path);
        assert!(!text.contains("an address is"), "{text}");
    }
}

#[test]
fn what_is_there_instead_of_a_socket_is_named() {
    let text = |path: &str| Socket::connect(path).unwrap_err().to_string();
    assert!(text("/").contains("it is a directory, not a Unix socket"), "{}", text("/"));
    assert!(text("/dev/null").contains("it is not a Unix socket"), "{}", text("/dev/null"));
    let own = std::env::current_exe().unwrap();
    let regular = text(own.to_str().unwrap());
    assert!(regular.contains("it is a regular file, not a Unix socket"), "{regular}");
    let scratch = Scratch::new("stale-named");
    leave_stale(scratch.path("s"));
    let stale = text(scratch.path("s").to_str().unwrap());
    assert!(!stale.contains("it is"), "{stale}");
}
