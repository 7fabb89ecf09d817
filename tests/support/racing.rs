//! Servers that race for one path.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Barrier;
use std::thread;

use urpc::{BindOptions, Listener, Socket};

use crate::support::leave_stale;

/// The number of servers that race. The last of them does not replace.
const RACERS: usize = 4;

/// In each of `rounds`, a stale socket lies at `path` and several servers bind there at the same
/// moment. Exactly one must succeed, and clients must reach that one.
pub fn race_to_replace(path: &Path, rounds: usize) {
    let barrier = Barrier::new(RACERS);
    for round in 0..rounds {
        leave_stale(path);
        let outcomes: Vec<_> = thread::scope(|scope| {
            let bind = |racer| {
                let options = BindOptions::new().replace_stale(racer + 1 < RACERS);
                barrier.wait();
                options.bind(path)
            };
            let racers: Vec<_> =
                (0..RACERS).map(|racer| scope.spawn(move || bind(racer))).collect();
            racers.into_iter().map(|racer| racer.join().unwrap()).collect()
        });
        let (winners, losers): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
        for error in losers.into_iter().map(Result::unwrap_err) {
            assert_eq!(error.kind(), ErrorKind::AddrInUse, "{error}");
        }
        assert_eq!(winners.len(), 1, "servers that bound in round {round}");
        assert_reached(path, winners[0].as_ref().unwrap());
    }
}

/// In each of `rounds`, several servers bind at `path` and leave it again. A server that bound must
/// be the one that clients reach until it leaves.
pub fn race_to_bind_and_leave(path: &Path, rounds: usize) {
    let bound: usize = thread::scope(|scope| {
        let race = |racer| {
            let options = BindOptions::new().replace_stale(racer + 1 < RACERS);
            let bound = (0..rounds).filter_map(|_| options.bind(path).ok());
            bound.inspect(|listener| assert_reached(path, listener)).count()
        };
        let racers: Vec<_> = (0..RACERS).map(|racer| scope.spawn(move || race(racer))).collect();
        racers.into_iter().map(|racer| racer.join().unwrap()).sum()
    });
    assert!(bound > 0);
}

fn assert_reached(path: &Path, listener: &Listener) {
    let _client = Socket::connect(path).expect("a server that bound is reachable");
    listener.accept().expect("the client reaches the server that bound");
}
