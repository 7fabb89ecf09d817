//! The descriptors, threads and memory of a process, as the kernel counts them, and a wait for a
//! condition.

#![allow(dead_code)] // each test program uses its own part

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use crate::support::TIMEOUT;
use crate::support::limit::limit_test;

/// The number of open descriptors of process `pid`.
pub fn descriptors(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count)
}

/// The names of the threads of process `pid`.
pub fn threads(pid: u32) -> Vec<String> {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    // A thread that has ended in the meantime has no name any more.
    let name = |path| fs::read_to_string(path).ok().map(|name| name.trim_end().to_owned());
    tasks.filter_map(|task| name(task.ok()?.path().join("comm"))).collect()
}

/// The resident memory of process `pid` in bytes, without what it shares with files.
pub fn resident(pid: u32) -> usize {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    let kilobytes = line.and_then(|text| text.trim().strip_suffix(" kB")?.parse::<usize>().ok());
    kilobytes.unwrap_or(0) * 1024
}

/// Waits until `condition` returns something. Panics with the text of `describe` after the timeout.
pub fn wait_until<T>(
    mut condition: impl FnMut() -> Option<T>,
    describe: impl FnOnce() -> String,
) -> T {
    limit_test();
    let until = Instant::now() + TIMEOUT;
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(Instant::now() < until, "it takes too long: {}", describe());
        thread::park_timeout(Duration::from_millis(1));
    }
}
