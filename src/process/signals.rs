//! The signals that ask a process to end.

use std::io;

use crate::socket::retry_interrupted;
use crate::sys::{self, SIGHUP, SIGINT, SIGTERM};

/// SIGINT, SIGTERM and SIGHUP, blocked in all threads, so that one thread can wait for them. `Debug`
/// shows their numbers.
///
/// A process that was started with SIGHUP ignored, as by nohup(1), goes on to ignore it.
///
/// ```standalone_crate
/// use std::process::Command;
/// use urpc::process::StopSignals;
///
/// let signals = StopSignals::block()?; // before any thread is started
/// assert!(format!("{signals:?}").starts_with("StopSignals([2, 15"));
/// let waiting = std::thread::spawn(move || signals.wait());
/// Command::new("sh").args(["-c", "kill -TERM $PPID"]).status()?;
/// assert_eq!(waiting.join().unwrap()?, 15); // time for `Server::stop`
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct StopSignals(Vec<i32>);

impl StopSignals {
    /// Blocks the signals in this thread and in the threads that it starts later. Call it before
    /// any other thread is started. A child that std starts has them blocked too. A program started
    /// by [`spawn_with_files`](super::spawn_with_files) has not.
    ///
    /// # Errors
    /// The error of pthread_sigmask(3). Linux gives none here.
    pub fn block() -> io::Result<StopSignals> {
        let mut signals = vec![SIGINT, SIGTERM];
        // sigwait(3) would return an ignored signal if it is blocked.
        if !sys::is_ignored(SIGHUP)? {
            signals.push(SIGHUP);
        }
        sys::block_signals(&signals, true).map(|()| StopSignals(signals))
    }

    /// Waits for one of the signals and returns its number: 1 for SIGHUP, 2 for SIGINT, 15
    /// for SIGTERM.
    ///
    /// # Errors
    /// The error of sigwait(3). Linux gives none here.
    pub fn wait(&self) -> io::Result<i32> {
        retry_interrupted(|| sys::wait_for_signal(&self.0))
    }
}
