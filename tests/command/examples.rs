//! The examples of the help texts, run as they stand.

use std::path::Path;
use std::process::{Command, Stdio};

use urpc::json::RawJson;
use urpc::{Client, Files, Service};

use crate::counts::wait_until;
use crate::run::{Running, Served, urpc};
use crate::support::limit::limit_test;
use crate::support::{Scratch, output_of};

/// The command lines of the examples of a command.
fn examples(word: &str) -> Vec<String> {
    let help = urpc(&[word, "--help"]).success();
    let (_, examples) = help.split_once("\nExamples:\n").unwrap();
    let lines = examples.lines().filter_map(|line| line.strip_prefix("    "));
    let lines: Vec<String> = lines.map(str::to_owned).collect();
    assert!(!lines.is_empty() && lines.iter().all(|line| line.contains("urpc")), "{lines:?}");
    lines
}

/// A shell in the directory `scratch` that finds the command by its name.
fn shell(scratch: &Scratch, line: &str) -> Command {
    limit_test();
    let directory = Path::new(env!("CARGO_BIN_EXE_urpc")).parent().unwrap().to_str().unwrap();
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("PATH=\"{directory}:$PATH\"; {line}")]);
    shell.current_dir(scratch.path("")).stdin(Stdio::null());
    shell
}

/// A server on `a.sock` in the directory, for the examples that call one.
fn served(name: &str, scratch: &Scratch) -> Served {
    let service = Service::new("Host", ())
        .raw_method("Ping", |(), arg, _, _| Ok::<_, String>((RawJson::new(arg), Files::new())))
        .method("Fail", |(), (): ()| Err::<(), _>("out of order"));
    let served = Served::new(name, service);
    std::os::unix::fs::symlink(&served.path, scratch.path("a.sock")).unwrap();
    served
}

#[test]
fn those_of_serve_answer_calls() {
    for line in examples("serve") {
        let scratch = Scratch::new("examples-serve");
        let running = Running::start(&mut shell(&scratch, &format!("exec {line}")));
        let client = Client::connect(scratch.path("a.sock")).unwrap();
        let null = std::fs::File::open("/dev/null").unwrap();
        let method = line.split_once("--method").unwrap().1.trim_start_matches(['=', ' ', '\'']);
        let method = method.split_once('=').unwrap().0;
        let (_, files) = client.call_raw(method, b"1", &[std::os::fd::AsFd::as_fd(&null)]).unwrap();
        assert_eq!(files.len(), usize::from(line.contains("--return-files")), "{line}");
        drop(client);
        running.signal("TERM");
        assert_eq!(running.wait(), (0, String::new()), "{line}");
    }
}

#[test]
fn those_of_trace_show_what_is_said() {
    let scratch = Scratch::new("examples-trace");
    let _host = served("examples-trace-host", &scratch);
    for line in examples("trace") {
        // Those between runsc and a sandbox need both: see `tests/interop`.
        if line.contains("runsc") {
            continue;
        }
        if line.starts_with("urpc call") {
            let replayed = output_of(&mut shell(&scratch, &line)).unwrap();
            let said = String::from_utf8(replayed.stderr).unwrap();
            assert_eq!(replayed.status.code(), Some(1), "{line}: {said}");
            assert!(said.contains("out of order"), "{line}: {said}");
            continue;
        }
        let mut trace = shell(&scratch, &format!("exec {line}"));
        let mut running = Running::start(trace.stdout(Stdio::piped()));
        let client = Client::connect(scratch.path("b.sock")).unwrap();
        client.call::<()>("Host.Fail", &()).unwrap_err();
        drop(client);
        running.signal("TERM");
        let mut shown = String::new();
        let stdout = running.child.stdout.take().unwrap();
        std::io::Read::read_to_string(&mut { stdout }, &mut shown).unwrap();
        assert_eq!(running.wait(), (0, String::new()), "{line}");
        for name in ["failed.txt", "rec.jsonl"].iter().filter(|name| line.contains(**name)) {
            shown = std::fs::read_to_string(scratch.path(name)).unwrap();
        }
        let summary = shown.lines().last().unwrap();
        let has_error = summary.ends_with(" 1         1          0 total")
            || summary.contains(r#""event":"summary""#) && summary.contains(r#""errors":1"#);
        assert!(has_error, "{line}: {shown}");
    }
}

#[test]
fn those_of_bench_print_a_report() {
    for line in examples("bench") {
        let scratch = Scratch::new("examples-bench");
        let _host = served("examples-bench-host", &scratch);
        let line =
            line.replace("--seconds 10", "--seconds 0.1").replace("--count 300", "--count 3");
        let line = match line.strip_suffix("urpc bench") {
            Some(_) => format!("{line} --seconds 0.1"),
            None => line,
        };
        // Not every system has taskset.
        let output = output_of(&mut shell(&scratch, line.trim_start_matches("taskset -c 0 ")));
        let output = output.unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && text.contains("median"), "{line}: {text}");
    }
}

#[test]
fn what_the_demo_says_to_type_next_works() {
    let demo = urpc(&["demo"]).success();
    let lines: Vec<&str> = demo.lines().rev().map_while(|line| line.strip_prefix("    ")).collect();
    let [call, serve] = lines[..] else { panic!("{demo}") };
    let scratch = Scratch::new("examples-demo");
    // A shell takes [1,2] without quotes for a pattern, which may name this file.
    std::fs::write(scratch.path("1"), "").unwrap();
    let running = Running::start(&mut shell(&scratch, &format!("exec {serve}")));
    let output = output_of(&mut shell(&scratch, call)).unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "[\n  1,\n  2\n]\n");
    running.signal("TERM");
    assert_eq!(running.wait(), (0, String::new()));
    wait_until(|| (!scratch.path("a.sock").exists()).then_some(()), || "a.sock".to_owned());
}
