//! `urpc serve` with clients and commands that do harm, and how it ends then.

use std::fs::{self, File};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use urpc::Socket;
use urpc::json::Value;

use crate::counts::wait_until;
use crate::host::{Host, remote_error};
use crate::run::{Running, urpc};
use crate::support::{Scratch, available, read_message, send, shell_quoted, within_timeout};

/// A pipe with a name, for a command that reports its process id.
fn fifo(scratch: &Scratch, name: &str) -> String {
    let path = scratch.path(name);
    assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
    path.into_os_string().into_string().unwrap()
}

fn process_from(fifo: &str) -> String {
    let id = fs::read_to_string(fifo).unwrap().trim().to_owned();
    assert!(Path::new("/proc").join(&id).exists());
    id
}

fn wait_for_end(process: &str) {
    let path = Path::new("/proc").join(process);
    wait_until(|| (!path.exists()).then_some(()), || format!("process {process} to end"));
}

#[test]
fn a_command_that_printed_too_much_is_killed_although_its_errors_stay_open() {
    let endless = "--method=A.B=head -c 100000 /dev/zero; exec sleep 600 >&-";
    let host = Host::start("hostile-too-much", &[endless, "--max-message=64K"]);
    let client = host.client();
    let error = within_timeout(move || remote_error(client.call("A.B", &())));
    assert!(error.contains("larger than 65536 bytes"), "{error}");
    host.stop("TERM");
}

