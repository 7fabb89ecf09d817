//! Whether the peer is gone, without a call.

use std::sync::Arc;
use std::thread;

use super::{answered, client, join};
use crate::support::{read_message, send, success};
use urpc::{Client, Socket};

#[test]
fn a_peer_that_is_there_is_not_gone_whatever_it_has_sent() {
    let (client, server) = client();
    assert!(!client.is_peer_gone());
    assert_eq!(answered::<i64>(&client, &server, &success("1")).unwrap(), 1);
    assert!(!client.is_peer_gone());
    send(&server, b" ", &[]);
    assert!(!client.is_peer_gone());
}

#[test]
fn a_peer_that_closed_its_end_is_gone() {
    let (client, server) = client();
    drop(server);
    assert!(client.is_peer_gone());
    // Data that is queued on either side makes no difference.
    for is_ours in [true, false] {
        let (ours, theirs) = Socket::pair().unwrap();
        send(if is_ours { &ours } else { &theirs }, b" ", &[]);
        let client = Client::new(ours);
        assert!(!client.is_peer_gone());
        drop(theirs);
        assert!(client.is_peer_gone());
    }
}

#[test]
fn a_peer_that_can_send_no_reply_any_more_is_gone() {
    let (client, server) = client();
    server.shutdown_send().unwrap();
    assert!(client.is_peer_gone());
}

#[test]
fn it_can_be_asked_while_a_call_runs_which_goes_on() {
    let (client, server) = client();
    let caller = Arc::clone(&client);
    let call = thread::spawn(move || caller.call::<i64>("Peer.Any", &()));
    read_message(&server);
    assert!(!client.is_peer_gone());
    send(&server, br#"{"success":true,"#, &[]);
    assert!(!client.is_peer_gone());
    send(&server, br#""result":7}"#, &[]);
    server.shutdown_send().unwrap();
    assert!(client.is_peer_gone());
    assert_eq!(join(call).unwrap(), 7, "the call was sent before");
}

#[test]
fn a_client_that_was_closed_or_is_finished_has_no_peer() {
    let (closed, _server) = client();
    closed.close();
    assert!(closed.is_peer_gone());
    let (finished, server) = client();
    answered::<i64>(&finished, &server, "nonsense").unwrap_err();
    assert!(finished.is_peer_gone());
}
