//! The program under the filter.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Mutex;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Duration;

use urpc::{BindOptions, Client, Files, Limits, Server, Service, Socket};

use crate::support::TIMEOUT;

/// With this many clients, glibc's malloc reads the number of processors.
const CLIENTS: usize = 12;
const SIZES: [usize; 6] = [1, 1_000, 10_000, 65_536, 150_000, 400_000];
const ROUNDS: usize = 3;

struct Gate(Sender<()>, Mutex<Receiver<()>>);

fn server() -> Server {
    let (open, opened) = mpsc::channel();
    let server = Server::new();
    server.register(
        Service::new("Peer", Gate(open, Mutex::new(opened)))
            .method("Echo", |_, text: String| Ok::<_, String>(text))
            .method("Return", |_, files: Files| Ok::<_, String>(files))
            .method("Wait", |gate, (): ()| gate.1.lock().unwrap().recv().map_err(|e| e.to_string()))
            .method("Open", |gate, (): ()| gate.0.send(()).map_err(|error| error.to_string())),
    );
    server
}

/// Serves at `path` and makes calls, between two writes.
pub fn run(path: &Path) {
    let mut null = File::options().write(true).open("/dev/null").unwrap();
    null.write_all(b"<").unwrap();
    let server = server();
    // There is a stale socket. A server that has not started yet is waited for,
    let limits = Limits { connect_time: Some(Duration::from_millis(20)), ..Limits::default() };
    Client::builder().limits(limits).wait(true).connect(path).unwrap_err();
    // and then one replaces it. The umask clears some bits of that mode.
    let listener = BindOptions::new().mode(0o666).replace_stale(true).bind(path).unwrap();
    thread::scope(|scope| {
        scope.spawn(|| server.serve(&listener).unwrap());
        thread::scope(|all| {
            for index in 0..CLIENTS {
                all.spawn(move || call(path, index));
            }
        });
        // The process is stopped and continued in the meantime, from outside. That opens the gate
        // as well.
        let client = client(path, Duration::ZERO);
        client.call::<()>("Peer.Wait", &()).unwrap();
        drop(client);
        server.stop(Duration::from_secs(10));
    });
    drop(listener);
    null.write_all(b">").unwrap();
}

fn client(path: &Path, spin_time: Duration) -> Client {
    let limits = Limits { spin_time, call_time: Some(TIMEOUT), ..Limits::default() };
    // Inherited connections are checked with more system calls.
    let socket = Socket::from_fd(Socket::connect(path).unwrap().into_fd()).unwrap();
    Client::builder().limits(limits).build(socket)
}

fn call(path: &Path, index: usize) {
    let spins = if index == 0 { Duration::from_micros(50) } else { Duration::ZERO };
    let client = client(path, spins);
    for size in SIZES.repeat(ROUNDS) {
        let text = "x".repeat(size);
        assert_eq!(client.call::<String>("Peer.Echo", &text).unwrap(), text);
    }
    let sent: Files = (0..32).map(|_| File::open("/dev/null").unwrap()).collect();
    assert_eq!(client.call::<Files>("Peer.Return", &sent).unwrap().len(), 32);
    // The library closes the files of this reply.
    client.call::<()>("Peer.Return", &sent).unwrap();
    assert!(client.call::<()>("Peer.Nope", &()).is_err());
}
