//! One client: small calls, calls with files, and large strings in both directions.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use urpc::json::to_vec;
use urpc::{Client, Files, Socket};

use crate::baseline::Kind;
use crate::peer::{self, Peer, Pinning, Wide, WithFiles};
use crate::report::Row;
use crate::stats::compare;
use crate::{Plan, baseline::Baseline};

/// An argument that makes the call 60 bytes long.
const SMALL: &str = "abcdefghijklmnopqrstuvwxyz012";
const SMALL_BYTES: usize = 60;

pub fn measure(pinning: Pinning, plan: &Plan) {
    let peer = Peer::start(pinning);
    threads(pinning, plan);
    spinning(pinning, plan, &peer);
    small(pinning, plan, &peer);
    [1, 16, 128].into_iter().for_each(|count| files(pinning, plan, &peer, count));
    record(pinning, plan, &peer);
    large(pinning, plan, &peer, ["64 KiB there and back", "64 KiB by call_raw"], 64 << 10, 2.0);
    large(pinning, plan, &peer, ["1 MiB there and back", "1 MiB by call_raw"], 1 << 20, 3.0);
}

/// A record of 30 members in 1 KiB.
fn record(pinning: Pinning, plan: &Plan, peer: &Peer) {
    let what = "record of 1 KiB there and back";
    if !plan.wants(what) {
        return;
    }
    let record = peer::wide();
    // The call and the reply have nearly as many bytes around the record.
    let bytes = to_vec(&record).expect("it can be written").len() + 35;
    let (client, mut baseline) = (peer.client(), peer.baseline(Kind::Messages, bytes, bytes));
    let call = || drop(client.call::<Wide>("Peer.Record", &record).expect("the peer answers"));
    let compared = compare(plan.rounds(400), 100, || baseline.round_trip(&[]), call);
    emit(Row::new(what, 0.0, "us").compared(compared), pinning, Some(1.9));
}

fn small(pinning: Pinning, plan: &Plan, peer: &Peer) {
    let client = peer.client();
    for (what, kind, goal) in [
        ("small call", Kind::Messages, Some(1.10)),
        ("small call against read and write", Kind::Plain, None),
    ] {
        if plan.wants(what) {
            let mut baseline = peer.baseline(kind, SMALL_BYTES, SMALL_BYTES);
            let compared =
                compare(plan.rounds(400), 100, || baseline.round_trip(&[]), || small_call(&client));
            emit(Row::new(what, 0.0, "us").compared(compared), pinning, goal);
        }
    }
}

/// Both sides in one process.
fn threads(pinning: Pinning, plan: &Plan) {
    let what = "small call between two threads";
    if pinning == Pinning::Two || !plan.wants(what) {
        return;
    }
    let (near, far) = UnixStream::pair().expect("descriptors are left");
    thread::spawn(|| Baseline::answer(far));
    let mut baseline = Baseline::begin(near, Kind::Messages, SMALL_BYTES, SMALL_BYTES);
    let server = peer::server(&peer::limits(Duration::ZERO));
    let (ours, theirs) = Socket::pair().expect("descriptors are left");
    server.start_handling(theirs).expect("a thread can be made");
    let client = Client::builder().limits(peer::client_limits(Duration::ZERO)).build(ours);
    let compared =
        compare(plan.rounds(400), 100, || baseline.round_trip(&[]), || small_call(&client));
    emit(Row::new(what, 0.0, "us").compared(compared), pinning, Some(1.10));
}

/// Busy polling on both sides, compared with the baseline that blocks.
fn spinning(pinning: Pinning, plan: &Plan, peer: &Peer) {
    if !plan.wants("small call, busy polling") {
        return;
    }
    let mut blocking = peer.baseline(Kind::Messages, SMALL_BYTES, SMALL_BYTES);
    if pinning == Pinning::Two {
        let mut bare = peer.baseline(Kind::Spinning, SMALL_BYTES, SMALL_BYTES);
        let (baseline, ours) = (|| blocking.round_trip(&[]), || bare.round_trip(&[]));
        let compared = compare(plan.rounds(200), 100, baseline, ours);
        Row::new("bare exchange, busy polling", 0.0, "us")
            .compared(compared)
            .pinned(pinning)
            .emit();
    }
    let client = peer.spinning_client();
    let (baseline, ours) = (|| blocking.round_trip(&[]), || small_call(&client));
    let compared = compare(plan.rounds(200), 100, baseline, ours);
    let row = Row::new("small call, busy polling", 0.0, "us").compared(compared).pinned(pinning);
    match pinning {
        Pinning::One => row.at_most(1.10).emit(),
        Pinning::Two => row.at_most(0.25).emit(),
        Pinning::Free => row.emit(),
    }
}

fn small_call(client: &Client) {
    let reply: String = client.call("Peer.Echo", SMALL).expect("the peer answers");
    assert_eq!(reply.len(), SMALL.len());
}

fn files(pinning: Pinning, plan: &Plan, peer: &Peer, count: usize) {
    let what = format!("small call with {count} files");
    if !plan.wants(&what) {
        return;
    }
    let (client, mut baseline) = (peer.client(), peer.baseline(Kind::Messages, 60, 60));
    let file = File::open("/dev/null").expect("there is a /dev/null");
    let lent: Vec<BorrowedFd<'_>> = (0..count).map(|_| file.as_fd()).collect();
    let copies = || (0..count).map(|_| file.try_clone().expect("descriptors are left"));
    let arg = WithFiles { text: SMALL[..18].to_owned(), files: copies().collect::<Files>() };
    let compared = compare(
        plan.rounds(400),
        if count < 100 { 50 } else { 20 },
        || baseline.round_trip(&lent),
        || client.call::<()>("Peer.Take", &arg).expect("the peer answers"),
    );
    emit(Row::new(what, 0.0, "us").compared(compared), pinning, Some(1.10));
}

/// A string of `bytes`: typed, and by `call_raw`.
fn large(pinning: Pinning, plan: &Plan, peer: &Peer, what: [&str; 2], bytes: usize, goal: f64) {
    let text: String = ('a'..='z').cycle().take(bytes).collect();
    let (client, raw) = (peer.client(), format!("\"{text}\""));
    let typed = || client.call::<String>("Peer.Echo", &text).expect("the peer answers").len();
    let by_call_raw = || {
        let (reply, _) = client.call_raw("Peer.Echo", raw.as_bytes(), &[]).expect("it answers");
        reply.as_bytes().len() - 2
    };
    let calls: [&dyn Fn() -> usize; 2] = [&typed, &by_call_raw];
    for (what, call) in what.into_iter().zip(calls).filter(|(what, _)| plan.wants(what)) {
        let mut baseline = peer.baseline(Kind::Messages, bytes, bytes);
        let compared = compare(
            plan.rounds(if bytes < 1 << 20 { 200 } else { 100 }),
            if bytes < 1 << 20 { 20 } else { 5 },
            || baseline.round_trip(&[]),
            || assert_eq!(call(), text.len()),
        );
        emit(Row::new(what, 0.0, "us").compared(compared), pinning, Some(goal));
    }
}

/// Emits a row. Its goal applies to both sides on one CPU.
fn emit(row: Row, pinning: Pinning, goal: Option<f64>) {
    let row = row.pinned(pinning);
    match goal {
        Some(goal) if pinning == Pinning::One => row.at_most(goal).emit(),
        _ => row.emit(),
    }
}
