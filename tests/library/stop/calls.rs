//! Calls and callbacks under way while a server stops.

use std::os::fd::AsFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use super::{ECHO, HOUR, WAIT, assert_ended, join, peer, peer_with, stop_on_a_thread};
use crate::support::{
    Gate, Journal, Probe, connect, failure, read_message, read_to_end, send, success,
    within_timeout,
};
use urpc::{Event, Limits, Outcome, Server, Service, Socket};

#[test]
fn stop_callbacks_run_once_in_order_on_the_stopping_thread_before_anybody_is_closed() {
    let (server, journal) = (Server::new(), Journal::new());
    let idle = connect(&server);
    for name in ["one", "two", "three"] {
        let journal = journal.clone();
        server.register(Service::new(name, name).on_stop(move |name| {
            journal.note(format!("{name} on {:?}", thread::current().id()));
            assert_ne!(*name, "two", "the other callbacks run after a panic");
        }));
    }
    let gone = idle.as_fd().try_clone_to_owned().unwrap();
    let journal_of_last = journal.clone();
    server.register(Service::new("last", ()).on_stop(move |_| {
        // The client is still being served: no callback has ended.
        let socket = Socket::from_fd(gone).unwrap();
        send(&socket, br#"{"method":"No.No"}"#, &[]);
        journal_of_last.note(read_message(&socket).0);
    }));
    server.stop(Duration::ZERO);
    server.stop(Duration::ZERO);
    let here = thread::current().id();
    let expected = ["one", "two", "three"].map(|name| format!("{name} on {here:?}"));
    assert_eq!(journal.entries()[..3], expected);
    assert_eq!(journal.entries()[3..], [failure("unknown method")]);
}

#[test]
fn it_returns_after_the_last_after_call_callback() {
    let (gate, journal) = (Gate::new(), Journal::new());
    let (inner, notes) = (gate.clone(), journal.clone());
    let (server, _) = peer_with(Server::builder().after_call(move || {
        inner.pass();
        notes.note("called");
    }));
    let client = connect(&server);
    send(&client, ECHO, &[]);
    gate.wait_for(1);
    assert_eq!(read_message(&client).0, success("7"));
    // The client is idle by now and is closed. The stop still waits for its callback.
    let bounded = server.clone();
    let still = within_timeout(move || bounded.stop_within(Duration::ZERO, Duration::ZERO));
    assert_eq!(still, 0, "no method runs");
    let (stopping, notes) = (server.clone(), journal.clone());
    let stop = thread::spawn(move || {
        stopping.stop(Duration::ZERO);
        notes.note("stopped");
    });
    assert_ended(&client);
    gate.open();
    join(stop);
    assert_eq!(journal.entries(), ["called", "stopped"]);
}

#[test]
fn a_call_that_was_queued_when_its_client_was_closed_is_dropped() {
    let (gate, calls, journal) = (Gate::new(), Arc::new(AtomicUsize::new(0)), Journal::new());
    let (inner, counted, notes) = (gate.clone(), Arc::clone(&calls), journal.clone());
    let builder = Server::builder()
        .after_call(move || {
            counted.fetch_add(1, Ordering::SeqCst);
            inner.pass();
        })
        .observe(move |event| {
            if let Event::CallEnded { outcome, .. } = event {
                notes.note(format!("{outcome:?}"));
            }
        });
    let (server, _) = peer_with(builder);
    let client = connect(&server);
    send(&client, ECHO, &[]);
    // The client is idle and its thread still in the callback. The second call arrives.
    gate.wait_for(1);
    let (file, probe) = Probe::new();
    send(&client, ECHO, &[file.as_fd()]);
    drop(file);
    let idle = connect(&server);
    let stop = stop_on_a_thread(&server, Duration::ZERO);
    assert_ended(&idle);
    gate.open();
    let replies = read_to_end(&client).0;
    assert_eq!(String::from_utf8(replies).unwrap(), success("7"));
    join(stop);
    probe.wait_closed();
    assert_eq!(calls.load(Ordering::SeqCst), 2, "the callback also runs for dropped calls");
    assert_eq!(journal.entries(), [Outcome::Succeeded, Outcome::Dropped].map(|o| format!("{o:?}")));
}

#[test]
fn half_a_message_does_not_delay_it() {
    let (server, _) = peer();
    let (client, (file, probe)) = (connect(&server), Probe::new());
    send(&client, &ECHO[..9], &[file.as_fd()]);
    drop(file);
    let stopped = server.clone();
    within_timeout(move || stopped.stop(Duration::ZERO));
    assert_ended(&client);
    probe.wait_closed();
}

#[test]
fn the_bounded_form_says_how_many_methods_never_return() {
    let (server, gate) = peer();
    let (one, two) = (connect(&server), connect(&server));
    send(&one, WAIT, &[]);
    send(&two, WAIT, &[]);
    gate.wait_for(2);
    let (bounded, idle) = (server.clone(), connect(&server));
    let limit = Duration::from_millis(10);
    assert_eq!(within_timeout(move || bounded.stop_within(Duration::ZERO, limit)), 2);
    // All sockets were shut down, also those of running calls.
    [&one, &two, &idle].into_iter().for_each(assert_ended);
    gate.open();
    let bounded = server.clone();
    assert_eq!(within_timeout(move || bounded.stop_within(Duration::ZERO, HOUR)), 0);
}

#[test]
fn a_peer_that_never_takes_its_reply_delays_it_to_the_limit_on_sends() {
    let send_time = Some(Duration::from_millis(20));
    let (server, returned) = big_peer(Limits { send_time, ..Limits::default() });
    let client = connect(&server);
    send(&client, br#"{"method":"Peer.Big","arg":null}"#, &[]);
    returned.recv().unwrap();
    let stopped = server.clone();
    within_timeout(move || stopped.stop(Duration::ZERO));
    assert!(read_to_end(&client).0.len() < 1 << 20, "only a part of the reply arrived");
}

#[test]
fn a_reply_that_is_not_taken_counts_for_no_method_that_runs() {
    let (server, returned) = big_peer(Limits { send_time: None, ..Limits::default() });
    let client = connect(&server);
    send(&client, br#"{"method":"Peer.Big","arg":null}"#, &[]);
    returned.recv().unwrap();
    // The first byte of the reply shows that the method has returned.
    client.receive(&mut [0], 0).unwrap();
    let limit = Duration::from_millis(10);
    let bounded = server.clone();
    assert_eq!(within_timeout(move || bounded.stop_within(Duration::ZERO, limit)), 0);
    within_timeout(move || server.stop(Duration::ZERO));
}

#[test]
fn a_call_that_was_answered_counts_for_no_method_that_runs() {
    let (server, gate) = (Server::new(), Gate::new());
    let inner = gate.clone();
    server.register(
        Service::new("Peer", ())
            .method("Held", move |_: &(), _: ()| Ok::<_, String>(HeldBack(inner.clone()))),
    );
    let client = connect(&server);
    send(&client, br#"{"method":"Peer.Held","arg":null}"#, &[]);
    assert_eq!(read_message(&client).0, success("null"));
    gate.wait_for(1);
    let (bounded, limit) = (server.clone(), Duration::from_millis(10));
    assert_eq!(within_timeout(move || bounded.stop_within(Duration::ZERO, limit)), 0);
    gate.open();
    within_timeout(move || server.stop(Duration::ZERO));
}

/// A result that delays the end of its call: it is dropped after the reply was sent.
struct HeldBack(Gate);

impl urpc::json::ToJson for HeldBack {
    fn encode(&self, encoder: &mut urpc::json::Encoder<'_>) -> Result<(), urpc::json::Aborted> {
        ().encode(encoder)
    }
}

impl Drop for HeldBack {
    fn drop(&mut self) {
        self.0.pass();
    }
}

/// A server whose method returns 1 MiB, and a message when it is about to return.
fn big_peer(limits: Limits) -> (Server, mpsc::Receiver<()>) {
    let (returns, returned) = mpsc::sync_channel(1);
    let server = Server::builder().limits(limits).build();
    server.register(Service::new("Peer", ()).method("Big", move |_: &(), _: ()| {
        returns.send(()).unwrap();
        Ok::<_, String>("x".repeat(1 << 20))
    }));
    (server, returned)
}

#[test]
fn a_method_that_panics_is_answered_and_delays_nothing() {
    let (server, gate) = peer();
    let inner = gate.clone();
    server.register(Service::new("Bad", ()).method("Panic", move |_: &(), _: ()| {
        inner.pass();
        if true {
            panic!("on purpose");
        }
        Ok::<_, String>(())
    }));
    let client = connect(&server);
    send(&client, br#"{"method":"Bad.Panic","arg":null}"#, &[]);
    gate.wait_for(1);
    let idle = connect(&server);
    let stop = stop_on_a_thread(&server, Duration::ZERO);
    assert_ended(&idle);
    gate.open();
    let replies = read_to_end(&client).0;
    assert_eq!(String::from_utf8(replies).unwrap(), failure("method panicked"));
    join(stop);
}