#[test]
fn a_command_is_ended_with_all_that_it_started_when_its_client_is_gone() {
    let scratch = Scratch::new("hostile-gone-fifos");
    let begun = fifo(&scratch, "begun");
    for (name, script) in [
        ("silent", "sleep 600 & echo $! > BEGUN; wait"),
        ("without-outputs", "exec >&- 2>&-; sleep 600 & echo $! > BEGUN; wait"),
        ("talkative", "sh -c 'while echo; do sleep 0.01; done' & echo $! > BEGUN; wait"),
        ("with-open-errors", "sleep 600 >&- & echo $! > BEGUN"),
    ] {
        let command = format!("--method=A.B={}", script.replace("BEGUN", &shell_quoted(&begun)));
        let host = Host::start(&format!("hostile-gone-{name}"), &[&command]);
        let client = Socket::connect(host.path.as_str()).unwrap();
        client.send(br#"{"method":"A.B","arg":1}"#, &[]).unwrap();
        let process = process_from(&begun);
        drop(client);
        wait_for_end(&process);
        host.stop("TERM");
    }
}

#[test]
fn a_hangup_ends_it_and_leaves_nothing() {
    if !available::hangup() {
        return;
    }
    let host = Host::start("hostile-hangup", &["--return-files", "--method=A.B=:"]);
    assert_eq!(host.client().call::<Option<u8>>("A.B", &()).unwrap(), None);
    host.stop("HUP");
}

#[test]
fn a_second_signal_kills_the_commands_and_leaves_nothing() {
    if !available::hangup() {
        return;
    }
    let scratch = Scratch::new("hostile-second-fifos");
    let begun = fifo(&scratch, "begun");
    let writes = format!(
        "--method=A.B=echo $$ > {}; while :; do n=$(((n + 1) % 500)); echo > \"$URPC_RETURN/$n\"; done",
        shell_quoted(&begun)
    );
    let host = Host::start("hostile-second", &["--return-files", &writes]);
    let client = Socket::connect(host.path.as_str()).unwrap();
    client.send(br#"{"method":"A.B","arg":1}"#, &[]).unwrap();
    let process = process_from(&begun);
    host.running.signal("HUP");
    // The second signal is sent after the first one was received. Otherwise the kernel would merge
    // them.
    wait_until(|| Socket::connect(host.path.as_str()).err(), || "the socket to be gone".to_owned());
    host.stop("HUP");
    wait_for_end(&process);
}

#[test]
fn a_client_that_is_refused_again_and_again_cannot_fill_the_log() {
    let began = Instant::now();
    let host = Host::start("hostile-log", &["--method=A.B=cat", "--max-files=1"]);
    let client = Socket::connect(host.path.as_str()).unwrap();
    let null = File::open("/dev/null").unwrap();
    for _ in 0..2000 {
        send(&client, br#"{"method":"A.B","arg":1}"#, &[null.as_fd(); 2]);
        let (reply, _) = read_message(&client);
        assert!(reply.contains("too many files"), "{reply}");
    }
    drop(client);
    let said = host.stop("TERM");
    let refusals = said.lines().filter(|line| line.contains("--max-files")).count();
    // Five lines a second, after the first 50.
    let most = 51 + began.elapsed().as_millis() / 200;
    assert!(refusals as u128 <= most, "{refusals} lines, {most} at most: {said}");
    assert!(refusals > 0 && !said.contains("Limits::"), "{said}");
}

#[test]
fn what_a_command_says_cannot_reach_a_terminal_that_would_obey_it() {
    let says = r"--method=A.B=printf '\033[2J \302\233 \342\200\256\n\tnext\r\377\n' >&2; exit 1";
    let host = Host::start("hostile-errors", &[says]);
    let error = remote_error(host.client().call("A.B", &()));
    assert_eq!(error, "next\\r\u{fffd}");
    let said = host.stop("TERM");
    assert_eq!(said, "\\u{1b}[2J \\u{9b} \\u{202e}\n\tnext\\r\u{fffd}\n");
}

#[test]
fn each_call_is_a_line_if_that_is_asked_for() {
    let host = Host::start("hostile-verbose", &["-v", "--method=A.B=cat", "--method=A.C=exit 1"]);
    let client = host.client();
    client.call::<u8>("A.B", &1).unwrap();
    remote_error(client.call("A.C", &1));
    remote_error(client.call("A.\u{202e}D", &1));
    drop(client);
    let said = host.stop("TERM");
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), 4, "{said}");
    for (line, expected) in lines.iter().zip([
        "client 2: A.B succeeded after ",
        "A.C: the command failed: exit status: 1",
        "client 2: A.C failed after ",
        r"client 2: A.\xe2\x80\xaeD is unknown",
    ]) {
        assert!(line.starts_with("urpc serve: ") && line.contains(expected), "{said}");
    }
}

#[test]
fn what_an_operator_can_mend_is_in_the_servers_log_and_not_in_the_reply() {
    let methods = ["--method=A.Date=echo Thursday", "--method=A.Fail=echo so >&2; exit 1"];
    for (verbose, lines) in [(&[][..], 1), (&["-v"], 2)] {
        let host = Host::start("serve-mend", &[&methods[..], verbose].concat());
        let client = host.client();
        let error = client.call::<Value>("A.Date", &()).unwrap_err().to_string();
        assert!(error.contains("output is not JSON") && !error.contains("--text"), "{error}");
        client.call::<Value>("A.Fail", &()).unwrap_err();
        drop(client);
        let said = host.stop("TERM");
        let reasons = said.lines().filter(|line| line.starts_with("urpc serve: A."));
        let reasons: Vec<&str> = reasons.collect();
        assert_eq!(reasons.len(), lines, "{said}");
        assert!(reasons[0].ends_with(" (serve --text sends text)"), "{said}");
        assert!(lines == 1 || reasons[1] == "urpc serve: A.Fail: so", "{said}");
    }

    let host = Host::start("serve-mend-size", &["--max-message=40", "--method=A.B=cat"]);
    let error = host.client().call::<Value>("A.B", &"x".repeat(100)).unwrap_err().to_string();
    assert!(error.ends_with("message too large: the limit is 40 bytes"), "{error}");
    assert!(host.stop("TERM").contains("the limit is 40 bytes (raise --max-message)"));
}

#[test]
fn a_file_in_place_of_the_socket_is_named_once() {
    let scratch = Scratch::new("serve-file");
    let path = scratch.path("in.txt").into_os_string().into_string().unwrap();
    std::fs::write(&path, "kept").unwrap();
    let error = urpc(&["serve", "--replace", &path, "--method=A.B=cat"]).failure(3);
    assert_eq!(error.matches("socket").count(), 1, "{error}");
    assert!(error.contains("it is a regular file"), "{error}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "kept");
}

#[test]
fn a_hangup_that_was_ignored_before_stays_ignored() {
    if !available::hangup() {
        return;
    }
    for (setup, is_blocked) in [("", true), ("trap '' HUP; ", false)] {
        let scratch = Scratch::new("serve-nohup");
        let mut shell = Command::new("sh");
        let script = format!("{setup}exec \"$0\" \"$@\"");
        shell.args(["-c", &script, env!("CARGO_BIN_EXE_urpc"), "serve", "--method=A.B=cat"]);
        let running = Running::start(shell.arg(scratch.path("s")));
        // SIGHUP is waited for as all blocked signals are, SIGTERM in any case (signal(7)).
        let status = fs::read_to_string(format!("/proc/{}/status", running.child.id())).unwrap();
        let blocked = status.lines().find_map(|line| line.strip_prefix("SigBlk:")).unwrap();
        let blocked = u64::from_str_radix(blocked.trim(), 16).unwrap();
        assert_eq!((blocked & 1 != 0, blocked >> 14 & 1), (is_blocked, 1), "{blocked:x}");
        running.signal("TERM");
        assert_eq!(running.wait(), (0, String::new()));
    }
}
