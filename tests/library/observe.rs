//! The observer: which events it gets, in which order, and that they contain no payload.

use std::os::fd::AsFd;
use std::time::Duration;

use crate::counts::wait_until;
use crate::support;
use crate::support::{Journal, Probe, connect, read_to_end, send};
use urpc::{Event, Files, Limits, Server, ServerBuilder, Service, Socket};

/// A server that records its events, one line each.
fn observed(builder: ServerBuilder) -> (Server, Journal) {
    let journal = Journal::new();
    let notes = journal.clone();
    let server = builder.observe(move |event| notes.note(line(event))).build();
    server.register(
        Service::new("Peer", ())
            .method("Echo", |_: &(), text: String| Ok::<_, String>(text))
            .method("Fail", |_: &(), text: String| Err::<(), _>(text))
            .method("Panic", |_: &(), text: String| match text.as_str() {
                "" => Ok::<_, String>(()),
                _ => panic!("{text}"),
            })
            .method("Big", |_: &(), _: ()| Ok::<_, String>("x".repeat(1 << 20)))
            .method("NaN", |_: &(), _: String| Ok::<_, String>(f64::NAN))
            .method("Nothing", |_: &(), _: String| Ok::<_, String>(WritesNothing))
            .method("Files", |_: &(), files: Files| Ok::<_, String>(files.len())),
    );
    (server, journal)
}

/// A result whose `ToJson` writes nothing.
struct WritesNothing;

impl urpc::json::ToJson for WritesNothing {
    fn encode(&self, _: &mut urpc::json::Encoder<'_>) -> Result<(), urpc::json::Aborted> {
        Ok(())
    }
}

fn line(event: &Event<'_>) -> String {
    match event {
        Event::Accepted { client, credentials } => {
            assert_eq!(credentials.pid, std::process::id());
            format!("{client} accepted")
        }
        Event::Refused { reason } => format!("refused: {reason}"),
        Event::Disconnected { client, reason: None } => format!("{client} gone"),
        Event::Disconnected { client, reason: Some(reason) } => format!("{client} gone: {reason}"),
        Event::CallStarted { client, method } => format!("{client} began {method}"),
        Event::CallEnded { client, method, outcome, .. } => {
            format!("{client} ended {method}: {outcome:?}")
        }
        Event::MessageRefused { client, reason } => format!("{client} message refused: {reason}"),
        other => format!("{other:?}"),
    }
}

/// The events of a client that sends `bytes` and ends.
fn events_of(server: &Server, journal: &Journal, bytes: &[u8]) -> Vec<String> {
    let socket = connect(server);
    send(&socket, bytes, &[]);
    socket.shutdown_send().unwrap();
    read_to_end(&socket);
    // The thread has ended when the last event was reported.
    server.stop(Duration::ZERO);
    journal.entries()
}

