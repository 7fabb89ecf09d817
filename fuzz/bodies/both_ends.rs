//! A server and a client on the same input: it is a script that both are put under, and what the
//! server replies to its calls is what the client is given for an answer.
//!
//! Properties: those of both sessions; a client takes every reply of the server for what it is, and
//! the call that the client makes of a call's parts is answered by the server as the call itself. A
//! file on a blank in front of each belongs to it.

use urpc::json;
use urpc::{Client, Error, Limits, Server, Socket};

use super::peer::{self, Running};
use super::player;
use super::probe::Probe;
use super::replies::{Call, Reply};
use super::script::{self, Step};
use super::stream::Stream;
use super::{client_session, server_session};

/// So many calls of a script are answered on their own.
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
    let running = Running::new(peer::limits(1 << 20, None), &made, || {});
    let texts = (0..stream.len()).map(|message| stream.text(message));
    let calls = texts.map_while(|text| Some((text, json::from_slice::<Call>(text).ok()?)));
    for (text, call) in calls.filter(|(_, call)| call.method != "Peer.Stop").take(CALLS) {
        relay(&running.0, text, &call, &made);
    }
    drop(running);
    made.check_closed();
}

fn relay(server: &Server, text: &[u8], call: &Call, file: &Probe) {
    // Escapes can make an argument six times as long as it came.
    if json::to_vec(call).is_ok_and(|text| text.len() > script::MOST_BYTES) {
        return;
    }
    let reply = answer(server, text, file);
    let read: Reply = json::from_slice(&reply).expect("a reply");

    let (far, near) = player::pair();
    far.try_send(b" ", &[file.file()]).expect("room for a blank");
    far.try_send(&reply, &[]).expect("room for the reply");
    let client = Client::builder().limits(limits()).build(near);
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
    let again: Reply = json::from_slice(&answer(server, &receive(&far), file)).expect("a reply");
    assert_eq!(again.success, read.success, "{call:?}");
    assert_eq!(again.result, read.result, "{call:?}");
    // An argument's error names its offset, which white space in the call moves.
    assert!(again.err == read.err || again.err.contains(" at byte "), "{again:?}, {read:?}");
}

/// The text of the server's reply to one call behind a file on a blank; files that come with it are
/// closed.
fn answer(server: &Server, text: &[u8], file: &Probe) -> Vec<u8> {
    let (ours, theirs) = player::pair();
    ours.try_send(b" ", &[file.file()]).expect("room for a blank");
    ours.try_send(text, &[]).expect("room for the call");
    ours.shutdown_send().expect("an end");
    let result = server.handle(theirs);
    let reply = receive(&ours);
    // A reply beyond the socket's room is cut, since nobody takes it.
    if matches!(result, Err(Error::TimedOut { .. })) {
        return br#"{"success":false,"err":"","result":null}"#.to_vec();
    }
    result.expect("an orderly end");
    reply
}

/// All that is there.
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
