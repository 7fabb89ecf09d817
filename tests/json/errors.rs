//! Errors: the place, what was expected, what was found, and never much of the input.

use std::collections::BTreeMap;

use urpc::json::{
    Aborted, DecodeOptions, Decoder, Error, FromJson, SyntaxError, Tokenizer, TypeError, Value,
    decode_into, from_slice, from_str,
};

urpc::record! {
    #[derive(Debug, Default)]
    struct Mount {
        name: String,
        flags: u8,
        options: BTreeMap<String, Option<bool>>,
    }

    #[derive(Debug, Default)]
    struct Arg {
        count: i32,
        mounts: Vec<Mount>,
        matrix: [[i8; 2]; 2],
    }
}

fn type_error(text: &str) -> TypeError {
    let options = DecodeOptions { root: "arg", offset: 1000, ..DecodeOptions::default() };
    match decode_into(&mut Arg::default(), text.as_bytes(), &options) {
        Err(Error::Type(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_type_error_says_where_and_what() {
    let error = type_error(r#"{"mounts":[{},{"name":5}]}"#);
    assert_eq!(
        error.to_string(),
        "arg.mounts[1].name: expected a string, found number 5 at byte 1022"
    );
    let error = type_error(r#"{"mounts":[{"options":{"a\n":7}}]}"#);
    assert_eq!(error.path, "arg.mounts[0].options[\"a\\n\"]");
    assert_eq!((&*error.expected, error.found.as_str()), ("a boolean", "number 7"));
    assert_eq!(type_error(r#"{"matrix":[[0,0],[1,200]]}"#).path, "arg.matrix[1][1]");
    assert_eq!(
        type_error("[]").to_string(),
        "arg: expected an object, found an array at byte 1000"
    );
}

#[test]
fn what_came_is_named_by_its_kind() {
    let found = |text: &str| type_error(&format!("{{\"count\":{text}}}")).found;
    let cases = [
        ("1.50", "number 1.50"),
        ("\"x\"", "string \"x\""),
        ("true", "true"),
        ("[1]", "an array"),
        ("{\"a\":1}", "an object"),
    ];
    for (text, expected) in cases {
        assert_eq!(found(text), expected);
    }
}

#[test]
fn the_first_type_error_is_the_one_reported_and_all_that_fits_is_stored() {
    let mut arg = Arg::default();
    let text =
        br#"{"mounts":[{"flags":256,"name":"a"},{"name":1,"flags":2}],"count":"x","matrix":[[1]]}"#;
    let error = decode_into(&mut arg, text, &DecodeOptions::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "mounts[0].flags: expected an integer that fits u8, found number 256 at byte 20"
    );
    assert_eq!((arg.mounts[0].name.as_str(), arg.mounts[1].flags, arg.matrix[0][0]), ("a", 2, 1));
}

#[test]
fn a_syntax_error_beats_a_type_error_wherever_it_stands() {
    let error = from_str::<Arg>(r#"{"count":"x","d":tru}"#).unwrap_err();
    assert_eq!(error.to_string(), "invalid character '}' at byte 20, expected true, false or null");
    assert_eq!(from_str::<Arg>(r#"{"count":"x""#).unwrap_err(), Error::UnexpectedEnd);
    assert!(matches!(from_str::<Arg>(r#"{"count":"x"} x"#), Err(Error::Syntax(_))));
}

#[test]
fn offsets_count_from_where_the_text_lies_in_the_message() {
    let options = DecodeOptions { offset: 30, ..DecodeOptions::default() };
    let error = decode_into(&mut 0, b" [1,]", &options).unwrap_err();
    assert_eq!(error.to_string(), "invalid character ']' at byte 34, expected a value");
}

#[test]
fn an_empty_text_ends_unexpectedly() {
    assert_eq!(from_str::<i64>("").unwrap_err().to_string(), "unexpected end of JSON input");
}

#[test]
fn errors_hold_no_more_than_a_short_escaped_prefix() {
    let long = "\u{1b}\n".repeat(100_000);
    let quoted = urpc::json::to_string(&long).unwrap();
    let digits = "1".repeat(100_000);
    let texts = [
        quoted.clone(),
        digits.clone(),
        format!("{{\"count\":{quoted}}}"),
        format!("{{\"count\":{digits}}}"),
        format!("{{\"mounts\":[{{\"options\":{{{quoted}:1}}}}]}}"),
        format!("[{digits}x]"),
    ];
    for text in texts {
        let error = from_str::<Arg>(&text).unwrap_err().to_string();
        assert!(error.len() < 300, "{}: {error:.100}", error.len());
        assert!(!error.contains(char::is_control));
    }
    let error = from_slice::<Value>(b"\x1b").unwrap_err().to_string();
    assert_eq!(error, "invalid character '\\x1b' at byte 0, expected a value");
}

#[test]
fn a_path_through_deep_values_stays_in_proportion() {
    type Deep = Vec<Vec<Vec<Vec<i64>>>>;
    let error = from_str::<Deep>("[[],[[],[[],[0,\"x\"]]]]").unwrap_err();
    assert!(error.to_string().starts_with("[1][1][1][1]: expected an integer"), "{error}");
}

/// Ignores the errors of its inner type.
#[derive(Debug, Default)]
struct Lenient<T>(T);

impl<T: FromJson> FromJson for Lenient<T> {
    fn decode(&mut self, decoder: &mut Decoder<'_>) -> Result<(), Aborted> {
        let _ = self.0.decode(decoder);
        Ok(())
    }
}

/// Does not read its value.
#[derive(Debug, Default)]
struct Blind;

impl FromJson for Blind {
    fn decode(&mut self, _: &mut Decoder<'_>) -> Result<(), Aborted> {
        Ok(())
    }
}

#[test]
fn malformed_text_is_an_error_also_where_a_type_passes_over_it() {
    assert_eq!(from_str::<Lenient<()>>("[").unwrap_err(), Error::UnexpectedEnd);
    assert_eq!(from_str::<Lenient<Vec<u8>>>("[1,").unwrap_err(), Error::UnexpectedEnd);
    for text in ["[[1,]", "[[1,]]", "[[},2]", "[[1 2]]"] {
        let error = from_str::<Vec<Lenient<Vec<u8>>>>(text).unwrap_err();
        assert_eq!(error, from_str::<Value>(text).unwrap_err(), "{text}");
    }
    assert!(from_str::<Lenient<Vec<u8>>>("[1]").is_ok());
    assert_eq!(from_str::<Blind>("[").unwrap_err(), Error::UnexpectedEnd);
}

#[test]
fn an_error_for_which_there_was_little_memory_says_what_it_knows() {
    let error = TypeError {
        path: String::new(),
        offset: 29,
        expected: "a boolean".into(),
        found: String::new(),
    };
    assert_eq!(error.to_string(), "expected a boolean at byte 29");
}

#[test]
fn what_may_stand_at_a_place_is_said_alike_of_a_stream_and_of_a_whole_text() {
    for (text, expected) in [
        ("x", "a value"),
        ("[x", "a value or ']'"),
        ("[1,x", "a value"),
        ("[1 x", "',' or ']'"),
        ("{x", "a name or '}'"),
        ("{\"a\":1,x", "a name"),
        ("{\"a\" x", "':'"),
        ("{\"a\":x", "a value"),
        ("{\"a\":1 x", "',' or '}'"),
        ("{\"a\":[] x", "',' or '}'"),
        ("[{} x", "',' or ']'"),
        ("\"\n", "no bare control character in a string"),
        ("\"\\x", "an escape"),
        ("\"\\u00x", "a hexadecimal digit"),
        ("tx", "true, false or null"),
        ("-x", "a digit"),
        ("1.x", "a digit"),
        ("1ex", "a digit"),
    ] {
        let found = *text.as_bytes().last().unwrap();
        let error = SyntaxError { offset: text.len() as u64 - 1, found, expected };
        let mut tokenizer = Tokenizer::new();
        let mut rest = text.as_bytes();
        let stream = loop {
            match tokenizer.next(&mut rest) {
                Ok(token) => assert!(token.is_some(), "{text}"),
                Err(error) => break error,
            }
        };
        assert_eq!(stream, error, "{text}");
        assert_eq!(from_str::<Value>(text), Err(Error::Syntax(error)), "{text}");
    }
}

#[test]
fn a_text_is_shortened_only_beyond_32_bytes() {
    for (length, shown) in [(32, "x".repeat(32)), (33, "x".repeat(32) + "...")] {
        let found = type_error(&format!("\"{}\"", "x".repeat(length))).found;
        assert_eq!(found, format!("string \"{shown}\""));
    }
}
