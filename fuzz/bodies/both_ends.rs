//! A server and a client on the same input. The input is a script that both get. Then the client
//! gets as replies what the server answered to the script's calls.
//!
//! Properties:
//! - Those of both sessions.
//! - The client takes every reply of the server as one reply.
//! - The client's call with a call's method and argument gets the same answer as the call itself.
//! - A server on threads of its own gives the same replies, to a socket that it was given and at an
//!   address. It refuses a client too many, and a message that is too large.
//! - A file on a space before each of them belongs to it.

use std::time::Duration;

use urpc::json;
use urpc::{BindOptions, Client, Error, Limits, Server, Socket};

use super::peer::{self, Running};
use super::player;
use super::probe::Probe;
use super::replies::{self, Call, Reply};
use super::script::{self, Step};
use super::stream::Stream;
use super::{client_session, server_session};

/// The number of calls of a script that are answered on their own.
const CALLS: usize = 4;
/// More than a socket takes while nobody reads.
const LARGE: usize = 1 << 19;

pub fn run(data: &[u8]) {
    server_session::run(data);
    client_session::run(data);

    let mut stream = Stream::default();
    for step in script::parse(data.get(1..).unwrap_or_default()) {
        if let Step::Send { bytes, .. } = step {
            stream.send(&bytes, 0, 0);
        }
    }
    let made = Probe::new();
    let running = Running::new(peer::limits(1 << 20, None), &made, true, || {});
    let texts = (0..stream.len()).map(|message| stream.text(message));
    let calls = texts.map_while(|text| Some((text, json::from_slice::<Call>(text).ok()?)));
    let mut replies = Vec::new();
    for (text, call) in calls.filter(|(_, call)| !replies::is_stop(&call.method)).take(CALLS) {
        let reply = relay(&running.0, text, &call, &made);
        replies.extend(reply.map(|reply| (call, reply)));
    }
    running.1.check();
    drop(running);
    if !replies.is_empty() {
        match data[0] & 2 {
            0 => on_a_thread(&replies, &made, data[0] & 1 == 0),
            _ => at_an_address(&replies, &made),
        }
    }
    made.check_closed();
}

/// Gives a client what the server answered. Returns the reply, if the call is one that can be made.
fn relay(server: &Server, text: &[u8], call: &Call, file: &Probe) -> Option<Reply> {
    // Escapes can make an argument six times as long.
    if json::to_vec(call).is_ok_and(|text| text.len() > script::MOST_BYTES) {
        return None;
    }
    let reply = answer(server, text, file);
    let read: Reply = json::from_slice(&reply).expect("a reply");

    let (theirs, ours) = player::pair();
    theirs.try_send(b" ", &[file.file()]).expect("room for a space");
    theirs.try_send(&reply, &[]).expect("room for the reply");
    let client = Client::builder().limits(limits()).build(ours);
    let outcome = client.call_raw(&call.method, call.arg.as_bytes(), &[]);
    if call.arg.as_bytes().is_empty() {
        assert!(matches!(outcome, Err(Error::Argument { .. })), "{outcome:?}");
        return None;
    }
    match outcome {
        Ok((result, files)) => {
            assert!(read.success);
            assert_eq!(
                (result, peer::identities(&files)),
                (read.result.clone(), vec![file.identity])
            );
        }
        Err(Error::Remote(error)) => {
            assert!(!read.success);
            assert_eq!(error.message(), read.err);
        }
        Err(error) => panic!("{error:?} of {read:?}"),
    }
    let again: Reply = json::from_slice(&answer(server, &receive(&theirs), file)).expect("a reply");
    assert_eq!(again.success, read.success, "{call:?}");
    assert_eq!(again.result, read.result, "{call:?}");
    // The error of an argument contains an offset, which white space in the call moves.
    assert!(again.err == read.err || again.err.contains(" at byte "), "{again:?}, {read:?}");
    // A reply that was cut has no text.
    Some(read).filter(|read| read.success || !read.err.is_empty())
}

