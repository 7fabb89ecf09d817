//! `urpc trace`: the time of each reply, filters, and the summary.

use std::io::Read;

use urpc::json::Value;
use urpc::{Client, Service, Socket};

use crate::run::{Served, urpc};
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

/// The columns of the summary for a method: calls and errors.
fn counts(shown: &str, method: &str) -> Option<(u64, u64)> {
    let line = shown.lines().find(|line| line.ends_with(&format!(" {method}")))?;
    let columns: Vec<&str> = line.split_whitespace().rev().collect();
    Some((columns[2].parse().unwrap(), columns[1].parse().unwrap()))
}

#[test]
fn every_reply_has_its_time_and_at_the_end_there_is_a_summary() {
    let shown = shown("report-all", &[]);
    let (messages, summary) = shown.split_once("\n\n").unwrap();
    let replies = messages.lines().filter(|line| line.contains(" <- "));
    assert!(replies.clone().count() >= 5);
    assert!(replies.clone().all(|line| line.contains(" bytes after ")), "{shown}");
    assert!(
        summary.starts_with("% time     seconds    median      99 %     calls    errors method\n")
    );
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

#[test]
fn what_is_typed_wrongly_is_named() {
    let trace = ["trace", "--listen", "a.sock", "--to", "b.sock"];
    for (option, said) in [
        ("--outcome=good", "--outcome takes success, error or none, not 'good'"),
        ("--method=", "--method takes a method's name"),
        ("--max-clients=0", "--max-clients takes a whole number from 1 to 4096"),
        ("--output=/no/such/file", "/no/such/file"),
    ] {
        let error = urpc(&[&trace[..], &[option]].concat()).failure(2);
        assert!(error.contains(said), "{error}");
    }
}
