//! The signals that ask a process to end, and others to wait for.

use std::io;

use crate::socket::retry_interrupted;
use crate::sys::{self, SIGINT, SIGTERM};

/// SIGINT and SIGTERM, blocked in all threads, so that one thread can wait for them. `Debug` shows
/// their numbers.
///
/// ```standalone_crate
/// use std::process::Command;
/// use urpc::process::StopSignals;
///
/// let signals = StopSignals::block()?; // before any thread is started
/// assert_eq!(format!("{signals:?}"), "StopSignals([2, 15])");
/// let waiting = std::thread::spawn(move || signals.wait());
/// Command::new("sh").args(["-c", "kill -TERM $PPID"]).status()?;
/// assert_eq!(waiting.join().unwrap()?, 15); // time for `Server::stop`
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct StopSignals(Vec<i32>);

impl StopSignals {
    /// Blocks both signals in this thread and in the threads that it starts later. Call it before
    /// any other thread is started. A child that std starts has them blocked too. A program started
    /// by [`spawn_with_files`](super::spawn_with_files) has not.
    ///
    /// # Errors
    /// The error of pthread_sigmask(3). Linux gives none here.
    pub fn block() -> io::Result<StopSignals> {
        StopSignals::block_with(&[])
    }

    /// The same with `others`, by their numbers on this architecture (signal(7)): for a program that
    /// passes signals on to another. Programs started by
    /// [`spawn_with_files`](super::spawn_with_files) have those blocked too, except SIGHUP.
    ///
    /// # Errors
    /// The error of pthread_sigmask(3). Linux gives none here.
    ///
    /// ```standalone_crate
    /// use std::process::Command;
    /// use urpc::process::StopSignals;
    ///
    /// const SIGHUP: i32 = 1;
    /// let signals = StopSignals::block_with(&[SIGHUP])?; // before any thread is started
    /// Command::new("sh").args(["-c", "kill -HUP $PPID"]).status()?;
    /// assert_eq!(signals.wait()?, SIGHUP);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn block_with(others: &[i32]) -> io::Result<StopSignals> {
        let numbers = [&[SIGINT, SIGTERM], others].concat();
        sys::block_signals(&numbers, true)?;
        Ok(StopSignals(numbers))
    }

    /// Waits for one of the signals and returns its number: 2 for SIGINT, 15 for SIGTERM.
    ///
    /// # Errors
    /// The error of sigwait(3). Linux gives none here.
    pub fn wait(&self) -> io::Result<i32> {
        retry_interrupted(|| sys::wait_for_signal(&self.0))
    }
}
