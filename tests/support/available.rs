//! What the machine has to test against. What it lacks is skipped visibly, or fails where
//! `URPC_REQUIRE_INTEROP` is set, as in CI.

#![allow(dead_code)] // each test program uses its own part

use std::env;
use std::fmt::Display;
use std::io::{self, Write};

use super::limit::{MANY_FILES, may_open_many_files};

/// Passes `is_there` on, and says so if that is not the case.
pub fn or_skip(what: &str, is_there: bool) -> bool {
    if is_there {
        return true;
    }
    assert!(env::var_os("URPC_REQUIRE_INTEROP").is_none(), "missing, though required: {what}");
    skipped(format_args!("there is no {what} here"));
    false
}

/// Says why a test is skipped that the kernel or this user cannot run.
pub fn skipped(why: impl Display) {
    // Not by the macro, whose output the test harness keeps to itself.
    let _ = writeln!(io::stderr(), "skipped: {why}");
}

/// Whether there is such a program to run.
pub fn program(name: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|dir| dir.join(name).is_file())
}

/// Whether this process may have as many files open as a test of many files needs; says so if not.
pub fn many_files() -> bool {
    or_skip(&format!("room for {MANY_FILES} open files (ulimit -n)"), may_open_many_files())
}
