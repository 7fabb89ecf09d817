//! A soak: clients that mix good calls with all that goes wrong, against servers that are stopped
//! and followed by others on the same path. At its end no reply was lost, and descriptors, threads
//! and memory are what they were behind a shorter run of the same.
//!
//! `cargo test --release --test soak -- --ignored --nocapture`; `URPC_SOAK_SECONDS` says how long,
//! 60 if it is not set.

mod support;

#[path = "support/counts.rs"]
mod counts;
#[path = "support/racing.rs"]
mod racing;

use std::env;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use counts::{descriptors, resident, threads, wait_until};
use support::{PATIENCE, Scratch, identity, send};
use urpc::json::RawJson;
use urpc::{Client, Event, Files, Limits, Listener, Outcome, Server, Service, Socket};

const CLIENTS: usize = 32;
/// How many servers there are, one after another, in each part of the run.
const SERVERS: u32 = 6;
/// How often servers race for one path.
const RACES: usize = 1000;
/// glibc's allocator, told to give memory back, as resident memory would say more of it than of us.
const ALLOCATOR: [(&str, &str); 3] = [
    ("MALLOC_ARENA_MAX", "1"),
    ("MALLOC_TRIM_THRESHOLD_", "65536"),
    ("MALLOC_MMAP_THRESHOLD_", "65536"),
];
/// What resident memory may differ by all the same: the libc keeps the stacks of some threads that
/// have ended, each with all that was ever touched of it.
const SLACK: usize = 4 << 20;
/// Set in the process that is killed: where the server listens.
const VICTIM: &str = "URPC_SOAK_VICTIM";

#[test]
#[ignore = "takes a minute; run by name"]
fn nothing_is_lost_and_nothing_is_left_behind() {
    if env::var_os(ALLOCATOR[0].0).is_none() {
        let mut again = Command::new(env::current_exe().unwrap());
        again.args(["--ignored", "--nocapture"]).envs(ALLOCATOR);
        return assert!(again.status().unwrap().success());
    }
    let scratch = Scratch::new("soak-races");
    racing::race_to_replace(&scratch.path("replaced"), RACES);
    racing::race_to_bind_and_leave(&scratch.path("left"), RACES);
    let seconds = env::var("URPC_SOAK_SECONDS").ok().and_then(|text| text.parse().ok());
    let whole = Duration::from_secs(seconds.unwrap_or(60));
    // Beside its time it waits for what goes on at its end.
    support::limit::limit_test_to(whole + 2 * PATIENCE);
    let alone = threads(std::process::id()).len();
    let (before, warm_up) = run(whole / 6, alone);
    let (after, tally) = run(whole - whole / 6, alone);
    println!("warm-up:\n{warm_up}{before}\nsoak:\n{tally}{after}");
    assert_eq!(tally.lost.get() + warm_up.lost.get(), 0, "replies lost");
    assert_eq!(after.descriptors, before.descriptors);
    let (before, after) = (before.resident, after.resident);
    assert!(after <= before + SLACK, "memory grew from {before} to {after} bytes");
    for (name, count) in tally.all() {
        assert!(name == "lost" || count.get() > 0, "nothing of this was tried: {name}");
    }
}

/// Runs all clients and some servers for `time`, and gives what is held behind it, with no more
/// threads than `alone`, and what was done.
fn run(time: Duration, alone: usize) -> (Held, Arc<Tally>) {
    let scratch = Scratch::new("soak");
    let soak = Arc::new(Soak {
        path: scratch.path("s"),
        ends: AtomicBool::new(false),
        executed: (0..CLIENTS).map(|_| AtomicU64::new(0)).collect(),
        tally: Arc::default(),
    });
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let soak = Arc::clone(&soak);
            thread::spawn(move || Worker::new(&soak, number).work())
        })
        .collect();
    for number in 0..SERVERS {
        soak.serve(number, time / SERVERS);
    }
    soak.ends.store(true, Ordering::SeqCst);
    clients.into_iter().for_each(|client| client.join().unwrap());
    (Held::with_threads(alone), Arc::clone(&soak.tally))
}

