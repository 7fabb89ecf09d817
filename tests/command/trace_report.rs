//! `urpc trace`: the time of each reply, filters, and the summary.

use std::io::Read;

use urpc::json::Value;
use urpc::{Client, Service, Socket};

use crate::run::{Served, urpc};
use crate::support::Scratch;
use crate::trace::Traced;

fn host(name: &str) -> Served {
    let service = Service::new("Host", ())
        .method("Add", |(), number: i64| Ok::<_, String>(number + 1))
        .method("Fail", |(), (): ()| Err::<(), _>("out of order"));
    Served::new(name, service)
}

/// What a trace with these options prints of three calls that succeed, one that fails, and one of an
/// unknown method.
fn shown(name: &str, options: &[&str]) -> String {
    let host = host(name);
    let mut traced = Traced::start(&format!("{name}-out"), &host.path, options);
    let client = Client::connect(traced.path.as_str()).unwrap();
    for number in 1..=2 {
        assert_eq!(client.call::<i64>("Host.Add", &number).unwrap(), number + 1);
    }
    client.call::<()>("Host.Fail", &()).unwrap_err();
    client.call::<()>("Other.\u{202e}", &()).unwrap_err();
    drop(client);
    let client = Client::connect(traced.path.as_str()).unwrap();
    client.call::<i64>("Host.Add", &1).unwrap();
    drop(client);
    traced.running.signal("TERM");
    let mut shown = String::new();
    traced.out.read_to_string(&mut shown).unwrap();
    assert_eq!(traced.running.wait(), (0, String::new()));
    shown
}

/// The columns of the summary for a method: calls and errors. After them are those without a reply.
fn counts(shown: &str, method: &str) -> Option<(u64, u64)> {
    let mut lines = shown.lines().filter(|line| !line.contains("no reply to"));
    let line = lines.find(|line| line.ends_with(&format!(" {method}")))?;
    let columns: Vec<&str> = line.split_whitespace().rev().collect();
    Some((columns[3].parse().unwrap(), columns[2].parse().unwrap()))
}

#[test]
fn every_reply_has_its_time_and_at_the_end_there_is_a_summary() {
    let shown = shown("report-all", &[]);
    let (messages, summary) = shown.split_once("\n\n").unwrap();
    let replies = messages.lines().filter(|line| line.contains(" <- "));
    assert!(replies.clone().count() >= 5);
    assert!(replies.clone().all(|line| line.contains(" bytes after ")), "{shown}");
    let head = "% time     seconds    median      99 %     calls    errors unanswered method\n";
    assert!(summary.starts_with(head), "{summary}");
    assert_eq!(counts(summary, "Host.Add"), Some((3, 0)), "{summary}");
    assert_eq!(counts(summary, "Host.Fail"), Some((1, 1)));
    assert_eq!(counts(summary, "Other.\\u{202e}"), Some((1, 1)));
    assert!(summary.lines().last().unwrap().starts_with("100.00 "), "{summary}");
}

#[test]
fn the_summary_can_be_all_that_is_printed() {
    let shown = shown("report-only", &["-c"]);
    assert!(shown.starts_with("% time"), "{shown}");
    assert_eq!(counts(&shown, "Host.Add"), Some((3, 0)));
}

#[test]
fn the_summary_is_json_if_the_trace_is() {
    for options in [&["--json"][..], &["--json", "-c"]] {
        let shown = shown("report-json", options);
        let lines = shown.lines().map(|line| urpc::json::from_str::<Value>(line).unwrap());
        let text = |text: &str| Value::String(text.to_owned());
        let lines: Vec<Value> = lines.collect();
        let summary = lines.iter().filter(|line| line["event"] == text("summary"));
        let add = summary.clone().find(|line| line["method"] == text("Host.Add")).unwrap();
        assert_eq!((add["calls"].to_string(), add["errors"].to_string()), ("3".into(), "0".into()));
        assert_eq!(summary.count() == lines.len(), options.len() == 2, "{shown}");
        if options.len() == 1 {
            let mut replies = lines.iter().filter(|line| line["direction"] == text("reply"));
            let reply = replies.next().unwrap();
            assert_eq!(reply["reply_to"], text("Host.Add"));
            assert!(reply["latency"].to_string().parse::<f64>().unwrap() > 0.0);
        }
    }
}

#[test]
fn calls_are_chosen_by_method() {
    for (option, expected) in [
        ("--method=Host.Fail", &["Host.Fail"][..]),
        ("--method=Host.*", &["Host.Add", "Host.Fail"]),
        ("--method=Add", &[]),
    ] {
        let shown = shown("report-method", &[option]);
        for method in ["Host.Add", "Host.Fail", "Other.\\u{202e}"] {
            let is_expected = expected.contains(&method);
            assert_eq!(counts(&shown, method).is_some(), is_expected, "{option} {method}: {shown}");
        }
        assert!(!shown.contains("open") && !shown.contains("Other"), "{shown}");
    }
}

#[test]
fn calls_are_chosen_by_outcome_and_come_with_their_replies() {
    let error = shown("report-error", &["--outcome", "error", "--method=Host.*"]);
    let lines: Vec<&str> = error.lines().collect();
    assert!(lines[0].contains("-> ") && lines[0].contains("Host.Fail"), "{error}");
    assert!(lines[1].contains("<- ") && lines[1].contains("out of order"), "{error}");
    assert_eq!((lines[2], counts(&error, "Host.Fail")), ("", Some((1, 1))));

    let success = shown("report-success", &["--outcome=success"]);
    assert_eq!(success.lines().filter(|line| line.contains(" -> ")).count(), 3, "{success}");
    assert!(!success.contains("Host.Fail"), "{success}");
}

