//! The other side: a process of its own with a server, and with the answering half of the baseline.

use std::fs;
use std::io::Read;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use std::{env, process, thread};

use urpc::{Address, Client, Files, Limits, Listener, Server, Service};

use crate::baseline::{Baseline, Kind};
use crate::{ROLE, alloc, this_program};

/// The CPUs on which the two sides run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pinning {
    /// Both on the first CPU.
    One,
    /// Each on its own CPU.
    Two,
    /// On the CPUs that the kernel chooses.
    Free,
}

impl Pinning {
    pub const ALL: [Pinning; 3] = [Pinning::One, Pinning::Two, Pinning::Free];

    pub fn name(self) -> &'static str {
        match self {
            Pinning::One => "one",
            Pinning::Two => "two",
            Pinning::Free => "free",
        }
    }

    pub fn named(name: &str) -> Pinning {
        let found = Pinning::ALL.into_iter().find(|pinning| pinning.name() == name);
        found.expect("a pinning's name")
    }

    /// A command that runs this program as the first or second side (0 or 1).
    pub fn command(self, side: usize) -> Command {
        let cpu = match self {
            Pinning::One => "0",
            Pinning::Two => ["0", "1"][side],
            Pinning::Free => return this_program(),
        };
        let mut command = Command::new("taskset");
        command.args(["-c", cpu]).arg(this_program().get_program());
        command
    }
}

urpc::record! {
    /// An argument with files.
    #[derive(Default)]
    pub struct WithFiles {
        pub text: String,
        pub files: Files,
    }

    /// A record of 30 members.
    #[derive(Default)]
    pub struct Wide {
        pub text_0: String,
        pub text_1: String,
        pub text_2: String,
        pub text_3: String,
        pub text_4: String,
        pub text_5: String,
        pub text_6: String,
        pub text_7: String,
        pub text_8: String,
        pub text_9: String,
        pub count_0: u64,
        pub count_1: u64,
        pub count_2: u64,
        pub count_3: u64,
        pub count_4: u64,
        pub count_5: u64,
        pub count_6: u64,
        pub count_7: u64,
        pub level_0: i32,
        pub level_1: i32,
        pub level_2: i32,
        pub level_3: i32,
        pub is_new: bool,
        pub is_open: bool,
        pub is_last: bool,
        pub share_0: f64,
        pub share_1: f64,
        pub share_2: f64,
        pub words: Vec<String>,
        pub numbers: Vec<u32>,
    }
}

/// A record of about 1 KiB.
pub fn wide() -> Wide {
    let text = |number: usize| format!("text number {number} of the record, with some words");
    Wide {
        text_0: text(0),
        text_1: text(1),
        text_2: text(2),
        text_3: text(3),
        text_4: text(4),
        text_5: text(5),
        text_6: text(6),
        text_7: text(7),
        text_8: text(8),
        text_9: text(9),
        count_0: 7u64.pow(1),
        count_1: 7u64.pow(3),
        count_2: 7u64.pow(5),
        count_3: 7u64.pow(7),
        count_4: 7u64.pow(9),
        count_5: 7u64.pow(11),
        count_6: 7u64.pow(13),
        count_7: 7u64.pow(15),
        level_0: -60,
        level_1: -23,
        level_2: 14,
        level_3: 51,
        is_new: true,
        is_last: true,
        share_0: 0.25,
        share_1: 12.5,
        share_2: 99.125,
        words: ["one", "two", "three", "four"].map(str::to_owned).into(),
        numbers: (1000..1010).collect(),
        ..Wide::default()
    }
}

/// How long a side polls before it blocks, if it polls busily.
const SPIN: Duration = Duration::from_millis(1);

/// Set in the peer's process: the name under which it listens.
const NAME: &str = "URPC_BENCH_NAME";

/// The limits of all servers and clients here.
pub fn limits(spin_time: Duration) -> Limits {
    Limits {
        message_bytes: 256 << 20,
        decoded_bytes: 1 << 30,
        total_bytes: 1 << 30,
        send_files: 253,
        receive_files: 253,
        clients: 20_000,
        spin_time,
        ..Limits::default()
    }
}

pub fn client_limits(spin_time: Duration) -> Limits {
    Limits { message_time: None, send_time: None, ..limits(spin_time) }
}

/// A running peer. It ends when this is dropped.
pub struct Peer {
    process: Child,
    name: String,
}

impl Peer {
    /// Starts one and waits until it listens.
    pub fn start(pinning: Pinning) -> Peer {
        static STARTED: AtomicUsize = AtomicUsize::new(0);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let name = format!("urpc-bench-{}-{number}", process::id());
        let mut process = pinning
            .command(1)
            .env(ROLE, "peer")
            .env(NAME, &name)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program can be started again");
        let mut ready = [0];
        let output = process.stdout.as_mut().expect("its output is piped");
        output.read_exact(&mut ready).expect("the peer says that it listens");
        Peer { process, name }
    }

    pub fn address(&self) -> Address {
        address(&self.name, "calls")
    }

    pub fn client(&self) -> Client {
        let builder = Client::builder().limits(client_limits(Duration::ZERO));
        builder.connect(self.address()).expect("the peer listens")
    }

    /// A client that polls busily, as the other side does.
    pub fn spinning_client(&self) -> Client {
        let builder = Client::builder().limits(client_limits(SPIN));
        builder.connect(address(&self.name, "spin")).expect("the peer listens")
    }

    /// Its resident memory in KiB.
    pub fn resident(&self) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id()));
        let status = status.expect("the peer runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let figure = line.and_then(|line| line.trim().split(' ').next()?.parse().ok());
        figure.expect("a process has resident memory")
    }

    pub fn baseline(&self, kind: Kind, there: usize, back: usize) -> Baseline {
        let stream = UnixStream::connect_addr(&baseline_address(&self.name));
        Baseline::begin(stream.expect("the peer listens"), kind, there, back)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

fn address(name: &str, which: &str) -> Address {
    Address::Abstract(format!("{name}-{which}").into_bytes())
}

fn baseline_address(name: &str) -> SocketAddr {
    SocketAddr::from_abstract_name(format!("{name}-baseline")).expect("a short name")
}

/// The service.
fn service() -> Service<()> {
    Service::new("Peer", ())
        .method("Echo", |_: &(), text: String| Ok::<_, String>(text))
        .method("Take", |_: &(), _: WithFiles| Ok::<_, String>(()))
        .method("Record", |_: &(), record: Wide| Ok::<_, String>(record))
        .method("Count", |_: &(), counts: bool| {
            alloc::take_part(counts);
            Ok::<_, String>(())
        })
}

/// A server with the service.
pub fn server(limits: &Limits) -> Server {
    let server = Server::builder().limits(limits.clone()).build();
    server.register(service());
    server
}

/// Serves until the process that started this one closes its standard input.
pub fn run() {
    let name = env::var(NAME).expect("the peer's name is set");
    for (which, spin_time) in [("calls", Duration::ZERO), ("spin", SPIN)] {
        let listener = Listener::bind(address(&name, which)).expect("the name is free");
        thread::spawn(move || server(&limits(spin_time)).serve(&listener));
    }
    let baseline = UnixListener::bind_addr(&baseline_address(&name)).expect("the name is free");
    thread::spawn(move || {
        for stream in baseline.incoming().flatten() {
            thread::spawn(|| Baseline::answer(stream));
        }
    });
    println!("ready");
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    process::exit(0);
}
