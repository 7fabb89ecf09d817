//! `urpc trace`: it forwards everything unchanged and prints it.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::symlink;
use std::process::{ChildStdout, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use urpc::json::{RawJson, Value};
use urpc::{Client, Files, Listener, Service, Socket, process};

use crate::lingering::Lingering;
use crate::run::{Running, Served, command, names_in};
use crate::support::{Scratch, identity, is_alone, leave_stale, path_of, run_alone, send};

pub struct Traced {
    pub path: String,
    pub running: Running,
    pub out: BufReader<ChildStdout>,
    pub scratch: Scratch,
}

impl Traced {
    pub fn start(name: &str, to: &str, options: &[&str]) -> Traced {
        let scratch = Scratch::new(name);
        let path = scratch.path("trace.sock").into_os_string().into_string().unwrap();
        let mut trace = command(&["trace", "--listen", &path, "--to", to]);
        let mut running = Running::start(trace.args(options).stdout(Stdio::piped()));
        let out = BufReader::new(running.child.stdout.take().unwrap());
        Traced { path, running, out, scratch }
    }

    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.out.read_line(&mut line).unwrap();
        line
    }

    pub fn stop(self) {
        self.running.signal("TERM");
        assert_eq!(self.running.wait(), (0, String::new()));
        assert!(names_in(&self.scratch.path("")).is_empty());
    }
}

pub fn host(name: &str) -> Served {
    Served::new(
        name,
        Service::new("Host", ()).raw_method("Echo", |(), arg, mut files, _| {
            // The received files are sent back.
            let files: Files = files.release_all().into_iter().collect();
            Ok::<_, String>((RawJson::new(arg), files))
        }),
    )
}

