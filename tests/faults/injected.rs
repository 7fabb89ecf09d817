//! System calls that fail without a fault of the peer: they are interrupted, or there is no memory,
//! descriptor, or room for files in flight. strace(1) makes them fail.

use std::env;
use std::fs;
use std::os::fd::AsFd;
use std::process::Stdio;
use std::time::{Duration, Instant};

use urpc::{Client, Error, Files};

use crate::counts::descriptors;
use crate::subject::{Setup, Subject, assert_answers, assert_carries, rerun};
use crate::support::available;
use crate::support::{Probe, Scratch, shell_quoted, within_timeout};

/// Set in the calling process: the server's path, and the error of its first call.
const SOCKET: &str = "URPC_CALLER_SOCKET";
const FIRST_ERROR: &str = "URPC_CALLER_FIRST_ERROR";

// errno(3).
const EPERM: i32 = 1;
const EBADF: i32 = 9;
const ENOMEM: i32 = 12;
const ENFILE: i32 = 23;
const EMFILE: i32 = 24;
const ENOBUFS: i32 = 105;
const ETOOMANYREFS: i32 = 109;

/// An strace command that makes `calls` fail with `error` as `when` says. It writes what it does to
/// the file `trace`.
fn tracer(trace: &std::path::Path, calls: &str, error: &str, when: &str) -> String {
    format!(
        "strace -f -qq -e signal=none -e trace={calls} -e inject={calls}:error={error}:when={when} \
         -o {}",
        shell_quoted(trace)
    )
}

/// Whether strace is installed. Prints a message if not.
fn strace() -> bool {
    available::or_skip("strace", available::program("strace"))
}

/// A server whose `calls` fail.
fn server(name: &str, calls: &str, error: &str, when: &str) -> (Subject, Scratch) {
    let scratch = Scratch::new(&format!("trace-{name}"));
    let tracer = tracer(&scratch.path("trace"), calls, error, when);
    (Setup { tracer, ..Setup::default() }.start(name), scratch)
}

/// Stops the server and checks that each of `calls` failed in it.
fn finish((server, scratch): (Subject, Scratch), calls: &str) {
    server.finish();
    assert_injected(&scratch, calls);
}

fn assert_injected(scratch: &Scratch, calls: &str) {
    let trace = fs::read_to_string(scratch.path("trace")).unwrap();
    for call in calls.split(',') {
        let failed = |line: &str| line.contains(&format!(" {call}(")) && line.contains("INJECTED");
        assert!(trace.lines().any(failed), "{call} never failed");
    }
}

#[test]
fn a_server_whose_calls_are_all_interrupted_in_turn_answers_all_the_same() {
    if !strace() {
        return;
    }
    let calls = "sendto,sendmsg,recvmsg,accept4,poll";
    for (name, when) in [("eintr-odd", "1+2"), ("eintr-most", "1..40"), ("eintr-third", "2+3")] {
        let server = server(name, calls, "EINTR", when);
        let client = server.0.client();
        (0..5).for_each(|_| assert_carries(&client));
        drop(client);
        server.0.assert_unharmed(name);
        finish(server, calls);
    }
}

#[test]
fn a_client_whose_calls_are_all_interrupted_in_turn_calls_all_the_same() {
    if !strace() {
        return;
    }
    let server = Setup::default().start("eintr-client");
    for (calls, when) in [("sendto,sendmsg,recvmsg,poll,connect", "1+2"), ("connect", "1..5")] {
        call_from(&server, calls, "EINTR", when, None);
    }
    server.assert_unharmed("an interrupted client");
    server.finish();
}

#[test]
fn an_accept_loop_that_lacks_something_for_a_while_says_so_once_and_goes_on() {
    if !strace() {
        return;
    }
    let shortages =
        [("EMFILE", EMFILE), ("ENFILE", ENFILE), ("ENOMEM", ENOMEM), ("ENOBUFS", ENOBUFS)];
    for (error, number) in shortages {
        let server = server(error, "accept4", error, "2..5");
        let began = Instant::now();
        assert_answers(&server.0.client());
        // There was a pause after each of four attempts, so that the loop takes no CPU.
        assert!(began.elapsed() >= Duration::from_millis(40), "{:?}", began.elapsed());
        let waits: Vec<i32> = server.0.client().call("Peer.Waits", &()).unwrap();
        assert_eq!(waits, [number]);
        server.0.assert_unharmed(error);
        finish(server, "accept4");
    }
}

#[test]
fn an_accept_loop_that_cannot_wait_for_want_of_memory_goes_on() {
    if !strace() {
        return;
    }
    let server = server("poll", "poll", "ENOMEM", "2..6");
    assert_answers(&server.0.client());
    let waits: Vec<i32> = server.0.client().call("Peer.Waits", &()).unwrap();
    assert!(!waits.is_empty() && waits.iter().all(|error| *error == ENOMEM), "{waits:?}");
    server.0.assert_unharmed("no memory for a wait");
    finish(server, "poll");
}

