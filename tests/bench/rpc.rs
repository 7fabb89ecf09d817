//! What a call costs, beside what the same bytes cost with bare system calls.
//!
//! `cargo bench --bench rpc` prints the whole table. Behind `--`: `--quick` takes a look only,
//! `--json` prints the rows as JSON, and any word keeps the rows with that word in their name.
//! Where the kernel puts the two sides decides more than any code, so what depends on it is taken
//! three times: both sides on one CPU, each on its own, and wherever the kernel likes. The
//! program starts itself again for that, under taskset(1).

mod floor;
mod latency;
mod peer;
mod report;
mod stats;

use std::env;
use std::process::Command;

use peer::Pinning;
use report::{Report, Row};

/// Tells a second process of this program what it is for.
const ROLE: &str = "URPC_BENCH_ROLE";

/// How much is measured.
#[derive(Debug, Clone)]
pub struct Plan {
    pub quick: bool,
    pub words: Vec<String>,
}

impl Plan {
    fn from_arguments() -> (Plan, bool) {
        let mut arguments: Vec<String> = env::args().skip(1).collect();
        let mut take = |flag: &str| {
            let before = arguments.len();
            arguments.retain(|argument| argument != flag);
            arguments.len() < before
        };
        take("--bench");
        let (quick, json) = (take("--quick"), take("--json"));
        (Plan { quick, words: arguments }, json)
    }

    /// Whether the row `name` is wanted.
    pub fn wants(&self, name: &str) -> bool {
        self.words.is_empty() || self.words.iter().any(|word| name.contains(word))
    }

    /// `rounds`, or a tenth of them.
    pub fn rounds(&self, rounds: usize) -> usize {
        if self.quick { rounds.div_ceil(10) } else { rounds }
    }
}

fn main() {
    let (plan, json) = Plan::from_arguments();
    match env::var(ROLE).as_deref() {
        Ok("peer") => peer::run(),
        Ok(pinning) => measure(Pinning::named(pinning), &plan),
        Err(_) => {
            let mut report = Report::default();
            for pinning in Pinning::ALL {
                run_pinned(pinning, &mut report);
            }
            report.print(json);
        }
    }
}

/// Has a process of its own measure what depends on the pinning.
fn run_pinned(pinning: Pinning, report: &mut Report) {
    let mut command = pinning.command(0);
    let output = command.args(env::args().skip(1)).env(ROLE, pinning.name()).output();
    let output = output.expect("the program can be started again");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    eprint!("{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).lines().for_each(|line| report.add_line(line));
}

fn measure(pinning: Pinning, plan: &Plan) {
    latency::measure(pinning, plan);
}

/// Hands a row to the process that prints the table.
pub fn emit(row: &Row) {
    println!("{}", urpc::json::to_string(row).expect("figures are finite"));
}

/// This program, to be started again.
pub fn this_program() -> Command {
    Command::new(env::current_exe().expect("a program knows its path"))
}
