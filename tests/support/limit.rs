//! A time limit for each test. The test harness has none, so a test that waits for something that
//! never comes would hang. If the process may open only few files, the tests also run one after
//! another.

#![allow(dead_code)] // each test program uses its own part

use std::collections::HashMap;
use std::fs;
use std::io::{self, Write};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, Once, PoisonError};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

/// The time limit of a test. It is longer than any wait of a helper, because a helper fails with a
/// better message. It is long enough for a slow machine or an emulator.
const LIMIT: Duration = Duration::from_secs(300);

/// The number of files that a process must be allowed to open for tests to run in parallel.
pub const MANY_FILES: u64 = 256;

/// Held by the running test if few files may be open.
static RUNS_ALONE: Mutex<()> = Mutex::new(());

/// The running tests: their names and deadlines.
static RUNNING: Mutex<Option<HashMap<ThreadId, (String, Instant)>>> = Mutex::new(None);

thread_local! {
    static GUARD: Guard = Guard::new(LIMIT);
}

/// Ends this test program if the calling test takes longer than [`LIMIT`], and prints which test it
/// was and what its threads wait for. The helpers of `support` call this, so a test that uses one
/// need not. It does nothing on a thread that a test has started.
pub fn limit_test() {
    let _ = GUARD.try_with(|_| ());
}

/// Like [`limit_test`] with another limit, for a test that takes long by design. Call it before any
/// helper.
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

/// Whether the soft limit lets this process open [`MANY_FILES`] files.
pub fn may_open_many_files() -> bool {
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    let soft = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    // "unlimited" is not a number.
    soft.is_none_or(|soft| soft >= MANY_FILES)
}

/// Lives as long as the test's thread.
struct Guard {
    thread: ThreadId,
    _alone: Option<MutexGuard<'static, ()>>,
}

impl Guard {
    fn new(limit: Duration) -> Guard {
        static WATCHING: Once = Once::new();
        let thread = thread::current();
        // The harness gives a test's thread the test's name. Names of functions contain no dash.
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
            // `eprintln!` may be captured by the test harness.
            let _ = io::stderr().write_all((late + &threads()).as_bytes());
            kill_children();
            std::process::exit(101);
        }
    }
}

/// The name of each thread of this process, and the kernel function in which it waits.
fn threads() -> String {
    let tasks = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let read = |path| fs::read_to_string(path).unwrap_or_default().trim_end().to_owned();
    tasks
        .map(|task| task.path())
        .map(|task| format!("  {}: {}\n", read(task.join("comm")), read(task.join("wchan"))))
        .collect()
}

/// Ends the processes that the tests started, since no test will wait for them.
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
