//! One client: small calls, calls with files, and large strings there and back.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};

use urpc::Files;

use crate::floor::Kind;
use crate::peer::{Peer, Pinning, WithFiles};
use crate::report::Row;
use crate::stats::{Compared, compare};
use crate::{Plan, emit};

/// An argument that makes the call 60 bytes long.
const SMALL: &str = "abcdefghijklmnopqrstuvwxyz012";
const SMALL_BYTES: usize = 60;

pub fn measure(pinning: Pinning, plan: &Plan) {
    let peer = Peer::start(pinning);
    small(pinning, plan, &peer);
    [1, 16, 128].into_iter().for_each(|count| files(pinning, plan, &peer, count));
    large(pinning, plan, &peer, "64 KiB there and back", 64 << 10, 2.0);
    large(pinning, plan, &peer, "1 MiB there and back", 1 << 20, 3.0);
}

fn small(pinning: Pinning, plan: &Plan, peer: &Peer) {
    let client = peer.client();
    let call = || {
        let reply: String = client.call("Peer.Echo", SMALL).expect("the peer answers");
        assert_eq!(reply.len(), SMALL.len());
    };
    for (what, kind, goal) in [
        ("small call", Kind::Messages, Some(1.10)),
        ("small call beside read and write", Kind::Plain, None),
    ] {
        if plan.wants(what) {
            let mut floor = peer.floor(kind, SMALL_BYTES, SMALL_BYTES);
            let compared = compare(plan.rounds(400), 100, || floor.round_trip(&[]), call);
            emit(&row(what, pinning, compared, goal));
        }
    }
}

fn files(pinning: Pinning, plan: &Plan, peer: &Peer, count: usize) {
    let what = format!("small call with {count} files");
    if !plan.wants(&what) {
        return;
    }
    let (client, mut floor) = (peer.client(), peer.floor(Kind::Messages, 60, 60));
    let file = File::open("/dev/null").expect("there is a /dev/null");
    let lent: Vec<BorrowedFd<'_>> = (0..count).map(|_| file.as_fd()).collect();
    let copies = || (0..count).map(|_| file.try_clone().expect("descriptors are left"));
    let arg = WithFiles { text: SMALL[..18].to_owned(), files: copies().collect::<Files>() };
    let compared = compare(
        plan.rounds(400),
        if count < 100 { 50 } else { 20 },
        || floor.round_trip(&lent),
        || client.call::<()>("Peer.Take", &arg).expect("the peer answers"),
    );
    emit(&row(&what, pinning, compared, Some(1.10)));
}

fn large(pinning: Pinning, plan: &Plan, peer: &Peer, what: &str, bytes: usize, goal: f64) {
    if !plan.wants(what) {
        return;
    }
    let (client, mut floor) = (peer.client(), peer.floor(Kind::Messages, bytes, bytes));
    let text: String = ('a'..='z').cycle().take(bytes).collect();
    let compared = compare(
        plan.rounds(if bytes < 1 << 20 { 200 } else { 100 }),
        if bytes < 1 << 20 { 20 } else { 5 },
        || floor.round_trip(&[]),
        || {
            let reply: String = client.call("Peer.Echo", &text).expect("the peer answers");
            assert_eq!(reply.len(), text.len());
        },
    );
    emit(&row(what, pinning, compared, Some(goal)));
}

/// A row of a ratio that is to be at most `goal`, which is meant for one CPU.
fn row(what: &str, pinning: Pinning, compared: Compared, goal: Option<f64>) -> Row {
    let Compared { ours, floor, ratio, low, high } = compared;
    Row {
        what: what.to_owned(),
        pinning: pinning.name().to_owned(),
        unit: "us".to_owned(),
        ours,
        floor: Some(floor),
        ratio: Some(ratio),
        low: Some(low),
        high: Some(high),
        goal: goal.map_or(String::new(), |goal| format!("<= {goal:.2}")),
        reached: goal.map(|goal| ratio <= goal),
        note: String::new(),
    }
}
