//! What errors report: text, cause, kind, number, limit, method, and whether the client is usable.

use std::error::Error as _;
use std::io::{self, ErrorKind};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use crate::support::limit;
use urpc::{
    Client, Credentials, Error, Limit, Limits, Listener, RemoteError, Server, Service, Socket,
    json, process, socket,
};

const EBADF: i32 = 9;
const ENOSPC: i32 = 28;

/// An error that a call of `A.B` returns if `method` is given.
struct Case {
    error: Error,
    text: &'static str,
    kind: ErrorKind,
    is_usable: bool,
}

fn syntax() -> json::Error {
    json::from_str::<i64>("]").unwrap_err()
}

/// The errors that concern one call, with the method's name or without.
fn errors_of_calls(method: Option<Box<str>>) -> Vec<Case> {
    let mut cases = Vec::from(errors_of_limits(&method));
    cases.extend(errors_of_messages(&method));
    cases.extend(errors_of_the_system(&method));
    cases
}

fn case(error: Error, text: &'static str, kind: ErrorKind, is_usable: bool) -> Case {
    Case { error, text, kind, is_usable }
}

fn errors_of_limits(method: &Option<Box<str>>) -> [Case; 7] {
    let m = || method.clone();
    let after = Duration::from_secs(2);
    let doing = || "".into();
    let timed = |name, mid_message| Error::TimedOut {
        method: m(),
        doing: doing(),
        name,
        after,
        mid_message,
    };
    let files = |name| Error::TooManyFiles { method: m(), count: 9, limit: 8, name };
    let memory = |limit, mid_message| Error::OutOfMemory { method: m(), limit, mid_message };
    let too_large = Error::MessageTooLarge { method: m(), limit: 64 };
    let bytes = "the limit is 64 bytes (raise Limits::message_bytes)";
    [
        case(timed(Limit::CallTime, false), "raise Limits::call_time", ErrorKind::TimedOut, true),
        case(timed(Limit::SendTime, true), "after 2s", ErrorKind::TimedOut, false),
        case(files(Limit::SendFiles), "raise Limits::send_files", ErrorKind::InvalidInput, true),
        case(files(Limit::ReceiveFiles), "Limits::receive_files", ErrorKind::InvalidData, true),
        case(too_large, bytes, ErrorKind::InvalidData, false),
        case(memory(Some(7), false), "raise Limits::total_bytes", ErrorKind::OutOfMemory, true),
        case(memory(None, true), "the system has none left", ErrorKind::OutOfMemory, false),
    ]
}

fn errors_of_messages(method: &Option<Box<str>>) -> [Case; 5] {
    let m = || method.clone();
    let wrong = "invalid character ']' at byte 0, expected a value";
    let truncated = Error::ControlTruncated { method: m() };
    let malformed = Error::Malformed { method: m(), source: syntax() };
    let http = Error::Http { method: m(), said: "HTTP/1.1 400".into() };
    let argument = Error::Argument { method: m(), source: syntax() };
    let result = Error::Result { method: m(), source: syntax() };
    [
        case(truncated, "control data truncated", ErrorKind::InvalidData, true),
        case(malformed, wrong, ErrorKind::InvalidData, false),
        case(http, "the peer speaks HTTP: 'HTTP/1.1 400'", ErrorKind::InvalidData, false),
        case(argument, wrong, ErrorKind::InvalidInput, true),
        case(result, wrong, ErrorKind::InvalidData, true),
    ]
}

fn errors_of_the_system(method: &Option<Box<str>>) -> [Case; 5] {
    let m = || method.clone();
    let ended = |mid_message, without_reply| Error::Disconnected {
        method: m(),
        mid_message,
        without_reply,
    };
    let system = |doing: &'static str, mid_message| Error::Io {
        method: m(),
        doing: doing.into(),
        source: Arc::new(io::Error::from_raw_os_error(ENOSPC)),
        hint: "".into(),
        mid_message,
    };
    [
        case(ended(true, true), "without a reply", ErrorKind::UnexpectedEof, false),
        case(ended(true, false), "in the middle of a message", ErrorKind::UnexpectedEof, false),
        case(ended(false, false), "the peer is gone", ErrorKind::BrokenPipe, false),
        case(system("send", false), "send: No space left", ErrorKind::StorageFull, true),
        case(system("receive", true), "receive: No space left", ErrorKind::StorageFull, false),
    ]
}