#[test]
fn each_call_is_reported_with_its_method_and_outcome_in_order() {
    let (server, journal) = observed(Server::builder());
    let calls = ["Peer.Echo", "Peer.Fail", "Peer.Panic", "Peer.NaN", "Peer.Nothing", "No.No"]
        .map(|method| format!(r#"{{"method":"{method}","arg":"secret"}}"#))
        .concat();
    let bad = r#"{"method":"Peer.Echo","arg":["secret"]}"#;
    let entries = events_of(&server, &journal, format!("{calls}{bad}").as_bytes());
    let expected = [
        "1 accepted",
        "1 began Peer.Echo",
        "1 ended Peer.Echo: Succeeded",
        "1 began Peer.Fail",
        "1 ended Peer.Fail: Failed",
        "1 began Peer.Panic",
        "1 ended Peer.Panic: Panicked",
        "1 began Peer.NaN",
        "1 ended Peer.NaN: BadResult",
        "1 began Peer.Nothing",
        "1 ended Peer.Nothing: BadResult",
        "1 began No.No",
        "1 ended No.No: UnknownMethod",
        "1 began Peer.Echo",
        "1 ended Peer.Echo: BadArgument",
        "1 gone",
    ];
    assert_eq!(entries, expected);
}

#[test]
fn a_message_refused_for_its_files_is_reported_and_the_call_ends_as_refused() {
    if !support::available::many_files() {
        return;
    }
    let (server, journal) = observed(Server::builder());
    let (socket, (file, _probe)) = (connect(&server), Probe::new());
    send(&socket, br#"{"method":"Peer.Files","arg":{}}"#, &[file.as_fd(); 33]);
    socket.shutdown_send().unwrap();
    read_to_end(&socket);
    server.stop(Duration::ZERO);
    let expected = [
        "1 accepted",
        "1 began Peer.Files",
        "1 message refused: too many files: 33, and the limit is 32 (raise Limits::receive_files)",
        "1 ended Peer.Files: Refused",
        "1 gone",
    ];
    assert_eq!(journal.entries(), expected);
}

#[test]
fn a_message_that_ends_the_connection_is_reported_with_no_more_than_a_piece_of_it() {
    let secret = "secret".repeat(100);
    let (server, journal) = observed(Server::builder());
    let entries = events_of(&server, &journal, format!("{{\"method\":[\"{secret}\"]}}").as_bytes());
    assert_eq!(entries[0], "1 accepted");
    assert!(
        entries[1].starts_with("1 message refused: malformed message: method: "),
        "{entries:?}"
    );
    assert!(entries[2].starts_with("1 gone: malformed message: "), "{entries:?}");
    assert_eq!(entries.len(), 3);
    assert!(entries.iter().all(|entry| entry.len() < 200), "{entries:?}");
    // A value of the wrong type, and invalid bytes.
    for said in ["{\"method\":98765}", "{\"method\":\"a\" 98765}", "98765 ", "\"98765\""] {
        let (server, journal) = observed(Server::builder());
        let entries = events_of(&server, &journal, said.as_bytes()).concat();
        assert!(entries.contains("malformed") && !entries.contains("98"), "{entries}");
    }
    let limits = Limits { message_bytes: 64, ..Limits::default() };
    let (server, journal) = observed(Server::builder().limits(limits));
    let entries = events_of(&server, &journal, format!("{{\"{secret}").as_bytes());
    let text = "message too large: the limit is 64 bytes (raise Limits::message_bytes)";
    let expected =
        ["1 accepted".to_owned(), format!("1 message refused: {text}"), format!("1 gone: {text}")];
    assert_eq!(entries, expected);
}

#[test]
fn of_a_method_that_there_is_not_no_more_is_shown_than_a_piece_of_its_name() {
    let (server, journal) = observed(Server::builder());
    let name = format!(r"\n\u001b{}", "secret".repeat(100));
    let call = format!(r#"{{"method":"{name}","arg":1}}"#);
    let entries = events_of(&server, &journal, call.as_bytes());
    let told = r"\n\x1bsecretsecretsecretsecretsecret...";
    let expected = [
        "1 accepted".to_owned(),
        format!("1 began {told}"),
        format!("1 ended {told}: UnknownMethod"),
        "1 gone".to_owned(),
    ];
    assert_eq!(entries, expected);
}

#[test]
fn which_time_limit_a_client_reached_is_reported_with_its_value() {
    let short = Some(Duration::from_millis(20));
    for (limits, sent, name) in [
        (Limits { idle_time: short, ..Limits::default() }, "", "idle_time"),
        (Limits { message_time: short, ..Limits::default() }, "{", "message_time"),
        (Limits { send_time: short, ..Limits::default() }, BIG, "send_time"),
    ] {
        let (server, journal) = observed(Server::builder().limits(limits));
        // Sent before the time begins to run, because a client that comes later would be too late.
        let (socket, theirs) = Socket::pair().unwrap();
        send(&socket, sent.as_bytes(), &[]);
        server.start_handling(theirs).unwrap();
        let gone = || journal.entries().into_iter().find(|entry| entry.starts_with("1 gone"));
        let text = format!("1 gone: timed out after 20ms (raise Limits::{name} to wait longer)");
        assert_eq!(wait_until(gone, || format!("{:?}", journal.entries())), text);
        drop(socket);
    }
}

/// A call whose result does not fit into the socket's buffers.
const BIG: &str = r#"{"method":"Peer.Big","arg":null}"#;

#[test]
fn why_a_client_is_gone_is_reported() {
    let (server, journal) = observed(Server::builder());
    let entries = events_of(&server, &journal, b"{");
    let reason = "the peer ended the connection in the middle of a message";
    assert_eq!(entries, ["1 accepted".to_owned(), format!("1 gone: {reason}")]);
}

#[test]
fn clients_are_numbered_in_order_and_those_refused_are_reported_without_a_number() {
    let (server, journal) =
        observed(Server::builder().limits(Limits { clients: 1, ..Limits::default() }));
    for _ in 0..2 {
        let (ours, theirs) = Socket::pair().unwrap();
        drop(ours);
        server.handle(theirs).unwrap();
    }
    server.stop(Duration::ZERO);
    let (_ours, theirs) = Socket::pair().unwrap();
    server.handle(theirs).unwrap_err();
    let expected =
        ["1 accepted", "1 gone", "2 accepted", "2 gone", "refused: the server was stopped"];
    assert_eq!(journal.entries(), expected);
    let (server, journal) = observed(Server::builder().authorize(|_| false));
    let (_ours, theirs) = Socket::pair().unwrap();
    server.handle(theirs).unwrap_err();
    assert!(journal.entries()[0].starts_with("refused: the server's check refused uid "));
    assert_eq!(journal.entries().len(), 1);
}
