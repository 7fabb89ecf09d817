//! Makes each call of a scenario fail in turn. Each failure is a point.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use crate::calls::CALLS;
use crate::counts::{descriptors, threads, wait_until};
use crate::runner::{AFTER, PART, PARTS};
use crate::supervisor::{self, Seen, Whose};
use crate::support::Scratch;
use crate::support::limit::limit_test_to;
use crate::{command, library};

/// A part of the library or of the command, whose calls fail.
pub trait Scenario {
    fn whose(&self) -> Whose;
    /// What goes before, in which nothing fails.
    fn prepare(&mut self) {}
    /// In which a call fails. The text is that of the error, if it reports one.
    fn act(&mut self) -> Result<(), String>;
    /// Clears away, and checks that a next client is served and nothing is left.
    fn check(&mut self) -> Result<(), String>;
}

/// A panic of any thread.
static PANIC: Mutex<Option<String>> = Mutex::new(None);

/// Runs the scenario once for each point. Prints a line for each on standard error.
pub fn fail_each(name: &str) {
    limit_test_to(Duration::from_secs(800));
    std::panic::set_hook(Box::new(|panic| {
        eprintln!("{panic}");
        *PANIC.lock().unwrap() = Some(panic.to_string().replace('\n', " "));
    }));
    let scratch = Scratch::new("failures");
    let mut scenario = library::scenario(name, &scratch.0)
        .or_else(|| command::scenario(name, &scratch.0))
        .expect("a scenario's name");
    let counts = count(scenario.as_mut());
    let number = |name: &str| env::var(name).ok().and_then(|text| text.parse::<usize>().ok());
    let (after, part, parts) = (number(AFTER), number(PART), number(PARTS));
    let mut index = 0;
    for call in CALLS {
        for nth in 1..=counts.get(&call.number).copied().unwrap_or(0) {
            for (error, errno) in call.errors {
                index += 1;
                let is_other =
                    parts.is_some_and(|parts| index % parts != part.unwrap_or(0) % parts);
                if is_other || after.is_some_and(|after| index <= after) {
                    continue;
                }
                let point = format!("{name}: {} {nth} {error}", call.name);
                eprintln!("point {index} {point}");
                let arm = |whose| supervisor::fail(whose, call.number, nth, *errno);
                report(&point, once(scenario.as_mut(), arm));
            }
        }
    }
    eprintln!("over");
}

fn report(point: &str, outcome: Result<(Seen, String), String>) {
    match outcome {
        Ok((seen, text)) if seen.has_failed => eprintln!("survived {text}"),
        Ok(_) => eprintln!("unreached"),
        Err(why) => eprintln!("broken {point}: {why}"),
    }
}

/// The most calls of three runs in which nothing fails.
fn count(scenario: &mut dyn Scenario) -> BTreeMap<u32, u32> {
    let mut most = BTreeMap::new();
    for _ in 0..3 {
        let (seen, text) = once(scenario, supervisor::count).expect("a plain run");
        assert_eq!(text, "", "a plain run");
        for (call, count) in seen.counts {
            let known = most.entry(call).or_insert(0);
            *known = count.max(*known);
        }
    }
    most
}

/// Runs the scenario once. Returns what was called, and the text of the error that it reported.
fn once(scenario: &mut dyn Scenario, arm: impl FnOnce(Whose)) -> Result<(Seen, String), String> {
    scenario.prepare();
    arm(scenario.whose());
    let outcome = scenario.act();
    let seen = supervisor::end();
    let checked = scenario.check();
    if let Some(panic) = PANIC.lock().unwrap().take() {
        return Err(panic);
    }
    checked?;
    let text = outcome.err().unwrap_or_default();
    if !text.is_empty() {
        crate::ground::check_text(&text)?;
    }
    Ok((seen, text))
}

/// The descriptors and threads of a process.
pub fn held(process: u32) -> (usize, usize) {
    (descriptors(process), threads(process).len())
}

/// The same, once it serves no client and closes no file.
pub fn settled(process: u32) -> (usize, usize) {
    let works = |name: &String| ["urpc-server", "urpc-close"].contains(&name.as_str());
    wait_until(
        || (!threads(process).iter().any(works)).then(|| held(process)),
        || format!("{:?} to end", threads(process)),
    )
}

/// Checks that a process comes back to this many descriptors and threads. A client's thread that
/// finds no memory waits for the next client and ends behind it, so there are some.
pub fn check_held(
    process: u32,
    base: (usize, usize),
    mut serve_the_next: impl FnMut() -> Result<(), String>,
) -> Result<(), String> {
    let until = Instant::now() + Duration::from_secs(30);
    let mut next = Instant::now() + Duration::from_secs(1);
    while held(process) != base {
        if Instant::now() > next {
            serve_the_next()?;
            next = Instant::now() + Duration::from_secs(1);
        }
        if Instant::now() > until {
            let (files, threads) = (files(process), threads(process));
            return Err(format!(
                "it holds {:?}, not {base:?}: {files:?}, {threads:?}",
                held(process)
            ));
        }
        thread::park_timeout(Duration::from_millis(1));
    }
    Ok(())
}

/// What the descriptors of a process are.
fn files(process: u32) -> Vec<String> {
    let open = fs::read_dir(format!("/proc/{process}/fd")).into_iter().flatten().flatten();
    open.filter_map(|entry| {
        let file = fs::read_link(entry.path()).ok()?;
        Some(format!("{} {}", entry.file_name().to_string_lossy(), file.display()))
    })
    .collect()
}
