//! Where our answers differ from Go's by design.

use crate::exchange::ExpectedEnd;
use crate::raw_inputs::call;
use crate::support::{failure, success};

/// A difference: its reason, what is sent, Go's answer, and ours.
pub struct Difference {
    pub why: &'static str,
    pub segments: Vec<(Vec<u8>, usize)>,
    pub go: (ExpectedEnd, String),
    pub ours: (ExpectedEnd, String),
}

pub fn all() -> Vec<Difference> {
    [in_files(), in_messages(), in_texts()].into_iter().flatten().collect()
}

fn answered(replies: &[String]) -> (ExpectedEnd, String) {
    (ExpectedEnd::Answered(replies.len()), replies.concat())
}

fn echo(argument: &str) -> Vec<u8> {
    call("Peer.Echo", argument.as_bytes())
}

fn count() -> Vec<u8> {
    call("Peer.CountFiles", b"{}")
}

fn counted(files: usize) -> String {
    success(&format!(r#"{{"Count":{files}}}"#))
}

fn in_files() -> Vec<Difference> {
    vec![
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
    ]
}

fn in_messages() -> Vec<Difference> {
    vec![
        Difference {
            why: "a second call in the same read is served",
            segments: vec![([echo("1"), echo("2")].concat(), 0)],
            go: answered(&[success("1")]),
            ours: answered(&[success("1"), success("2")]),
        },
        Difference {
            why: "malformed text in the same read ends the connection",
            segments: vec![([echo("1"), b"xyz".to_vec()].concat(), 0)],
            go: answered(&[success("1")]),
            ours: (ExpectedEnd::Closed, success("1")),
        },
        Difference {
            why: "a string at the top level is complete at its end, as for Go since 1.27",
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
    ]
}

fn in_texts() -> Vec<Difference> {
    vec![
        Difference {
            why: "a result that JSON cannot carry is an error that says so",
            segments: vec![(call("Peer.NaN", b"null"), 0)],
            go: (ExpectedEnd::Closed, String::new()),
            ours: answered(&[failure("the result cannot be sent: F: a number that is not finite")]),
        },
        Difference {
            why: "backspace and form feed are written short, as Go does since 1.22",
            segments: vec![(call("Peer.Func", br#"{"StringArg":"\b\f"}"#), 0)],
            go: answered(&[success(r#"{"StringResult":"\u0008\u000c","IntResult":0}"#)]),
            ours: answered(&[success(r#"{"StringResult":"\b\f","IntResult":0}"#)]),
        },
    ]
}
