//! Time limits.

use std::time::{Duration, Instant};

use crate::error::Error;
use crate::limits::Limit;

/// The instant at which a time limit ends, and the limit. Each system call gets the time that
/// remains until then. So a peer that sends one byte at a time gets no more time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline {
    at: Instant,
    name: Limit,
    after: Duration,
}

impl Deadline {
    /// A deadline `after` `now`, for the member `name` of `Limits`. `None` if there is no limit, or
    /// if the clock cannot represent it.
    pub(crate) fn new(now: Instant, name: Limit, after: Option<Duration>) -> Option<Deadline> {
        let after = after?;
        Some(Deadline { at: now.checked_add(after)?, name, after })
    }

    /// The time that remains at `now`.
    ///
    /// # Errors
    /// [`Error::TimedOut`] if none remains.
    pub(crate) fn remaining(&self, now: Instant) -> Result<Duration, Error> {
        match self.at.checked_duration_since(now) {
            Some(left) if !left.is_zero() => Ok(left),
            _ => Err(Error::timed_out(self.name, self.after)),
        }
    }

    /// The earlier of two deadlines, each of which may be missing.
    pub(crate) fn earlier(one: Option<Deadline>, other: Option<Deadline>) -> Option<Deadline> {
        match (one, other) {
            (Some(one), Some(other)) => Some(if other.at < one.at { other } else { one }),
            (one, other) => one.or(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earlier_of_two_deadlines_is_the_one_that_counts_and_the_first_of_two_at_once() {
        let now = Instant::now();
        let deadline = |name, seconds| Deadline::new(now, name, Some(Duration::from_secs(seconds)));
        let name = |one, other| Deadline::earlier(one, other).map(|deadline| deadline.name);
        let (call, message) = (deadline(Limit::CallTime, 2), deadline(Limit::MessageTime, 3));
        assert_eq!(name(call, message), Some(Limit::CallTime));
        assert_eq!(name(message, call), Some(Limit::CallTime));
        assert_eq!(name(message, deadline(Limit::CallTime, 3)), Some(Limit::MessageTime));
        assert_eq!(
            [name(None, call), name(call, None), name(None, None)].map(|n| n.is_some()),
            [true, true, false]
        );
    }
}
