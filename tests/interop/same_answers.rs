//! Raw bytes, sent to Go's server and to ours: what comes back is the same, byte for byte, but for
//! the texts of argument errors and for what is ours on purpose.

use urpc::Socket;
use urpc::json::{self, Value};

use crate::exchange::{Answer, Exchange, ExpectedEnd};
use crate::go::GoServer;
use crate::peer;
use crate::raw_inputs::{alike, call};
use crate::support;

#[test]
fn ours_answers_as_go_does() {
    let Some(go) = GoServer::start("same-answers") else { return };
    let ours = peer::server();
    let inputs = alike();
    assert!(inputs.len() >= 300, "{} inputs", inputs.len());
    let (mut same, mut misfits) = (0, 0);
    let differences: Vec<String> = inputs
        .iter()
        .filter_map(|input| {
            match compare(input, || go.connect(), || support::connect(&ours)) {
                Ok(Likeness::Same) => same += 1,
                Ok(Likeness::ArgumentErrors) => misfits += 1,
                Err(difference) => return Some(format!("{}: {difference}", input.label)),
            }
            None
        })
        .collect();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    println!("{same} answers are the same, {misfits} are argument errors on both sides");
}

enum Likeness {
    Same,
    /// Alike but for the text of the error.
    ArgumentErrors,
}

fn compare(
    input: &Exchange,
    to_go: impl Fn() -> Socket,
    to_ours: impl Fn() -> Socket,
) -> Result<Likeness, String> {
    let theirs = input.run(to_go()).map_err(|error| format!("Go: {error}"))?;
    let ours = input.run(to_ours()).map_err(|error| format!("ours: {error}"))?;
    if ours == theirs {
        return Ok(Likeness::Same);
    }
    if is_argument_error(&theirs) && is_error(&ours) && ours.files == theirs.files {
        return Ok(Likeness::ArgumentErrors);
    }
    Err(format!("\n  Go:   {theirs}\n  ours: {ours}"))
}

/// Whether this is one error reply with a text of Go's decoder.
fn is_argument_error(answer: &Answer) -> bool {
    const TEXTS: [&str; 4] = ["json: ", "illegal base64", "parsing time", "strconv."];
    let text = match json::from_slice::<Value>(&answer.bytes) {
        Ok(reply) => reply["err"].to_string(),
        Err(_) => return false,
    };
    is_error(answer) && TEXTS.iter().any(|known| text[1..].starts_with(known))
}

fn is_error(answer: &Answer) -> bool {
    let Ok(reply) = json::from_slice::<Value>(&answer.bytes) else { return false };
    reply["success"] == Value::Bool(false) && reply["result"] == Value::Null
}

/// Where ours does otherwise on purpose: what is sent, how Go answers, how ours does, and why.
struct Difference {
    why: &'static str,
    segments: Vec<(Vec<u8>, usize)>,
    go: (ExpectedEnd, String),
    ours: (ExpectedEnd, String),
}

#[test]
fn ours_differs_where_it_is_meant_to() {
    let Some(go) = GoServer::start("other-answers") else { return };
    let ours = peer::server();
    for Difference { why, segments, go: of_go, ours: of_ours } in differences() {
        let played = |(expected_end, _): &(ExpectedEnd, String), socket| {
            let exchange = Exchange {
                label: why.into(),
                segments: segments.clone(),
                expected_end: *expected_end,
            };
            let answer = exchange.run(socket).unwrap_or_else(|error| panic!("{why}: {error}"));
            String::from_utf8(answer.bytes).unwrap()
        };
        assert_eq!(played(&of_go, go.connect()), of_go.1, "Go: {why}");
        assert_eq!(played(&of_ours, support::connect(&ours)), of_ours.1, "ours: {why}");
    }
}

fn differences() -> Vec<Difference> {
    let echo = |argument: &str| call("Peer.Echo", argument.as_bytes());
    let count = || call("Peer.CountFiles", b"{}");
    let success = |result: &str| format!(r#"{{"success":true,"err":"","result":{result}}}"#);
    let failure = |text: &str| format!(r#"{{"success":false,"err":"{text}","result":null}}"#);
    let counted = |files: usize| success(&format!(r#"{{"Count":{files}}}"#));
    let answered = |replies: &[String]| (ExpectedEnd::Answered(replies.len()), replies.concat());
    vec![
        Difference {
            why: "a second call in the same read is kept and served",
            segments: vec![([echo("1"), echo("2")].concat(), 0)],
            go: answered(&[success("1")]),
            ours: answered(&[success("1"), success("2")]),
        },
        Difference {
            why: "so is what is no JSON, which ends the connection",
            segments: vec![([echo("1"), b"xyz".to_vec()].concat(), 0)],
            go: answered(&[success("1")]),
            ours: (ExpectedEnd::Closed, success("1")),
        },
        Difference {
            why: "more files than the limit refuse the message instead of losing the surplus",
            segments: vec![(count(), 129)],
            go: answered(&[counted(128)]),
            ours: answered(&[failure("too many files")]),
        },
        Difference {
            why: "however many there are",
            segments: vec![(count(), 253)],
            go: answered(&[counted(128)]),
            ours: answered(&[failure("too many files")]),
        },
        Difference {
            why: "files on a later byte belong to the message",
            segments: vec![(count()[..1].to_vec(), 0), (count()[1..].to_vec(), 1)],
            go: answered(&[counted(0)]),
            ours: answered(&[counted(1)]),
        },
        Difference {
            why: "files on several bytes add up",
            segments: vec![(count()[..1].to_vec(), 1), (count()[1..].to_vec(), 2)],
            go: answered(&[counted(1)]),
            ours: answered(&[counted(3)]),
        },
        Difference {
            why: "a result that JSON cannot carry is an error that says so",
            segments: vec![(call("Peer.NaN", b"null"), 0)],
            go: (ExpectedEnd::Closed, String::new()),
            ours: answered(&[failure("the result cannot be sent: F: a number that is not finite")]),
        },
        Difference {
            why: "a string at the top is whole at its end, as for Go since 1.27",
            segments: vec![(b"\"a\"".to_vec(), 0)],
            go: (ExpectedEnd::Waiting(0), String::new()),
            ours: (ExpectedEnd::Closed, String::new()),
        },
        Difference {
            why: "so is a literal",
            segments: vec![(b"true".to_vec(), 0)],
            go: (ExpectedEnd::Waiting(0), String::new()),
            ours: (ExpectedEnd::Closed, String::new()),
        },
        Difference {
            why: "backspace and form feed are written short, as Go does since 1.22",
            segments: vec![(call("Peer.Func", br#"{"StringArg":"\b\f"}"#), 0)],
            go: answered(&[success(r#"{"StringResult":"\u0008\u000c","IntResult":0}"#)]),
            ours: answered(&[success(r#"{"StringResult":"\b\f","IntResult":0}"#)]),
        },
    ]
}
