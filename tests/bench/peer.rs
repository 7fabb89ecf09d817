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
use crate::{ROLE, this_program};

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
}

/// A server with the service.
pub fn server(spin_time: Duration) -> Server {
    let server = Server::builder().limits(limits(spin_time)).build();
    server.register(service());
    server
}

/// Serves until the process that started this one closes its standard input.
pub fn run() {
    let name = env::var(NAME).expect("the peer's name is set");
    for (which, spin_time) in [("calls", Duration::ZERO), ("spin", SPIN)] {
        let listener = Listener::bind(address(&name, which)).expect("the name is free");
        thread::spawn(move || server(spin_time).serve(&listener));
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
