//! Bytes that are sent to Go's server and to ours. The answers must be the same.

use crate::exchange::{Exchange, ExpectedEnd};
use crate::raw_arguments::{BROKEN, ECHOED, FUNC_ARGUMENTS, TYPES_MEMBERS};

/// The inputs that both answer in the same way, except for the texts of argument errors.
pub fn alike() -> Vec<Exchange> {
    let mut inputs = Vec::new();
    for argument in ECHOED {
        inputs.push(Exchange::answered(&label("echo", argument), call("Peer.Echo", argument)));
    }
    for argument in BROKEN {
        let bytes = call("Peer.Echo", argument);
        inputs.push(Exchange::new(&label("broken", argument), bytes, ExpectedEnd::Closed));
    }
    for argument in FUNC_ARGUMENTS {
        inputs.push(Exchange::answered(&label("Func", argument), call("Peer.Func", argument)));
    }
    for members in TYPES_MEMBERS {
        let argument = [b"{", *members, b"}"].concat();
        inputs.push(Exchange::answered(&label("Types", &argument), call("Peer.Types", &argument)));
    }
    for envelope in ENVELOPES {
        inputs.push(Exchange::answered(&label("envelope", envelope), *envelope));
    }
    for envelope in BAD_ENVELOPES {
        inputs.push(Exchange::new(
            &label("bad envelope", envelope),
            *envelope,
            ExpectedEnd::Closed,
        ));
    }
    for beginning in BEGINNINGS {
        inputs.push(Exchange::new(
            &label("unfinished", beginning),
            *beginning,
            ExpectedEnd::Waiting(0),
        ));
    }
    inputs.extend(depths());
    inputs.extend(methods_and_sizes());
    inputs.extend(with_files());
    inputs.extend(cuts());
    inputs.extend(several_calls());
    inputs
}

