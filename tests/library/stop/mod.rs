//! Stop: what it waits for, what it closes, and what becomes of calls under way.

mod calls;
mod clients;
mod inside;

use std::thread;
use std::time::Duration;

use crate::support::{Gate, read_to_end, within_timeout};
use urpc::{Server, ServerBuilder, Service, Socket};

const HOUR: Duration = Duration::from_secs(3600);
const ECHO: &[u8] = br#"{"method":"Peer.Echo","arg":7}"#;
const WAIT: &[u8] = br#"{"method":"Peer.Wait","arg":7}"#;

/// A server with a method that waits at the gate, and the gate.
fn peer() -> (Server, Gate) {
    peer_with(Server::builder())
}

fn peer_with(builder: ServerBuilder) -> (Server, Gate) {
    let (server, gate) = (builder.build(), Gate::new());
    let inner = gate.clone();
    server.register(
        Service::new("Peer", ()).method("Echo", |_: &(), n: i64| Ok::<_, String>(n)).method(
            "Wait",
            move |_: &(), n: i64| {
                inner.pass();
                Ok::<_, String>(n)
            },
        ),
    );
    (server, gate)
}

/// Stops the server on a thread of its own.
fn stop_on_a_thread(server: &Server, timeout: Duration) -> thread::JoinHandle<()> {
    let server = server.clone();
    thread::spawn(move || server.stop(timeout))
}

/// Waits for a stop on another thread.
fn join(stop: thread::JoinHandle<()>) {
    within_timeout(move || stop.join().unwrap());
}

fn assert_ended(socket: &Socket) {
    assert_eq!(String::from_utf8_lossy(&read_to_end(socket).0), "");
}
