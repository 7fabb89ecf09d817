//! What other processes do not affect: allocations, system calls, the cost of size, first calls.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, process};

use urpc::{Client, Server, Socket};

use crate::alloc;
use crate::baseline::Kind;
use crate::peer::{self, Peer, Pinning};
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
    let server = peer::server(Duration::ZERO);
    let (ours, theirs) = Socket::pair().expect("descriptors are left");
    server.start_handling(theirs).expect("a thread can be made");
    (server, Client::new(ours))
}

fn allocations(plan: &Plan) {
    let what = "allocations of a warm call_raw";
    if !plan.wants(what) {
        return;
    }
    let (_server, client) = pair();
    let call = || client.call_raw("Peer.Echo", br#""abc""#, &[]).expect("the server answers");
    (0..10).for_each(|_| drop(call()));
    let (_, count) = alloc::counted(|| (0..100).for_each(|_| drop(call())));
    Row::new(what, count.allocations as f64 / 100.0, "").at_most(2.0).emit();
}

/// A process that makes `calls` calls, to be watched.
pub fn be_watched(calls: usize) {
    let (_server, client) = pair();
    (0..calls).for_each(|_| drop(client.call_raw("Peer.Echo", br#""abc""#, &[])));
}

fn system_calls(plan: &Plan) {
    let what = "system calls of a small call, each side";
    if !plan.wants(what) {
        return;
    }
    let counts = [100, 1100].map(count_system_calls);
    let ([Some(few), Some(many)], unit) = (counts, "") else {
        return Row::new(what, f64::NAN, "").note("there is no strace").emit();
    };
    Row::new(what, ((many - few) / 2000.0 * 100.0).round() / 100.0, unit)
        .at_most(2.0)
        .note("Go's urpc: 5")
        .emit();
}

/// The count by strace(1) for [`be_watched`].
fn count_system_calls(calls: usize) -> Option<f64> {
    let summary = env::temp_dir().join(format!("urpc-bench-{}", process::id()));
    let status = Command::new("strace")
        .args(["-f", "-c", "-qq", "-o"])
        .arg(&summary)
        .arg(this_program().get_program())
        .env(ROLE, "watched")
        .env("URPC_BENCH_CALLS", calls.to_string())
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
