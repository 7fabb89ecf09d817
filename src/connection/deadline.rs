//! Limits of time: one instant by which something must be done.

use std::time::{Duration, Instant};

use crate::error::Error;
use crate::limits::Limit;

/// An instant, and the limit that set it. A limit is never one per system call: each call gets
/// what remains, so a peer that sends a byte at a time gains nothing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline {
    at: Instant,
    name: Limit,
    after: Duration,
}

impl Deadline {
    /// `after` from `now`, for the member of `Limits` named; `None` if that sets no limit, or one
    /// beyond what the clock can say.
    pub(crate) fn new(now: Instant, name: Limit, after: Option<Duration>) -> Option<Deadline> {
        let after = after?;
        Some(Deadline { at: now.checked_add(after)?, name, after })
    }

    /// What is left at `now`, or the error that nothing is.
    pub(crate) fn remaining(&self, now: Instant) -> Result<Duration, Error> {
        match self.at.checked_duration_since(now) {
            Some(left) if !left.is_zero() => Ok(left),
            _ => Err(Error::timed_out(self.name, self.after)),
        }
    }

    /// The one that comes first.
    pub(crate) fn earlier(one: Option<Deadline>, other: Option<Deadline>) -> Option<Deadline> {
        match (one, other) {
            (Some(one), Some(other)) => Some(if other.at < one.at { other } else { one }),
            (one, other) => one.or(other),
        }
    }
}
