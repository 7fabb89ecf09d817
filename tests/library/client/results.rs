//! The result of a call: values, remote errors, and their files.

use std::os::fd::AsFd;
use std::sync::Arc;
use std::thread;

use super::{Item, answered, client};
use crate::support::{Probe, failure, identity, read_message, send, success};
use urpc::json::RawJson;
use urpc::{Error, Files};

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
    assert!(matches!(&error, Error::Result { .. }) && error.is_usable(), "{error:?}");
    assert!(error.to_string().contains("result.N: expected"), "{error}");
    assert_eq!((item.text.as_str(), item.files.len()), ("fits", 0));
    read_message(&server);
    probe.wait_closed();
    assert_eq!(answered::<i64>(&client, &server, &success("1")).unwrap(), 1);
}

#[test]
fn an_envelope_that_does_not_fit_is_an_error_that_repeats_nothing_of_it() {
    for (value, found) in [("\"secret\"", "found a string"), ("12345", "found a number")] {
        let (client, server) = client();
        let reply = format!("{{\"success\":{value}}}");
        let error = answered::<i64>(&client, &server, &reply).unwrap_err().to_string();
        assert!(error.contains(found), "{error}");
        assert!(!error.contains(value.trim_matches('"')), "{error}");
    }
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
fn a_panic_in_an_argument_or_a_result_leaves_it_usable() {
    let (client, server) = client();
    let panicking = Arc::clone(&client);
    let call = thread::spawn(move || panicking.call::<i64>("Peer.Any", &Panics));
    assert!(call.join().is_err(), "the caller gets the panic");
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

#[test]
fn an_argument_whose_type_writes_nothing_is_an_error_and_nothing_is_sent() {
    struct WritesNothing;
    impl urpc::json::ToJson for WritesNothing {
        fn encode(&self, _: &mut urpc::json::Encoder<'_>) -> Result<(), urpc::json::Aborted> {
            Ok(())
        }
    }
    let (client, server) = client();
    let error = client.call::<i64>("Peer.Any", &WritesNothing).unwrap_err();
    assert!(matches!(error, Error::Argument { .. }) && error.is_usable(), "{error}");
    assert!(error.to_string().contains("WritesNothing wrote no value"), "{error}");
    // The first message that the server gets is the next call.
    assert_eq!(answered::<i64>(&client, &server, &success("2")).unwrap(), 2);
}
