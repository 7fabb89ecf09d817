//! Standard streams and files that another program has made non-blocking, as a Go program does with
//! a terminal that it shares. All data arrives.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Stdio};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use urpc::json::RawJson;
use urpc::{Client, Files, Service};

use crate::counts::wait_until;
use crate::run::{Ran, Running, Served, command};
use crate::support::Scratch;

/// More than a socket, a pipe and a buffer of the command hold together.
const MUCH: usize = 1 << 20;

/// A non-blocking stream for the command that has no room at first, and what is read from it to its
/// end. The reader is slower than any writer.
fn output() -> (Stdio, JoinHandle<String>) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    theirs.set_nonblocking(true).unwrap();
    while (&theirs).write(&[b'.'; 1024]).is_ok() {}
    let reading = thread::spawn(move || {
        let (mut text, mut buffer) = (String::new(), [0; 16 * 1024]);
        loop {
            thread::park_timeout(Duration::from_millis(1));
            match (&ours).read(&mut buffer).unwrap() {
                0 => return text.trim_start_matches('.').to_owned(),
                length => text.push_str(std::str::from_utf8(&buffer[..length]).unwrap()),
            }
        }
    });
    (OwnedFd::from(theirs).into(), reading)
}

/// A non-blocking stream for the command, and its write end.
fn input() -> (Stdio, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    theirs.set_nonblocking(true).unwrap();
    (OwnedFd::from(theirs).into(), ours)
}

/// Waits until the child sleeps or has ended.
fn wait_asleep(child: &Child) {
    let path = format!("/proc/{}/stat", child.id());
    let is_asleep = || {
        let stat = fs::read_to_string(&path).unwrap_or_default();
        let state = stat.rsplit(')').next().unwrap_or_default().trim_start().chars().next();
        matches!(state, None | Some('S' | 'Z')).then_some(())
    };
    wait_until(is_asleep, || "the command runs on".to_owned());
}

fn host(name: &str) -> Served {
    let service = Service::new("Host", ())
        .raw_method("Much", |(), _, _, _| {
            let text = format!("\"{}\"", "x".repeat(MUCH));
            Ok::<_, String>((RawJson::new(text.into_bytes()), Files::new()))
        })
        .raw_method("Echo", |(), arg, _, _| Ok::<_, String>((RawJson::new(arg), Files::new())))
        .raw_method("Write", |(), _, mut files, _| {
            for file in files.release_all() {
                thread::spawn(move || File::from(file).write_all(&[b'y'; MUCH]));
            }
            Ok::<_, String>((RawJson::new(*b"1"), Files::new()))
        });
    Served::new(name, service)
}

#[test]
fn a_result_is_printed_whole_to_a_non_blocking_output() {
    let (host, (stdout, read)) = (host("streams-result"), output());
    let limit = format!("--max-message={}", 2 * MUCH);
    let call = ["call", "-r", &host.path, "Host.Much", &limit];
    let ran = Ran::from(command(&call).stdout(stdout).stderr(Stdio::piped()).output().unwrap());
    assert_eq!((ran.status, &*ran.err), (0, ""));
    assert_eq!(read.join().unwrap().len(), MUCH + 2);
}

#[test]
fn pipes_are_copied_whole_to_non_blocking_outputs() {
    let (host, (stdout, out)) = (host("streams-pipes"), output());
    let (stderr, err) = output();
    let call = ["call", "-r", "--pipe-out", "--pipe-err", &host.path, "Host.Write"];
    let status = command(&call).stdout(stdout).stderr(stderr).status().unwrap();
    assert_eq!(status.code(), Some(0));
    assert_eq!(out.join().unwrap().len(), MUCH);
    // The result is there as well, because standard output carries the remote program's output.
    assert_eq!(err.join().unwrap().len(), MUCH + "1\n".len());
}

