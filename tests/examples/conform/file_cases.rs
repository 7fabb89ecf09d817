//! Cases of a server's files.

use crate::case::{
    Case, Step, Want, call, error, exact, failure, result, send, send_with, success, unknown, want,
};

pub fn all() -> Vec<Case> {
    let mut cases = received();
    cases.extend(seen());
    cases.extend(late());
    cases.extend(closed());
    cases.extend(returned());
    cases
}

fn count(number: usize) -> crate::case::Reply {
    result(&format!("{{\"Count\":{number}}}"))
}

fn received() -> Vec<Case> {
    let count_call = || call("%CountFiles", "{}");
    let contents = |name: &str, files: &[&str]| {
        let quoted = files.iter().map(|text| format!("\"{text}\"")).collect::<Vec<_>>().join(",");
        let expected = result(&format!("{{\"Contents\":[{quoted}]}}"));
        Case::steps(name, vec![send_with(call("%CatFiles", "{}"), files), want(&[expected])])
    };
    let many = |name: &str, more: isize| {
        Case::steps(name, vec![Step::SendMany { bytes: count_call(), more }, want(&[success()])])
    };
    let large = format!("\"{}\"", "x".repeat(1 << 20));
    vec![
        Case::steps("X1-one", vec![send_with(count_call(), &["a"]), want(&[count(1)])]),
        Case::steps(
            "X1-large-message",
            vec![send_with(call("%Echo", &large), &["a"]), want(&[result(&large)])],
        ),
        many("X2-as-many-as-it-takes", 0),
        many("X2-one-less", -1),
        contents("X3-one", &["first"]),
        contents("X3-order", &["first", "second", "third"]),
        contents("X3-many", &["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]),
        Case::steps(
            "X3-each-its-own",
            vec![
                send_with(call("%CatFiles", "{}"), &["a"]),
                want(&[result(r#"{"Contents":["a"]}"#)]),
                send_with(call("%CatFiles", "{}"), &["b", "c"]),
                want(&[result(r#"{"Contents":["b","c"]}"#)]),
            ],
        ),
    ]
}

/// What a method sees of its files, and what happens to too many.
fn seen() -> Vec<Case> {
    let count_call = || call("%CountFiles", "{}");
    let many = |name: &str, more: isize| {
        let wants = Step::Want(vec![Want::Replies(vec![failure()])]);
        Case::steps(name, vec![Step::SendMany { bytes: count_call(), more }, wants])
    };
    vec![
        Case::answers("X7-none", count_call(), &[count(0)]),
        Case::answers(
            "X7-no-list",
            call("%FdInfo", "{}"),
            &[result(r#"{"Cloexec":null,"Nonblock":null,"IsNil":true}"#)],
        ),
        Case::steps(
            "X8-null",
            vec![send_with(call("%CountFiles", "null"), &["a", "b"]), want(&[count(2)])],
        ),
        many("X9-one-more", 1),
        Case::steps(
            "X14-close-on-exec",
            vec![
                send_with(call("%FdInfo", "{}"), &["a", "b"]),
                want(&[result(
                    r#"{"Cloexec":[true,true],"Nonblock":[false,false],"IsNil":false}"#,
                )]),
            ],
        ),
        // The kernel drops what there is no room for.
        many("X15-as-many-as-the-kernel-takes", 253),
    ]
}

/// Files that do not come with the first byte of a message.
fn late() -> Vec<Case> {
    let text = String::from_utf8(call("%CountFiles", "{}")).expect("it is ASCII");
    let parts = |at: usize| (text[..at].to_owned(), text[at..].to_owned());
    let (first, rest) = parts(1);
    let (half, other_half) = parts(text.len() / 2);
    vec![
        Case::steps(
            "X4-second-byte",
            vec![send(first), Step::Pause, send_with(rest, &["a"]), want(&[count(1)])],
        ),
        Case::steps(
            "X4-middle",
            vec![
                send(half.clone()),
                Step::Pause,
                send_with(other_half.clone(), &["a"]),
                want(&[count(1)]),
            ],
        ),
        Case::steps(
            "X4-both-parts",
            vec![
                send_with(half, &["a"]),
                Step::Pause,
                send_with(other_half, &["b"]),
                want(&[count(2)]),
            ],
        ),
        Case::steps(
            "X5-next-message",
            vec![send(&*text), send_with(&*text, &["a"]), want(&[count(0), count(1)])],
        )
        .ends(),
        Case::steps(
            "X5-end-and-begin-in-one-send",
            vec![
                send(&text[..10]),
                Step::Pause,
                send_with(format!("{}{text}", &text[10..]), &["a"]),
                want(&[count(0), count(1)]),
            ],
        )
        .ends(),
    ]
}

/// Files that no method takes. Every case sees that they are closed.
fn closed() -> Vec<Case> {
    let ended = || Step::Want(vec![Want::Closed(vec![])]);
    let one_and_two = |method: &str, arg: &str| send_with(call(method, arg), &["a", "b"]);
    vec![
        Case::steps(
            "X6-unknown-method",
            vec![one_and_two("conform.None", "1"), want(&[unknown()])],
        ),
        Case::steps("X6-takes-none", vec![one_and_two("%Echo", "1"), want(&[result("1")])]),
        Case::steps("X6-failed", vec![one_and_two("%Err", "1"), want(&[error("test error")])]),
        Case::steps("X6-bad-argument", vec![one_and_two("%CountFiles", "1"), want(&[failure()])]),
        Case::steps("X6-empty-object", vec![send_with("{}", &["a"]), want(&[unknown()])]),
        Case::steps("X6-syntax-error", vec![send_with("}", &["a", "b"]), ended()]).ends(),
        Case::steps("X6-unfinished", vec![send_with("{\"meth", &["a"]), Step::EndSending, ended()])
            .ends(),
        Case::steps("X16-used", vec![one_and_two("%CountFiles", "{}"), want(&[count(2)])]),
        Case::steps(
            "X16-read",
            vec![one_and_two("%CatFiles", "{}"), want(&[result(r#"{"Contents":["a","b"]}"#)])],
        ),
        Case::steps(
            "X16-failed",
            vec![one_and_two("%ErrFiles", "{}"), want(&[error("test error")])],
        ),
    ]
}

fn returned() -> Vec<Case> {
    let make = |name: &str, number: usize, files: &[&str]| {
        let arg = format!("{{\"Count\":{number},\"Content\":\"f\"}}");
        Case::answers(name, call("%MakeFiles", &arg), &[result("{}").with_files(files)])
    };
    vec![
        make("X10-none", 0, &[]),
        make("X10-one", 1, &["f0"]),
        make("X10-order", 3, &["f0", "f1", "f2"]),
        Case::answers(
            "X10-thirty-two",
            call("%MakeFiles", "{\"Count\":32,\"Content\":\"\"}"),
            &[result("{}").with_any_files()],
        ),
        Case::answers("X10-empty-list", call("%EmptyFiles", "null"), &[result("{}")]),
        Case::steps(
            "X11-failed",
            vec![send_with(call("%ErrFiles", "{}"), &["a"]), want(&[error("test error")])],
        ),
        Case::answers(
            "X12-too-many",
            call("%TooManyFiles", "null"),
            &[exact(r#"{"success":false,"err":"too many files","result":null}"#)],
        ),
    ]
}
