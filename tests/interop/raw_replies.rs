//! Raw replies, given to Go's client and to ours. Both clients report the same.

use std::os::unix::net::UnixListener;
use std::thread;

use urpc::Socket;

use crate::go::{GoClient, Order};
use crate::replies::{self, End, Outcome};
use crate::support::Scratch;

/// Replies, and the number of files sent with each.
const REPLIES: &[(&[u8], usize)] = &[
    (br#"{"success":true,"err":"","result":1}"#, 0),
    (br#"{"success":true,"err":"","result":null}"#, 0),
    (br#"{"success":true,"err":""}"#, 0),
    (br#"{"success":true}"#, 0),
    (br#"{"success":true,"result":{"a":[1,2]}}"#, 0),
    (br#"{"success":true,"result":[ 1 , "<" ]}"#, 0),
    (b"{\"success\":true,\"result\":\"\xff\"}", 0),
    (br#"{"success":true,"err":"ignored","result":1}"#, 0),
    (br#"{"result":1,"err":"","success":true}"#, 0),
    (br#"{"SUCCESS":true,"Err":"","ReSuLt":1}"#, 0),
    ("{\"\u{17f}uccess\":true,\"re\u{17f}ult\":2}".as_bytes(), 0),
    (br#"{"\u0073uccess":true,"result":3}"#, 0),
    (br#"{"success":false,"success":true,"result":1,"result":2}"#, 0),
    (br#"{"success":true,"success":false,"err":"last"}"#, 0),
    (br#"{"success":true,"success":null,"result":1}"#, 0),
    (br#"{"success":true,"result":1,"result":null}"#, 0),
    (br#"{"success":true,"result":{"a":1},"result":{"b":2}}"#, 0),
    (br#"{"zero":[{}],"success":true,"one":null,"result":1,"two":"x"}"#, 0),
    (b" \t\r\n{ \"success\" : true , \"result\" : 1 }", 0),
    (b"{\"success\":true,\"result\":1}\n", 0),
    (b"{\"success\":true,\"result\":1}xyz", 0),
    (br#"{"success":false,"err":"failed","result":null}"#, 0),
    (br#"{"success":false,"err":"","result":null}"#, 0),
    (br#"{"success":false,"err":null}"#, 0),
    (br#"{"success":false,"err":"with a result","result":5}"#, 0),
    (br#"{"success":null,"err":"null"}"#, 0),
    (br#"{"err":"no success"}"#, 0),
    (b"{}", 0),
    (b"null ", 0),
    (br#"{"success":false,"err":"\ud83d\ude00\ud83d <&>\u2028"}"#, 0),
    (b"{\"success\":false,\"err\":\"\xe2\x82\xff\"}", 0),
    (br#"{"success":1}"#, 0),
    (br#"{"success":"true"}"#, 0),
    (br#"{"success":true,"err":1}"#, 0),
    (br#"{"success":[],"result":1}"#, 0),
    (br#"{"success":true,,}"#, 0),
    (br#"{"success":tru}"#, 0),
    (br#"{"success":true,"result":01}"#, 0),
    (br#"{"success":true,"result":1"#, 0),
    (br#"{"success":true,"result":"#, 0),
    (b"{", 0),
    (b"", 0),
    (b"[]", 0),
    (b"1 ", 0),
    (b"\"x\" ", 0),
    (b"true ", 0),
    (b"}", 0),
    (b"\x00{}", 0),
    (b"\xef\xbb\xbf{\"success\":true}", 0),
    (br#"{"success":true,"result":1}"#, 1),
    (br#"{"success":true,"result":{}}"#, 32),
    (br#"{"success":true,"result":{}}"#, 128),
    (br#"{"success":true,"result":null}"#, 2),
    (br#"{"success":true}"#, 2),
    (br#"{"success":false,"err":"e"}"#, 2),
    (b"}", 2),
    (br#"{"success":true,"#, 2),
];

#[test]
fn ours_takes_replies_as_go_does() {
    let scratch = Scratch::new("raw-replies");
    let path = scratch.path("peer.sock");
    let listener = UnixListener::bind(&path).unwrap();
    // The client connects when it starts, and again for each call.
    let first = thread::spawn(move || (accept(&listener), listener));
    let Some(mut go) = GoClient::start(&path) else {
        // Connects once, so that a blocked accept returns.
        let _ = Socket::connect(path.as_path());
        first.join().unwrap();
        return;
    };
    let (_socket, listener) = first.join().unwrap();
    for (bytes, files) in REPLIES {
        let segments = [(bytes.to_vec(), *files)];
        let gos = gos(&mut go, &listener, &segments);
        let (ours, _) = replies::ours(&segments);
        assert_eq!(ours, gos, "{} with {files} files", bytes.escape_ascii());
    }
    println!("{} replies have the same outcome", REPLIES.len());
}

fn accept(listener: &UnixListener) -> Socket {
    let (stream, _) = listener.accept().unwrap();
    Socket::from_fd(stream.into()).unwrap()
}

/// The outcome of Go's client with the reply.
fn gos(go: &mut GoClient, listener: &UnixListener, segments: &[(Vec<u8>, usize)]) -> Outcome {
    let outcome = thread::scope(|scope| {
        let peer = scope.spawn(|| replies::reply(&accept(listener), segments));
        let outcome = go.call(&Order::new("Peer.Echo", "1").connecting());
        assert_eq!(peer.join().unwrap(), r#"{"method":"Peer.Echo","arg":1}"#);
        outcome
    });
    let result = String::from_utf8_lossy(outcome.result()).into_owned();
    let end = match (outcome.remote, outcome.error.as_str()) {
        (true, text) => End::Remote(text.to_owned()),
        (false, "") => End::Success,
        (false, _) => End::Broken,
    };
    Outcome::new(end, result, outcome.contents)
}