/// What the process holds.
struct Held {
    descriptors: usize,
    resident: usize,
}

impl Held {
    /// Counts once all other threads have ended: nobody joins those that served the last clients,
    /// and the kernel lists one that was joined a little longer.
    fn with_threads(count: usize) -> Held {
        let pid = std::process::id();
        let are_left = || threads(pid).len() != count;
        wait_until(|| (!are_left()).then_some(()), || format!("{:?}", threads(pid)));
        Held { descriptors: descriptors(pid), resident: resident(pid) }
    }
}

impl std::fmt::Display for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Held { descriptors, resident } = self;
        write!(f, "held: {descriptors} descriptors, {} KiB", resident / 1024)
    }
}

#[derive(Default)]
struct Counter(AtomicU64);

impl Counter {
    fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What was done: calls, faults, and replies that were sent and did not come.
#[derive(Default)]
struct Tally {
    small: Counter,
    files: Counter,
    large: Counter,
    failed: Counter,
    panicked: Counter,
    garbage: Counter,
    halves: Counter,
    untaken: Counter,
    trickles: Counter,
    too_many_files: Counter,
    reconnects: Counter,
    killed: Counter,
    ended_by_stop: Counter,
    servers: Counter,
    lost: Counter,
}

impl Tally {
    fn all(&self) -> [(&'static str, &Counter); 15] {
        [
            ("small calls", &self.small),
            ("calls with files there and back", &self.files),
            ("large calls", &self.large),
            ("calls that failed as they should", &self.failed),
            ("calls that panicked", &self.panicked),
            ("fault: garbage", &self.garbage),
            ("fault: half a message", &self.halves),
            ("fault: reply not taken", &self.untaken),
            ("fault: bytes one by one", &self.trickles),
            ("fault: 253 files", &self.too_many_files),
            ("fault: connection dropped", &self.reconnects),
            ("fault: process killed", &self.killed),
            ("calls ended by a stop", &self.ended_by_stop),
            ("servers stopped", &self.servers),
            ("lost", &self.lost),
        ]
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.all().iter().try_for_each(|(name, count)| writeln!(f, "{:>9} {name}", count.get()))
    }
}

/// What servers and clients share.
struct Soak {
    path: PathBuf,
    ends: AtomicBool,
    /// The number of each client's call that was executed last.
    executed: Vec<AtomicU64>,
    tally: Arc<Tally>,
}

impl Soak {
    fn has_ended(&self) -> bool {
        self.ends.load(Ordering::SeqCst)
    }

    /// Serves for `time`, then stops in one of the ways that there are.
    fn serve(self: &Arc<Soak>, number: u32, time: Duration) {
        let listener = Listener::bind(self.path.as_path()).unwrap();
        let server = self.server();
        thread::scope(|scope| {
            let serving = scope.spawn(|| server.serve(&listener));
            let (_open, silent) = mpsc::channel::<()>();
            let _ = silent.recv_timeout(time);
            match number % 3 {
                0 => server.stop(Duration::ZERO),
                1 => server.stop(Duration::from_millis(20)),
                _ => assert_eq!(server.stop_within(Duration::ZERO, PATIENCE), 0),
            }
            serving.join().unwrap().unwrap();
        });
        self.tally.servers.add();
    }

