//! `urpc exec` with a server in the place of a sandbox. `tests/interop` has a real one.

use std::fs::File;
use std::io::{Read, Write};

use std::process::Stdio;
use std::sync::Mutex;
use std::sync::mpsc::{self, Receiver, Sender};

use urpc::json::RawJson;
use urpc::{Files, Service};

use crate::run::{Ran, Served, command, urpc, urpc_with_input};
use crate::support::{Scratch, signal, within_timeout};

/// A server that takes one program. The test plays the program.
struct StandIn {
    root: Scratch,
    /// The argument and the files of the program.
    started: Receiver<(String, Files)>,
    /// Ends it with this wait status.
    end: Sender<&'static str>,
    /// The argument of a signal.
    signals: Receiver<String>,
    /// Last, so that no method waits for the test when it ends.
    served: Served,
}

const SPEC: &str = r#"{"process":{"env":["PATH=/bin","A=1","AB=2"],"cwd":"/here","user":{"uid":9},
    "capabilities":{"bounding":["CAP_CHOWN","CAP_NET_RAW"],"effective":["CAP_KILL"],"ambient":null}}}"#;

impl StandIn {
    fn new(name: &str) -> StandIn {
        let null = || Ok::<_, String>((RawJson::default(), Files::new()));
        let (starts, started) = mpsc::channel();
        let (end, ends) = mpsc::channel();
        // Without room: the method waits until the test takes the signal.
        let (sent, signals) = mpsc::sync_channel(0);
        let ends = Mutex::new(ends);
        let text = |arg: &[u8]| String::from_utf8(arg.to_vec()).unwrap();
        let manager = Service::new("containerManager", ())
            .raw_method("ExecuteAsync", move |_, arg, files, _| {
                starts.send((text(arg), files)).unwrap();
                Ok::<_, String>((RawJson::new("42"), Files::new()))
            })
            .raw_method("WaitPID", move |_, arg, _, _| match arg == br#"{"PID":42,"CID":"box"}"# {
                true => Ok((RawJson::new(ends.lock().unwrap().recv().unwrap()), Files::new())),
                false => Err(text(arg)),
            })
            .raw_method("Signal", move |_, arg, _, _| {
                sent.send(text(arg)).unwrap();
                null()
            });
        let served = Served::new(name, manager);
        let root = Scratch::new(&format!("{name}-root"));
        let state = format!(
            r#"{{"spec":{SPEC},"sandbox":{{"id":"box","controlSocketPath":{:?}}}}}"#,
            served.path
        );
        std::fs::write(root.path("box_sandbox:box.state"), state).unwrap();
        StandIn { root, started, end, signals, served }
    }

    fn words<'a>(&'a self, words: &[&'a str]) -> Vec<&'a str> {
        [&["exec", "--root", self.root.0.to_str().unwrap(), "runsc:box"], words].concat()
    }
}

/// The program's ends of its streams.
fn streams(mut files: Files) -> [File; 3] {
    assert_eq!(files.len(), 3);
    [0, 1, 2].map(|index| File::from(files.release(index).unwrap()))
}

#[test]
fn the_program_gets_pipes_as_descriptors_0_to_2_and_what_the_container_has() {
    let sandbox = StandIn::new("exec-pipes");
    let words = sandbox.words(&["-e", "A=x=y", "-u5", "sh", "-c", "--tty"]);
    let (arg, ran) = std::thread::scope(|scope| {
        let running = scope.spawn(|| urpc_with_input(&words, "to the program"));
        let (arg, files) = sandbox.started.recv().unwrap();
        let [mut input, mut output, mut errors] = streams(files);
        let mut read = String::new();
        input.read_to_string(&mut read).unwrap();
        output.write_all(read.to_uppercase().as_bytes()).unwrap();
        errors.write_all(b"said").unwrap();
        sandbox.end.send("768").unwrap();
        let ran = running.join().unwrap();
        // What it left behind has held the pipes open for all this time.
        drop((output, errors));
        (arg, ran)
    });
    let expected = r#"{"ContainerID":"box","argv":["sh","-c","--tty"],"#.to_owned()
        + r#""envv":["PATH=/bin","AB=2","A=x=y"],"wd":"/here","KUID":5,"KGID":0,"Capabilities":"#
        + r#"{"PermittedCaps":0,"InheritableCaps":0,"EffectiveCaps":32,"BoundingCaps":1},"#
        + r#""StdioIsPty":false,"GuestFDs":[0,1,2]}"#;
    assert_eq!(arg, expected);
    let expected = Ran { status: 3, out: "TO THE PROGRAM".into(), err: "said".into() };
    assert_eq!(ran, expected);
}

#[test]
fn a_status_is_the_program_s_as_a_shell_has_it() {
    let sandbox = StandIn::new("exec-status");
    for (wait_status, status) in [("0", 0), ("768", 3), ("65280", 255), ("9", 137), ("139", 139)] {
        sandbox.end.send(wait_status).unwrap();
        let ran = urpc(&sandbox.words(&["--", "true"]));
        drop(sandbox.started.recv().unwrap());
        assert_eq!((ran.status, &*ran.out, &*ran.err), (status, "", ""), "{wait_status}");
    }
}

