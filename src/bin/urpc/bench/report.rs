//! The report, as text and as JSON.

use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::process::{Command, Stdio};
use std::time::Duration;

use urpc::json::Number;

use super::Plan;
use super::load::{call_size, reply_size};
use crate::help::wrap_to;
use crate::histogram::{Histogram, duration, seconds};
use crate::outcome::{Failure, Outcome, print};

const ROWS: usize = 20;

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
        seconds: Number,
        /// What --rate asks for.
        asked_per_second: Option<Number> => omitempty,
        calls: Times,
        /// The same bytes and files without urpc, and the ratio of the medians.
        bare: Option<Times> => omitempty,
        ratio: Option<Number> => omitempty,
    }
}

impl Report<'_> {
    pub fn print(&self, as_json: bool) -> Outcome {
        if as_json {
            let line = urpc::json::to_string(&self.summary());
            let line = line.map_err(|error| Failure::Local(error.to_string()))?;
            return print(line + "\n");
        }
        print(self.text(width()))
    }

    fn summary(&self) -> Summary {
        Summary {
            clients: self.plan.clients,
            files: self.plan.files,
            argument_bytes: self.plan.arg.len(),
            seconds: seconds(self.time),
            asked_per_second: self
                .plan
                .rate
                .map(|rate| in_thousandths(rate).parse().unwrap_or_default()),
            calls: times(self.calls, self.time),
            bare: self.bare.map(|bare| times(bare, self.time)),
            ratio: self.ratio_in_hundredths().map(|ratio| {
                let ratio = format!("{}.{:02}", ratio / 100, ratio % 100);
                ratio.parse().unwrap_or_default()
            }),
        }
    }

    /// The median of calls, in hundredths of the bare median.
    fn ratio_in_hundredths(&self) -> Option<u64> {
        let bare = self.bare?.percentile(50).max(1);
        Some((self.calls.percentile(50) * 100 + bare / 2) / bare)
    }

    fn text(&self, width: usize) -> String {
        let plan = self.plan;
        let what = match self.bare {
            Some(_) => format!(
                "{} client(s) of our own server, {} bytes there and {} back, {} file(s) there",
                plan.clients,
                call_size(plan),
                reply_size(plan),
                plan.files
            ),
            None => format!(
                "{} client(s), an argument of {} bytes, {} file(s) with it",
                plan.clients,
                plan.arg.len(),
                plan.files
            ),
        };
        let asked = plan.rate.map_or(String::new(), |rate| {
            format!(", asked for {} calls a second", in_thousandths(rate))
        });
        let mut text = String::new();
        wrap_to(width, &mut text, &(what + &asked), 0, 0);
        let calls = cells(&times(self.calls, self.time));
        let bare = self.bare.map(|bare| cells(&times(bare, self.time)));
        text = format!("{text}\n{}", table(width, calls, bare));
        if let Some(ratio) = self.ratio_in_hundredths() {
            let (whole, rest) = (ratio / 100, ratio % 100);
            let ratio = format!(
                "a call's median is {whole}.{rest:02} times that of the same bytes and files with no \
                 urpc"
            );
            text.push('\n');
            wrap_to(width, &mut text, &ratio, 0, 0);
        }
        text + "\ncalls that took, from\n" + &self.bars(width)
    }

    fn bars(&self, width: usize) -> String {
        let rows = self.calls.rows(ROWS);
        let most = rows.iter().map(|(_, count)| *count).max().unwrap_or(0).max(1);
        let longest = width.saturating_sub("   10.2 us".len() + 4 + most.to_string().len()).max(1);
        let bar = |count: u64| {
            let length = (u128::from(count) * longest as u128).div_ceil(u128::from(most));
            "#".repeat(length as usize)
        };
        rows.iter()
            .map(|(from, count)| {
                let line = format!("{:>10}  {:longest$}  {count}", duration(*from), bar(*count));
                line.trim_end().to_owned() + "\n"
            })
            .collect()
    }
}

/// A number of thousandths, without zeros at its end.
fn in_thousandths(number: u64) -> String {
    let text = format!("{}.{:03}", number / 1000, number % 1000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A row for each kind of load, or a column for each if the rows would be too wide.
fn table(width: usize, calls: [String; 5], bare: Option<[String; 5]>) -> String {
    const HEADS: [&str; 5] = ["median", "90 %", "99 %", "longest", "a second"];
    let row = |head: &str, cells: &[String; 5]| {
        let cells: String = cells.iter().map(|cell| format!("{cell:>12}")).collect();
        format!("{head:6}{cells}\n")
    };
    if width >= 66 {
        let head = row("", &HEADS.map(str::to_owned));
        return head
            + &row("calls", &calls)
            + &bare.map_or(String::new(), |bare| row("bare", &bare));
    }
    let cell = |cells: Option<&[String; 5]>, index: usize| {
        cells.map_or(String::new(), |cells| format!("{:>10}", cells[index]))
    };
    let head = format!("{:8}{:>10}{:>10}\n", "", "calls", if bare.is_some() { "bare" } else { "" });
    let rows = HEADS.iter().enumerate().map(|(index, head)| {
        format!("{head:8}{}{}\n", cell(Some(&calls), index), cell(bare.as_ref(), index))
    });
    head.trim_end().to_owned() + "\n" + &rows.collect::<String>()
}

/// The width of standard output: what `stty` says of a terminal, else `COLUMNS`, else 80. A library
/// without dependencies has no call for it.
fn width() -> usize {
    let named = std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok());
    terminal_width().or(named).filter(|width| *width > 0).unwrap_or(80).clamp(40, 200)
}

fn terminal_width() -> Option<usize> {
    let stdout = io::stdout();
    if !stdout.is_terminal() {
        return None;
    }
    let mut stty = Command::new("stty");
    stty.arg("size").stdin(stdout.as_fd().try_clone_to_owned().ok()?).stderr(Stdio::null());
    let size = String::from_utf8(stty.output().ok()?.stdout).ok()?;
    size.split_whitespace().nth(1)?.parse().ok().filter(|width| *width > 0)
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
