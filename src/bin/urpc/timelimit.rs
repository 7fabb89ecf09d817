//! The time that a whole command may take.

use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use crate::clients;
use crate::outcome::{Failure, Outcome};

/// The limit that `--timeout` sets, or none. What is left of it is one instant for everything, so
/// a peer that delays each step gains nothing.
#[derive(Clone, Copy)]
pub struct TimeLimit {
    after: Option<Duration>,
    until: Option<Instant>,
}

impl TimeLimit {
    /// The time begins now.
    pub fn start(after: Option<Duration>) -> TimeLimit {
        TimeLimit { after, until: after.and_then(|after| Instant::now().checked_add(after)) }
    }

    /// What is left, zero if the time is over; `None` without a limit.
    pub fn left(self) -> Option<Duration> {
        self.until.map(|until| until.saturating_duration_since(Instant::now()))
    }

    /// The failure of whatever was not done in time.
    pub fn is_over(self) -> Failure {
        let after = self.after.unwrap_or_default();
        Failure::Transport(format!("timed out after {after:?} (raise --timeout to wait longer)"))
    }

    /// Waits for what a thread sends; `None` if it ended without.
    pub fn receive<T>(self, from: &Receiver<T>) -> Result<Option<T>, Failure> {
        let Some(left) = self.left() else { return Ok(from.recv().ok()) };
        match from.recv_timeout(left) {
            Ok(received) => Ok(Some(received)),
            Err(RecvTimeoutError::Disconnected) => Ok(None),
            Err(RecvTimeoutError::Timeout) => Err(self.is_over()),
        }
    }

    /// Does what may block in a way that no call can limit, such as a read of somebody else's file.
    /// If there is a limit, a thread does it. If it is late, it is left to the end of the process.
    pub fn run(self, act: impl FnOnce() -> Outcome + Send + 'static) -> Outcome {
        if self.until.is_none() {
            return act();
        }
        let (done, outcome) = mpsc::channel();
        // The receiver is gone only if the program is ending.
        clients::spawn(move || drop(done.send(act())))?;
        let lost = || Failure::Local("a thread panicked".to_owned());
        self.receive(&outcome)?.ok_or_else(lost)?
    }
}
