//! The report, as text and as JSON.

use std::time::Duration;

use super::Plan;
use super::load::{call_size, reply_size};
use crate::histogram::{Histogram, duration};
use crate::outcome::{Failure, Outcome, print};

const ROWS: usize = 20;
const BAR: u64 = 40;

pub struct Report<'a> {
    pub plan: &'a Plan,
    pub calls: &'a Histogram,
    /// The same without urpc, for our own server.
    pub bare: Option<&'a Histogram>,
    /// The time during which calls were made.
    pub time: Duration,
}

urpc::record! {
    #[derive(Debug, Default)]
    struct Times {
        count: u64,
        per_second: u64,
        median_ns: u64,
        p90_ns: u64,
        p99_ns: u64,
        longest_ns: u64,
    }

    /// What `--json` prints.
    #[derive(Debug, Default)]
    struct Summary {
        clients: usize,
        files: usize,
        argument_bytes: usize,
        seconds: f64,
        calls: Times,
        /// The same bytes and files without urpc, and the ratio of the medians.
        bare: Option<Times> => omitempty,
        ratio: Option<f64> => omitempty,
    }
}

impl Report<'_> {
    pub fn print(&self, as_json: bool) -> Outcome {
        if as_json {
            let line = urpc::json::to_string(&self.summary());
            let line = line.map_err(|error| Failure::Local(error.to_string()))?;
            return print(line + "\n");
        }
        print(self.text())
    }

    fn summary(&self) -> Summary {
        Summary {
            clients: self.plan.clients,
            files: self.plan.files,
            argument_bytes: self.plan.arg.len(),
            seconds: self.time.as_secs_f64(),
            calls: times(self.calls, self.time),
            bare: self.bare.map(|bare| times(bare, self.time)),
            ratio: self.ratio_in_hundredths().map(|ratio| ratio as f64 / 100.0),
        }
    }

    /// The median of calls, in hundredths of the bare median.
    fn ratio_in_hundredths(&self) -> Option<u64> {
        let bare = self.bare?.percentile(50).max(1);
        Some((self.calls.percentile(50) * 100 + bare / 2) / bare)
    }

    fn text(&self) -> String {
        let plan = self.plan;
        let mut text = match self.bare {
            Some(_) => format!(
                "{} client(s) of our own server, {} bytes there and {} back, {} file(s) there\n\n",
                plan.clients,
                call_size(plan),
                reply_size(plan),
                plan.files
            ),
            None => format!(
                "{} client(s), an argument of {} bytes, {} file(s) with it\n\n",
                plan.clients,
                plan.arg.len(),
                plan.files
            ),
        };
        let heads = ["median", "90 %", "99 %", "longest", "a second"];
        text += &row("", &heads.map(str::to_owned));
        text += &row("calls", &cells(&times(self.calls, self.time)));
        if let Some(bare) = self.bare {
            text += &row("bare", &cells(&times(bare, self.time)));
        }
        if let Some(ratio) = self.ratio_in_hundredths() {
            text += &format!(
                "\na call's median is {}.{:02} times that of the same bytes and files with no urpc\n",
                ratio / 100,
                ratio % 100
            );
        }
        text + "\ncalls that took, from\n" + &self.bars()
    }

    fn bars(&self) -> String {
        let rows = self.calls.rows(ROWS);
        let most = rows.iter().map(|(_, count)| *count).max().unwrap_or(0).max(1);
        let bar = |count: u64| "#".repeat((count * BAR).div_ceil(most) as usize);
        rows.iter()
            .map(|(from, count)| {
                let line = format!("{:>10}  {:40}  {count}", duration(*from), bar(*count));
                line.trim_end().to_owned() + "\n"
            })
            .collect()
    }
}

fn times(histogram: &Histogram, time: Duration) -> Times {
    let milliseconds = u64::try_from(time.as_millis()).unwrap_or(u64::MAX).max(1);
    Times {
        count: histogram.count(),
        per_second: histogram.count() * 1000 / milliseconds,
        median_ns: histogram.percentile(50),
        p90_ns: histogram.percentile(90),
        p99_ns: histogram.percentile(99),
        longest_ns: histogram.longest(),
    }
}

fn cells(times: &Times) -> [String; 5] {
    let Times { median_ns, p90_ns, p99_ns, longest_ns, per_second, .. } = *times;
    let [median, p90, p99, longest] = [median_ns, p90_ns, p99_ns, longest_ns].map(duration);
    [median, p90, p99, longest, per_second.to_string()]
}

fn row(head: &str, cells: &[String; 5]) -> String {
    let cells: String = cells.iter().map(|cell| format!("{cell:>12}")).collect();
    format!("{head:6}{cells}\n")
}
