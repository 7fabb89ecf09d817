//! Long texts, which are sent from where they lie: they reach the peer as `json::to_vec` writes them.

use urpc::json::{RawJson, to_vec};
use urpc::{Client, Files, Server, Service, Socket};

use crate::support::{connect, failure, read_message, read_to_end, send, success};

/// Texts that are lent, that are nearly so, and that are not: by their length, and by an escape at
/// the front, within and at the end.
fn texts() -> Vec<String> {
    let lengths = [100, 8191, 8192, 8193, 70_000];
    let plain = lengths.map(|length| format!("é{}", "a".repeat(length - 2)));
    let marked = ["<", "\"", "\u{2028}", "€", "\n"].into_iter().flat_map(|mark| {
        let long = "x".repeat(9000);
        [format!("{mark}{long}"), format!("{long}{mark}{long}"), format!("{long}{mark}")]
    });
    plain.into_iter().chain(marked).collect()
}

/// The bytes of the call that `call` makes.
fn bytes_of(call: impl FnOnce(&Client) + Send) -> String {
    let (ours, theirs) = Socket::pair().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || call(&Client::new(ours)));
        let message = read_message(&theirs).0;
        drop(theirs);
        message
    })
}

fn call_of(arg: &[u8]) -> String {
    format!(r#"{{"method":"A.B","arg":{}}}"#, String::from_utf8_lossy(arg))
}

#[test]
fn a_call_has_a_long_argument_as_it_is_written() {
    for text in texts() {
        let expected = call_of(&to_vec(&text).unwrap());
        assert!(bytes_of(|client| drop(client.call::<()>("A.B", &text))) == expected);
        assert!(bytes_of(|client| drop(client.call::<()>("A.B", &&*text))) == expected);
        let raw = to_vec(&text).unwrap();
        assert!(bytes_of(|client| drop(client.call_raw("A.B", &raw, &[]))) == expected);
    }
}

#[test]
fn a_long_raw_argument_is_written_without_white_space_and_with_escapes() {
    let long = format!("\"{}\"", "x".repeat(9000));
    let inputs = [
        (format!(" {long} "), long.clone()),
        (format!("[{long},\n{long} , 1]"), format!("[{long},{long},1]")),
        (format!("{{\"<\" :{long}}}"), format!("{{\"\\u003c\":{long}}}")),
        (format!("[{long},\"a\u{2028}>\"]"), format!("[{long},\"a\\u2028\\u003e\"]")),
        ("1".repeat(9000), "1".repeat(9000)),
        (format!("{} ", "1".repeat(9000)), "1".repeat(9000)),
    ];
    for (raw, written) in inputs {
        let bytes = bytes_of(|client| drop(client.call_raw("A.B", raw.as_bytes(), &[])));
        assert!(bytes == call_of(written.as_bytes()), "{}", &raw[..20]);
        let value = RawJson::new(raw.clone());
        assert!(to_vec(&value).unwrap() == written.as_bytes(), "{}", &raw[..20]);
        let bytes = bytes_of(|client| drop(client.call::<()>("A.B", &value)));
        assert!(bytes == call_of(written.as_bytes()), "{}", &raw[..20]);
    }
}

#[test]
fn a_reply_has_a_long_result_as_it_is_written() {
    let server = Server::new();
    server.register(
        Service::new("Peer", ()).method("Echo", |_: &(), text: String| Ok::<_, String>(text)),
    );
    for text in texts() {
        let written = String::from_utf8(to_vec(&text).unwrap()).unwrap();
        let socket = connect(&server);
        let call = format!(r#"{{"method":"Peer.Echo","arg":{written}}}"#);
        send(&socket, call.as_bytes(), &[]);
        assert!(read_message(&socket).0 == success(&written));
    }
}

#[test]
fn a_long_raw_text_that_is_malformed_is_refused_as_a_short_one_is() {
    let server = Server::new();
    server.register(Service::new("Peer", ()).raw_method("Bad", |_: &(), _: &[u8], _, _: &_| {
        Ok::<_, String>((RawJson::new("1".repeat(9000) + "x"), Files::new()))
    }));
    let socket = connect(&server);
    send(&socket, br#"{"method":"Peer.Bad"}"#, &[]);
    socket.shutdown_send().unwrap();
    let expected = failure("the result cannot be sent: raw JSON that is malformed");
    assert_eq!(String::from_utf8_lossy(&read_to_end(&socket).0), expected);

    let (ours, _theirs) = Socket::pair().unwrap();
    let long = format!("[\"{}\",}}", "x".repeat(9000));
    let error = Client::new(ours).call_raw("A.B", long.as_bytes(), &[]).unwrap_err();
    assert!(error.is_usable(), "{error}");
    assert!(error.to_string().contains("at byte 9004"), "{error}");
}
