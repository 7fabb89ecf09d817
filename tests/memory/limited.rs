//! A server, or a decoder, in a process of its own with a limit on its address space (`ulimit -v`).

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fmt::Write as _;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::thread;

use urpc::json::{FromJson, Value, from_str};
use urpc::{Client, Limits, Listener, Server, Service};

use crate::counts::{resident, wait_until};
use crate::support::{Scratch, within_timeout};

/// Set in the server's process: the path on which it listens.
const SOCKET: &str = "URPC_MEMORY_SOCKET";
/// Also set there: `Limits::total_bytes`.
const TOTAL: &str = "URPC_MEMORY_TOTAL";
/// Set in the process that only decodes.
const DECODES: &str = "URPC_MEMORY_DECODES";

/// Not a test: the server of the other process.
#[test]
fn the_server() {
    let Some(path) = env::var_os(SOCKET) else { return };
    let total_bytes = env::var(TOTAL).map_or(256 << 20, |text| text.parse().unwrap());
    let limits = Limits { total_bytes, message_time: None, ..Limits::default() };
    let server = Server::builder().limits(limits).build();
    let service = Service::new("Peer", ())
        .method("Text", |_: &(), text: String| Ok::<_, String>(text))
        .method("Value", |_: &(), value: Value| Ok::<_, String>(value));
    server.register(service);
    let stopping = server.clone();
    thread::spawn(move || {
        // It ends when the process that started it ends.
        let _ = io::stdin().read_to_end(&mut Vec::new());
        stopping.stop_within(std::time::Duration::ZERO, std::time::Duration::from_secs(1));
    });
    server.serve(&Listener::bind(path).unwrap()).unwrap();
}

struct Subject {
    child: Child,
    scratch: Scratch,
}