/// The calls to a server that serves on a thread of its own, with place for one client. Each gets the
/// reply that it got before, also if two threads make them. Then either side ends.
fn on_a_thread(replies: &[(Call, Reply)], file: &Probe, is_full: bool) {
    let few = Limits {
        clients: if is_full { 1 } else { 2 },
        clients_per_user: (!is_full).then_some(1),
        send_time: Some(peer::FAR),
        ..peer::limits(1 << 20, None)
    };
    let running = Running::new(few, file, true, || {});
    let (ours, theirs) = Socket::pair().expect("a pair of sockets");
    running.0.start_handling(theirs).expect("a thread");
    let client = Client::builder().limits(limits()).build(ours);
    let refused = running.0.start_handling(player::pair().1).expect_err("a client is there");
    assert_eq!(matches!(refused, Error::TooManyClients { .. }), is_full, "{refused:?}");
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| call_again(&client, replies, file));
        }
    });
    if is_full {
        client.close();
        assert_eq!(running.0.stop_within(peer::FAR, peer::FAR), 0);
    } else {
        running.0.stop(Duration::ZERO);
        let outcome = client.call_raw("Peer.Late", b"1", &[]).map(drop);
        assert!(matches!(outcome, Err(Error::Disconnected { .. })), "{outcome:?}");
    }
    running.1.check();
}

/// The same at an address. The last call is larger than the server takes.
fn at_an_address(replies: &[(Call, Reply)], file: &Probe) {
    let running = Running::new(peer::limits(LARGE / 4, None), file, true, || {});
    let path = format!("/tmp/urpc-fuzz-both-ends-{}", std::process::id());
    let listener = BindOptions::new().replace_stale(true).bind(&path).expect("a listener");
    let serving = running.0.start_serving(listener).expect("a thread");
    let client = Client::builder().limits(limits()).wait(true).connect(&path).expect("a server");
    call_again(&client, replies, file);
    let large = format!("\"{}\"", "x".repeat(LARGE));
    let refused = client.call_raw("Peer.Echo", large.as_bytes(), &[]).expect_err("too large");
    let is_told = refused
        .as_remote()
        .is_some_and(|error| error.message().contains("message too large: the limit"));
    assert!(is_told, "{refused:?}");
    assert_eq!(running.0.stop_within(peer::FAR, peer::FAR), 0);
    serving.join().expect("a thread that ends").expect("an end without an error");
    assert!(!std::path::Path::new(&path).exists());
    let late = running.0.start_handling(player::pair().1);
    assert!(matches!(late, Err(Error::Stopped)), "{late:?}");
    running.1.check();
}

fn call_again(client: &Client, replies: &[(Call, Reply)], file: &Probe) {
    for (call, reply) in replies {
        match client.call_raw(&call.method, call.arg.as_bytes(), &[file.file()]) {
            Ok((result, _)) => assert_eq!((true, &result), (reply.success, &reply.result)),
            Err(Error::Remote(error)) => {
                let is_same = error.message() == reply.err || reply.err.contains(" at byte ");
                assert!(!reply.success && is_same, "{error}, {reply:?}");
            }
            Err(error) => panic!("{error:?} of {call:?}"),
        }
    }
}

/// The server's reply to one call after a file on a space. Files of the reply are closed.
fn answer(server: &Server, text: &[u8], file: &Probe) -> Vec<u8> {
    let (ours, theirs) = player::pair();
    ours.try_send(b" ", &[file.file()]).expect("room for a space");
    ours.try_send(text, &[]).expect("room for the call");
    ours.shutdown_send().expect("an end");
    let result = server.handle(theirs);
    let reply = receive(&ours);
    // A reply that does not fit into the socket's buffer is cut, because nobody reads it.
    if matches!(result, Err(Error::TimedOut { .. })) {
        return br#"{"success":false,"err":"","result":null}"#.to_vec();
    }
    result.expect("the session ends without an error");
    reply
}

/// All bytes that can be received now.
fn receive(socket: &Socket) -> Vec<u8> {
    let (mut text, mut buffer) = (Vec::new(), [0; 4096]);
    while let Ok((count @ 1.., _)) = socket.try_receive(&mut buffer, 253) {
        text.extend_from_slice(&buffer[..count]);
    }
    text
}

fn limits() -> Limits {
    let spin_time = Duration::from_micros(50);
    Limits { call_time: Some(peer::FAR), spin_time, ..Limits::for_client() }
}
