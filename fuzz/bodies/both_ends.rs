//! A server and a client on the same input. The input is a script that both get. Then the client
//! gets as replies what the server answered to the script's calls.
//!
//! Properties:
//! - Those of both sessions.
//! - The client takes every reply of the server as one reply.
//! - The client's call with a call's method and argument gets the same answer as the call itself.
//! - A file on a space before each of them belongs to it.

use urpc::json;
use urpc::{Client, Error, Limits, Server, Socket};

use super::peer::{self, Running};
use super::player;
use super::probe::Probe;
use super::replies::{self, Call, Reply};
use super::script::{self, Step};
use super::stream::Stream;
use super::{client_session, server_session};

/// The number of calls of a script that are answered on their own.
const CALLS: usize = 4;

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
    for (text, call) in calls.filter(|(_, call)| !replies::is_stop(&call.method)).take(CALLS) {
        relay(&running.0, text, &call, &made);
    }
    running.1.check();
    drop(running);
    made.check_closed();
}

fn relay(server: &Server, text: &[u8], call: &Call, file: &Probe) {
    // Escapes can make an argument six times as long.
    if json::to_vec(call).is_ok_and(|text| text.len() > script::MOST_BYTES) {
        return;
    }
    let reply = answer(server, text, file);
    let read: Reply = json::from_slice(&reply).expect("a reply");

    let (theirs, ours) = player::pair();
    theirs.try_send(b" ", &[file.file()]).expect("room for a space");
    theirs.try_send(&reply, &[]).expect("room for the reply");
    let client = Client::builder().limits(limits()).build(ours);
    let outcome = client.call_raw(&call.method, call.arg.as_bytes(), &[]);
    if call.arg.as_bytes().is_empty() {
        return assert!(matches!(outcome, Err(Error::Argument { .. })), "{outcome:?}");
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
    Limits { call_time: Some(peer::FAR), ..Limits::for_client() }
}
