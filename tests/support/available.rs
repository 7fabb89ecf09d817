//! What the tests need from the machine. If something is missing, the test is skipped with a
//! message, or fails if `URPC_REQUIRE_INTEROP` is set, as in CI.

#![allow(dead_code)] // each test program uses its own part

use std::env;
use std::fmt::Display;
use std::io::{self, Write};
use std::process::{Command, Stdio};

use super::limit::{MANY_FILES, may_open_many_files};

/// Returns `is_there`, and prints a message if it is false.
pub fn or_skip(what: &str, is_there: bool) -> bool {
    if is_there {
        return true;
    }
    assert!(env::var_os("URPC_REQUIRE_INTEROP").is_none(), "missing, though required: {what}");
    skipped(format_args!("there is no {what} here"));
    false
}

/// Prints why a test is skipped that the kernel or this user cannot run.
pub fn skipped(why: impl Display) {
    // `eprintln!` would be captured by the test harness.
    let _ = writeln!(io::stderr(), "skipped: {why}");
}

/// Whether this program is installed.
pub fn program(name: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|dir| dir.join(name).is_file())
}

/// Whether script(1) can make a terminal. Without /dev/pts it cannot. Prints a message if not.
pub fn terminal() -> bool {
    let mut script = Command::new("script");
    let tried = script.args(["-qec", "true", "/dev/null"]).stdin(Stdio::null()).output();
    let works = tried.is_ok_and(|output| output.status.success());
    or_skip("terminal to be had from script (of util-linux)", works)
}

/// Whether programs that the tests start hear of SIGHUP. Below nohup(1) they ignore it. Prints a
/// message if not.
pub fn hangup() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap_or("0");
    let is_heard = u64::from_str_radix(mask.trim(), 16).is_ok_and(|mask| mask & 1 == 0);
    or_skip("SIGHUP (it is ignored, as below nohup)", is_heard)
}

/// Whether this process may open the files that a test of many files needs. Prints a message if
/// not.
pub fn many_files() -> bool {
    or_skip(&format!("room for {MANY_FILES} open files (ulimit -n)"), may_open_many_files())
}
