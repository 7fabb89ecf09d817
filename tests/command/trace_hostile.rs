//! `urpc trace` forwards whatever becomes of its output, and whatever its peers do.

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use urpc::json::Value;
use urpc::{Client, Listener, Socket, process};

use crate::counts::{resident, threads, wait_until};
use crate::run::{Ran, Running, command, unread_pipe, urpc};
use crate::support::{Scratch, available, read_to_end, send};
use crate::trace::{Traced, host};

/// A trace to `to` with this standard output.
fn traced_into(scratch: &Scratch, to: &str, stdout: Stdio, options: &[&str]) -> (Running, String) {
    let path = scratch.path("trace.sock").into_os_string().into_string().unwrap();
    let mut trace = command(&["trace", "--listen", &path, "--to", to]);
    (Running::start(trace.args(options).stdout(stdout)), path)
}

#[test]
fn it_forwards_although_its_reader_has_left() {
    let (host, scratch) = (host("hostile-head"), Scratch::new("hostile-head-out"));
    let (mut running, path) = traced_into(&scratch, &host.path, unread_pipe(), &[]);
    for number in 0..100 {
        let client = Client::connect(path.as_str()).unwrap();
        assert_eq!(client.call::<u8>("Host.Echo", &number).unwrap(), number);
    }
    let said = running.line();
    assert!(said.contains("standard output: Broken pipe") && said.contains("goes on"), "{said}");
    running.signal("TERM");
    assert_eq!(running.wait(), (0, String::new()));
}

#[test]
fn it_forwards_although_the_disk_is_full_and_fails_at_its_end() {
    let (host, scratch) = (host("hostile-full"), Scratch::new("hostile-full-out"));
    let full = File::options().write(true).open("/dev/full").unwrap();
    for (stdout, option) in [(full.into(), None), (Stdio::null(), Some("--output=/dev/full"))] {
        let options: Vec<&str> = option.into_iter().collect();
        let (running, path) = traced_into(&scratch, &host.path, stdout, &options);
        let client = Client::connect(path.as_str()).unwrap();
        for number in 0..100 {
            assert_eq!(client.call::<u8>("Host.Echo", &number).unwrap(), number);
        }
        drop(client);
        running.signal("TERM");
        let (status, said) = running.wait();
        assert_eq!((status, said.lines().count()), (2, 2), "{said}");
        assert!(said.lines().all(|line| line.contains("No space left")), "{said}");
    }
}

#[test]
fn it_forwards_although_nobody_reads_its_output() {
    let (host, scratch) = (host("hostile-unread"), Scratch::new("hostile-unread-out"));
    let (_unread, stdout) = process::pipe().unwrap();
    let (running, path) = traced_into(&scratch, &host.path, stdout.into(), &["--full"]);
    let client = Client::connect(path.as_str()).unwrap();
    let text = "x".repeat(1 << 20);
    for _ in 0..6 {
        assert_eq!(client.call::<String>("Host.Echo", &text).unwrap().len(), text.len());
    }
    drop(client);
    let held = resident(running.child.id());
    assert!(held < 48 << 20, "{held} bytes");
    running.signal("TERM");
    let (status, said) = running.wait();
    assert_eq!(status, 2);
    assert!(said.contains("standard output took nothing"), "{said}");
}

