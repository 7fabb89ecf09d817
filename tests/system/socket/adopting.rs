//! Sockets that are adopted, released, or passed through an exec.

use std::io::{ErrorKind, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use std::{fs, thread};

use super::{assert_serves, echo};
use crate::support::{
    Scratch, client_of, identity, is_alone, is_close_on_exec, path_of, read_message, run_alone,
    send, success, within_timeout,
};
use urpc::{Address, Client, Error, Files, Listener, Server, Service, Socket};

#[test]
fn only_a_connected_unix_stream_is_adopted_as_a_socket() {
    let scratch = Scratch::new("adopt");
    let refused = |fd: OwnedFd| Socket::from_fd(fd).unwrap_err();
    let datagram = UnixDatagram::pair().unwrap().0;
    assert_eq!(refused(datagram.into()).kind(), ErrorKind::InvalidInput);
    assert_eq!(
        refused(fs::File::open("/dev/null").unwrap().into()).kind(),
        ErrorKind::InvalidInput
    );
    let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let other_family = std::net::TcpStream::connect(tcp.local_addr().unwrap()).unwrap();
    let error = refused(other_family.into());
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("not a Unix socket"), "{error}");
    let listening = UnixListener::bind(scratch.path("s")).unwrap();
    let error = refused(listening.into());
    assert_eq!(error.kind(), ErrorKind::NotConnected);
    assert!(error.to_string().contains("listening"), "{error}");
    assert!(Listener::from_fd(tcp.into()).is_err());
    assert!(Listener::from_fd(UnixDatagram::unbound().unwrap().into()).is_err());
}

#[test]
fn a_non_blocking_socket_works_on_either_side() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    theirs.set_nonblocking(true).unwrap();
    let server = echo();
    server.start_handling(Socket::from_fd(theirs.into()).unwrap()).unwrap();
    let client = Client::new(Socket::from_fd(ours.into()).unwrap());
    for n in 0..3 {
        assert_eq!(client.call::<i64>("Peer.Echo", &n).unwrap(), n);
    }
}

#[test]
fn a_socket_is_given_up_as_a_descriptor_open_and_connected() {
    let (ours, theirs) = Socket::pair().unwrap();
    let mut stream = UnixStream::from(ours.into_fd());
    stream.write_all(br#"{"method":"Peer.Echo","arg":1}"#).unwrap();
    let server = echo();
    server.start_handling(theirs).unwrap();
    assert_eq!(read_message(&Socket::from(stream)).0, success("1"));
}

#[test]
fn descriptors_that_a_parent_passed_are_served_and_called_by_their_number() {
    if is_alone() {
        let client = Client::connect(Address::Inherited(0)).unwrap();
        assert_eq!(client.call::<i64>("Peer.Echo", &8).unwrap(), 8);
        // The number itself is not inherited any more, and not taken again.
        assert!(is_close_on_exec(std::io::stdin()));
        let again = Client::connect(Address::Inherited(0)).err().unwrap().to_string();
        assert!(again.contains("taken already"), "{again}");
        assert!(Socket::connect(Address::Inherited(i32::MAX)).is_err());
        return;
    }
    let server = echo();
    let (ours, theirs) = Socket::pair().unwrap();
    server.start_handling(theirs).unwrap();
    let status = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            path_of(descriptors_that_a_parent_passed_are_served_and_called_by_their_number),
            "--test-threads=1",
        ])
        .env("URPC_TEST_ALONE", "1")
        .stdin(Stdio::from(ours.into_fd()))
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
}

#[test]
fn a_number_that_something_else_in_the_process_opened_is_not_taken() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let number = ours.as_raw_fd();
    for error in [
        Socket::connect(Address::Inherited(number)).unwrap_err(),
        Listener::bind(Address::Inherited(number)).unwrap_err(),
        urpc::process::inherited(number).unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains(&number.to_string()), "{error}");
    }
    drop(theirs);
}

