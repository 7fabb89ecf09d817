//! Errors that explain the cause: an address that is not a socket, a peer that speaks another
//! protocol.

use std::fs;
use std::os::unix::net::UnixListener;
use std::thread;

use crate::run::{Running, command, urpc};
use crate::support::{Scratch, leave_stale};

#[test]
fn an_address_that_is_not_a_unix_socket_is_called_so() {
    let scratch = Scratch::new("explained-kind");
    fs::write(scratch.path("file"), "").unwrap();
    let text = |name: &str| scratch.path(name).display().to_string();
    for (address, said) in [
        (text(""), "it is a directory, not a Unix socket"),
        (text("file"), "it is a regular file, not a Unix socket"),
        ("http://localhost/".to_owned(), "an address is the path of a Unix socket"),
        ("unix:///run/a.sock".to_owned(), "an address is the path of a Unix socket"),
        ("unix:./a.sock".to_owned(), "an address is the path of a Unix socket"),
        ("localhost:80".to_owned(), "an address is the path of a Unix socket"),
    ] {
        let error = urpc(&["call", &address, "A.B"]).failure(3);
        assert!(error.contains(said), "{error}");
    }
    let here = |name: &str| {
        let mut call = command(&["call", name, "A.B"]);
        let ran = call.current_dir(scratch.path("")).output().unwrap();
        crate::run::Ran::from(ran).failure(3)
    };
    for name in ["./str1", "none.sock", &text("none")] {
        let error = here(name);
        assert!(error.ends_with("No such file or directory (os error 2)\n"), "{error}");
    }
    let error = here("str1");
    assert!(error.ends_with("; for a runsc container write runsc:str1\n"), "{error}");
}

#[test]
fn an_abstract_name_that_is_too_long_is_wrong_usage() {
    let name = format!("@{}", "x".repeat(108));
    let error = urpc(&["call", &name, "A.B"]).failure(2);
    assert!(error.contains("must not be longer than 107 bytes"), "{error}");
    assert!(urpc(&["call", &name[..108], "A.B"]).failure(3).contains("refused"));
}

#[test]
fn of_a_long_text_the_beginning_and_the_end_are_shown() {
    let path = format!("./{}/none.sock", "x/".repeat(50_000));
    let error = urpc(&["call", &path, "A.B"]).failure(3);
    assert!(error.len() < 5000 && error.contains("cannot connect to ./x/x/"), "{}", error.len());
    assert!(error.contains(" bytes are left out here ... ") && error.contains("/none.sock"));
    let reply = format!("{{\"success\":false,\"err\":\"first {} last\"}}", "ü".repeat(1 << 20));
    let error = answered_with("explained-long", reply.leak().as_bytes(), 1);
    assert!(error.len() < 5000, "{}", error.len());
    assert!(error.starts_with("urpc call: remote error: first ü") && error.ends_with("ü last\n"));
}

#[test]
fn a_reply_that_is_none_of_urpc_is_a_remote_error_that_asks_for_the_address() {
    let error = answered_with("explained-neither", br#"{"ok":1}"#, 1);
    let said = "(a reply with neither success nor err counts as one: is this a urpc server?)";
    assert_eq!(error, format!("urpc call: remote error without a text {said}\n"));
}

#[test]
fn a_socket_that_is_there_already_is_answered_with_how_to_replace_it() {
    let scratch = Scratch::new("explained-replace");
    let text = |name: &str| scratch.path(name).display().to_string();
    leave_stale(scratch.path("stale"));
    fs::write(scratch.path("file"), "").unwrap();
    let _used = UnixListener::bind(scratch.path("used")).unwrap();
    for (words, expects_hint) in [
        (vec!["serve", &text("stale"), "--method=A.B=cat"], true),
        (vec!["trace", "--to", "/no/such.sock", "--listen", &text("stale")], true),
        (vec!["serve", &text("file"), "--method=A.B=cat"], false),
        (vec!["serve", &text("used"), "--method=A.B=cat", "--replace"], false),
    ] {
        let error = urpc(&words).failure(3);
        assert_eq!(error.contains("--replace"), expects_hint, "{error}");
    }
}

/// The error of the command for a peer that answers the call with `reply` and ends.
fn answered_with(name: &str, reply: &'static [u8], status: i32) -> String {
    let scratch = Scratch::new(name);
    let listener = UnixListener::bind(scratch.path("socket")).unwrap();
    let peer = thread::spawn(move || {
        use std::io::{Read, Write};
        let mut peer = listener.accept().unwrap().0;
        assert!(peer.read(&mut [0; 100]).unwrap() > 0);
        peer.write_all(reply).unwrap();
    });
    let path = scratch.path("socket").display().to_string();
    let error = urpc(&["call", &path, "A.B"]).failure(status);
    peer.join().unwrap();
    error
}

#[test]
fn an_end_within_a_reply_and_an_end_without_one_are_two_messages() {
    let none = answered_with("explained-none", b"", 3);
    assert!(none.contains("without a reply") && !none.contains("message"), "{none}");
    let half = answered_with("explained-half", b"{\"success\":tr", 3);
    assert!(half.contains("in the middle of a message") && !half.contains("reply"), "{half}");
}

#[test]
fn an_http_peer_is_quoted() {
    let http = b"HTTP/1.1 400 Bad Request\r\nServer: a\r\n\r\n";
    let error = answered_with("explained-http", http, 3);
    assert!(error.contains("the peer speaks HTTP: 'HTTP/1.1 400 Bad Request'"), "{error}");
    let long = answered_with(
        "explained-long",
        b"HTTP/1.1 500 \x1b[2J0123456789012345678901234567890123456789",
        3,
    );
    assert!(long.contains(r"'HTTP/1.1 500 \x1b[2J"), "{long}");
    assert!(long.len() < 150 && !long.contains('\x1b'), "{long}");
}

#[test]
fn what_a_server_refuses_is_logged_with_the_option_that_allows_it() {
    let scratch = Scratch::new("explained-log");
    let path = scratch.path("s").display().to_string();
    let arguments = ["serve", &path, "--method=A.B=cat", "--max-files=1"];
    let mut server = Running::start(&mut command(&arguments));
    let error = urpc(&["call", &path, "A.B", "--file=/dev/null", "--file=/dev/null"]).failure(1);
    assert!(error.contains("too many files"), "{error}");
    let said = server.line();
    assert!(
        said.ends_with("too many files: 2, and the limit is 1 (raise --max-files)\n"),
        "{said}"
    );
}
