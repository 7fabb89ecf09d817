//! Cases of a server: messages on the stream, the call, the reply, the connection.

use crate::case::{Case, Reply, Step, Want, call, error, failure, result, send, unknown, want};

const NONE: &str = "conform.None";

pub fn all() -> Vec<Case> {
    [
        framing(),
        calls(),
        members(),
        methods(),
        arguments(),
        replies(),
        connections(),
        two_connections(),
        errors(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn framing() -> Vec<Case> {
    let unknown_call = call(NONE, "1");
    let text = String::from_utf8(unknown_call.clone()).expect("it is ASCII");
    let mut cases = vec![
        Case::answers("F1-stream", unknown_call.clone(), &[unknown()]),
        Case::answers("F2-one-object", unknown_call.clone(), &[unknown()]),
        Case::answers("F2-brace-in-string", call(NONE, "\"}\""), &[unknown()]),
        Case::answers("F2-escaped-quote", call(NONE, r#""\"}""#), &[unknown()]),
        Case::answers("F3-number-last", br#"{"method":"conform.None","arg":1}"#, &[unknown()]),
        Case::answers("F3-string-last", br#"{"arg":1,"method":"conform.None"}"#, &[unknown()]),
        Case::answers("F3-nested", call(NONE, "[[{}]]"), &[unknown()]),
        Case::steps("F4-bytewise", vec![Step::SendBytewise(unknown_call), want(&[unknown()])]),
        Case::steps(
            "F4-bytewise-echo",
            vec![
                Step::SendBytewise(call("%Echo", "{\"a\":[1.5e3,\"\u{e9}\\u00e9\"]}")),
                want(&[result("{\"a\":[1.5e3,\"\u{e9}\\u00e9\"]}")]),
            ],
        ),
    ];
    for cut in [1, 2, 9, 12, text.len() - 1] {
        let (first, rest) = text.split_at(cut);
        let steps = vec![send(first), Step::Pause, send(rest), want(&[unknown()])];
        cases.push(Case::steps(&format!("F4-cut-at-{cut}"), steps));
    }
    for (name, space) in [("space", " "), ("tab", "\t"), ("line-feed", "\n"), ("return", "\r")] {
        cases.push(Case::answers(&format!("F5-{name}"), format!("{space}{text}"), &[unknown()]));
        let steps = vec![send(space), Step::Pause, send(&*text), want(&[unknown()])];
        cases.push(Case::steps(&format!("F5-{name}-alone"), steps));
    }
    cases.push(Case::answers("F5-many", format!("{}{text}", " \t\r\n".repeat(500)), &[unknown()]));
    cases.extend(cut_inside());
    cases.extend(several(&text));
    cases
}

/// A message that comes in two parts, cut inside a character, an escape, a number.
fn cut_inside() -> Vec<Case> {
    let cut = |name: &str, first: &[u8], rest: &[u8], back: &str| {
        let first = [br#"{"method":"%Echo","arg":"#, first].concat();
        let rest = [rest, b"}"].concat();
        Case::steps(name, vec![send(first), Step::Pause, send(rest), want(&[result(back)])])
    };
    vec![
        cut("F4-inside-utf8", b"\"\xe2", b"\x82\xac\"", "\"\u{20ac}\""),
        cut("F4-inside-escape", br#""\u20"#, br#"ac""#, r#""\u20ac""#),
        cut("F4-inside-number", b"12", b"34", "1234"),
    ]
}

/// Several messages on one connection, and large ones.
fn several(text: &str) -> Vec<Case> {
    let twice = format!("{text}{text}");
    // A peer that drops what it read behind a message answers one, or finds no message in the rest.
    let both = [
        Want::Replies(vec![unknown()]),
        Want::Replies(vec![unknown(), unknown()]),
        Want::Closed(vec![unknown()]),
    ];
    let next = |arg: &str| [send(call("%Echo", arg)), want(&[result(arg)])];
    let numbers = (0..50).map(|number| number.to_string()).collect::<Vec<_>>();
    let large = format!("\"{}\"", "x".repeat(20 << 20));
    vec![
        Case::steps("F6-line-feed-behind", vec![send(format!("{text}\n")), want(&[unknown()])]),
        Case::steps("F8-two-in-one-send", vec![send(twice), Step::Want(both.to_vec())]).ends(),
        Case::steps("F9-one-after-another", {
            numbers.iter().flat_map(|number| next(number)).collect()
        }),
        Case::steps(
            "F9-after-an-error",
            vec![send(text), want(&[unknown()]), send(text), want(&[unknown()])],
        ),
        // More than many servers take, and within what Go's does.
        Case::steps(
            "F10-twenty-megabytes",
            vec![
                send(call("%Echo", &large)),
                Step::Want(vec![
                    Want::Replies(vec![result(&large)]),
                    Want::Closed(vec![]),
                    Want::Closed(vec![failure()]),
                ]),
            ],
        )
        .ends(),
        Case::steps("F10-one-megabyte", Vec::from(next(&format!("\"{}\"", "y".repeat(1 << 20))))),
        Case::steps(
            "F11-slowly",
            vec![
                send(&text[..20]),
                Step::Pause,
                Step::Pause,
                send(&text[20..]),
                want(&[unknown()]),
            ],
        ),
    ]
}

fn calls() -> Vec<Case> {
    let one = [result("1")];
    vec![
        Case::answers("C1-plain", call("%Echo", "1"), &one),
        Case::answers("C1-unknown", call(NONE, "null"), &[unknown()]),
        Case::answers("C2-arg-first", br#"{"arg":1,"method":"%Echo"}"#, &one),
        Case::answers("C2-white-space", br#" { "arg" : 1 , "method" : "%Echo" } "#, &one),
        Case::answers("C3-unknown-before", br#"{"id":7,"method":"%Echo","arg":1}"#, &one),
        Case::answers("C3-unknown-between", br#"{"method":"%Echo","x":[{}],"arg":1}"#, &one),
        Case::answers("C3-unknown-behind", br#"{"method":"%Echo","arg":1,"z":null}"#, &one),
        Case::answers("C3-empty-name", br#"{"":0,"method":"%Echo","arg":1}"#, &one),
        Case::answers("C3-only-unknown", br#"{"hello":"world"}"#, &[unknown()]),
        Case::closes("C3-bad-literal", br#"{"x":tru,"method":"%Echo","arg":1}"#),
        Case::closes("C3-bad-number", br#"{"x":01,"method":"conform.None","arg":1}"#),
        Case::closes("C3-bad-escape", br#"{"x":"\x","method":"conform.None","arg":1}"#),
        Case::closes("C3-bad-nested", br#"{"x":[1,],"method":"conform.None","arg":1}"#),
    ]
}

fn members() -> Vec<Case> {
    let one = [result("1")];
    let spelt = |name: &str, method: &str, arg: &str| {
        let text = format!("{{\"{method}\":\"%Echo\",\"{arg}\":1}}");
        Case::answers(&format!("C4-{name}"), text, &one)
    };
    let twice = |name: &str, text: &str| Case::answers(&format!("C5-{name}"), text, &one);
    vec![
        spelt("upper-case", "METHOD", "ARG"),
        spelt("mixed-case", "mEtHoD", "aRg"),
        spelt("escaped", r"\u006dethod", r"\u0061rg"),
        spelt("escaped-upper-case", r"\u004dethod", r"ARG"),
        Case::answers("C4-similar-name", br#"{"methods":"%Echo","arg":1}"#, &[unknown()]),
        Case::answers("C4-space-in-name", br#"{"method ":"%Echo","arg":1}"#, &[unknown()]),
        Case::answers("C4-underscore", br#"{"_method":"%Echo","arg":1}"#, &[unknown()]),
        Case::answers("C4-full-width", "{\"\u{ff4d}ethod\":\"%Echo\",\"arg\":1}", &[unknown()]),
        twice("method-twice", r#"{"method":"conform.None","method":"%Echo","arg":1}"#),
        twice("arg-twice", r#"{"method":"%Echo","arg":2,"arg":1}"#),
        twice("other-case-last", r#"{"method":"conform.None","METHOD":"%Echo","arg":1}"#),
        twice("exact-last", r#"{"METHOD":"conform.None","method":"%Echo","arg":1}"#),
        twice("arg-of-another-kind", r#"{"method":"%Echo","arg":{"a":[]},"Arg":1}"#),
        Case::answers(
            "C5-unknown-last",
            br#"{"method":"%Echo","arg":1,"method":"conform.None"}"#,
            &[unknown()],
        ),
    ]
}

fn methods() -> Vec<Case> {
    let not_found = |name: &str, text: &str| Case::answers(name, text, &[unknown()]);
    let mut cases = vec![
        not_found("C6-lower-case", r#"{"method":"%echo","arg":1}"#),
        not_found("C6-space-behind", r#"{"method":"%Echo ","arg":1}"#),
        not_found("C6-space-before", r#"{"method":" %Echo","arg":1}"#),
        not_found("C6-nul-behind", r#"{"method":"%Echo\u0000","arg":1}"#),
        Case::answers(
            "C6-escaped-point",
            br#"{"method":"conform\u002eNone","arg":1}"#,
            &[unknown()],
        ),
        not_found("C7-unknown-type", r#"{"method":"Conform.Echo","arg":1}"#),
        not_found("C7-unknown-method", r#"{"method":"%Nope","arg":1}"#),
        not_found("C7-no-point", r#"{"method":"Echo","arg":1}"#),
        not_found("C7-only-point", r#"{"method":".","arg":1}"#),
        not_found("C7-many-points", r#"{"method":"a.b.c.d","arg":1}"#),
        not_found("C7-missing", r#"{"arg":1}"#),
        not_found("C7-null", r#"{"method":null,"arg":1}"#),
        not_found("C7-empty", r#"{"method":"","arg":1}"#),
        not_found("C7-empty-object", "{}"),
        not_found("C7-top-null", "null "),
        not_found("C7-no-arg", r#"{"method":"conform.None"}"#),
        not_found("C7-unicode", "{\"method\":\"M\u{e9}thode.\u{20ac}\",\"arg\":1}"),
        not_found("C7-long", &format!(r#"{{"method":"{}","arg":1}}"#, "long.".repeat(10_000))),
    ];
    for (name, value) in
        [("number", "1"), ("true", "true"), ("array", "[\"%Echo\"]"), ("object", "{\"a\":1}")]
    {
        let text = format!("{{\"method\":{value},\"arg\":1}}").replace("%Echo", NONE);
        cases.push(Case::closes(&format!("C8-{name}"), text));
    }
    cases
}

fn arguments() -> Vec<Case> {
    let refused = |name: &str, arg: &str| {
        Case::answers(&format!("C11-{name}"), call("%Func", arg), &[failure()])
    };
    let func = |name: &str, arg: &str, expected: &str| {
        Case::answers(name, call("%Func", arg), &[result(expected)])
    };
    let zero = r#"{"StringResult":"","IntResult":0}"#;
    let mut cases = vec![
        Case::answers("C9-missing", br#"{"method":"%Func"}"#, &[failure()]),
        Case::answers("C9-missing-echo", br#"{"method":"%Echo"}"#, &[failure()]),
        Case::answers("C9-other-members", br#"{"method":"%Func","args":{}}"#, &[failure()]),
        func("C10-null", "null", zero),
        func("C10-empty-object", "{}", zero),
        func("C10-null-members", r#"{"StringArg":null,"IntArg":null}"#, zero),
        refused("number", "1"),
        refused("string", "\"x\""),
        refused("true", "true"),
        refused("array", "[]"),
        refused("string-for-number", r#"{"IntArg":"1"}"#),
        refused("number-for-string", r#"{"StringArg":1}"#),
        refused("two-members", r#"{"StringArg":1,"IntArg":"x"}"#),
        refused("first-fits", r#"{"StringArg":"x","IntArg":"x"}"#),
        func(
            "C11-fits",
            r#"{"StringArg":"x","IntArg":5}"#,
            r#"{"StringResult":"x","IntResult":5}"#,
        ),
    ];
    for (name, text) in [("array", "[1]"), ("empty-array", "[]"), ("number", "1 ")] {
        cases.push(Case::closes(&format!("C12-{name}"), text));
    }
    // Go 1.19 needs the end or another byte to see where these end.
    for (name, text) in [("string", "\"a\" "), ("true", "true "), ("false", "false ")] {
        cases.push(Case::closes(&format!("C12-{name}"), text));
    }
    cases
}

fn replies() -> Vec<Case> {
    let echo = |name: &str, text: &str| {
        Case::answers(&format!("R1-{name}"), call("%Echo", text), &[result(text)])
    };
    vec![
        echo("number", "1"),
        echo("string", "\"x\""),
        echo("object", r#"{"b":1,"a":{"c":[]}}"#),
        echo("array", "[1,\"2\",null]"),
        echo("true", "true"),
        echo("null", "null"),
        Case::answers("R2-unknown", call(NONE, "1"), &[unknown()]),
        Case::answers("R2-failed", call("%Err", "{}"), &[error("test error")]),
        Case::answers("R2-argument", call("%Func", "1"), &[failure()]),
        Case::steps(
            "R6-goes-on-after-unknown",
            vec![
                send(call(NONE, "1")),
                want(&[unknown()]),
                send(call("%Echo", "2")),
                want(&[result("2")]),
            ],
        ),
        Case::steps(
            "R6-goes-on-after-failed",
            vec![
                send(call("%Err", "1")),
                want(&[error("test error")]),
                send(call("%Echo", "2")),
                want(&[result("2")]),
            ],
        ),
        Case::steps(
            "R10-not-a-number",
            vec![
                send(call("%NaN", "null")),
                Step::Want(vec![Want::Closed(vec![]), Want::Replies(vec![failure()])]),
            ],
        )
        .ends(),
    ]
}

fn connections() -> Vec<Case> {
    let ended = || Step::Want(vec![Want::Closed(vec![])]);
    let cut = |name: &str, text: &str| {
        Case::steps(&format!("L3-{name}"), vec![send(text), Step::EndSending, ended()]).ends()
    };
    vec![
        Case::steps("L1-quiet-between", chain([next_call(), vec![Step::Pause], next_call()])),
        Case::steps("L1-after-reply", chain([next_call(), vec![Step::Pause]])),
        Case::steps("L2-at-once", vec![to(0, " "), Step::EndSending, ended()]).ends(),
        Case::steps("L2-after-reply", chain([next_call(), vec![Step::EndSending, ended()]])).ends(),
        Case::steps("L2-after-blanks", vec![to(0, "\n\n"), Step::EndSending, ended()]).ends(),
        cut("one-byte", "{"),
        cut("in-name", "{\"meth"),
        cut("in-string", "{\"method\":\"conform.No"),
        cut("before-brace", "{\"method\":\"conform.None\",\"arg\":1"),
        cut("in-arg", "{\"method\":\"conform.None\",\"arg\":[{\"a\":"),
        Case::steps(
            "L4-half-closed",
            vec![
                send(call(NONE, "1")),
                Step::EndSending,
                Step::Want(vec![Want::Closed(vec![unknown()])]),
            ],
        )
        .ends(),
        Case::steps(
            "L4-half-closed-echo",
            vec![
                send(call("%Echo", "[1]")),
                Step::EndSending,
                Step::Want(vec![Want::Closed(vec![result("[1]")])]),
            ],
        )
        .ends(),
    ]
}

fn to(connection: usize, text: &str) -> Step {
    Step::Send { connection, bytes: text.into(), files: vec![] }
}

fn next_call() -> Vec<Step> {
    vec![send(call(NONE, "1")), want(&[unknown()])]
}

/// What another connection does does not disturb the first.
fn two_connections() -> Vec<Case> {
    let other = |name: &str, steps: Vec<Step>| {
        Case::steps(&format!("L6-{name}"), chain([vec![to(0, "")], steps, next_call()]))
    };
    vec![
        other("garbage", vec![to(1, "}{")]),
        other("silence", vec![to(1, "{\"method\":")]),
        other("end-in-message", vec![to(1, "{\"meth"), Step::Close(1)]),
        other("unread-reply", vec![to(1, "{}"), Step::Close(1)]),
    ]
}

fn chain<const N: usize>(parts: [Vec<Step>; N]) -> Vec<Step> {
    parts.into_iter().flatten().collect()
}

fn errors() -> Vec<Case> {
    let fails = |name: &str, method: &str, reply: Reply| {
        Case::answers(name, call(method, "null"), &[reply])
    };
    vec![
        fails("E1-unknown-type", NONE, unknown()),
        fails("E1-unknown-method", "%Nope", unknown()),
        fails("E2-too-many-files", "%TooManyFiles", error("too many files")),
        fails("E3-text", "%Err", error("test error")),
        fails("E3-empty-text", "%ErrEmpty", error("")),
        Case::answers("E4-panic", call("%Panic", "null"), &[failure()]).may_end_peer(),
        Case::steps(
            "E4-goes-on",
            vec![
                send(call("%Panic", "null")),
                want(&[error("method panicked")]),
                send(call("%Echo", "1")),
                want(&[result("1")]),
            ],
        )
        .may_end_peer(),
    ]
}
