//! Members that are marked `quoted`.

use std::time::Duration;

use urpc::json::{DecodeOptions, Error, Number, decode_into, from_str, to_string};

urpc::record! {
    #[derive(Debug, Default, PartialEq)]
    struct Quoted {
        int: i64 => quoted,
        small: u8 => "Small" quoted,
        float: f64 => quoted,
        half: f32 => quoted,
        flag: bool => quoted,
        text: String => quoted,
        maybe: Option<i64> => quoted,
        number: Number => quoted,
        list: Vec<u8>,
        gone: u8 => omitempty quoted,
    }
}

#[test]
fn quoted_members_are_written_inside_strings() {
    let quoted = Quoted {
        int: -5,
        text: "<\"".to_owned(),
        maybe: Some(7),
        float: 1e21,
        ..Quoted::default()
    };
    let text = r#"{"int":"-5","Small":"0","float":"1e+21","half":"0","flag":"false","text":"\"\\u003c\\\"\"","maybe":"7","number":"0","list":[]}"#;
    assert_eq!(to_string(&quoted).unwrap(), text);
    assert_eq!(to_string(&Quoted::default()).unwrap().split(',').nth(6), Some("\"maybe\":null"));
    let back: Quoted = from_str(text).unwrap();
    assert_eq!((back.int, back.text.as_str(), back.maybe, back.float), (-5, "<\"", Some(7), 1e21));
}

#[test]
fn quoted_members_read_what_go_reads() {
    let read = |member: &str| from_str::<Quoted>(&format!("{{{member}}}"));
    let fits = [
        (r#""int":"007""#, Quoted { int: 7, ..Quoted::default() }),
        (r#""int":"-0""#, Quoted::default()),
        (r#""int":null,"flag":"null","text":null"#, Quoted::default()),
        (r#""float":"01.5""#, Quoted { float: 1.5, ..Quoted::default() }),
        (r#""float":"1.""#, Quoted { float: 1.0, ..Quoted::default() }),
        (r#""float":"0x1p-2""#, Quoted { float: 0.25, ..Quoted::default() }),
        // A subnormal number.
        (r#""float":"0x1p-1050""#, Quoted { float: f64::from_bits(1 << 24), ..Quoted::default() }),
        // Half of the last digit is rounded to even, and a bit more is rounded up.
        (r#""float":"0x1.00000000000008000000p0""#, Quoted { float: 1.0, ..Quoted::default() }),
        (
            r#""float":"0x1.00000000000008000001p0""#,
            Quoted { float: 1.0 + f64::EPSILON, ..Quoted::default() },
        ),
        (r#""float":"-inf""#, Quoted { float: f64::NEG_INFINITY, ..Quoted::default() }),
        (r#""half":"16777217""#, Quoted { half: 16777216.0, ..Quoted::default() }),
        (r#""flag":"true""#, Quoted { flag: true, ..Quoted::default() }),
        (r#""maybe":"5""#, Quoted { maybe: Some(5), ..Quoted::default() }),
        (r#""maybe":"5","maybe":"null""#, Quoted::default()),
        (r#""maybe":"5","maybe":"\u006eull""#, Quoted::default()),
        (r#""text":"\"a\\'b\"""#, Quoted { text: "a'b".to_owned(), ..Quoted::default() }),
        (
            r#""text":"\"\\\\'\\\\\\'\\\"'\"""#,
            Quoted { text: r#"\'\'"'"#.to_owned(), ..Quoted::default() },
        ),
        (r#""list":[1]"#, Quoted { list: vec![1], ..Quoted::default() }),
        (r#""number":"1e5""#, Quoted { number: "1e5".parse().unwrap(), ..Quoted::default() }),
    ];
    for (member, expected) in fits {
        assert_eq!(read(member), Ok(expected), "{member}");
    }
}

#[test]
fn quoted_members_refuse_what_go_refuses() {
    for member in [
        r#""int":12"#,
        r#""int":"12 ""#,
        r#""int":"""#,
        r#""int":"1e3""#,
        r#""Small":"256""#,
        r#""float":"0x1._8p0""#,
        r#""float":"0x1_.8p0""#,
        r#""float":"._5""#,
        r#""float":".5""#,
        r#""float":"1e400""#,
        r#""float":"-nan""#,
        r#""flag":" true""#,
        r#""flag":true"#,
        r#""text":"a""#,
        r#""text":"\"a\" ""#,
        r#""text":"\"a\\'""#,
        r#""text":"\"\\\"""#,
        r#""number":"\"\\'\"""#,
        r#""text":"\"a""#,
        r#""number":5"#,
        r#""list":"[1]""#,
    ] {
        let read = from_str::<Quoted>(&format!("{{{member}}}"));
        assert!(matches!(read, Err(Error::Type(_))), "{member}");
    }
}

#[test]
fn a_quoted_option_that_does_not_fit_is_what_go_leaves() {
    let after = |maybe, text: &str| {
        let mut quoted = Quoted { maybe, ..Quoted::default() };
        let result = decode_into(&mut quoted, text.as_bytes(), &DecodeOptions::default());
        assert!(matches!(result, Err(Error::Type(_))), "{text}: {result:?}");
        quoted.maybe
    };
    // Go makes the pointer's target if the text is not empty and not null.
    for (text, expected) in [
        (r#"{"maybe":5}"#, None),
        (r#"{"maybe":{}}"#, None),
        (r#"{"maybe":""}"#, None),
        (r#"{"maybe":"nope"}"#, None),
        (r#"{"maybe":"nul"}"#, None),
        (r#"{"maybe":"x"}"#, Some(0)),
        (r#"{"maybe":"1.5"}"#, Some(0)),
        (r#"{"maybe":"\"n\""}"#, Some(0)),
    ] {
        assert_eq!(after(None, text), expected, "{text}");
        assert_eq!(after(Some(7), text), Some(7), "{text}");
    }
}

#[test]
fn a_quoted_duration_is_the_quoted_integer_that_it_is_to_go() {
    urpc::record! {
        #[derive(Debug, Default, PartialEq)]
        struct Pause {
            time: Duration => quoted,
        }
    }
    let pause = Pause { time: Duration::from_millis(1500) };
    assert_eq!(to_string(&pause).unwrap(), r#"{"time":"1500000000"}"#);
    assert_eq!(from_str(r#"{"time":"1500000000"}"#), Ok(pause));
    for type_error in [r#"{"time":5}"#, r#"{"time":"1s"}"#, r#"{"time":"1.5"}"#] {
        assert!(matches!(from_str::<Pause>(type_error), Err(Error::Type(_))), "{type_error}");
    }
}