#[test]
fn files_between_messages_are_not_held_without_end() {
    if !available::many_files() {
        return;
    }
    let scratch = Scratch::new("hostile-blanks");
    let listener = Listener::bind(scratch.path("far.sock")).unwrap();
    let to = scratch.path("far.sock").into_os_string().into_string().unwrap();
    let traced = Traced::start("hostile-blanks-out", &to, &[]);
    let client = Socket::connect(traced.path.as_str()).unwrap();
    // Few files are in flight at once, because those of other tests may count as well.
    client.set_send_buffer(1).unwrap();
    process::wait_readable(&[listener.as_fd()], None).unwrap();
    let server = listener.accept().unwrap();
    let reading = thread::spawn(move || {
        let (mut count, mut buffer) = (0, [0; 4096]);
        while let Ok((1.., files)) = server.receive(&mut buffer, 253) {
            count += files.len();
        }
        count
    });
    const BLANKS: usize = 30_000;
    let null = File::open("/dev/null").unwrap();
    send(&client, b" ", &[null.as_fd()]);
    let before = resident(traced.running.child.id());
    (1..BLANKS).for_each(|_| send(&client, b" ", &[null.as_fd()]));
    client.shutdown_send().unwrap();
    assert_eq!(reading.join().unwrap(), BLANKS);
    let held = resident(traced.running.child.id()).saturating_sub(before);
    assert!(held < 2 << 20, "{held} bytes");
    let mut traced = traced;
    let lines: Vec<String> = (0..256).map(|_| traced.line()).collect();
    assert!(lines[1].contains("0 bytes (incomplete message)"), "{}", lines[1]);
    assert_eq!(lines[255].trim(), format!("and {} files more", BLANKS - 253));
    drop(client);
    traced.stop();
}

#[test]
fn clients_beyond_the_limit_wait_and_cost_no_thread() {
    let host = host("hostile-places");
    let traced = Traced::start("hostile-places-out", &host.path, &["--max-clients=2"]);
    let connect = || Client::connect(traced.path.as_str()).unwrap();
    let served = [connect(), connect()];
    for client in &served {
        assert_eq!(client.call::<u8>("Host.Echo", &7).unwrap(), 7);
    }
    let early = connect().call_within::<u8>(Duration::from_millis(300), "Host.Echo", &7);
    assert!(matches!(early, Err(urpc::Error::TimedOut { .. })), "{early:?}");
    let waiting: Vec<Client> = (0..50).map(|_| connect()).collect();
    // Main, signals, output, and two for each client.
    assert!(threads(traced.running.child.id()).len() <= 3 + 2 * 2);
    drop(served);
    for client in waiting {
        assert_eq!(client.call::<u8>("Host.Echo", &7).unwrap(), 7);
    }
    traced.stop();
}

/// A trace that may open few files.
fn with_few_descriptors(scratch: &Scratch, to: &str) -> (Running, String) {
    let path = scratch.path("trace.sock").into_os_string().into_string().unwrap();
    let mut trace = Command::new("sh");
    trace.args(["-c", "ulimit -n 24; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_urpc")]);
    trace.args(["trace", "--listen", &path, "--to", to]).stdout(Stdio::null());
    (Running::start(&mut trace), path)
}

#[test]
fn files_for_which_there_are_no_descriptors_end_their_connection_with_a_line() {
    let (host, scratch) = (host("hostile-truncated"), Scratch::new("hostile-truncated-out"));
    let (mut running, path) = with_few_descriptors(&scratch, &host.path);
    let null = File::open("/dev/null").unwrap();
    let client = Client::connect(path.as_str()).unwrap();
    client.call_raw("Host.Echo", b"1", &[null.as_fd(); 30]).unwrap_err();
    let said = running.line();
    assert!(said.contains("a connection is ended: "), "{said}");
    let client = Client::connect(path.as_str()).unwrap();
    assert_eq!(client.call::<u8>("Host.Echo", &7).unwrap(), 7);
    running.signal("TERM");
    assert_eq!(running.wait(), (0, String::new()));
}

#[test]
fn without_descriptors_clients_wait_and_the_log_is_short() {
    let (host, scratch) = (host("hostile-descriptors"), Scratch::new("hostile-descriptors-out"));
    let (mut running, path) = with_few_descriptors(&scratch, &host.path);
    let clients: Vec<Client> = (0..40).map(|_| Client::connect(path.as_str()).unwrap()).collect();
    let said = running.line();
    assert!(said.contains("os error 24"), "{said}");
    for client in clients {
        assert_eq!(client.call::<u8>("Host.Echo", &7).unwrap(), 7);
    }
    running.signal("TERM");
    let (status, said) = running.wait();
    assert_eq!(status, 0);
    assert!(said.lines().count() < 60, "{said}");
}

