//! Files with messages on a real kernel: which message gets them, what is refused, and what happens
//! if the kernel has no resources or the peer is gone.

mod exhausted;
mod limits;
mod messages;
mod ownership;

use urpc::{Files, Limits, Server, Service};

urpc::record! {
    /// A number, a text, and files.
    #[derive(Debug, Default)]
    pub struct Item {
        pub n: i64 => "N",
        pub text: String => "Text" omitempty,
        pub files: Files,
    }
}

/// A server that returns what it gets, or counts the files.
fn peer() -> Server {
    peer_with(Limits::default())
}

fn peer_with(limits: Limits) -> Server {
    let server = Server::builder().limits(limits).build();
    server.register(
        Service::new("Peer", ())
            .method("Item", |_: &(), item: Item| Ok::<_, String>(item))
            .method("Count", |_: &(), files: Files| Ok::<_, String>(files.len())),
    );
    server
}

fn call(n: i64) -> String {
    format!(r#"{{"method":"Peer.Item","arg":{{"N":{n}}}}}"#)
}
