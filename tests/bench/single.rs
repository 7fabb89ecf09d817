//! What other processes do not affect: allocations, system calls, the cost of size, first calls.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, process};

use urpc::{Client, Files, Limits, Server, Socket};

use crate::alloc;
use crate::baseline::Kind;
use crate::peer::{self, Peer, Pinning, Wide, WithFiles};
use crate::report::Row;
use crate::stats::{Compared, compare, micros, quantile};
use crate::{Plan, ROLE, this_program};

pub fn measure(plan: &Plan) {
    allocations(plan);
    system_calls(plan);
    first_call(plan);
    sizes(plan);
}

/// A server and its client in this process.
fn pair() -> (Server, Client) {
    pair_with(&peer::limits(Duration::ZERO))
}

fn pair_with(limits: &Limits) -> (Server, Client) {
    let server = peer::server(limits);
    let (ours, theirs) = Socket::pair().expect("descriptors are left");
    server.start_handling(theirs).expect("a thread can be made");
    let limits = peer::client_limits(Duration::ZERO);
    (server, Client::builder().limits(limits).build(ours))
}

/// The allocations of both sides for a call of each kind.
fn allocations(plan: &Plan) {
    let (_server, client) = pair();
    let file = File::open("/dev/null").expect("there is a /dev/null");
    let files: Vec<BorrowedFd<'_>> = (0..16).map(|_| file.as_fd()).collect();
    let copies = || (0..16).map(|_| file.try_clone().expect("descriptors are left"));
    let (record, with_files) = (peer::wide(), copies().collect::<Files>());
    let with_files = WithFiles { text: String::new(), files: with_files };
    let raw = |text: &str, files: &[BorrowedFd<'_>]| {
        drop(client.call_raw("Peer.Echo", text.as_bytes(), files).expect("the server answers"));
    };
    let large = format!("\"{}\"", "x".repeat(1 << 20));
    let kinds: [(&str, f64, &dyn Fn()); 6] = [
        ("small typed call", 2.0, &|| drop(client.call::<String>("Peer.Echo", "abc"))),
        ("call_raw", 2.0, &|| raw("\"abc\"", &[])),
        ("typed call with 16 files", 6.0, &|| drop(client.call::<()>("Peer.Take", &with_files))),
        ("call_raw with 16 files", 6.0, &|| raw("\"abc\"", &files)),
        ("record of 1 KiB", 60.0, &|| drop(client.call::<Wide>("Peer.Record", &record))),
        ("call_raw of 1 MiB", 4.0, &|| raw(&large, &[])),
    ];
    for (kind, goal, call) in kinds {
        let what = format!("allocations of a warm {kind}, both sides");
        if plan.wants(&what) {
            (0..10).for_each(|_| call());
            let counts = |is_on: bool| {
                client.call::<()>("Peer.Count", &is_on).expect("the server answers");
                alloc::take_part(is_on);
            };
            // The calls that switch the counting cost the same without calls between them.
            let made = |calls: usize| {
                counts(true);
                alloc::arm(usize::MAX);
                (0..calls).for_each(|_| call());
                let made = alloc::disarm();
                counts(false);
                made
            };
            let count = (made(100) - made(0)) as f64 / 100.0;
            Row::new(what, count, "").at_most(goal).emit();
        }
    }
}

/// A process that makes `calls` calls with an argument of so many bytes, to be watched. Neither side
/// has a limit of time.
pub fn be_watched(calls: usize, bytes: usize) {
    let limits = peer::client_limits(Duration::ZERO);
    let (_server, client) = pair_with(&limits);
    let text = format!("\"{}\"", "x".repeat(bytes));
    (0..calls).for_each(|_| drop(client.call_raw("Peer.Echo", text.as_bytes(), &[])));
}

