//! `urpc bench`: how many calls, how fast, for how long, and how wide its report is.

use std::io::Read;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use urpc::json::{RawJson, Value};
use urpc::{Files, Listener, Service};

use crate::counts::wait_until;
use crate::run::{Served, command, urpc};
use crate::support::{self, Gate, Scratch, available, shell_quoted};

fn number(value: &Value) -> f64 {
    value.to_string().parse().unwrap()
}

/// A server that counts its calls.
fn counting(name: &str) -> (Served, Arc<AtomicU64>) {
    let calls = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&calls);
    let service = Service::new("Host", ()).method("Count", move |(), (): ()| {
        Ok::<_, String>(counted.fetch_add(1, Ordering::Relaxed))
    });
    (Served::new(name, service), calls)
}

#[test]
fn it_makes_as_many_calls_as_were_asked_for() {
    let (host, calls) = counting("bench-count");
    for clients in ["--clients=1", "--clients=3"] {
        calls.store(0, Ordering::Relaxed);
        let bench = ["bench", "--json", "--count=500", clients, &host.path, "Host.Count"];
        let summary: Value = urpc::json::from_str(&urpc(&bench).success()).unwrap();
        assert_eq!(number(&summary["calls"]["count"]), 500.0);
        assert_eq!(calls.load(Ordering::Relaxed), 500);
    }
    let own: Value =
        urpc::json::from_str(&urpc(&["bench", "--json", "--count=500"]).success()).unwrap();
    assert_eq!(number(&own["calls"]["count"]), 500.0);
    assert!(number(&own["ratio"]) > 0.0);
}

#[test]
fn each_call_has_as_many_files_and_bytes_as_were_asked_for() {
    if !available::many_files() {
        return;
    }
    let service = Service::new("Host", ()).raw_method("Sizes", |(), arg, files, _| {
        let is_expected = files.len() == 3 && arg.len() == 12;
        is_expected.then(|| (RawJson::new(*b"1"), Files::new())).ok_or("another size")
    });
    let host = Served::new("bench-sizes", service);
    let bench = ["bench", "--count=2", "--files=3", "--size=10", &host.path, "Host.Sizes"];
    urpc(&bench).success();
    // Our own server takes as many as one message can have.
    let most = format!("--files={}", support::MOST_FILES);
    urpc(&["bench", "--json", "--count=1", &most]).success();
}

