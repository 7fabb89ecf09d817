//! The client: what ends one call, what ends the client, whose files are whose, and whose turn.

mod support;

use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use support::{Probe, failure, identity, read_message, read_to_end, send, success, within_timeout};
use urpc::json::RawJson;
use urpc::{Client, Error, Files, Limits, Socket};

urpc::record! {
    /// A result with files.
    #[derive(Debug, Default)]
    pub struct Item {
        pub n: i64 => "N",
        pub text: String => "Text",
        pub files: Files,
    }
}

/// A client, and the other end, on which the test answers.
fn client() -> (Arc<Client>, Socket) {
    client_with(Limits::for_client())
}

fn client_with(limits: Limits) -> (Arc<Client>, Socket) {
    support::limit::limit_test();
    let (ours, theirs) = Socket::pair().unwrap();
    (Arc::new(Client::builder().limits(limits).build(ours)), theirs)
}

/// Limits that give a call a fifth of a second.
fn hurried() -> Limits {
    Limits { call_time: Some(Duration::from_millis(200)), ..Limits::for_client() }
}

/// Calls until the time is over while the call is under way: how a call fails that waits for its
/// reply. On a machine that is busy it may be over before a byte was sent.
fn call_too_long(client: &Client, arg: &str) -> Error {
    let fails = || client.call::<i64>("Peer.Any", arg).unwrap_err();
    let before = |error: &Error| matches!(error, Error::TimedOut { mid_message: false, .. });
    let mut errors = std::iter::repeat_with(fails).take(50);
    errors.find(|error| !before(error)).expect("it sends nothing, however often it is tried")
}

/// Queues a reply, calls, and gives what the call gave.
fn answered<R: urpc::json::FromJson + Default>(
    client: &Client,
    server: &Socket,
    reply: &str,
) -> Result<R, Error> {
    send(server, reply.as_bytes(), &[]);
    let result = client.call("Peer.Any", &());
    read_message(server);
    result
}

/// Calls on a thread of its own.
fn call_aside(client: &Arc<Client>) -> thread::JoinHandle<Result<i64, Error>> {
    let client = Arc::clone(client);
    thread::spawn(move || client.call("Peer.Any", &()))
}

fn join(call: thread::JoinHandle<Result<i64, Error>>) -> Result<i64, Error> {
    within_timeout(move || call.join().unwrap())
}

/// Checks that the client answers every further call at once with the failure that finished it.
fn assert_finished(client: &Client, server: &Socket, failure: &str) {
    for _ in 0..2 {
        match client.call::<()>("Peer.Any", &()) {
            Err(Error::Finished(first)) => assert!(first.to_string().contains(failure), "{first}"),
            other => panic!("{other:?}"),
        }
    }
    // Its socket was shut down: whatever the server has read, the end is next.
    let _ = read_to_end(server);
}

