//! The command, as people meet it: `urpc call` on a live sandbox.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use urpc::json::{self, Value};

use crate::sandbox::Sandbox;
use crate::support::Scratch;

/// What `urpc call` with these words gives, with `input` as its standard input.
fn urpc_call(words: &[&str], input: &str) -> Output {
    let mut child = Command::new("timeout")
        .args(["60", env!("CARGO_BIN_EXE_urpc"), "call"])
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn success(words: &[&str], input: &str) -> String {
    let output = urpc_call(words, input);
    assert!(output.status.success(), "{words:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn it_lists_processes_under_each_form_of_the_address() {
    let Some(sandbox) = Sandbox::start() else { return };
    let id = format!("\"{}\"", sandbox.id);
    let root = sandbox.root();
    let addresses: [&[&str]; 2] = [
        &[&sandbox.address().to_string()],
        &["--root", root.to_str().unwrap(), &format!("runsc:{}", sandbox.id)],
    ];
    for address in addresses {
        let printed = success(&[address, &["containerManager.Processes", &id]].concat(), "");
        let processes: Value = json::from_str(&printed).unwrap();
        assert_eq!(processes[0]["cmd"].to_string(), "\"busybox\"", "{printed}");
    }
}

#[test]
fn a_command_in_the_sandbox_behaves_like_one_here() {
    let Some(sandbox) = Sandbox::start() else { return };
    let run = |script: &str, input: &str| {
        let argument = format!(
            r#"{{"filename":"/bin/busybox","argv":["sh","-c","{script}"],"envv":["PATH=/bin"],"wd":"/","ContainerID":"{}","GuestFDs":[0,1,2]}}"#,
            sandbox.id
        );
        let address = sandbox.address().to_string();
        let pipes = ["--pipe-in", "--pipe-out", "--pipe-err"];
        let call = [&*address, "containerManager.ExecuteAsync", &*argument];
        success(&[&pipes[..], &call[..]].concat(), input)
    };
    assert_eq!(run("busybox echo hello", ""), "hello\n");
    assert_eq!(run("busybox cat", "there and back"), "there and back");
}

#[test]
fn files_of_the_sandbox_are_saved_and_its_errors_are_told() {
    let Some(sandbox) = Sandbox::start() else { return };
    let (scratch, address) = (Scratch::new("saved-usage"), sandbox.address().to_string());
    let saved: PathBuf = scratch.path("usage");
    let usage = [&*address, "Usage.UsageFD", r#"{"Version":1}"#];
    success(&[&["--save", saved.to_str().unwrap()][..], &usage[..]].concat(), "");
    assert_eq!(fs::read_dir(&saved).unwrap().count(), 2);

    let failed = urpc_call(&[&address, "containerManager.Nope"], "");
    assert_eq!(failed.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&failed.stderr).contains("unknown method"), "{failed:?}");
}
