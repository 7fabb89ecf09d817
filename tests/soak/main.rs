//! A soak test: clients that mix good calls with all kinds of errors, and attackers, against
//! servers that are stopped and replaced by others on the same path. At the end no reply was lost,
//! no place is taken, and descriptors, threads and memory are as after a shorter run of the same.
//!
//! Run it with `cargo test --release --test soak -- --ignored --nocapture`. `URPC_SOAK_SECONDS`
//! sets its length in seconds, 60 by default.

mod attacker;
mod ground;
mod killed;
mod random;
mod tally;
mod worker;

#[path = "../support/counts.rs"]
mod counts;
#[path = "../support/lingering.rs"]
mod lingering;
#[path = "../support/racing.rs"]
mod racing;
#[path = "../support/mod.rs"]
mod support;

use std::env;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use attacker::Attacker;
use counts::{descriptors, resident, threads, wait_until};
use ground::Ground;
use lingering::Lingering;
use support::{Scratch, TIMEOUT, while_nothing_starts};
use tally::Tally;
use worker::Worker;

const CLIENTS: usize = 32;
const ATTACKERS: usize = 4;
/// The minimum number of rounds of racing binds in each part of the run.
const RACES: u64 = 1000;
/// The number of servers, one after another, in each part of the run.
const SERVERS: u32 = 6;
/// Makes glibc's allocator return memory. Otherwise resident memory would depend more on it than on
/// us.
const ALLOCATOR: [(&str, &str); 3] = [
    ("MALLOC_ARENA_MAX", "1"),
    ("MALLOC_TRIM_THRESHOLD_", "65536"),
    ("MALLOC_MMAP_THRESHOLD_", "65536"),
];
/// The allowed difference of resident memory: the libc keeps the stacks of some threads that have
/// ended, with all pages that were ever used.
const SLACK: usize = 4 << 20;

#[test]
#[ignore = "takes a minute; run by name"]
fn nothing_is_lost_and_nothing_is_left_behind() {
    if env::var_os(ALLOCATOR[0].0).is_none() {
        let mut again = Command::new(env::current_exe().unwrap());
        again.args(["--ignored", "--nocapture"]).envs(ALLOCATOR);
        return assert!(again.status().unwrap().success());
    }
    let seconds = env::var("URPC_SOAK_SECONDS").ok().and_then(|text| text.parse().ok());
    let whole = Duration::from_secs(seconds.unwrap_or(60));
    // In addition to its time, it waits for what still runs at its end.
    support::limit::limit_test_to(whole + 2 * TIMEOUT);
    let alone = threads(std::process::id()).len();
    let (before, warm_up) = run(whole / 6, alone);
    let (after, tally) = run(whole - whole / 6, alone);
    println!("warm-up:\n{warm_up}{before}\nsoak:\n{tally}{after}");
    assert_eq!(tally.lost.get() + warm_up.lost.get(), 0, "replies lost");
    assert_eq!(tally.gone.get(), tally.accepted.get(), "places taken");
    assert_eq!(after.descriptors, before.descriptors);
    let (before, after) = (before.resident, after.resident);
    assert!(after <= before + SLACK, "memory grew from {before} to {after} bytes");
    let skipped = if Lingering::new().is_none() { tally::LINGERING } else { "" };
    for (name, count) in tally.all() {
        let is_tried = count.get() > 0 || name == "lost" || name == skipped;
        assert!(is_tried, "nothing of this was tried: {name}");
    }
}

/// Runs all clients and some servers for `time`. Returns what the process holds when it has no more
/// threads than `alone`, and what was done.
fn run(time: Duration, alone: usize) -> (Held, Arc<Tally>) {
    let scratch = Scratch::new("soak");
    let ground = Arc::new(Ground::new(scratch.path("s"), CLIENTS));
    thread::scope(|scope| {
        for number in 0..CLIENTS {
            let ground = &ground;
            scope.spawn(move || Worker::new(ground, number).work());
        }
        for number in 0..ATTACKERS {
            let ground = &ground;
            scope.spawn(move || Attacker::new(ground, number).attack());
        }
        scope.spawn(|| race(&ground, &scratch.path("race")));
        (0..SERVERS).for_each(|number| ground.serve(number, time / SERVERS));
        ground.end();
    });
    (Held::with_threads(alone), Arc::clone(&ground.tally))
}

/// Lets servers race for `path`.
fn race(ground: &Ground, path: &Path) {
    const ROUNDS: usize = 10;
    while !ground.has_ended() || ground.tally.races.get() < RACES {
        let _guard = while_nothing_starts();
        racing::race_to_replace(path, ROUNDS);
        racing::race_to_bind_and_leave(path, ROUNDS);
        ground.tally.races.add_many(ROUNDS as u64);
    }
}

/// What the process holds.
struct Held {
    descriptors: usize,
    resident: usize,
}

impl Held {
    /// Counts when all other threads have ended: nobody joins those that served the last clients,
    /// and the kernel lists a joined thread a little longer.
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
