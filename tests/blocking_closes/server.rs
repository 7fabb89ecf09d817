//! A server serves clients and stops while closes block.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use crate::lingering::{Lingering, PeerEnd};
use crate::support::{
    Gate, Scratch, connect, is_alone, path_of, read_message, read_to_end, run_alone, send, success,
};
use crate::{
    Attack, GATES, Host, call_with, client_with, in_the_queue, peer, peer_of, soon, strike,
    support, with_a_call, with_clients,
};
use urpc::{Client, Error, Event, Files, Limits, Listener, Server, Socket};

/// Sends white space with `files` while the server is busy with a call. That call ends when the
/// files are closed here.
fn after_a_call(socket: &Socket, files: &[BorrowedFd<'_>], file: OwnedFd) {
    static KEYS: AtomicUsize = AtomicUsize::new(0);
    let key = KEYS.fetch_add(1, Ordering::Relaxed);
    let gate = Gate::new();
    GATES.lock().unwrap().insert(key, gate.clone());
    send(socket, format!(r#"{{"method":"Peer.Wait","arg":{key}}}"#).as_bytes(), &[]);
    gate.wait_for(1);
    let mut files = files.to_vec();
    files.push(file.as_fd());
    send(socket, b" ", &files);
    drop(files);
    drop(file);
    gate.open();
    assert_eq!(read_message(socket).0, success("null"));
}

/// There is no room for the file, so the kernel closes it within the server's recvmsg(2).
fn without_room(socket: Socket, file: OwnedFd) {
    let null = File::open("/dev/null").unwrap();
    after_a_call(&socket, &vec![null.as_fd(); support::MOST_FILES - 1], file);
}

/// The file is one too many, on white space.
fn beyond_the_limit(socket: Socket, file: OwnedFd) {
    let null = File::open("/dev/null").unwrap();
    after_a_call(&socket, &[null.as_fd(); 32], file);
}

/// Makes the attack on a server with room for many clients, and on one with room for one. Both keep
/// serving.
#[track_caller]
fn assert_harmless(attack: Attack) {
    let Some(lingering) = Lingering::new() else { return };
    let host = Host::start(Limits::default());
    let other = Client::new(host.connect());
    let _far = strike(attack, host.connect(), &lingering);
    host.serves();
    assert_eq!(other.call::<usize>("Peer.Count", &Files::new()).unwrap(), 0);
    host.stops();
    let host = Host::start(with_clients(1));
    let _far = strike(attack, host.connect(), &lingering);
    host.serves();
    host.serves();
    host.stops();
}

#[test]
fn a_file_in_the_queue_of_a_closed_connection_holds_up_nobody() {
    assert_harmless(in_the_queue);
}

#[test]
fn a_file_with_a_call_holds_up_nobody() {
    assert_harmless(with_a_call);
}

#[test]
fn a_file_that_the_kernel_closes_for_want_of_room_holds_up_nobody() {
    assert_harmless(without_room);
}

#[test]
fn a_file_beyond_the_limit_holds_up_nobody() {
    assert_harmless(beyond_the_limit);
}

#[test]
fn a_client_that_stays_sees_the_end_when_a_stop_comes_while_its_file_is_closed() {
    let Some(lingering) = Lingering::new() else { return };
    let server = peer(Limits::default());
    let socket = connect(&server);
    let (file, peer_end) = lingering.file();
    call_with(&socket, file);
    peer_end.wait_for_close();
    let (stops, began) = (server.clone(), Instant::now());
    soon(move || stops.stop(Duration::ZERO));
    // Most closes end within this time, and then they have ended when the stop returns.
    assert!(began.elapsed() >= Duration::from_millis(300), "{:?}", began.elapsed());
    assert_eq!(soon(move || read_to_end(&socket).0), b"");
    soon(move || drop(server));
}

#[test]
fn a_stop_that_gives_clients_time_does_not_give_it_to_those_that_are_gone() {
    let Some(lingering) = Lingering::new() else { return };
    let server = peer(Limits::default());
    let _far = strike(with_a_call, connect(&server), &lingering);
    soon(move || server.stop(Duration::from_secs(3600)));
}

#[test]
fn beyond_so_many_closes_that_block_a_client_that_is_gone_keeps_its_place() {
    let Some(lingering) = Lingering::new() else { return };
    let server = peer(Limits { stuck_closes: 2, ..with_clients(1) });
    let strike_once = || strike(with_a_call, connect(&server), &lingering);
    let mut peer_ends: Vec<PeerEnd> = (0..3).map(|_| strike_once()).collect();
    let (_ours, theirs) = Socket::pair().unwrap();
    let error = server.start_handling(theirs).unwrap_err();
    assert!(matches!(error, Error::TooManyClients { limit: 1 }), "{error:?}");
    // One close ends, so a place is free.
    drop(peer_ends.remove(0));
    let client = soon(move || {
        let (ours, theirs) = loop {
            let (ours, theirs) = Socket::pair().unwrap();
            if server.start_handling(theirs).is_ok() {
                break (ours, server);
            }
        };
        (Client::new(ours), theirs)
    });
    assert_eq!(client.0.call::<usize>("Peer.Count", &Files::new()).unwrap(), 0);
}

#[test]
fn of_two_closes_that_block_at_once_no_more_give_their_place_away_than_may() {
    let Some(lingering) = Lingering::new() else { return };
    let server = peer(Limits { stuck_closes: 1, ..with_clients(2) });
    let _far = [(); 2].map(|()| strike(with_a_call, connect(&server), &lingering));
    let _third = connect(&server);
    let (_ours, theirs) = Socket::pair().unwrap();
    let error = server.start_handling(theirs).unwrap_err();
    assert!(matches!(error, Error::TooManyClients { limit: 2 }), "{error:?}");
}

#[test]
fn a_client_sees_the_end_while_the_file_of_its_half_message_is_closed() {
    let Some(lingering) = Lingering::new() else { return };
    let server =
        peer(Limits { message_time: Some(Duration::from_millis(20)), ..Limits::default() });
    let ways: [fn(Server, Socket); 2] = [
        |server, socket| drop(server.start_handling(socket)),
        |server, socket| drop(thread::spawn(move || server.handle(socket))),
    ];
    for serve in ways {
        let (ours, theirs) = Socket::pair().unwrap();
        serve(server.clone(), theirs);
        let (file, peer_end) = lingering.file();
        send(&ours, b"{", &[file.as_fd()]);
        drop(file);
        assert_eq!(soon(move || read_to_end(&ours).0), b"");
        peer_end.wait_for_close();
    }
}

#[test]
fn serving_on_ones_own_thread_ends_although_a_file_is_in_the_queue() {
    let Some(lingering) = Lingering::new() else { return };
    let server = peer(Limits::default());
    let (ours, theirs) = Socket::pair().unwrap();
    let (file, peer_end) = lingering.file();
    in_the_queue(ours, file);
    soon(move || server.handle(theirs).unwrap_err());
    peer_end.wait_for_close();
}

#[test]
fn refusing_a_connection_with_a_file_in_its_queue_takes_no_time() {
    let Some(lingering) = Lingering::new() else { return };
    let stopped = peer(Limits::default());
    stopped.stop(Duration::ZERO);
    let refuses_all = Server::builder().authorize(|_| false).build();
    let no_thread = peer(Limits { stack_bytes: usize::MAX / 8, ..Limits::default() });
    let no_user = peer(Limits { clients_per_user: Some(0), ..Limits::default() });
    for server in [stopped, refuses_all, no_thread, no_user, peer(with_clients(0))] {
        let (ours, theirs) = Socket::pair().unwrap();
        let (file, peer_end) = lingering.file();
        in_the_queue(ours, file);
        soon(move || {
            let _ = server.start_handling(theirs);
            server.stop(Duration::ZERO);
        });
        peer_end.wait_for_close();
    }
}

#[test]
fn dropping_a_listener_does_not_wait_for_files_in_its_backlog() {
    let Some(lingering) = Lingering::new() else { return };
    let scratch = Scratch::new("backlog");
    let listener = Listener::bind(scratch.path("s")).unwrap();
    let socket = Socket::connect(scratch.path("s")).unwrap();
    let (file, peer_end) = lingering.file();
    send(&socket, b" ", &[file.as_fd()]);
    drop(file);
    soon(move || drop(listener));
    peer_end.wait_for_close();
}

/// More closes than a process has threads for.
const MANY_CLOSES: usize = 70;

#[test]
fn a_call_and_its_client_end_while_more_closes_block_than_have_a_thread() {
    if !is_alone() {
        return run_alone(
            path_of(a_call_and_its_client_end_while_more_closes_block_than_have_a_thread),
            "exec",
        );
    }
    let Some(lingering) = Lingering::new() else { return };
    let null = File::open("/dev/null").unwrap();
    let call_time = Some(Duration::from_secs(20));
    let (client, theirs) = client_with(Limits { call_time, ..Limits::for_client() });
    let refused = |peer_ends: &mut Vec<PeerEnd>| {
        let (file, peer_end) = lingering.file();
        let mut files = vec![null.as_fd(); 32];
        files.push(file.as_fd());
        send(&theirs, b" ", &files);
        peer_ends.push(peer_end);
    };
    let mut peer_ends = Vec::new();
    (0..MANY_CLOSES).for_each(|_| refused(&mut peer_ends));
    send(&theirs, success("7").as_bytes(), &[]);
    let client = soon(move || {
        let error = client.call::<usize>("Peer.Any", &()).unwrap_err();
        assert!(matches!(error, Error::TooManyFiles { count: 33, .. }), "{error:?}");
        client
    });
    refused(&mut peer_ends);
    soon(move || drop(client));
    // The others are closed when the first closes end.
    drop(peer_ends.drain(..64));
    peer_ends.iter().for_each(PeerEnd::wait_for_close);
}

#[test]
fn connections_beyond_a_users_quota_do_not_keep_others_out_while_their_closes_block() {
    if !is_alone() {
        return run_alone(
            path_of(
                connections_beyond_a_users_quota_do_not_keep_others_out_while_their_closes_block,
            ),
            "exec",
        );
    }
    let Some(lingering) = Lingering::new() else { return };
    let (refuses, refused) = mpsc::channel();
    let limits = Limits { clients_per_user: Some(1), ..Limits::default() };
    let host = Host::of(peer_of(Server::builder().limits(limits).observe(move |event| {
        if let Event::Refused { .. } = event {
            refuses.send(()).unwrap();
        }
    })));
    let first = Client::new(host.connect());
    assert_eq!(first.call::<usize>("Peer.Count", &Files::new()).unwrap(), 0);
    let mut peer_ends = Vec::new();
    for _ in 0..MANY_CLOSES {
        let (file, peer_end) = lingering.file();
        // The server may have ended the connection already. Then it closed no file.
        if host.connect().send(b" ", &[file.as_fd()]).is_ok() {
            peer_ends.push(peer_end);
        }
    }
    soon(move || (0..MANY_CLOSES).for_each(|_| refused.recv().unwrap()));
    assert_eq!(first.call::<usize>("Peer.Count", &Files::new()).unwrap(), 0);
    host.stops();
}
