//! Calls, and the end of a client, while closes block.

use std::fs::File;
use std::os::fd::AsFd;
use std::time::Duration;

use crate::lingering::Lingering;
use crate::support::{Probe, read_to_end, send, success, while_nothing_starts};
use crate::{client_with, soon, support};
use urpc::{Client, Error, Files, Limits, Listener, MessageReader};

/// The result of a call with a time limit, for `reply` with `count` files, the last of which
/// lingers.
#[track_caller]
fn reply_with(reply: &str, count: usize, lingering: &Lingering) -> Result<usize, Error> {
    let call_time = Some(Duration::from_millis(500));
    let (client, theirs) = client_with(Limits { call_time, ..Limits::for_client() });
    let null = File::open("/dev/null").unwrap();
    let (file, peer_end) = lingering.file();
    let mut files = vec![null.as_fd(); count];
    files[count - 1] = file.as_fd();
    send(&theirs, reply.as_bytes(), &files);
    drop(files);
    drop(file);
    let result = soon(move || client.call::<usize>("Peer.Any", &()));
    peer_end.wait_for_close();
    result
}

#[test]
fn a_call_does_not_wait_for_files_of_its_reply_that_nobody_takes() {
    let Some(lingering) = Lingering::new() else { return };
    assert_eq!(reply_with(&success("7"), 1, &lingering).unwrap(), 7);
    let remote = reply_with(&support::failure("no"), 2, &lingering);
    assert!(matches!(remote, Err(Error::Remote(_))), "{remote:?}");
    let type_error = reply_with(&success("[]"), 1, &lingering);
    assert!(matches!(type_error, Err(Error::Result { .. })), "{type_error:?}");
    let malformed = reply_with("[]", 1, &lingering);
    assert!(matches!(malformed, Err(Error::Malformed { .. })), "{malformed:?}");
    let syntax = reply_with("]", 1, &lingering);
    assert!(matches!(syntax, Err(Error::Malformed { .. })), "{syntax:?}");
    let late = reply_with("{", 1, &lingering);
    assert!(matches!(late, Err(Error::TimedOut { .. })), "{late:?}");
    // The reply is refused. With room for only 32 files, the last one would not be delivered.
    for count in [33, support::MOST_FILES] {
        let refused = reply_with(&success("7"), count, &lingering);
        assert!(matches!(refused, Err(Error::TooManyFiles { .. })), "{refused:?}");
    }
}

#[test]
fn a_call_does_not_wait_for_files_of_an_earlier_reply_in_the_same_value() {
    let Some(lingering) = Lingering::new() else { return };
    let (client, theirs) = client_with(Limits::for_client());
    let (file, peer_end) = lingering.file();
    let mut files = Files::from(file);
    send(&theirs, success("{}").as_bytes(), &[]);
    soon(move || client.call_into("Peer.Any", &(), &mut files).unwrap());
    peer_end.wait_for_close();
}

#[test]
fn bytes_that_a_reader_cannot_take_do_not_wait_for_their_files() {
    let Some(lingering) = Lingering::new() else { return };
    let (file, peer_end) = lingering.file();
    let mut reader = MessageReader::new(&Limits::default());
    reader.push(b"[]", Files::new()).unwrap();
    assert!(!reader.next_message().unwrap_err().is_usable());
    assert!(soon(move || reader.push(b" ", file.into())).is_err());
    peer_end.wait_for_close();
}

#[test]
fn dropping_a_reader_does_not_wait_for_files_that_nobody_has_taken() {
    let Some(lingering) = Lingering::new() else { return };
    for bytes in ["[", "{} {}", " "] {
        let (file, peer_end) = lingering.file();
        let mut reader = MessageReader::new(&Limits::default());
        reader.push(bytes.as_bytes(), file.into()).unwrap();
        soon(move || drop(reader));
        peer_end.wait_for_close();
    }
}

#[test]
fn ending_a_client_does_not_wait_for_files_in_its_queue() {
    let Some(lingering) = Lingering::new() else { return };
    let ends: [fn(Client); 2] = [drop, |client| client.close()];
    for end in ends {
        let (client, theirs) = client_with(Limits::for_client());
        let (file, peer_end) = lingering.file();
        send(&theirs, b" ", &[file.as_fd()]);
        drop(file);
        soon(move || end(client));
        peer_end.wait_for_close();
    }
}

#[test]
fn closes_that_do_not_block_have_happened_when_a_client_or_a_listener_is_dropped() {
    let (client, theirs) = client_with(Limits::for_client());
    let (file, probe) = Probe::new();
    send(&theirs, b" ", &[file.as_fd()]);
    drop((file, client));
    probe.wait_closed();
    assert_eq!(read_to_end(&theirs).0, b"");
    let name = format!("@urpc-closes-{}", std::process::id());
    let name: urpc::Address = name.parse().unwrap();
    let _nothing_starts = while_nothing_starts();
    drop(Listener::bind(name.clone()).unwrap());
    drop(Listener::bind(name).unwrap());
}
