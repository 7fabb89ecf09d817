//! `urpc exec` beside `runsc exec` in a live sandbox.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Output, Stdio};
use std::thread;

use crate::run::{Ran, command};
use crate::sandbox::Sandbox;
use crate::support::{available, signal};

const SHELL: [&str; 3] = ["/bin/busybox", "sh", "-c"];

/// `urpc exec` in the sandbox, not yet started.
fn exec(sandbox: &Sandbox, words: &[&str]) -> Command {
    let mut exec = command(&["exec", "--root"]);
    exec.arg(sandbox.root()).arg(format!("runsc:{}", sandbox.id)).args(words);
    exec.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    exec
}

fn outcome(output: Output) -> (Option<i32>, String, String) {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// What a command does with `input` as its standard input.
fn run(mut command: Command, input: &str) -> (Option<i32>, String, String) {
    let mut child = command.spawn().unwrap();
    // The program need not read it.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    outcome(child.wait_with_output().unwrap())
}

#[test]
fn a_program_does_what_it_does_with_runsc_exec() {
    let Some(sandbox) = Sandbox::start() else { return };
    let runsc = |words: &[&str]| {
        let mut exec = sandbox.runsc_exec(words);
        exec.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        exec
    };
    let surroundings = "busybox env; pwd; busybox id; busybox grep Cap /proc/self/status";
    for script in [
        "exit 0",
        "exit 3",
        "kill -9 $$",
        "kill -TERM $$",
        "busybox cat; echo to standard error >&2; exit 7",
        surroundings,
    ] {
        let words = [&SHELL[..], &[script]].concat();
        let expected = run(runsc(&words), "input");
        assert_eq!(run(exec(&sandbox, &words), "input"), expected, "{script}");
    }
    for program in ["/no/such/program", "nosuchprogram"] {
        let (expected, _, text) = run(runsc(&[program]), "");
        let (status, out, error) = run(exec(&sandbox, &[program]), "");
        assert_eq!((status, &*out), (expected, ""), "{error}");
        // runsc puts its own words before those of the sandbox.
        let reason = error.trim_end().strip_prefix("urpc exec: remote error: ").unwrap();
        assert!(text.contains(reason) && error.lines().count() == 1, "{error} {text}");
    }
    let words = [
        &["--env=A=B=C", "--env=PATH=/x", "--cwd=/tmp", "--user=5:6"],
        &SHELL[..],
        &[surroundings],
    ];
    let moved = run(exec(&sandbox, &words.concat()), "").1;
    assert!(
        ["A=B=C\n", "PATH=/x\n", "/tmp\n", "uid=5 gid=6"].iter().all(|line| moved.contains(line)),
        "{moved}"
    );
}

#[test]
fn two_hundred_megabytes_pass_through() {
    const CHUNKS: usize = 200;
    let Some(sandbox) = Sandbox::start() else { return };
    let chunk: Vec<u8> = (0..1 << 20).map(|index: u32| ((index * 7) >> 3) as u8).collect();
    let mut child = exec(&sandbox, &["busybox", "cat"]).spawn().unwrap();
    let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    thread::scope(|scope| {
        let chunk = &chunk;
        scope.spawn(move || (0..CHUNKS).for_each(|_| stdin.write_all(chunk).unwrap()));
        let mut copied = vec![0; chunk.len()];
        for index in 0..CHUNKS {
            stdout.read_exact(&mut copied).unwrap();
            assert!(copied == *chunk, "megabyte {index}");
        }
    });
    assert_eq!(stdout.read(&mut [0]).unwrap(), 0);
    assert!(child.wait().unwrap().success());
}

/// Waits until the program says that it is ready.
fn until_ready(child: &mut Child) -> BufReader<std::process::ChildStdout> {
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    out
}

#[test]
fn signals_reach_the_program_whose_status_comes_back() {
    if !available::hangup() {
        return;
    }
    let Some(sandbox) = Sandbox::start() else { return };
    let wait = "echo ready; busybox sleep 100 & wait";
    for (name, script, status, said) in [
        ("INT", format!("trap 'echo caught; exit 7' INT; {wait}"), 7, "caught\n"),
        ("HUP", format!("trap 'echo caught; exit 8' HUP; {wait}"), 8, "caught\n"),
        ("TERM", wait.to_owned(), 128 + 15, ""),
        ("INT", "echo ready; exec busybox sleep 100".to_owned(), 128 + 2, ""),
    ] {
        let mut child = exec(&sandbox, &[&SHELL[..], &[&*script]].concat()).spawn().unwrap();
        let mut out = until_ready(&mut child);
        signal(child.id(), name);
        let mut text = String::new();
        out.read_to_string(&mut text).unwrap();
        assert_eq!((child.wait().unwrap().code(), &*text), (Some(status), said), "{script}");
    }
}

#[test]
fn a_terminal_is_the_program_s_own() {
    let Some(sandbox) = Sandbox::start() else { return };
    if !available::terminal() {
        return;
    }
    let script = "stty size; test -t 0 && test -t 2 && echo tty; \
                  trap 'echo caught; exit 7' INT; echo ready; sleep 100 & wait";
    let script = script.replace("stty", "busybox stty").replace("sleep", "busybox sleep");
    let line = format!(
        "stty rows 33 cols 77; exec '{}' exec --tty --root '{}' runsc:{} busybox sh -c \"$SCRIPT\"",
        env!("CARGO_BIN_EXE_urpc"),
        sandbox.root().display(),
        sandbox.id
    );
    let mut command = Command::new("script");
    command.args(["-q", "-e", "-c", &line, "/dev/null"]).env("SCRIPT", script);
    command.env("SHELL", "/bin/sh").stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut keyboard = child.stdin.take().unwrap();
    let mut screen = BufReader::new(child.stdout.take().unwrap());
    let mut shown = String::new();
    while !shown.ends_with("ready\r\n") {
        assert!(screen.read_line(&mut shown).unwrap() > 0, "{shown}");
    }
    assert!(shown.contains("33 77\r\ntty\r\n"), "{shown}");
    keyboard.write_all(b"\x03").unwrap(); // Ctrl-C
    screen.read_to_string(&mut shown).unwrap();
    assert!(shown.ends_with("caught\r\n"), "{shown}");
    assert_eq!(child.wait().unwrap().code(), Some(7));
}

#[test]
fn the_example_of_the_help_gives_the_status() {
    let Some(sandbox) = Sandbox::start() else { return };
    let script = "urpc exec --root $ROOT runsc:$ID -- sh -c 'exit 3'; echo $?";
    let script = script.replace("sh -c", "busybox sh -c");
    let script = script.replace("urpc exec", &format!("'{}' exec", env!("CARGO_BIN_EXE_urpc")));
    let mut shell = Command::new("sh");
    shell.args(["-c", &script]).env("ROOT", sandbox.root()).env("ID", &sandbox.id);
    assert_eq!(Ran::from(shell.stdin(Stdio::null()).output().unwrap()).success(), "3\n");
}
