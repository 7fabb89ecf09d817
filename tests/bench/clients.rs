//! Many clients at once: the share of each, and the cost of idle ones.

use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use urpc::{Client, Socket};

use crate::Plan;
use crate::baseline::Kind;
use crate::peer::{self, Peer, Pinning};
use crate::report::Row;
use crate::stats::{Compared, compare, micros, quantile};

pub fn measure(plan: &Plan) {
    for count in [1, 4, 16, 64] {
        shares(plan, count);
    }
    idle_memory(plan);
    with_idle(plan);
    connections(plan);
    stop(plan);
    ten_thousand(plan);
}

fn small_call(client: &Client) {
    client.call::<String>("Peer.Echo", "abcdefghijklmnopqrstuvwxyz012").expect("the peer answers");
}

/// Each client on a thread of its own, all calling as fast as they can.
fn shares(plan: &Plan, count: usize) {
    let what = format!("{count} clients at once, calls a second");
    if !plan.wants(&what) {
        return;
    }
    let peer = Peer::start(Pinning::Free);
    let start = Barrier::new(count);
    let time = SHARING / if plan.quick { 10 } else { 1 };
    let times: Vec<Vec<f64>> = thread::scope(|scope| {
        let call_until_done = || {
            let client = peer.client();
            small_call(&client);
            start.wait();
            let (mut times, mut began) = (Vec::new(), Instant::now());
            let until = began + time;
            while began < until {
                small_call(&client);
                times.push(micros(began.elapsed()));
                began = Instant::now();
            }
            times
        };
        let callers: Vec<_> = (0..count).map(|_| scope.spawn(call_until_done)).collect();
        callers.into_iter().map(|caller| caller.join().expect("a caller ends")).collect()
    });
    let calls: Vec<f64> = times.iter().map(|times| times.len() as f64).collect();
    let mean = calls.iter().sum::<f64>() / count as f64;
    let middle = times.iter().map(|times| quantile(times.iter().copied(), 0.5)).sum::<f64>();
    let slowest = times.iter().map(|times| quantile(times.iter().copied(), 0.99));
    let slowest = slowest.fold(0.0, f64::max);
    let seconds = SHARING.as_secs_f64() / if plan.quick { 10.0 } else { 1.0 };
    let row = Row::new(what, mean * count as f64 / seconds, "").pinned(Pinning::Free);
    row.note(format!(
        "mean p50 {:.1} us, slowest client's p99 {slowest:.1} us",
        middle / count as f64
    ))
    .emit();
    let share = quantile(calls, 0.0) / mean;
    Row::new(format!("{count} clients at once, the slowest's share"), share, "of mean")
        .pinned(Pinning::Free)
        .at_least(0.5)
        .emit();
}

/// How long the clients of [`shares`] call.
const SHARING: Duration = Duration::from_millis(1000);

/// As many clients as asked for. Each has made one call.
fn idle(peer: &Peer, count: usize) -> Vec<Client> {
    let clients: Vec<Client> = (0..count).map(|_| peer.client()).collect();
    clients.iter().for_each(small_call);
    clients
}

fn idle_memory(plan: &Plan) {
    let what = "an idle client that has called, resident";
    if !plan.wants(what) {
        return;
    }
    let peer = Peer::start(Pinning::Free);
    drop(idle(&peer, 1));
    let before = peer.resident();
    let clients = idle(&peer, IDLE);
    Row::new(what, (peer.resident() - before) / clients.len() as f64, "KiB").at_most(40.0).emit();
}

const IDLE: usize = 1000;

/// Compares four busy clients of a server that has a thousand idle ones with four of a server that
/// has none.
fn with_idle(plan: &Plan) {
    let what = "4 busy clients with 1,000 idle ones";
    if !plan.wants(what) {
        return;
    }
    let (alone, crowded) = (Peer::start(Pinning::Free), Peer::start(Pinning::Free));
    let idle = idle(&crowded, IDLE);
    let four = |peer: &Peer| [peer.client(), peer.client(), peer.client(), peer.client()];
    let (of_alone, of_crowded) = (four(&alone), four(&crowded));
    let rounds: Vec<(f64, f64)> = (0..plan.rounds(60))
        .map(|round| match round % 2 {
            0 => (busy(&of_alone), busy(&of_crowded)),
            _ => {
                let crowded = busy(&of_crowded);
                (busy(&of_alone), crowded)
            }
        })
        .collect();
    let compared = Compared::from_rounds(&rounds);
    Row::new(what, 0.0, "us").compared(compared).pinned(Pinning::Free).at_most(1.1).emit();
    drop(idle);
}

/// The median time of a call while all of `clients` call.
fn busy(clients: &[Client]) -> f64 {
    let call_often = |client: &Client| -> Vec<f64> {
        let call = || {
            let began = Instant::now();
            small_call(client);
            micros(began.elapsed())
        };
        (0..300).map(|_| call()).collect()
    };
    let times = thread::scope(|scope| {
        let callers: Vec<_> =
            clients.iter().map(|client| scope.spawn(move || call_often(client))).collect();
        callers
            .into_iter()
            .flat_map(|caller| caller.join().expect("a caller ends"))
            .collect::<Vec<_>>()
    });
    quantile(times, 0.5)
}

/// Connect, one call, close.
fn connections(plan: &Plan) {
    let what = "connect, call, close";
    if !plan.wants(what) {
        return;
    }
    let peer = Peer::start(Pinning::Free);
    let compared = compare(
        plan.rounds(100),
        20,
        || peer.baseline(Kind::Messages, 60, 60).round_trip(&[]),
        || small_call(&peer.client()),
    );
    Row::new(what, 0.0, "us")
        .compared(compared)
        .pinned(Pinning::Free)
        .note("baseline: the same with a bare thread for each")
        .emit();
}

fn stop(plan: &Plan) {
    let what = "stop of a server with 1,000 idle clients";
    if !plan.wants(what) {
        return;
    }
    let times = (0..plan.rounds(10)).map(|_| {
        let server = peer::server(&peer::limits(Duration::ZERO));
        let clients: Vec<Client> = (0..IDLE)
            .map(|_| {
                let (ours, theirs) = Socket::pair().expect("descriptors are left");
                server.start_handling(theirs).expect("a thread can be made");
                Client::new(ours)
            })
            .collect();
        clients.iter().for_each(small_call);
        let began = Instant::now();
        server.stop(Duration::ZERO);
        micros(began.elapsed()) / 1e3
    });
    Row::new(what, quantile(times, 0.5), "ms").emit();
}

/// Ten thousand clients connected at once, which then call one after another.
fn ten_thousand(plan: &Plan) {
    let what = "10,000 clients connected, each calls once";
    if plan.quick || !plan.wants(what) {
        return;
    }
    let peer = Peer::start(Pinning::Free);
    let before = peer.resident();
    let began = Instant::now();
    let clients = idle(&peer, 10_000);
    let seconds = began.elapsed().as_secs_f64();
    let each = (peer.resident() - before) / clients.len() as f64;
    Row::new(what, seconds, "s").note(format!("{each:.1} KiB resident each")).emit();
}
