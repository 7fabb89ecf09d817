//! Runs the scenarios, each in a process of its own under `inject.pl`, several at once.

use std::collections::{BTreeMap, VecDeque};
use std::env;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::thread;

use crate::calls::{CALLS, assert_complete};
use crate::support::available;
use crate::{command, library};

/// Set in the process of a scenario: its name, and the last point that was tried before.
pub const SCENARIO: &str = "URPC_FAILURES_SCENARIO";
pub const AFTER: &str = "URPC_FAILURES_AFTER";
/// Of how many parts which one is tried.
pub const PART: &str = "URPC_FAILURES_PART";
pub const PARTS: &str = "URPC_FAILURES_PARTS";

/// How many parts there are, of which one is tried without `--all`.
const USUAL_PARTS: usize = 10;
/// How many scenarios run at once.
const AT_ONCE: usize = 4;
/// The exit status of `inject.pl` where the kernel has no such filters.
const NO_FILTERS: i32 = 77;

/// What became of the points.
#[derive(Default)]
struct Tally {
    injected: usize,
    survived: usize,
    unreached: usize,
    broken: Vec<String>,
    /// How often each text of an error came.
    texts: BTreeMap<String, usize>,
    has_no_filters: bool,
}

pub fn every_failure_is_survived() {
    assert_complete();
    if !available::or_skip("perl", available::program("perl")) {
        return;
    }
    let tally = Mutex::new(Tally::default());
    let only = env::var("URPC_FAILURES_ONLY").ok();
    let names = command::NAMES.iter().chain(library::NAMES);
    let names = names.filter(|name| only.as_ref().is_none_or(|only| only == *name));
    let queue: Mutex<VecDeque<&str>> = Mutex::new(names.copied().collect());
    thread::scope(|all| {
        for _ in 0..AT_ONCE {
            all.spawn(|| {
                while let Some(name) = { queue.lock().unwrap().pop_front() } {
                    run(name, &tally);
                }
            });
        }
    });
    let tally = tally.into_inner().unwrap();
    if tally.has_no_filters {
        return available::skipped("the kernel has no seccomp filters that ask (Linux 5.5)");
    }
    if env::args().any(|word| word == "--texts") {
        tally.texts.iter().for_each(|(text, count)| println!("{count:5} {text}"));
    }
    println!(
        "failures: {} injected, {} survived ({} were not reached)",
        tally.injected, tally.survived, tally.unreached
    );
    assert!(tally.broken.is_empty(), "not survived:\n{}", tally.broken.join("\n"));
    assert!(tally.injected > 0, "nothing failed");
}

/// Runs a scenario. If its process ends early, another one goes on with the next point.
fn run(name: &str, tally: &Mutex<Tally>) {
    let mut after = 0;
    loop {
        let mut child = process(name, after).spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut progress = Progress::default();
        lines.map_while(Result::ok).for_each(|line| progress.note(line, tally));
        let status = child.wait().unwrap();
        if status.code() == Some(NO_FILTERS) {
            tally.lock().unwrap().has_no_filters = true;
            return;
        }
        if progress.is_over {
            return;
        }
        let said = progress.said;
        let Some((index, point)) = progress.point else {
            return tally.lock().unwrap().breaks(format!("{name}: {status} {said:?}"));
        };
        tally.lock().unwrap().breaks(format!("{point}: {status} {said:?}"));
        after = index;
    }
}

/// What the process of a scenario has said.
#[derive(Default)]
struct Progress {
    /// The point that is being tried.
    point: Option<(usize, String)>,
    is_over: bool,
    /// What is no report.
    said: Vec<String>,
}

impl Progress {
    fn note(&mut self, line: String, tally: &Mutex<Tally>) {
        let mut tally = tally.lock().unwrap();
        let (word, rest) = line.split_once(' ').unwrap_or((&line, ""));
        match word {
            "point" => {
                let (index, point) = rest.split_once(' ').unwrap();
                self.point = Some((index.parse().unwrap(), point.to_owned()));
                return;
            }
            "survived" => {
                tally.injected += 1;
                tally.survived += 1;
                *tally.texts.entry(rest.to_owned()).or_default() += 1;
            }
            "unreached" => tally.unreached += 1,
            "broken" => tally.breaks(rest.to_owned()),
            "over" => self.is_over = true,
            _ => return self.said.push(line),
        }
        self.point = None;
    }
}

impl Tally {
    fn breaks(&mut self, what: String) {
        self.injected += 1;
        eprintln!("not survived: {what}");
        self.broken.push(what);
    }
}

/// The process of a scenario.
fn process(name: &str, after: usize) -> Command {
    let numbers: Vec<_> = CALLS.iter().map(|call| call.number.to_string()).collect();
    // Two that show how far the start of a thread or a process is.
    let numbers = format!("{},13,131", numbers.join(","));
    let is_all = env::args().any(|word| word == "--all");
    // So one that hangs is named before the limit of whoever runs this.
    let limit = if is_all { "900" } else { "240" };
    let mut command = Command::new("timeout");
    command.args(["--kill-after=5", limit, "perl", "-e", include_str!("inject.pl"), &numbers]);
    command.arg(env::current_exe().unwrap()).env(SCENARIO, name).env(AFTER, after.to_string());
    if !is_all {
        command.env(PARTS, USUAL_PARTS.to_string());
    }
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    command
}
