//! Cases of a client: the replies that it gets, and what it must make of them.

/// A case: the calls that a client makes, and the replies that it gets.
pub struct ClientCase {
    /// The requirement's number, a hyphen, and what the case is about.
    pub name: String,
    /// What the program decodes a result to: `any` or `int`.
    pub kind: &'static str,
    /// How many files it sends with each call.
    pub files: usize,
    pub calls: Vec<Call>,
}

/// One call of the program.
pub struct Call {
    /// The argument that the program gets.
    pub arg: String,
    /// The argument as it must come.
    pub written: String,
    /// What is sent in reply, each part on its own.
    pub reply: Vec<Part>,
    /// What the program may make of it.
    pub outcomes: Vec<Expected>,
}

#[derive(Clone)]
pub enum Part {
    Bytes(Vec<u8>),
    /// Bytes with so many files. They must be closed when the next call comes, or the program ends.
    Files(Vec<u8>, usize),
    /// The client must stay silent for a moment.
    Silence,
    /// Closes the connection.
    Close,
    /// Closes the connection before the call is read.
    Reset,
}

#[derive(Clone)]
pub enum Expected {
    /// The result with this text and so many files.
    Result(String, usize),
    /// The remote error with this text.
    Remote(String),
    /// An error that is no remote error.
    Failed,
}

pub fn all() -> Vec<ClientCase> {
    [calls(), framing(), envelopes(), refused(), results(), errors(), json(), files(), ends()]
        .into_iter()
        .flatten()
        .collect()
}

fn case(name: &str, reply: Vec<Part>, outcomes: &[Expected]) -> ClientCase {
    let call = Call { arg: "1".into(), written: "1".into(), reply, outcomes: outcomes.to_vec() };
    ClientCase { name: name.into(), kind: "any", files: 0, calls: vec![call] }
}

/// The reply gives the result.
fn gives(name: &str, reply: impl Into<Vec<u8>>, result: &str) -> ClientCase {
    case(name, vec![Part::Bytes(reply.into())], &[Expected::Result(result.into(), 0)])
}

/// The reply gives the remote error.
fn remote(name: &str, reply: impl Into<Vec<u8>>, error: &str) -> ClientCase {
    case(name, vec![Part::Bytes(reply.into())], &[Expected::Remote(error.into())])
}

/// The reply is an error that is no remote error.
fn fails(name: &str, reply: impl Into<Vec<u8>>) -> ClientCase {
    case(name, vec![Part::Bytes(reply.into()), Part::Close], &[Expected::Failed])
}

fn success(result: &str) -> Vec<u8> {
    format!("{{\"success\":true,\"err\":\"\",\"result\":{result}}}").into_bytes()
}

fn failure(error: &str) -> Vec<u8> {
    format!("{{\"success\":false,\"err\":\"{error}\",\"result\":null}}").into_bytes()
}

impl ClientCase {
    /// A second call, with the argument 2, which gets this reply.
    fn then(mut self, reply: Vec<Part>, outcomes: &[Expected]) -> ClientCase {
        let (arg, written) = ("2".into(), "2".into());
        self.calls.push(Call { arg, written, reply, outcomes: outcomes.to_vec() });
        self
    }

    /// A second call succeeds.
    fn then_goes_on(self) -> ClientCase {
        self.then(vec![Part::Bytes(success("2"))], &[Expected::Result("2".into(), 0)])
    }

    fn sending(mut self, arg: &str, written: &str) -> ClientCase {
        (self.calls[0].arg, self.calls[0].written) = (arg.into(), written.into());
        self
    }

    fn for_int(self) -> ClientCase {
        ClientCase { kind: "int", ..self }
    }

    fn with_files(self, files: usize) -> ClientCase {
        ClientCase { files, ..self }
    }
}

