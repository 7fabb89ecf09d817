//! Implementations of `FromJson` and `ToJson` that do not read or write exactly one value.

use std::cell::Cell;
use std::collections::BTreeMap;

use urpc::json::{
    Aborted, Decoder, Encoder, Error, FromJson, RawJson, ToJson, TypeError, Value, encode_to,
    from_str, to_string,
};

/// Writes as many values as its number says, and reads nothing.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
struct Times(usize);

impl ToJson for Times {
    fn encode(&self, encoder: &mut Encoder<'_>) -> Result<(), Aborted> {
        (0..self.0).try_for_each(|_| 1.encode(encoder))
    }
}

impl FromJson for Times {
    fn decode(&mut self, _: &mut Decoder<'_>) -> Result<(), Aborted> {
        Ok(())
    }
}

/// Writes the numbers before the first that is not finite, and then reports success.
struct Swallows(Vec<f64>);

impl ToJson for Swallows {
    fn encode(&self, encoder: &mut Encoder<'_>) -> Result<(), Aborted> {
        let _ = self.0.encode(encoder);
        Ok(())
    }
}

urpc::record! {
    #[derive(Debug, Default, PartialEq)]
    struct Around {
        a: i64,
        times: Times,
        b: Option<Box<Times>> => omitempty,
    }
}