    fn server(self: &Arc<Soak>) -> Server {
        let tally = Arc::clone(&self.tally);
        let server = Server::builder()
            .limits(Limits { message_bytes: 1 << 20, ..Limits::default() })
            .observe(move |event| {
                if let Event::CallEnded { outcome: Outcome::Panicked, .. } = event {
                    tally.panicked.add();
                }
            })
            .build();
        let soak = Arc::clone(self);
        server.register(
            Service::new("Peer", ())
                .method("Numbered", move |_, call: Numbered| {
                    soak.executed[call.client].store(call.number, Ordering::SeqCst);
                    Ok::<_, String>(call)
                })
                .method("Echo", |_, arg: RawJson| Ok::<_, String>(arg))
                .method("Fail", |_, _: ()| Err::<(), _>("on purpose"))
                .method("Panic", |_, _: ()| -> Result<(), String> {
                    // Without a word on standard error.
                    std::panic::resume_unwind(Box::new("on purpose"))
                }),
        );
        server
    }
}

urpc::record! {
    /// A call that is known by its client and number, and what it carries, all of which comes back.
    #[derive(Debug, Default)]
    pub struct Numbered {
        pub client: usize,
        pub number: u64,
        pub text: String,
        pub files: Files,
    }
}

/// One client, its connection if it has one, and what it has called.
struct Worker<'s> {
    soak: &'s Soak,
    number: usize,
    calls: u64,
    client: Option<Client>,
    random: u64,
    null: File,
    large: String,
}

impl Worker<'_> {
    fn new(soak: &Soak, number: usize) -> Worker<'_> {
        Worker {
            soak,
            number,
            calls: 0,
            client: None,
            random: 0x9e37_79b9_7f4a_7c15 ^ (number as u64 + 1),
            null: File::open("/dev/null").unwrap(),
            large: "x".repeat(300_000),
        }
    }

    fn work(&mut self) {
        while !self.soak.has_ended() {
            self.act();
        }
    }

    fn act(&mut self) {
        let tally = Arc::clone(&self.soak.tally);
        match self.random(100) {
            0..60 => self.call(0, "", &tally.small),
            60..75 => {
                let count = 1 + self.random(32);
                self.call(count, "with files", &tally.files);
            }
            75..77 => {
                let large = std::mem::take(&mut self.large);
                self.call(0, &large, &tally.large);
                self.large = large;
            }
            77..82 => self.fail(),
            82..85 => self.garbage(),
            85..88 => self.half_a_message(),
            88..91 => self.leave_the_reply(),
            91..93 => self.trickle(),
            93..95 => self.too_many_files(),
            95 if self.number < 2 => kill_a_client(&self.soak.path, &tally),
            _ => {
                self.client = None;
                tally.reconnects.add();
            }
        }
    }

    /// A number below `limit`, by xorshift.
    fn random(&mut self, limit: usize) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random % limit as u64) as usize
    }

    /// A connection, once there is a server; `None` if the run has ended.
    fn connect(&self) -> Option<Socket> {
        loop {
            match Socket::connect(self.soak.path.as_path()) {
                Ok(socket) => return Some(socket),
                Err(_) if self.soak.has_ended() => return None,
                Err(_) => thread::park_timeout(Duration::from_millis(1)),
            }
        }
    }

    /// Makes a good call; all that it carried must come back, unless a stop came before it began.
    fn call(&mut self, files: usize, text: &str, counter: &Counter) {
        let Some(client) = self.client.take().or_else(|| self.connect().map(Client::new)) else {
            return;
        };
        self.calls += 1;
        let files = (0..files).map(|_| self.null.try_clone().unwrap()).collect();
        let call = Numbered { client: self.number, number: self.calls, text: text.into(), files };
        match client.call::<Numbered>("Peer.Numbered", &call) {
            Ok(reply) => {
                let sent = (call.client, call.number, &call.text, call.files.len());
                let came = (reply.client, reply.number, &reply.text, reply.files.len());
                assert_eq!(came, sent);
                assert!(reply.files.iter().all(|file| identity(file) == identity(&self.null)));
                counter.add();
                self.client = Some(client);
            }
            Err(error) => {
                assert!(!error.is_usable(), "{error}");
                let executed = self.soak.executed[self.number].load(Ordering::SeqCst);
                let lost = executed == self.calls;
                if lost { self.soak.tally.lost.add() } else { self.soak.tally.ended_by_stop.add() }
            }
        }
    }

    /// Makes a call that must fail, each in its own way, and leave the client usable.
    fn fail(&mut self) {
        let Some(client) = self.client.take() else { return };
        let (method, arg, text) = [
            ("Peer.Fail", "null", "on purpose"),
            ("Peer.Nope", "{}", "unknown method"),
            ("Peer.Numbered", "[]", "arg: expected"),
            ("Peer.Panic", "1", "method panicked"),
        ][self.random(4)];
        let error = client.call_raw(method, arg.as_bytes(), &[]).unwrap_err();
        match error.as_remote() {
            Some(remote) => {
                assert!(remote.message().starts_with(text), "{remote}");
                self.soak.tally.failed.add();
                self.client = Some(client);
            }
            None => self.soak.tally.ended_by_stop.add(),
        }
    }

    /// Sends what is no message, and sees the connection end.
    fn garbage(&mut self) {
        let kind = self.random(4);
        let noise: Vec<u8> = (0..64).map(|_| self.random(256) as u8).collect();
        let kinds: [&[u8]; 4] = [&noise, b"[]", b"{\"method\":1}", b"\x00"];
        let Some(socket) = self.connect() else { return };
        let _ = socket.send(kinds[kind], &[self.null.as_fd()]);
        let _ = socket.shutdown_send();
        while matches!(socket.receive(&mut [0; 4096], 253), Ok((1.., _))) {}
        self.soak.tally.garbage.add();
    }

    fn half_a_message(&mut self) {
        let Some(socket) = self.connect() else { return };
        let half = &br#"{"method":"Peer.Echo","arg":[1,2,{"x":"y"#[..1 + self.random(40)];
        let _ = socket.send(half, &[self.null.as_fd(); 3]);
        self.soak.tally.halves.add();
    }

    /// Sends calls, and leaves when some of what came back was read.
    fn leave_the_reply(&mut self) {
        let Some(socket) = self.connect() else { return };
        let length = self.random(9999);
        let call = format!(r#"{{"method":"Peer.Echo","arg":"{}"}}"#, &self.large[..length]);
        let _ = socket.send(call.as_bytes(), &[]);
        if self.random(2) == 0 {
            let _ = socket.receive(&mut [0; 16], 0);
        }
        self.soak.tally.untaken.add();
    }

    fn trickle(&mut self) {
        let Some(socket) = self.connect() else { return };
        let sent = br#"{"method":"Peer.Echo","arg":7}"#
            .iter()
            .all(|byte| socket.send(&[*byte], &[self.null.as_fd()]).is_ok());
        // 30 files in all, which are within the limit, for a method that has no place for them.
        let mut buffer = [0; 64];
        let reply = socket.receive(&mut buffer, 0).map_or(0, |(length, _)| length);
        if sent && reply > 0 {
            assert_eq!(&buffer[..reply], support::success("7").as_bytes());
        }
        self.soak.tally.trickles.add();
    }

    fn too_many_files(&mut self) {
        let Some(socket) = self.connect() else { return };
        let call = br#"{"method":"Peer.Echo","arg":7}"#;
        let files: [BorrowedFd<'_>; support::MOST_FILES] = [self.null.as_fd(); support::MOST_FILES];
        let _ = socket.send(call, &files);
        let mut buffer = [0; 64];
        let reply = socket.receive(&mut buffer, 0).map_or(0, |(length, _)| length);
        if reply > 0 {
            assert_eq!(&buffer[..reply], support::failure("too many files").as_bytes());
        }
        self.soak.tally.too_many_files.add();
    }
}

/// Starts a process that makes calls and kills it in the middle of them.
fn kill_a_client(path: &Path, tally: &Tally) {
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "the_victim", "--nocapture", "--test-threads=1"])
        .env(VICTIM, path)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let has_begun = lines.any(|line| line.is_ok_and(|line| line.ends_with("calling")));
    child.kill().unwrap();
    child.wait().unwrap();
    if has_begun {
        tally.killed.add();
    }
}

/// Not a test of its own: the process that is killed.
#[test]
fn the_victim() {
    let Some(path) = env::var_os(VICTIM) else { return };
    let Ok(socket) = Socket::connect(path.as_os_str()) else { return };
    println!("calling");
    io::stdout().flush().unwrap();
    let (null, until) = (File::open("/dev/null").unwrap(), Instant::now() + PATIENCE);
    while Instant::now() < until {
        send(&socket, br#"{"method":"Peer.Echo","arg":[1,2,3,4,5,6,7]}"#, &[null.as_fd()]);
        if socket.receive(&mut [0; 16], 0).is_err() {
            return;
        }
    }
}
