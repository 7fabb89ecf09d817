//! Limits of a call: number of files, size, and time.

use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use super::{Item, answered, assert_finished, client, client_with};
use crate::support;
use crate::support::{Probe, read_message, send, success, within_timeout};
use urpc::{Client, Error, Limit, Limits, Socket};

/// Limits with a call time of 200 ms.
fn hurried() -> Limits {
    Limits { call_time: Some(Duration::from_millis(200)), ..Limits::for_client() }
}

/// Calls until the time limit passes while the call is under way: the error of a call that waits
/// for its reply. On a busy machine the time may be over before a byte was sent.
fn call_too_long(client: &Client, arg: &str) -> Error {
    let fails = || client.call::<i64>("Peer.Any", arg).unwrap_err();
    let before = |error: &Error| matches!(error, Error::TimedOut { mid_message: false, .. });
    let mut errors = std::iter::repeat_with(fails).take(50);
    errors.find(|error| !before(error)).expect("no call was sent in time")
}

#[test]
fn too_many_files_are_refused_before_anything_is_sent_with_the_limit_in_the_text() {
    let (client, server) = client_with(Limits { send_files: 2, ..Limits::for_client() });
    let (file, probe) = Probe::new();
    let error = client.call_raw("Peer.Any", b"1", &[file.as_fd(); 3]).unwrap_err();
    let text = "Peer.Any: too many files: 3, and the limit is 2 (raise Limits::send_files)";
    assert_eq!(error.to_string(), text);
    assert!(
        error.is_usable() && !probe.is_closed(),
        "the client does not close the caller's files"
    );
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
    assert!(matches!(error, Error::Argument { .. }) && error.is_usable(), "{error:?}");
    for text in ["", "[", "1 2", "nul"] {
        let error = client.call_raw("Peer.Any", text.as_bytes(), &[]).unwrap_err();
        assert!(matches!(error, Error::Argument { .. }) && error.is_usable(), "{text}: {error:?}");
    }
    send(&server, success("1").as_bytes(), &[]);
    assert_eq!(client.call::<i64>("Peer.Any", "good").unwrap(), 1);
    assert_eq!(read_message(&server).0, r#"{"method":"Peer.Any","arg":"good"}"#, "and no more");
}

#[test]
fn a_reply_over_the_limit_finishes_it_with_the_limit_in_the_text() {
    let (client, server) = client_with(Limits { message_bytes: 64, ..Limits::for_client() });
    let text =
        |length: usize| success(&format!("\"{}\"", "x".repeat(length - success("\"\"").len())));
    assert!(answered::<String>(&client, &server, &text(64)).is_ok());
    let error = answered::<String>(&client, &server, &text(65)).unwrap_err();
    let expected =
        "Peer.Any: message too large: the limit is 64 bytes (raise Limits::message_bytes)";
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
    let text = "Peer.Any: timed out after 200ms (raise Limits::call_time to wait longer)";
    assert_eq!(error.to_string(), text);
    probe.wait_closed();
    assert_finished(&client, &server, text);
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
    // More than the kernel buffers for such a socket, and not much more, since encoding takes time
    // too.
    let error = call_too_long(&client, &"x".repeat(1 << 16));
    assert!(matches!(error, Error::TimedOut { mid_message: true, .. }), "{error:?}");
    assert!(matches!(client.call::<()>("Peer.Any", &()), Err(Error::Finished(_))));
}

#[test]
fn a_client_has_the_limits_of_a_message_and_of_its_taking_too_if_it_asks_for_them() {
    let short = Some(Duration::from_millis(20));
    for (limits, length, name) in [
        (Limits { message_time: short, ..Limits::for_client() }, 1, Limit::MessageTime),
        (Limits { send_time: short, ..Limits::for_client() }, 1 << 20, Limit::SendTime),
    ] {
        let (client, server) = client_with(limits);
        send(&server, br#"{"success":tr"#, &[]);
        let call = move || client.call::<i64>("Peer.Any", &"x".repeat(length)).unwrap_err();
        let error = within_timeout(call);
        let text = format!("Peer.Any: timed out after 20ms (raise {name} to wait longer)");
        assert_eq!((error.to_string(), error.is_usable()), (text, false));
    }
}

#[test]
fn a_call_can_have_a_longer_limit_than_the_others_or_none() {
    let limits = Limits { call_time: Some(Duration::ZERO), ..Limits::for_client() };
    let (client, server) = client_with(limits);
    let error = client.call::<i64>("Peer.Any", &()).unwrap_err();
    assert!(matches!(error, Error::TimedOut { name: Limit::CallTime, .. }), "{error:?}");
    for time in [Duration::MAX, Duration::from_secs(u64::MAX >> 1), Duration::from_secs(1 << 40)] {
        send(&server, success("1").as_bytes(), &[]);
        assert_eq!(client.call_within::<i64>(time, "Peer.Any", &()).unwrap(), 1, "{time:?}");
        read_message(&server);
    }
}

#[test]
fn a_call_without_time_sends_nothing_and_leaves_it_usable() {
    let (client, server) = client();
    let error = client.call_within::<i64>(Duration::ZERO, "Peer.Any", &()).unwrap_err();
    assert!(matches!(error, Error::TimedOut { mid_message: false, .. }), "{error:?}");
    assert!(error.is_usable());
    assert_eq!(answered::<i64>(&client, &server, &success("1")).unwrap(), 1);
    client.close();
    assert_eq!(support::read_to_end(&server).0, b"", "nothing but the one call came");
}

#[test]
fn a_call_that_is_over_its_own_limit_finishes_the_client_and_names_the_limit() {
    let (client, server) = client();
    let time = Duration::from_millis(200);
    let fails = || client.call_within::<i64>(time, "Peer.Any", &()).unwrap_err();
    let before = |error: &Error| matches!(error, Error::TimedOut { mid_message: false, .. });
    let error = std::iter::repeat_with(fails).take(50).find(|error| !before(error)).unwrap();
    assert!(matches!(error, Error::TimedOut { mid_message: true, .. }), "{error:?}");
    let text = "Peer.Any: timed out after 200ms (raise the call's own limit to wait longer)";
    assert_eq!(error.to_string(), text);
    assert_finished(&client, &server, text);
}

#[test]
fn every_form_of_a_call_can_have_its_own_limit_and_each_call_has_all_of_it() {
    let (client, server) = client();
    let (file, probe) = Probe::new();
    let none = client.within(Duration::ZERO);
    assert!(none.call::<i64>("Peer.Any", &()).is_err());
    assert!(none.call_into("Peer.Any", &(), &mut 0).is_err());
    assert!(none.call_raw("Peer.Any", b"1", &[file.as_fd()]).is_err());
    let hour = client.within(Duration::from_secs(3600));
    send(&server, success(r#"{"N":3}"#).as_bytes(), &[file.as_fd()]);
    let mut item = Item { text: "kept".to_owned(), ..Item::default() };
    hour.call_into("Peer.Any", &(), &mut item).unwrap();
    assert_eq!((item.n, item.text.as_str(), item.files.len()), (3, "kept", 1));
    send(&server, success("4").as_bytes(), &[]);
    let (result, _) = hour.call_raw("Peer.Any", b"1", &[file.as_fd()]).unwrap();
    assert_eq!(result.as_bytes(), b"4");
    assert_eq!(read_message(&server).1.len() + read_message(&server).1.len(), 1);
    assert!(!probe.is_closed());
}

#[test]
fn what_is_printed_of_calls_with_a_time_is_the_time() {
    let (client, _server) = client();
    let printed = format!("{:?}", client.within(Duration::from_secs(7)));
    assert!(printed.starts_with("TimedCalls") && printed.contains("7s"), "{printed}");
}
