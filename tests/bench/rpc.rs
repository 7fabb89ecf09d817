//! The cost of a call compared with the bare exchange of the same bytes, and the cost of a server
//! with many clients.
//!
//! `cargo bench --bench rpc` prints the table with a verdict a row. Options follow `--`: `--quick`
//! measures for a short time, `--json` prints the rows as JSON, `--build` builds the command as
//! well, and any other word selects the rows whose name contains it. Where the kernel places the
//! two sides matters more than any code. So latency is measured three times: both sides on one CPU,
//! each on its own, and wherever the kernel places them. The goals apply to one CPU. For this the
//! program starts itself again, under taskset(1), and under sh(1) to raise the limit of
//! descriptors.

#[path = "../support/alloc.rs"]
mod alloc;
mod baseline;
mod clients;
mod footprint;
mod latency;
mod peer;
mod report;
mod single;
mod stats;

use std::env;
use std::process::{Command, Stdio};

use peer::Pinning;
use report::Report;

#[global_allocator]
static ALLOCATOR: alloc::Counting = alloc::Counting;

/// Set in a second process of this program: its role.
const ROLE: &str = "URPC_BENCH_ROLE";

/// How much is measured.
#[derive(Debug, Clone)]
pub struct Plan {
    pub quick: bool,
    pub words: Vec<String>,
}

impl Plan {
    /// The plan, whether to print JSON, and whether to build.
    fn from_arguments() -> (Plan, bool, bool) {
        let mut arguments: Vec<String> = env::args().skip(1).collect();
        let mut take = |flag: &str| {
            let before = arguments.len();
            arguments.retain(|argument| argument != flag);
            arguments.len() < before
        };
        take("--bench");
        let (quick, json, build) = (take("--quick"), take("--json"), take("--build"));
        (Plan { quick, words: arguments }, json, build)
    }

    /// Whether the row `name` is selected.
    pub fn wants(&self, name: &str) -> bool {
        self.words.is_empty() || self.words.iter().any(|word| name.contains(word))
    }

    /// `rounds`, or a tenth of them.
    pub fn rounds(&self, rounds: usize) -> usize {
        if self.quick { rounds.div_ceil(10) } else { rounds }
    }
}

fn main() {
    let (plan, json, build) = Plan::from_arguments();
    match env::var(ROLE).as_deref() {
        Ok("peer") => peer::run(),
        Ok("clients") => clients::measure(&plan),
        Ok("single") => single::measure(&plan),
        Ok("footprint") => footprint::measure(build),
        Ok("watched") => {
            let figure = |name| env::var(name).ok().and_then(|text| text.parse().ok());
            let [calls, bytes] = ["URPC_BENCH_CALLS", "URPC_BENCH_BYTES"].map(figure);
            single::be_watched(calls.unwrap_or(0), bytes.unwrap_or(0));
        }
        Ok(pinning) => latency::measure(Pinning::named(pinning), &plan),
        Err(_) => {
            let mut report = Report::default();
            for pinning in Pinning::ALL {
                run(pinning.command(0), pinning.name(), &mut report);
            }
            run(with_all_descriptors(), "clients", &mut report);
            run(Pinning::One.command(0), "single", &mut report);
            if plan.words.is_empty() {
                run(this_program(), "footprint", &mut report);
            }
            report.print(json);
        }
    }
}

/// Runs the measurements of `role` in a process of its own and adds its rows.
fn run(mut command: Command, role: &str, report: &mut Report) {
    let command = command.args(env::args().skip(1)).env(ROLE, role).stderr(Stdio::inherit());
    let output = command.output().expect("the program can be started again");
    assert!(output.status.success(), "the process that measures {role:?} failed");
    String::from_utf8_lossy(&output.stdout).lines().for_each(|line| report.add_line(line));
}

fn with_all_descriptors() -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -n $(ulimit -Hn); exec \"$0\" \"$@\""]);
    command.arg(this_program().get_program());
    command
}

/// A command that starts this program again.
pub fn this_program() -> Command {
    Command::new(env::current_exe().expect("a program knows its path"))
}
