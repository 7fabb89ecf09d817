//! The client: what ends one call, what ends the client, who owns files, the order of calls,
//! whether the peer is gone, and waiting for a server.

mod ends;
mod gone;
mod limits;
mod results;
mod turns;
mod waiting;

use std::sync::Arc;
use std::thread;

use crate::support;
use crate::support::{read_message, read_to_end, send, within_timeout};
use urpc::{Client, Error, Files, Limits, Socket};

urpc::record! {
    /// A result with files.
    #[derive(Debug, Default)]
    pub struct Item {
        pub n: i64 => "N",
        pub text: String => "Text",
        pub files: Files,
    }
}

/// A client, and the other end, on which the test answers.
fn client() -> (Arc<Client>, Socket) {
    client_with(Limits::for_client())
}

fn client_with(limits: Limits) -> (Arc<Client>, Socket) {
    support::limit::limit_test();
    let (ours, theirs) = Socket::pair().unwrap();
    (Arc::new(Client::builder().limits(limits).build(ours)), theirs)
}

/// Queues a reply, calls, and returns the result of the call.
fn answered<R: urpc::json::FromJson + Default>(
    client: &Client,
    server: &Socket,
    reply: &str,
) -> Result<R, Error> {
    send(server, reply.as_bytes(), &[]);
    let result = client.call("Peer.Any", &());
    read_message(server);
    result
}

fn join(call: thread::JoinHandle<Result<i64, Error>>) -> Result<i64, Error> {
    within_timeout(move || call.join().unwrap())
}

/// Checks that every further call fails at once with the failure that finished the client.
fn assert_finished(client: &Client, server: &Socket, failure: &str) {
    for _ in 0..2 {
        match client.call::<()>("Peer.Any", &()) {
            Err(Error::Finished(first)) => assert!(first.to_string().contains(failure), "{first}"),
            other => panic!("{other:?}"),
        }
    }
    // Its socket was shut down: whatever the server has read, the end comes next.
    let _ = read_to_end(server);
}
