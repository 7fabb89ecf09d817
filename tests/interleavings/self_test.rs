//! The search itself: on small programs it finds every outcome that trying all orders finds.

use std::collections::BTreeSet;
use std::mem;
use std::sync::Arc;
use std::sync::Mutex as Plain;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use super::execution::this_thread;
use super::{Scenario, Time, try_all};
use crate::sync::atomic::AtomicUsize;
use crate::sync::{Condvar, Mutex, thread};

/// What the threads of an execution have noted, each with the thread's number.
static NOTES: Plain<Vec<(usize, usize)>> = Plain::new(Vec::new());

fn note(value: usize) {
    NOTES.lock().unwrap().push((this_thread(), value));
}

/// All outcomes of a program, and how many executions that took.
fn outcomes(run: fn(), time: Time, all: bool) -> (BTreeSet<Vec<(usize, usize)>>, usize) {
    let mut outcomes = BTreeSet::new();
    let scenario = Scenario { name: "self test", time, run };
    let count = try_all(&scenario, all, || {
        let mut notes = mem::take(&mut *NOTES.lock().unwrap());
        notes.sort_by_key(|(thread, _)| *thread);
        outcomes.insert(notes);
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

/// The two operations of each of three threads.
type Program = [[u8; 2]; 3];
static PROGRAM: Plain<Program> = Plain::new([[0; 2]; 3]);

#[derive(Default)]
struct Shared {
    one: Mutex<usize>,
    other: Mutex<usize>,
    changed: Condvar,
    number: AtomicUsize,
}

/// Takes a step or a few, and notes what it sees of the other threads.
fn operate(operation: u8, thread: usize, shared: &Shared) {
    match operation {
        0 => *shared.one.lock().unwrap() += thread,
        1 => {
            let mut other = shared.other.lock().unwrap();
            *other = *other * 10 + thread;
            note(*other);
        }
        2 => shared.number.store(thread, SeqCst),
        3 => note(shared.number.load(SeqCst)),
        4 => {
            let one = shared.one.lock().unwrap();
            note(*one * 10 + shared.number.load(SeqCst));
        }
        5 => shared.changed.notify_all(),
        _ => {
            let one = shared.one.lock().unwrap();
            let (one, result) = shared.changed.wait_timeout(one, Duration::from_secs(1)).unwrap();
            note(*one * 10 + usize::from(result.timed_out()));
        }
    }
}

fn run_program() {
    let (program, shared) = (*PROGRAM.lock().unwrap(), Arc::new(Shared::default()));
    let threads = [1, 2, 3].map(|thread| {
        let shared = Arc::clone(&shared);
        thread::spawn(move || {
            // The third thread has one operation, so that trying all orders takes seconds.
            for operation in program[thread - 1].into_iter().take(4 - thread) {
                operate(operation, thread, &shared);
            }
        })
    });
    for thread in threads {
        thread.join();
    }
    note(shared.number.load(SeqCst));
}

/// Programs of random operations.
fn random_programs() {
    let (mut state, mut few, mut many) = (1u64, 0, 0);
    for _ in 0..8 {
        let program = [[(); 2]; 3].map(|thread| {
            thread.map(|()| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (state >> 33) as u8 % 7
            })
        });
        *PROGRAM.lock().unwrap() = program;
        let [reduced, all] = [false, true].map(|all| outcomes(run_program, Time::Runs(1), all));
        assert_eq!(reduced.0, all.0, "{program:?}: the reduced search misses an outcome");
        (few, many) = (few + reduced.1, many + all.1);
    }
    println!("self test: random programs: all outcomes in {few} orders of {many}");
}

pub(super) fn run() {
    random_programs();
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
