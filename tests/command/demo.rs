//! `urpc demo`.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

use crate::run::{command, names_in, unread_pipe};
use crate::support::{Scratch, signal};

#[test]
fn the_demo_shows_every_kind_of_call_and_leaves_nothing_behind() {
    let scratch = Scratch::new("demo");
    let output = command(&["demo"]).env("TMPDIR", scratch.path("")).output().unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();
    assert_eq!((output.status.code(), &output.stderr[..]), (Some(0), &b""[..]));
    for line in [
        r#"-> {"method":"Demo.Greet","arg":{"name":"world"}}"#,
        r#"<- {"success":true,"err":"","result":{"text":"hello, world"}}"#,
        "+ file 1: regular file, mode 0",
        "+ file 0: pipe",
        r#"the caller has a typed result: Greeting { text: "hello, world" }"#,
        "the server has read 11 bytes",
        r#"it reads "through a pipe from the server""#,
        "the caller has a remote error: Demo.Fail: remote error: no space left on the moon",
        r#"<- {"success":false,"err":"unknown method","result":null}"#,
        r#"<- {"success":false,"err":"no space left on the moon","result":null}"#,
        "nothing is left behind",
    ] {
        assert!(shown.contains(line), "{line}\n{shown}");
    }
    assert!(shown.lines().count() <= 40, "more than a screen");
    assert!(names_in(&scratch.path("")).is_empty());
}

#[test]
fn a_directory_that_another_process_left_is_not_used() {
    let scratch = Scratch::new("demo-left");
    let mut shell = Command::new("sh");
    let script = "mkdir urpc-$$-0 urpc-$$-1; exec \"$0\" demo";
    shell.args(["-c", script, env!("CARGO_BIN_EXE_urpc")]).current_dir(scratch.path(""));
    let output = shell.env("TMPDIR", scratch.path("")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(names_in(&scratch.path("")).len(), 2);
}

#[test]
fn a_demo_that_nobody_reads_leaves_nothing_behind_either() {
    let scratch = Scratch::new("demo-unread");
    let mut demo = command(&["demo"]);
    let status = demo.env("TMPDIR", scratch.path("")).stdout(unread_pipe()).status().unwrap();
    assert_eq!(status.code(), Some(0));
    assert!(names_in(&scratch.path("")).is_empty());
}

#[test]
fn a_demo_that_a_signal_ends_leaves_nothing_behind_whenever_it_comes() {
    let scratch = Scratch::new("demo-signal");
    let status_after = |lines: usize, signal_name: &str| {
        let mut demo = command(&["demo"]);
        demo.env("TMPDIR", scratch.path("")).stdout(Stdio::piped());
        let mut demo = demo.spawn().unwrap();
        let mut out = BufReader::new(demo.stdout.take().unwrap());
        for _ in 0..lines {
            out.read_line(&mut String::new()).unwrap();
        }
        signal(demo.id(), signal_name);
        let _ = out.read_to_string(&mut String::new());
        demo.wait().unwrap().code()
    };
    for lines in 1..20 {
        let status = status_after(lines, if lines % 2 == 0 { "INT" } else { "TERM" });
        // It may have ended before.
        assert!(matches!(status, Some(0 | 130)), "{lines}: {status:?}");
        assert_eq!(names_in(&scratch.path("")), [""; 0], "{lines}");
    }
}

#[test]
fn a_demo_without_a_directory_to_work_in_says_so() {
    let output = command(&["demo"]).env("TMPDIR", "/no/such/directory").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().contains("/no/such/directory"));
}
