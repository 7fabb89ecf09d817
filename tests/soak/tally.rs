//! Counters of what was done.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use urpc::{Error, Event, Limit, Outcome};

#[derive(Default)]
pub struct Counter(AtomicU64);

impl Counter {
    pub fn add(&self) {
        self.add_many(1);
    }

    pub fn add_many(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

macro_rules! tally {
    ($($name:ident: $text:expr;)*) => {
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

/// What is not done if such files cannot be made.
pub const LINGERING: &str = "attack: file whose close blocks";

tally! {
    small: "small calls";
    files: "calls with files there and back";
    large: "large calls";
    failed: "calls that failed as they should";
    panicked: "calls that panicked";
    garbage: "fault: garbage";
    halves: "fault: half a message";
    untaken: "fault: reply not taken";
    trickles: "fault: bytes one by one";
    too_many_files: "fault: 253 files";
    reconnects: "fault: connection dropped";
    killed: "fault: process killed";
    own_ends: "attack: own end of the connection on a space";
    out_of_time: "clients cut off for a message out of time";
    floods: "attack: flood of files on spaces";
    lingering: LINGERING;
    much: "attack: message that takes much memory decoded";
    hoards: "attack: many large incomplete messages";
    over_budget: "messages over the budget of all clients";
    races: "attack: rounds of racing binds";
    answered: "calls answered after an attack";
    accepted: "clients accepted";
    gone: "clients gone";
    no_room: "large calls for which there was no memory";
    ended_by_stop: "calls ended by a stop";
    servers: "servers stopped";
    lost: "lost";
}

impl Tally {
    /// Counts what a server reported to its observer.
    pub fn note(&self, event: &Event<'_>) {
        match event {
            Event::Accepted { .. } => self.accepted.add(),
            Event::Disconnected { reason, .. } => {
                if reason.and_then(Error::limit) == Some(Limit::MessageTime) {
                    self.out_of_time.add();
                }
                self.gone.add();
            }
            Event::CallEnded { outcome: Outcome::Panicked, .. } => self.panicked.add(),
            _ => {}
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.all().iter().try_for_each(|(name, count)| writeln!(f, "{:>9} {name}", count.get()))
    }
}
