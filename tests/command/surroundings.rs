//! What the parent process can decide: ignored signals, being the init process, little memory, no
//! directory for temporary files.

use std::fs::File;
use std::os::fd::AsFd;
use std::process::{Command, Stdio};
use std::thread;

use urpc::json::{RawJson, Value};
use urpc::{Client, Files, Service, process};

use crate::counts::{threads, wait_until};
use crate::run::{Ran, Running, Served, command};
use crate::support::{Scratch, available, within_timeout};

const URPC: &str = env!("CARGO_BIN_EXE_urpc");

/// Runs the command with `arguments` through `wrapper`.
fn by_way_of(wrapper: &[&str], arguments: &[&str]) -> Command {
    let mut command = Command::new(wrapper[0]);
    command.args(&wrapper[1..]).arg(URPC).args(arguments);
    command.stdin(Stdio::null());
    command
}

/// Whether the wrapper exists and is permitted here.
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
    let count = "--method=Host.Count=set -- /proc/[0-9]*; echo $#";
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

#[test]
fn a_demo_with_little_memory_ends_and_does_not_panic() {
    let scratch = Scratch::new("demo-memory");
    // The smallest limit is too small to load the program, the largest is enough for it.
    for kilobytes in (4000..=12_000).step_by(1000) {
        let limit = format!("ulimit -v {kilobytes} && exec \"$0\" demo");
        let mut shell = Command::new("sh");
        // A process that aborts cannot remove its directory. If memory runs out while std prints a
        // backtrace of that very error, std waits for its own lock.
        shell.args(["-c", &limit, URPC]).env("TMPDIR", scratch.path(""));
        shell.env("RUST_BACKTRACE", "0");
        let output = within_timeout(move || shell.output().unwrap());
        let said = String::from_utf8_lossy(&output.stderr);
        // std aborts if a thread, before it runs our code, finds no memory for its signal stack.
        let is_std = said.contains("failed to allocate an alternative stack");
        assert!(is_std || !said.contains("thread 'main'"), "{kilobytes}: {said}");
    }
}

#[test]
fn a_server_with_64_mib_of_address_space_serves_50_clients_and_outlives_more() {
    if !available::many_files() {
        return;
    }
    let scratch = Scratch::new("serve-64");
    let path = scratch.path("socket").display().to_string();
    let mut serve = Command::new("sh");
    serve.args(["-c", "ulimit -v 65536; exec \"$0\" \"$@\"", URPC]);
    serve.args(["serve", &path, "--method=Host.Echo=cat"]).stdin(Stdio::null());
    serve.env("RUST_BACKTRACE", "0");
    let running = Running::start(&mut serve);
    let connect = || Client::connect(path.as_str()).unwrap();
    let call = |client: &Client| client.call::<u32>("Host.Echo", &7);
    let clients: Vec<_> = (0..50).map(|_| connect()).collect();
    for client in &clients {
        assert_eq!(call(client).unwrap(), 7);
    }
    // There is no memory for these. They are refused.
    let more: Vec<_> = (0..50).map(|_| connect()).collect();
    assert!(more.iter().any(|client| call(client).is_err()));
    drop((clients, more));
    wait_until(|| call(&connect()).ok(), || "it serves nobody any more".to_owned());
    running.signal("TERM");
    assert_eq!(running.wait().0, 0);
}

/// How many processes the threads of process `pid` have started that run.
fn children_of(pid: u32) -> usize {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten();
    let children = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("children"));
    tasks.filter_map(|task| children(task).ok()).map(|list| list.split_whitespace().count()).sum()
}

/// The mapped memory of process `pid` in KiB.
fn mapped(pid: u32) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmSize:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse().unwrap()
}

#[test]
fn a_command_needs_less_memory_than_the_client_it_runs_for() {
    let scratch = Scratch::new("serve-memory");
    let path = scratch.path("socket").display().to_string();
    let mut serve = command(&["serve", &path, "--method=Host.Read=cat <&3"]);
    // More arenas of glibc's malloc would count as well.
    let running = Running::start(serve.env("MALLOC_ARENA_MAX", "1"));
    let pid = running.child.id();
    let client = Client::connect(path.as_str()).unwrap();
    // More than a pipe holds, so the server goes on writing it until the command ends.
    let arg = format!("\"{}\"", "x".repeat(80 * 1024));
    let read = |file: File| client.call_raw("Host.Read", arg.as_bytes(), &[file.as_fd()]).map(drop);
    let wait_for = |count: usize| {
        let what = || format!("{:?}", threads(pid));
        wait_until(|| (threads(pid).len() == count).then_some(()), what);
    };
    // The main thread, one that waits for signals, and the client's.
    wait_for(3);
    let idle = mapped(pid);
    thread::scope(|scope| {
        let (from, to) = process::pipe().unwrap();
        scope.spawn(|| read(from).unwrap());
        let runs = || (children_of(pid) == 1).then_some(());
        wait_until(runs, || "the command to run".to_owned());
        let (more, count) = (mapped(pid) - idle, threads(pid).len());
        drop(to);
        // No thread, and the memory for the argument.
        assert_eq!(count, 3);
        assert!(more < 1024, "{more} kB");
    });
}

#[test]
fn a_server_that_has_no_place_for_files_to_return_says_so_at_the_start() {
    let scratch = Scratch::new("serve-no-place");
    let path = scratch.path("socket").display().to_string();
    let mut serve = command(&["serve", &path, "--return-files", "--method=Host.Get=:"]);
    serve.env("TMPDIR", "/no/such/directory").stderr(Stdio::piped());
    let mut child = serve.spawn().unwrap();
    let outcome = || match child.try_wait().unwrap() {
        None if scratch.path("socket").exists() => Some(None),
        None => None,
        ended => Some(ended),
    };
    let status = wait_until(outcome, || "it does nothing".to_owned());
    let _ = child.kill();
    let ran = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&ran.stderr);
    assert_eq!(status.and_then(|status| status.code()), Some(2), "{said}");
    assert!(said.contains("/no/such/directory") && said.contains("TMPDIR"), "{said}");
}
