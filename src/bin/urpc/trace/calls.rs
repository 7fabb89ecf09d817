//! The calls of one connection, and which of them are shown.
//!
//! A server answers the calls of a connection in their order, so the next reply belongs to the
//! oldest call that has none.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::time::{Duration, Instant};

use crate::args::Parsed;
use crate::outcome::Failure;

/// How many calls without a reply are remembered, and how many bytes of text are held for them.
/// Replies to calls beyond these are not matched with their calls.
const MOST_CALLS: usize = 1000;
const MOST_HELD: usize = 16 << 20;

/// A call whose method could not be read.
pub const UNKNOWN: &str = "(no method)";

pub struct Call {
    pub method: String,
    since: Instant,
    /// Its text, if it is shown only once its outcome is known.
    pub held: Option<String>,
}

impl Call {
    pub fn time(&self) -> Duration {
        self.since.elapsed()
    }
}

#[derive(Default)]
pub struct Calls {
    without_reply: VecDeque<Call>,
    not_remembered: u64,
    held: usize,
}

impl Calls {
    pub fn begin(&mut self, method: String, held: Option<String>) {
        if self.not_remembered > 0 || self.without_reply.len() == MOST_CALLS {
            self.not_remembered += 1;
            return;
        }
        let held = held.filter(|text| self.held + text.len() <= MOST_HELD);
        self.held += held.as_ref().map_or(0, String::len);
        self.without_reply.push_back(Call { method, since: Instant::now(), held });
    }

    /// The call that a reply ends.
    pub fn end(&mut self) -> Option<Call> {
        let Some(call) = self.without_reply.pop_front() else {
            self.not_remembered = self.not_remembered.saturating_sub(1);
            return None;
        };
        self.held -= call.held.as_ref().map_or(0, String::len);
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
    fn what_is_held_is_bounded() {
        let mut calls = Calls::default();
        for _ in 0..3 {
            calls.begin(String::new(), Some("x".repeat(MOST_HELD / 2)));
        }
        let held: Vec<bool> = calls.finish().map(|call| call.held.is_some()).collect();
        assert_eq!(held, [true, true, false]);
    }
}
