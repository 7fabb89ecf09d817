//! Every order in which up to three threads of the library can run.
//!
//! This is a crate of its own, no part of the package. It builds the library's sources with two
//! modules replaced: `sync`, from which all locks, condition variables, atomics, channels and
//! threads come, and `sys`, through which all system calls on sockets go. The replacements are
//! models: each operation is a step, and the order of steps is chosen (`execution`). A scenario is
//! run again and again, until all orders of its steps have been tried that can differ (`orders`).
//! Sockets and descriptors are the kernel's.
//!
//! In every order these must hold, besides what a scenario asserts: some thread can always go on
//! until all have ended, so no wake-up is lost, nothing waits for ever, and each stop returns; it
//! ends after a limited number of steps; no thread panics; all descriptors are closed.
//!
//! What it does not show: the memory orderings of atomics, which ThreadSanitizer looks at; more
//! threads than a scenario has; and what std, the kernel and the allocator do themselves.

pub(crate) mod execution;
mod orders;
mod scenarios;
mod self_test;

use std::time::Instant;
use std::{env, fs};

pub use execution::Time;
use orders::Orders;

/// What is run in every order.
#[derive(Clone, Copy)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) time: Time,
    pub(crate) run: fn(),
}

/// How many executions a scenario took.
#[derive(Debug, Default)]
pub(crate) struct Count {
    pub(crate) orders: usize,
    /// Executions that turned out to differ from no earlier one.
    redundant: usize,
    steps: usize,
    /// Whether there are more than [`MOST`], so that the last [`RANDOM`] were chosen at random.
    is_cut: bool,
}

/// How many executions of a scenario are tried one after another, and how many at random if there
/// are more.
const MOST: usize = 100_000; // unless URPC_INTERLEAVINGS_MOST says otherwise
const RANDOM: usize = 10_000;

/// Runs the scenarios of these names, or all, and prints how many orders each
/// has. With `--list` first it prints their names, with `--self-test` it tests the search. A
/// failure ends the process.
pub fn run(mut names: Vec<String>) {
    let option = names.iter().position(|name| name.starts_with("--")).map(|at| names.remove(at));
    let chosen =
        |scenario: &Scenario| names.is_empty() || names.iter().any(|name| scenario.name == name);
    for scenario in scenarios::all().into_iter().filter(chosen) {
        match option.as_deref() {
            None => try_and_print(&scenario),
            Some("--list") => println!("{}", scenario.name),
            _ => return self_test::run(),
        }
    }
}

fn try_and_print(scenario: &Scenario) {
    let (before, began) = (count_descriptors(), Instant::now());
    let count = try_all(scenario, false, || {});
    assert_eq!(count_descriptors(), before, "{}: descriptors stay open", scenario.name);
    println!(
        "{:6} {} of up to {:3} steps, {:5} more cut short, {:3.0} s: {}",
        count.orders,
        if count.is_cut { "orders, not all," } else { "orders, all,    " },
        count.steps,
        count.redundant,
        began.elapsed().as_secs_f32(),
        scenario.name
    );
}

/// Runs a scenario in every order that can differ, or in `all`. Calls `after` after each.
pub(crate) fn try_all(scenario: &Scenario, all: bool, mut after: impl FnMut()) -> Count {
    static NUMBER: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(1);
    let most = env::var("URPC_INTERLEAVINGS_MOST").ok().and_then(|most| most.parse().ok());
    let most = most.unwrap_or(MOST);
    let mut count = Count::default();
    let mut orders = Orders::new(scenario.name, all);
    loop {
        let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let (steps, back) = execution::run(number, scenario.time, orders, Box::new(scenario.run));
        orders = back;
        match orders.is_redundant {
            true => count.redundant += 1,
            false => count.orders += 1,
        }
        count.steps = count.steps.max(steps.len());
        after();
        if !orders.next(&steps) {
            return count;
        }
        if count.orders + count.redundant == most {
            count.is_cut = true;
            orders.randomize();
        }
        if count.orders + count.redundant == most + RANDOM {
            return count;
        }
    }
}

fn count_descriptors() -> usize {
    fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}