#[test]
fn a_trace_goes_on_whoever_reads_it_slowly() {
    let (host, (stdout, read)) = (host("streams-trace"), output());
    let scratch = Scratch::new("streams-trace");
    let path = scratch.path("socket").display().to_string();
    let trace = ["trace", "--json", "--listen", &path, "--to", &host.path];
    let running = Running::start(command(&trace).stdout(stdout));
    let client = Client::connect(path.as_str()).unwrap();
    let text = "x".repeat(MUCH / 16);
    for _ in 0..16 {
        assert_eq!(client.call::<String>("Host.Echo", text.as_str()).unwrap().len(), text.len());
    }
    client.close();
    running.signal("TERM");
    assert_eq!(running.wait(), (0, String::new()));
    let shown = read.join().unwrap();
    let messages = shown.lines().filter(|line| line.contains(r#""event":"message""#));
    assert!(messages.clone().all(|line| line.ends_with("}}")));
    assert_eq!(messages.count(), 32);
}

#[test]
fn what_commands_say_is_passed_on_whole_to_a_non_blocking_standard_error() {
    let ((stderr, read), scratch) = (output(), Scratch::new("streams-serve"));
    let path = scratch.path("socket").display().to_string();
    // A character that no path and no word of the program has.
    let say = format!("--method=Host.Say=head -c {MUCH} /dev/zero | tr '\\0' '~' >&2");
    let child = command(&["serve", "--once", &path, &say]).stderr(stderr).spawn();
    let mut child = child.unwrap();
    let client = wait_until(|| Client::connect(path.as_str()).ok(), || "no socket".to_owned());
    client.call::<()>("Host.Say", &()).unwrap();
    client.close();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(read.join().unwrap().matches('~').count(), MUCH);
}

#[test]
fn an_argument_is_read_whole_from_a_non_blocking_input() {
    let (host, (stdin, mut to)) = (host("streams-argument"), input());
    let mut call = command(&["call", "-r", &host.path, "Host.Echo", "-"]);
    call.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = call.spawn().unwrap();
    drop(call);
    for part in ["[1,", "2]"] {
        wait_asleep(&child);
        // The write fails if the command has given up.
        let _ = to.write_all(part.as_bytes());
    }
    drop(to);
    assert_eq!(Ran::from(child.wait_with_output().unwrap()).success(), "[1,2]");
}

#[test]
fn a_non_blocking_file_that_comes_back_is_stored_whole() {
    let scratch = Scratch::new("streams-save");
    let (ours, theirs) = UnixStream::pair().unwrap();
    theirs.set_nonblocking(true).unwrap();
    let give = move |(): &(), _: &[u8], _: Files, _: &urpc::CallContext<'_>| {
        let theirs = theirs.try_clone().map_err(|error| error.to_string())?;
        Ok::<_, String>((RawJson::new(*b"1"), Files::from(OwnedFd::from(theirs))))
    };
    let host = Served::new("streams-save", Service::new("Host", ()).raw_method("Give", give));
    let directory = scratch.path("out");
    let mut call = command(&["call", "--save", directory.to_str().unwrap(), &host.path]);
    call.arg("Host.Give").stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = call.spawn().unwrap();
    let copy = directory.join("0");
    let mut has_begun = || (copy.exists() || child.try_wait().unwrap().is_some()).then_some(());
    wait_until(&mut has_begun, || "nothing is stored".to_owned());
    for _ in 0..2 {
        wait_asleep(&child);
        (&ours).write_all(b"part").unwrap();
    }
    ours.shutdown(std::net::Shutdown::Write).unwrap();
    let ran = Ran::from(child.wait_with_output().unwrap());
    assert_eq!(ran.status, 0, "{}", ran.err);
    assert!(ran.err.starts_with("file 0: 8 bytes in "), "{}", ran.err);
    assert_eq!(fs::read_to_string(copy).unwrap(), "partpart");
}

#[test]
fn a_trace_forwards_whole_messages_to_a_non_blocking_connection() {
    let (host, scratch) = (host("streams-forward"), Scratch::new("streams-forward"));
    let path = scratch.path("socket").display().to_string();
    let to = UnixStream::connect(&host.path).unwrap();
    to.set_nonblocking(true).unwrap();
    let mut trace = command(&["trace", "--listen", &path, "--to", "fd:0"]);
    trace.stdin(Stdio::from(OwnedFd::from(to))).stdout(Stdio::null());
    let running = Running::start(&mut trace);
    let client = Client::connect(path.as_str()).unwrap();
    let text = "x".repeat(MUCH);
    assert_eq!(client.call::<String>("Host.Echo", text.as_str()).unwrap().len(), MUCH);
    client.close();
    running.signal("TERM");
    assert_eq!(running.wait(), (0, String::new()));
}
