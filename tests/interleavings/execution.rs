//! One execution of a scenario: its threads take steps, one thread at a time.
//!
//! A thread runs until its next operation on something that other threads see: a lock, an atomic, a
//! condition variable, a channel, a socket. There it stops and says what it waits for
//! ([`step`]). Then the execution chooses the thread that goes on, among those that can. All that
//! a thread does until it stops again is one step. `orders` decides the choices and thereby which
//! order of steps this execution tries out. A step notes what it has accessed, so that `orders` can
//! tell which steps could as well have come in another order.
//!
//! Time passes only as a step: a wait with a time limit ends without its event. `Time` says when
//! that may happen. `objects` has what the operations do, and `workers` the threads of the process.

#[path = "objects.rs"]
mod objects;
#[path = "workers.rs"]
mod workers;

use std::collections::HashMap;
use std::os::fd::RawFd;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use std::{mem, process, thread};

use super::orders::{Orders, Turn};
use crate::sys::{self, Awaited};
use workers::wait_for_turn;
pub(crate) use workers::{spawn, this_thread};

/// What steps access, numbered in the order of first use.
pub(crate) type Object = usize;

/// How a step accesses an object. Two reads can be exchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    Read,
    Write,
    /// It makes another step possible, or was made possible by one: to unlock, to begin, to end.
    /// The other step cannot come first.
    Order,
}

/// What a thread waits for before its next step.
#[derive(Debug)]
pub(crate) enum Until {
    Now,
    /// No other thread can go on.
    Settled,
    Begun,
    Unlocked(Object),
    /// It is notified, and gets its lock back.
    Notified {
        condvar: Object,
        mutex: Object,
    },
    Hung(Object),
    Ended(usize),
    Ready(Vec<Awaited>),
}

/// When a wait with a limit may end without its event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Time {
    /// Never: what comes only after a time limit counts as lost.
    Stands,
    /// When no thread can do anything else.
    Passes,
    /// Also so many times before that, at any moment.
    Runs(usize),
}

pub(crate) struct Step {
    pub(crate) thread: usize,
    pub(crate) what: &'static str,
    pub(crate) accesses: Vec<(Object, Access)>,
}

struct Pending {
    until: Until,
    deadline: Option<Duration>,
    what: &'static str,
}

struct Thread {
    handle: Option<thread::Thread>,
    pending: Option<Pending>,
    has_ended: bool,
    object: Object,
}

pub(crate) struct Execution {
    number: usize,
    threads: Vec<Thread>,
    current: Option<usize>,
    pub(crate) steps: Vec<Step>,
    pub(crate) orders: Orders,
    objects: usize,
    locked: HashMap<Object, bool>,
    /// The threads that wait for a notification, in their order, and the notified ones.
    waiting: HashMap<Object, Vec<usize>>,
    notified: Vec<usize>,
    hung: Vec<Object>,
    /// The objects of a socket's two directions: what it receives and what it sends.
    sockets: HashMap<RawFd, (Object, Object)>,
    answerers: HashMap<RawFd, Answerer>,
    clock: Duration,
    start: Instant,
    time: Time,
    pub(crate) memory: usize,
    /// How many threads may still be started.
    pub(crate) threads_left: usize,
    is_over: bool,
}

/// The clock.
const CLOCK: Object = 0;
/// The sockets that were not made by `pair`.
const OTHER_SOCKETS: Object = 1;
/// More steps than any scenario takes: one that takes so many never ends.
const MOST_STEPS: usize = 3000;

static EXECUTION: Mutex<Option<Execution>> = Mutex::new(None);
type Body = Box<dyn FnOnce() + Send>;
/// A peer that takes no time.
pub(crate) type Answerer = Box<dyn FnMut() + Send>;

