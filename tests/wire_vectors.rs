//! Recorded messages, replayed: what Go's server and client did with raw bytes is what ours do, and
//! what went between `runsc` and its sandbox is read and written as records without loss. The
//! records are those of `../shared/vectors` where that is there, and always the copies, without
//! their longest lines, in `vectors/`.

use std::path::Path;

use urpc::json::{self, Bytes, FromJson, RawJson, ToJson, Value};

use exchange::{Exchange, Fate};
use replies::{End, Taken};
use sandbox_records::*;

#[path = "support/exchange.rs"]
mod exchange;
#[path = "support/peer.rs"]
mod peer;
#[path = "support/replies.rs"]
mod replies;
#[path = "support/sandbox_records.rs"]
#[allow(dead_code)] // a live sandbox uses more of them
mod sandbox_records;
mod support;

macro_rules! lines {
    ($type:ty, $name:literal) => {
        read_lines::<$type>(include_str!(concat!("vectors/", $name)), $name)
    };
}

fn read_lines<T: FromJson + Default>(copy: &str, name: &str) -> Vec<T> {
    let recorded = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/vectors").join(name);
    let text = std::fs::read_to_string(recorded).unwrap_or_else(|_| copy.to_owned());
    let read = |line| json::from_str(line).unwrap_or_else(|error| panic!("{name}: {error}"));
    text.lines().map(read).collect()
}

urpc::record! {
    /// A line of what Go's server did.
    #[derive(Default)]
    struct ServerLine {
        id: u32,
        label: String,
        send: String,
        out: String,
        early: bool,
        replies: usize,
        fds: usize,
    }

    /// A line of what Go's client did.
    #[derive(Default)]
    struct ClientLine {
        label: String,
        send: String,
        sent: String,
        error: String,
        remote: bool,
        result: String,
        files: usize,
    }

    /// A message between `runsc` and a sandbox.
    #[derive(Default)]
    struct SandboxLine {
        op: String,
        dir: String,
        bytes: Bytes,
        conn: u32,
    }

    #[derive(Default)]
    struct Call {
        method: String,
        arg: RawJson,
    }

    #[derive(Default)]
    struct Reply {
        success: bool,
        err: String,
        result: RawJson,
    }
}

/// The segments of a line: hex, parted by blanks, `+N` for files.
fn segments(text: &str) -> Vec<(Vec<u8>, usize)> {
    let segment = |word: &str| {
        let (digits, files) = word.split_once('+').unwrap_or((word, "0"));
        (unhex(digits), files.parse().unwrap())
    };
    text.split(' ').filter(|word| !word.is_empty()).map(segment).collect()
}

fn unhex(digits: &str) -> Vec<u8> {
    let digit = |at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
    (0..digits.len()).step_by(2).map(digit).collect()
}

#[test]
fn our_server_answers_as_go_s_was_recorded() {
    if !support::available::many_files() {
        return;
    }
    let server = peer::server();
    let lines = lines!(ServerLine, "go_server.jsonl");
    for line in &lines {
        let (fate, expected) = expected_of_ours(line);
        let exchange = Exchange { label: line.label.clone(), segments: segments(&line.send), fate };
        let answer = exchange.run(support::connect(&server));
        let answer = answer.unwrap_or_else(|error| panic!("{} {}: {error}", line.id, line.label));
        assert_eq!(answer.files, line.fds, "{}", line.label);
        assert!(
            answer.bytes == expected || both_are_argument_errors(&answer.bytes, &expected),
            "{} {}: {answer}, not {}",
            line.id,
            line.label,
            expected.escape_ascii()
        );
    }
    println!("{} lines agree", lines.len());
}

