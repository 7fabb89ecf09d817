//! What was done, counted.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

#[derive(Default)]
pub struct Counter(AtomicU64);

impl Counter {
    pub fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

macro_rules! tally {
    ($($name:ident: $text:literal)*) => {
        /// Calls, faults, attacks, and replies that were sent and did not come.
        #[derive(Default)]
        pub struct Tally {
            $(pub $name: Counter,)*
        }

        impl Tally {
            pub fn all(&self) -> Vec<(&'static str, &Counter)> {
                vec![$(($text, &self.$name)),*]
            }
        }
    };
}

tally! {
    small: "small calls"
    files: "calls with files there and back"
    large: "large calls"
    failed: "calls that failed as they should"
    panicked: "calls that panicked"
    garbage: "fault: garbage"
    halves: "fault: half a message"
    untaken: "fault: reply not taken"
    trickles: "fault: bytes one by one"
    too_many_files: "fault: 253 files"
    reconnects: "fault: connection dropped"
    killed: "fault: process killed"
    ended_by_stop: "calls ended by a stop"
    servers: "servers stopped"
    lost: "lost"
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.all().iter().try_for_each(|(name, count)| writeln!(f, "{:>9} {name}", count.get()))
    }
}
