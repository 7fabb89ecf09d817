//! The threads of the process that run the threads of executions. They are used again and again,
//! because starting one takes much longer than a scenario.

use std::cell::Cell;
use std::sync::{Mutex, PoisonError, mpsc};
use std::{panic, thread};

use super::{Access, Body, Guard, Pending, Thread, Until, execution};

static WORKERS: Mutex<Vec<mpsc::Sender<(usize, Body)>>> = Mutex::new(Vec::new());

thread_local! {
    static THIS_THREAD: Cell<usize> = const { Cell::new(usize::MAX) };
}

/// The number of the current thread in its execution.
pub(crate) fn this_thread() -> usize {
    THIS_THREAD.get()
}

/// Starts a thread. Returns its number.
pub(crate) fn spawn(body: Body) -> usize {
    let mut execution = execution();
    let number = execution.threads.len();
    let object = execution.new_object();
    execution.threads.push(Thread {
        handle: None,
        pending: Some(Pending { until: Until::Begun, deadline: None, what: "begin" }),
        has_ended: false,
        object,
    });
    if number > 0 {
        execution.access(object, Access::Order);
    }
    drop(execution);
    let mut job = (number, body);
    loop {
        let worker = WORKERS.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let worker = worker.unwrap_or_else(start_worker);
        match worker.send(job) {
            Ok(()) => return number,
            Err(mpsc::SendError(back)) => job = back,
        }
    }
}

fn start_worker() -> mpsc::Sender<(usize, Body)> {
    let (jobs, received) = mpsc::channel::<(usize, Body)>();
    let again = jobs.clone();
    thread::spawn(move || {
        for (number, body) in received {
            THIS_THREAD.set(number);
            wait_for_turn(execution(), number);
            if panic::catch_unwind(panic::AssertUnwindSafe(body)).is_err() {
                execution().fail("a thread panicked");
            }
            let mut execution = execution();
            WORKERS.lock().unwrap_or_else(PoisonError::into_inner).push(again.clone());
            execution.end_thread(number);
        }
    });
    jobs
}

/// Waits until the execution has chosen this thread, and begins its step.
pub(super) fn wait_for_turn(mut guard: Guard, me: usize) -> bool {
    guard.threads[me].handle = Some(thread::current());
    while guard.current != Some(me) {
        drop(guard);
        thread::park();
        guard = execution();
    }
    guard.begin_step(me)
}