pub(crate) struct Guard(MutexGuard<'static, Option<Execution>>);

impl std::ops::Deref for Guard {
    type Target = Execution;
    fn deref(&self) -> &Execution {
        self.0.as_ref().expect("a scenario runs")
    }
}

impl std::ops::DerefMut for Guard {
    fn deref_mut(&mut self) -> &mut Execution {
        self.0.as_mut().expect("a scenario runs")
    }
}

fn lock() -> MutexGuard<'static, Option<Execution>> {
    EXECUTION.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The execution that runs.
pub(crate) fn execution() -> Guard {
    Guard(lock())
}

/// Runs `scenario` once, in the order that `orders` says. Returns the steps.
pub(crate) fn run(
    number: usize,
    time: Time,
    orders: Orders,
    scenario: Body,
) -> (Vec<Step>, Orders) {
    *lock() = Some(Execution {
        number,
        threads: Vec::new(),
        current: None,
        steps: Vec::new(),
        orders,
        objects: 2,
        locked: HashMap::new(),
        waiting: HashMap::new(),
        notified: Vec::new(),
        hung: Vec::new(),
        sockets: HashMap::new(),
        answerers: HashMap::new(),
        clock: Duration::ZERO,
        start: Instant::now(),
        time,
        memory: usize::MAX,
        threads_left: usize::MAX,
        is_over: false,
    });
    let controller = thread::current();
    spawn(Box::new(move || {
        scenario();
        CONTROLLER.lock().unwrap_or_else(PoisonError::into_inner).replace(controller);
    }));
    let mut execution = execution();
    execution.choose();
    drop(execution);
    loop {
        thread::park();
        let mut execution = lock();
        if execution.as_ref().is_some_and(|execution| execution.is_over) {
            let execution = execution.take().expect("it was there");
            return (execution.steps, execution.orders);
        }
    }
}

/// Whom to wake at the end.
static CONTROLLER: Mutex<Option<thread::Thread>> = Mutex::new(None);

/// Ends the current step. The next one begins when `until` holds or `deadline` has passed. Returns
/// `false` if the deadline passed first.
pub(crate) fn step(what: &'static str, until: Until, deadline: Option<Duration>) -> bool {
    let me = this_thread();
    let mut execution = execution();
    execution.threads[me].pending = Some(Pending { until, deadline, what });
    execution.choose();
    wait_for_turn(execution, me)
}

/// Notes an access of the current step.
pub(crate) fn access(object: Object, access: Access) {
    execution().access(object, access);
}

impl Execution {
    fn holds(&self, thread: usize) -> bool {
        match self.threads[thread].pending.as_ref().map(|pending| &pending.until) {
            None | Some(Until::Settled) => false,
            Some(Until::Now | Until::Begun) => true,
            Some(Until::Unlocked(mutex)) => !self.is_locked(*mutex),
            Some(Until::Notified { mutex, .. }) => {
                self.notified.contains(&thread) && !self.is_locked(*mutex)
            }
            Some(Until::Hung(channel)) => self.has_hung_up(*channel),
            Some(Until::Ended(other)) => self.threads[*other].has_ended,
            Some(Until::Ready(entries)) => sys::is_any_ready(entries),
        }
    }

    fn waits_for_others(&self, thread: usize) -> bool {
        let pending = self.threads[thread].pending.as_ref();
        pending.is_some_and(|pending| matches!(pending.until, Until::Settled))
    }

    fn is_locked(&self, mutex: Object) -> bool {
        self.locked.get(&mutex).copied().unwrap_or(false)
    }

    /// When the thread's wait ends by its time limit, if it can.
    fn can_time_out(&self, thread: usize) -> Option<Duration> {
        let pending = self.threads[thread].pending.as_ref()?;
        match pending.until {
            // It takes the lock then.
            Until::Notified { mutex, .. } if self.is_locked(mutex) => None,
            _ => pending.deadline,
        }
    }

    /// Chooses the thread that takes the next step, and wakes it.
    fn choose(&mut self) {
        if self.steps.len() > MOST_STEPS {
            self.fail("it does not end");
        }
        let all = 0..self.threads.len();
        let (mut ready, mut timed) = (Vec::new(), Vec::new());
        for thread in all {
            match self.can_time_out(thread) {
                _ if self.holds(thread) => ready.push(thread),
                Some(limit) if limit <= self.clock => ready.push(thread),
                Some(limit) => timed.push((limit, thread)),
                None => {}
            }
        }
        match self.time {
            Time::Runs(1..) if !self.orders.is_quiet => {}
            Time::Stands => timed.clear(),
            _ if !ready.is_empty() || self.orders.is_quiet => timed.clear(),
            // With nothing else to do the earliest limit is reached first.
            _ => {
                let earliest = timed.iter().min().map(|(limit, _)| *limit);
                timed.retain(|(limit, _)| Some(*limit) == earliest);
            }
        }
        if ready.is_empty() {
            ready.extend((0..self.threads.len()).find(|thread| self.waits_for_others(*thread)));
        }
        if ready.is_empty() && timed.is_empty() {
            return self.end();
        }
        let timed = timed.iter().map(|(_, thread)| *thread).collect();
        let turn = Turn { ready, timed, last: self.current };
        let chosen = Some(self.orders.choose_thread(turn, &self.steps));
        if mem::replace(&mut self.current, chosen) != chosen {
            if let Some(handle) = chosen.and_then(|chosen| self.threads[chosen].handle.as_ref()) {
                handle.unpark();
            }
        }
    }

    /// Begins the step of a thread. Returns `false` if its time limit passed first.
    fn begin_step(&mut self, me: usize) -> bool {
        let in_time = self.holds(me) || self.waits_for_others(me);
        let Pending { until, deadline, what } =
            self.threads[me].pending.take().expect("it has waited");
        self.steps.push(Step { thread: me, what, accesses: Vec::new() });
        if !in_time {
            let deadline = deadline.expect("it has a limit");
            if let (Time::Runs(left), true) = (&mut self.time, deadline > self.clock) {
                *left = left.saturating_sub(1);
            }
            self.clock = self.clock.max(deadline);
            self.access(CLOCK, Access::Write);
        }
        match until {
            Until::Unlocked(mutex) => self.take_lock(mutex),
            Until::Notified { condvar, mutex } => {
                if in_time {
                    self.notified.retain(|thread| *thread != me);
                    self.access(condvar, Access::Order);
                } else {
                    self.waiting.entry(condvar).or_default().retain(|thread| *thread != me);
                    self.access(condvar, Access::Write);
                }
                self.take_lock(mutex);
            }
            Until::Hung(channel) => self.access(channel, Access::Write),
            Until::Ended(other) => self.access(self.threads[other].object, Access::Order),
            Until::Ready(entries) => {
                for entry in entries {
                    self.access(self.directions(entry.file).0, Access::Write);
                }
            }
            Until::Begun => self.access(self.threads[me].object, Access::Order),
            Until::Now | Until::Settled => {}
        }
        in_time
    }

    fn take_lock(&mut self, mutex: Object) {
        self.locked.insert(mutex, true);
        self.access(mutex, Access::Write);
    }

    fn end_thread(&mut self, me: usize) {
        self.threads[me].has_ended = true;
        self.access(self.threads[me].object, Access::Order);
        self.choose();
    }

    /// No thread can go on.
    fn end(&mut self) {
        if self.threads.iter().any(|thread| !thread.has_ended) {
            self.fail("no thread can go on");
        }
        self.is_over = true;
        self.current = None;
        if let Some(controller) = CONTROLLER.lock().unwrap_or_else(PoisonError::into_inner).take() {
            controller.unpark();
        }
    }

    /// Prints the order of steps so far and ends the process.
    pub(crate) fn fail(&self, why: &str) -> ! {
        let mut last = usize::MAX;
        eprint!("the order of steps:");
        for step in &self.steps {
            if mem::replace(&mut last, step.thread) != step.thread {
                eprint!("\n  thread {}:", step.thread);
            }
            eprint!(" {}", step.what);
        }
        eprintln!();
        for (number, thread) in self.threads.iter().enumerate() {
            if let Some(pending) = &thread.pending {
                eprintln!("  thread {number} waits: {} until {:?}", pending.what, pending.until);
            }
        }
        eprintln!("interleavings: {}: {why}", self.orders.scenario);
        process::exit(1);
    }
}
