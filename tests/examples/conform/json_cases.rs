//! Cases of a server's JSON.

use crate::case::{Case, Reply, Step, Want, call, failure, has, result, send, unknown};

pub fn all() -> Vec<Case> {
    let mut cases = grammar();
    cases.extend(control_characters());
    cases.extend(strings());
    cases.extend(numbers());
    cases.extend(depth());
    cases.extend(surrogates());
    cases.extend(passed_on());
    cases.extend(typed());
    cases
}

/// A call of no method, with this argument.
fn to_none(arg: &[u8]) -> Vec<u8> {
    [br#"{"method":"conform.None","arg":"#, arg, b"}"].concat()
}

fn refused(id: &str, texts: &[(&str, &[u8])]) -> Vec<Case> {
    texts.iter().map(|(name, text)| Case::closes(&format!("{id}-{name}"), to_none(text))).collect()
}

fn grammar() -> Vec<Case> {
    let mut cases = refused(
        "J1",
        &[
            ("trailing-comma-in-array", b"[1,]"),
            ("trailing-comma-in-object", b"{\"a\":1,}"),
            ("two-commas", b"[1,,2]"),
            ("leading-comma", b"[,1]"),
            ("no-comma", b"[1 2]"),
            ("no-colon", b"{\"a\" 1}"),
            ("two-colons", b"{\"a\"::1}"),
            ("colon-in-array", b"[\"a\":1]"),
            ("no-value", b"{\"a\":}"),
            ("number-as-name", b"{1:1}"),
            ("bare-name", b"{a:1}"),
            ("single-quotes", b"'a'"),
            ("comment", b"/* */1"),
            ("line-comment", b"1//x\n"),
            ("upper-case-literal", b"NULL"),
            ("title-case-literal", b"True"),
            ("half-literal", b"nul "),
            ("longer-literal", b"nulll"),
            ("undefined", b"undefined"),
            ("not-a-number", b"NaN"),
            ("infinity", b"Infinity"),
            ("wrong-bracket", b"[1}"),
            ("wrong-brace", b"{\"a\":1]"),
            ("extra-bracket", b"[1]]"),
            ("semicolon", b"1;"),
            ("unquoted", b"abc"),
        ],
    );
    cases.extend(well_formed());
    cases.extend(at_once());
    cases
}

fn well_formed() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, text) in [
        ("empty-array", "[]"),
        ("empty-object", "{}"),
        ("literals", "[true,false,null]"),
        ("nested", "[[[]],{\"a\":{\"b\":[]}}]"),
        ("empty-name", "{\"\":1}"),
    ] {
        cases.push(Case::answers(&format!("J1-{name}"), call("%Echo", text), &[result(text)]));
    }
    cases
}

/// Nothing follows the byte that makes the text wrong.
fn at_once() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, text) in [
        ("first-byte", "x"),
        ("closing-brace", "}"),
        ("comma", "{\"method\":\"a.B\",,"),
        ("in-literal", "{\"arg\":nuX"),
        ("in-number", "{\"arg\":-x"),
        ("in-escape", "{\"arg\":\"\\q"),
        ("colon", "{\"method\",\"a\""),
    ] {
        cases.push(Case::closes(&format!("J2-{name}"), text));
    }
    cases
}

fn control_characters() -> Vec<Case> {
    let mut cases = Vec::new();
    let outside: [(&str, &[u8]); 6] = [
        ("byte-order-mark", b"\xef\xbb\xbf"),
        ("nul", b"\0"),
        ("vertical-tab", b"\x0b"),
        ("form-feed", b"\x0c"),
        ("no-break-space", b"\xc2\xa0"),
        ("delete", b"\x7f"),
    ];
    for (name, bytes) in outside {
        let text = [bytes, &to_none(b"1")].concat();
        cases.push(Case::closes(&format!("J3-{name}-before"), text));
        cases.push(Case::closes(&format!("J3-{name}-inside"), to_none(&[bytes, b"1"].concat())));
    }
    for byte in [0x00, 0x01, 0x08, 0x09, 0x0a, 0x0d, 0x1f] {
        let name = format!("J4-byte-{byte:02x}-in-string");
        cases.push(Case::closes(&name, to_none(&[b'"', byte, b'"'])));
    }
    for (name, text) in [("delete", "\"\x7f\""), ("space", "\" \""), ("slash", "\"/\"")] {
        cases.push(Case::answers(&format!("J4-{name}"), call("%Echo", text), &[result(text)]));
    }
    cases.push(Case::answers("J4-not-utf8", to_none(b"\"\xff\xfe\""), &[unknown()]));
    cases.push(Case::answers("J4-not-utf8-name", to_none(b"{\"\xff\":1}"), &[unknown()]));
    cases
}

