//! The wire: the bytes and files of a server's replies, and those that a client sends.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::support;
use crate::support::{
    Probe, connect, failure, identity, read_message, read_to_end, replies_to, send, success,
};
use urpc::json::RawJson;
use urpc::{Client, Files, Limits, Server, Service, Socket};

urpc::record! {
    /// Numbers, and files.
    #[derive(Debug, Default)]
    pub struct Item {
        pub n: i64 => "N",
        pub files: Files,
    }
}

fn peer() -> Server {
    peer_with(Limits::default())
}

fn peer_with(limits: Limits) -> Server {
    let server = Server::builder().limits(limits).build();
    server.register(
        Service::new("Peer", ())
            .method("Echo", |_: &(), arg: RawJson| Ok::<_, String>(arg))
            .method("Item", |_: &(), arg: Item| Ok::<_, String>(arg))
            .method("Count", |_: &(), files: Files| Ok::<_, String>(files.len()))
            .method("Unit", |_: &(), _: ()| Ok::<_, String>(()))
            .method("NaN", |_: &(), _: ()| Ok::<_, String>(f64::NAN))
            .method("Fail", |_: &(), text: String| Err::<Item, _>(text)),
    );
    server
}

const NEXT: &str = r#"{"method":"Peer.Echo","arg":"next"}"#;

/// Checks that each of `inputs` gets its reply and that a call after it is answered too.
#[track_caller]
fn assert_answers(server: &Server, inputs: &[(&str, &str)]) {
    for (input, reply) in inputs {
        let expected = format!("{reply}{}", success("\"next\""));
        assert_eq!(replies_to(server, format!("{input}{NEXT}").as_bytes()), expected, "{input}");
    }
}

/// Checks that each of `inputs` ends the connection without a reply, while the client waits.
#[track_caller]
fn assert_closes(server: &Server, inputs: &[&[u8]]) {
    for input in inputs {
        let socket = connect(server);
        send(&socket, input, &[]);
        let replies = read_to_end(&socket).0;
        assert_eq!(String::from_utf8_lossy(&replies), "", "{:?}", input.escape_ascii());
    }
}

#[test]
fn a_reply_has_its_members_in_order_and_nothing_around_it() {
    let replies = replies_to(
        &peer(),
        br#"{"method":"Peer.Echo","arg":[1,"a"]}{"method":"Peer.Fail","arg":"no"}"#,
    );
    assert_eq!(
        replies,
        r#"{"success":true,"err":"","result":[1,"a"]}{"success":false,"err":"no","result":null}"#
    );
}

