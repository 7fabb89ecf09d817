//! What ends a client, and the errors of later calls.

use std::os::fd::AsFd;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::{assert_finished, client, client_with, join};
use crate::support::{Probe, read_message, read_to_end, send};
use urpc::{Client, Error, Limits, Socket};

/// Calls on a thread of its own.
fn call_on_a_thread(client: &Arc<Client>) -> thread::JoinHandle<Result<i64, Error>> {
    let client = Arc::clone(client);
    thread::spawn(move || client.call("Peer.Any", &()))
}

#[test]
fn what_is_no_reply_finishes_it_and_later_calls_say_so_at_once() {
    for reply in ["{]", "[]", "7 ", r#"{"success":1}"#, r#"{"err":{}}"#] {
        let (client, server) = client();
        send(&server, reply.as_bytes(), &[]);
        let error = client.call::<()>("Peer.Any", &()).unwrap_err();
        assert!(matches!(error, Error::Malformed { .. }) && !error.is_usable(), "{error:?}");
        assert_finished(&client, &server, "malformed message");
    }
}

#[test]
fn a_peer_that_speaks_http_is_named_by_its_first_line() {
    let long = format!("HTTP/1.1 200 {}\r\n", "x".repeat(100));
    for (reply, said) in [
        ("HTTP/1.1 400 Bad\tRequest\r\nConnection: close\r\n\r\n", r"HTTP/1.1 400 Bad\tRequest"),
        ("HTTP/1.1 404", "HTTP/1.1 404"),
        (&long, &long[..64]),
    ] {
        let (client, server) = client();
        send(&server, reply.as_bytes(), &[]);
        let error = client.call::<()>("Peer.Any", &()).unwrap_err();
        assert!(matches!(&error, Error::Http { said: line, .. } if line == said), "{error:?}");
        assert_finished(&client, &server, said);
    }
}

#[test]
fn a_server_that_ends_without_a_reply_or_in_the_middle_of_one_finishes_it() {
    let ends = [("", "without a reply"), (r#"{"success":tr"#, "in the middle of a message")];
    for (sent, said) in ends {
        let (client, server) = client();
        let (file, probe) = Probe::new();
        send(&server, format!(" {sent}").as_bytes(), &[file.as_fd()]);
        server.shutdown_send().unwrap();
        drop(file);
        let error = client.call::<()>("Peer.Any", &()).unwrap_err();
        let Error::Disconnected { mid_message: true, without_reply, .. } = error else {
            panic!("{error:?}");
        };
        assert_eq!(without_reply, sent.is_empty());
        assert!(!error.is_usable() && error.to_string().ends_with(said), "{error}");
        assert_finished(&client, &server, said);
        probe.wait_closed();
    }
}

#[test]
fn a_server_that_is_gone_finishes_it() {
    let (client, server) = client();
    drop(server);
    let error = client.call::<()>("Peer.Any", &()).unwrap_err();
    assert!(matches!(error, Error::Disconnected { .. }) && !error.is_usable(), "{error:?}");
    assert!(matches!(client.call::<()>("Peer.Any", &()), Err(Error::Finished(_))));
}

#[test]
fn closing_ends_a_blocked_call_and_those_that_wait_for_their_turn() {
    for limits in [Limits::for_client(), Limits { call_time: Some(HOUR), ..Limits::for_client() }] {
        let (client, server) = client_with(limits);
        let calls: Vec<_> = (0..3).map(|_| call_on_a_thread(&client)).collect();
        read_message(&server);
        client.close();
        client.close();
        for call in calls {
            assert!(matches!(join(call), Err(Error::Closed)));
        }
        assert!(matches!(client.call::<()>("Peer.Any", &()), Err(Error::Closed)));
        assert_eq!(read_to_end(&server).0, b"");
    }
}

const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn closing_ends_a_call_that_is_blocked_in_sending() {
    let (client, server) = client();
    let caller = Arc::clone(&client);
    let call = thread::spawn(move || caller.call::<i64>("Peer.Any", &"x".repeat(1 << 20)));
    server.receive(&mut [0; 16], 0).unwrap();
    client.close();
    assert!(matches!(join(call), Err(Error::Closed)));
}

#[test]
fn dropping_it_ends_the_connection_even_if_the_descriptor_lives_on() {
    let (ours, theirs) = Socket::pair().unwrap();
    let copy = ours.as_fd().try_clone_to_owned().unwrap();
    drop(Client::new(ours));
    assert_eq!(read_to_end(&theirs).0, b"");
    drop(copy);
}
