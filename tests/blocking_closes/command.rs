//! The command while closes block, and with files on a file system that answers nothing.

use std::io::{BufRead, BufReader};
use std::mem::ManuallyDrop;
use std::os::fd::AsFd;
use std::os::unix::net::UnixListener;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::lingering::Lingering;
use crate::mute_files::{self, MuteFiles};
use crate::support::{Scratch, is_alone, path_of, read_message, run_alone, send, success};
use crate::{
    Attack, COUNT, Host, SOON, client_with, in_the_queue, soon, strike, with_a_call, with_clients,
};
use urpc::{FileCheck, FileError, FileKind, Files, Limits, Server, Service, Socket};

#[test]
fn a_signal_ends_the_command_at_once_while_a_close_blocks() {
    if !is_alone() {
        return run_alone(path_of(a_signal_ends_the_command_at_once_while_a_close_blocks), "exec");
    }
    let Some(lingering) = Lingering::new() else { return };
    let scratch = Scratch::new("closes-serve");
    let path = scratch.path("s");
    for (attack, options) in [(in_the_queue as Attack, ""), (with_a_call, "--once")] {
        let mut serve = Command::new(env!("CARGO_BIN_EXE_urpc"));
        serve.arg("serve").arg(&path).args(["--method", "Peer.Count=echo 1"]);
        serve.args(options.split_whitespace()).stderr(Stdio::piped());
        let mut serve = Started(serve.spawn().unwrap());
        let mut said = BufReader::new(serve.0.stderr.take().unwrap());
        said.read_line(&mut String::new()).unwrap();
        let _far = strike(attack, Socket::connect(&*path).unwrap(), &lingering);
        let kill = format!("kill -TERM {}", serve.0.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
        assert_ends(serve);
    }
}

/// Waits for a process that must end soon and successfully.
#[track_caller]
fn assert_ends(mut process: Started) {
    let deadline = Instant::now() + SOON;
    let status = loop {
        if let Some(status) = process.0.try_wait().unwrap() {
            break status;
        }
        assert!(Instant::now() < deadline, "it waits for a close");
        thread::yield_now();
    };
    assert!(status.success(), "{status:?}");
}

#[test]
fn a_call_of_the_command_ends_although_its_reply_carries_such_a_file() {
    if !is_alone() {
        return run_alone(
            path_of(a_call_of_the_command_ends_although_its_reply_carries_such_a_file),
            "exec",
        );
    }
    let Some(lingering) = Lingering::new() else { return };
    let scratch = Scratch::new("closes-call");
    let listener = UnixListener::bind(scratch.path("s")).unwrap();
    let mut call = Command::new(env!("CARGO_BIN_EXE_urpc"));
    call.args(["call", "--timeout", "100"]).arg(scratch.path("s")).arg("Peer.Any");
    let call = Started(call.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    let (stream, _) = soon(move || listener.accept().unwrap());
    let socket = Socket::from(stream);
    read_message(&socket);
    let (file, _far) = lingering.file();
    let reply = success("7");
    send(&socket, &reply.as_bytes()[..1], &[file.as_fd()]);
    drop(file);
    send(&socket, &reply.as_bytes()[1..], &[]);
    assert_ends(call);
}

/// A process that does not outlive its test.
struct Started(Child);

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.0.kill().and_then(|()| self.0.wait());
    }
}

#[test]
fn files_on_a_file_system_that_answers_no_flush_hold_up_nobody() {
    if !is_alone() {
        return run_alone(
            path_of(files_on_a_file_system_that_answers_no_flush_hold_up_nobody),
            "exec",
        );
    }
    let Some(mut files) = MuteFiles::mount() else { return };
    // Closing it blocks here as well, so it stays open to the end of the process.
    let file = ManuallyDrop::new(files.file());
    let host = Host::start(with_clients(1));
    let socket = host.connect();
    send(&socket, COUNT, &[file.as_fd()]);
    assert_eq!(read_message(&socket).0, success("1"));
    files.wait_for_flush();
    drop(socket);
    host.serves();
    let socket = host.connect();
    send(&socket, b" ", &[file.as_fd(); 33]);
    files.wait_for_flush();
    drop(socket);
    host.serves();

    let call_time = Some(Duration::from_millis(500));
    let (client, theirs) = client_with(Limits { call_time, ..Limits::for_client() });
    send(&theirs, success("7").as_bytes(), &[file.as_fd()]);
    assert_eq!(soon(move || client.call::<usize>("Peer.Any", &())).unwrap(), 7);
    files.wait_for_flush();
    host.stops();
    drop(files);
}

#[test]
fn a_check_of_a_file_does_not_wait_for_a_file_system_that_answers_nothing() {
    const PIPE: FileCheck = FileCheck::new().kind(FileKind::Pipe);
    const REGULAR: FileCheck = FileCheck::new().kind(FileKind::Regular);
    if !is_alone() {
        return run_alone(
            path_of(a_check_of_a_file_does_not_wait_for_a_file_system_that_answers_nothing),
            "exec",
        );
    }
    let Some(mut files) = MuteFiles::mount() else { return };
    let file = ManuallyDrop::new(files.file());
    let server = Server::new();
    server.register(Service::new("Peer", ()).method("Count", |_: &(), mut files: Files| {
        let error = files.release_checked(0, &PIPE).unwrap_err();
        assert_eq!(error.to_string(), "file 0: expected a pipe, found a regular file");
        let file = files.release_checked(0, &REGULAR)?;
        files.push(file);
        Ok::<_, FileError>(files.iter().count())
    }));
    let host = Host::of(server);
    let socket = host.connect();
    send(&socket, COUNT, &[file.as_fd()]);
    assert_eq!(soon(move || read_message(&socket)).0, success("1"));
    files.wait_for_flush();
    host.stops();
    drop(files);
}

/// Not a test of its own: the daemon of those above.
#[test]
fn the_daemon_of_a_file_system() {
    mute_files::run_daemon();
}