#[test]
fn each_message_is_shown_with_its_files_which_arrive_as_they_are() {
    let host = host("trace-text");
    let mut traced = Traced::start("trace-text-out", &host.path, &[]);
    let client = Client::connect(traced.path.as_str()).unwrap();
    let (from, _to) = process::pipe().unwrap();
    let file = std::os::fd::AsFd::as_fd(&from);
    let (result, files) = client.call_raw("Host.Echo", b"7", &[file, file]).unwrap();
    assert_eq!((result.as_bytes(), files.len()), (&b"7"[..], 2));
    assert!(files.iter().all(|returned| identity(returned) == identity(&from)));
    assert!(traced.line().contains("#1 open (uid "));
    let call = traced.line();
    assert!(call.contains(r#"#1 -> 30 bytes {"method":"Host.Echo","arg":7}"#), "{call}");
    for index in 0..2 {
        let line = traced.line();
        assert_eq!(line.trim(), format!("file {index}: pipe, mode 0600, read-only"));
    }
    let reply = traced.line();
    let (start, end) = ("#1 <- 36 bytes after ", r#"s {"success":true,"err":"","result":7}"#);
    assert!(reply.contains(start) && reply.trim_end().ends_with(end), "{reply}");
    assert!(traced.line().contains("file 0") && traced.line().contains("file 1"));
    client.close();
    assert!(traced.line().contains("#1 close"));
    traced.stop();
}

#[test]
fn each_line_has_the_time_of_day_and_in_json_the_time_since_1970() {
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let host = host("trace-time");
    for options in [&[][..], &["--json"]] {
        let mut traced = Traced::start("trace-time-out", &host.path, options);
        let before = now();
        let client = Client::connect(traced.path.as_str()).unwrap();
        let line = traced.line();
        let spent = now() - before;
        let since_before = if options.is_empty() {
            let (time, _) = line.split_once(" #1 open").unwrap();
            let (seconds, fraction) = time.split_once('.').unwrap();
            assert_eq!((seconds.len(), fraction.len()), (8, 6), "{line}");
            let parts = seconds.split(':').map(|part| part.parse::<u64>().unwrap());
            let of_day = parts.fold(0, |all, part| all * 60 + part);
            // Midnight may have passed.
            (of_day + 86_400 - before % 86_400) % 86_400
        } else {
            let time = urpc::json::from_str::<Value>(&line).unwrap()["time"].to_string();
            time.split('.').next().unwrap().parse::<u64>().unwrap() - before
        };
        assert!(since_before <= spent, "{line}");
        drop(client);
        traced.stop();
    }
}

#[test]
fn a_long_message_is_shortened_unless_it_is_wanted_in_full() {
    let host = host("trace-long");
    let long = format!("\"{}\"", "x".repeat(5000));
    for (options, most) in [(&[][..], 400), (&["--full"], 10_000)] {
        let mut traced = Traced::start("trace-long-out", &host.path, options);
        let client = Client::connect(traced.path.as_str()).unwrap();
        client.call_raw("Host.Echo", long.as_bytes(), &[]).unwrap();
        traced.line();
        let line = traced.line();
        assert!(
            line.len() < most && (line.contains("more bytes)") != line.contains(&long)),
            "{line}"
        );
        drop(client);
        traced.stop();
    }
}

#[test]
fn json_is_one_object_a_line() {
    let host = host("trace-json");
    let mut traced = Traced::start("trace-json-out", &host.path, &["--json"]);
    let client = Client::connect(traced.path.as_str()).unwrap();
    client.call_raw("Host.Echo", b"1.50", &[]).unwrap();
    let text = |text: &str| Value::String(text.to_owned());
    let mut line = || urpc::json::from_str::<Value>(&traced.line()).unwrap();
    assert_eq!(line()["event"], text("open"));
    let call = line();
    assert_eq!(
        (&call["direction"], &call["connection"]),
        (&text("call"), &Value::Number(1.into()))
    );
    assert_eq!(call["message"].to_string(), r#"{"arg":1.50,"method":"Host.Echo"}"#);
    assert_eq!(line()["direction"], text("reply"));
    drop(client);
    traced.stop();
}

#[test]
fn a_message_stands_in_its_line_as_it_came_but_for_white_space_and_what_is_none_as_text() {
    let host = host("trace-exact");
    let mut traced = Traced::start("trace-exact-out", &host.path, &["--json"]);
    let client = Socket::connect(traced.path.as_str()).unwrap();
    let call = "{\"method\":\"Host.Echo\",\n\t\"arg\":{\"b\":\"<\\u0041\\/\",\"a\": 1.50}}";
    client.send(call.as_bytes(), &[]).unwrap();
    crate::support::read_message(&client);
    client.send(b"{\"a\":<", &[]).unwrap();
    crate::support::read_to_end(&client);
    drop(client);
    traced.line();
    let line = traced.line();
    let shown = call.replace(['\n', '\t'], " ");
    assert!(line.ends_with(&format!("\"files\":[],\"message\":{shown}}}\n")), "{line}");
    traced.line();
    let line = traced.line();
    urpc::json::from_str::<Value>(&line).unwrap();
    assert!(line.ends_with("\"text\":\"{\\\"a\\\":\\u003c\",\"message\":null}\n"), "{line}");
    traced.stop();
}

#[test]
fn a_server_that_vanishes_in_mid_reply_is_shown_and_its_client_sees_the_end() {
    let scratch = Scratch::new("trace-half");
    let listener = Listener::bind(scratch.path("far.sock")).unwrap();
    let to = scratch.path("far.sock").into_os_string().into_string().unwrap();
    let mut traced = Traced::start("trace-half-out", &to, &[]);
    let client = Socket::connect(traced.path.as_str()).unwrap();
    client.send(b"{}", &[]).unwrap();
    process::wait_readable(&[std::os::fd::AsFd::as_fd(&listener)], None).unwrap();
    let server = listener.accept().unwrap();
    crate::support::read_message(&server);
    server.send(b"{\"success\":tr", &[]).unwrap();
    drop(server);
    assert_eq!(crate::support::read_to_end(&client).0, b"{\"success\":tr");
    let lines = [traced.line(), traced.line(), traced.line()];
    assert!(lines[2].contains("<- 13 bytes (incomplete message) {\"success\":tr"), "{lines:?}");
    // The client ends the connection.
    drop(client);
    assert!(traced.line().contains("#1 no reply to (no method)"));
    assert!(traced.line().contains("#1 close"));
    traced.stop();
}

#[test]
fn its_socket_has_the_mode_asked_for_and_replaces_a_dead_one_only_if_asked_to() {
    use std::os::unix::fs::PermissionsExt;
    let (host, scratch) = (host("trace-mode"), Scratch::new("trace-mode-out"));
    let path = scratch.path("trace.sock");
    leave_stale(&path);
    let trace = ["trace", "--listen", path.to_str().unwrap(), "--to", &host.path];
    assert!(crate::run::urpc(&trace).failure(3).contains("trace.sock"));
    let running = Running::start(command(&trace).args(["--replace", "--mode=0660"]));
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
    running.signal("INT");
    assert_eq!(running.wait(), (0, String::new()));
    assert_eq!(names_in(&scratch.path("")), ["trace.sock.lock"]);
}

#[test]
fn bytes_that_are_no_message_pass_unchanged_and_a_half_closed_client_has_its_answer() {
    let scratch = Scratch::new("trace-raw");
    let listener = Listener::bind(scratch.path("far.sock")).unwrap();
    let to = scratch.path("far.sock").into_os_string().into_string().unwrap();
    let traced = Traced::start("trace-raw-out", &to, &[]);
    let client = Socket::connect(traced.path.as_str()).unwrap();
    client.send(b" {\"a\":1} \n[oops", &[]).unwrap();
    client.shutdown_send().unwrap();
    process::wait_readable(&[std::os::fd::AsFd::as_fd(&listener)], None).unwrap();
    let server = listener.accept().unwrap();
    assert_eq!(crate::support::read_to_end(&server).0, b" {\"a\":1} \n[oops");
    server.send(b"still here", &[]).unwrap();
    drop(server);
    assert_eq!(crate::support::read_to_end(&client).0, b"still here");
    drop(client);
    traced.stop();
}

#[test]
fn a_server_that_is_not_there_ends_the_client_and_is_named() {
    let mut traced = Traced::start("trace-nowhere", "/no/such/server.sock", &[]);
    let client = Socket::connect(traced.path.as_str()).unwrap();
    assert!(crate::support::read_to_end(&client).0.is_empty());
    let said = traced.running.line();
    assert!(said.contains("/no/such/server.sock"), "{said}");
    traced.stop();
}

#[test]
fn files_are_not_kept_by_the_proxy() {
    let host = host("trace-close");
    let traced = Traced::start("trace-close-out", &host.path, &["--json"]);
    let client = Client::connect(traced.path.as_str()).unwrap();
    let (mut from, mut to) = process::pipe().unwrap();
    client.call_raw("Host.Echo", b"1", &[std::os::fd::AsFd::as_fd(&to)]).unwrap();
    to.write_all(b"x").unwrap();
    drop(to);
    let mut text = String::new();
    File::read_to_string(&mut from, &mut text).unwrap();
    assert_eq!(text, "x");
    drop(client);
    traced.stop();
}

#[test]
fn a_close_that_blocks_holds_up_no_other_client_and_no_signal() {
    if !is_alone() {
        return run_alone(
            path_of(a_close_that_blocks_holds_up_no_other_client_and_no_signal),
            "exec",
        );
    }
    let Some(lingering) = Lingering::new() else { return };
    let (host, scratch) = (host("trace-closes"), Scratch::new("trace-closes-to"));
    let to = scratch.path("later").into_os_string().into_string().unwrap();
    let mut traced = Traced::start("trace-closes-out", &to, &[]);
    // Without a server it drops a connection, and with it the file in the connection's queue.
    traced.running.signal("STOP");
    let client = Socket::connect(traced.path.as_str()).unwrap();
    let (file, peer_end) = lingering.file();
    send(&client, b" ", &[file.as_fd()]);
    drop(file);
    traced.running.signal("CONT");
    assert!(traced.running.line().contains("cannot connect"));
    peer_end.wait_for_close();
    symlink(&host.path, &to).unwrap();
    let client = Client::connect(traced.path.as_str()).unwrap();
    assert_eq!(client.call::<u8>("Host.Echo", &7).unwrap(), 7);
    drop(client);
    traced.running.signal("TERM");
    assert_eq!(traced.running.wait().0, 0);
}
