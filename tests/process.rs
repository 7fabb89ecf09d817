//! Files for a program: what must hold in the helper that places them.

mod support;

use std::env;
use std::io::ErrorKind;
use std::os::fd::AsFd;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;

use support::{Probe, is_close_on_exec};
use urpc::process;

/// Set in the process that is the helper.
const HELPER: &str = "URPC_HELPER";

#[test]
fn files_are_not_placed_while_there_is_another_thread_and_the_parent_is_told() {
    let mut helper = Command::new("sh");
    // An emulator that it needs is in that variable.
    helper.args(["-c", r#"exec $URPC_TEST_RUNNER "$0" --exact the_helper_with_two_threads"#]);
    helper.arg(env::current_exe().unwrap()).env(HELPER, "").stdout(Stdio::null());
    let ((stdin, _kept_open), (file, probe)) = (process::pipe().unwrap(), Probe::new());
    let started = process::spawn_with_files(&mut helper, stdin.as_fd(), &[file.as_fd()]);
    let error = started.unwrap_err().to_string();
    assert!(error.contains("only while there is one thread"), "{error}");
    drop(file);
    probe.wait_closed();
}

#[test]
fn a_helper_that_ends_before_it_is_the_program_has_not_started_it() {
    support::limit::limit_test();
    // Each takes the files, and leaves without a word, or in the middle of its report.
    for ends in ["exit 0", "printf ab >&0"] {
        let mut helper = Command::new("sh");
        helper.args(["-c", &format!("head -c 2 >/dev/null; {ends}")]);
        let (stdin, _kept_open) = process::pipe().unwrap();
        let error = process::spawn_with_files(&mut helper, stdin.as_fd(), &[]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof, "{ends}: {error}");
    }
}

#[test]
fn both_ends_of_a_pipe_are_close_on_exec() {
    let (from, to) = process::pipe().unwrap();
    assert!(is_close_on_exec(&from) && is_close_on_exec(&to));
}

/// Not a test of its own: what the other one starts.
#[test]
fn the_helper_with_two_threads() {
    if env::var_os(HELPER).is_none() {
        return;
    }
    let (_never, ends) = mpsc::channel::<()>();
    thread::spawn(move || ends.recv());
    process::run_with_files(&mut Command::new("true"));
}
