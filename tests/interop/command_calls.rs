//! The command, as a user calls it: `urpc call` on a live sandbox.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use urpc::json::{self, Value};

use crate::go::GoServer;
use crate::run::{silent_input, unread_pipe};
use crate::sandbox::Sandbox;
use crate::support::Scratch;

/// The output of `urpc call` with these arguments and with `input` as its standard input.
fn urpc_call(words: &[&str], input: &str) -> Output {
    let mut child = Command::new("timeout")
        .args(["300", env!("CARGO_BIN_EXE_urpc"), "call"])
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    std::thread::scope(|scope| {
        // In parallel to the reading. Otherwise each side would wait for the other.
        scope.spawn(move || stdin.write_all(input.as_bytes()).unwrap());
        child.wait_with_output().unwrap()
    })
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

/// The arguments that run a shell's `script` in a sandbox with all pipes.
fn exec(sandbox: &Sandbox, script: &str) -> Vec<String> {
    let argument = format!(
        r#"{{"filename":"/bin/busybox","argv":["sh","-c","{script}"],"envv":["PATH=/bin"],"wd":"/","ContainerID":"{}","GuestFDs":[0,1,2]}}"#,
        sandbox.id
    );
    let address = sandbox.address().to_string();
    let words =
        ["--pipe-in", "--pipe-out", "--pipe-err", &address, "containerManager.ExecuteAsync"];
    words.map(str::to_owned).into_iter().chain([argument]).collect()
}

#[test]
fn a_command_in_the_sandbox_behaves_like_one_here() {
    let Some(sandbox) = Sandbox::start() else { return };
    let run = |script: &str, input: &str| {
        let words = exec(&sandbox, script);
        success(&words.iter().map(String::as_str).collect::<Vec<_>>(), input)
    };
    assert_eq!(run("busybox echo hello", ""), "hello\n");
    assert_eq!(run("busybox cat", "there and back"), "there and back");
    let much = "0123456789abcdef".repeat(1 << 16);
    assert!(run("busybox cat", &much) == much);
}

#[test]
fn a_command_in_the_sandbox_ends_by_itself_and_with_its_reader() {
    let Some(sandbox) = Sandbox::start() else { return };
    let start = |script: &str, stdout: Stdio| {
        let (input, kept_open) = silent_input();
        let mut call = Command::new("timeout");
        call.args(["300", env!("CARGO_BIN_EXE_urpc"), "call"]).args(exec(&sandbox, script));
        let ended = call.stdin(input).stdout(stdout).stderr(Stdio::piped()).output().unwrap();
        drop(kept_open);
        (ended.status.code(), ended.stdout, String::from_utf8(ended.stderr).unwrap())
    };
    // Its input stays silent and does not end.
    let (status, out, err) = start("busybox echo out; busybox echo err >&2", Stdio::piped());
    assert_eq!((status, &*out), (Some(0), &b"out\n"[..]), "{err}");
    assert!(err.contains("err\n"), "{err}");
    let (status, ..) = start("while busybox echo y; do :; done", unread_pipe());
    assert_eq!(status, Some(0));
}

#[test]
fn files_of_the_sandbox_are_saved_and_its_errors_are_reported() {
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

#[test]
fn a_go_server_is_called_with_files_there_and_back() {
    let Some(server) = GoServer::start("command-go") else { return };
    let (scratch, address) = (Scratch::new("command-go-files"), server.path().to_str().unwrap());
    assert_eq!(success(&["-r", address, "Peer.Echo", r#"{"a":[1.50]}"#], ""), r#"{"a":[1.50]}"#);

    let file = scratch.path("file");
    fs::write(&file, "sent").unwrap();
    let file = file.to_str().unwrap();
    let read = success(&["-r", address, "Peer.CatFiles", "{}", "-f", file, "-f", file], "");
    assert_eq!(read, r#"{"Contents":["sent","sent"]}"#);

    let make = [address, "Peer.MakeFiles", r#"{"Count":3,"Content":"back"}"#];
    let saved = scratch.path("saved");
    success(&[&make[..], &["--save", saved.to_str().unwrap()]].concat(), "");
    assert_eq!(fs::read_dir(&saved).unwrap().count(), 3);
    assert!(fs::read_to_string(saved.join("2")).unwrap().contains("back"));
    let script = ["--exec", "sh", "-c", "cat <&5; echo $URPC_FILES"];
    let read = success(&[&make[..], &script].concat(), "");
    assert!(read.contains("back") && read.ends_with("3\n"), "{read}");

    let failed = urpc_call(&[address, "Peer.Err", "\"out of order\""], "");
    assert_eq!(failed.status.code(), Some(1), "{failed:?}");
}