#[test]
fn every_descriptor_is_close_on_exec_and_a_child_inherits_none() {
    let scratch = Scratch::new("cloexec");
    let listener = Listener::bind(scratch.path("s")).unwrap();
    let connected = Socket::connect(scratch.path("s")).unwrap();
    let accepted = listener.accept().unwrap();
    let (left, right) = Socket::pair().unwrap();
    let passed = fs::File::open("/dev/null").unwrap();
    send(&left, b"x", &[passed.as_fd()]);
    let (_, files) = right.receive(&mut [0], 1).unwrap();
    let received = files.get(0).unwrap();
    let all = [
        listener.as_fd(),
        connected.as_fd(),
        accepted.as_fd(),
        left.as_fd(),
        right.as_fd(),
        received,
    ];
    assert!(all.into_iter().all(is_close_on_exec));
    let listing = Command::new("ls").args(["-l", "/proc/self/fd"]).output().unwrap();
    let listing = String::from_utf8_lossy(&listing.stdout).into_owned();
    assert!(listing.contains("/proc/"), "{listing}");
    for socket in [connected.as_fd(), accepted.as_fd(), left.as_fd(), right.as_fd()] {
        let inode = identity(socket).1;
        assert!(!listing.contains(&format!("socket:[{inode}]")), "{listing}");
    }
}

#[test]
fn files_of_calls_are_close_on_exec_in_methods_and_results() {
    let server = Server::new();
    server.register(Service::new("Peer", ()).method("Check", |_: &(), files: Files| {
        if files.iter().all(is_close_on_exec) { Ok(files) } else { Err("would be inherited") }
    }));
    let client = client_of(&server);
    let file = fs::File::open("/dev/null").unwrap();
    let (_, files) = client.call_raw("Peer.Check", b"{}", &[file.as_fd(); 3]).unwrap();
    assert!(files.len() == 3 && files.iter().all(is_close_on_exec));
}

#[test]
fn writing_to_a_peer_that_is_gone_raises_no_signal() {
    if !is_alone() {
        return run_alone(
            path_of(writing_to_a_peer_that_is_gone_raises_no_signal),
            "exec env --block-signal=PIPE",
        );
    }
    // The signal is blocked. When raised it stays pending and can be seen, although Rust's runtime
    // ignores it.
    let thread = thread::spawn(|| {
        for files in [&[][..], &[fs::File::open("/dev/null").unwrap()]] {
            let (ours, theirs) = Socket::pair().unwrap();
            drop(theirs);
            let files: Vec<_> = files.iter().map(AsFd::as_fd).collect();
            assert_eq!(ours.send(b"x", &files).unwrap_err().kind(), ErrorKind::BrokenPipe);
            let client = Client::new(ours);
            let error = client.call_raw("Peer.Any", b"1", &files).unwrap_err();
            assert!(matches!(error, Error::Disconnected { .. }), "{error:?}");
        }
        assert!(!is_pipe_signal_pending());
        let (reader, mut writer) = urpc::process::pipe().unwrap();
        drop(reader);
        assert!(writer.write_all(b"x").is_err());
        assert!(is_pipe_signal_pending(), "a pipe raises the signal, so the check works");
    });
    thread.join().unwrap();
}

fn is_pipe_signal_pending() -> bool {
    const SIGPIPE: u32 = 13;
    let status = fs::read_to_string("/proc/thread-self/status").unwrap();
    let pending = status.lines().find_map(|line| line.strip_prefix("SigPnd:")).unwrap();
    u64::from_str_radix(pending.trim(), 16).unwrap() & 1 << (SIGPIPE - 1) != 0
}

#[test]
fn shutting_a_socket_down_wakes_whoever_is_blocked_on_it() {
    let (ours, _theirs) = Socket::pair().unwrap();
    let ours = Arc::new(ours);
    let blocked = Arc::clone(&ours);
    let reader = thread::spawn(move || blocked.receive(&mut [0], 0).unwrap().0);
    ours.shutdown().unwrap();
    assert_eq!(within_timeout(move || reader.join().unwrap()), 0);
}

#[test]
fn an_inherited_listener_is_shared_and_a_stop_does_not_end_it() {
    let scratch = Scratch::new("shared");
    let original = UnixListener::bind(scratch.path("s")).unwrap();
    let copy = Listener::from_fd(original.try_clone().unwrap().into()).unwrap();
    let server = echo();
    let loop_thread = server.start_serving(copy).unwrap();
    let client = Client::connect(scratch.path("s")).unwrap();
    assert_eq!(client.call::<i64>("Peer.Echo", &1).unwrap(), 1);
    server.stop(Duration::ZERO);
    within_timeout(move || loop_thread.join().unwrap()).unwrap();
    assert!(
        fs::symlink_metadata(scratch.path("s")).is_ok(),
        "the path of an adopted socket is not removed"
    );
    let again = Listener::from_fd(original.into()).unwrap();
    assert_serves(&again, scratch.path("s"));
}
