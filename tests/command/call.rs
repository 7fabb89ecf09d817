//! `urpc call`: arguments, results, errors.

use std::io::Read;
use std::os::unix::net::UnixStream;
use std::sync::mpsc;
use std::thread;

use urpc::json::RawJson;
use urpc::{Files, Listener, Service};

use crate::run::{Served, command, unread_pipe, urpc, urpc_with_input};
use crate::support::Scratch;

fn echo() -> Served {
    Served::new(
        "call",
        Service::new("Host", ())
            .raw_method("Echo", |(), arg, _, _| Ok::<_, String>((RawJson::new(arg), Files::new())))
            .method("Fail", |(), text: String| Err::<(), _>(text))
            .method("Block", |(), ready: String| {
                // Waits until the method's file is closed. Nobody removes the socket.
                UnixStream::connect(ready).and_then(|mut stream| stream.read(&mut [0])).map(drop)
            }),
    )
}

#[test]
fn the_result_is_indented_with_its_numbers_as_they_came() {
    let host = echo();
    let printed = urpc(&["call", &host.path, "Host.Echo", r#"{"a":1.50,"b":[1E+400,[]]}"#]);
    assert_eq!(printed.success(), "{\n  \"a\": 1.50,\n  \"b\": [\n    1E+400,\n    []\n  ]\n}\n");
}

#[test]
fn raw_is_the_result_byte_for_byte() {
    let host = echo();
    let printed = urpc(&["call", "--raw", &host.path, "Host.Echo", r#"{"a":"\u0041/"}"#]);
    assert_eq!(printed.success(), r#"{"a":"\u0041/"}"#);
}

#[test]
fn the_argument_comes_from_the_line_a_file_or_standard_input() {
    let (host, scratch) = (echo(), Scratch::new("call-arg"));
    let file = scratch.path("arg");
    std::fs::write(&file, " [7] ").unwrap();
    let call = |arg: &str| urpc_with_input(&["call", "-r", &host.path, "Host.Echo", arg], "\"in\"");
    assert_eq!(call("-5").success(), "-5");
    assert_eq!(call(&format!("@{}", file.display())).success(), "[7]");
    assert_eq!(call("-").success(), "\"in\"");
    assert_eq!(urpc(&["call", &host.path, "Host.Echo"]).success(), "null\n");
}

#[test]
fn a_remote_error_is_status_1_and_its_text_is_shown_but_not_obeyed() {
    let host = echo();
    let fail = |arg: &str| urpc(&["call", &host.path, "Host.Fail", arg]).failure(1);
    assert_eq!(fail(r#""no such box""#), "urpc call: remote error: no such box\n");
    assert_eq!(fail(r#""a\n\u001b[2Jb""#), "urpc call: remote error: a\\n\\u{1b}[2Jb\n");
    assert!(fail(r#""""#).starts_with("urpc call: remote error without a text ("));
    let unknown = urpc(&["call", &host.path, "Host.No"]).failure(1);
    assert_eq!(unknown, "urpc call: remote error: unknown method\n");
}

#[test]
fn no_connection_is_status_3_and_names_the_address() {
    let scratch = Scratch::new("call-nowhere");
    let path = scratch.path("none.sock").into_os_string().into_string().unwrap();
    let error = urpc(&["call", &path, "A.B"]).failure(3);
    assert!(error.contains(&path) && error.contains("No such file"), "{error}");
    let error = urpc(&["call", "@urpc-nobody\\0", "A.B"]).failure(3);
    assert!(error.contains("@urpc-nobody\\0") && error.contains("refused"), "{error}");
    let error = urpc(&["call", "runsc:none", "A.B", "--root", &path]).failure(3);
    assert!(error.contains("no state of 'none'") && error.contains(&path), "{error}");
}

/// The output of the command for a peer that runs `act` with its only connection.
fn against(name: &str, act: impl FnOnce(urpc::Socket) + Send + 'static) -> String {
    let scratch = Scratch::new(name);
    let path = scratch.path("peer.sock");
    let listener = Listener::bind(&path).unwrap();
    let peer = thread::spawn(move || {
        urpc::process::wait_readable(&[std::os::fd::AsFd::as_fd(&listener)], None).unwrap();
        act(listener.accept().unwrap());
    });
    let error = urpc(&["call", path.to_str().unwrap(), "A.B"]).failure(3);
    peer.join().unwrap();
    error
}

#[test]
fn a_peer_that_vanishes_or_talks_nonsense_is_status_3() {
    // Whether the call is still sent is a race. That no reply comes is not.
    against("call-gone", drop);
    let error = against("call-read", |socket| {
        socket.receive(&mut [0; 100], 0).unwrap();
    });
    assert!(error.contains("without a reply"), "{error}");
    let error = against("call-half", |socket| {
        socket.receive(&mut [0; 100], 0).unwrap();
        socket.send(b"{\"success\":tr", &[]).unwrap();
    });
    assert!(error.contains("in the middle of a message"), "{error}");
    let error = against("call-nonsense", |socket| {
        socket.receive(&mut [0; 100], 0).unwrap();
        socket.send(b"220 mail.example.org", &[]).unwrap();
    });
    assert!(error.contains("malformed message"), "{error}");
}

#[test]
fn a_timeout_is_status_3_and_says_how_to_wait_longer() {
    let (host, scratch) = (echo(), Scratch::new("call-timeout"));
    let blocker = scratch.path("blocker.sock");
    let _blocker = std::os::unix::net::UnixListener::bind(&blocker).unwrap();
    let arg = format!("{blocker:?}");
    let error = urpc(&["call", "--timeout=50ms", &host.path, "Host.Block", &arg]).failure(3);
    assert!(error.contains("timed out after 50ms (raise --timeout"), "{error}");
}

#[test]
fn a_reply_beyond_the_limit_of_bytes_is_status_3_and_names_the_option() {
    let host = echo();
    let arg = format!("\"{}\"", "x".repeat(5000));
    let call = ["call", &host.path, "Host.Echo", &arg, "--max-message", "4K"];
    let error = urpc(&call).failure(3);
    assert!(error.contains("raise --max-message"), "{error}");
}

#[test]
fn a_reader_who_has_left_is_no_reason_to_complain() {
    let host = echo();
    let output =
        command(&["call", &host.path, "Host.Echo"]).stdout(unread_pipe()).output().unwrap();
    assert_eq!((output.status.code(), &output.stderr[..]), (Some(0), &b""[..]));
}

#[test]
fn the_connection_is_closed_as_soon_as_the_reply_is_in() {
    let (gone, is_gone) = mpsc::channel();
    let host = Served::new(
        "call-close",
        Service::new("Host", ()).raw_method("Keep", move |(), _, mut files, context| {
            // The pipe stays open, so the command continues. Its connection must still end.
            let (gone, pipe, client) = (gone.clone(), files.release(0), context.client());
            gone.send((client, pipe)).map_err(|error| error.to_string())?;
            Ok::<_, String>((RawJson::new(*b"1"), Files::new()))
        }),
    );
    let mut child = command(&["call", "--pipe-out", &host.path, "Host.Keep"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let (_, pipe) = is_gone.recv().unwrap();
    // No client is left and no call runs, so a stop without a time limit returns.
    host.server.stop(std::time::Duration::from_secs(600));
    assert_eq!(child.try_wait().unwrap(), None);
    drop(pipe);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
