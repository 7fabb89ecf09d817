//! Connections that end in other ways, and descriptors that a parent process passed.

use std::fs::{self, File};
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::{Item, peer, peer_with};
use crate::support;
use crate::support::{
    Probe, Scratch, identity, is_alone, path_of, read_to_end, run_alone, send, success,
    while_nothing_starts, within_timeout,
};
use urpc::{Client, Error, Files, Limits, Listener, Server, Service, Socket, process};

#[test]
fn what_a_peer_queued_before_it_closed_with_data_unread_is_served_before_the_reset() {
    // A copy in a child would keep the socket open and delay the reset.
    let _closing = while_nothing_starts();
    let ((ours, theirs), (file, probe)) = (Socket::pair().unwrap(), Probe::new());
    let server = Server::new();
    let (ran, runs) = mpsc::channel();
    server.register(Service::new("Peer", ()).method("Run", move |_: &(), files: Files| {
        ran.send(files.len()).unwrap();
        Ok::<_, String>(())
    }));
    send(&theirs, b"unread", &[]);
    send(&ours, br#"{"method":"Peer.Run","arg":null}"#, &[file.as_fd()]);
    drop((ours, file));
    let error = within_timeout(move || server.handle(theirs)).unwrap_err();
    assert!(matches!(error, Error::Disconnected { .. }), "{error:?}");
    assert_eq!(runs.recv().unwrap(), 1);
    probe.wait_closed();
}

#[test]
fn a_reset_between_calls_is_the_end_of_the_stream() {
    let _closing = while_nothing_starts();
    let (ours, theirs) = Socket::pair().unwrap();
    send(&theirs, b"unread", &[]);
    drop(ours);
    within_timeout(move || Server::new().handle(theirs)).unwrap();
}

#[test]
fn a_reply_that_was_queued_before_a_reset_is_the_result() {
    let ((ours, theirs), (file, probe)) = (Socket::pair().unwrap(), Probe::new());
    let caller = thread::spawn(move || Client::new(ours).call::<Item>("Peer.Item", &()));
    // The call has arrived and stays unread.
    process::wait_readable(&[theirs.as_fd()], Some(support::TIMEOUT)).unwrap();
    send(&theirs, success(r#"{"N":3}"#).as_bytes(), &[file.as_fd()]);
    drop((theirs, file));
    let item = within_timeout(move || caller.join().unwrap()).unwrap();
    assert_eq!((item.n, item.files.len()), (3, 1));
    drop(item);
    probe.wait_closed();
}

#[test]
fn sockets_of_a_service_manager_are_duplicated_and_their_numbers_not_passed_on() {
    if !is_alone() {
        let opened = "exec 3</dev/null 4</dev/zero; export LISTEN_FDS=2 LISTEN_PID=$$; exec";
        return run_alone(
            path_of(sockets_of_a_service_manager_are_duplicated_and_their_numbers_not_passed_on),
            opened,
        );
    }
    let files = process::listen_fds().unwrap();
    let expected = ["/dev/null", "/dev/zero"].map(|path| identity(File::open(path).unwrap()));
    assert_eq!(files.iter().map(identity).collect::<Vec<_>>(), expected);
    assert!(process::listen_fds().is_err(), "each is taken once");
    for number in [3, 4] {
        let info = fs::read_to_string(format!("/proc/self/fdinfo/{number}")).unwrap();
        let flags = info.lines().find_map(|line| line.strip_prefix("flags:")).unwrap();
        let flags = u32::from_str_radix(flags.trim(), 8).unwrap();
        assert!(flags & 0o2_000_000 != 0, "{number} would be inherited");
    }
}

/// An inherited number stays open as well as its duplicate, so closing only that ends nothing.
#[test]
fn whatever_ends_a_connection_ends_it_although_a_copy_of_its_socket_is_open() {
    let refuses_all = Server::builder().authorize(|_| false).build();
    let stopped = peer();
    stopped.stop(Duration::ZERO);
    let full = peer_with(Limits { clients: 0, ..Limits::default() });
    let hurried = peer_with(Limits { idle_time: Some(Duration::ZERO), ..Limits::default() });
    let small = peer_with(Limits { message_bytes: 1, ..Limits::default() });
    let no_thread = Server::builder()
        .limits(Limits { stack_bytes: usize::MAX / 8, ..Limits::default() })
        .build();
    for server in [peer(), refuses_all, stopped, full, hurried, small, no_thread] {
        let (ours, theirs) = Socket::pair().unwrap();
        let _copy = theirs.as_fd().try_clone_to_owned().unwrap();
        // A message, and bytes that are not a message.
        send(&ours, b"{]", &[]);
        let _ = server.start_handling(theirs);
        within_timeout(move || read_to_end(&ours));
    }
}

#[test]
fn an_accept_loop_whose_listener_somebody_shut_down_ends_with_the_error() {
    let scratch = Scratch::new("deaf");
    for ended in [Shutdown::Both, Shutdown::Read] {
        let listener = Listener::bind(scratch.path("s")).unwrap();
        let shared = UnixStream::from(listener.as_fd().try_clone_to_owned().unwrap());
        let waiting = Client::connect(scratch.path("s")).unwrap();
        shared.shutdown(ended).unwrap();
        let server = peer();
        let error = within_timeout(move || server.serve(&listener)).unwrap_err();
        assert!(matches!(&error, Error::Io { doing, .. } if doing == "accept"), "{error:?}");
        drop(waiting);
    }
}
