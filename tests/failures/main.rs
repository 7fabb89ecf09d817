//! Each system call of the README's list fails, at each place at which a scenario makes it, once with
//! each of up to three errors. After each failure the next client is served, descriptors and threads
//! are back to what they were, nothing has panicked, and what is reported is one line. The number of
//! failures is printed.
//!
//! `inject.pl` makes the calls fail, from outside. By default a part of the failures is tried, which
//! moves with `URPC_FAILURES_PART` (a number); the argument `--all` tries all. There is no test
//! harness, because its threads would count.
#![cfg_attr(not(all(target_arch = "x86_64", target_env = "gnu")), allow(unused))]

#[path = "../support/counts.rs"]
mod counts;
#[path = "../support/listed_calls.rs"]
mod listed_calls;
#[path = "../support/mod.rs"]
mod support;

mod calls;
mod command;
mod ground;
mod library;
mod points;
mod runner;
mod supervisor;

fn main() {
    // As a harness does, it runs nothing if other tests are named.
    let is_other = |name: &String| !name.starts_with('-') && !"failures".contains(name.as_str());
    if std::env::args().skip(1).any(|name| is_other(&name)) {
        return;
    }
    if !cfg!(all(target_arch = "x86_64", target_env = "gnu")) {
        return support::available::skipped("the system calls are those of x86_64 with glibc");
    }
    match std::env::var(runner::SCENARIO) {
        Ok(name) => points::fail_each(&name),
        Err(_) => runner::every_failure_is_survived(),
    }
}
