//! The calls of one connection, and which of them are shown.
//!
//! A server answers the calls of a connection in their order, so the next reply belongs to the
//! oldest call that has none.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::args::Parsed;
use crate::outcome::Failure;

/// How many calls without a reply are remembered. Replies to calls beyond these are not matched with
/// their calls.
const MOST_CALLS: usize = 1000;
/// How many bytes of text are held for the calls of all connections.
const MOST_HELD: usize = 64 << 20;
static HELD: AtomicUsize = AtomicUsize::new(0);

/// A call whose method could not be read.
pub const UNKNOWN: &str = "(no method)";

pub struct Call {
    pub method: String,
    since: Instant,
    /// Its text, if it is shown only once its outcome is known.
    held: Held,
}

/// A text that counts for [`MOST_HELD`], or none.
#[derive(Default)]
struct Held(Option<String>);

impl Held {
    /// Without the text if there is no room for it.
    fn new(text: Option<String>) -> Held {
        Held(text.filter(|text| {
            let more =
                |held: usize| held.checked_add(text.capacity()).filter(|held| *held <= MOST_HELD);
            HELD.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
        }))
    }

    fn take(&mut self) -> Option<String> {
        let text = self.0.take();
        HELD.fetch_sub(text.as_ref().map_or(0, String::capacity), Ordering::Relaxed);
        text
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.take();
    }
}

impl Call {
    /// Takes its text, if it was held and there was room for it.
    pub fn held(&mut self) -> Option<String> {
        self.held.take()
    }

    pub fn time(&self) -> Duration {
        self.since.elapsed()
    }
}

#[derive(Default)]
pub struct Calls {
    without_reply: VecDeque<Call>,
    not_remembered: u64,
}

impl Calls {
    pub fn begin(&mut self, method: String, held: Option<String>) {
        if self.not_remembered > 0 || self.without_reply.len() == MOST_CALLS {
            self.not_remembered += 1;
            return;
        }
        let held = Held::new(held);
        self.without_reply.push_back(Call { method, since: Instant::now(), held });
    }

    /// The call that a reply ends.
    pub fn end(&mut self) -> Option<Call> {
        let Some(call) = self.without_reply.pop_front() else {
            self.not_remembered = self.not_remembered.saturating_sub(1);
            return None;
        };
        Some(call)
    }

    /// The calls that have no reply at the end of the connection.
    pub fn finish(&mut self) -> impl Iterator<Item = Call> + use<> {
        std::mem::take(self).without_reply.into_iter()
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Success,
    Error,
    /// The connection ended before a reply came.
    None,
}

/// Which calls are shown.
pub struct Filter {
    methods: Vec<String>,
    pub outcome: Option<Outcome>,
}

impl Filter {
    pub fn new(parsed: &Parsed) -> Result<Filter, Failure> {
        let name = |text: &OsStr| {
            let expected = "a method's name, or its beginning and then *";
            let name = text.to_str().filter(|name| !name.is_empty()).map(str::to_owned);
            let is_clear = |name: &String| !name.strip_suffix('*').unwrap_or(name).contains('*');
            name.filter(is_clear).ok_or_else(|| Failure::value("method", text, expected))
        };
        let methods = parsed.values("method").map(name).collect::<Result<_, _>>()?;
        let outcome = parsed.value("outcome").map(|text| match text.to_str() {
            Some("success") => Ok(Outcome::Success),
            Some("error") => Ok(Outcome::Error),
            Some("none") => Ok(Outcome::None),
            _ => Err(Failure::value("outcome", text, "success, error or none")),
        });
        Ok(Filter { methods, outcome: outcome.transpose()? })
    }

    /// Whether everything is shown.
    pub fn is_none(&self) -> bool {
        self.methods.is_empty() && self.outcome.is_none()
    }

    pub fn wants(&self, method: &str) -> bool {
        self.methods.is_empty()
            || self.methods.iter().any(|wanted| match wanted.strip_suffix('*') {
                Some(beginning) => method.starts_with(beginning),
                None => method == wanted,
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_belong_to_calls_in_their_order_also_beyond_those_remembered() {
        let mut calls = Calls::default();
        for number in 0..MOST_CALLS + 2 {
            calls.begin(number.to_string(), None);
        }
        for number in 0..MOST_CALLS {
            assert_eq!(calls.end().unwrap().method, number.to_string());
        }
        calls.begin("not yet".to_owned(), None);
        for _ in 0..3 {
            assert!(calls.end().is_none());
        }
        calls.begin("again".to_owned(), None);
        assert_eq!(calls.end().unwrap().method, "again");
        assert!(calls.end().is_none());
    }

    #[test]
    fn what_all_connections_hold_is_bounded_and_given_back() {
        for _ in 0..2 {
            let mut connections = [Calls::default(), Calls::default(), Calls::default()];
            for calls in &mut connections {
                calls.begin(String::new(), Some("x".repeat(MOST_HELD / 2)));
            }
            let held = |calls: &mut Calls| calls.finish().all(|mut call| call.held().is_some());
            assert_eq!(connections.each_mut().map(held), [true, true, false]);
        }
    }
}
