//! When the calls of a measurement are made, and when it is over.

use std::process;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use urpc::Client;

use crate::clients::{ENDED_BY_SIGNAL, spawn, stop_signals};
use crate::outcome::Outcome;

/// How long a call may take after a signal, or after the end of the time to measure, before its
/// connection is closed.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often a thread that waits for its next call looks for a signal.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// All clients of a measurement take their calls from it.
pub struct Schedule {
    began: Instant,
    /// How many calls in 1000 seconds, of all clients.
    rate: Option<u64>,
    /// The number of calls in all.
    count: Option<u64>,
    taken: AtomicU64,
}

impl Schedule {
    pub fn start(rate: Option<u64>, count: Option<u64>) -> Schedule {
        Schedule { began: Instant::now(), rate, count, taken: AtomicU64::new(0) }
    }

    /// Without bounds: each client calls as fast as it can.
    pub fn free() -> Schedule {
        Schedule::start(None, None)
    }

    pub fn is_over(&self) -> bool {
        self.count.is_some_and(|count| self.taken.load(Ordering::Relaxed) >= count)
    }

    /// Waits until the next call is due, and returns from when on its time counts: `last` if there
    /// is no rate. If the client was not free when the call was due, the time until now counts too:
    /// otherwise a server that stalls would seem faster than it is. `None` if no call is due before
    /// `until`, or all were taken.
    pub fn next(&self, last: Instant, until: Option<Instant>) -> Option<Instant> {
        if self.rate.is_none() && self.count.is_none() {
            return Some(last);
        }
        loop {
            let number = self.taken.load(Ordering::Relaxed);
            if self.count.is_some_and(|count| number >= count) {
                return None;
            }
            let due = self.rate.map(|rate| {
                let after = u128::from(number) * 1_000_000_000_000 / u128::from(rate);
                self.began + Duration::from_nanos(u64::try_from(after).unwrap_or(u64::MAX))
            });
            if due.is_some_and(|due| until.is_some_and(|until| due >= until)) {
                return None;
            }
            let next = number + 1;
            let taken =
                self.taken.compare_exchange(number, next, Ordering::Relaxed, Ordering::Relaxed);
            match (taken, due) {
                (Err(_), _) => {}
                (Ok(_), None) => return Some(last),
                (Ok(_), Some(due)) => return wait_until(due),
            }
        }
    }
}

/// `None` if a signal came first.
fn wait_until(due: Instant) -> Option<Instant> {
    if due <= Instant::now() {
        return Some(due);
    }
    loop {
        let now = Instant::now();
        match due.checked_duration_since(now) {
            _ if is_interrupted() => return None,
            Some(left) if !left.is_zero() => thread::sleep(left.min(LOOK_AGAIN)),
            // That this thread has woken up late is not the server's fault.
            _ => return Some(now),
        }
    }
}

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

static IS_LATE: AtomicBool = AtomicBool::new(false);

/// Whether the time to measure is over.
pub fn is_late() -> bool {
    IS_LATE.load(Ordering::Relaxed)
}

/// Whether a signal asked to end. Then there are figures of what was measured until then.
pub fn is_interrupted() -> bool {
    INTERRUPTED.load(Ordering::Relaxed)
}

/// The clients that are measured. `None` while they are being connected.
static CLIENTS: Mutex<Option<Vec<Weak<Client>>>> = Mutex::new(None);

fn clients() -> MutexGuard<'static, Option<Vec<Weak<Client>>>> {
    CLIENTS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Lets a signal end the measurement. Before [`measure`] it ends the program.
pub fn end_by_signal() -> Outcome {
    let signals = stop_signals()?;
    spawn(move || {
        if signals.wait().is_err() {
            return;
        }
        if clients().is_none() {
            process::exit(ENDED_BY_SIGNAL);
        }
        INTERRUPTED.store(true, Ordering::Relaxed);
        thread::sleep(PATIENCE);
        close_all();
    })
}

/// Ends the calls that have no answer a while after `time`, which is measured from now on.
pub fn end_after(time: Duration) -> Outcome {
    spawn(move || {
        thread::sleep(time);
        IS_LATE.store(true, Ordering::Relaxed);
        thread::sleep(PATIENCE);
        close_all();
    })
}

fn close_all() {
    let clients = clients().take().unwrap_or_default();
    clients.iter().filter_map(Weak::upgrade).for_each(|client| client.close());
}

/// These clients are measured from now on.
pub fn measure(measured: Vec<Weak<Client>>) {
    *clients() = Some(measured);
}
