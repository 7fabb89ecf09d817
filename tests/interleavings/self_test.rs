//! The search itself: on small programs it finds every outcome that trying all orders finds.

use std::collections::BTreeSet;
use std::mem;
use std::sync::Arc;
use std::sync::Mutex as Plain;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use super::{Scenario, Time, try_all};
use crate::sync::atomic::AtomicUsize;
use crate::sync::{Condvar, Mutex, thread};

/// What the threads of an execution have noted, in order.
static NOTES: Plain<Vec<usize>> = Plain::new(Vec::new());

fn note(value: usize) {
    NOTES.lock().unwrap().push(value);
}

/// All outcomes of a program, and how many executions that took.
fn outcomes(run: fn(), time: Time, all: bool) -> (BTreeSet<Vec<usize>>, usize) {
    let mut outcomes = BTreeSet::new();
    let scenario = Scenario { name: "self test", time, run };
    let count = try_all(&scenario, all, || {
        outcomes.insert(mem::take(&mut *NOTES.lock().unwrap()));
    });
    (outcomes, count.orders)
}

/// Each thread adds one in two steps, so that an addition can be lost.
fn lost_additions() {
    let number = Arc::new(AtomicUsize::new(0));
    let threads = [0; 3].map(|_| {
        let number = Arc::clone(&number);
        thread::spawn(move || number.store(number.load(SeqCst) + 1, SeqCst))
    });
    for thread in threads {
        thread.join();
    }
    note(number.load(SeqCst));
}

/// The order in which three threads get a lock.
fn order_of_locks() {
    let taken = Arc::new(Mutex::new(Vec::new()));
    let threads = [1, 2, 3].map(|number| {
        let taken = Arc::clone(&taken);
        thread::spawn(move || {
            taken.lock().unwrap().push(number);
            taken.lock().unwrap().push(number + 10);
        })
    });
    for thread in threads {
        thread.join();
    }
    taken.lock().unwrap().iter().for_each(|number| note(*number));
}

/// A wait that ends by a notification or by its time limit, and two threads to be woken.
fn waits() {
    let shared = Arc::new((Mutex::new(0), Condvar::new()));
    let waiting = [1, 2].map(|number| {
        let shared = Arc::clone(&shared);
        thread::spawn(move || {
            let mut tokens = shared.0.lock().unwrap();
            while *tokens == 0 {
                let (next, timeout) =
                    shared.1.wait_timeout(tokens, Duration::from_secs(number as u64)).unwrap();
                tokens = next;
                if timeout.timed_out() {
                    return note(number + 10);
                }
            }
            *tokens -= 1;
            note(number);
        })
    });
    for _ in 0..2 {
        *shared.0.lock().unwrap() += 1;
        shared.1.notify_one();
    }
    for thread in waiting {
        thread.join();
    }
}

/// Threads that have nothing to do with each other.
fn strangers() {
    let threads = [0; 3].map(|_| {
        thread::spawn(|| {
            let mine = Mutex::new(0);
            for _ in 0..5 {
                *mine.lock().unwrap() += 1;
            }
        })
    });
    for thread in threads {
        thread.join();
    }
}

pub(super) fn run() {
    for (name, program, time) in [
        ("lost additions", lost_additions as fn(), Time::Stands),
        ("the order of locks", order_of_locks, Time::Stands),
        ("waits with a limit", waits, Time::Runs(2)),
    ] {
        let (reduced, few) = outcomes(program, time, false);
        let (all, many) = outcomes(program, time, true);
        assert_eq!(reduced, all, "{name}: the reduced search misses an outcome");
        println!("self test: {name}: {} outcomes in {few} orders of {many}", all.len());
    }
    assert_eq!(outcomes(strangers, Time::Stands, false).1, 1, "one order is enough");
    assert_eq!(outcomes(order_of_locks, Time::Stands, false).0.len(), 90);
}
