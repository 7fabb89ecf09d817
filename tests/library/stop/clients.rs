//! Clients, listeners and handles of a server that stops.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use super::{ECHO, HOUR, WAIT, assert_ended, join, peer, peer_with, stop_on_a_thread};
use crate::support::{
    Gate, Scratch, connect, read_message, read_to_end, send, success, within_timeout,
};
use urpc::{Client, Error, Event, Limits, Listener, Server, Service, Socket};

/// A client whose call waits at the gate.
fn busy_client(server: &Server, gate: &Gate) -> Socket {
    let socket = connect(server);
    send(&socket, WAIT, &[]);
    gate.wait_for(1);
    socket
}

#[test]
fn without_clients_it_returns_at_once_whatever_its_timeout() {
    within_timeout(|| {
        let (server, _) = peer();
        server.stop(HOUR);
        server.stop(Duration::ZERO);
        assert_eq!(server.stop_within(HOUR, HOUR), 0);
    });
}

#[test]
fn idle_clients_are_closed_by_the_time_it_returns() {
    let (server, _) = peer();
    let clients: Vec<_> = (0..5).map(|_| connect(&server)).collect();
    send(&clients[0], ECHO, &[]);
    assert_eq!(read_message(&clients[0]).0, success("7"));
    let stopped = server.clone();
    within_timeout(move || stopped.stop(Duration::ZERO));
    clients.iter().for_each(assert_ended);
}

#[test]
fn a_running_call_is_finished_and_answered_and_no_other_begun() {
    let (server, gate) = peer();
    let busy = busy_client(&server, &gate);
    send(&busy, ECHO, &[]);
    let idle = connect(&server);
    let stop = stop_on_a_thread(&server, Duration::ZERO);
    // Clients are stopped in the order in which they came. The stop has reached the busy one by
    // now.
    assert_ended(&idle);
    gate.open();
    let replies = read_to_end(&busy).0;
    assert_eq!(String::from_utf8(replies).unwrap(), success("7"), "the second call is dropped");
    join(stop);
}

#[test]
fn within_its_timeout_calls_are_served_and_the_last_to_leave_ends_it() {
    let (server, _) = peer();
    let begun = Gate::new();
    let inner = begun.clone();
    server.register(Service::new("Stops", ()).on_stop(move |_| inner.pass()));
    begun.open();
    let client = Client::new(connect(&server));
    let stop = stop_on_a_thread(&server, HOUR);
    begun.wait_for(1);
    for n in 0..3 {
        assert_eq!(client.call::<i64>("Peer.Echo", &n).unwrap(), n);
    }
    client.close();
    join(stop);
}

#[test]
fn after_its_timeout_the_clients_that_stayed_are_closed() {
    let (server, _) = peer();
    let client = connect(&server);
    let stop = stop_on_a_thread(&server, Duration::from_millis(10));
    assert_ended(&client);
    join(stop);
}

#[test]
fn who_connects_once_it_has_begun_is_closed_at_once_with_the_reason() {
    let (server, gate) = peer();
    let busy = busy_client(&server, &gate);
    let idle = connect(&server);
    let stop = stop_on_a_thread(&server, Duration::ZERO);
    assert_ended(&idle);
    for handle in [Server::handle, Server::start_handling] {
        let (ours, theirs) = Socket::pair().unwrap();
        assert!(matches!(handle(&server, theirs), Err(Error::Stopped)));
        assert_ended(&ours);
    }
    gate.open();
    assert_eq!(read_message(&busy).0, success("7"));
    join(stop);
}

#[test]
fn a_stopped_server_serves_no_listener_and_stays_stopped() {
    let scratch = Scratch::new("stopped");
    let listener = Listener::bind(scratch.path("s")).unwrap();
    let (server, _) = peer();
    server.stop(Duration::ZERO);
    let stopped = server.clone();
    let listener = within_timeout(move || {
        assert!(matches!(stopped.serve(&listener), Err(Error::Stopped)));
        listener
    });
    let (_ours, theirs) = Socket::pair().unwrap();
    assert!(matches!(server.start_handling(theirs), Err(Error::Stopped)));
    let unused = Listener::bind(scratch.path("unused")).unwrap();
    assert!(matches!(server.start_serving(unused), Err(Error::Stopped)));
    assert!(!scratch.path("unused").exists(), "the listener is closed");
    // The listener was not shut down: another server can use it.
    let (other, _) = peer();
    let loop_thread = other.start_serving(listener).unwrap();
    let client = Client::connect(scratch.path("s")).unwrap();
    assert_eq!(client.call::<i64>("Peer.Echo", &3).unwrap(), 3);
    other.stop(Duration::ZERO);
    within_timeout(move || loop_thread.join().unwrap()).unwrap();
}

#[test]
fn two_threads_can_stop_it_at_once_and_both_wait() {
    let (server, gate) = peer();
    let busy = busy_client(&server, &gate);
    let idle = connect(&server);
    let stops =
        [stop_on_a_thread(&server, Duration::ZERO), stop_on_a_thread(&server, Duration::ZERO)];
    assert_ended(&idle);
    gate.open();
    assert_eq!(read_message(&busy).0, success("7"));
    stops.into_iter().for_each(join);
    assert_ended(&busy);
}

