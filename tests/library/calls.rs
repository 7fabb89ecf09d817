//! Calls between a client and a server through the public API.

use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use crate::support;
use crate::support::{Probe, client_of, connect, identity, read_message, send, success};
use urpc::{Client, Error, FileCheck, FileError, FileKind, Files, Limits, Server, Service};

urpc::record! {
    /// The argument and result of the methods with files.
    #[derive(Debug, Default)]
    pub struct WithFiles {
        pub count: usize,
        pub files: Files,
    }
}

fn peer() -> Server {
    let server = Server::new();
    server.register(
        Service::new("Peer", ())
            .method("Echo", |_: &(), text: String| Ok::<_, String>(text))
            .method("Fail", |_: &(), text: String| Err::<(), _>(text))
            .method("Return", |_: &(), arg: WithFiles| {
                Ok::<_, String>(WithFiles { count: arg.files.len(), files: arg.files })
            })
            .method("Count", |_: &(), arg: WithFiles| Ok::<_, String>(arg.files.len()))
            .method("Make", |_: &(), count: usize| {
                let files = (0..count).map(|_| std::fs::File::open("/dev/null").unwrap()).collect();
                Ok::<_, String>(WithFiles { count, files })
            }),
    );
    server
}

fn files_of(count: usize) -> WithFiles {
    let files = (0..count).map(|_| std::fs::File::open("/dev/null").unwrap()).collect();
    WithFiles { count, files }
}

#[test]
fn a_method_gets_its_argument_and_the_caller_its_result() {
    let server = peer();
    let client = client_of(&server);
    assert_eq!(client.call::<String>("Peer.Echo", "hello").unwrap(), "hello");
}

#[test]
fn a_failed_method_is_a_remote_error_with_its_text_and_the_client_goes_on() {
    let server = peer();
    let client = client_of(&server);
    let error = client.call::<()>("Peer.Fail", "no <b>&\u{2028} such").unwrap_err();
    assert_eq!(error.as_remote().unwrap().message(), "no <b>&\u{2028} such");
    assert!(error.is_usable());
    let error = client.call::<()>("Peer.Fail", "").unwrap_err();
    assert_eq!(error.as_remote().unwrap().message(), "");
    assert_eq!(client.call::<String>("Peer.Echo", "on").unwrap(), "on");
}

#[test]
fn an_unknown_method_is_refused_with_the_text_of_go() {
    let server = peer();
    let client = client_of(&server);
    let error = client.call::<()>("Peer.Nothing", &()).unwrap_err();
    assert_eq!(error.as_remote().unwrap().message(), "unknown method");
}

#[test]
fn thirty_two_files_go_each_way_and_stay_what_they_are() {
    if !support::available::many_files() {
        return;
    }
    let server = peer();
    let client = client_of(&server);
    let (probes, files): (Vec<_>, Vec<_>) = (0..32)
        .map(|_| {
            let (file, probe) = Probe::new();
            (probe, file)
        })
        .unzip();
    let sent: Vec<_> = files.iter().map(identity).collect();
    let arg = WithFiles { count: 0, files: files.into_iter().collect() };
    let reply: WithFiles = client.call("Peer.Return", &arg).unwrap();
    assert_eq!(reply.count, 32);
    assert_eq!(reply.files.iter().map(identity).collect::<Vec<_>>(), sent);
    drop((arg, reply));
    probes.iter().for_each(Probe::wait_closed);
}

#[test]
fn thirty_three_files_are_refused_on_either_side() {
    if !support::available::many_files() {
        return;
    }
    let server = peer();
    let client = client_of(&server);
    let error = client.call::<usize>("Peer.Count", &files_of(33)).unwrap_err();
    assert!(error.to_string().starts_with("Peer.Count: too many files"), "{error}");
    assert!(matches!(error, Error::TooManyFiles { count: 33, limit: 32, .. }));
    let error = client.call::<WithFiles>("Peer.Make", &33).unwrap_err();
    assert_eq!(error.as_remote().unwrap().message(), "too many files");
    assert_eq!(client.call::<usize>("Peer.Count", &files_of(32)).unwrap(), 32);
}

