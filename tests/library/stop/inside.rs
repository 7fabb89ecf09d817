//! Stop, called from inside the server: from a method, from two methods at once, and from every
//! callback.

use std::sync::{Arc, Barrier, OnceLock};
use std::time::Duration;

use super::ECHO;
use crate::support::{
    Gate, Journal, Scratch, connect, failure, read_message, read_to_end, send, success,
    within_timeout,
};
use urpc::{Client, Error, Event, Limits, Listener, Server, ServerBuilder, Service, Socket};

const STOP: &[u8] = br#"{"method":"Peer.Stop","arg":null}"#;

/// A server's handle for code that runs inside the server. It keeps the server until the test
/// program ends, so no test here relies on dropping a server.
#[derive(Clone, Default)]
struct Inside(Arc<OnceLock<Server>>);

impl Inside {
    fn new() -> Inside {
        Inside::default()
    }

    fn stop(&self) {
        self.0.get().unwrap().stop(Duration::ZERO);
    }

    /// Builds the server that this stops, with methods to echo and to stop it.
    fn build(&self, builder: ServerBuilder) -> Server {
        let server = builder.build();
        assert!(self.0.set(server.clone()).is_ok());
        let inside = self.clone();
        server.register(
            Service::new("Peer", ()).method("Echo", |_: &(), n: i64| Ok::<_, String>(n)).method(
                "Stop",
                move |_: &(), _: ()| {
                    inside.stop();
                    Ok::<_, String>("stopped")
                },
            ),
        );
        server
    }
}

fn assert_replies(socket: &Socket, expected: &str) {
    assert_eq!(String::from_utf8_lossy(&read_to_end(socket).0), expected);
}

/// Checks that the server is stopped and all clients have left.
fn assert_stopped(server: &Server) {
    let stopped = server.clone();
    within_timeout(move || stopped.stop(Duration::ZERO));
    let (_ours, theirs) = Socket::pair().unwrap();
    assert!(matches!(server.start_handling(theirs), Err(Error::Stopped)));
}

#[test]
fn a_method_that_stops_the_server_is_answered_and_its_client_then_closed() {
    let inside = Inside::new();
    let server = inside.build(Server::builder());
    let (caller, idle) = (connect(&server), connect(&server));
    send(&caller, STOP, &[]);
    assert_replies(&caller, &success("\"stopped\""));
    assert_replies(&idle, "");
    assert_stopped(&server);
}

