//! `urpc bench`: that it measures, not what.

use std::process::Command;
use std::thread;

use urpc::json::Value;
use urpc::{Listener, Service};

use crate::run::{Served, urpc};
use crate::support::{self, Scratch, available, shell_quoted};

fn number(value: &Value) -> f64 {
    value.to_string().parse().unwrap()
}

#[test]
fn without_an_address_calls_are_compared_with_the_bare_exchange() {
    let line = urpc(&["bench", "--json", "--count=20", "--clients=2", "--files=3", "--size=1K"]);
    let summary: Value = urpc::json::from_str(&line.success()).unwrap();
    assert_eq!((number(&summary["clients"]), number(&summary["files"])), (2.0, 3.0));
    assert_eq!(number(&summary["argument_bytes"]), 1026.0);
    for kind in ["calls", "bare"] {
        let times = &summary[kind];
        assert!(number(&times["count"]) >= 1.0);
        assert!(number(&times["median_ns"]) <= number(&times["p99_ns"]));
        assert!(number(&times["p99_ns"]) <= number(&times["longest_ns"]));
    }
    assert!(number(&summary["ratio"]) > 0.0);
}

#[test]
fn people_get_a_table_and_a_histogram() {
    let text = urpc(&["bench", "--seconds", "200ms"]).success();
    for part in ["median", "calls", "bare", "times that of", "#"] {
        assert!(text.contains(part), "{part}\n{text}");
    }
}

#[test]
fn another_server_is_measured_and_its_errors_are_shown() {
    let host = Served::new(
        "bench",
        Service::new("Host", ())
            .method("Add", |(), number: i64| Ok::<_, String>(number + 1))
            .method("Fail", |(), (): ()| Err::<(), _>("out of order")),
    );
    let text = urpc(&["bench", "--count=10", &host.path, "Host.Add", "1"]).success();
    assert!(text.contains("calls") && !text.contains("bare"), "{text}");
    let error = urpc(&["bench", "--count=10", &host.path, "Host.Fail"]).failure(1);
    assert!(error.contains("out of order"), "{error}");
    let error = urpc(&["bench", "/no/such.sock", "Host.Add"]).failure(3);
    assert!(error.contains("/no/such.sock"), "{error}");
}

#[test]
fn a_line_of_progress_is_written_where_standard_error_is_a_terminal_and_ended_before_an_error() {
    if !available::terminal() {
        return;
    }
    let on_terminal = |words: &str| {
        let run = format!("{} bench {words}", shell_quoted(env!("CARGO_BIN_EXE_urpc")));
        let output = Command::new("script").args(["-qec", &run, "/dev/null"]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let shown = on_terminal("--seconds 100ms --json");
    assert!(shown.contains("\r0.1 s of 0.1 s, ") && shown.contains(" calls\r\n{"), "{shown}");

    let scratch = Scratch::new("bench-progress");
    let path = scratch.path("peer.sock");
    let peer = vanishing(&path, 1000);
    let shown = on_terminal(&format!("--seconds 600 {} A.B", shell_quoted(&path)));
    peer.join().unwrap();
    // The progress line may have any length. The error begins a new line.
    assert!(shown.contains("\r\nurpc bench: "), "{shown}");
}

/// A peer that answers a number of calls and then ends the connection.
fn vanishing(path: &std::path::Path, calls: usize) -> thread::JoinHandle<()> {
    let listener = Listener::bind(path).unwrap();
    thread::spawn(move || {
        let waits = [std::os::fd::AsFd::as_fd(&listener)];
        urpc::process::wait_readable(&waits, Some(support::TIMEOUT)).unwrap();
        let client = listener.accept().unwrap();
        for _ in 0..calls {
            support::read_message(&client);
            support::send(&client, support::success("1").as_bytes(), &[]);
        }
    })
}

#[test]
fn a_peer_that_vanishes_ends_it_with_the_figures_until_then_one_line_and_status_3() {
    let scratch = Scratch::new("bench-gone");
    let path = scratch.path("peer.sock");
    for calls in [10, 0] {
        let peer = vanishing(&path, calls);
        let bench = ["bench", "--json", "--seconds=600", path.to_str().unwrap(), "A.B"];
        let ran = urpc(&bench);
        peer.join().unwrap();
        assert_eq!((ran.status, ran.err.lines().count()), (3, 1), "{}", ran.err);
        assert!(ran.err.starts_with("urpc bench: "), "{}", ran.err);
        if calls == 0 {
            assert_eq!(ran.out, "");
            continue;
        }
        let summary: Value = urpc::json::from_str(&ran.out).unwrap();
        assert_eq!(number(&summary["calls"]["count"]), 10.0);
    }
}