#[test]
fn a_signal_ends_the_wait_for_a_call_that_is_not_due_for_long() {
    let (host, calls) = counting("bench-slow");
    let bench = ["bench", "--json", "--rate=0.001", "--count=2", &host.path, "Host.Count"];
    let bench = command(&bench).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let called = || (calls.load(Ordering::Relaxed) == 1).then_some(());
    wait_until(called, || "no call".to_owned());
    support::signal(bench.id(), "TERM");
    let output = bench.wait_with_output().unwrap();
    assert_eq!((output.status.code(), &*output.stderr), (Some(0), &b""[..]));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains(r#""calls":{"count":1,"#), "{text}");
}

#[test]
fn it_makes_no_more_calls_a_second_than_were_asked_for() {
    let (host, calls) = counting("bench-rate");
    let began = Instant::now();
    let bench = ["bench", "--rate=100", "--count=21", "--clients=2", &host.path, "Host.Count"];
    urpc(&bench).success();
    assert!(began.elapsed() >= Duration::from_millis(200), "{:?}", began.elapsed());
    assert_eq!(calls.load(Ordering::Relaxed), 21);
    calls.store(0, Ordering::Relaxed);
    urpc(&["bench", "--rate=10", "--seconds=250ms", &host.path, "Host.Count"]).success();
    // At 0, 100 and 200 ms.
    assert!((1..=3).contains(&calls.load(Ordering::Relaxed)));
}

#[test]
fn a_call_that_was_due_while_the_server_stalled_counts_from_then() {
    let gate = Gate::new();
    let stall = gate.clone();
    let service = Service::new("Host", ()).method("Stall", move |(), (): ()| {
        stall.pass();
        Ok::<_, String>(())
    });
    let host = Served::new("bench-stall", service);
    let bench = ["bench", "--json", "--rate=1000", "--count=100", &host.path, "Host.Stall"];
    let mut bench = command(&bench).stdout(Stdio::piped()).spawn().unwrap();
    gate.wait_for(1);
    // All of the calls are due meanwhile.
    let until = Instant::now() + Duration::from_millis(300);
    wait_until(|| (Instant::now() > until).then_some(()), String::new);
    gate.open();
    let mut text = String::new();
    bench.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    assert!(bench.wait().unwrap().success());
    let summary: Value = urpc::json::from_str(&text).unwrap();
    assert!(number(&summary["calls"]["median_ns"]) > 100e6, "{text}");
}

#[test]
fn the_time_is_that_of_all_that_is_measured() {
    let text = urpc(&["bench", "--seconds=1", "--json"]).success();
    let summary: Value = urpc::json::from_str(&text).unwrap();
    // Of the second, the bare exchange has the other half.
    let seconds = number(&summary["seconds"]);
    assert!((0.25..0.95).contains(&seconds), "{text}");
}

#[test]
fn a_signal_ends_it_with_the_figures_until_then() {
    for signal in ["INT", "TERM"] {
        let (host, calls) = counting("bench-signal");
        let bench = ["bench", "--seconds=600", &host.path, "Host.Count"];
        let mut bench = command(&bench).stdout(Stdio::piped()).spawn().unwrap();
        let called = || (calls.load(Ordering::Relaxed) > 100).then_some(());
        wait_until(called, || "no calls".to_owned());
        support::signal(bench.id(), signal);
        let mut text = String::new();
        bench.stdout.take().unwrap().read_to_string(&mut text).unwrap();
        assert!(bench.wait().unwrap().success());
        assert!(text.contains("median") && text.contains('#'), "{text}");
    }
}

/// Runs a bench of a server that answers `answers` calls and then none. Returns the status, and what
/// was printed.
fn of_a_silent_server(
    answers: usize,
    options: &[&str],
    signal: Option<&str>,
) -> (i32, [String; 2]) {
    let scratch = Scratch::new("bench-deaf");
    let listener = Listener::bind(scratch.path("deaf.sock")).unwrap();
    let path = scratch.path("deaf.sock").into_os_string().into_string().unwrap();
    let mut bench = command(&["bench", "--json", &path, "A.B"]);
    bench.args(options).stdout(Stdio::piped()).stderr(Stdio::piped());
    let bench = bench.spawn().unwrap();
    urpc::process::wait_readable(&[std::os::fd::AsFd::as_fd(&listener)], None).unwrap();
    let client = listener.accept().unwrap();
    for _ in 0..answers {
        support::read_message(&client);
        support::send(&client, support::success("1").as_bytes(), &[]);
    }
    support::read_message(&client);
    if let Some(signal) = signal {
        support::signal(bench.id(), signal);
    }
    let ended = bench.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (ended.status.code().unwrap(), [text(ended.stdout), text(ended.stderr)])
}

#[test]
fn a_call_that_has_no_answer_is_ended_by_a_signal_and_by_the_end_of_the_time() {
    for (options, signal) in [(["--seconds=600"], Some("INT")), (["--seconds=1"], None)] {
        let (status, [shown, said]) = of_a_silent_server(0, &options, signal);
        let expected = "urpc bench: no call was answered\n";
        assert_eq!((status, &*shown, &*said), (3, "", expected), "{options:?}");

        let (status, [shown, said]) = of_a_silent_server(2, &options, signal);
        let summary: Value = urpc::json::from_str(&shown).unwrap();
        assert_eq!(number(&summary["calls"]["count"]), 2.0);
        // The signal is from the user, who did not wait for the answer.
        match signal {
            Some(_) => assert_eq!((status, &*said), (0, "")),
            None => {
                assert_eq!(status, 3);
                assert!(said.contains("had no answer when the time to measure was over"), "{said}");
            }
        }
    }
}

#[test]
fn the_rate_that_was_asked_for_is_beside_the_one_that_was_reached() {
    let bench = ["bench", "--rate=1000000", "--count=50"];
    let text = urpc(&bench).success();
    assert!(text.replace('\n', " ").contains("asked for 1000000 calls a second"), "{text}");
    let line = urpc(&["bench", "--json", "--rate=2500.5", "--count=1"]).success();
    let summary: Value = urpc::json::from_str(&line).unwrap();
    assert_eq!(summary["asked_per_second"].to_string(), "2500.5");
}

#[test]
fn the_report_fits_the_width() {
    for (columns, width) in
        [40, 60, 66, 80, 120, 200].map(|width| (width, width)).into_iter().chain([(0, 80)])
    {
        let bench = ["bench", "--count=200"];
        let output = command(&bench).env("COLUMNS", columns.to_string()).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let longest = text.lines().map(|line| line.chars().count()).max().unwrap();
        assert!(longest <= width, "{width}: {longest}\n{text}");
        let bar = text.lines().map(|line| line.matches('#').count()).max().unwrap();
        assert!(bar > width - 30, "{width}: {bar}\n{text}");
    }
}

#[test]
fn on_a_terminal_the_report_has_its_width() {
    if !available::terminal() {
        return;
    }
    let bench = shell_quoted(env!("CARGO_BIN_EXE_urpc"));
    let run = format!("stty cols 100; {bench} bench --count 200 2>/dev/null");
    let mut script = Command::new("script");
    let output = support::output_of(script.args(["-qec", &run, "/dev/null"])).unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let longest = text.lines().map(|line| line.trim_end().len()).max().unwrap();
    let bar = text.lines().map(|line| line.matches('#').count()).max().unwrap();
    assert!(longest <= 100 && bar > 70, "{longest} {bar}\n{text}");
}

#[test]
fn what_is_typed_wrongly_is_named() {
    for (option, said) in [
        ("--rate=0", "--rate takes a number of calls a second, such as 1000 or 0.5, not '0'"),
        ("--count=0", "--count takes a whole number from 1 up"),
    ] {
        let error = urpc(&["bench", option]).failure(2);
        assert!(error.contains(said), "{error}");
    }
}
