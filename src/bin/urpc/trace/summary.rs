//! The calls of a trace, counted by method.

use std::time::Duration;

use urpc::json::Number;

use crate::histogram::{Histogram, duration, seconds};
use crate::terminal::visible;

/// A client can name any number of methods. Those beyond these are counted together.
const MOST_METHODS: usize = 200;
const OTHERS: &str = "(other methods)";

#[derive(Default)]
pub struct Summary {
    methods: Vec<(String, Method)>,
}

struct Method {
    times: Histogram,
    total: Duration,
    errors: u64,
    unanswered: u64,
}

urpc::record! {
    /// A line of `--json`.
    #[derive(Debug, Default)]
    struct Line {
        time: Number,
        event: String,
        method: String,
        calls: u64,
        errors: u64,
        /// Calls without a reply. They are among the errors.
        unanswered: u64,
        seconds: Number,
        median: Number,
        p99: Number,
    }
}

impl Summary {
    /// Counts a call. `None` if no reply came.
    pub fn add(&mut self, method: &str, reply: Option<(bool, Duration)>) {
        let method = self.of(method);
        match reply {
            None => (method.unanswered, method.errors) = (method.unanswered + 1, method.errors + 1),
            Some((success, time)) => {
                method.times.record(time);
                method.total += time;
                method.errors += u64::from(!success);
            }
        }
    }

    fn of(&mut self, name: &str) -> &mut Method {
        let find = |name: &str| self.methods.iter().position(|(known, _)| known == name);
        let name = match find(name) {
            None if self.methods.len() >= MOST_METHODS => OTHERS,
            _ => name,
        };
        let at = find(name).unwrap_or_else(|| {
            let (times, total) = (Histogram::new(), Duration::ZERO);
            let method = Method { times, total, errors: 0, unanswered: 0 };
            self.methods.push((name.to_owned(), method));
            self.methods.len() - 1
        });
        &mut self.methods[at].1
    }

    pub fn is_empty(&self) -> bool {
        self.methods.is_empty()
    }

    /// The methods with the most time first.
    fn sorted(&self) -> Vec<(&String, &Method)> {
        let mut methods: Vec<_> =
            self.methods.iter().map(|(name, method)| (name, method)).collect();
        methods.sort_by_key(|(_, method)| std::cmp::Reverse(method.total));
        methods
    }

    /// A table in the manner of `strace -c`.
    pub fn table(&self) -> String {
        let rule =
            |name| format!("------ ----------- --------- --------- --------- --------- {name}\n");
        let mut text = format!(
            "{:>6} {:>11} {:>9} {:>9} {:>9} {:>9} method\n{}",
            "% time",
            "seconds",
            "median",
            "99 %",
            "calls",
            "errors",
            rule("----------------")
        );
        let all: Duration = self.methods.iter().map(|(_, method)| method.total).sum();
        let (mut calls, mut errors) = (0, 0);
        for (name, method) in self.sorted() {
            let share = 100.0 * method.total.as_secs_f64() / all.as_secs_f64().max(1e-9);
            text += &format!(
                "{share:>6.2} {:>11.6} {:>9} {:>9} {:>9} {:>9} {}\n",
                method.total.as_secs_f64(),
                duration(method.times.percentile(50)),
                duration(method.times.percentile(99)),
                method.calls(),
                method.errors,
                visible(name),
            );
            (calls, errors) = (calls + method.calls(), errors + method.errors);
        }
        let all = all.as_secs_f64();
        text += &rule("----------------");
        text + &format!("100.00 {all:>11.6} {:>9} {:>9} {calls:>9} {errors:>9} total\n", "", "")
    }

    /// The same as JSON, a line for each method.
    pub fn lines(&self, time: &Number) -> String {
        let line = |(name, method): (&String, &Method)| {
            let line = Line {
                time: time.clone(),
                event: "summary".to_owned(),
                method: name.clone(),
                calls: method.calls(),
                errors: method.errors,
                unanswered: method.unanswered,
                seconds: seconds(method.total),
                median: seconds(Duration::from_nanos(method.times.percentile(50))),
                p99: seconds(Duration::from_nanos(method.times.percentile(99))),
            };
            // Text and finite numbers can always be encoded.
            urpc::json::to_string(&line).unwrap_or_default() + "\n"
        };
        self.sorted().into_iter().map(line).collect()
    }
}

impl Method {
    fn calls(&self) -> u64 {
        self.times.count() + self.unanswered
    }
}
