//! `urpc call --offline`: what would be sent, without sending it.

use std::fs;
use std::thread;

use urpc::Listener;

use crate::run::{command, urpc, urpc_with_input};
use crate::support::{Scratch, read_message};

/// The bytes that a call sends.
fn sent_by(arguments: &[&str]) -> String {
    let scratch = Scratch::new("offline-sent");
    let path = scratch.path("peer.sock");
    let listener = Listener::bind(&path).unwrap();
    let peer = thread::spawn(move || {
        urpc::process::wait_readable(&[std::os::fd::AsFd::as_fd(&listener)], None).unwrap();
        read_message(&listener.accept().unwrap()).0
    });
    let path = path.into_os_string().into_string().unwrap();
    urpc(&[&["call", &path], arguments].concat()).failure(3);
    peer.join().unwrap()
}

#[test]
fn the_bytes_are_those_that_a_call_sends() {
    for arguments in [
        &["Host.Echo"][..],
        &["Host.Echo", r#" {"z" : 1.50, "a":"<&>\u0041\/ü"} "#],
        &["A \"quoted\" <method>", "[]"],
        &["Host.Echo", "a=b", "n:=[1, 2]"],
    ] {
        let call = [&["call", "--offline", "--raw", "/no/such.sock"], arguments].concat();
        assert_eq!(urpc(&call).success(), sent_by(arguments), "{arguments:?}");
    }
    let printed = urpc(&["call", "--offline", "runsc:no-such", "A.B", "1"]).success();
    assert_eq!(printed, "{\"method\":\"A.B\",\"arg\":1}\n");
}

#[test]
fn files_are_listed_in_their_order_and_none_is_opened_or_created() {
    let scratch = Scratch::new("offline-files");
    fs::write(scratch.path("in.txt"), "in").unwrap();
    fs::write(scratch.path("kept"), "kept").unwrap();
    let call = |arguments: &[&str]| {
        let mut call =
            command(&[&["call", "--offline", "/no/such.sock", "A.B"], arguments].concat());
        crate::run::Ran::from(call.current_dir(scratch.path("")).output().unwrap())
    };
    let options = ["--pipe-in", "-f", "in.txt", "-f", "kept:w", "--pipe-err", "-f", "fd:0"];
    let ran = call(&options);
    assert_eq!((ran.status, &*ran.out), (0, "{\"method\":\"A.B\",\"arg\":null}\n"));
    assert_eq!(
        ran.err,
        "file 0: a pipe from standard input\n\
         file 1: 'in.txt', to read\n\
         file 2: 'kept', created or truncated, to write\n\
         file 3: a pipe to standard error\n\
         file 4: descriptor 0\n"
    );
    // The output is then the remote program's.
    let ran = call(&["--pipe-out"]);
    let said = "file 0: a pipe to standard output\n{\"method\":\"A.B\",\"arg\":null}\n";
    assert_eq!((ran.status, &*ran.out, &*ran.err), (0, "", said));
    assert_eq!(fs::read_to_string(scratch.path("kept")).unwrap(), "kept");
    let ran = call(&["a=b", "log@in.txt", "out@new:w"]);
    assert_eq!((ran.status, &*ran.out), (0, "{\"method\":\"A.B\",\"arg\":{\"a\":\"b\"}}\n"));
    assert_eq!(
        ran.err,
        "file 0: 'in.txt', to read\nfile 1: 'new', created or truncated, to write\n"
    );
    assert!(!scratch.path("new").exists());
    let error = call(&["log@missing"]).failure(2);
    assert!(error.contains("log@'missing': No such file"), "{error}");
}

#[test]
fn a_batch_is_shown_line_by_line_and_checked() {
    let lines = "{\"method\":\"A.B\",\"arg\":[1, 2],\"files\":[\"/dev/null\"]}\n\
                 {\"event\":\"open\",\"connection\":1}\n\
                 {\"event\":\"message\",\"direction\":\"call\",\"connection\":1,\"files\":[{}],\
                 \"message\":{\"method\":\"C.D\",\"arg\":\"x\"}}\n";
    let ran = urpc_with_input(&["call", "/no/such.sock", "--offline", "--batch", "-"], lines);
    let messages = "{\"method\":\"A.B\",\"arg\":[1,2]}\n{\"method\":\"C.D\",\"arg\":\"x\"}\n";
    assert_eq!((ran.status, &*ran.out), (0, messages), "{}", ran.err);
    assert_eq!(
        ran.err,
        "line 1: file 0: '/dev/null', to read\n\
         standard input, line 3: /dev/null instead of 1 recorded file\n\
         line 3: file 0: '/dev/null', to read\n"
    );
    let ran = urpc_with_input(&["call", "/no/such.sock", "--offline", "--batch", "-"], "{}\n");
    assert_eq!(
        (ran.status, &*ran.err),
        (2, "urpc call: standard input, line 1: there is no method\n")
    );
}