#[test]
fn an_accept_loop_goes_on_after_a_lost_connection_and_ends_with_an_error_that_stays() {
    if !strace() {
        return;
    }
    let lost = server("aborted", "accept4", "ECONNABORTED", "2..4");
    assert_answers(&lost.0.client());
    lost.0.assert_unharmed("lost connections");
    finish(lost, "accept4");
    let (ended, scratch) = server("einval", "accept4", "EINVAL", "2+");
    let waiting = ended.client();
    let outcome = within_timeout(move || waiting.call::<()>("Peer.Echo", &()));
    assert!(matches!(outcome, Err(Error::Disconnected { .. })), "{outcome:?}");
    let output = ended.end();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && errors.contains("\"accept\""), "{errors}");
    assert_injected(&scratch, "accept4");
}

#[test]
fn a_want_of_memory_in_one_clients_call_costs_no_more_than_that_connection() {
    if !strace() {
        return;
    }
    // strace counts for each thread: the fourth receive or send of each client fails.
    for call in ["recvmsg", "sendto"] {
        let server = server(&format!("enomem-{call}"), call, "ENOMEM", "40");
        for _ in 0..3 {
            let client = server.0.client();
            let failed = (0..100).find_map(|n| client.call::<i64>("Peer.Echo", &n).err());
            assert!(matches!(failed, Some(Error::Disconnected { .. })), "{failed:?}");
        }
        server.0.assert_unharmed(call);
        finish(server, call);
    }
}

#[test]
fn a_signal_that_never_ends_does_not_stretch_the_limit_on_a_send() {
    if !strace() {
        return;
    }
    let scratch = Scratch::new("trace-storm");
    // After warming up, the second thread that serves a client sends nothing more.
    let tracer = tracer(&scratch.path("trace"), "sendto", "EINTR", "30+");
    let server = Setup { tracer, send_time: Some(50), ..Setup::default() }.start("storm");
    let client = server.client();
    let failed =
        within_timeout(move || (0..100).find_map(|n| client.call::<i64>("Peer.Echo", &n).err()));
    assert!(matches!(failed, Some(Error::Disconnected { .. })), "{failed:?}");
    server.assert_unharmed("many signals");
    finish((server, scratch), "sendto");
}

#[test]
fn a_send_with_files_that_fails_says_why_and_leaves_the_client_usable() {
    if !strace() {
        return;
    }
    let server = Setup::default().start("refused");
    for (error, number) in [
        ("EBADF", EBADF),
        ("ETOOMANYREFS", ETOOMANYREFS),
        ("EPERM", EPERM),
        ("ENOMEM", ENOMEM),
        ("ENOBUFS", ENOBUFS),
    ] {
        call_from(&server, "sendmsg", error, "1", Some(number));
        server.assert_unharmed(error);
    }
    server.finish();
}

/// Calls from a process whose `calls` fail. Checks that it got no error except that of its first
/// call, if one is expected.
fn call_from(server: &Subject, calls: &str, error: &str, when: &str, first_error: Option<i32>) {
    let scratch = Scratch::new(&format!("trace-caller-{error}-{}", calls.len()));
    let tracer = tracer(&scratch.path("trace"), calls, error, when);
    let mut command = rerun("injected::the_caller", &tracer);
    command.env(SOCKET, server.scratch.path("s")).stdin(Stdio::null());
    if let Some(number) = first_error {
        command.env(FIRST_ERROR, number.to_string());
    }
    let output = within_timeout(move || command.output().unwrap());
    let errors = String::from_utf8_lossy(&output.stderr);
    let passed = String::from_utf8_lossy(&output.stdout).contains("1 passed");
    assert!(output.status.success() && passed, "{error}: {errors}");
    assert_injected(&scratch, calls);
}

/// Not a test: the client whose calls fail.
#[test]
fn the_caller() {
    let Some(path) = env::var_os(SOCKET) else { return };
    let held = descriptors(std::process::id());
    let limits =
        urpc::Limits { call_time: Some(crate::support::TIMEOUT), ..urpc::Limits::for_client() };
    let client = Client::builder().limits(limits).connect(path.as_os_str()).unwrap();
    let (file, probe) = Probe::new();
    if let Ok(number) = env::var(FIRST_ERROR) {
        let arg = Files::from(file.try_clone().unwrap());
        let error = client.call::<usize>("Peer.Count", &arg).unwrap_err();
        let Error::Io { source, .. } = &error else { panic!("{error:?}") };
        assert_eq!(source.raw_os_error().map(|number| number.to_string()), Some(number));
        assert!(error.is_usable(), "{error}");
    }
    (0..5).for_each(|_| assert_carries(&client));
    let (count, _) = client.call_raw("Peer.Count", b"{}", &[file.as_fd(); 2]).unwrap();
    assert_eq!(count.as_bytes(), b"2");
    drop((client, file));
    probe.wait_closed();
    drop(probe);
    assert_eq!(descriptors(std::process::id()), held);
}