#[test]
fn a_call_without_a_reply_is_an_outcome_too() {
    let host = host("report-none");
    let listener = urpc::Listener::bind(format!("{}.deaf", host.path)).unwrap();
    let to = format!("{}.deaf", host.path);
    let mut traced = Traced::start("report-none-out", &to, &["--outcome=none"]);
    let client = Socket::connect(traced.path.as_str()).unwrap();
    client.send(br#"{"method":"Host.Add","arg":1}"#, &[]).unwrap();
    urpc::process::wait_readable(&[std::os::fd::AsFd::as_fd(&listener)], None).unwrap();
    let server = listener.accept().unwrap();
    crate::support::read_message(&server);
    drop(server);
    crate::support::read_to_end(&client);
    drop(client);
    let line = traced.line();
    assert!(line.contains("-> 29 bytes {\"method\":\"Host.Add\",\"arg\":1}"), "{line}");
    traced.running.signal("TERM");
    let mut rest = String::new();
    traced.out.read_to_string(&mut rest).unwrap();
    assert_eq!(counts(&rest, "Host.Add"), Some((1, 1)), "{rest}");
}

/// What a trace prints that is ended while a call waits for its reply.
fn shown_of_a_pending_call(name: &str, options: &[&str], signal: &str) -> String {
    let scratch = Scratch::new(name);
    let listener = urpc::Listener::bind(scratch.path("deaf.sock")).unwrap();
    let to = scratch.path("deaf.sock").into_os_string().into_string().unwrap();
    let mut traced = Traced::start(&format!("{name}-out"), &to, options);
    let client = Socket::connect(traced.path.as_str()).unwrap();
    client.send(br#"{"method":"Host.Add","arg":1}"#, &[]).unwrap();
    urpc::process::wait_readable(&[std::os::fd::AsFd::as_fd(&listener)], None).unwrap();
    let server = listener.accept().unwrap();
    crate::support::read_message(&server);
    traced.running.signal(signal);
    let mut shown = String::new();
    traced.out.read_to_string(&mut shown).unwrap();
    assert_eq!(traced.running.wait(), (0, String::new()));
    shown
}

#[test]
fn a_call_that_waits_when_the_trace_is_ended_is_unanswered() {
    for signal in ["INT", "TERM"] {
        let only = shown_of_a_pending_call("report-pending", &["-c"], signal);
        let rows: Vec<Vec<&str>> =
            only.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(rows[2], ["-", "-", "-", "-", "1", "1", "1", "Host.Add"], "{only}");
        assert_eq!(rows[4], ["-", "-", "1", "1", "1", "total"], "{only}");
    }
    let text = shown_of_a_pending_call("report-pending", &[], "INT");
    assert!(text.contains(" #1 no reply to Host.Add\n"), "{text}");
    assert!(text.contains(" #1 close ") && text.ends_with(" total\n"), "{text}");

    let json = shown_of_a_pending_call("report-pending", &["--json"], "INT");
    let lines = json.lines().map(|line| urpc::json::from_str::<Value>(line).unwrap());
    let events: Vec<String> = lines.map(|line| line["event"].to_string()).collect();
    let expected = ["open", "message", "unanswered", "close", "summary"];
    assert_eq!(events, expected.map(|event| format!("\"{event}\"")), "{json}");
}

#[test]
fn a_recording_is_only_for_its_user_and_is_not_destroyed_by_the_next_trace() {
    use std::os::unix::fs::PermissionsExt;
    let (host, scratch) = (host("report-record"), Scratch::new("report-record-out"));
    let path = scratch.path("rec.jsonl");
    let output = format!("--output={}", path.display());
    let socket = scratch.path("live.sock");
    let record = |listen: &str, options: &[&str]| {
        let trace = ["trace", "--listen", listen, "--to", &host.path, &output];
        urpc(&[&trace[..], options].concat())
    };
    Traced::start("report-record-1", &host.path, &["--json", &output]).stop();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    // An empty file has nothing to lose.
    Traced::start("report-record-2", &host.path, &["--json", &output]).stop();

    std::fs::write(&path, "a recording").unwrap();
    let socket = socket.to_str().unwrap();
    let error = record(socket, &[]).failure(2);
    assert!(error.contains("rec.jsonl'") && error.contains("--overwrite"), "{error}");
    assert!(!std::path::Path::new(socket).exists());
    let listener = urpc::Listener::bind(socket).unwrap();
    record(socket, &["--overwrite"]).failure(3);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "a recording");
    drop(listener);
    Traced::start("report-record-3", &host.path, &["--overwrite", &output]).stop();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "");
}

#[test]
fn what_is_typed_wrongly_is_named() {
    let scratch = Scratch::new("report-typed");
    let socket = scratch.path("a.sock");
    let trace = ["trace", "--listen", socket.to_str().unwrap(), "--to", "b.sock"];
    for (option, said) in [
        ("--outcome=good", "--outcome takes success, error or none, not 'good'"),
        ("--method=", "--method takes a method's name"),
        ("--method=*.Add", "--method takes a method's name, or its beginning and then *"),
        ("--max-clients=0", "--max-clients takes a whole number from 1 to 4096"),
        ("--output=/no/such/file", "/no/such/file"),
    ] {
        let error = urpc(&[&trace[..], &[option]].concat()).failure(2);
        assert!(error.contains(said), "{error}");
    }
}

#[test]
fn without_calls_there_is_no_summary() {
    let host = host("report-none");
    for options in [&[][..], &["--json"], &["--summary-only"]] {
        let mut traced = Traced::start("report-none-out", &host.path, options);
        traced.running.signal("TERM");
        let mut shown = String::new();
        traced.out.read_to_string(&mut shown).unwrap();
        assert_eq!((&*shown, traced.running.wait()), ("", (0, String::new())), "{options:?}");
    }
}
