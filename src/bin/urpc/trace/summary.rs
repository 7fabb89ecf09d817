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
    methods: Vec<Method>,
}

struct Method {
    name: String,
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
        let index = self
            .index_of(method)
            .or_else(|| (self.methods.len() >= MOST_METHODS).then(|| self.index_of(OTHERS))?);
        let index = index.unwrap_or_else(|| {
            let is_room = self.methods.len() < MOST_METHODS;
            self.methods.push(Method {
                name: if is_room { method } else { OTHERS }.to_owned(),
                times: Histogram::new(),
                total: Duration::ZERO,
                errors: 0,
                unanswered: 0,
            });
            self.methods.len() - 1
        });
        let method = &mut self.methods[index];
        match reply {
            None => (method.unanswered, method.errors) = (method.unanswered + 1, method.errors + 1),
            Some((success, time)) => {
                method.times.record(time);
                method.total += time;
                method.errors += u64::from(!success);
            }
        }
    }

    pub fn is_empty(&self) -> bool {
        self.methods.is_empty()
    }

    fn index_of(&self, name: &str) -> Option<usize> {
        self.methods.iter().position(|method| method.name == name)
    }

    /// The methods with the most time first.
    fn sorted(&self) -> Vec<&Method> {
        let mut sorted: Vec<&Method> = Vec::new();
        for method in &self.methods {
            let at = sorted.partition_point(|before| before.total >= method.total);
            sorted.insert(at, method);
        }
        sorted
    }

    /// A table in the manner of `strace -c`.
    pub fn table(&self) -> String {
        let rule = |name| {
            format!(
                "------ ----------- --------- --------- --------- --------- ---------- {name}\n"
            )
        };
        let mut text = format!(
            "{:>6} {:>11} {:>9} {:>9} {:>9} {:>9} {:>10} method\n{}",
            "% time",
            "seconds",
            "median",
            "99 %",
            "calls",
            "errors",
            "unanswered",
            rule("----------------")
        );
        let all: Duration = self.methods.iter().map(|method| method.total).sum();
        let mut counts = [0; 3];
        for method in self.sorted() {
            let times = [50, 99].map(|percent| duration(method.times.percentile(percent)));
            let has_times = method.times.count() > 0;
            text += &row(
                has_times.then_some((method.total, all)),
                if has_times { times } else { ["-", "-"].map(str::to_owned) },
                method.counts(),
                &visible(&method.name),
            );
            counts = std::array::from_fn(|index| counts[index] + method.counts()[index]);
        }
        text += &rule("----------------");
        let has_times = counts[0] > counts[2];
        text + &row(has_times.then_some((all, all)), Default::default(), counts, "total")
    }

    /// The same as JSON, a line for each method.
    pub fn lines(&self, time: &Number) -> String {
        let nanoseconds = |time: u64| seconds(Duration::from_nanos(time));
        let line = |method: &Method| {
            let line = Line {
                time: time.clone(),
                event: "summary".to_owned(),
                method: method.name.clone(),
                calls: method.calls(),
                errors: method.errors,
                unanswered: method.unanswered,
                seconds: seconds(method.total),
                median: nanoseconds(method.times.percentile(50)),
                p99: nanoseconds(method.times.percentile(99)),
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

    /// The calls, and of these the errors and those without a reply.
    fn counts(&self) -> [u64; 3] {
        [self.calls(), self.errors, self.unanswered]
    }
}

/// A row of the table. `time` is a time and that of all methods, if there were replies.
fn row(
    time: Option<(Duration, Duration)>,
    [median, p99]: [String; 2],
    [calls, errors, unanswered]: [u64; 3],
    name: &str,
) -> String {
    let none = || ("-".to_owned(), "-".to_owned());
    let (share, seconds) = time.map_or_else(none, |(time, all)| {
        // In hundredths of a percent.
        let share = match all.as_nanos() {
            0 => 10_000,
            all => time.as_nanos() * 10_000 / all,
        };
        let share = format!("{}.{:02}", share / 100, share % 100);
        (share, format!("{}.{:06}", time.as_secs(), time.subsec_micros()))
    });
    format!(
        "{share:>6} {seconds:>11} {median:>9} {p99:>9} {calls:>9} {errors:>9} {unanswered:>10} {name}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_beyond_the_most_share_a_row_and_the_longest_comes_first() {
        let mut summary = Summary::default();
        for number in 0..MOST_METHODS + 3 {
            let time = Duration::from_micros(number as u64);
            summary.add(&format!("A.{number}"), Some((true, time)));
        }
        assert_eq!(summary.methods.len(), MOST_METHODS + 1);
        let sorted = summary.sorted();
        assert_eq!((&*sorted[0].name, sorted[0].times.count()), (OTHERS, 3));
        assert_eq!(sorted[1].name, format!("A.{}", MOST_METHODS - 1));
        assert_eq!(sorted[MOST_METHODS].name, "A.0");
    }

    #[test]
    fn a_method_without_a_reply_has_no_times() {
        let mut summary = Summary::default();
        summary.add("A.B", Some((true, Duration::from_millis(5))));
        summary.add("C.D", None);
        let table = summary.table();
        let row = |name: &str| table.lines().find(|line| line.ends_with(name)).unwrap();
        assert!(row("A.B").contains(" 5.0 ms "), "{table}");
        assert!(!row("C.D").contains(" ms ") && row("C.D").contains(" - "), "{table}");
    }
}