/// The errors that do not concern one call of a client.
fn other_errors() -> Vec<Case> {
    let case = |error, text, kind| Case { error, text, kind, is_usable: false };
    let failure = errors_of_calls(Some("A.B".into())).pop().unwrap().error;
    vec![
        case(Error::Closed, "closed on this side", ErrorKind::ConnectionAborted),
        case(Error::UnexpectedReply, "after an earlier reply", ErrorKind::InvalidData),
        case(
            Error::Finished(Arc::new(failure)),
            "an earlier failure finished this client: A.B: receive: No space left",
            ErrorKind::NotConnected,
        ),
        case(Error::Stopped, "the server was stopped", ErrorKind::ConnectionAborted),
        case(
            Error::TooManyClients { limit: 3 },
            "raise Limits::clients)",
            ErrorKind::ConnectionRefused,
        ),
        case(
            Error::TooManyClientsOfUser { uid: 4, limit: 3 },
            "clients of uid 4: the limit is 3 (raise Limits::clients_per_user)",
            ErrorKind::ConnectionRefused,
        ),
        case(
            Error::Unauthorized(Credentials { pid: 1, uid: 4, gid: 5 }),
            "refused uid 4 gid 5",
            ErrorKind::PermissionDenied,
        ),
    ]
}

/// The error and its causes as `{:#}` of anyhow prints them.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(&format!(": {cause}"));
        next = cause.source();
    }
    text
}

fn check(case: &Case) {
    let Case { error, text, kind, is_usable } = case;
    let shown = error.to_string();
    assert!(shown.contains(text), "{shown}");
    assert_eq!(chain(error), shown, "each cause is printed once");
    assert_eq!(error.is_usable(), *is_usable, "{shown}");
    let has_number = shown.contains("No space left");
    assert_eq!(error.raw_os_error(), has_number.then_some(ENOSPC), "{shown}");
    let named = shown.find("Limits::").map(|at| shown[at..].split([' ', ')']).next().unwrap());
    assert_eq!(error.limit().map(|limit| limit.to_string()).as_deref(), named, "{shown}");

    let converted = io::Error::from(error.clone());
    assert_eq!((converted.kind(), &converted.to_string()), (*kind, &shown));
    assert_eq!(chain(&converted), shown);
    let back = Error::from(converted);
    assert_eq!(format!("{back:?}"), format!("{error:?}"), "the error comes out unchanged");
}

#[test]
fn every_error_of_a_call_names_its_method_and_each_cause_once() {
    for case in errors_of_calls(Some("A.B".into())) {
        check(&case);
        assert_eq!(case.error.method(), Some("A.B"));
        assert!(case.error.to_string().starts_with("A.B: "), "{}", case.error);
    }
}

#[test]
fn an_error_that_no_call_returned_names_no_method_and_leaves_no_client_to_use() {
    for case in errors_of_calls(None) {
        let may_be_of_connecting = matches!(case.error, Error::TimedOut { .. } | Error::Io { .. });
        check(&Case { is_usable: case.is_usable && !may_be_of_connecting, ..case });
    }
    for case in other_errors() {
        check(&case);
        assert_eq!(case.error.method(), None, "{}", case.error);
    }
    let error = Client::connect("/no/such/directory/socket").unwrap_err();
    assert!(!error.is_usable() && error.method().is_none(), "{error:?}");
}

#[test]
fn an_io_error_is_shown_as_it_is() {
    let file = std::fs::File::open("/no/such/file").unwrap_err();
    let (text, number) = (file.to_string(), file.raw_os_error());
    let error = Error::from(file);
    assert_eq!((error.to_string(), error.raw_os_error()), (text, number));
    assert!(number.is_some() && error.source().is_none() && !error.is_usable());
    // The text lacks a further cause, so `source` returns it.
    let deep = io::Error::other(io::Error::other(Outer(syntax())));
    assert_eq!(chain(&Error::from(deep)), format!("outer: {}", syntax()));
}

#[derive(Debug)]
struct Outer(json::Error);

impl std::fmt::Display for Outer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("outer")
    }
}

