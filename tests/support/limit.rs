//! A limit of time for each test. The test harness has none: a test that waits for something that
//! never comes would hang for ever. Where a process may have few files open, the tests also run one
//! by one.

#![allow(dead_code)] // each test program uses its own part

use std::collections::HashMap;
use std::fs;
use std::io::{self, Write};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, Once, PoisonError};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

/// How long a test may take. It is longer than any wait of a helper, each of which fails with a
/// better text, and long enough for a slow machine or an emulator.
const LIMIT: Duration = Duration::from_secs(300);

/// How many files a process may have open where tests may run side by side.
pub const MANY_FILES: u64 = 256;

/// Held by the test that runs where files are few.
static RUNS_ALONE: Mutex<()> = Mutex::new(());

/// The tests that run: their names and when they are late.
static RUNNING: Mutex<Option<HashMap<ThreadId, (String, Instant)>>> = Mutex::new(None);

thread_local! {
    static GUARD: Guard = Guard::new(LIMIT);
}

/// Ends this test program if the calling test takes longer than [`LIMIT`], and says which test it
/// was and what its threads wait for. The helpers of `support` call this, so a test that uses one
/// need not. On a thread that is not a test's own it does nothing.
pub fn limit_test() {
    let _ = GUARD.try_with(|_| ());
}

/// The same with another limit, for a test that is long by design. It comes before any helper.
pub fn limit_test_to(limit: Duration) {
    limit_test();
    let late = Instant::now() + limit;
    if let Some((_, deadline)) = running().as_mut().and_then(|all| all.get_mut(&this_thread())) {
        *deadline = late;
    }
}

fn running() -> MutexGuard<'static, Option<HashMap<ThreadId, (String, Instant)>>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

fn this_thread() -> ThreadId {
    thread::current().id()
}

/// Whether this process may have as many as [`MANY_FILES`] open, by its soft limit.
pub fn may_open_many_files() -> bool {
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    let soft = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    // What is no number is "unlimited".
    soft.is_none_or(|soft| soft >= MANY_FILES)
}

/// Lives as long as a test's thread.
struct Guard {
    thread: ThreadId,
    _alone: Option<MutexGuard<'static, ()>>,
}

impl Guard {
    fn new(limit: Duration) -> Guard {
        static WATCHING: Once = Once::new();
        let thread = thread::current();
        // The harness names a test's thread after the test, and no name of a function has a dash.
        let Some(name) = thread.name().filter(|name| !name.contains('-')) else {
            return Guard { thread: thread.id(), _alone: None };
        };
        let alone = (!may_open_many_files())
            .then(|| RUNS_ALONE.lock().unwrap_or_else(PoisonError::into_inner));
        let entry = (name.to_owned(), Instant::now() + limit);
        running().get_or_insert_default().insert(thread.id(), entry);
        WATCHING.call_once(|| {
            let watcher = thread::Builder::new().name("test-limits".to_owned());
            watcher.spawn(watch).expect("a thread that watches the tests");
        });
        Guard { thread: thread.id(), _alone: alone }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        running().as_mut().and_then(|all| all.remove(&self.thread));
    }
}

fn watch() {
    loop {
        thread::park_timeout(Duration::from_secs(1));
        let now = Instant::now();
        let late = running().iter().flatten().find_map(|(_, (name, deadline))| {
            (now > *deadline).then(|| format!("test {name} hangs: it takes too long\n"))
        });
        if let Some(late) = late {
            // Not by the macro, whose output the test harness may keep to itself.
            let _ = io::stderr().write_all((late + &threads()).as_bytes());
            kill_children();
            std::process::exit(101);
        }
    }
}

/// Each thread of this process by its name and the kernel's function that it waits in.
fn threads() -> String {
    let tasks = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let read = |path| fs::read_to_string(path).unwrap_or_default().trim_end().to_owned();
    tasks
        .map(|task| task.path())
        .map(|task| format!("  {}: {}\n", read(task.join("comm")), read(task.join("wchan"))))
        .collect()
}

/// Ends the processes that the tests started, which nobody would wait for any more.
fn kill_children() {
    let ids = descendants(std::process::id()).join(" ");
    if !ids.is_empty() {
        let _ = Command::new("sh").args(["-c", &format!("kill -KILL {ids}")]).status();
    }
}

fn descendants(id: u32) -> Vec<String> {
    let tasks = fs::read_dir(format!("/proc/{id}/task")).into_iter().flatten().flatten();
    let children: String =
        tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok()).collect();
    let with_theirs = children.split_whitespace().flat_map(|child| {
        let theirs = child.parse().map(descendants).unwrap_or_default();
        [vec![child.to_owned()], theirs].concat()
    });
    with_theirs.collect()
}