fn system_calls(plan: &Plan) {
    for (what, bytes, sides, goal) in [
        ("system calls of a small call, each side", 3, 2.0, 2.0),
        ("system calls of a 1 MiB call, both sides", 1 << 20, 1.0, 14.0),
    ] {
        if !plan.wants(what) {
            continue;
        }
        let [Some(few), Some(many)] = [100, 1100].map(|calls| count_system_calls(calls, bytes))
        else {
            Row::new(what, f64::NAN, "").note("there is no strace").emit();
            continue;
        };
        let count = ((many - few) / 1000.0 / sides * 100.0).round() / 100.0;
        let row = Row::new(what, count, "").at_most(goal);
        if bytes < 64 { row.note("Go's urpc: 5").emit() } else { row.emit() }
    }
}

/// The count by strace(1) for [`be_watched`].
fn count_system_calls(calls: usize, bytes: usize) -> Option<f64> {
    let summary = env::temp_dir().join(format!("urpc-bench-{}", process::id()));
    let status = Command::new("strace")
        .args(["-f", "-c", "-qq", "-o"])
        .arg(&summary)
        .arg(this_program().get_program())
        .env(ROLE, "watched")
        .env("URPC_BENCH_CALLS", calls.to_string())
        .env("URPC_BENCH_BYTES", bytes.to_string())
        .stdout(Stdio::null())
        .status();
    let text = fs::read_to_string(&summary);
    let _ = fs::remove_file(&summary);
    let total = text.ok()?.lines().find(|line| line.ends_with("total"))?.to_owned();
    let figure = total.split_whitespace().nth(3)?.parse().ok()?;
    status.is_ok_and(|status| status.success()).then_some(figure)
}

/// The first call of a fresh connection, with the start of its thread, compared with those that
/// follow.
fn first_call(plan: &Plan) {
    let what = "first call of 1 MiB against warm";
    if !plan.wants(what) {
        return;
    }
    let (peer, text) = (Peer::start(Pinning::One), "x".repeat(1 << 20));
    let rounds: Vec<(f64, f64)> = (0..plan.rounds(40))
        .map(|_| {
            let client = peer.client();
            let call = || {
                let began = Instant::now();
                client.call::<String>("Peer.Echo", &text).expect("the peer answers");
                micros(began.elapsed())
            };
            let first = call();
            (quantile((0..9).map(|_| call()), 0.5), first)
        })
        .collect();
    let compared = Compared::from_rounds(&rounds);
    Row::new(what, 0.0, "us").compared(compared).pinned(Pinning::One).at_most(2.0).emit();
}

/// The cost of a byte, from 64 KiB to 64 MiB.
fn sizes(plan: &Plan) {
    let peer = Peer::start(Pinning::One);
    let client = peer.client();
    let mut smallest = None;
    for shift in [16, 18, 20, 22, 24, 26] {
        let bytes = 1 << shift;
        let what = match bytes >> 20 {
            0 => format!("cost of a byte in {} KiB", bytes >> 10),
            megabytes => format!("cost of a byte in {megabytes} MiB"),
        };
        if !plan.wants(&what) {
            continue;
        }
        let text = "x".repeat(bytes);
        let mut baseline = peer.baseline(Kind::Messages, bytes, bytes);
        let compared = compare(
            if plan.quick { 1 } else { (1 << 24 >> shift).clamp(2, 40) },
            if bytes < 1 << 20 { 10 } else { 2 },
            || baseline.round_trip(&[]),
            || drop(client.call::<String>("Peer.Echo", &text).expect("the peer answers")),
        );
        let a_byte = |time: f64| time * 1e3 / (2 * bytes) as f64;
        let (ours, smallest) =
            (a_byte(compared.ours), *smallest.get_or_insert(a_byte(compared.ours)));
        let note = format!("{:.2} x the bare exchange", compared.ratio);
        let row = Row::new(what, ours, "ns").pinned(Pinning::One).note(note);
        Row { ratio: Some(ours / smallest), baseline: Some(smallest), ..row }.at_most(2.0).emit();
    }
}
