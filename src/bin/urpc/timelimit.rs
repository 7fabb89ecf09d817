//! The time limit of a command.

use std::time::{Duration, Instant};

use crate::channel::{Received, Receiver, channel};
use crate::clients;
use crate::outcome::Failure;

/// The limit of `--timeout`, or none. It is one deadline for everything, so a peer that delays each
/// step gains nothing.
#[derive(Clone, Copy)]
pub struct TimeLimit {
    after: Option<Duration>,
    until: Option<Instant>,
}

impl TimeLimit {
    /// Starts the limit now.
    pub fn start(after: Option<Duration>) -> TimeLimit {
        TimeLimit { after, until: after.and_then(|after| Instant::now().checked_add(after)) }
    }

    /// The remaining time, zero if it is over. `None` without a limit.
    pub fn left(self) -> Option<Duration> {
        self.until.map(|until| until.saturating_duration_since(Instant::now()))
    }

    /// The failure if the time is over.
    pub fn is_over(self) -> Failure {
        let after = self.after.unwrap_or_default();
        Failure::Transport(format!("timed out after {after:?} (raise --timeout to wait longer)"))
    }

    /// Waits for a value from a thread. `None` if the thread ended without one.
    pub fn receive<T>(self, from: &Receiver<T>) -> Result<Option<T>, Failure> {
        match from.receive(self.left()) {
            Received::Value(received) => Ok(Some(received)),
            Received::Ended => Ok(None),
            Received::Late => Err(self.is_over()),
        }
    }

    /// Runs `act`, which may block in a call without a timeout, such as a read of another program's
    /// file. If there is a limit, it runs on a thread. If the thread is late, it is left running to
    /// the end of the process.
    pub fn run<T: Send + 'static>(
        self,
        act: impl FnOnce() -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        if self.until.is_none() {
            return act();
        }
        let (done, outcome) = channel();
        clients::spawn(move || done.send(act()))?;
        let lost = || Failure::Local("a thread panicked".to_owned());
        self.receive(&outcome)?.ok_or_else(lost)?
    }
}
