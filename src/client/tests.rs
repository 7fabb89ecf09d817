//! The order of calls, and what a finished call leaves.

use std::io::Read;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use super::Client;
use crate::error::Error;
use crate::socket::Socket;
use crate::test_limit::limit_test;

#[test]
fn the_turn_goes_to_whoever_came_first() {
    let (ours, _theirs) = Socket::pair().unwrap();
    let client = Client::new(ours);
    let mut turns = client.turns.lock();
    turns.waiting.extend([1, 2, 3]);
    assert!(turns.try_acquire(Some(2)).is_none());
    let Some(Ok(channel)) = turns.try_acquire(Some(1)) else {
        panic!("it was the first one's turn")
    };
    assert!(turns.try_acquire(Some(2)).is_none(), "the first one has the channel");
    turns.channel = Some(channel);
    assert!(turns.try_acquire(Some(3)).is_none());
    assert!(turns.try_acquire(None).is_none(), "a new call has to queue up");
    // A call that waited too long leaves, and the next one moves up.
    turns.dequeue(Some(2));
    assert!(matches!(turns.try_acquire(Some(3)), Some(Ok(_))));
}

#[test]
fn closing_ends_a_waiting_call_also_while_the_turn_is_held_up() {
    let (ours, _theirs) = Socket::pair().unwrap();
    let client = Arc::new(Client::new(ours));
    let _held = client.turns.lock().channel.take();
    let (caller, (ends, ended)) = (Arc::clone(&client), std::sync::mpsc::channel());
    std::thread::spawn(move || ends.send(caller.call::<()>("Peer.Any", &())));
    while client.turns.lock().waiting.is_empty() {
        std::thread::yield_now();
    }
    client.close();
    let outcome = ended.recv_timeout(std::time::Duration::from_secs(10));
    assert!(matches!(outcome, Ok(Err(Error::Closed))), "{outcome:?}");
}

#[test]
fn a_panic_before_the_reply_is_whole_finishes_it() {
    let (ours, theirs) = Socket::pair().unwrap();
    theirs.send(br#"{"success":true}"#, &[]).unwrap();
    let client = Client::new(ours);
    let exchange = || -> Result<(), Error> {
        client.turns.acquire(None)?.begin_exchange();
        panic!("in the middle of a message");
    };
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(exchange)).unwrap_err();
    assert!(matches!(client.call::<()>("Peer.Any", &()), Err(Error::Finished(_))));
}

#[test]
fn memory_for_an_argument_that_was_not_sent_is_given_up() {
    limit_test();
    let (ours, _theirs) = Socket::pair().unwrap();
    let client = Client::new(ours);
    let half = format!("[\"{}\"", "x".repeat(3 << 20));
    let error = client.call_raw("Peer.Any", half.as_bytes(), &[]).unwrap_err();
    assert!(matches!(error, Error::Argument { .. }), "{error:?}");
    let capacity =
        client.turns.lock().channel.as_ref().map(|channel| channel.sender.write_buffer.capacity());
    assert!(capacity.is_some_and(|bytes| bytes <= 2 << 20), "{capacity:?}");
}

#[test]
fn memory_for_a_large_reply_is_freed_after_its_call() {
    let (ours, theirs) = Socket::pair().unwrap();
    let client = Client::new(ours);
    let reply = format!("{{\"success\":true,\"result\":\"{}\"}}", "x".repeat(5 << 20));
    let answering = std::thread::spawn(move || {
        let mut sent = 0;
        while sent < reply.len() {
            sent += theirs.send(&reply.as_bytes()[sent..], &[]).unwrap();
        }
    });
    let result: String = client.call("Peer.Any", &()).unwrap();
    answering.join().unwrap();
    assert_eq!(result.len(), 5 << 20);
    let turns = client.turns.lock();
    let receiver = turns.channel.as_ref().map(|channel| &channel.receiver);
    assert!(receiver.is_some_and(|receiver| !receiver.holds_large_buffer()));
}

#[test]
fn a_peer_that_refuses_the_rest_of_a_call_is_heard_and_the_client_is_of_no_further_use() {
    limit_test();
    for (reply, said) in [
        (&br#"{"success":false,"err":"too long"}"#[..], "Peer.Any: remote error: too long"),
        (br#"{"success":true,"err":"","result":1}"#, "the middle of a message"),
        (br#"{"success":false,"err":"too"#, "the middle of a message"),
        (b"", "the middle of a message"),
    ] {
        let (ours, theirs) = Socket::pair().unwrap();
        let client = Client::new(ours);
        let refusing = std::thread::spawn(move || {
            theirs.receive(&mut [0; 100], 0).unwrap();
            theirs.send(reply, &[]).unwrap();
        });
        // More than the queues hold, so it is not all sent when the peer closes.
        let call = || client.call::<()>("Peer.Any", &"x".repeat(4 << 20)).unwrap_err();
        let error = call();
        refusing.join().unwrap();
        assert!(error.to_string().contains(said), "{error}");
        assert!(!call().is_usable());
    }
}

#[test]
fn a_peer_that_reads_no_more_of_a_call_and_says_nothing_is_not_waited_for() {
    limit_test();
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let client = Client::new(Socket::from(ours));
    let refusing = std::thread::spawn(move || {
        theirs.read_exact(&mut [0; 100]).unwrap();
        theirs.shutdown(Shutdown::Read).unwrap();
        // With room in the queue the next send finds out.
        while theirs.read(&mut [0; 4096]).unwrap() > 0 {}
        theirs
    });
    let error = client.call::<()>("Peer.Any", &"x".repeat(4 << 20)).unwrap_err();
    assert!(matches!(error, Error::Disconnected { mid_message: true, .. }), "{error:?}");
    drop(refusing.join().unwrap());
}

#[test]
fn what_follows_a_raw_argument_is_told_with_its_place() {
    let (ours, _theirs) = Socket::pair().unwrap();
    let client = Client::new(ours);
    let error = client.call_raw("Peer.Any", b"1 x", &[]).unwrap_err();
    assert!(error.to_string().contains("invalid character 'x' at byte 2"), "{error}");
}
