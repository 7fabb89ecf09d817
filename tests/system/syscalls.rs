//! The system calls of a client and a server, watched by strace(1). They make no call that the
//! README does not list for seccomp filters, and two calls a side for a small call.
#![cfg(all(target_arch = "x86_64", target_env = "gnu"))] // the list is that of one libc

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use crate::listed_calls::listed_under;
use crate::support::{Scratch, available, leave_stale, path_of};
use urpc::{BindOptions, Client, FileCheck, FileKind, Files, Server, Service};

/// Set in the process that is watched.
const WATCHED: &str = "URPC_SYSCALLS_SOCKET";

/// Between which marks, each a write of its text, what is done.
const MARKS: [&str; 7] =
    ["<begin>", "<connected>", "<warm>", "<small calls>", "<all calls>", "<checks>", "<end>"];

/// The number of small calls between two marks.
const SMALL_CALLS: usize = 100;

const DEVICE: FileCheck = FileCheck::new().kind(FileKind::CharacterDevice);
const SOCKET: FileCheck = FileCheck::new().kind(FileKind::UnixSocket);

#[test]
fn client_and_server_make_no_call_that_the_readme_does_not_list() {
    let Some(trace) = watch("listed") else { return };
    let serving = listed_under("While calls are made");
    let mut around = listed_under("Before and after");
    around.extend(serving.clone());
    let mut checking = listed_under("Where a method checks files");
    checking.extend(serving.clone());
    let phases = [(0, 2, &around), (2, 4, &serving), (4, 5, &checking), (5, 6, &around)];
    for (from, to, allowed) in phases {
        let made = calls_between(&trace, MARKS[from], MARKS[to]);
        let unlisted: Vec<&str> =
            made.iter().map(|call| name(call)).filter(|name| !allowed.contains(name)).collect();
        assert!(unlisted.is_empty(), "from {} to {}: {unlisted:?}", MARKS[from], MARKS[to]);
    }
}

#[test]
fn a_small_call_costs_two_system_calls_a_side() {
    let Some(trace) = watch("counted") else { return };
    let made = calls_between(&trace, "<warm>", "<small calls>");
    let count = |wanted| made.iter().filter(|call| name(call) == wanted).count();
    let (sends, receives) = (count("sendto"), count("recvmsg"));
    assert_eq!(sends, 2 * SMALL_CALLS);
    assert_eq!(made.len(), sends + receives, "{made:#?}");
    // The server's wait for a call may come before or after a mark.
    assert!(receives.abs_diff(2 * SMALL_CALLS) <= 1, "{receives}");
}

#[test]
fn each_send_raises_no_signal_and_each_receive_makes_its_files_close_on_exec() {
    let Some(trace) = watch("flags") else { return };
    let made = calls_between(&trace, "<begin>", "<end>");
    let of = |names: &[&str]| -> Vec<&str> {
        made.iter().map(String::as_str).filter(|call| names.contains(&name(call))).collect()
    };
    let (sends, receives) = (of(&["sendto", "sendmsg"]), of(&["recvmsg"]));
    assert!(sends.len() > SMALL_CALLS && receives.len() > SMALL_CALLS);
    for send in sends {
        assert!(send.contains("MSG_NOSIGNAL") && !send.contains("MSG_CMSG_CLOEXEC"), "{send}");
        let is_needed =
            ["SCM_RIGHTS", "msg_iovlen=2", "msg_iovlen=3"].iter().any(|part| send.contains(part));
        assert!(name(send) != "sendmsg" || is_needed, "neither files nor parts: {send}");
    }
    for receive in receives {
        assert!(receive.contains("MSG_CMSG_CLOEXEC"), "{receive}");
    }
    let mut others = of(&["write", "writev", "read", "readv"]);
    others.retain(|call| !is_of_the_libc(call, &made));
    assert_eq!(others, [""; 0], "system calls that are not made by the shim");
}

/// Whether `call` reads a file that glibc opens to see whether memory may be overcommitted. It does
/// so once, when it first shrinks the heap of a thread.
fn is_of_the_libc(call: &str, made: &[String]) -> bool {
    made.iter()
        .filter(|opened| opened.contains("overcommit_memory"))
        .filter_map(|opened| opened.rsplit(" = ").next())
        .any(|number| call.starts_with(&format!("read({number},")))
}

