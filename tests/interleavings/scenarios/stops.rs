//! A server's stop, from outside and inside, and what runs meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use super::{Gate, connection, count_replies, receive_all, received, settle};
use crate::interleavings::{Scenario, Time};
use crate::sync::thread;
use crate::{CallContext, Server, Service, Socket};

pub(super) const ALL: &[Scenario] = &[
    Scenario { name: "a call and a stop", time: Time::Stands, run: a_call_and_a_stop },
    Scenario { name: "a call, an idle client, a stop", time: Time::Stands, run: one_is_idle },
    Scenario { name: "two calls and a stop", time: Time::Stands, run: two_calls_and_a_stop },
    Scenario { name: "two stops, an idle client", time: Time::Stands, run: two_stops },
    Scenario { name: "two stops and a call", time: Time::Stands, run: two_stops_and_a_call },
    Scenario { name: "a stop inside and one outside", time: Time::Stands, run: inside_and_outside },
    Scenario { name: "two stops inside", time: Time::Stands, run: two_stops_inside },
    Scenario { name: "a stop that does not wait", time: Time::Passes, run: a_stop_within },
    Scenario { name: "methods that a stop leaves", time: Time::Stands, run: methods_left },
    Scenario { name: "the last handle goes", time: Time::Stands, run: the_last_handle_goes },
];

const CALL: &[u8] = br#"{"method":"Peer.Run","arg":{}}"#;
const STOP: &[u8] = br#"{"method":"Peer.Stop","arg":{}}"#;

/// Counts the methods that run and that have ended.
#[derive(Default)]
struct Runs {
    begun: AtomicUsize,
    ended: AtomicUsize,
}

impl Runs {
    fn running(&self) -> usize {
        self.begun.load(SeqCst) - self.ended.load(SeqCst)
    }
}

fn server() -> (Server, Arc<Runs>) {
    let (server, runs) = (Server::new(), Arc::new(Runs::default()));
    let service = Service::shared("Peer", Arc::clone(&runs))
        .method("Run", |runs: &Runs, ()| {
            runs.begun.fetch_add(1, SeqCst);
            runs.ended.fetch_add(1, SeqCst);
            Ok::<_, String>(())
        })
        .method_with_context("Stop", |runs: &Runs, (), context: &CallContext<'_>| {
            runs.begun.fetch_add(1, SeqCst);
            context.stop_server(Duration::ZERO);
            runs.ended.fetch_add(1, SeqCst);
            Ok::<_, String>(())
        });
    server.register(service);
    (server, runs)
}

/// Clients of the server, whose threads wait for a call.
fn clients<const N: usize>(server: &Server) -> [Socket; N] {
    settle(|| {
        [(); N].map(|()| {
            let (ours, theirs) = connection();
            server.start_handling(theirs).unwrap();
            ours
        })
    })
}

/// Each method that ran has been answered, once, and the connection has ended.
fn check_answers(runs: &Runs, clients: impl IntoIterator<Item = Socket>) {
    let mut replies = 0;
    for client in clients {
        let (text, has_ended) = received(client);
        assert!(has_ended, "{text}");
        replies += count_replies(&text);
    }
    assert_eq!((runs.running(), replies), (0, runs.ended.load(SeqCst)));
}

fn a_call_and_a_stop() {
    let (server, runs) = server();
    let (ours, theirs) = connection();
    server.start_handling(theirs).unwrap();
    let peer = thread::spawn(move || {
        let _ = ours.send(CALL, &[]);
        ours
    });
    server.stop(Duration::ZERO);
    assert_eq!(runs.running(), 0, "a method runs after the stop");
    check_answers(&runs, [peer.join()]);
}

fn two_calls_and_a_stop() {
    let (server, runs) = server();
    let clients = clients::<2>(&server);
    for client in &clients {
        client.send(CALL, &[]).unwrap();
    }
    server.stop(Duration::ZERO);
    check_answers(&runs, clients);
}

fn one_is_idle() {
    let (server, runs) = server();
    let clients = clients::<2>(&server);
    clients[0].send(CALL, &[]).unwrap();
    server.stop(Duration::ZERO);
    check_answers(&runs, clients);
}

fn two_stops() {
    let (server, runs) = server();
    let clients = clients::<1>(&server);
    let other = server.clone();
    let stopping = thread::spawn(move || other.stop(Duration::ZERO));
    server.stop(Duration::ZERO);
    stopping.join();
    check_answers(&runs, clients);
}

fn two_stops_and_a_call() {
    let (server, runs) = server();
    let [client] = clients(&server);
    client.send(CALL, &[]).unwrap();
    let other = server.clone();
    let stopping = thread::spawn(move || other.stop(Duration::ZERO));
    server.stop(Duration::ZERO);
    assert_eq!(runs.running(), 0);
    stopping.join();
    check_answers(&runs, [client]);
}

fn inside_and_outside() {
    let (server, runs) = server();
    let [client] = clients(&server);
    client.send(STOP, &[]).unwrap();
    server.stop(Duration::ZERO);
    check_answers(&runs, [client]);
}

/// Neither waits for the other, so both connections end.
fn two_stops_inside() {
    let (server, runs) = server();
    let clients = clients::<2>(&server);
    for client in &clients {
        client.send(STOP, &[]).unwrap();
    }
    let replies: usize = clients.iter().map(|client| count_replies(&receive_all(client))).sum();
    assert_eq!((runs.running(), replies), (0, runs.ended.load(SeqCst)));
}

/// The method ends only after the stop has returned.
fn a_stop_within() {
    let (server, gate) = (Server::new(), Gate::default());
    let method = gate.clone();
    let begun = Gate::default();
    let begins = begun.clone();
    server.register(Service::new("Peer", ()).method("Run", move |_: &(), ()| {
        begins.open();
        method.pass();
        Ok::<_, String>(())
    }));
    let [client] = clients(&server);
    client.send(CALL, &[]).unwrap();
    begun.pass();
    assert_eq!(server.stop_within(Duration::ZERO, Duration::from_secs(1)), 1);
    gate.open();
    server.stop(Duration::ZERO);
    // The reply cannot be sent any more.
    assert_eq!(received(client), (String::new(), true));
}

/// A stop that gives up says how many methods still run, and none begins later.
fn methods_left() {
    let (server, runs) = server();
    let [client] = clients(&server);
    settle(|| client.send(CALL, &[]).unwrap());
    client.send(CALL, &[]).unwrap();
    let left = server.stop_within(Duration::ZERO, Duration::ZERO);
    let ended = runs.ended.load(SeqCst);
    server.stop(Duration::ZERO);
    let later = runs.ended.load(SeqCst) - ended;
    assert!(later <= left, "{later} methods ended after the stop, and it said {left}");
    drop(client);
}

fn the_last_handle_goes() {
    let (server, runs) = server();
    let clients = clients::<1>(&server);
    clients[0].send(CALL, &[]).unwrap();
    let threads = [server.clone(), server].map(|handle| thread::spawn(move || drop(handle)));
    for thread in threads {
        thread.join();
    }
    drop((clients, runs));
}