impl std::error::Error for Outer {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

#[test]
fn an_error_that_names_an_address_keeps_its_number() {
    for error in [
        Listener::bind("/no/such/directory/socket").unwrap_err(),
        Socket::connect("/no/such/directory/socket").unwrap_err(),
    ] {
        assert!(error.to_string().contains("/no/such/directory/socket: "), "{error}");
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert_eq!(Error::from(error).raw_os_error(), Some(2));
    }
}

#[test]
fn what_an_error_means_stands_behind_its_cause_and_its_number_is_kept() {
    let shown = |path: &str| {
        let error = Error::from(Socket::connect(path).unwrap_err());
        (error.to_string(), error.raw_os_error())
    };
    let (text, number) = shown("http://localhost/x");
    let cause = "cannot connect to http://localhost/x: No such file or directory (os error 2)";
    assert_eq!(text, format!("{cause}; an address is the path of a Unix socket"));
    assert_eq!(number, Some(2));
    let (text, _) = shown("/");
    assert!(text.ends_with("; it is a directory, not a Unix socket"), "{text}");

    let limit = Duration::from_millis(1);
    let error = socket::connect_when_ready(Some(limit), |left| {
        Socket::connect_within("http://localhost/x", left)
    });
    let error = Error::from(error.unwrap_err());
    let meaning = "an address is the path of a Unix socket; waited 1ms for a server";
    assert_eq!(error.to_string(), format!("{cause}; {meaning}"));
    assert_eq!(error.raw_os_error(), Some(2));
    assert_eq!(Error::from(process::inherited(i32::MAX).unwrap_err()).raw_os_error(), Some(EBADF));
}

#[test]
fn connecting_that_takes_too_long_names_the_address_and_the_limit() {
    limit::limit_test();
    let path = std::env::temp_dir().join(format!("urpc-errors-{}", std::process::id()));
    let _busy = Listener::bind(&path).unwrap();
    let limit = Duration::from_millis(20);
    // One after the other they fill the queue of a server that accepts none. They stay there when
    // they are closed.
    let error = loop {
        if let Err(error) = Socket::connect_within(&path, Some(limit)) {
            break error;
        }
    };
    let text = format!("cannot connect to {}: no server accepted within 20ms", path.display());
    assert!(error.kind() == ErrorKind::TimedOut && error.to_string().starts_with(&text), "{error}");
    let mut attempts = 0;
    let error = socket::connect_when_ready(Some(limit), |left| {
        attempts += 1;
        if attempts == 1 {
            Err(ErrorKind::NotFound.into())
        } else {
            Socket::connect_within(&path, left)
        }
    });
    let error = error.unwrap_err().to_string();
    assert!(error.starts_with(&text), "the whole time, not what was left of it: {error}");
    for wait in [false, true] {
        let limits = Limits { connect_time: Some(limit), ..Limits::for_client() };
        let error = Client::builder().limits(limits).wait(wait).connect(&path).err().unwrap();
        let raise = "(raise Limits::connect_time to wait longer)";
        assert_eq!(error.to_string(), format!("{text} {raise}"));
        assert_eq!(error.limit(), Some(Limit::ConnectTime));
        assert!(!error.is_usable());
    }
}

#[test]
fn a_send_or_receive_that_cannot_be_says_why() {
    let (ours, theirs) = Socket::pair().unwrap();
    let null = std::fs::File::open("/dev/null").unwrap();
    let refused = |bytes: &[u8], count| {
        let error = ours.send(bytes, &vec![null.as_fd(); count]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        error.to_string()
    };
    assert_eq!(refused(b"x", 254), "more than 253 files in one send");
    assert_eq!(refused(b"", 1), "files are sent with at least one byte");
    let error = theirs.try_receive(&mut [], 0).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert_eq!(error.to_string(), "no room in the buffer");
    ours.send(b"x", &[null.as_fd(), null.as_fd()]).unwrap();
    let error = theirs.receive(&mut [0], 1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    assert_eq!(error.to_string(), "too many files: 2, and max_files is 1");
}

/// A client of a server whose `Peer.Fail` fails with the text that it is called with.
fn client() -> Client {
    client_with(Limits::for_client())
}

fn client_with(limits: Limits) -> Client {
    let server = Server::new();
    server.register(
        Service::new("Peer", ())
            .method("Fail", |_: &(), text: String| Err::<(), _>(text))
            .method("Echo", |_: &(), value: json::RawJson| Ok::<_, String>(value)),
    );
    let (ours, theirs) = Socket::pair().unwrap();
    server.start_handling(theirs).unwrap();
    // Otherwise the server would end when it is dropped.
    std::mem::forget(server);
    Client::builder().limits(limits).build(ours)
}

#[test]
fn a_reply_beyond_a_limit_of_decoding_is_an_error_with_that_limit() {
    limit::limit_test();
    let client =
        client_with(Limits { typed_depth: 2, decoded_bytes: 4000, ..Limits::for_client() });
    let lists = client.call::<Vec<Vec<Vec<u8>>>>("Peer.Echo", &[[[1]]]).unwrap_err();
    let bytes = client.call::<Vec<u64>>("Peer.Echo", &vec![1; 1000]).unwrap_err();
    let other = client.call::<String>("Peer.Echo", &[1]).unwrap_err();
    for (error, limit, said) in [
        (lists, Some(Limit::TypedDepth), "(raise typed_depth)"),
        (bytes, Some(Limit::DecodedBytes), "(raise decoded_bytes)"),
        (other, None, "expected a string"),
    ] {
        assert!(matches!(&error, Error::Result { .. }) && error.is_usable(), "{error}");
        assert_eq!(error.limit(), limit, "{error}");
        assert!(error.to_string().contains(said), "{error}");
    }
}

#[test]
fn a_remote_error_says_so_and_keeps_its_bare_text() {
    limit::limit_test();
    let client = client();
    for (text, shown) in [
        ("no such box", "Peer.Fail: remote error: no such box"),
        ("", "Peer.Fail: remote error without a text"),
    ] {
        let error = client.call::<()>("Peer.Fail", text).unwrap_err();
        assert_eq!((error.to_string().as_str(), chain(&error).as_str()), (shown, shown));
        let remote = error.as_remote().unwrap();
        assert_eq!((remote.message(), remote.to_string().as_str()), (text, text));
        assert_eq!((error.method(), error.is_usable()), (Some("Peer.Fail"), true));
        assert_eq!(io::Error::from(error).kind(), ErrorKind::Other);
    }
}

#[test]
fn a_method_that_fails_with_a_remote_error_passes_its_bare_text_on() {
    limit::limit_test();
    let inner = client();
    let server = Server::new();
    server.register(
        Service::new("Relay", inner)
            .method("Error", |inner: &Client, text: String| inner.call::<()>("Peer.Fail", &text))
            .method("Remote", |inner: &Client, text: String| {
                let error = inner.call::<()>("Peer.Fail", &text).unwrap_err();
                Err::<(), RemoteError>(error.as_remote().unwrap().clone())
            }),
    );
    let (ours, theirs) = Socket::pair().unwrap();
    server.start_handling(theirs).unwrap();
    let outer = Client::new(ours);
    for method in ["Relay.Error", "Relay.Remote"] {
        let error = outer.call::<()>(method, "busy").unwrap_err();
        assert_eq!(error.as_remote().map(RemoteError::message), Some("busy"));
        assert_eq!(error.to_string(), format!("{method}: remote error: busy"));
    }
    drop(outer);
    server.stop(Duration::ZERO);
}

#[test]
fn a_long_or_hostile_name_of_a_method_is_cut_and_escaped() {
    limit::limit_test();
    let client = client();
    let shown = |method: &str| client.call::<()>(method, &()).unwrap_err().to_string();
    assert_eq!(shown("A\n\u{1b}[2J.B"), r"A\n\u{1b}[2J.B: remote error: unknown method");
    let long = "ä".repeat(1 << 16);
    assert_eq!(shown(&long), format!("{}...: remote error: unknown method", "ä".repeat(64)));
    let fits = "a".repeat(128);
    assert_eq!(shown(&fits), format!("{fits}: remote error: unknown method"));
    assert_eq!(shown(&format!("{fits}ä")), format!("{fits}...: remote error: unknown method"));
}

#[test]
fn an_error_of_a_finished_client_names_the_call_that_finished_it() {
    limit::limit_test();
    let (ours, theirs) = Socket::pair().unwrap();
    let limits = Limits { call_time: Some(Duration::from_millis(20)), ..Limits::for_client() };
    let client = Client::builder().limits(limits).build(ours);
    let first = client.call::<()>("A.First", &()).unwrap_err();
    assert_eq!(first.limit(), Some(Limit::CallTime));
    let second = client.call::<()>("A.Second", &()).unwrap_err();
    assert!(matches!(&second, Error::Finished(earlier) if earlier.method() == Some("A.First")));
    assert_eq!(second.to_string(), format!("an earlier failure finished this client: {first}"));
    assert!(second.limit().is_none() && !second.is_usable());
    drop(theirs);
}