#[test]
fn a_wrong_file_is_a_named_error_is_closed_and_the_client_goes_on() {
    const PIPE: FileCheck = FileCheck::new().kind(FileKind::Pipe);
    let server = Server::new();
    server.register(Service::new("Peer", ()).method("Take", |_: &(), mut files: Files| {
        let [_first, _second] = files.take_checked(&[PIPE; 2])?;
        Ok::<_, FileError>(())
    }));
    let client = client_of(&server);
    let (_reader, pipe) = urpc::process::pipe().unwrap();
    let ((wrong, probe), take) = (Probe::new(), "Peer.Take");
    let files = Files::from([pipe.into(), wrong]);
    let error = client.call::<()>(take, &files).unwrap_err();
    let expected = "Peer.Take: remote error: file 1: expected a pipe, found a Unix socket";
    assert_eq!(error.to_string(), expected);
    drop(files);
    probe.wait_closed();
    let error = client.call::<()>(take, &Files::new()).unwrap_err();
    assert_eq!(error.as_remote().unwrap().message(), "expected 2 files, 0 came");
    let (reader, writer) = urpc::process::pipe().unwrap();
    client.call::<()>(take, &Files::from([reader, writer])).unwrap();
}

#[test]
fn a_closed_client_says_so() {
    let server = peer();
    let client = client_of(&server);
    client.close();
    client.close();
    assert!(matches!(client.call::<()>("Peer.Echo", ""), Err(Error::Closed)));
}

#[test]
fn call_raw_brings_text_and_files_both_ways() {
    let server = peer();
    let client: Client = client_of(&server);
    let (file, probe) = Probe::new();
    let (text, mut files) =
        client.call_raw("Peer.Return", br#" { "count" : 5 } "#, &[file.as_fd()]).unwrap();
    assert_eq!(text.as_bytes(), br#"{"count":1}"#);
    let back: OwnedFd = files.release(0).unwrap();
    assert_eq!(identity(&back), identity(&file));
    drop((file, back));
    probe.wait_closed();
}

#[test]
fn what_a_server_sends_after_its_reply_is_not_taken_for_the_next() {
    let (ours, theirs) = urpc::Socket::pair().unwrap();
    let client = Client::new(ours);
    let reply = br#"{"success":true,"err":"","result":1}"#;
    support::send(&theirs, &[&reply[..], b" \n", reply].concat(), &[]);
    assert_eq!(client.call::<i32>("Peer.Any", &()).unwrap(), 1);
    assert!(matches!(client.call::<i32>("Peer.Any", &()), Err(Error::UnexpectedReply)));
    assert!(matches!(client.call::<i32>("Peer.Any", &()), Err(Error::Finished(_))));
}

#[test]
fn a_call_that_there_is_no_memory_for_is_answered_whatever_its_method() {
    let limits = Limits { total_bytes: 200_000, ..Limits::default() };
    let server = Server::builder().limits(limits).build();
    let echo = |_: &(), n: i64| Ok::<_, String>(n);
    server.register(Service::new("Peer", ()).method("Echo", echo));
    let socket = connect(&server);
    let arg = "x".repeat(1 << 20);
    // What follows the text that was dropped is not known, so what came before it does not count.
    for large in [
        format!(r#"{{"arg":"{arg}","method":"Peer.Echo"}}"#),
        format!(r#"{{"method":1,"arg":"{arg}","method":"Peer.Echo"}}"#),
    ] {
        send(&socket, large.as_bytes(), &[]);
        let reply = read_message(&socket).0;
        assert!(reply.contains("out of memory"), "{reply}");
    }
    send(&socket, br#"{"method":"Peer.Echo","arg":1}"#, &[]);
    assert_eq!(read_message(&socket).0, success("1"));
    server.stop(Duration::ZERO);
}