/// Go's answer, or ours where the protocol has it differ; each with its reason.
fn expected_of_ours(line: &ServerLine) -> (Fate, Vec<u8>) {
    let success = |result: &str| format!(r#"{{"success":true,"err":"","result":{result}}}"#);
    let echoes = |results: [&str; 2]| results.map(success).concat();
    let other = match &*line.label {
        // What follows a message in the same read is kept: another call is served, and what is no
        // JSON ends the connection.
        "trailing garbage, then second write" => Some((Fate::Closed, success("1"))),
        "top null then request" => {
            let unknown = r#"{"success":false,"err":"unknown method","result":null}"#;
            Some((Fate::Answered(2), unknown.to_owned() + &success("1")))
        }
        "second request after 500 blanks" | "second request after 1500 blanks" => {
            Some((Fate::Answered(2), echoes(["1", "2"])))
        }
        "string of 100, then a second request"
        | "string of 1500, then a second request"
        | "string of 3500, then a second request" => {
            let length = line.label.split([' ', ',']).nth(2).unwrap().parse().unwrap();
            let text = format!("\"{}\"", "a".repeat(length));
            Some((Fate::Answered(2), echoes([&text, "2"])))
        }
        // More files than the limit refuse the message.
        "CountFiles, 129 files" | "CountFiles, 253 files" => {
            let error = r#"{"success":false,"err":"too many files","result":null}"#;
            Some((Fate::Answered(1), error.to_owned()))
        }
        // Files on any byte of a message belong to it.
        "files on bytes 1 and 2" => Some((Fate::Answered(1), success(r#"{"Count":2}"#))),
        // Backspace and form feed are written short, as later versions of Go do.
        "Str specials out" => {
            let out = String::from_utf8(unhex(&line.out)).unwrap();
            Some((Fate::Answered(1), out.replace(r"\u0008\u000c", r"\b\f")))
        }
        _ => None,
    };
    let fate = match (line.early, line.replies) {
        (true, _) => Fate::Closed,
        (false, 0) => Fate::Waiting,
        (false, replies) => Fate::Answered(replies),
    };
    match other {
        Some((fate, text)) => (fate, text.into_bytes()),
        None => (fate, unhex(&line.out)),
    }
}

fn both_are_argument_errors(ours: &[u8], gos: &[u8]) -> bool {
    let is_error = |reply: &[u8]| {
        json::from_slice::<Reply>(reply).is_ok_and(|reply| {
            !reply.success && !reply.err.is_empty() && reply.result.as_bytes() == b"null"
        })
    };
    let texts = ["json: ", "illegal base64", "parsing time"];
    let text = json::from_slice::<Reply>(gos).map_or(String::new(), |reply| reply.err);
    is_error(ours) && is_error(gos) && texts.iter().any(|known| text.starts_with(known))
}

#[test]
fn our_client_takes_replies_as_go_s_was_recorded() {
    for line in lines!(ClientLine, "go_client.jsonl") {
        let (bytes, files) = segments(&line.send).pop().unwrap_or_default();
        let end = match (line.remote, &*line.error) {
            (true, text) => End::Remote(text.to_owned()),
            (false, "") => End::Success,
            (false, _) => End::Broken,
        };
        let (taken, sent) = replies::ours(&bytes, files);
        let contents = (0..line.files).map(|index| index.to_string()).collect();
        assert_eq!(taken, Taken::new(end, line.result, contents), "{}", line.label);
        assert_eq!(sent, line.sent);
    }
}

#[test]
fn messages_of_a_sandbox_are_read_and_written_without_loss() {
    let lines = lines!(SandboxLine, "runsc_wire.jsonl");
    let mut calls = std::collections::BTreeMap::new();
    for line in &lines {
        let context = format!("{} {} on {}", line.op, line.dir, line.conn);
        if line.dir == "client" {
            let call: Call = json::from_slice(&line.bytes.0).expect(&context);
            again_as::<Call>(&line.bytes.0, &context);
            argument_again(&call, &context);
            calls.insert(line.conn, call.method);
        } else {
            let reply: Reply = json::from_slice(&line.bytes.0).expect(&context);
            again_as::<Reply>(&line.bytes.0, &context);
            if reply.success {
                result_again(&calls[&line.conn], &reply, &context);
            }
        }
    }
}

/// Reads the text as a `T`, writes that, and finds the same value.
fn again_as<T: FromJson + ToJson + Default>(text: &[u8], context: &str) {
    let value: T = json::from_slice(text).unwrap_or_else(|error| panic!("{context}: {error}"));
    let written = json::to_vec(&value).unwrap();
    let parsed = |text| json::from_slice::<Value>(text).unwrap();
    assert_eq!(parsed(&written), parsed(text), "{context}");
}

fn argument_again(call: &Call, context: &str) {
    let again = match &*call.method {
        "Network.CreateLinksAndRoutes" => again_as::<CreateLinksAndRoutes>,
        "containerManager.StartRoot" | "containerManager.Processes" | "containerManager.Wait" => {
            again_as::<String>
        }
        "containerManager.Signal" => again_as::<Signal>,
        "containerManager.ExecuteAsync" => again_as::<Exec>,
        "containerManager.WaitPID" => again_as::<WaitPid>,
        "containerManager.CreateTraceSession" => again_as::<CreateTraceSession>,
        "containerManager.Event" | "Lifecycle.Pause" => again_as::<()>,
        "Usage.UsageFD" => again_as::<UsageFd>,
        "Cgroups.ReadControlFiles" => again_as::<ReadControlFiles>,
        other => panic!("{context}: no record for {other}"),
    };
    again(call.arg.as_bytes(), context);
}

fn result_again(method: &str, reply: &Reply, context: &str) {
    let again = match method {
        "containerManager.Processes" => again_as::<Vec<Process>>,
        "containerManager.Event" => again_as::<Events>,
        "containerManager.ExecuteAsync" | "containerManager.WaitPID" => again_as::<i32>,
        "containerManager.Wait" => again_as::<u32>,
        "Usage.UsageFD" => again_as::<UsageFiles>,
        "Cgroups.ReadControlFiles" => again_as::<ControlFiles>,
        _ => again_as::<Nothing>,
    };
    again(reply.result.as_bytes(), context);
}
