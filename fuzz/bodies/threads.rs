//! Waits for the threads that a run has started. The memory of a thread that is just ending looks
//! like a leak to a fuzzer that searches for leaks after a run.

use std::fs;
use std::thread;
use std::time::Instant;

use super::peer::FAR;

/// Runs `body` with `data`, and returns when there are no more threads than before. No other thread
/// may start threads meanwhile.
pub fn run_to_end(body: fn(&[u8]), data: &[u8]) {
    let before = count();
    body(data);
    let deadline = Instant::now() + FAR;
    while count() > before {
        assert!(Instant::now() < deadline, "a thread has not ended");
        thread::yield_now();
    }
}

fn count() -> usize {
    fs::read_dir("/proc/self/task").map_or(0, Iterator::count)
}
