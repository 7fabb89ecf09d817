//! Files whose close blocks for a minute: nobody waits for that close but the thread that makes
//! it.

mod support;

#[path = "interop/available.rs"]
mod available;
#[path = "support/lingering.rs"]
mod lingering;

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use lingering::{FarEnd, Lingering};
use support::{
    Door, PATIENCE, Probe, Scratch, connect, failure, output_of, read_message, send, success,
    within_patience,
};
use urpc::{Client, Error, Event, Files, Limits, Listener, Server, Service, Socket};

/// What takes a moment must not take longer, on a busy machine. A close that is waited for takes
/// 60 s.
const SOON: Duration = Duration::from_secs(5);

const COUNT: &[u8] = br#"{"method":"Peer.Count","arg":{}}"#;

/// What `act` gives, and it must give it soon.
fn soon<T: Send + 'static>(act: impl FnOnce() -> T + Send + 'static) -> T {
    let began = Instant::now();
    let value = within_patience(act);
    assert!(began.elapsed() < SOON, "it took {:?}", began.elapsed());
    value
}

/// A server behind a listener.
struct Host {
    server: Server,
    scratch: Scratch,
    serving: Option<thread::JoinHandle<()>>,
}

impl Host {
    fn start(limits: Limits) -> Host {
        let server = Server::builder().limits(limits).build();
        server.register(
            Service::new("Peer", ())
                .method("Count", |_: &(), files: Files| Ok::<_, String>(files.len())),
        );
        let scratch = Scratch::new("closes");
        let listener = Listener::bind(scratch.path("s")).unwrap();
        let serves = server.clone();
        let serving = Some(thread::spawn(move || serves.serve(&listener).unwrap()));
        Host { server, scratch, serving }
    }

    fn connect(&self) -> Socket {
        Socket::connect(self.scratch.path("s")).unwrap()
    }

    /// A new client is served soon.
    fn serves(&self) {
        let path = self.scratch.path("s");
        soon(move || {
            let client = Client::connect(path).unwrap();
            assert_eq!(client.call::<usize>("Peer.Count", &Files::new()).unwrap(), 0);
        });
    }

    /// Both stops return soon.
    fn stops(mut self) {
        let server = self.server.clone();
        soon(move || server.stop(Duration::ZERO));
        let server = self.server.clone();
        let still = soon(move || server.stop_within(Duration::ZERO, Duration::from_secs(3600)));
        assert_eq!(still, 0, "no method runs");
        let serving = self.serving.take().unwrap();
        soon(move || serving.join().unwrap());
    }
}

fn limits(clients: usize) -> Limits {
    Limits { clients, ..Limits::default() }
}

/// How a hostile client makes the server close `file`.
type Attack = fn(Socket, OwnedFd);

/// The file stands unread in the queue when the server closes the connection.
fn in_the_queue(socket: Socket, file: OwnedFd) {
    send(&socket, "{}".repeat(20_000).as_bytes(), &[]);
    let null = File::open("/dev/null").unwrap();
    send(&socket, b" ", &[null.as_fd()]);
    send(&socket, b" ", &[file.as_fd()]);
}

/// The file comes with a call.
fn beside_a_call(socket: Socket, file: OwnedFd) {
    send(&socket, COUNT, &[file.as_fd()]);
    drop(file);
    assert_eq!(read_message(&socket).0, success("1"));
}

/// There is no room for the file, so the kernel closes it within the server's recvmsg(2).
fn without_room(socket: Socket, file: OwnedFd) {
    let null = File::open("/dev/null").unwrap();
    let mut files = vec![null.as_fd(); support::MOST_FILES];
    *files.last_mut().unwrap() = file.as_fd();
    send(&socket, b" ", &files);
}

/// The file is one too many, on white space.
fn beyond_the_limit(socket: Socket, file: OwnedFd) {
    send(&socket, b" ", &[file.as_fd(); 33]);
}

const ATTACKS: [(&str, Attack); 4] = [
    ("in the queue", in_the_queue),
    ("beside a call", beside_a_call),
    ("without room", without_room),
    ("beyond the limit", beyond_the_limit),
];

/// Makes the attack and ends its connection; the server's close of the file blocks then.
fn strike(attack: Attack, socket: Socket, lingering: &Lingering) -> FarEnd {
    let (file, far) = lingering.file();
    attack(socket, file);
    far.wait_for_close();
    far
}

#[test]
fn other_clients_are_served_and_a_stop_returns_while_closes_block() {
    let Some(lingering) = Lingering::new() else { return };
    for (name, attack) in ATTACKS {
        println!("{name}");
        let host = Host::start(Limits::default());
        let other = Client::new(host.connect());
        let _far = strike(attack, host.connect(), &lingering);
        host.serves();
        assert_eq!(other.call::<usize>("Peer.Count", &Files::new()).unwrap(), 0);
        host.stops();
    }
}

#[test]
fn a_client_that_is_gone_takes_no_place_while_its_thread_closes() {
    let Some(lingering) = Lingering::new() else { return };
    for (name, attack) in ATTACKS {
        println!("{name}");
        let host = Host::start(limits(1));
        let _far = strike(attack, host.connect(), &lingering);
        host.serves();
        host.serves();
        host.stops();
    }
}