#[test]
fn a_remote_error_leaves_it_usable_and_success_alone_decides() {
    let (client, server) = client();
    for (reply, text) in [
        (failure("no such thing"), "no such thing"),
        (failure(""), ""),
        (r#"{"err":"unsaid"}"#.to_owned(), "unsaid"),
        ("{}".to_owned(), ""),
        ("null".to_owned(), ""),
        (r#"{"success":null,"err":null,"result":3}"#.to_owned(), ""),
    ] {
        let error = answered::<i64>(&client, &server, &reply).unwrap_err();
        assert_eq!(error.as_remote().map(|remote| remote.message()), Some(text), "{reply}");
        assert!(error.is_usable());
    }
    let reply = r#"{"result":5,"err":"ignored","SUCCESS":true,"more":[]}"#;
    assert_eq!(answered::<i64>(&client, &server, reply).unwrap(), 5);
}

#[test]
fn a_result_that_does_not_fit_is_an_error_of_that_call_alone_and_its_files_are_closed() {
    let (client, server) = client();
    let (file, probe) = Probe::new();
    send(&server, success(r#"{"N":"x","Text":"fits"}"#).as_bytes(), &[file.as_fd()]);
    drop(file);
    let mut item = Item::default();
    let error = client.call_into("Peer.Any", &(), &mut item).unwrap_err();
    assert!(matches!(&error, Error::Result(_)) && error.is_usable(), "{error:?}");
    assert!(error.to_string().contains("result.N: expected"), "{error}");
    assert_eq!((item.text.as_str(), item.files.len()), ("fits", 0));
    read_message(&server);
    probe.wait_closed();
    assert_eq!(answered::<i64>(&client, &server, &success("1")).unwrap(), 1);
}

#[test]
fn files_go_to_a_result_that_carries_them_and_are_closed_otherwise() {
    let (client, server) = client();
    let (file, probe) = Probe::new();
    send(&server, success(r#"{"N":1}"#).as_bytes(), &[file.as_fd()]);
    let item: Item = client.call("Peer.Any", &()).unwrap();
    assert_eq!(item.files.iter().map(identity).collect::<Vec<_>>(), [identity(&file)]);
    drop((item, file));
    probe.wait_closed();
    let (file, probe) = Probe::new();
    send(&server, success("1").as_bytes(), &[file.as_fd()]);
    drop(file);
    assert_eq!(client.call::<i64>("Peer.Any", &()).unwrap(), 1);
    probe.wait_closed();
}

#[test]
fn files_of_a_remote_error_are_closed_except_where_the_value_is_the_callers() {
    let (client, server) = client();
    let (file, probe) = Probe::new();
    send(&server, failure("no").as_bytes(), &[file.as_fd()]);
    drop(file);
    assert!(client.call::<Item>("Peer.Any", &()).unwrap_err().as_remote().is_some());
    probe.wait_closed();
    let (file, probe) = Probe::new();
    let reply = br#"{"success":false,"err":"no","result":{"N":2}}"#;
    send(&server, reply, &[file.as_fd()]);
    let mut item = Item { n: 1, text: "kept".to_owned(), files: Files::new() };
    let error = client.call_into("Peer.Any", &(), &mut item).unwrap_err();
    assert_eq!(error.as_remote().unwrap().message(), "no");
    assert_eq!((item.n, item.text.as_str()), (2, "kept"));
    assert_eq!(item.files.iter().map(identity).collect::<Vec<_>>(), [identity(&file)]);
    drop((file, item));
    probe.wait_closed();
}

#[test]
fn call_into_merges_and_keeps_what_the_reply_does_not_name() {
    let (client, server) = client();
    let mut item = Item { n: 1, text: "kept".to_owned(), files: Files::new() };
    for (reply, n) in [
        (success(r#"{"N":2}"#), 2),
        (success("null"), 2),
        (r#"{"success":true}"#.to_owned(), 2),
        (r#"{"success":true,"result":{"N":3},"result":{"X":1}}"#.to_owned(), 3),
    ] {
        send(&server, reply.as_bytes(), &[]);
        client.call_into("Peer.Any", &(), &mut item).unwrap();
        assert_eq!((item.n, item.text.as_str()), (n, "kept"), "{reply}");
    }
}

#[test]
fn a_result_that_comes_again_is_stored_though_the_first_did_not_fit() {
    let (client, server) = client();
    let reply = r#"{"success":true,"result":{"N":"x"},"result":{"N":3}}"#;
    send(&server, reply.as_bytes(), &[]);
    let mut item = Item::default();
    let error = client.call_into("Peer.Any", &(), &mut item).unwrap_err();
    assert!(error.to_string().contains("result.N: expected"), "{error}");
    assert_eq!(item.n, 3);
}

#[test]
fn a_remote_error_goes_before_a_result_that_does_not_fit() {
    let (client, server) = client();
    for result in [r#"{"N":"x"}"#, "5"] {
        let reply = format!(r#"{{"success":false,"err":"no","result":{result}}}"#);
        send(&server, reply.as_bytes(), &[]);
        let error = client.call_into("Peer.Any", &(), &mut Item::default()).unwrap_err();
        assert_eq!(error.as_remote().map(|remote| remote.message()), Some("no"), "{error}");
        let error = answered::<Item>(&client, &server, &reply).unwrap_err();
        assert!(error.as_remote().is_some() && error.is_usable(), "{error}");
    }
}

#[test]
fn too_many_files_are_refused_before_anything_is_sent_with_the_limit_in_the_text() {
    let (client, server) = client_with(Limits { send_files: 2, ..Limits::for_client() });
    let (file, probe) = Probe::new();
    let error = client.call_raw("Peer.Any", b"1", &[file.as_fd(); 3]).unwrap_err();
    let text = "too many files: 3, and the limit is 2 (raise Limits::send_files)";
    assert_eq!(error.to_string(), text);
    assert!(error.is_usable() && !probe.is_closed(), "the files stay the caller's");
    send(&server, success("1").as_bytes(), &[]);
    client.call_raw("Peer.Any", b"1", &[file.as_fd(); 2]).unwrap();
    let (call, files) = read_message(&server);
    assert_eq!((call.as_str(), files.len()), (r#"{"method":"Peer.Any","arg":1}"#, 2));
}

#[test]
fn a_limit_beyond_the_kernels_own_is_the_kernels_own() {
    if !support::available::many_files() {
        return;
    }
    let limits = Limits { send_files: usize::MAX, ..Limits::for_client() };
    let (client, server) = client_with(limits);
    let file: OwnedFd = Probe::new().0;
    let error = client.call_raw("Peer.Any", b"1", &vec![file.as_fd(); 254]).unwrap_err();
    assert!(matches!(error, Error::TooManyFiles { count: 254, limit: 253, .. }), "{error:?}");
    send(&server, success("1").as_bytes(), &[]);
    client.call_raw("Peer.Any", b"1", &vec![file.as_fd(); support::MOST_FILES]).unwrap();
    assert_eq!(read_message(&server).1.len(), support::MOST_FILES);
}

#[test]
fn a_reply_with_too_many_files_is_refused_closed_and_leaves_it_usable() {
    let (client, server) = client_with(Limits { receive_files: 2, ..Limits::for_client() });
    let (file, probe) = Probe::new();
    send(&server, success("1").as_bytes(), &[file.as_fd(); 3]);
    drop(file);
    let error = client.call::<Item>("Peer.Any", &()).unwrap_err();
    assert!(matches!(error, Error::TooManyFiles { count: 3, limit: 2, .. }), "{error:?}");
    assert!(error.to_string().contains("raise Limits::receive_files"), "{error}");
    probe.wait_closed();
    read_message(&server);
    assert_eq!(answered::<i64>(&client, &server, &success("1")).unwrap(), 1);
}

#[test]
fn an_argument_that_json_cannot_carry_is_refused_before_anything_is_sent() {
    let (client, server) = client();
    let error = client.call::<()>("Peer.Any", &f64::NAN).unwrap_err();
    assert!(matches!(error, Error::Argument(_)) && error.is_usable(), "{error:?}");
    for text in ["", "[", "1 2", "nul"] {
        let error = client.call_raw("Peer.Any", text.as_bytes(), &[]).unwrap_err();
        assert!(matches!(error, Error::Argument(_)) && error.is_usable(), "{text}: {error:?}");
    }
    send(&server, success("1").as_bytes(), &[]);
    assert_eq!(client.call::<i64>("Peer.Any", "good").unwrap(), 1);
    assert_eq!(read_message(&server).0, r#"{"method":"Peer.Any","arg":"good"}"#, "and no more");
}

#[test]
fn the_callers_files_stay_open_and_the_callers() {
    let (client, server) = client();
    let (file, probe) = Probe::new();
    let arg = Item { n: 0, text: String::new(), files: Files::from(file) };
    for _ in 0..2 {
        send(&server, success("null").as_bytes(), &[]);
        client.call::<()>("Peer.Any", &arg).unwrap();
        assert_eq!(read_message(&server).1.len(), 1);
    }
    assert!(!probe.is_closed());
    drop(arg);
    probe.wait_closed();
}

#[test]
fn what_is_no_reply_finishes_it_and_later_calls_say_so_at_once() {
    for reply in ["{]", "[]", "7 ", r#"{"success":1}"#, r#"{"err":{}}"#] {
        let (client, server) = client();
        send(&server, reply.as_bytes(), &[]);
        let error = client.call::<()>("Peer.Any", &()).unwrap_err();
        assert!(matches!(error, Error::Malformed(_)) && !error.is_usable(), "{error:?}");
        assert_finished(&client, &server, "malformed message");
    }
}

#[test]
fn a_server_that_ends_without_a_reply_or_in_the_middle_of_one_finishes_it() {
    let ends = [("", "without a reply"), (r#"{"success":tr"#, "in the middle of a message")];
    for (sent, said) in ends {
        let (client, server) = client();
        let (file, probe) = Probe::new();
        send(&server, format!(" {sent}").as_bytes(), &[file.as_fd()]);
        server.shutdown_send().unwrap();
        drop(file);
        let error = client.call::<()>("Peer.Any", &()).unwrap_err();
        let Error::Disconnected { mid_message: true, without_reply } = error else {
            panic!("{error:?}");
        };
        assert_eq!(without_reply, sent.is_empty());
        assert!(!error.is_usable() && error.to_string().ends_with(said), "{error}");
        assert_finished(&client, &server, said);
        probe.wait_closed();
    }
}

#[test]
fn a_server_that_is_gone_finishes_it() {
    let (client, server) = client();
    drop(server);
    let error = client.call::<()>("Peer.Any", &()).unwrap_err();
    assert!(matches!(error, Error::Disconnected { .. }) && !error.is_usable(), "{error:?}");
    assert!(matches!(client.call::<()>("Peer.Any", &()), Err(Error::Finished(_))));
}

#[test]
fn a_reply_over_the_limit_finishes_it_with_the_limit_in_the_text() {
    let (client, server) = client_with(Limits { message_bytes: 64, ..Limits::for_client() });
    let text =
        |length: usize| success(&format!("\"{}\"", "x".repeat(length - success("\"\"").len())));
    assert!(answered::<String>(&client, &server, &text(64)).is_ok());
    let error = answered::<String>(&client, &server, &text(65)).unwrap_err();
    let expected = "message too large: the limit is 64 bytes (raise Limits::message_bytes)";
    assert_eq!(error.to_string(), expected);
    assert_finished(&client, &server, expected);
}

#[test]
fn a_call_whose_reply_is_late_finishes_it_and_closes_what_came() {
    let (client, server) = client_with(hurried());
    let (file, probe) = Probe::new();
    send(&server, br#"{"success":tr"#, &[file.as_fd()]);
    drop(file);
    let error = call_too_long(&client, "");
    assert!(matches!(error, Error::TimedOut { mid_message: true, .. }), "{error:?}");
    assert_eq!(error.to_string(), "timed out after 200ms (raise Limits::call_time to wait longer)");
    probe.wait_closed();
    assert_finished(&client, &server, "timed out after 200ms");
}

#[test]
fn a_call_whose_reply_does_not_begin_in_time_finishes_it() {
    let (client, server) = client_with(hurried());
    let error = call_too_long(&client, "");
    assert!(matches!(error, Error::TimedOut { mid_message: true, .. }), "{error:?}");
    assert_finished(&client, &server, "timed out");
}

#[test]
fn a_call_that_is_not_taken_in_time_finishes_it() {
    let (ours, _server) = Socket::pair().unwrap();
    ours.set_send_buffer(1).unwrap();
    let client = Client::builder().limits(hurried()).build(ours);
    // More than the kernel holds for such a socket, and no more: encoding it counts as well.
    let error = call_too_long(&client, &"x".repeat(1 << 16));
    assert!(matches!(error, Error::TimedOut { mid_message: true, .. }), "{error:?}");
    assert!(matches!(client.call::<()>("Peer.Any", &()), Err(Error::Finished(_))));
}

#[test]
fn a_client_has_the_limits_of_a_message_and_of_its_taking_too_if_it_asks_for_them() {
    let short = Some(Duration::from_millis(20));
    for (limits, length, name) in [
        (Limits { message_time: short, ..Limits::for_client() }, 1, "Limits::message_time"),
        (Limits { send_time: short, ..Limits::for_client() }, 1 << 20, "Limits::send_time"),
    ] {
        let (client, server) = client_with(limits);
        send(&server, br#"{"success":tr"#, &[]);
        let call = move || client.call::<i64>("Peer.Any", &"x".repeat(length)).unwrap_err();
        let error = within_timeout(call);
        let text = format!("timed out after 20ms (raise {name} to wait longer)");
        assert_eq!((error.to_string(), error.is_usable()), (text, false));
    }
}

#[test]
fn a_call_that_does_not_get_its_turn_in_time_sends_nothing_and_leaves_it_usable() {
    // The call that has the turn is one whose argument takes its time to be written.
    let call_time = Some(Duration::from_secs(1));
    let (client, server) = client_with(Limits { call_time, ..Limits::for_client() });
    let (writes, written) = (mpsc::sync_channel(0), mpsc::sync_channel(0));
    let holder = Arc::clone(&client);
    let arg = SlowArgument(writes.0, std::sync::Mutex::new(written.1));
    let first = thread::spawn(move || holder.call::<i64>("Peer.Any", &arg));
    writes.1.recv().unwrap();
    let waiting = Arc::clone(&client);
    let late = within_timeout(move || waiting.call::<i64>("Peer.Any", &()).unwrap_err());
    assert!(matches!(late, Error::TimedOut { mid_message: false, .. }), "{late:?}");
    assert!(late.is_usable());
    written.0.send(()).unwrap();
    // The first one's time is over too, before a byte of it was sent.
    let late = join(first).unwrap_err();
    assert!(matches!(late, Error::TimedOut { mid_message: false, .. }), "{late:?}");
    assert_eq!(answered::<i64>(&client, &server, &success("1")).unwrap(), 1);
}

/// An argument whose writing waits for the test.
struct SlowArgument(mpsc::SyncSender<()>, std::sync::Mutex<mpsc::Receiver<()>>);

impl urpc::json::ToJson for SlowArgument {
    fn encode(&self, encoder: &mut urpc::json::Encoder<'_>) -> Result<(), urpc::json::Aborted> {
        self.0.send(()).unwrap();
        self.1.lock().unwrap().recv().unwrap();
        ().encode(encoder)
    }
}

#[test]
fn calls_of_several_threads_take_turns_and_each_gets_its_own_reply() {
    let (client, server) = client();
    let calls: Vec<_> = (0..8)
        .map(|n| {
            let client = Arc::clone(&client);
            thread::spawn(move || assert_eq!(client.call::<i64>("Peer.Echo", &n).unwrap(), n))
        })
        .collect();
    for _ in 0..8 {
        let call = read_message(&server).0;
        let n = call.strip_prefix(r#"{"method":"Peer.Echo","arg":"#).unwrap();
        send(&server, success(n.strip_suffix('}').unwrap()).as_bytes(), &[]);
    }
    calls.into_iter().for_each(|call| within_timeout(move || call.join().unwrap()));
    client.close();
    assert_eq!(read_to_end(&server).0, b"", "no call was sent before its turn");
}

#[test]
fn closing_ends_a_blocked_call_and_those_that_wait_for_their_turn() {
    for limits in [Limits::for_client(), Limits { call_time: Some(HOUR), ..Limits::for_client() }] {
        let (client, server) = client_with(limits);
        let calls: Vec<_> = (0..3).map(|_| call_aside(&client)).collect();
        read_message(&server);
        client.close();
        client.close();
        for call in calls {
            assert!(matches!(join(call), Err(Error::Closed)));
        }
        assert!(matches!(client.call::<()>("Peer.Any", &()), Err(Error::Closed)));
        assert_eq!(read_to_end(&server).0, b"");
    }
}

const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn closing_ends_a_call_that_is_blocked_in_sending() {
    let (client, server) = client();
    let caller = Arc::clone(&client);
    let call = thread::spawn(move || caller.call::<i64>("Peer.Any", &"x".repeat(1 << 20)));
    server.receive(&mut [0; 16], 0).unwrap();
    client.close();
    assert!(matches!(join(call), Err(Error::Closed)));
}

#[test]
fn dropping_it_ends_the_connection_even_if_the_descriptor_lives_on() {
    let (ours, theirs) = Socket::pair().unwrap();
    let copy = ours.as_fd().try_clone_to_owned().unwrap();
    drop(Client::new(ours));
    assert_eq!(read_to_end(&theirs).0, b"");
    drop(copy);
}

#[test]
fn a_panic_in_an_argument_or_a_result_leaves_it_usable() {
    let (client, server) = client();
    let panicking = Arc::clone(&client);
    let call = thread::spawn(move || panicking.call::<i64>("Peer.Any", &Panics));
    assert!(call.join().is_err(), "the panic is the caller's");
    send(&server, success("1").as_bytes(), &[]);
    let panicking = Arc::clone(&client);
    let call = thread::spawn(move || panicking.call::<Panics>("Peer.Any", &()).map(drop));
    assert!(call.join().is_err());
    read_message(&server);
    assert_eq!(answered::<i64>(&client, &server, &success("2")).unwrap(), 2);
}

/// A value whose decoding and encoding panic.
#[derive(Debug, Default)]
struct Panics;

impl urpc::json::ToJson for Panics {
    fn encode(&self, _: &mut urpc::json::Encoder<'_>) -> Result<(), urpc::json::Aborted> {
        panic!("on purpose");
    }
}

impl urpc::json::FromJson for Panics {
    fn decode(&mut self, _: &mut urpc::json::Decoder<'_>) -> Result<(), urpc::json::Aborted> {
        panic!("on purpose");
    }
}

#[test]
fn call_raw_gives_the_text_as_it_came_and_null_where_there_is_none() {
    let (client, server) = client();
    for (reply, text) in [
        (success("[1, 2.50]"), "[1, 2.50]"),
        (r#"{"success":true}"#.to_owned(), "null"),
        (r#"{"success":true,"result":1,"result":2}"#.to_owned(), "2"),
    ] {
        send(&server, reply.as_bytes(), &[]);
        let (result, files) = client.call_raw("Peer.Any", b"[ 1,\n2 ]", &[]).unwrap();
        assert_eq!((result, files.len()), (RawJson::new(text), 0), "{reply}");
        assert_eq!(read_message(&server).0, r#"{"method":"Peer.Any","arg":[1,2]}"#);
    }
}