#[test]
fn a_signal_is_passed_on_once_the_program_runs() {
    let sandbox = StandIn::new("exec-signal");
    let mut child = command(&sandbox.words(&["sleep"])).spawn().unwrap();
    let (_, files) = sandbox.started.recv().unwrap();
    let [input, _output, _errors] = streams(files);
    // It closes its copies when it knows that the program runs.
    let (mut input, mut byte) = (input, [0]);
    assert_eq!(within_timeout(move || input.read(&mut byte)).unwrap(), 0);
    for (name, number) in [("INT", 2), ("TERM", 15), ("USR2", 12)] {
        signal(child.id(), name);
        let expected = format!(r#"{{"CID":"box","Signo":{number},"PID":42,"Mode":0}}"#);
        assert_eq!(sandbox.signals.recv().unwrap(), expected);
    }
    sandbox.end.send("15").unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(128 + 15));
}

#[test]
fn a_signal_that_was_ignored_when_it_started_is_not_passed_on() {
    let sandbox = StandIn::new("exec-nohup");
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", "trap '' HUP; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_urpc")]);
    let mut child = shell.args(sandbox.words(&["sleep"])).stdin(Stdio::null()).spawn().unwrap();
    let (_, files) = sandbox.started.recv().unwrap();
    let [mut input, _output, _errors] = streams(files);
    assert_eq!(within_timeout(move || input.read(&mut [0])).unwrap(), 0);
    signal(child.id(), "HUP");
    signal(child.id(), "TERM");
    assert!(sandbox.signals.recv().unwrap().contains(r#""Signo":15"#));
    sandbox.end.send("0").unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_sandbox_that_answers_no_signal_does_not_keep_the_command() {
    let sandbox = StandIn::new("exec-frozen");
    let mut child = command(&sandbox.words(&["sleep"])).stderr(Stdio::piped()).spawn().unwrap();
    let (_, files) = sandbox.started.recv().unwrap();
    let [mut input, _output, _errors] = streams(files);
    assert_eq!(within_timeout(move || input.read(&mut [0])).unwrap(), 0);
    signal(child.id(), "INT");
    let (status, said) = within_timeout(move || {
        let mut said = String::new();
        child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        (child.wait().unwrap(), said)
    });
    assert_eq!(status.code(), Some(128 + 2), "{said}");
    assert!(said.contains("timed out"), "{said}");
    // The methods end.
    sandbox.signals.recv().unwrap();
    sandbox.end.send("0").unwrap();
}

#[test]
fn without_a_program_the_status_is_128_and_the_reason_is_one_line() {
    let sandbox = StandIn::new("exec-none");
    sandbox.served.server.stop(std::time::Duration::ZERO);
    let error = urpc(&sandbox.words(&["true"])).failure(128);
    assert!(error.starts_with("urpc exec: cannot connect"), "{error}");
    let error = urpc(&["exec", "--root", "/no/such/root", "runsc:box", "true"]).failure(128);
    assert!(error.contains("no state of 'box' in /no/such/root"), "{error}");
}

#[test]
fn what_cannot_be_meant_is_named() {
    let sandbox = StandIn::new("exec-usage");
    for (words, said) in [
        (&["--tty", "sh"][..], "--tty takes a terminal on standard input"),
        (&["--env=A", "sh"], "--env takes NAME=VALUE, not 'A'"),
        (&["-e", "=x", "sh"], "--env takes NAME=VALUE, not '=x'"),
        (&["--cwd", "tmp", "sh"], "such as /tmp, not 'tmp'"),
        (&["--cwd=", "sh"], "such as /tmp, not ''"),
        (&["--user=root", "sh"], "--user takes numbers, UID or UID:GID, not 'root'"),
        (&[], "expected runsc:ID [--] CMD..."),
    ] {
        let error = urpc(&sandbox.words(words)).failure(2);
        assert!(error.contains(said), "{error}");
    }
    let error = urpc(&["exec", "./a.sock", "sh"]).failure(2);
    assert!(error.contains("exec takes runsc:ID, not ./a.sock"), "{error}");
}

#[test]
fn a_reader_who_leaves_is_left_to_the_program() {
    let sandbox = StandIn::new("exec-reader");
    let words = sandbox.words(&["yes"]);
    let mut child = command(&words).stdout(crate::run::unread_pipe()).spawn().unwrap();
    let (_, files) = sandbox.started.recv().unwrap();
    let [_input, mut output, _errors] = streams(files);
    let error = within_timeout(move || {
        loop {
            if let Err(error) = output.write_all(b"y\n") {
                return error;
            }
        }
    });
    assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
    sandbox.end.send("13").unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(128 + 13));
}
