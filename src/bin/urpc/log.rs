//! Lines on standard error that a peer can cause again and again. Their rate is limited, because
//! standard error may be a file on a disk.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::outcome;
use crate::terminal::visible;

/// How many lines may come at once, and after which time there may be one more.
const MOST_AT_ONCE: u32 = 50;
const INTERVAL: Duration = Duration::from_millis(200);

static RATE: Mutex<Rate> = Mutex::new(Rate { used: 0, since: None, left_out: 0 });

/// Writes `line` for `urpc COMMAND`, unless there are too many lines.
pub fn say(command: &str, line: &str) {
    let allowed = RATE.lock().unwrap_or_else(PoisonError::into_inner).allow(Instant::now());
    match allowed {
        None => return,
        Some(0) => {}
        Some(left_out) => outcome::say(&format!("urpc {command}: {left_out} lines were left out")),
    }
    outcome::say(&visible(&format!("urpc {command}: {line}")));
}

/// Writes the text of `failure` for `urpc COMMAND`, unless there are too many lines.
pub fn report(command: &str, failure: &outcome::Failure) {
    if let Some(text) = failure.text() {
        say(command, &text);
    }
}

struct Rate {
    used: u32,
    /// When the oldest of the used lines may be written again.
    since: Option<Instant>,
    left_out: u64,
}

impl Rate {
    /// Whether a line may be written, and then how many were left out before it.
    fn allow(&mut self, now: Instant) -> Option<u64> {
        let since = *self.since.get_or_insert(now);
        let free = now.saturating_duration_since(since).as_nanos() / INTERVAL.as_nanos();
        let free = u32::try_from(free).unwrap_or(u32::MAX);
        self.used = self.used.saturating_sub(free);
        self.since = match self.used {
            0 => Some(now),
            _ => Some(since + INTERVAL * free),
        };
        if self.used >= MOST_AT_ONCE {
            self.left_out += 1;
            return None;
        }
        self.used += 1;
        Some(std::mem::take(&mut self.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_many_lines_there_are_few_and_what_was_left_out_is_counted() {
        let mut rate = Rate { used: 0, since: None, left_out: 0 };
        let start = Instant::now();
        let allowed = (0..1000).filter(|_| rate.allow(start) == Some(0)).count();
        assert_eq!(allowed, MOST_AT_ONCE as usize);
        assert_eq!(rate.allow(start + INTERVAL / 2), None);
        assert_eq!(rate.allow(start + INTERVAL), Some(951));
        assert_eq!(rate.allow(start + INTERVAL), None);
        let later = start + INTERVAL * 1000;
        assert_eq!(rate.allow(later), Some(1));
        let allowed = (0..1000).filter(|_| rate.allow(later) == Some(0)).count();
        assert_eq!(allowed, MOST_AT_ONCE as usize - 1);
        // After a silence the time until the next line begins with the first of the new ones.
        let half = later + INTERVAL * 1000 + INTERVAL / 2;
        let allowed = (0..1000).filter(|_| rate.allow(half).is_some()).count();
        assert_eq!(allowed, MOST_AT_ONCE as usize);
        assert_eq!(rate.allow(half + INTERVAL - INTERVAL / 4), None);
        assert!(rate.allow(half + INTERVAL).is_some());
    }
}
