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

#[cfg(test)]
mod tests {
    use super::*;

    fn histogram(times: &[u64]) -> Histogram {
        let mut histogram = Histogram::new();
        times.iter().for_each(|time| histogram.record(Duration::from_nanos(*time)));
        histogram
    }

    fn plan(rate: Option<u64>) -> Plan {
        let (time, count, timeout, method) = (None, None, None, None);
        Plan { clients: 2, time, rate, count, files: 3, arg: vec![b'x'; 7], timeout, method }
    }

    const CALLS: [u64; 4] = [20, 20, 40, 50];

    #[test]
    fn the_report_of_our_own_server_compares() {
        let (plan, calls, bare) = (plan(None), histogram(&CALLS), histogram(&[7, 8, 9]));
        let time = Duration::from_millis(1600);
        let report = Report { plan: &plan, calls: &calls, bare: Some(&bare), time };
        let mut expected =
            "2 client(s) of our own server, 37 bytes there and 42 back, 3 file(s) there

            median        90 %        99 %     longest    a second
calls        20 ns       50 ns       50 ns       50 ns           2
bare          8 ns        9 ns        9 ns        9 ns           1

a call's median is 2.50 times that of the same bytes and files with no
urpc

calls that took, from
"
            .to_owned();
        for (from, bar, count) in [(20, 59, 2), (24, 0, 0), (28, 0, 0), (32, 0, 0), (36, 0, 0)]
            .into_iter()
            .chain([(40, 30, 1), (44, 0, 0), (48, 30, 1), (52, 0, 0)])
        {
            expected += &format!("{from:7} ns  {:59}  {count}\n", "#".repeat(bar));
        }
        assert_eq!(report.text(74), expected);
        assert_eq!(
            urpc::json::to_string(&report.summary()).unwrap(),
            r#"{"clients":2,"files":3,"argument_bytes":7,"seconds":1.600000000,"calls":"#
                .to_owned()
                + r#"{"count":4,"per_second":2,"median_ns":20,"p90_ns":50,"p99_ns":50,"longest_ns":50},"#
                + r#""bare":{"count":3,"per_second":1,"median_ns":8,"p90_ns":9,"p99_ns":9,"#
                + r#""longest_ns":9},"ratio":2.50}"#
        );
    }

    #[test]
    fn the_report_of_another_server_has_what_was_asked_for_and_columns_where_it_is_narrow() {
        let (plan, calls) = (plan(Some(1_500)), histogram(&CALLS));
        let report = Report { plan: &plan, calls: &calls, bare: None, time: Duration::ZERO };
        let shown = report.text(40);
        let expected = "2 client(s), an argument of 7 bytes, 3
file(s) with it, asked for 1.5 calls a
second

             calls
median       20 ns
90 %         50 ns
99 %         50 ns
longest      50 ns
a second      4000

calls that took, from
     20 ns  #########################  2
";
        assert_eq!(&shown[..expected.len().min(shown.len())], expected);
        let json = urpc::json::to_string(&report.summary()).unwrap();
        assert!(json.contains(r#","asked_per_second":1.5,"calls":{"#), "{json}");
        assert!(!json.contains("bare") && !json.contains("ratio"), "{json}");
    }

    #[test]
    fn both_columns_are_there_where_a_table_of_rows_is_too_wide() {
        let cells = |first: &str| [first, "b", "c", "d", "e"].map(str::to_owned);
        let narrow = table(65, cells("a"), Some(cells("x")));
        assert!(narrow.starts_with("             calls      bare\nmedian           a         x\n"));
        assert!(table(66, cells("a"), Some(cells("x"))).starts_with("            median "));
    }

    #[test]
    fn the_ratio_is_rounded() {
        let (plan, calls, bare) = (plan(None), histogram(&[25]), histogram(&[8]));
        let report = Report { plan: &plan, calls: &calls, bare: Some(&bare), time: Duration::ZERO };
        assert_eq!(report.ratio_in_hundredths(), Some(313));
    }

    #[test]
    fn thousandths_have_no_zeros_at_their_end() {
        let written = [0, 1, 10, 1500, 20_000].map(in_thousandths);
        assert_eq!(written, ["0", "0.001", "0.01", "1.5", "20"]);
    }
}