#[test]
fn two_methods_that_stop_the_server_at_once_do_not_wait_for_each_other() {
    let inside = Inside::new();
    let server = inside.build(Server::builder());
    let meeting = Arc::new(Barrier::new(2));
    let inner = inside.clone();
    server.register(Service::new("Both", ()).method("Stop", move |_: &(), _: ()| {
        meeting.wait();
        inner.stop();
        // Each has returned from its stop while the other may still be in its stop, and both end.
        Ok::<_, String>("stopped")
    }));
    let clients = [connect(&server), connect(&server)];
    for client in &clients {
        send(client, br#"{"method":"Both.Stop","arg":null}"#, &[]);
    }
    clients.iter().for_each(|client| assert_replies(client, &success("\"stopped\"")));
    assert_stopped(&server);
}

#[test]
fn a_method_that_stops_waits_for_one_that_does_not() {
    let (inside, gate, journal) = (Inside::new(), Gate::new(), Journal::new());
    let server = inside.build(Server::builder());
    let (inner, notes) = (gate.clone(), journal.clone());
    server.register(Service::new("Slow", ()).method("Wait", move |_: &(), _: ()| {
        inner.pass();
        notes.note("waited");
        Ok::<_, String>(())
    }));
    let (inner, notes) = (inside.clone(), journal.clone());
    server.register(Service::new("Noted", ()).method("Stop", move |_: &(), _: ()| {
        inner.stop();
        notes.note("stopped");
        Ok::<_, String>(())
    }));
    let (slow, stopping, idle) = (connect(&server), connect(&server), connect(&server));
    send(&slow, br#"{"method":"Slow.Wait","arg":null}"#, &[]);
    gate.wait_for(1);
    send(&stopping, br#"{"method":"Noted.Stop","arg":null}"#, &[]);
    assert_replies(&idle, "");
    gate.open();
    assert_replies(&slow, &success("null"));
    assert_replies(&stopping, &success("null"));
    assert_eq!(journal.entries(), ["waited", "stopped"]);
}

#[test]
fn a_stop_from_outside_waits_for_a_call_that_is_inside_stop() {
    let (inside, gate) = (Inside::new(), Gate::new());
    let server = inside.build(Server::builder());
    let inner = gate.clone();
    server.register(Service::new("Stops", ()).on_stop(move |_| inner.pass()));
    let caller = connect(&server);
    send(&caller, STOP, &[]);
    // The call is inside stop, in the callback. A stop from outside must still wait for it.
    gate.wait_for(1);
    let outside = server.clone();
    let limit = Duration::from_millis(10);
    let running = within_timeout(move || outside.stop_within(Duration::ZERO, limit));
    assert_eq!(running, 1);
    gate.open();
    assert_stopped(&server);
}

#[test]
fn an_after_call_callback_can_stop_the_server() {
    let inside = Inside::new();
    let inner = inside.clone();
    let server = inside.build(Server::builder().after_call(move || inner.stop()));
    let (caller, idle) = (connect(&server), connect(&server));
    send(&caller, ECHO, &[]);
    assert_replies(&caller, &success("7"));
    assert_replies(&idle, "");
    assert_stopped(&server);
}

#[test]
fn a_check_can_stop_the_server() {
    let inside = Inside::new();
    let inner = inside.clone();
    let server = inside.build(Server::builder().authorize(move |_| {
        inner.stop();
        true
    }));
    assert_replies(&connect(&server), "");
    assert_stopped(&server);
}

#[test]
fn a_stop_callback_can_stop_the_server_and_register_services() {
    let inside = Inside::new();
    let server = inside.build(Server::builder());
    let (inner, journal) = (inside.clone(), Journal::new());
    let notes = journal.clone();
    server.register(Service::new("Stops", ()).on_stop(move |_| {
        inner
            .0
            .get()
            .unwrap()
            .register(Service::new("Late", ()).method("Echo", |_: &(), n: i64| Ok::<_, String>(n)));
        inner.stop();
        notes.note("stopped");
    }));
    let idle = connect(&server);
    let stopping = server.clone();
    within_timeout(move || stopping.stop(Duration::ZERO));
    assert_eq!(journal.entries(), ["stopped"]);
    assert_replies(&idle, "");
    assert_stopped(&server);
}

/// The observer stops the server at the events that `at` selects. The client sends `bytes` and must
/// receive `expected` and then the end.
#[track_caller]
fn assert_observer_stops(at: fn(&Event<'_>) -> bool, bytes: &[u8], expected: &str) {
    let inside = Inside::new();
    let inner = inside.clone();
    let builder = Server::builder().observe(move |event| {
        if at(event) {
            inner.stop();
        }
    });
    let limits = Limits { clients: 1, message_bytes: 64, ..Limits::default() };
    let server = inside.build(builder.limits(limits));
    let (client, theirs) = Socket::pair().unwrap();
    send(&client, bytes, &[]);
    client.shutdown_send().unwrap();
    server.start_handling(theirs).unwrap();
    assert_replies(&client, expected);
    assert_stopped(&server);
}

#[test]
fn an_observer_can_stop_the_server_at_every_event() {
    assert_observer_stops(|event| matches!(event, Event::Accepted { .. }), b"", "");
    let reply = success("7");
    assert_observer_stops(|event| matches!(event, Event::CallStarted { .. }), ECHO, &reply);
    assert_observer_stops(|event| matches!(event, Event::CallEnded { .. }), ECHO, &reply);
    assert_observer_stops(|event| matches!(event, Event::Disconnected { .. }), ECHO, &reply);
    assert_observer_stops(|event| matches!(event, Event::MessageRefused { .. }), b"{]", "");
    let too_large = format!("{{{}}}", " ".repeat(64));
    let refused = |event: &Event<'_>| matches!(event, Event::MessageRefused { .. });
    // The server is stopped before it can reply with the reason.
    assert_observer_stops(refused, too_large.as_bytes(), "");
}

#[test]
fn an_observer_can_stop_the_server_when_a_client_is_refused() {
    let inside = Inside::new();
    let inner = inside.clone();
    let builder = Server::builder().observe(move |event| {
        if let Event::Refused { reason: Error::TooManyClients { .. } } = event {
            inner.stop();
        }
    });
    let server = inside.build(builder.limits(Limits { clients: 1, ..Limits::default() }));
    let first = connect(&server);
    let (_second, theirs) = Socket::pair().unwrap();
    let refusing = server.clone();
    let refused = within_timeout(move || refusing.start_handling(theirs));
    assert!(matches!(refused, Err(Error::TooManyClients { limit: 1 })));
    assert_replies(&first, "");
    assert_stopped(&server);
}

// In a smaller address space, any stack that can be requested may fit.
#[cfg(target_pointer_width = "64")]
#[test]
fn an_observer_on_the_accept_loops_thread_can_stop_the_server() {
    let scratch = Scratch::new("loop");
    let listener = Listener::bind(scratch.path("s")).unwrap();
    let inside = Inside::new();
    let inner = inside.clone();
    let builder = Server::builder().observe(move |event| {
        if let Event::Refused { reason: Error::Io { .. } } = event {
            inner.stop();
        }
    });
    // No thread can have a stack of that size, so the accept loop refuses the client.
    let server =
        inside.build(builder.limits(Limits { stack_bytes: usize::MAX / 8, ..Limits::default() }));
    let loop_thread = server.start_serving(listener).unwrap();
    let client = Socket::connect(scratch.path("s")).unwrap();
    within_timeout(move || loop_thread.join().unwrap()).unwrap();
    assert_replies(&client, "");
    assert_stopped(&server);
}

#[test]
fn handling_on_the_callers_thread_ends_with_a_stop_from_its_own_method() {
    let inside = Inside::new();
    let server = inside.build(Server::builder());
    let (ours, theirs) = Socket::pair().unwrap();
    send(&ours, STOP, &[]);
    let handled = within_timeout(move || server.handle(theirs));
    assert!(matches!(handled, Err(Error::Stopped)));
    assert_replies(&ours, &success("\"stopped\""));
}

#[test]
fn a_method_can_serve_another_client_on_its_thread_and_stop_from_there() {
    let inside = Inside::new();
    let server = inside.build(Server::builder());
    let inner = inside.clone();
    let (ours, theirs) = Socket::pair().unwrap();
    let nested = std::sync::Mutex::new(Some(theirs));
    server.register(Service::new("Nest", ()).method("Handle", move |_: &(), _: ()| {
        let socket = nested.lock().unwrap().take().ok_or("only once")?;
        match inner.0.get().unwrap().handle(socket) {
            Err(Error::Stopped) => Ok("the inner one was stopped"),
            _ => Err("the inner one ended otherwise"),
        }
    }));
    let outer = connect(&server);
    send(&outer, br#"{"method":"Nest.Handle","arg":null}"#, &[]);
    send(&ours, STOP, &[]);
    assert_replies(&ours, &success("\"stopped\""));
    assert_replies(&outer, &success("\"the inner one was stopped\""));
    assert_stopped(&server);
}

#[test]
fn one_servers_method_can_stop_another_server() {
    let (one, other) = (Inside::new(), Inside::new());
    let (first, second) = (one.build(Server::builder()), other.build(Server::builder()));
    let inner = other.clone();
    first.register(Service::new("Other", ()).method("Stop", move |_: &(), _: ()| {
        inner.stop();
        Ok::<_, String>(())
    }));
    let idle = connect(&second);
    let client = Client::new(connect(&first));
    client.call::<()>("Other.Stop", &()).unwrap();
    assert_replies(&idle, "");
    assert_eq!(
        client.call::<i64>("Peer.Echo", &1).unwrap(),
        1,
        "the outer server is still running"
    );
    assert_stopped(&second);
    let raw = connect(&first);
    send(&raw, br#"{"method":"No.No"}"#, &[]);
    assert_eq!(read_message(&raw).0, failure("unknown method"));
}