/// How a call must come.
fn calls() -> Vec<ClientCase> {
    let sends =
        |name: &str, arg: &str, written: &str| gives(name, success("1"), "1").sending(arg, written);
    let silent = vec![Part::Silence, Part::Bytes(success("1"))];
    let one = [Expected::Result("1".into(), 0)];
    vec![
        sends("C1-number", "1", "1"),
        sends("C1-null", "null", "null"),
        sends("C1-string", "\"x\"", "\"x\""),
        sends("C1-object", r#"{"b":1,"a":[true]}"#, r#"{"b":1,"a":[true]}"#),
        sends("J10-numbers-as-they-are", "[1.0,1E+05,-0]", "[1.0,1E+05,-0]"),
        sends("J10-order-as-it-is", r#"{"b":1,"a":2,"b":3}"#, r#"{"b":1,"a":2,"b":3}"#),
        sends("J11-in-a-call", "\"<&>\"", r#""\u003c\u0026\u003e""#),
        sends("J11-separators-in-a-call", "\"\u{2028}\u{2029}\"", r#""\u2028\u2029""#),
        sends("J12-in-a-call", " { \"a\" : [ 1 , 2 ] } ", r#"{"a":[1,2]}"#),
        case("F6-nothing-behind-a-call", silent.clone(), &one),
        case("F7-waits-for-the-reply", silent.clone(), &one)
            .then(silent.clone(), &[Expected::Result("1".into(), 0)]),
        gives("F9-many-calls", success("1"), "1").then_goes_on(),
    ]
}

fn framing() -> Vec<ClientCase> {
    let reply = success("[1,{\"a\":\"\u{20ac}\"}]");
    let result = "[1,{\"a\":\"\u{20ac}\"}]";
    let one_by_one = reply.iter().map(|byte| Part::Bytes(vec![*byte])).collect();
    let expected = [Expected::Result(result.into(), 0)];
    let mut cases = vec![
        case("F4-reply-bytewise", one_by_one, &expected),
        gives("F3-reply-needs-no-more-bytes", success("1"), "1"),
        gives(
            "F10-reply-of-a-megabyte",
            success(&format!("\"{}\"", "x".repeat(1 << 20))),
            &format!("\"{}\"", "x".repeat(1 << 20)),
        ),
        gives("F5-reply-after-white-space", [b" \t\r\n", &*success("1")].concat(), "1"),
        gives("F5-reply-after-many-blanks", [b" ".repeat(3000), success("1")].concat(), "1"),
    ];
    for cut in [1, 8, 20, reply.len() - 4] {
        let parts = [&reply[..cut], &reply[cut..]].map(|part| Part::Bytes(part.to_vec()));
        let [first, rest] = parts;
        let parts = vec![first, Part::Silence, rest];
        cases.push(case(&format!("F4-reply-cut-at-{cut}"), parts, &expected));
    }
    cases
}

fn envelopes() -> Vec<ClientCase> {
    let mut cases = vec![
        gives("R3-error-text-beside-success", r#"{"success":true,"err":"x","result":1}"#, "1"),
        remote("R3-result-beside-failure", r#"{"success":false,"err":"x","result":1}"#, "x"),
        remote("R3-missing", r#"{"err":"x","result":1}"#, "x"),
        remote("R3-null", r#"{"success":null,"err":"x","result":1}"#, "x"),
        remote("R3-empty-error", r#"{"success":false,"err":"","result":null}"#, ""),
        remote("R3-empty-object", "{}", ""),
        remote("R3-error-null", r#"{"success":false,"err":null}"#, ""),
        gives("R4-other-order", r#"{"result":1,"err":"","success":true}"#, "1"),
        gives("R4-unknown-members", r#"{"id":[{}],"success":true,"result":1,"z":null}"#, "1"),
        gives("R4-upper-case", r#"{"SUCCESS":true,"ERR":"","RESULT":1}"#, "1"),
        gives("R4-escaped", r#"{"\u0073uccess":true,"\u0072esult":1}"#, "1"),
        gives("R4-long-s", "{\"\u{17f}uccess\":true,\"re\u{17f}ult\":1}", "1"),
        gives("R4-twice", r#"{"success":false,"success":true,"result":2,"result":1}"#, "1"),
        gives("R4-no-error-member", r#"{"success":true,"result":1}"#, "1"),
        gives("R5-missing", r#"{"success":true,"err":""}"#, "0").for_int(),
        gives("R5-null", r#"{"success":true,"err":"","result":null}"#, "0").for_int(),
        gives("R4-white-space", " { \"success\" : true , \"result\" : 1 }", "1"),
    ];
    let not_fitting =
        [("success-number", r#"{"success":1}"#), ("err-number", r#"{"success":false,"err":1}"#)];
    for (name, text) in not_fitting {
        cases.push(fails(&format!("R8-{name}"), text));
    }
    for (name, text) in
        [("array", "[1]"), ("number", "1 "), ("string", "\"x\" "), ("true", "true ")]
    {
        cases.push(fails(&format!("R8-top-{name}"), text));
    }
    cases
}

/// Replies that are no JSON, or end too early.
fn refused() -> Vec<ClientCase> {
    let mut cases = Vec::new();
    for (name, text) in [
        ("two-commas", r#"{"success":true,,"result":1}"#),
        ("trailing-comma", r#"{"success":true,"result":[1,]}"#),
        ("bad-literal", r#"{"success":tru}"#),
        ("bad-number", r#"{"success":true,"result":01}"#),
        ("bad-escape", r#"{"success":true,"result":"\x"}"#),
        ("line-feed-in-string", "{\"success\":true,\"result\":\"\n\"}"),
        ("nul-first", "\0{\"success\":true,\"result\":1}"),
        ("byte-order-mark", "\u{feff}{\"success\":true,\"result\":1}"),
        ("closing-brace", "}"),
        ("text", "HTTP/1.1 400 Bad Request\r\n\r\n"),
    ] {
        cases.push(fails(&format!("R8-{name}"), text));
    }
    let reply = success("[1,2]");
    for cut in [1, 10, 20, reply.len() - 1] {
        cases.push(fails(&format!("R8-ends-after-{cut}"), &reply[..cut]));
    }
    // What follows a reply that was no JSON is no reply to the next call.
    let stale = [r#"{"success":tru!}"#.as_bytes(), &success("\"stale\"")].concat();
    cases.push(case("R8-next-call", vec![Part::Bytes(stale)], &[Expected::Failed]).then(
        vec![Part::Bytes(success("2"))],
        &[Expected::Failed, Expected::Result("2".into(), 0)],
    ));
    // Nor are bytes that came behind a reply.
    let unasked = [success("1"), success("\"stale\"")].concat();
    let next = [Expected::Failed, Expected::Result("2".into(), 0)];
    let first = [Expected::Result("1".into(), 0)];
    cases.push(
        case("R11-behind-a-reply", vec![Part::Bytes(unasked)], &first)
            .then(vec![Part::Bytes(success("2"))], &next),
    );
    cases
}

fn results() -> Vec<ClientCase> {
    let any = |name: &str, text: &str| gives(&format!("R1-result-{name}"), success(text), text);
    vec![
        any("number", "1"),
        any("string", "\"x\""),
        any("object", r#"{"b":1,"a":2}"#),
        any("array", "[1,[],{}]"),
        any("true", "true"),
        any("large-number", "123456789012345678901234567890"),
        gives("R1-integer", success("-7"), "-7").for_int(),
        gives("J13-most", success("9223372036854775807"), "9223372036854775807").for_int(),
        case("R7-string", vec![Part::Bytes(success("\"x\""))], &[Expected::Failed])
            .for_int()
            .then_goes_on(),
        case("R7-object", vec![Part::Bytes(success("{}"))], &[Expected::Failed])
            .for_int()
            .then_goes_on(),
        case("J13-result-fraction", vec![Part::Bytes(success("1.0"))], &[Expected::Failed])
            .for_int(),
        case(
            "J13-result-beyond",
            vec![Part::Bytes(success("9223372036854775808"))],
            &[Expected::Failed],
        )
        .for_int(),
    ]
}

fn errors() -> Vec<ClientCase> {
    let text = |name: &str, written: &str, text: &str| remote(name, failure(written), text);
    vec![
        text("R2-text", "no such thing", "no such thing"),
        text("R9-unicode", "\u{e9}\u{20ac}", "\u{e9}\u{20ac}"),
        text("R9-escapes", r"a\u0041\n\t\u003c", "aA\n\t<"),
        text("R9-quotes", r#"\"x\\y\""#, "\"x\\y\""),
        text("R9-percent", "100%d %s", "100%d %s"),
        text("R9-spaces", " x ", " x "),
        text("R9-like-go", "json: cannot unmarshal", "json: cannot unmarshal"),
        text("R9-long", &"e".repeat(5000), &"e".repeat(5000)),
        text("R6-second-call", "x", "x").then_goes_on(),
        text("E1-told", "unknown method", "unknown method").then_goes_on(),
        text("E2-told", "too many files", "too many files").then_goes_on(),
        text("E3-told", "test error", "test error"),
    ]
}

fn json() -> Vec<ClientCase> {
    let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let error = |name: &str, written: &[u8], text: &str| {
        let reply = [br#"{"success":false,"err":""#, written, br#"","result":null}"#].concat();
        remote(name, reply, text)
    };
    vec![
        gives("J7-reply-9999", success(&deep(9999)), &deep(9999)),
        fails("J7-reply-10000", success(&deep(10_000))),
        error("J8-reply-lone-byte", b"\xff", "\u{fffd}"),
        error("J8-reply-cut", b"\xe2\x82", "\u{fffd}\u{fffd}"),
        error("J9-reply-pair", br"\ud83d\ude00", "\u{1f600}"),
        error("J9-reply-lone", br"\ud83dx", "\u{fffd}x"),
        gives("J6-reply-number", success("1E+400"), "1E+400"),
        gives("J10-reply-repeated", success(r#"{"b":1,"b":2}"#), r#"{"b":1,"b":2}"#),
    ]
}

fn files() -> Vec<ClientCase> {
    let with = |name: &str, reply: Vec<u8>, files: usize, outcome: Expected| {
        case(name, vec![Part::Files(reply, files)], &[outcome])
    };
    let one = || Expected::Result("1".into(), 0);
    let mut cases = vec![
        gives("X1-call-with-one", success("1"), "1").with_files(1),
        gives("X1-call-with-many", success("1"), "1").with_files(32),
        gives("X1-call-without", success("1"), "1"),
        gives("X1-large-call", success("1"), "1").with_files(2).sending(
            &format!("\"{}\"", "x".repeat(100_000)),
            &format!("\"{}\"", "x".repeat(100_000)),
        ),
        gives("X1-second-call", success("1"), "1").with_files(1).then_goes_on(),
    ];
    for files in [1, 2, 32] {
        let outcome = Expected::Result("1".into(), files);
        cases.push(with(&format!("X10-reply-with-{files}"), success("1"), files, outcome));
    }
    cases.push(with("X13-nobody-takes", success("1"), 2, one()).for_int().then_goes_on());
    let remote = Expected::Remote("x".into());
    cases.push(with("X13-remote-error", failure("x"), 2, remote).for_int().then_goes_on());
    let bad = vec![Part::Files(b"}".to_vec(), 2), Part::Close];
    cases.push(case("X13-no-reply", bad, &[Expected::Failed]));
    cases
}

fn ends() -> Vec<ClientCase> {
    let failed = [Expected::Failed];
    let silent_end = || vec![Part::Close];
    vec![
        case("L5-end-without-reply", silent_end(), &failed),
        case("L5-reset", vec![Part::Reset], &failed),
        case("L5-end-after-blank", vec![Part::Bytes(b"\n".to_vec()), Part::Close], &failed),
        case("L5-next-call", silent_end(), &failed).then(silent_end(), &failed),
        case(
            "L1-second-call-on-one-connection",
            vec![Part::Bytes(success("1"))],
            &[Expected::Result("1".into(), 0)],
        )
        .then_goes_on(),
    ]
}
