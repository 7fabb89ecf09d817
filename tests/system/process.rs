//! Files for a program: what must hold in the helper process that places them.

use std::env;
use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::support;
use crate::support::{
    Probe, Scratch, is_alone, is_close_on_exec, path_of, run_alone, within_timeout,
};
use urpc::process;

/// Set in the helper process.
const HELPER: &str = "URPC_HELPER";

#[test]
fn files_are_not_placed_while_there_is_another_thread_and_the_parent_gets_the_error() {
    let mut helper = Command::new("sh");
    // An emulator that it needs is in that variable.
    helper.args(["-c", r#"exec $URPC_TEST_RUNNER "$0" --exact "$1""#]);
    helper.arg(env::current_exe().unwrap()).arg(path_of(the_helper_with_two_threads));
    helper.env(HELPER, "").stdout(Stdio::null());
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
    // Each script takes some or all of the files. It ends without a report, or with a part of one.
    for script in [
        "head -c 2 >/dev/null; exit 0",
        "head -c 2 >/dev/null; printf ab >&0",
        "head -c 1 >/dev/null",
        "head -c 1 >/dev/null; printf ab >&0",
        "exec <&-",
    ] {
        let mut helper = Command::new("sh");
        helper.args(["-c", script]);
        let (stdin, _kept_open) = process::pipe().unwrap();
        let error = process::spawn_with_files(&mut helper, stdin.as_fd(), &[]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof, "{script}: {error}");
    }
}

#[test]
fn a_helper_that_hangs_before_it_says_anything_is_given_up_for_another_one() {
    let scratch = Scratch::new("process-hangs");
    let mut helper = Command::new("sh");
    // The first one hangs. The second one reports, as a helper does, that it is ready, and ends.
    let script =
        r#"if mkdir "$0"; then exec sleep 60; fi; head -c 2 >/dev/null; printf '\0\0\0\0' >&0"#;
    helper.args(["-c", script]).arg(scratch.path("was-here"));
    helper.stderr(Stdio::null());
    let started = within_timeout(move || {
        let (stdin, _kept_open) = process::pipe().unwrap();
        process::spawn_with_files(&mut helper, stdin.as_fd(), &[])
    });
    assert!(started.unwrap().wait().unwrap().success());
}

#[test]
fn both_ends_of_a_pipe_are_close_on_exec() {
    let (from, to) = process::pipe().unwrap();
    assert!(is_close_on_exec(&from) && is_close_on_exec(&to));
}

#[test]
fn a_pipe_can_be_written_until_it_is_full_and_again_when_it_was_read() {
    support::limit::limit_test();
    let (mut reader, writer) = process::pipe().unwrap();
    let waits = || process::wait_writable(writer.as_fd(), Some(Duration::ZERO)).unwrap();
    assert!(waits());
    // The size of a pipe is one of whole pages.
    while waits() {
        (&writer).write_all(&[0; 4096]).unwrap();
    }
    reader.read_exact(&mut [0; 4096]).unwrap();
    assert!(waits());
}

#[test]
fn a_group_is_killed_with_all_its_processes() {
    support::limit::limit_test();
    let mut shell = Command::new("sh");
    shell.args(["-c", "sleep 600 & echo; wait"]).process_group(0).stdout(Stdio::piped());
    let mut child = shell.spawn().unwrap();
    let mut output = child.stdout.take().unwrap();
    output.read_exact(&mut [0]).unwrap();
    process::kill_group(&child).unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(9));
    assert_eq!(output.read(&mut [0]).unwrap(), 0, "nobody holds the pipe open");
    // This one is in the group of the test.
    let mut child = Command::new("true").spawn().unwrap();
    assert!(process::kill_group(&child).is_err(), "there is no such group");
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_helper_that_reads_its_input_to_the_end_does_not_hang_the_parent() {
    let error = within_timeout(|| {
        let mut helper = Command::new("cat");
        let (stdin, _kept_open) = process::pipe().unwrap();
        process::spawn_with_files(helper.stdout(Stdio::null()), stdin.as_fd(), &[]).unwrap_err()
    });
    assert_eq!(error.kind(), ErrorKind::UnexpectedEof, "{error}");
}

/// Starts this program as its own helper. It runs only the test `name`.
fn spawn_own_test(name: &str, levels: &Path) -> std::io::Result<Child> {
    let mut helper = Command::new("sh");
    // An emulator that it needs is in that variable.
    helper.args(["-c", r#"exec $URPC_TEST_RUNNER "$0" --test-threads=1 --exact "$1""#]);
    helper.arg(env::current_exe().unwrap()).arg(name).env(HELPER, levels).stdout(Stdio::null());
    let (stdin, _kept_open) = process::pipe().unwrap();
    process::spawn_with_files(&mut helper, stdin.as_fd(), &[])
}

#[test]
fn a_main_that_forgot_to_run_with_files_does_not_start_itself_without_end() {
    let scratch = Scratch::new("forgetful");
    let levels = scratch.path("levels");
    let error = spawn_own_test(path_of(the_main_that_forgot), &levels).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnexpectedEof, "{error}");
    assert!(error.to_string().contains("run_with_files"), "{error}");
    let refused = "1 this process is the helper of another one: call run_with_files first\n";
    assert_eq!(fs::read_to_string(levels).unwrap(), refused);
}

/// Not a test: a `main` that starts itself again, whatever it was started for.
#[test]
fn the_main_that_forgot() {
    let Some(levels) = env::var_os(HELPER).filter(|levels| !levels.is_empty()) else { return };
    let levels = Path::new(&levels);
    let mut file = File::options().create(true).append(true).open(levels).unwrap();
    file.write_all(b"1").unwrap();
    // Without the refusal it would start itself without end.
    if file.metadata().unwrap().len() < 5 {
        let error = spawn_own_test(path_of(the_main_that_forgot), levels).unwrap_err();
        writeln!(file, " {error}").unwrap();
    }
}

/// Starts a shell that runs `script`, through the command, which can act as a helper.
fn spawn_shell(script: &str) -> Child {
    spawn_shell_with(script, &[])
}

fn spawn_shell_with(script: &str, files: &[BorrowedFd<'_>]) -> Child {
    let mut helper = Command::new(env!("CARGO_BIN_EXE_urpc"));
    helper.args(["_run-with-files", "sh", "-c", script]);
    let (stdin, _kept_open) = process::pipe().unwrap();
    process::spawn_with_files(&mut helper, stdin.as_fd(), files).unwrap()
}

#[test]
fn the_program_has_its_files_in_order_from_number_3_on() {
    let texts = ["a", "b", "c", "d", "e"];
    let files = texts.map(|text| {
        let (reader, mut writer) = process::pipe().unwrap();
        writer.write_all(text.as_bytes()).unwrap();
        reader
    });
    let script = r#"test "$(cat <&3 && cat <&4 && cat <&5 && cat <&6 && cat <&7)" = abcde"#;
    let mut child = spawn_shell_with(script, &files.each_ref().map(|file| file.as_fd()));
    assert!(child.wait().unwrap().success());
}

#[test]
fn the_mark_of_a_helper_is_not_seen_by_the_program_it_becomes() {
    assert!(spawn_shell("test -z \"$URPC_HELPER_OF\"").wait().unwrap().success());
}

#[test]
fn a_program_has_a_status_though_its_parent_was_started_with_sigchld_ignored() {
    if !is_alone() {
        return run_alone(
            path_of(a_program_has_a_status_though_its_parent_was_started_with_sigchld_ignored),
            "exec env --ignore-signal=CHLD",
        );
    }
    assert_eq!(spawn_shell("exit 7").wait().unwrap().code(), Some(7));
}

/// Not a test: the program that the other test starts.
#[test]
fn the_helper_with_two_threads() {
    if env::var_os(HELPER).is_none() {
        return;
    }
    let (_never, ends) = mpsc::channel::<()>();
    thread::spawn(move || ends.recv());
    process::run_with_files(&mut Command::new("true"));
}

#[test]
fn a_helper_that_cannot_become_the_program_reports_that_and_does_nothing_else() {
    let scratch = Scratch::new("report");
    let trace = scratch.path("trace");
    let mut helper = Command::new("strace");
    helper.arg("-o").arg(&trace).arg(env!("CARGO_BIN_EXE_urpc"));
    helper.args(["_run-with-files", "/nowhere/at-all"]).stderr(Stdio::null());
    let (stdin, _kept_open) = process::pipe().unwrap();
    let error = process::spawn_with_files(&mut helper, stdin.as_fd(), &[stdin.as_fd()]);
    let trace = fs::read_to_string(trace).unwrap_or_default();
    if !trace.contains("execve(") {
        let _ = writeln!(std::io::stderr(), "skipped: no strace that can trace");
        return;
    }
    assert_eq!(error.unwrap_err().kind(), ErrorKind::NotFound);
    let calls: Vec<&str> = trace.lines().collect();
    let report = calls.iter().rposition(|call| call.starts_with("send")).unwrap();
    // musl unmaps the report's memory.
    let next = calls[report + 1..].iter().find(|call| !call.starts_with("munmap("));
    assert!(next.is_none_or(|call| call.starts_with("exit_group(127)")), "{next:?}");
}