/// A call of `method` with the text `argument`, which need not be valid.
pub fn call(method: &str, argument: &[u8]) -> Vec<u8> {
    [br#"{"method":""#, method.as_bytes(), br#"","arg":"#, argument, b"}"].concat()
}

fn label(what: &str, bytes: &[u8]) -> String {
    format!("{what} {}", bytes[..bytes.len().min(80)].escape_ascii())
}

/// Envelopes that get a reply, many of them "unknown method".
const ENVELOPES: &[&[u8]] = &[
    b"{}",
    b"{ }",
    b"null ",
    b"null\n",
    br#"{"arg":1}"#,
    br#"{"method":"","arg":1}"#,
    br#"{"method":null,"arg":1}"#,
    br#"{"method":"Peer","arg":1}"#,
    br#"{"method":"Peer.","arg":1}"#,
    br#"{"method":".Echo","arg":1}"#,
    br#"{"method":"Echo","arg":1}"#,
    br#"{"method":"peer.echo","arg":1}"#,
    br#"{"method":"Peer.echo","arg":1}"#,
    br#"{"method":"Peer.Echo ","arg":1}"#,
    br#"{"method":" Peer.Echo","arg":1}"#,
    br#"{"method":"Peer.Echo.Echo","arg":1}"#,
    br#"{"method":"Peer.Stop","arg":1}"#,
    br#"{"method":"Nope.Echo","arg":1}"#,
    b"{\"method\":\"Peer.Echo\xff\",\"arg\":1}",
    br#"{"method":"Peer.Nope","arg":{"a":[1,2,{}]}}"#,
    br#"{"method":"Peer.Nope"}"#,
    br#"{"method":"Peer.\u0045cho","arg":1}"#,
    br#"{"\u006dethod":"Peer.Echo","\u0061rg":1}"#,
    br#"{"METHOD":"Peer.Echo","ARG":1}"#,
    br#"{"Method":"Peer.Echo","Arg":1}"#,
    br#"{"mEtHoD":"Peer.Echo","aRg":1}"#,
    br#"{"arg":1,"method":"Peer.Echo"}"#,
    br#"{"method":"Peer.Nope","method":"Peer.Echo","arg":1}"#,
    br#"{"method":"Peer.Echo","method":"Peer.Nope","arg":1}"#,
    br#"{"method":"Peer.Echo","METHOD":"Peer.Nope","arg":1}"#,
    br#"{"METHOD":"Peer.Nope","method":"Peer.Echo","arg":1}"#,
    br#"{"method":"Peer.Echo","method":null,"arg":1}"#,
    br#"{"method":"Peer.Echo","arg":1,"arg":2}"#,
    br#"{"method":"Peer.Echo","arg":1,"ARG":2}"#,
    br#"{"method":"Peer.Echo","ARG":1,"arg":2}"#,
    br#"{"method":"Peer.Echo","arg":{"a":1},"arg":{"b":2}}"#,
    br#"{"method":"Peer.Echo","arg":1,"arg":null}"#,
    br#"{"method":"Peer.Func","arg":{"IntArg":1},"arg":{"StringArg":"x"}}"#,
    br#"{"method":"Peer.Echo"}"#,
    br#"{"method":"Peer.Func"}"#,
    br#"{"method":"Peer.CountFiles"}"#,
    br#"{"zero":0,"method":"Peer.Echo","one":{"method":"x"},"arg":1,"two":[[{}]]}"#,
    br#"{"method":"Peer.Echo","arg":1,"methods":"x","ar":2,"args":3,"":4}"#,
    b"{\"method\":\"Peer.Echo\",\"arg\":1,\"\xff\":\"\xff\"}",
    br#" {"method":"Peer.Echo","arg":1}"#,
    b"\t\r\n {\"method\":\"Peer.Echo\",\"arg\":1}",
    b"{ \"method\" : \"Peer.Echo\" , \"arg\" : 1 }",
    b"\n{\n\t\"method\":\r\n\"Peer.Echo\",\n\"arg\":\n[\n1\n]\n}",
    b"{\"method\":\"Peer.Echo\",\"arg\":1} ",
    b"{\"method\":\"Peer.Echo\",\"arg\":1}\n",
    b"{\"method\":\"Peer.Echo\",\"arg\":1}\r\n\t ",
];

/// Envelopes that end the connection.
const BAD_ENVELOPES: &[&[u8]] = &[
    b"}",
    b"]",
    b"x",
    b"[]",
    b"[1]",
    b"[{\"method\":\"Peer.Echo\",\"arg\":1}]",
    b"1 ",
    b"-1 ",
    b"\"a\" ",
    b"true ",
    b"false ",
    b"nulL",
    b"\x00{}",
    b"\xef\xbb\xbf{}",
    b"\x0b{}",
    b"\xff",
    b"'",
    b"/",
    b"{]",
    b"{,",
    b"{:",
    b"{1",
    b"{m",
    b"{null",
    b"{{",
    b"{[",
    b"{\"method\",",
    b"{\"method\"}",
    b"{\"method\":}",
    b"{\"method\":,",
    b"{\"method\":\"Peer.Echo\",}",
    b"{\"method\":\"Peer.Echo\"]",
    b"{\"method\":\"Peer.Echo\" \"arg\":1}",
    b"{\"method\":\"Peer.Echo\";\"arg\":1}",
    br#"{"method":1,"arg":1}"#,
    br#"{"method":1.5,"arg":1}"#,
    br#"{"method":true,"arg":1}"#,
    br#"{"method":[],"arg":1}"#,
    br#"{"method":["Peer.Echo"],"arg":1}"#,
    br#"{"method":{},"arg":1}"#,
    br#"{"method":"Peer.Echo","METHOD":1,"arg":1}"#,
    br#"{"method":1,"method":"Peer.Echo","arg":1}"#,
    b"{\"method\":\"Peer.Echo\n\",\"arg\":1}",
    br#"{"method":"Peer.Echo","arg":1,"x":tru}"#,
    br#"{"method":"Peer.Nope","arg":[1,}"#,
];

/// Beginnings of messages. They get no reply, and the connection ends when no more can come.
const BEGINNINGS: &[&[u8]] = &[
    b"",
    b" ",
    b"\n\t\r ",
    b"{",
    b"{\"",
    b"{\"method",
    b"{\"method\"",
    b"{\"method\":",
    b"{\"method\":\"Peer.Echo",
    b"{\"method\":\"Peer.Echo\"",
    b"{\"method\":\"Peer.Echo\",",
    b"{\"method\":\"Peer.Echo\",\"arg\":",
    b"{\"method\":\"Peer.Echo\",\"arg\":1",
    b"{\"method\":\"Peer.Echo\",\"arg\":[1,2",
    b"{\"method\":\"Peer.Echo\",\"arg\":\"unfinished}",
    b"{\"method\":\"Peer.Echo\",\"arg\":\"\\",
    b"{\"method\":\"Peer.Echo\",\"arg\":\"\\u00",
    b"{\"method\":\"Peer.Echo\",\"arg\":tru",
    b"{\"method\":\"Peer.Echo\",\"arg\":-",
    b"{\"method\":\"Peer.Echo\",\"arg\":{}",
    b"1",
    b"-1.5e3",
    b"\"a",
    b"tru",
    b"nul",
];

fn depths() -> Vec<Exchange> {
    let nested = |levels: usize| [vec![b'['; levels], vec![b']'; levels]].concat();
    let echo = |levels| call("Peer.Echo", &nested(levels));
    let unknown = |levels| [br#"{"x":"#, &*nested(levels), b"}"].concat();
    let mut inputs = Vec::new();
    for levels in [100, 1000, 9998, 9999] {
        inputs.push(Exchange::answered(&format!("{levels} levels in the argument"), echo(levels)));
        let label = format!("{levels} levels in an unknown member");
        inputs.push(Exchange::answered(&label, unknown(levels)));
    }
    for levels in [10000, 10001] {
        let label = format!("{levels} levels in the argument");
        inputs.push(Exchange::new(&label, echo(levels), ExpectedEnd::Closed));
        let label = format!("{levels} levels in an unknown member");
        inputs.push(Exchange::new(&label, unknown(levels), ExpectedEnd::Closed));
    }
    inputs
}

fn methods_and_sizes() -> Vec<Exchange> {
    let mut inputs = Vec::new();
    let calls: [(&str, &str); 14] = [
        ("Peer.Err", "{}"),
        ("Peer.Err", "null"),
        ("Peer.ErrEmpty", "[1]"),
        ("Peer.TooManyFiles", "{}"),
        ("Peer.EmptyFiles", "{}"),
        ("Peer.FdInfo", "{}"),
        ("Peer.Sleep", r#"{"Ms":1}"#),
        ("Peer.Sleep", r#"{"Ms":"1"}"#),
        ("Peer.Big", r#"{"N":0}"#),
        ("Peer.Big", r#"{"N":1}"#),
        ("Peer.Big", r#"{"N":70000}"#),
        ("Peer.Big", r#"{"N":1048576}"#),
        ("Peer.CatFiles", "{}"),
        ("Peer.CountFiles", "[]"),
    ];
    for (method, argument) in calls {
        let bytes = call(method, argument.as_bytes());
        inputs.push(Exchange::answered(&format!("{method} {argument}"), bytes));
    }
    for length in [100, 1_000, 10_000, 100_000, 1 << 20] {
        let argument = format!("\"{}\"", "a".repeat(length));
        let bytes = call("Peer.Echo", argument.as_bytes());
        inputs.push(Exchange::answered(&format!("echo of {length} bytes"), bytes));
    }
    let digits = "7".repeat(5000);
    let bytes = call("Peer.Echo", digits.as_bytes());
    inputs.push(Exchange::answered("echo of a number of 5000 digits", bytes));
    inputs
}

fn with_files() -> Vec<Exchange> {
    let with = |method: &str, argument: &str, files: usize| Exchange {
        label: format!("{method} {argument} with {files} files"),
        segments: vec![(call(method, argument.as_bytes()), files)],
        expected_end: ExpectedEnd::Answered(1),
    };
    let mut inputs = Vec::new();
    for files in [0, 1, 2, 3, 31, 32, 33, 64, 127, 128] {
        inputs.push(with("Peer.CountFiles", "{}", files));
    }
    for files in [1, 2, 16, 128] {
        inputs.push(with("Peer.CatFiles", "{}", files));
    }
    for count in [0, 1, 2, 32, 128, 129] {
        inputs.push(with("Peer.MakeFiles", &format!(r#"{{"Count":{count},"Content":"c"}}"#), 0));
    }
    inputs.extend([
        with("Peer.CountFiles", "null", 2),
        with("Peer.CountFiles", "1", 2),
        with("Peer.Nope", "1", 2),
        with("Peer.Echo", "1", 3),
        with("Peer.Func", "{}", 1),
        with("Peer.Err", "{}", 1),
        with("Peer.ErrFiles", "{}", 2),
        with("Peer.ErrFiles", "{}", 0),
    ]);
    let mut dropped = with("Peer.Echo", "01", 2);
    dropped.expected_end = ExpectedEnd::Closed;
    inputs.push(dropped);
    inputs.push(Exchange {
        label: "files on white space before a message".to_owned(),
        segments: vec![([b" ", &*call("Peer.CountFiles", b"{}")].concat(), 2)],
        expected_end: ExpectedEnd::Answered(1),
    });
    inputs.push(Exchange {
        label: "files with a call, then a call without, then one with".to_owned(),
        segments: [1, 0, 2].map(|files| (call("Peer.CountFiles", b"{}"), files)).to_vec(),
        expected_end: ExpectedEnd::Answered(3),
    });
    inputs
}

/// One message in two sends, cut at every byte, and in one send a byte.
fn cuts() -> Vec<Exchange> {
    let message = "{\"method\":\"Peer.Echo\",\"arg\":[\"\u{20ac}\",1.5]}".as_bytes();
    let mut inputs: Vec<Exchange> = (1..message.len())
        .map(|at| Exchange {
            label: format!("cut at byte {at}"),
            segments: vec![(message[..at].to_vec(), 0), (message[at..].to_vec(), 0)],
            expected_end: ExpectedEnd::Answered(1),
        })
        .collect();
    inputs.push(Exchange {
        label: "byte by byte".to_owned(),
        segments: message.iter().map(|&byte| (vec![byte], 0)).collect(),
        expected_end: ExpectedEnd::Answered(1),
    });
    inputs
}

/// Several calls in one send. Go answers the later ones only if its reads happen to end where the
/// calls end. It reads one byte, then up to 1535, then up to 2048 more.
fn several_calls() -> Vec<Exchange> {
    let small = || call("Peer.Echo", b"2");
    let spaced = |blanks: usize| [small(), vec![b' '; blanks], small()].concat();
    let after = 1536 - small().len();
    vec![
        Exchange::new("a call where the first read ends", spaced(after), ExpectedEnd::Answered(2)),
        Exchange::new("a call one byte after that", spaced(after + 1), ExpectedEnd::Answered(2)),
        Exchange::new("a call after 2000 spaces", spaced(2000), ExpectedEnd::Answered(2)),
        Exchange {
            label: "two calls, the second once the first is answered".to_owned(),
            segments: vec![(small(), 0), (small(), 0)],
            expected_end: ExpectedEnd::Answered(2),
        },
    ]
}
