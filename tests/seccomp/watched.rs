//! Watches the process under the filter from outside.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};

use urpc::Client;

use crate::counts::wait_until;
use crate::listed_calls::listed_under;
use crate::support::{Scratch, available, leave_stale, signal};

/// Set in the process under the filter: the path on which it listens.
pub const SOCKET: &str = "URPC_SECCOMP_SOCKET";

/// The names and numbers of system calls, from `linux-libc-dev`.
const HEADER: &str = "/usr/include/x86_64-linux-gnu/asm/unistd_64.h";

pub fn nothing_is_called_that_the_readme_does_not_list() {
    let is_there = available::program("perl") && fs::exists(HEADER).unwrap();
    if !available::or_skip("perl, or no list of system calls (linux-libc-dev)", is_there) {
        return;
    }
    let scratch = Scratch::new("seccomp");
    let path = scratch.path("socket");
    leave_stale(&path);
    let mut watcher = Command::new("timeout");
    watcher.args(["--kill-after=5", "200", "perl", "-e", include_str!("watch.pl"), &allowed()]);
    watcher.arg(std::env::current_exe().unwrap()).env(SOCKET, &path);
    let mut watcher = watcher.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(watcher.stdout.take().unwrap());
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    if line.is_empty() {
        assert_eq!(watcher.wait().unwrap().code(), Some(77));
        return available::skipped("the kernel has no seccomp filters that ask (Linux 5.5)");
    }
    let pid = line.trim().parse().unwrap();
    if stop_and_continue_in_a_limited_wait(pid, &mut watcher) {
        Client::connect(path).unwrap().call::<()>("Peer.Open", &()).unwrap();
    }
    let mut unlisted = String::new();
    said.read_to_string(&mut unlisted).unwrap();
    let status = watcher.wait().unwrap();
    let names: Vec<_> = unlisted.split_whitespace().map(name).collect();
    assert!(names.is_empty(), "called, and not listed in the README: {names:?}");
    assert!(status.success(), "{status}");
}

/// The numbers of all system calls that the README lists.
fn allowed() -> String {
    let mut names = listed_under("While calls are made");
    names.extend(listed_under("Before and after"));
    if cfg!(target_env = "musl") {
        names.extend(listed_under("With musl"));
    }
    // The paragraphs contain other names too, such as limits.
    let listed = calls().filter(|call| names.contains(&*call.0));
    listed.map(|call| call.1).collect::<Vec<_>>().join(",")
}

fn name(number: &str) -> String {
    calls().find(|call| call.1 == number).map_or_else(|| number.to_owned(), |call| call.0)
}

/// The name and number of each system call.
fn calls() -> impl Iterator<Item = (String, String)> {
    let header = fs::read_to_string(HEADER).unwrap();
    let calls: Vec<_> = header
        .lines()
        .filter_map(|line| line.strip_prefix("#define __NR_")?.split_once(' '))
        .map(|(name, number)| (name.to_owned(), number.trim().to_owned()))
        .collect();
    calls.into_iter()
}

/// Stops and continues the process while one of its threads is in a poll(2) with a timeout. The
/// kernel continues that with restart_syscall(2). `false` if the process has ended before.
fn stop_and_continue_in_a_limited_wait(pid: u32, watcher: &mut Child) -> bool {
    let waits = || match watcher.try_wait().unwrap() {
        Some(_) => Some(false),
        None => is_in_a_limited_wait(pid).then_some(true),
    };
    if !wait_until(waits, || "no thread is in a limited wait".to_owned()) {
        return false;
    }
    signal(pid, "STOP");
    let is_stopped = || {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.contains(") T ").then_some(())
    };
    wait_until(is_stopped, || "it does not stop".to_owned());
    signal(pid, "CONT");
    true
}

/// Whether a thread is in poll(2), number 7, and its third argument is not -1.
fn is_in_a_limited_wait(pid: u32) -> bool {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else { return false };
    let mut calls =
        tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("syscall")).ok());
    calls.any(|call| {
        let words: Vec<_> = call.split_whitespace().collect();
        words.first() == Some(&"7") && words.get(3).is_some_and(|time| !time.ends_with("ffffffff"))
    })
}