fn reason(value: &impl ToJson) -> String {
    match to_string(value) {
        Err(error @ Error::Unencodable { .. }) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

fn type_error<T: FromJson + Default + std::fmt::Debug>(text: &str) -> TypeError {
    match from_str::<T>(text) {
        Err(Error::Type(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_type_that_writes_nothing_or_too_much_is_an_error_that_names_it() {
    const NONE: &str = "json::misbehaving::Times wrote no value: its ToJson must write exactly one";
    const MORE: &str =
        "json::misbehaving::Times wrote more than one value: its ToJson must write exactly one";
    assert_eq!(reason(&Times(0)), NONE);
    assert_eq!(reason(&Times(2)), MORE);
    assert_eq!(reason(&[Times(1), Times(0)]), format!("[1]: {NONE}"));
    assert_eq!(reason(&vec![vec![Times(3)]]), format!("[0][0]: {MORE}"));
    assert_eq!(reason(&BTreeMap::from([(7, Times(0))])), format!("[\"7\"]: {NONE}"));
    // The total of two elements is right, but neither element wrote one value.
    assert_eq!(reason(&[Times(0), Times(2)]), format!("[0]: {NONE}"));
    let around = Around { times: Times(0), ..Around::default() };
    assert_eq!(reason(&around), format!("times: {NONE}"));
    let around = Around { times: Times(1), b: Some(Box::new(Times(2))), ..Around::default() };
    let text = reason(&around);
    assert!(
        text.starts_with("b: ") && text.contains("Times>> wrote more than one value"),
        "{text}"
    );
    assert_eq!(to_string(&[Times(1), Times(1)]).as_deref(), Ok("[1,1]"));
    assert_eq!(to_string(&Some(Box::new(&Times(1)))).as_deref(), Ok("1"));
}

#[test]
fn a_failure_that_a_type_passes_over_is_still_one_and_says_where() {
    assert_eq!(reason(&Swallows(vec![1.0, f64::NAN])), "[1]: a number that is not finite");
    assert_eq!(reason(&[Swallows(vec![f64::NAN])]), "[0][0]: a number that is not finite");
    assert_eq!(to_string(&[Swallows(vec![1.0])]).as_deref(), Ok("[[1]]"));
    assert!(encode_to(&Swallows(vec![f64::NAN]), &mut Vec::new()).is_err());
}

#[test]
fn a_type_that_leaves_its_array_or_object_unread_is_an_error_that_names_it() {
    const EXPECTED: &str = "json::misbehaving::Times to read its whole value, as FromJson must";
    for (text, path, offset, found) in [
        ("[[1],2]", "[0]", 1, "an unread array"),
        ("[5,{\"a\":[1]}]", "[1]", 3, "an unread object"),
    ] {
        let error = type_error::<Vec<Times>>(text);
        assert_eq!((error.path.as_str(), error.offset), (path, offset), "{text}");
        assert_eq!((&*error.expected, &*error.found), (EXPECTED, found), "{text}");
        assert_eq!(type_error::<[Times; 2]>(text), error);
    }
    assert_eq!(type_error::<Times>(" [1]").expected, EXPECTED);
    assert_eq!(type_error::<BTreeMap<String, Times>>(r#"{"a":[]}"#).path, "[\"a\"]");
    let error = from_str::<Around>(r#"{"times":{},"a":1}"#).unwrap_err().to_string();
    assert_eq!(error, format!("times: expected {EXPECTED}, found an unread object at byte 9"));
    assert_eq!(from_str::<Vec<Times>>("[1,null]"), Ok(vec![Times(0); 2]));
    assert!(matches!(from_str::<Vec<Times>>("[[1,]]"), Err(Error::Syntax(_))));
}

#[test]
fn what_follows_an_unread_value_is_decoded_all_the_same() {
    let mut around = Around::default();
    let text = br#"{"times":[[7],{"a":8}],"a":1}"#;
    let result = urpc::json::decode_into(&mut around, text, &Default::default());
    assert!(matches!(result, Err(Error::Type(_))));
    assert_eq!(around.a, 1);
}

thread_local! {
    static KEPT: Cell<Option<Aborted>> = const { Cell::new(None) };
}

/// Keeps the error of a malformed value.
#[derive(Debug, Default)]
struct Keeps;

impl FromJson for Keeps {
    fn decode(&mut self, decoder: &mut Decoder<'_>) -> Result<(), Aborted> {
        KEPT.set(decoder.skip().err());
        Ok(())
    }
}

/// Is of no value, and ends with the error that was kept.
#[derive(Debug, Default)]
struct Ends;

impl FromJson for Ends {
    fn decode(&mut self, decoder: &mut Decoder<'_>) -> Result<(), Aborted> {
        decoder.mismatch("nothing")?;
        KEPT.take().map_or(Ok(()), Err)
    }
}

/// Reports success where a list of these ended.
#[derive(Debug, Default)]
struct Ignores(Vec<Ends>);

impl FromJson for Ignores {
    fn decode(&mut self, decoder: &mut Decoder<'_>) -> Result<(), Aborted> {
        let _ = self.0.decode(decoder);
        Ok(())
    }
}

#[test]
fn a_text_that_ends_inside_an_array_is_cut_whatever_its_type_reports() {
    assert!(from_str::<Keeps>("[1,]").is_err());
    assert!(matches!(from_str::<Ignores>("[true"), Err(Error::UnexpectedEnd)));
}

/// Reads one value several times, as several types.
#[derive(Debug, Default, PartialEq)]
struct Again<A, B>(A, B);

impl<A: FromJson, B: FromJson> FromJson for Again<A, B> {
    fn decode(&mut self, decoder: &mut Decoder<'_>) -> Result<(), Aborted> {
        self.0.decode(decoder)?;
        self.1.decode(decoder)
    }
}

#[test]
fn an_array_or_object_that_a_type_reads_twice_is_an_error_and_takes_nothing_of_what_follows() {
    fn refused<A, B>(text: &str)
    where
        Again<A, B>: FromJson + Default + std::fmt::Debug,
    {
        let error = type_error::<Vec<Again<A, B>>>(text);
        assert_eq!(error.path, "[0]", "{text}");
        assert!(error.expected.contains("read once") && error.offset == 1, "{error}");
    }
    refused::<Vec<u8>, Vec<u8>>("[[1],[2]]");
    refused::<Value, Value>("[{},[2]]");
    refused::<Vec<u8>, Value>("[[1],[2]]");
    refused::<Value, BTreeMap<String, u8>>("[{\"a\":1},{}]");
    refused::<(), Around>("[{},{}]");
    // A raw value has the same text each time it is read.
    let raw = RawJson::new("[1, {}]");
    let read = from_str::<Vec<Again<RawJson, RawJson>>>("[[1, {}]]");
    assert_eq!(read, Ok(vec![Again(raw.clone(), raw)]));
    assert_eq!(from_str("[1,2]"), Ok(vec![Again(1, 1), Again(2, 2)]));
}

/// Two different numbers.
#[derive(Debug, Default, PartialEq)]
struct Edge(Vec<u64>);

impl FromJson for Edge {
    fn decode(&mut self, decoder: &mut Decoder<'_>) -> Result<(), Aborted> {
        self.0.decode(decoder)?;
        match self.0[..] {
            [a, b] if a == b => decoder.mismatch(format!("an edge, not a loop at {a}")),
            [_, _] => Ok(()),
            _ => decoder.mismatch("two numbers"),
        }
    }
}

#[test]
fn a_refusal_after_the_value_was_read_tells_where_the_value_began_in_the_types_own_words() {
    let error = from_str::<Vec<Edge>>("[[1,2], [3, 3]]").unwrap_err().to_string();
    assert_eq!(error, "[1]: expected an edge, not a loop at 3, found an array at byte 8");
    let error = from_str::<BTreeMap<String, Edge>>(r#"{"a": [1]}"#).unwrap_err().to_string();
    assert_eq!(error, "[\"a\"]: expected two numbers, found an array at byte 6");
    assert_eq!(type_error::<Edge>("  []").offset, 2);
    // An option whose value was refused completely stays as Go leaves it.
    assert_eq!(from_str::<Edge>("[1,2]"), Ok(Edge(vec![1, 2])));
}

/// Fails with an error text of its own.
struct Fails(u8);

impl ToJson for Fails {
    fn encode(&self, encoder: &mut Encoder<'_>) -> Result<(), Aborted> {
        Err(encoder.fail(format!("{} is odd", self.0)))
    }
}

#[test]
fn a_type_fails_in_its_own_words() {
    assert_eq!(reason(&[Fails(3)]), "[0]: 3 is odd");
}

#[test]
fn what_is_printed_of_a_decoder_or_encoder_holds_no_more_than_a_short_piece_of_the_text() {
    #[derive(Debug, Default)]
    struct Printed(String);
    impl FromJson for Printed {
        fn decode(&mut self, decoder: &mut Decoder<'_>) -> Result<(), Aborted> {
            self.0 = format!("{decoder:?}");
            decoder.skip()
        }
    }
    struct Prints;
    impl ToJson for Prints {
        fn encode(&self, encoder: &mut Encoder<'_>) -> Result<(), Aborted> {
            encoder.string(&"secret".repeat(100));
            assert!(format!("{encoder:?}").contains("bytes: 602"), "{encoder:?}");
            assert!(!format!("{encoder:?}").contains("secret"));
            Ok(())
        }
    }
    let text = to_string(&"x".repeat(10_000)).unwrap();
    let printed = from_str::<Printed>(&text).unwrap().0;
    assert!(printed.contains("at: string \"xxx") && printed.len() < 300, "{printed}");
    to_string(&Prints).unwrap();
}
