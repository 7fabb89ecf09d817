//! Where our answers differ from Go's by design.

use crate::exchange::ExpectedEnd;
use crate::raw_inputs::call;
use crate::support::{failure, success};

/// A difference: its reason, what is sent, Go's answer, and ours. What answers with other versions
/// than `versions` is ours.
pub struct Difference {
    pub why: &'static str,
    pub versions: Versions,
    pub segments: Vec<(Vec<u8>, usize)>,
    pub go: (ExpectedEnd, String),
    pub ours: (ExpectedEnd, String),
}

/// The versions of Go that answer otherwise than we do.
pub enum Versions {
    All,
    Until1_26,
    Since1_27,
}

pub fn all() -> Vec<Difference> {
    [in_files(), in_messages(), in_texts(), behind_messages()].into_iter().flatten().collect()
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
            versions: Versions::All,
            segments: vec![(count(), 129)],
            go: answered(&[counted(128)]),
            ours: answered(&[failure("too many files")]),
        },
        Difference {
            why: "however many there are",
            versions: Versions::All,
            segments: vec![(count(), 253)],
            go: answered(&[counted(128)]),
            ours: answered(&[failure("too many files")]),
        },
        Difference {
            why: "files on a later byte belong to the message",
            versions: Versions::All,
            segments: vec![(count()[..1].to_vec(), 0), (count()[1..].to_vec(), 1)],
            go: answered(&[counted(0)]),
            ours: answered(&[counted(1)]),
        },
        Difference {
            why: "files on several bytes add up",
            versions: Versions::All,
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
            versions: Versions::All,
            segments: vec![([echo("1"), echo("2")].concat(), 0)],
            go: answered(&[success("1")]),
            ours: answered(&[success("1"), success("2")]),
        },
        Difference {
            why: "malformed text in the same read ends the connection",
            versions: Versions::All,
            segments: vec![([echo("1"), b"xyz".to_vec()].concat(), 0)],
            go: answered(&[success("1")]),
            ours: (ExpectedEnd::Closed, success("1")),
        },
        Difference {
            why: "a string at the top level is complete at its end, as for Go since 1.27",
            versions: Versions::Until1_26,
            segments: vec![(b"\"a\"".to_vec(), 0)],
            go: (ExpectedEnd::Waiting(0), String::new()),
            ours: (ExpectedEnd::Closed, String::new()),
        },
        Difference {
            why: "so is a literal",
            versions: Versions::Until1_26,
            segments: vec![(b"true".to_vec(), 0)],
            go: (ExpectedEnd::Waiting(0), String::new()),
            ours: (ExpectedEnd::Closed, String::new()),
        },
        Difference {
            why: "a comma begins no message",
            versions: Versions::Since1_27,
            segments: vec![(b",".to_vec(), 0)],
            go: (ExpectedEnd::Waiting(0), String::new()),
            ours: (ExpectedEnd::Closed, String::new()),
        },
        Difference {
            why: "nor does a colon",
            versions: Versions::Since1_27,
            segments: vec![(b":".to_vec(), 0)],
            go: (ExpectedEnd::Waiting(0), String::new()),
            ours: (ExpectedEnd::Closed, String::new()),
        },
    ]
}

fn in_texts() -> Vec<Difference> {
    vec![
        Difference {
            why: "a result that JSON cannot carry is an error that says so",
            versions: Versions::All,
            segments: vec![(call("Peer.NaN", b"null"), 0)],
            go: (ExpectedEnd::Closed, String::new()),
            ours: answered(&[failure("the result cannot be sent: F: a number that is not finite")]),
        },
        Difference {
            why: "backspace and form feed are written short, as Go does since 1.22",
            versions: Versions::Until1_26,
            segments: vec![(call("Peer.Func", br#"{"StringArg":"\b\f"}"#), 0)],
            go: answered(&[success(r#"{"StringResult":"\u0008\u000c","IntResult":0}"#)]),
            ours: answered(&[success(r#"{"StringResult":"\b\f","IntResult":0}"#)]),
        },
    ]
}

/// What comes behind a message that fills a read of Go up to 1.26. Later ones drop 63 bytes there.
fn behind_messages() -> Vec<Difference> {
    let text = |bytes: usize| format!("\"{}\"", "a".repeat(bytes - echo("\"\"").len()));
    let of = |why, bytes: usize, behind: &[Vec<u8>], go, ours| Difference {
        why,
        versions: Versions::Since1_27,
        segments: vec![([vec![echo(&text(bytes))], behind.to_vec()].concat().concat(), 0)],
        go,
        ours,
    };
    let first = |bytes| success(&text(bytes));
    vec![
        of(
            "a call after one of 1536 bytes is answered",
            1536,
            &[echo("2")],
            answered(&[first(1536)]),
            answered(&[first(1536), success("2")]),
        ),
        of(
            "a call after one of 3584 bytes is answered",
            3584,
            &[echo("2")],
            answered(&[first(3584)]),
            answered(&[first(3584), success("2")]),
        ),
        of(
            "two calls after one of 1536 bytes are answered",
            1536,
            &[echo(&text(1536)), echo("2")],
            (ExpectedEnd::Closed, first(1536)),
            answered(&[first(1536), first(1536), success("2")]),
        ),
        of(
            "a syntax error after a call of 1536 bytes ends the connection",
            1536,
            &[b"{,".to_vec()],
            answered(&[first(1536)]),
            (ExpectedEnd::Closed, first(1536)),
        ),
    ]
}