impl Subject {
    fn start(name: &str, kilobytes: &str, total: usize) -> Subject {
        let scratch = Scratch::new(&format!("memory-{name}"));
        let script =
            format!("ulimit -v {kilobytes}; exec \"$0\" limited::the_server --exact --nocapture");
        let child = Command::new("sh")
            .arg("-c")
            .arg(script)
            .arg(env::current_exe().unwrap())
            .env(SOCKET, scratch.path("s"))
            .env(TOTAL, total.to_string())
            .env("RUST_TEST_THREADS", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut subject = Subject { child, scratch };
        let path = subject.scratch.path("s");
        let listens = || UnixStream::connect(&path).ok();
        wait_until(listens, || "the server to listen".to_owned());
        subject.assert_lives();
        subject
    }

    fn client(&self) -> Client {
        Client::connect(self.scratch.path("s")).unwrap()
    }

    /// The server runs and serves another client, when there is a place for one.
    fn assert_lives(&mut self) {
        let answers = || self.client().call::<String>("Peer.Text", &"next").ok();
        let answer = wait_until(answers, || "the next client to be served".to_owned());
        assert_eq!(answer, "next");
        assert!(self.child.try_wait().unwrap().is_none(), "the server has ended");
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

#[test]
fn a_string_that_there_is_no_memory_for_gets_an_error_for_a_reply() {
    within_timeout(|| {
        let mut subject = Subject::start("string", "22000", 256 << 20);
        let client = subject.client();
        let error = client.call::<String>("Peer.Text", &"a".repeat(12 << 20)).unwrap_err();
        assert!(error.to_string().contains("memory"), "{error}");
        assert_eq!(client.call::<String>("Peer.Text", &"next").unwrap(), "next");
        subject.assert_lives();
    });
}

/// A value, or an error that says that there is no memory. [`DECODES`] says whether it must be a
/// value.
fn decode<T: FromJson + Default>(text: &str) {
    if let Err(error) = from_str::<T>(text) {
        let has_room = env::var_os(DECODES).is_some_and(|decodes| decodes == "all");
        assert!(!has_room && error.to_string().contains("memory"), "{error}");
    }
}

/// Not a test: the other process. It decodes what std has no fallible way to allocate.
#[test]
fn the_decoder() {
    const COUNT: usize = 300_000;
    if env::var_os(DECODES).is_none() {
        return;
    }
    // In one allocation, because there is no memory for many small texts.
    let numbers = |between: &str| {
        let mut text = String::with_capacity(COUNT * 12);
        for at in 0..COUNT {
            let between = if at == 0 { "" } else { between };
            write!(text, "{between}{}", at * 7919 % COUNT).unwrap();
        }
        text
    };
    let list = format!("[{}]", numbers(","));
    let texts = format!("[\"{}\"]", numbers("\",\""));
    let map = format!("{{\"{}\":1}}", numbers("\":1,\""));
    let decoding = thread::spawn(move || {
        decode::<BTreeSet<u64>>(&list);
        decode::<Vec<Box<u64>>>(&list);
        decode::<Vec<Rc<str>>>(&texts);
        decode::<BTreeMap<u64, u64>>(&map);
    });
    decoding.join().unwrap();
}

/// Of 60 MB no thread can have a heap that grows. A gigabyte has room for everything.
#[test]
fn hundreds_of_thousands_of_small_allocations_do_not_end_a_process() {
    for (kilobytes, decodes) in [(60_000, "some"), (1_000_000, "all")] {
        within_timeout(move || {
            let script = format!(
                "ulimit -c 0; ulimit -v {kilobytes}; exec \"$0\" limited::the_decoder --exact"
            );
            let mut command = Command::new("sh");
            command.args(["-c", &script]).arg(env::current_exe().unwrap()).stdout(Stdio::null());
            let status = command.env(DECODES, decodes).env("RUST_BACKTRACE", "0").status().unwrap();
            assert!(status.success(), "{kilobytes}: {status}");
        });
    }
}

#[test]
fn floods_of_large_messages_and_many_clients_do_not_end_it() {
    for (kilobytes, size) in [("60000", 3 << 20), ("200000", 12 << 20)] {
        within_timeout(move || flood(Subject::start("floods", kilobytes, 256 << 20), size));
    }
}

/// Sends messages of up to `size` bytes, several at a time, and connects more clients than it has
/// memory for.
fn flood(mut subject: Subject, size: usize) {
    let text = "a".repeat(size);
    let values = format!("[{}0]", "0,".repeat(size / 6));
    thread::scope(|scope| {
        for index in 0..8 {
            let (subject, text, values) = (&subject, &text, &values);
            scope.spawn(move || {
                let client = subject.client();
                for _ in 0..2 {
                    let called = match index % 2 {
                        0 => client.call_raw("Peer.Value", values.as_bytes(), &[]).map(drop),
                        _ => client.call::<String>("Peer.Text", text).map(drop),
                    };
                    // Any outcome is allowed, but an error must have a text.
                    assert!(called.map_or_else(|error| !error.to_string().is_empty(), |()| true));
                }
            });
        }
    });
    subject.assert_lives();

    let crowd: Vec<UnixStream> =
        (0..400).filter_map(|_| UnixStream::connect(subject.scratch.path("s")).ok()).collect();
    assert!(subject.child.try_wait().unwrap().is_none(), "the server has ended");
    drop(crowd);
    subject.assert_lives();
}

/// glibc keeps up to 40 MiB of the stacks of threads that have ended, and the limit counts them.
#[test]
fn the_stacks_of_clients_that_are_gone_leave_room_for_the_next_clients() {
    within_timeout(|| {
        for kilobytes in ["24000", "32000", "44000"] {
            let mut subject = Subject::start("stacks", kilobytes, 256 << 20);
            for _ in 0..2 {
                let connect = |_| UnixStream::connect(subject.scratch.path("s")).ok();
                drop((0..100).filter_map(connect).collect::<Vec<_>>());
                subject.assert_lives();
            }
        }
    });
}

/// Of the threads of a crowd that is gone, few wait for the next clients. With one heap the limit is
/// for stacks.
#[test]
fn clients_that_are_gone_leave_room_for_a_large_message() {
    within_timeout(|| {
        let mut subject = Subject::start("crowd", "300000; export MALLOC_ARENA_MAX=1", 256 << 20);
        let text = "a".repeat(12 << 20);
        let echo = || subject.client().call::<String>("Peer.Text", &text).ok();
        assert_eq!(echo().map(|echo| echo.len()), Some(text.len()));
        let connect = |_| UnixStream::connect(subject.scratch.path("s")).ok();
        drop((0..400).filter_map(connect).collect::<Vec<_>>());
        wait_until(echo, || "room for a large message".to_owned());
        subject.assert_lives();
    });
}

/// Sends a message without its last byte.
fn unfinished(subject: &Subject, size: usize) -> UnixStream {
    let mut peer = UnixStream::connect(subject.scratch.path("s")).unwrap();
    peer.write_all(br#"{"method":"Peer.Text","arg":""#).unwrap();
    let piece = vec![b'a'; 64 << 10];
    for _ in 0..size / piece.len() {
        peer.write_all(&piece).unwrap();
    }
    peer
}

fn finish(mut peer: UnixStream) -> String {
    peer.write_all(br#""}"#).unwrap();
    peer.shutdown(Shutdown::Write).unwrap();
    let mut reply = String::new();
    peer.read_to_string(&mut reply).unwrap();
    reply
}

#[test]
fn unfinished_messages_of_many_clients_hold_no_more_than_the_total() {
    const MIB: usize = 1 << 20;
    within_timeout(|| {
        let mut subject = Subject::start("unfinished", "unlimited", 4 * MIB);
        let peers: Vec<UnixStream> = (0..40).map(|_| unfinished(&subject, MIB)).collect();
        let held = resident(subject.child.id());
        assert!(held < 16 * MIB, "{} MiB are held", held / MIB);
        println!("{} KiB are held", held / 1024);
        subject.assert_lives();

        let replies: Vec<String> = peers.into_iter().map(finish).collect();
        let refused = |reply: &&String| reply.contains("(raise Limits::total_bytes)");
        let count = replies.iter().filter(refused).count();
        assert!((30..=40).contains(&count), "{count} were refused");
        subject.assert_lives();
    });
}

#[test]
fn what_large_calls_took_goes_back_to_the_kernel_when_their_clients_are_gone() {
    const MIB: usize = 1 << 20;
    within_timeout(|| {
        let mut subject = Subject::start("given-back", "unlimited", 256 * MIB);
        let text = "a".repeat(2 * MIB);
        let clients: Vec<Client> = (0..8).map(|_| subject.client()).collect();
        thread::scope(|scope| {
            for client in &clients {
                scope.spawn(|| {
                    for _ in 0..2 {
                        let echo: String = client.call("Peer.Text", &text).unwrap();
                        assert_eq!(echo.len(), text.len());
                    }
                });
            }
        });
        let busy = resident(subject.child.id());
        drop(clients);
        let is_small = || {
            let held = resident(subject.child.id());
            println!("{} KiB are held of {}", held / 1024, busy / 1024);
            (held < 24 * MIB).then_some(())
        };
        wait_until(is_small, || "memory to be freed".to_owned());
        subject.assert_lives();
    });
}