#[test]
fn a_call_that_comes_at_the_same_moment_is_answered_or_not_begun() {
    for round in 0..200 {
        let ended = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&ended);
        let (server, _) = peer_with(Server::builder().after_call(move || {
            counted.fetch_add(1, Ordering::SeqCst);
        }));
        let ran = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&ran);
        server.register(Service::new("Count", ()).method("Me", move |_: &(), n: i64| {
            counted.fetch_add(1, Ordering::SeqCst);
            Ok::<_, String>(n)
        }));
        let client = Client::new(connect(&server));
        let start = Arc::new(std::sync::Barrier::new(2));
        let at_start = Arc::clone(&start);
        let calls = thread::spawn(move || {
            at_start.wait();
            (0..)
                .take_while(|n| client.call::<i64>("Count.Me", n).is_ok_and(|got| got == *n))
                .count()
        });
        start.wait();
        // Each round waits a different time, as far as possible.
        (0..round).for_each(|_| std::hint::spin_loop());
        let stopped = server.clone();
        within_timeout(move || stopped.stop(Duration::ZERO));
        let (ran, ended) = (ran.load(Ordering::SeqCst), ended.load(Ordering::SeqCst));
        assert_eq!(calls.join().unwrap(), ran, "each call that ran was answered");
        assert!(
            ended == ran || ended == ran + 1,
            "{ended} ended, {ran} ran: one call may be dropped"
        );
    }
}

#[test]
fn clients_that_are_connecting_are_served_or_turned_away() {
    for _ in 0..20 {
        let scratch = Scratch::new("connecting");
        let listener = Listener::bind(scratch.path("s")).unwrap();
        let (server, _) = peer();
        let loop_thread = server.start_serving(listener).unwrap();
        let path = scratch.path("s");
        let (served, first) = mpsc::sync_channel(1);
        let callers = thread::spawn(move || {
            // Ends when nobody listens there or nobody answers.
            while let Ok(client) = Client::connect(&path) {
                match client.call::<i64>("Peer.Echo", &1) {
                    Ok(reply) => assert_eq!(reply, 1),
                    Err(error) => {
                        assert!(matches!(error, Error::Disconnected { .. }), "{error:?}");
                        break;
                    }
                }
                let _ = served.try_send(());
            }
        });
        first.recv().unwrap();
        within_timeout(move || server.stop(Duration::ZERO));
        within_timeout(move || loop_thread.join().unwrap()).unwrap();
        within_timeout(move || callers.join().unwrap());
    }
}

#[test]
fn dropping_the_last_handle_closes_the_idle_lets_calls_end_and_waits_for_nobody() {
    let (server, gate) = peer();
    let busy = busy_client(&server, &gate);
    let idle = connect(&server);
    let other = server.clone();
    drop(server);
    send(&idle, ECHO, &[]);
    assert_eq!(read_message(&idle).0, success("7"), "a handle is left");
    within_timeout(move || drop(other));
    assert_ended(&idle);
    gate.open();
    assert_eq!(read_message(&busy).0, success("7"));
    assert_ended(&busy);
}

#[test]
fn it_wakes_an_accept_loop_that_waits_for_room() {
    let scratch = Scratch::new("room");
    let listener = Listener::bind(scratch.path("s")).unwrap();
    let limits = Limits { clients: 1, ..Limits::default() };
    let (server, gate) = peer_with(Server::builder().limits(limits));
    let busy = busy_client(&server, &gate);
    let loop_thread = server.start_serving(listener).unwrap();
    let waiting = Socket::connect(scratch.path("s")).unwrap();
    let stop = stop_on_a_thread(&server, Duration::ZERO);
    within_timeout(move || loop_thread.join().unwrap()).unwrap();
    // The listener was dropped with its loop, and so was the connection that it had not accepted.
    assert_ended(&waiting);
    gate.open();
    assert_eq!(read_message(&busy).0, success("7"));
    join(stop);
}

// In a smaller address space, any stack that can be requested may fit.
#[cfg(target_pointer_width = "64")]
#[test]
fn the_time_for_clients_to_leave_is_not_spent_on_an_accept_loop() {
    let scratch = Scratch::new("held");
    let listener = Listener::bind(scratch.path("s")).unwrap();
    let gate = Gate::new();
    let inner = gate.clone();
    let builder = Server::builder().observe(move |event| {
        if let Event::Refused { reason: Error::Io { .. } } = event {
            inner.pass();
        }
    });
    // No thread can have a stack of that size, so the accept loop refuses the client.
    let limits = Limits { stack_bytes: usize::MAX / 8, ..Limits::default() };
    let server = builder.limits(limits).build();
    let loop_thread = server.start_serving(listener).unwrap();
    let _client = Socket::connect(scratch.path("s")).unwrap();
    gate.wait_for(1);
    assert_eq!(within_timeout(move || server.stop_within(HOUR, Duration::ZERO)), 0);
    gate.open();
    within_timeout(move || loop_thread.join().unwrap()).unwrap();
}
