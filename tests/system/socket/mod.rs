//! Sockets: how a path is made and removed, long paths and abstract names, which sockets can be
//! adopted, what an exec inherits, and what an event loop needs.

mod adopting;
mod connecting;
mod message_reader;
mod non_blocking;
mod paths;

use crate::support;
use urpc::{Address, Client, Listener, Server, Service};

fn echo() -> Server {
    support::limit::limit_test();
    let server = Server::new();
    server.register(Service::new("Peer", ()).method("Echo", |_: &(), n: i64| Ok::<_, String>(n)));
    server
}

/// Serves one client of `listener` and checks that it is answered.
fn assert_serves(listener: &Listener, address: impl Into<Address>) {
    let server = echo();
    let client = Client::connect(address).unwrap();
    server.start_handling(listener.accept().unwrap()).unwrap();
    assert_eq!(client.call::<i64>("Peer.Echo", &5).unwrap(), 5);
}
