//! What whoever starts the command can arrange: signals that are ignored, no other init process,
//! little memory, no directory for files.

use std::process::Command;

use urpc::json::{RawJson, Value};
use urpc::{Client, Files, Service};

use crate::available;
use crate::counts::wait_until;
use crate::run::{Ran, Running, Served};
use crate::support::Scratch;

const URPC: &str = env!("CARGO_BIN_EXE_urpc");

/// Runs the command by way of `wrapper`, with `arguments`.
fn by_way_of(wrapper: &[&str], arguments: &[&str]) -> Command {
    let mut command = Command::new(wrapper[0]);
    command.args(&wrapper[1..]).arg(URPC).args(arguments);
    command.stdin(std::process::Stdio::null());
    command
}

/// Whether there is such a wrapper, and it is allowed to do its work here.
fn works(wrapper: &[&str]) -> bool {
    let output = Command::new(wrapper[0]).args(&wrapper[1..]).arg("true").output();
    available::or_skip(&wrapper.join(" "), output.is_ok_and(|output| output.status.success()))
}

const WITHOUT_SIGCHLD: [&str; 2] = ["env", "--ignore-signal=CHLD"];
const AS_PROCESS_1: [&str; 4] = ["unshare", "-rpf", "--mount-proc", "--kill-child"];

#[test]
fn a_server_started_with_sigchld_ignored_gives_results_and_statuses() {
    if !works(&WITHOUT_SIGCHLD) {
        return;
    }
    let scratch = Scratch::new("serve-chld");
    let path = scratch.path("socket").display().to_string();
    let methods = ["--method=Host.Echo=cat", "--method=Host.Fail=echo no >&2; exit 3"];
    let serve = ["serve", &path, methods[0], methods[1]];
    let running = Running::start(&mut by_way_of(&WITHOUT_SIGCHLD, &serve));
    let client = Client::connect(path.as_str()).unwrap();
    assert_eq!(client.call::<i32>("Host.Echo", &7).unwrap(), 7);
    let error = client.call::<Value>("Host.Fail", &7).unwrap_err();
    assert_eq!(error.as_remote().unwrap().message(), "no");
    drop(client);
    running.signal("TERM");
    assert_eq!(running.wait(), (0, "no\n".to_owned()));
}

#[test]
fn a_call_started_with_sigchld_ignored_ends_with_the_status_of_its_program() {
    if !works(&WITHOUT_SIGCHLD) {
        return;
    }
    let service = Service::new("Host", ())
        .raw_method("One", |(), _, _, _| Ok::<_, String>((RawJson::new(*b"1"), Files::new())));
    let host = Served::new("call-chld", service);
    let call = ["call", &host.path, "Host.One", "--exec", "sh", "-c", "exit 7"];
    let ran = Ran::from(by_way_of(&WITHOUT_SIGCHLD, &call).output().unwrap());
    assert_eq!((ran.status, &*ran.err), (7, ""));
}

#[test]
fn a_server_that_is_process_1_leaves_no_zombies_and_stops_by_a_signal() {
    if !works(&AS_PROCESS_1) {
        return;
    }
    let scratch = Scratch::new("serve-init");
    let path = scratch.path("socket").display().to_string();
    let orphan = "--method=Host.Orphan=(sleep 0.01 >/dev/null 2>&1 &) ; (exit 3)";
    let count = "--method=Host.Count=ls -d /proc/[0-9]* | wc -l";
    let stop = "--method=Host.Stop=kill -TERM 1";
    let serve = ["serve", &path, orphan, count, stop];
    let running = Running::start(&mut by_way_of(&AS_PROCESS_1, &serve));
    let client = Client::connect(path.as_str()).unwrap();
    let count = || client.call::<usize>("Host.Count", &()).unwrap();
    let before = count();
    for _ in 0..5 {
        let error = client.call::<Value>("Host.Orphan", &()).unwrap_err();
        assert_eq!(error.as_remote().unwrap().message(), "the command failed: exit status: 3");
    }
    wait_until(|| (count() <= before).then_some(()), || format!("{} processes", count()));
    client.call::<Value>("Host.Stop", &()).unwrap();
    drop(client);
    assert_eq!(running.wait(), (0, String::new()));
    assert!(!scratch.path("socket").exists());
}
