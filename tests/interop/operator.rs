//! The example `gvisor_control` on a live sandbox.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;

use urpc::process;

use crate::gvisor_control::control::Control;
use crate::gvisor_control::records::Event;
use crate::gvisor_control::run;
use crate::sandbox::Sandbox;

/// The exit status of a command, and what it shows.
fn outcome(sandbox: &Sandbox, command: &[&str]) -> (u8, String) {
    let root = sandbox.root();
    let words = [&["--root", root.to_str().unwrap(), &sandbox.id], command].concat();
    let mut shown = Vec::new();
    let status = run(&words, &mut shown).unwrap();
    (status, String::from_utf8(shown).unwrap())
}

fn shown(sandbox: &Sandbox, command: &[&str]) -> String {
    let (status, shown) = outcome(sandbox, command);
    assert_eq!(status, 0, "{command:?}");
    shown
}

fn connect(sandbox: &Sandbox) -> Control {
    Control::connect(sandbox.root(), &sandbox.id).unwrap()
}

#[test]
fn an_operator_sees_what_runs_in_a_sandbox_and_what_it_uses() {
    let Some(sandbox) = Sandbox::start() else { return };
    let table = shown(&sandbox, &["ps"]);
    let mut lines = table.lines();
    assert!(lines.next().unwrap().starts_with("UID"), "{table}");
    let words: Vec<&str> = lines.next().unwrap().split_whitespace().collect();
    assert_eq!((&words[..3], words[5], lines.next()), (&["0", "1", "0"][..], "busybox", None));

    let event: Event = urpc::json::from_str(&shown(&sandbox, &["events"])).unwrap();
    assert_eq!((&*event.r#type, &*event.id), ("stats", &*sandbox.id));
    assert!(event.data.memory.usage.usage > 0 && event.data.pids.current == 1, "{event:?}");
    assert!(connect(&sandbox).usage().unwrap().total > 0);
    assert!(shown(&sandbox, &["stacks"]).contains("handleOne"));
    assert_eq!(shown(&sandbox, &["log", "2"]), "");

    // Newer builds have these.
    let metrics = connect(&sandbox).metrics("");
    assert!(
        metrics.map_or_else(|error| is_unknown(&error), |found| !found.snapshot.data.is_empty())
    );
    let (reader, writer) = process::pipe().unwrap();
    let read = connect(&sandbox).read_file("/proc/version", writer.into());
    assert!(
        read.map_or_else(|error| is_unknown(&error), |()| (&reader).read(&mut [0]).unwrap() == 1)
    );
}

fn is_unknown(error: &urpc::Error) -> bool {
    error.as_remote().is_some_and(|error| error.message() == "unknown method")
}

#[test]
fn an_operator_runs_programs_in_a_sandbox_and_gets_their_statuses() {
    let Some(sandbox) = Sandbox::start() else { return };
    let exec = |script| outcome(&sandbox, &["exec", "/bin/busybox", "sh", "-c", script]).0;
    assert_eq!(exec("exit 3"), 3);
    assert_eq!(exec("kill -9 $$"), 128 + 9);

    let control = connect(&sandbox);
    let start = |program: &[&str]| {
        let (input, stdin) = process::pipe().unwrap();
        let (stdout, output) = process::pipe().unwrap();
        let errors = output.try_clone().unwrap();
        let pid = control.start(program, [input, output, errors].map(Into::into)).unwrap();
        (pid, stdin, stdout)
    };
    let (pid, mut stdin, mut stdout): (i32, File, File) = start(&["/bin/busybox", "cat"]);
    shown(&sandbox, &["pause"]);
    stdin.write_all(b"there and back").unwrap();
    shown(&sandbox, &["resume"]);
    drop(stdin);
    let mut text = String::new();
    stdout.read_to_string(&mut text).unwrap();
    assert_eq!((&*text, control.wait(pid).unwrap().code()), ("there and back", Some(0)));

    let (pid, _stdin, _stdout) = start(&["/bin/busybox", "cat"]);
    shown(&sandbox, &["kill", &pid.to_string(), "15"]);
    assert_eq!(control.wait(pid).unwrap().signal(), Some(15));
}