/// The output of strace for the watched process. `None` if there is no strace.
fn watch(name: &str) -> Option<String> {
    let is_there = available::program("strace");
    if !available::or_skip("strace", is_there) || !available::many_files() {
        return None;
    }
    let scratch = Scratch::new(&format!("syscalls-{name}"));
    let trace = scratch.path("trace");
    let output = Command::new("timeout")
        .args(["--kill-after=5", "300", "strace", "-f", "-qq", "-s", "64", "-o"])
        .arg(&trace)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", path_of(the_watched_process), "--test-threads=1"])
        .env(WATCHED, scratch.path("socket"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8_lossy(&fs::read(&trace).unwrap()).into_owned())
}

/// The system calls that begin between two marks, without their process ids.
fn calls_between(trace: &str, from: &str, to: &str) -> Vec<String> {
    let calls = joined_calls(trace);
    let at = |mark: &str| {
        let found = calls.iter().position(|call| call.contains(mark));
        found.unwrap_or_else(|| panic!("no {mark} in the trace"))
    };
    let is_mark = |call: &&String| call.contains("\"<");
    calls[at(from)..at(to)].iter().filter(|call| !is_mark(call)).cloned().collect()
}

/// All system calls of a trace in the order in which they began. If another thread made a call in
/// between, a call has two lines, which are joined. Signals and ends of threads are left out.
fn joined_calls(trace: &str) -> Vec<String> {
    let (mut calls, mut unfinished) = (Vec::<String>::new(), HashMap::new());
    for line in trace.lines() {
        let (thread, call) = line.split_once(' ').unwrap_or_default();
        let call = call.trim();
        if let Some((_, end)) = call.strip_prefix("<... ").and_then(|call| call.split_once('>')) {
            if let Some(begun) = unfinished.remove(thread) {
                calls[begun] += end;
            }
        } else if !call.starts_with(['+', '-']) {
            if call.ends_with("<unfinished ...>") {
                unfinished.insert(thread, calls.len());
            }
            calls.push(call.trim_end_matches("<unfinished ...>").to_owned());
        }
    }
    calls
}

fn name(call: &str) -> &str {
    call.split('(').next().unwrap_or(call)
}

fn peer() -> Server {
    let server = Server::new();
    server.register(
        Service::new("Peer", ())
            .method("Echo", |_, text: String| Ok::<_, String>(text))
            .method("Return", |_, files: Files| Ok::<_, String>(files))
            .method("Check", |_, mut files: Files| files.take_checked(&[DEVICE, SOCKET]).map(drop)),
    );
    server
}

/// Not a test of its own: what the others watch.
#[test]
fn the_watched_process() {
    let Some(path) = std::env::var_os(WATCHED) else { return };
    let mut null = File::options().write(true).open("/dev/null").unwrap();
    let mut mark = |text: &str| null.write_all(text.as_bytes()).unwrap();
    let devices = |count| (0..count).map(|_| File::open("/dev/null").unwrap()).collect::<Files>();
    let sent = devices(32);
    let (socket, _peer) = UnixStream::pair().unwrap();
    let checked = Files::from([OwnedFd::from(File::open("/dev/null").unwrap()), socket.into()]);
    let large = "x".repeat(1 << 20);

    leave_stale(&path);

    mark(MARKS[0]);
    let server = peer();
    // The umask takes something away from that mode.
    let options = BindOptions::new().mode(0o666).replace_stale(true);
    let listener = options.bind(path.as_os_str()).unwrap();
    thread::scope(|scope| {
        scope.spawn(|| server.serve(&listener).unwrap());
        let client = Client::connect(path.as_os_str()).unwrap();
        let small = || assert_eq!(client.call::<String>("Peer.Echo", "x").unwrap(), "x");
        thread::scope(|both| {
            // Joined here, so that the threads have ended completely.
            let [first, second] = [both.spawn(small), both.spawn(small)];
            first.join().and(second.join()).unwrap();
        });
        mark(MARKS[1]);
        // Many calls, so that the accept loop already waits for the next client.
        (0..SMALL_CALLS).for_each(|_| small());
        mark(MARKS[2]);
        (0..SMALL_CALLS).for_each(|_| small());
        mark(MARKS[3]);
        let returned: Files = client.call("Peer.Return", &sent).unwrap();
        assert_eq!(returned.len(), 32);
        drop(returned);
        assert_eq!(client.call::<String>("Peer.Echo", &large).unwrap(), large);
        assert!(client.call::<()>("Peer.Nope", &()).is_err());
        mark(MARKS[4]);
        client.call::<()>("Peer.Check", &checked).unwrap();
        mark(MARKS[5]);
        drop(client);
        server.stop(Duration::from_secs(10));
    });
    drop(listener);
    mark(MARKS[6]);
}
