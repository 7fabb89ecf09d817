//! Files whose close blocks for a minute: only the thread that closes them waits.

mod client;
mod command;
mod server;

#[path = "../support/lingering.rs"]
mod lingering;
#[path = "../support/mute_files.rs"]
mod mute_files;
#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Mutex, mpsc};
use std::thread;
use std::time::Duration;

use lingering::{Lingering, PeerEnd};
use support::{Gate, Scratch, read_message, send, success};
use urpc::{Client, Files, Limits, Listener, Server, ServerBuilder, Service, Socket};

/// The time limit for a short operation on a busy machine. A close that is waited for takes 60 s.
const SOON: Duration = Duration::from_secs(5);

const COUNT: &[u8] = br#"{"method":"Peer.Count","arg":{}}"#;

/// Runs `act`, which must end within [`SOON`], and returns its result.
#[track_caller]
fn soon<T: Send + 'static>(act: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, result) = mpsc::channel();
    thread::spawn(move || done.send(act()));
    result.recv_timeout(SOON).expect("it waits for a close, or it panicked")
}

fn peer(limits: Limits) -> Server {
    peer_of(Server::builder().limits(limits))
}

fn peer_of(builder: ServerBuilder) -> Server {
    let server = builder.build();
    server.register(
        Service::new("Peer", ())
            .method("Count", |_: &(), files: Files| Ok::<_, String>(files.len()))
            .method("Wait", wait_at_gate),
    );
    server
}

fn with_clients(clients: usize) -> Limits {
    Limits { clients, ..Limits::default() }
}

/// A server and its listener.
struct Host {
    server: Server,
    scratch: Scratch,
    serving: Option<thread::JoinHandle<Result<(), urpc::Error>>>,
}

impl Host {
    fn start(limits: Limits) -> Host {
        Host::of(peer(limits))
    }

    fn of(server: Server) -> Host {
        let scratch = Scratch::new("closes");
        let listener = Listener::bind(scratch.path("s")).unwrap();
        let serving = Some(server.start_serving(listener).unwrap());
        Host { server, scratch, serving }
    }

    fn connect(&self) -> Socket {
        Socket::connect(self.scratch.path("s")).unwrap()
    }

    /// Checks that a new client is served soon.
    #[track_caller]
    fn serves(&self) {
        let path = self.scratch.path("s");
        soon(move || {
            let client = Client::connect(path).unwrap();
            assert_eq!(client.call::<usize>("Peer.Count", &Files::new()).unwrap(), 0);
        });
    }

    /// Checks that both stops return soon.
    #[track_caller]
    fn stops(mut self) {
        let server = self.server.clone();
        soon(move || server.stop(Duration::ZERO));
        let server = self.server.clone();
        let hour = Duration::from_secs(3600);
        assert_eq!(soon(move || server.stop_within(hour, hour)), 0, "no method runs");
        let serving = self.serving.take().unwrap();
        soon(move || serving.join().unwrap().unwrap());
    }
}

/// A way for a hostile client to make the server close a file. Its own copy is closed before that.
type Attack = fn(Socket, OwnedFd);

/// The file is unread in the queue when the server closes the connection.
fn in_the_queue(socket: Socket, file: OwnedFd) {
    send(&socket, "{}".repeat(20_000).as_bytes(), &[]);
    let null = File::open("/dev/null").unwrap();
    send(&socket, b" ", &[null.as_fd()]);
    send(&socket, b" ", &[file.as_fd()]);
}

/// The file comes with a call.
fn with_a_call(socket: Socket, file: OwnedFd) {
    call_with(&socket, file);
}

fn call_with(socket: &Socket, file: OwnedFd) {
    let (begin, end) = COUNT.split_at(1);
    send(socket, begin, &[file.as_fd()]);
    drop(file);
    send(socket, end, &[]);
    assert_eq!(read_message(socket).0, success("1"));
}

/// The gates at which calls of `Peer.Wait` wait.
static GATES: Mutex<BTreeMap<usize, Gate>> = Mutex::new(BTreeMap::new());

fn wait_at_gate(_: &(), key: usize) -> Result<(), String> {
    let gate = GATES.lock().unwrap()[&key].clone();
    gate.pass();
    Ok(())
}

/// Makes the attack and ends its connection. After that, the server's close of the file blocks.
fn strike(attack: Attack, socket: Socket, lingering: &Lingering) -> PeerEnd {
    let (file, peer_end) = lingering.file();
    attack(socket, file);
    peer_end.wait_for_close();
    peer_end
}

/// A client, and the server's end of its connection.
fn client_with(limits: Limits) -> (Client, Socket) {
    let (ours, theirs) = Socket::pair().unwrap();
    (Client::builder().limits(limits).build(ours), theirs)
}
