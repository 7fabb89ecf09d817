//! Busy polling: calls, stop, close and limits where both sides poll for up to an hour.

use std::fs::File;
use std::time::Duration;

use crate::support;
use crate::support::{connect, read_message, read_to_end, send, success, within_timeout};
use urpc::{Client, Error, Files, Limits, Server, Service, Socket};

const HOUR: Duration = Duration::from_secs(3600);

fn spinning(limits: Limits) -> Limits {
    Limits { spin_time: HOUR, ..limits }
}

fn server(limits: Limits) -> Server {
    let server = Server::builder().limits(spinning(limits)).build();
    server.register(
        Service::new("Peer", ())
            .method("Echo", |_: &(), text: String| Ok::<_, String>(text))
            .method("Return", |_: &(), files: Files| Ok::<_, String>(files)),
    );
    server
}

fn client_of(server: &Server) -> Client {
    Client::builder().limits(spinning(Limits::for_client())).build(connect(server))
}

#[test]
fn small_and_large_calls_and_files_come_through() {
    if !support::available::many_files() {
        return;
    }
    let server = server(Limits::default());
    let client = client_of(&server);
    for text in ["x".to_owned(), "x".repeat(1 << 20)] {
        assert_eq!(client.call::<String>("Peer.Echo", &text).unwrap(), text);
    }
    let sent: Files = (0..32).map(|_| File::open("/dev/null").unwrap()).collect();
    assert_eq!(client.call::<Files>("Peer.Return", &sent).unwrap().len(), 32);
}

#[test]
fn stop_ends_a_server_that_looks_for_calls() {
    let server = server(Limits::default());
    let client = client_of(&server);
    client.call::<String>("Peer.Echo", "x").unwrap();
    let stopped = server.clone();
    within_timeout(move || stopped.stop(Duration::ZERO));
    assert!(client.call::<String>("Peer.Echo", "x").is_err());
}

#[test]
fn closing_ends_a_call_that_looks_for_its_reply() {
    let (ours, theirs) = Socket::pair().unwrap();
    let client = Client::builder().limits(spinning(Limits::for_client())).build(ours);
    let outcome = within_timeout(move || {
        std::thread::scope(|scope| {
            let call = scope.spawn(|| client.call::<String>("Peer.Echo", "x"));
            read_message(&theirs);
            client.close();
            call.join().unwrap()
        })
    });
    assert!(matches!(outcome, Err(Error::Closed)), "{outcome:?}");
}

#[test]
fn limits_of_time_hold() {
    let short = Some(Duration::from_millis(50));
    let silent = server(Limits { idle_time: short, ..Limits::default() });
    assert_eq!(within_timeout(move || read_to_end(&connect(&silent)).0), b"");

    let slow = server(Limits { message_time: short, ..Limits::default() });
    let outcome = within_timeout(move || {
        let (ours, theirs) = Socket::pair().unwrap();
        send(&ours, b"{", &[]);
        slow.handle(theirs)
    });
    assert!(matches!(outcome, Err(Error::TimedOut { .. })), "{outcome:?}");

    let (ours, _theirs) = Socket::pair().unwrap();
    let limits = spinning(Limits { call_time: short, ..Limits::for_client() });
    let client = Client::builder().limits(limits).build(ours);
    let outcome = within_timeout(move || client.call::<String>("Peer.Echo", "x"));
    assert!(matches!(outcome, Err(Error::TimedOut { .. })), "{outcome:?}");
}

#[test]
fn a_peer_that_trickles_is_answered() {
    let server = server(Limits::default());
    let socket = connect(&server);
    for byte in br#"{"method":"Peer.Echo","arg":"x"}"# {
        send(&socket, &[*byte], &[]);
    }
    assert_eq!(read_message(&socket).0, success(r#""x""#));
}