fn strings() -> Vec<Case> {
    let mut cases = refused(
        "J5",
        &[
            ("x", br#""\x41""#),
            ("octal", br#""\101""#),
            ("a", br#""\a""#),
            ("single-quote", br#""\'""#),
            ("zero", br#""\0""#),
            ("upper-case-u", br#""\U0041""#),
            ("line-feed", b"\"\\\n\""),
            ("three-digits", br#""\u123""#),
            ("no-digits", br#""\u""#),
            ("not-hex", br#""\u12G4""#),
            ("sign", br#""\u+123""#),
        ],
    );
    cases.extend(escapes());
    cases.extend(not_utf8());
    cases
}

fn escapes() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, text, read) in [
        ("quote", r#"\""#, r#"\""#),
        ("backslash", r"\\", r"\\"),
        ("slash", r"\/", "/"),
        ("line-feed-escape", r"\n", r"\n"),
        ("return", r"\r", r"\r"),
        ("tab", r"\t", r"\t"),
        ("lower-hex", r"\u00e9", "\u{e9}"),
        ("upper-hex", r"\u00E9", "\u{e9}"),
        ("euro", r"\u20aC", "\u{20ac}"),
        ("ascii", r"\u0041", "A"),
    ] {
        cases.push(string(&format!("J5-{name}"), text.as_bytes(), read));
    }
    cases
}

fn not_utf8() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, bytes, count) in [
        ("lone-ff", &b"\xff"[..], 1),
        ("lone-continuation", b"\x80", 1),
        ("cut-two-of-three", b"\xe2\x82", 2),
        ("cut-three-of-four", b"\xf0\x9f\x98", 3),
        ("overlong", b"\xc0\xaf", 2),
        ("surrogate", b"\xed\xa0\x80", 3),
        ("too-large", b"\xf4\x90\x80\x80", 4),
        ("five-bytes", b"\xf8\x88\x80\x80\x80", 5),
    ] {
        cases.push(string(&format!("J8-{name}"), bytes, &"\u{fffd}".repeat(count)));
    }
    cases.push(string("J8-then-valid", b"\xc3\xc3\xa9", "\u{fffd}\u{e9}"));
    cases.push(string("J8-then-ascii", b"\xe2(x", "\u{fffd}(x"));
    cases
}

/// A string of a typed argument, and the text with which it comes back.
fn string(name: &str, text: &[u8], read: &str) -> Case {
    let arg = [br#"{"method":"%Func","arg":{"StringArg":""#, text, br#""}}"#].concat();
    let expected = format!(r#"{{"StringResult":"{read}","IntResult":0}}"#);
    Case::answers(name, arg, &[result(&expected)])
}

fn numbers() -> Vec<Case> {
    let mut cases = refused(
        "J6",
        &[
            ("leading-zero", b"01"),
            ("negative-leading-zero", b"-01"),
            ("plus", b"+1"),
            ("only-minus", b"-"),
            ("two-minus", b"--1"),
            ("no-integer", b".5"),
            ("no-fraction", b"1."),
            ("no-fraction-exponent", b"1.e5"),
            ("no-exponent", b"1e"),
            ("only-sign-in-exponent", b"1e+"),
            ("fraction-in-exponent", b"1e1.5"),
            ("hexadecimal", b"0x10"),
            ("underscore", b"1_000"),
            ("two-points", b"1.2.3"),
            ("comma", b"1,5"),
        ],
    );
    let long = "9".repeat(5000);
    for (name, text) in [
        ("zero", "0"),
        ("minus-zero", "-0"),
        ("fraction", "1.50"),
        ("exponent", "1E+05"),
        ("small-exponent", "1e-7"),
        ("zero-exponent", "0e0"),
        ("beyond-64-bits", "18446744073709551616"),
        ("beyond-double", "1e400"),
        ("many-digits", &*long),
    ] {
        let name = format!("J6-{name}");
        cases.push(Case::answers(&name, call("%Echo", text), &[result(text)]));
    }
    cases
}

fn depth() -> Vec<Case> {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let objects = |depth: usize| format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth));
    let only_open =
        |depth: usize| format!(r#"{{"method":"conform.None","arg":{}"#, "[".repeat(depth));
    vec![
        Case::answers("J7-100-arrays", call("%Echo", &nested(100)), &[result(&nested(100))]),
        Case::answers("J7-9999-arrays", to_none(nested(9999).as_bytes()), &[unknown()]),
        Case::answers("J7-9999-objects", to_none(objects(9999).as_bytes()), &[unknown()]),
        Case::answers("J7-9999-unknown", format!("{{\"x\":{}}}", nested(9999)), &[unknown()]),
        Case::answers(
            "J7-many-siblings",
            to_none(format!("[{}1]", "[],".repeat(20_000)).as_bytes()),
            &[unknown()],
        ),
        Case::closes("J7-10000-arrays", to_none(nested(10_000).as_bytes())),
        Case::closes("J7-10000-objects", to_none(objects(10_000).as_bytes())),
        Case::closes("J7-10000-unknown", format!("{{\"x\":{}}}", nested(10_000))),
        Case::closes("J7-at-the-bracket", only_open(10_000)),
    ]
}

fn surrogates() -> Vec<Case> {
    [
        ("pair", r"\ud83d\ude00", "\u{1f600}"),
        ("pair-in-upper-case", r"\uD83D\uDE00", "\u{1f600}"),
        ("lone-high", r"\ud83d", "\u{fffd}"),
        ("lone-low", r"\ude00", "\u{fffd}"),
        ("high-then-letter", r"\ud83dx", "\u{fffd}x"),
        ("high-then-escape", r"\ud83d\u0041", "\u{fffd}A"),
        ("high-then-line-feed", r"\ud83d\n", "\u{fffd}\\n"),
        ("low-then-high", r"\ude00\ud83d", "\u{fffd}\u{fffd}"),
        ("high-then-pair", r"\ud83d\ud83d\ude00", "\u{fffd}\u{1f600}"),
        ("high-then-private", r"\udbff\ue000", "\u{fffd}\u{e000}"),
        ("noncharacter", r"\ufffe", "\u{fffe}"),
    ]
    .into_iter()
    .map(|(name, text, read)| string(&format!("J9-{name}"), text.as_bytes(), read))
    .collect()
}

fn passed_on() -> Vec<Case> {
    let echo = |name: &str, sent: &str, back: &str| {
        Case::answers(name, call("%Echo", sent), &[result(back)])
    };
    vec![
        echo("J10-number-forms", "[1.0,1e5,-0,0.10]", "[1.0,1e5,-0,0.10]"),
        echo("J10-order", r#"{"b":1,"a":2}"#, r#"{"b":1,"a":2}"#),
        echo("J10-repeated", r#"{"b":1,"b":2}"#, r#"{"b":1,"b":2}"#),
        echo("J10-escapes", r#""\u0041\/""#, r#""\u0041\/""#),
        echo(
            "J10-large-number",
            "123456789012345678901234567890",
            "123456789012345678901234567890",
        ),
        echo("J11-less", "\"<\"", r#""\u003c""#),
        echo("J11-greater", "\">\"", r#""\u003e""#),
        echo("J11-and", "\"&\"", r#""\u0026""#),
        echo("J11-line-separator", "\"\u{2028}\"", r#""\u2028""#),
        echo("J11-paragraph-separator", "\"\u{2029}\"", r#""\u2029""#),
        echo("J11-name", "{\"<\":1}", r#"{"\u003c":1}"#),
        string("J11-typed", "<&>\u{2028}".as_bytes(), r"\u003c\u0026\u003e\u2028"),
        string("J11-others-stay", "\u{2027}\u{e9}/'".as_bytes(), "\u{2027}\u{e9}/'"),
        echo("J12-object", " { \"a\" : [ 1 , 2 ] } ", r#"{"a":[1,2]}"#),
        echo("J12-lines", "[\n\t1,\r\n\t2\n]", "[1,2]"),
        echo("J12-in-string", "\" a \"", "\" a \""),
        Case::answers(
            "J12-reply",
            call("%Func", "{}"),
            &[result(r#"{"StringResult":"","IntResult":0}"#)],
        ),
    ]
}

/// Members of typed values that fit, and how they are written.
const FITS: [(&str, &str, &str); 33] = [
    ("J13-i8-least", r#""I8":-128"#, r#""I8":-128"#),
    ("J13-i64-most", r#""I64":9223372036854775807"#, r#""I64":9223372036854775807"#),
    ("J13-u64-most", r#""U64":18446744073709551615"#, r#""U64":18446744073709551615"#),
    ("J13-minus-zero", r#""I":-0"#, r#""I":0"#),
    ("J14-plain", r#""F64":1e20"#, r#""F64":100000000000000000000"#),
    ("J14-large", r#""F64":1e21"#, r#""F64":1e+21"#),
    ("J14-small", r#""F64":0.000001"#, r#""F64":0.000001"#),
    ("J14-smaller", r#""F64":1e-7"#, r#""F64":1e-7"#),
    ("J14-minus-zero", r#""F64":-0"#, r#""F64":-0"#),
    ("J14-no-fraction", r#""F64":1.0"#, r#""F64":1"#),
    ("J14-shortest", r#""F64":0.1000000000000000055"#, r#""F64":0.1"#),
    ("J14-single", r#""F32":0.1"#, r#""F32":0.1"#),
    ("J14-single-exact", r#""F32":16777217"#, r#""F32":16777216"#),
    ("J14-least", r#""F64":5e-324"#, r#""F64":5e-324"#),
    ("J14-underflow", r#""F64":1e-400"#, r#""F64":0"#),
    ("J15-padding", r#""Byt":"AQ==""#, r#""Byt":"AQ==""#),
    ("J15-line-feed", r#""Byt":"A\nQ\r==""#, r#""Byt":"AQ==""#),
    ("J15-unused-bits", r#""Byt":"AR==""#, r#""Byt":"AQ==""#),
    ("J15-numbers", r#""Byt":[1,null,255]"#, r#""Byt":"AQD/""#),
    ("J15-empty", r#""Byt":"""#, r#""Byt":"""#),
    ("J15-null", r#""Byt":null"#, r#""Byt":null"#),
    ("J16-number", r#""I":5,"I":null"#, r#""I":5"#),
    ("J16-string", r#""Str":"x","Str":null"#, r#""Str":"x""#),
    ("J16-bool", r#""Bool":true,"Bool":null"#, r#""Bool":true"#),
    ("J16-array", r#""Arr":[1,2,3],"Arr":null"#, r#""Arr":[1,2,3]"#),
    ("J16-list", r#""Sl":[1],"Sl":null"#, r#""Sl":null"#),
    ("J16-optional", r#""Ptr":1,"Ptr":null"#, r#""Ptr":null"#),
    ("J16-map", r#""MS":{"a":1},"MS":null"#, r#""MS":null"#),
    ("J17-bytes", r#""MS":{"b":1,"10":2,"9":3,"B":4}"#, r#""MS":{"10":2,"9":3,"B":4,"b":1}"#),
    ("J17-integers", r#""MI":{"10":"a","9":"b","-1":"c"}"#, r#""MI":{"-1":"c","10":"a","9":"b"}"#),
    ("J18-time", r#""Time":"2022-12-31T23:59:59.5Z""#, r#""Time":"2022-12-31T23:59:59.5Z""#),
    ("J18-zone", r#""Time":"2022-12-31T23:59:59+01:00""#, r#""Time":"2022-12-31T23:59:59+01:00""#),
    ("J18-duration", r#""Dur":1500000000"#, r#""Dur":1500000000"#),
];

/// Members that do not fit.
const REFUSED: [(&str, &str); 21] = [
    ("J13-i8-beyond", r#""I8":128"#),
    ("J13-u8-beyond", r#""U8":256"#),
    ("J13-i64-beyond", r#""I64":9223372036854775808"#),
    ("J13-u64-beyond", r#""U64":18446744073709551616"#),
    ("J13-negative-unsigned", r#""U8":-1"#),
    ("J13-minus-zero-unsigned", r#""U8":-0"#),
    ("J13-fraction", r#""I":1.0"#),
    ("J13-exponent", r#""I":1e3"#),
    ("J13-string", r#""I":"1""#),
    ("J14-too-large", r#""F64":1e400"#),
    ("J14-single-too-large", r#""F32":1e39"#),
    ("J14-string", r#""F64":"1""#),
    ("J15-no-padding", r#""Byt":"AQ""#),
    ("J15-url-alphabet", r#""Byt":"_-8=""#),
    ("J15-space", r#""Byt":"A Q==""#),
    ("J15-number-beyond", r#""Byt":[256]"#),
    ("J16-null-is-no-text", r#""I":"null""#),
    ("J17-not-an-integer", r#""MI":{"1.0":"a"}"#),
    ("J17-letters", r#""MI":{"x":"a"}"#),
    ("J18-no-time", r#""Time":"yesterday""#),
    ("J18-duration-text", r#""Dur":"1s""#),
];

fn typed() -> Vec<Case> {
    let types = |members: &str| call("%Types", &format!("{{{members}}}"));
    let case = |name: &str, members: &str, reply: Reply| {
        let wants = vec![Want::Replies(vec![reply])];
        Case::steps(name, vec![send(types(members)), Step::Want(wants)])
    };
    let fitting = FITS.iter().map(|(name, members, back)| case(name, members, has(back)));
    fitting.chain(REFUSED.iter().map(|(name, members)| case(name, members, failure()))).collect()
}