#[test]
fn a_trace_to_itself_is_refused_however_it_is_spelt() {
    let scratch = Scratch::new("hostile-loop");
    let text = |name: &str| scratch.path(name).into_os_string().into_string().unwrap();
    std::fs::create_dir(scratch.path("down")).unwrap();
    symlink(text("a.sock"), text("link.sock")).unwrap();
    let name = format!("@urpc-loop-{}", std::process::id());
    for (listen, to) in [
        (text("a.sock"), text("a.sock")),
        (text("a.sock"), text("down/../a.sock")),
        (text("a.sock"), text("link.sock")),
        (name.clone(), name),
    ] {
        let error = urpc(&["trace", "--listen", &listen, "--to", &to]).failure(2);
        assert!(error.contains("--listen and --to name the same socket"), "{error}");
        assert!(!scratch.path("a.sock").exists());
    }
    let inherited = UnixListener::bind(text("inherited.sock")).unwrap();
    let mut trace = command(&["trace", "--listen", "fd:0", "--to", &text("inherited.sock")]);
    let output = trace.stdin(Stdio::from(OwnedFd::from(inherited))).output().unwrap();
    let error = Ran::from(output).failure(2);
    assert!(error.contains("the same socket"), "{error}");

    let _live = Listener::bind(text("live.sock")).unwrap();
    let live = ["trace", "--replace", "--listen", &text("live.sock"), "--to", &text("live.sock")];
    assert!(urpc(&live).failure(2).contains("the same socket"));
    assert!(scratch.path("live.sock").exists());
}

#[test]
fn nothing_that_a_terminal_would_obey_is_printed() {
    let host = host("hostile-terminal");
    for options in [&["--json"][..], &["--full"]] {
        let mut traced = Traced::start("hostile-terminal-out", &host.path, options);
        let client = Socket::connect(traced.path.as_str()).unwrap();
        let call = "{\"method\":\"Host.Echo\",\"arg\":\"\u{202e}\u{9b}\u{7f}\u{2028}\"}";
        client.send(call.as_bytes(), &[]).unwrap();
        crate::support::read_message(&client);
        client.send("{\u{9b}2J\u{7f}\u{200b}\u{2066}<".as_bytes(), &[]).unwrap();
        read_to_end(&client);
        drop(client);
        let mut shown = String::new();
        while !shown.contains("close") {
            let line = traced.line();
            let hidden = |c: char| {
                matches!(c, '\u{7f}'..='\u{9f}' | '\u{2000}'..='\u{206f}') || c < ' ' && c != '\n'
            };
            assert!(!line.contains(hidden), "{line:?}");
            if options == ["--json"] {
                urpc::json::from_str::<Value>(&line).unwrap();
            }
            shown += &line;
        }
        let escaped = r"\u202e\u009b\u007f\u2028";
        assert!(
            shown.contains(escaped) && shown.contains(r"\u009b2J\u007f\u200b\u2066"),
            "{shown}"
        );
        traced.stop();
    }
}

#[test]
fn a_hangup_ends_it_and_its_output_is_whole() {
    if !available::hangup() {
        return;
    }
    let (host, scratch) = (host("hostile-hangup"), Scratch::new("hostile-hangup-out"));
    let output = scratch.path("out.txt");
    let (mut file, option) =
        (File::create(&output).unwrap(), format!("--output={}", output.display()));
    file.write_all(b"this is replaced").unwrap();
    let (running, path) =
        traced_into(&scratch, &host.path, Stdio::null(), &[&option, "--overwrite"]);
    let client = Client::connect(path.as_str()).unwrap();
    client.call::<u8>("Host.Echo", &7).unwrap();
    drop(client);
    let read = || std::fs::read_to_string(&output).unwrap();
    wait_until(|| read().contains("close").then_some(()), || "no close".to_owned());
    running.signal("HUP");
    assert_eq!(running.wait(), (0, String::new()));
    let shown = read();
    assert!(shown.contains("#1 open") && shown.ends_with("total\n"), "{shown}");
    assert!(!scratch.path("trace.sock").exists());
}