#[test]
fn a_call_has_its_members_in_order_and_nothing_around_it() {
    let (ours, theirs) = Socket::pair().unwrap();
    let call = std::thread::spawn(move || Client::new(ours).call::<i64>("Peer.Echo", &[1, 2]));
    assert_eq!(read_message(&theirs).0, r#"{"method":"Peer.Echo","arg":[1,2]}"#);
    send(&theirs, success("7").as_bytes(), &[]);
    assert_eq!(call.join().unwrap().unwrap(), 7);
    assert_eq!(read_to_end(&theirs).0, b"", "nothing follows the call");
}

#[test]
fn a_reply_comes_at_the_closing_brace() {
    let server = peer();
    let socket = connect(&server);
    send(&socket, br#"{"method":"Peer.Echo","arg":1}"#, &[]);
    assert_eq!(read_message(&socket).0, success("1"));
}

#[test]
fn calls_without_a_method_are_answered_before_their_argument_is_looked_at() {
    let unknown = failure("unknown method");
    let inputs = [
        "{}",
        "null",
        r#"{"method":""}"#,
        r#"{"method":null,"arg":{"N":"x"}}"#,
        r#"{"arg":{"N":"x"}}"#,
        r#"{"method":"Peer.Nothing","arg":{"N":"x"}}"#,
        r#"{"method":"Peer"}"#,
        r#"{"method":"peer.echo","arg":1}"#,
    ];
    assert_answers(&peer(), &inputs.map(|input| (input, unknown.as_str())));
}

#[test]
fn envelopes_of_the_wrong_type_close() {
    let inputs: [&[u8]; 8] = [
        br#"{"method":1}"#,
        br#"{"method":["Peer.Echo"],"arg":1}"#,
        br#"{"method":{},"arg":1}"#,
        br#"{"method":true,"arg":1}"#,
        b"[]",
        b"1 ",
        b"true ",
        b"\"text\" ",
    ];
    assert_closes(&peer(), &inputs);
}

#[test]
fn what_is_no_json_closes_as_soon_as_the_bad_byte_is_read() {
    let inputs: [&[u8]; 13] = [
        b"\xef\xbb\xbf{}",
        b"\0",
        b"{\"method\":\"a\x01",
        b"{\"method\":\"a\n",
        br#"{"method":"\q"#,
        br#"{"method":"\u12g"#,
        br#"{"method":"a",}"#,
        br#"{"method":"a","arg":[1,]"#,
        br#"{"method":"a","arg":01"#,
        br#"{"method":"a","arg":N"#,
        br#"{"method":"a","arg":+"#,
        br#"{method"#,
        b"}",
    ];
    assert_closes(&peer(), &inputs);
}

#[test]
fn names_of_the_envelope_fold_and_the_last_of_several_wins() {
    let inputs = [
        (r#"{"METHOD":"Peer.Echo","ARG":1}"#, success("1")),
        (r#"{"\u006dethod":"Peer.Echo","arg":1}"#, success("1")),
        (r#"{"arg":1,"method":"Peer.Echo"}"#, success("1")),
        (r#"{"method":"No.No","Method":"Peer.Echo","arg":1,"aRg":2}"#, success("2")),
        (r#"{"Method":"Peer.Echo","method":"No.No","arg":1}"#, failure("unknown method")),
        (r#"{"x":{"method":"No.No"},"method":"Peer.Echo","arg":1,"y":[[]]}"#, success("1")),
    ];
    assert_answers(&peer(), &inputs.each_ref().map(|(input, reply)| (*input, reply.as_str())));
    assert_closes(&peer(), &[br#"{"x":tru0,"method":"Peer.Echo","arg":1}"#]);
}

#[test]
fn a_missing_argument_is_the_decoders_error_and_null_is_a_zero_argument() {
    let missing = failure("unexpected end of JSON input");
    let zero = success(r#"{"N":0}"#);
    assert_answers(
        &peer(),
        &[
            (r#"{"method":"Peer.Item"}"#, &missing),
            (r#"{"method":"Peer.Unit"}"#, &missing),
            (r#"{"method":"Peer.Item","arg":null}"#, &zero),
            (r#"{"method":"Peer.Echo","arg":null}"#, &success("null")),
            (r#"{"method":"Peer.Unit","arg":[1,{"x":2}]}"#, &success("null")),
        ],
    );
}

#[test]
fn an_argument_that_does_not_fit_is_answered_with_path_offset_and_kinds() {
    let input = br#"{"method":"Peer.Item","arg":{"N":"x"}}"#;
    let reply = replies_to(&peer(), input);
    let text = r#"arg.N: expected an integer that fits i64, found string \"x\" at byte 33"#;
    assert_eq!(reply, failure(text));
}

#[test]
fn an_errors_text_is_written_as_go_writes_strings() {
    let replies = replies_to(
        &peer(),
        "{\"method\":\"Peer.Fail\",\"arg\":\"<a> & \\u2028 \\u0001\\\" é\"}{\"method\":\"Peer.Fail\",\"arg\":\"\"}"
            .as_bytes(),
    );
    let text = r#"\u003ca\u003e \u0026 \u2028 \u0001\" é"#;
    assert_eq!(replies, format!("{}{}", failure(text), failure("")));
}

#[test]
fn white_space_between_messages_is_passed_over() {
    let input = format!(" \n\r\t{{\"method\" : \"Peer.Echo\" ,\n\"arg\" : [ 1 ] }} \n\n {NEXT}\n");
    // The result is raw, so it keeps its text, without white space.
    let expected = format!("{}{}", success("[1]"), success("\"next\""));
    assert_eq!(replies_to(&peer(), input.as_bytes()), expected);
}

#[test]
fn ten_thousand_levels_are_read_and_not_one_more() {
    let call = |depth: usize| {
        let list = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        (format!(r#"{{"method":"Peer.Echo","arg":{list}}}"#), success(&list))
    };
    let (input, reply) = call(9999);
    assert_answers(&peer(), &[(input.as_str(), reply.as_str())]);
    assert_closes(&peer(), &[call(10_000).0.as_bytes()]);
}

#[test]
fn a_call_that_trickles_in_byte_by_byte_is_one_call() {
    let server = peer();
    let socket = connect(&server);
    for byte in br#" {"method":"Peer.Item","arg":{"N":5}}"# {
        send(&socket, &[*byte], &[]);
    }
    assert_eq!(read_message(&socket).0, success(r#"{"N":5}"#));
}

#[test]
fn half_a_call_and_the_end_gets_no_reply() {
    assert_eq!(replies_to(&peer(), br#"{"method":"Peer.Echo","arg":1"#), "");
    assert_eq!(replies_to(&peer(), b""), "");
    assert_eq!(replies_to(&peer(), b" \n "), "");
}

#[test]
fn a_half_closed_client_gets_its_reply_and_then_the_end() {
    assert_eq!(replies_to(&peer(), NEXT.as_bytes()), success("\"next\""));
}

#[test]
fn a_result_that_json_cannot_carry_is_answered_and_the_connection_goes_on() {
    let replies =
        replies_to(&peer(), format!(r#"{{"method":"Peer.NaN","arg":0}}{NEXT}"#).as_bytes());
    let (first, next) = replies.split_once("}{").unwrap();
    assert!(first.starts_with(r#"{"success":false,"err":"the result cannot be sent: "#), "{first}");
    assert!(next.contains("\"next\""), "{next}");
}

#[test]
fn pipelined_calls_get_the_right_files() {
    let server = peer();
    let (socket, theirs) = Socket::pair().unwrap();
    let ((one, first), (two, second)) = (Probe::new(), Probe::new());
    let call = |n: u8| format!(r#"{{"method":"Peer.Item","arg":{{"N":{n}}}}}"#);
    // The second and the fourth call carry the files. All is sent before anything is read.
    send(&socket, call(1).as_bytes(), &[]);
    send(&socket, call(2).as_bytes(), &[one.as_fd()]);
    send(&socket, call(3).as_bytes(), &[]);
    send(&socket, call(4).as_bytes(), &[two.as_fd()]);
    server.start_handling(theirs).unwrap();
    let mut got = Vec::new();
    for n in 1..=4 {
        let (reply, files) = read_message(&socket);
        assert_eq!(reply, success(&format!(r#"{{"N":{n}}}"#)));
        got.push(files.iter().map(identity).collect::<Vec<_>>());
    }
    assert_eq!(got, [vec![], vec![identity(&one)], vec![], vec![identity(&two)]]);
    drop((one, two));
    first.wait_closed();
    second.wait_closed();
}

#[test]
fn files_that_come_in_the_middle_of_a_call_are_its_files() {
    let server = peer();
    let socket = connect(&server);
    let ((one, _first), (two, _second)) = (Probe::new(), Probe::new());
    send(&socket, br#"{"method""#, &[one.as_fd()]);
    send(&socket, br#":"Peer.Item","arg":null"#, &[two.as_fd()]);
    send(&socket, b"}", &[]);
    let (reply, files) = read_message(&socket);
    assert_eq!(reply, success(r#"{"N":0}"#));
    assert_eq!(files.iter().map(identity).collect::<Vec<_>>(), [identity(&one), identity(&two)]);
}

#[test]
fn files_that_nobody_takes_are_closed_and_the_connection_goes_on() {
    let calls = [
        r#"{"method":"Peer.Echo","arg":1}"#,
        r#"{"method":"Peer.Nothing"}"#,
        r#"{"method":"Peer.Item","arg":{"N":"x"}}"#,
        r#"{"method":"Peer.Fail","arg":"no"}"#,
        "null",
    ];
    let server = peer();
    let socket = connect(&server);
    for call in calls {
        let (file, probe) = Probe::new();
        send(&socket, call.as_bytes(), &[file.as_fd()]);
        drop(file);
        assert_eq!(read_message(&socket).1.len(), 0, "{call}");
        probe.wait_closed();
    }
}

#[test]
fn files_of_messages_that_end_the_connection_are_closed() {
    if !support::available::many_files() {
        return;
    }
    let inputs = ["{]", r#"{"method":1}"#, r#"{"method":"Peer.Echo""#];
    // They also end it if there are more files than a message may have.
    for (input, count) in inputs.into_iter().flat_map(|input| [(input, 1), (input, 33)]) {
        let server = peer();
        let (socket, (file, probe)) = (connect(&server), Probe::new());
        send(&socket, input.as_bytes(), &vec![file.as_fd(); count]);
        socket.shutdown_send().unwrap();
        drop(file);
        assert_eq!(read_to_end(&socket).0, b"");
        probe.wait_closed();
    }
}

#[test]
fn files_over_the_limit_are_refused_with_the_text_of_go_closed_and_the_connection_goes_on() {
    if !support::available::many_files() {
        return;
    }
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let server = Server::builder()
        .after_call(move || {
            counted.fetch_add(1, Ordering::SeqCst);
        })
        .build();
    server.register(
        Service::new("Peer", ())
            .method("Count", |_: &(), files: Files| Ok::<_, String>(files.len())),
    );
    let socket = connect(&server);
    let (file, probe) = Probe::new();
    for (count, reply) in [
        (33, failure("too many files")),
        (32, success("32")),
        (support::MOST_FILES, failure("too many files")),
        (0, success("0")),
    ] {
        let files: Vec<_> = (0..count).map(|_| file.as_fd()).collect();
        send(&socket, br#"{"method":"Peer.Count","arg":{}}"#, &files);
        assert_eq!(read_message(&socket).0, reply);
    }
    drop(file);
    probe.wait_closed();
    server.stop(Duration::ZERO);
    assert_eq!(calls.load(Ordering::SeqCst), 4, "the callback ran for refused calls as well");
}

#[test]
fn a_configured_limit_of_files_holds_in_both_directions() {
    let server = peer_with(Limits { receive_files: 2, send_files: 1, ..Limits::default() });
    let socket = connect(&server);
    let file: OwnedFd = Probe::new().0;
    let reply = |files: usize| {
        send(&socket, br#"{"method":"Peer.Item","arg":{}}"#, &vec![file.as_fd(); files]);
        let (reply, files) = read_message(&socket);
        (reply, files.len())
    };
    assert_eq!(reply(1), (success(r#"{"N":0}"#), 1));
    assert_eq!(reply(2), (failure("too many files"), 0), "the result has more than it may");
    // Its result has no files, so that only the argument can have too many.
    let echo = |files: usize| {
        send(&socket, NEXT.as_bytes(), &vec![file.as_fd(); files]);
        read_message(&socket).0
    };
    assert_eq!((echo(2), echo(3)), (success("\"next\""), failure("too many files")));
}

#[test]
fn a_message_over_the_limit_is_answered_with_the_limit_and_ends_the_connection() {
    let server = peer_with(Limits { message_bytes: 64, ..Limits::default() });
    let call = |length: usize| {
        let frame = r#"{"method":"Peer.Echo","arg":""}"#.len();
        format!(r#"{{"method":"Peer.Echo","arg":"{}"}}"#, "x".repeat(length - frame))
    };
    assert_answers(&server, &[(&call(64), &success(&format!("\"{}\"", "x".repeat(33))))]);
    // Without the member that raises it: that is for the server's own log.
    let text = "message too large: the limit is 64 bytes";
    assert_eq!(replies_to(&server, format!("{}{NEXT}", call(65)).as_bytes()), failure(text));
    let spread = format!("{{{}}}", " ".repeat(70));
    assert_eq!(replies_to(&server, spread.as_bytes()), failure(text));
    // White space between messages belongs to none of them.
    let input = format!("{}{NEXT}", " ".repeat(1000));
    assert_eq!(replies_to(&server, input.as_bytes()), success("\"next\""));
}

#[test]
fn a_message_that_takes_too_long_ends_the_connection_without_a_reply() {
    let limit = Some(Duration::from_millis(20));
    let server = peer_with(Limits { message_time: limit, ..Limits::default() });
    let (socket, (file, probe)) = (connect(&server), Probe::new());
    send(&socket, NEXT.as_bytes(), &[]);
    assert_eq!(read_message(&socket).0, success("\"next\""));
    send(&socket, &NEXT.as_bytes()[..9], &[file.as_fd()]);
    drop(file);
    assert_eq!(read_to_end(&socket).0, b"");
    probe.wait_closed();
}

#[test]
fn a_client_that_is_silent_for_too_long_is_closed() {
    let idle_time = Some(Duration::from_millis(20));
    let server = peer_with(Limits { idle_time, ..Limits::default() });
    let socket = connect(&server);
    assert_eq!(read_to_end(&socket).0, b"");
}

#[test]
fn white_space_does_not_keep_a_silent_client_connected() {
    let idle_time = Some(Duration::from_millis(200));
    let server = peer_with(Limits { idle_time, ..Limits::default() });
    let socket = connect(&server);
    let began = Instant::now();
    while socket.send(b" ", &[]).is_ok() {
        assert!(began.elapsed() < support::TIMEOUT, "the client is still connected");
    }
}

#[test]
fn a_large_reply_arrives_whole_with_its_files_at_its_first_byte() {
    let server = Server::new();
    server.register(Service::new("Peer", ()).method("Big", |_: &(), files: Files| {
        Ok::<_, String>(Big { data: "x".repeat(1 << 20), files })
    }));
    let (ours, theirs) = Socket::pair().unwrap();
    theirs.set_send_buffer(1).unwrap();
    server.start_handling(theirs).unwrap();
    let file: OwnedFd = Probe::new().0;
    send(&ours, br#"{"method":"Peer.Big","arg":{}}"#, &[file.as_fd()]);
    let (count, files) = ours.receive(&mut [0], 253).unwrap();
    assert_eq!((count, files.len()), (1, 1), "the file comes with the first byte");
    assert_eq!(files.get(0).map(identity), Some(identity(&file)));
    ours.shutdown_send().unwrap();
    let (rest, more) = read_to_end(&ours);
    assert_eq!(rest.len() + 1, success(r#"{"Data":""}"#).len() + (1 << 20));
    assert_eq!(more.len(), 0, "and not again");
}

urpc::record! {
    /// A large result.
    #[derive(Debug, Default)]
    pub struct Big {
        pub data: String => "Data",
        pub files: Files,
    }
}
