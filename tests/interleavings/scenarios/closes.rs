//! The threads that close what may block, and the files of a call.

use std::fs::File;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use super::{Gate, check, connection, count_replies, finish, settle};
use crate::interleavings::execution::execution;
use crate::interleavings::{Scenario, Time};
use crate::json::RawJson;
use crate::sync::{Mutex, thread};
use crate::{CallContext, Files, Server, Service, closer};

pub(super) const ALL: &[Scenario] = &[
    Scenario { name: "three closes", time: Time::Stands, run: three_closes },
    Scenario { name: "a close that blocks", time: Time::Passes, run: a_close_blocks },
    Scenario { name: "two closes and one slot", time: Time::Stands, run: two_closes_and_one_slot },
    Scenario { name: "a close without a thread", time: Time::Stands, run: without_a_thread },
    Scenario { name: "files that outlive their call", time: Time::Stands, run: files_outlive },
];

/// Opens its gate when it is dropped, and counts the drops.
struct Value {
    dropped: Gate,
    count: Arc<AtomicUsize>,
}

impl Drop for Value {
    fn drop(&mut self) {
        self.count.fetch_add(1, SeqCst);
        self.dropped.open();
    }
}

/// Counts when it is dropped.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
    }
}

/// Blocks when it is dropped, until its gate is open.
struct Slow(Gate);

impl Drop for Slow {
    fn drop(&mut self) {
        self.0.pass();
    }
}

fn value(count: &Arc<AtomicUsize>) -> (Value, Gate) {
    let dropped = Gate::default();
    (Value { dropped: dropped.clone(), count: Arc::clone(count) }, dropped)
}

/// Each value is dropped when its close returns.
fn three_closes() {
    let count = Arc::new(AtomicUsize::new(0));
    let threads = [(); 2].map(|()| {
        let value = Counted(Arc::clone(&count));
        thread::spawn(move || closer::close(value))
    });
    closer::close(Counted(Arc::clone(&count)));
    for thread in threads {
        thread.join();
    }
    assert_eq!(count.load(SeqCst), 3);
}

/// It does not keep the caller, nor the value of another.
fn a_close_blocks() {
    let (gate, count) = (Gate::default(), Arc::new(AtomicUsize::new(0)));
    let slow = Slow(gate.clone());
    let closing = thread::spawn(move || closer::close(slow));
    let (value, dropped) = value(&count);
    closer::close(value);
    dropped.pass();
    closing.join();
    gate.open();
}

/// All slots but one are taken by closes that block. What found no slot is dropped by the thread
/// that has the last one.
fn two_closes_and_one_slot() {
    let (gate, count) = (Gate::default(), Arc::new(AtomicUsize::new(0)));
    settle(|| (0..63).for_each(|_| closer::close_later(Slow(gate.clone()))));
    let (first, first_dropped) = value(&count);
    let (second, second_dropped) = value(&count);
    let closing = thread::spawn(move || closer::close(first));
    closer::close(second);
    closing.join();
    first_dropped.pass();
    second_dropped.pass();
    finish();
    gate.open();
}

/// A value that found no thread is dropped with the next.
fn without_a_thread() {
    let count = Arc::new(AtomicUsize::new(0));
    execution().threads_left = 2;
    let (first, dropped) = value(&count);
    let closing = thread::spawn(move || closer::close(first));
    closer::close(value(&count).0);
    closing.join();
    execution().threads_left = usize::MAX;
    closer::close_queued_before();
    dropped.pass();
}

const CALL: &[u8] = br#"{"method":"Peer.Keep","arg":{}}"#;

/// A method gives its files to a thread that drops them during the call, after it, or during the
/// next call. All are closed in the end.
fn files_outlive() {
    let server = Server::new();
    let threads = Arc::new(Mutex::new(Vec::new()));
    let started = Arc::clone(&threads);
    let keep = move |_: &(), _: &[u8], files: Files, _: &CallContext<'_>| {
        check(files.iter().count() == 1, "a call has its file");
        started.lock().unwrap().push(thread::spawn(move || drop(files)));
        Ok::<_, String>((RawJson::new(b"null".to_vec()), Files::new()))
    };
    server.register(Service::new("Peer", ()).raw_method("Keep", keep));
    let (ours, theirs) = connection();
    for _ in 0..2 {
        ours.send(CALL, &[File::open("/dev/null").unwrap().as_fd()]).unwrap();
    }
    server.start_handling(theirs).unwrap();
    let mut replies = 0;
    while replies < 2 {
        let mut text = [0; 200];
        let (length, _) = ours.receive(&mut text, 0).unwrap();
        replies += count_replies(&String::from_utf8_lossy(&text[..length]));
    }
    server.stop(Duration::ZERO);
    for thread in std::mem::take(&mut *threads.lock().unwrap()) {
        thread.join();
    }
}
