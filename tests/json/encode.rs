//! Encoding, byte for byte as Go encodes.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use urpc::Files;
use urpc::json::{
    Bytes, Error, Number, RawJson, ToJson, Value, encode_to, from_str, to_string, to_vec,
};

macro_rules! writes {
    ($($value:expr => $text:expr;)*) => { $(
        assert_eq!(to_string(&$value).as_deref(), Ok($text));
    )* };
}

fn fails<T: ToJson>(value: &T) -> String {
    match to_vec(value) {
        Err(error @ Error::Unencodable { .. }) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn scalars_are_written_plainly() {
    writes! {
        true => "true"; false => "false"; () => "null"; 0 => "0"; i8::MIN => "-128"; u8::MAX => "255";
        i64::MIN => "-9223372036854775808"; u64::MAX => "18446744073709551615"; 10u16 => "10"; 100i32 => "100"; 1010usize => "1010";
        "x" => "\"x\""; Duration::from_millis(1500) => "1500000000"; Files::default() => "{}";
    }
}

#[test]
fn integers_of_every_length_are_written() {
    let mut value = 1u64;
    for _ in 0..20 {
        for near in [value.wrapping_sub(1), value, value.wrapping_add(1), value.wrapping_mul(7)] {
            writes! { near => near.to_string().as_str(); near as i64 => (near as i64).to_string().as_str(); }
        }
        value = value.wrapping_mul(10);
    }
}

#[test]
fn strings_escape_what_go_escapes() {
    writes! {
        "<a&b>" => "\"\\u003ca\\u0026b\\u003e\""; "\"\\/\x7f" => "\"\\\"\\\\/\x7f\"";
        "\u{1}\n\u{8}" => "\"\\u0001\\n\\b\""; "\t\r\u{c}\u{b}\u{1f}" => "\"\\t\\r\\f\\u000b\\u001f\"";
        "\u{2028}\u{2029}\u{2027}\u{202a}" => "\"\\u2028\\u2029\u{2027}\u{202a}\""; "é€😀\u{fffd}\u{feff}" => "\"é€😀\u{fffd}\u{feff}\"";
    }
}

#[test]
fn a_string_is_written_the_same_wherever_in_it_the_escape_lies() {
    for length in 0..150 {
        let fill = "x".repeat(length);
        for (part, escaped) in [
            ("\"", "\\\""),
            ("<", "\\u003c"),
            (">", "\\u003e"),
            ("&", "\\u0026"),
            ("\\", "\\\\"),
            ("^|~", "^|~"),
            ("\u{2028}", "\\u2028"),
            ("€", "€"),
            ("\n\n", "\\n\\n"),
            ("\u{0}", "\\u0000"),
        ] {
            writes! { format!("{fill}{part}{fill}") => format!("\"{fill}{escaped}{fill}\"").as_str(); }
        }
    }
}

#[test]
fn every_character_reads_back_as_itself() {
    let text: String =
        (0..=0x10ffff).step_by(7).filter_map(char::from_u32).chain('\0'..='\u{3000}').collect();
    assert_eq!(from_str(&to_string(&text).unwrap()), Ok(text));
}

#[test]
fn collections_keep_their_order_and_maps_sort_by_the_bytes_of_their_names() {
    writes! {
        Vec::<i64>::new() => "[]"; vec![1, 2] => "[1,2]"; [[1u8, 2], [3, 4]] => "[[1,2],[3,4]]";
        BTreeMap::<String, i64>::new() => "{}"; HashMap::from([(10, true), (9, false), (-1, true)]) => r#"{"-1":true,"10":true,"9":false}"#;
        BTreeMap::from([(-10, 0), (-1, 0)]) => r#"{"-1":0,"-10":0}"#;
        HashMap::from([("\u{10000}".to_owned(), 1), ("\u{ffff}".to_owned(), 2), ("<".to_owned(), 3)]) => "{\"\\u003c\":3,\"\u{ffff}\":2,\"\u{10000}\":1}";
    }
}

#[test]
fn nil_is_null_and_empty_is_empty() {
    writes! {
        None::<i64> => "null"; Some(5) => "5"; Some(Some("x")) => "\"x\""; Box::new(1) => "1"; &&2 => "2";
        None::<Vec<i64>> => "null"; Some(Vec::<i64>::new()) => "[]"; None::<Bytes> => "null"; Bytes::default() => "\"\"";
        RawJson::default() => "null"; Value::Null => "null"; Number::default() => "0";
    }
}

#[test]
fn bytes_are_base64_and_arrays_of_bytes_are_numbers() {
    writes! {
        Bytes(vec![1]) => "\"AQ==\""; Bytes(vec![1, 2]) => "\"AQI=\""; Bytes(vec![0xff, 0xfb, 0xfe]) => "\"//v+\"";
        [1u8, 2] => "[1,2]"; vec![255u8] => "[255]";
    }
}

#[test]
fn raw_values_are_compacted_and_otherwise_as_they_are() {
    let raw = |text: &[u8]| RawJson::new(text);
    writes! {
        raw(b"{ \"b\" : \"<\" , \"a\":[ ] }") => r#"{"b":"\u003c","a":[]}"#; raw(b"\n[]\n") => "[]";
        raw(b"\"<>&\"") => r#""\u003c\u003e\u0026""#; raw(b"[1.50,1E400,-0]") => "[1.50,1E400,-0]";
        raw(br#""\/\u2028\ud800""#) => r#""\/\u2028\ud800""#; raw("\"\u{2028}\u{2029}€\"".as_bytes()) => "\"\\u2028\\u2029€\"";
        raw(br#"{"a":1,"a":{"<":2}}"#) => r#"{"a":1,"a":{"\u003c":2}}"#; vec![raw(b"1"), raw(b" 2 ")] => "[1,2]";
    }
    assert_eq!(to_vec(&raw(b"\"\xff\xe2\x80\"")).as_deref(), Ok(&b"\"\xff\xe2\x80\""[..]));
    assert!(to_string(&raw(b"\"\xff\"")).is_err());
    for text in ["x", " ", "tru", "{\"a\":1", "01", "1 2", "\"\\q\"", "[1,]", "1,"] {
        assert_eq!(fails(&raw(text.as_bytes())), "raw JSON that is malformed", "{text}");
    }
}

#[test]
fn what_json_cannot_carry_is_an_error_that_says_where() {
    assert_eq!(fails(&f64::NAN), "a number that is not finite");
    assert_eq!(
        fails(&vec![BTreeMap::from([("a<".to_owned(), [0.5, f64::INFINITY])])]),
        "[0][\"a<\"][1]: a number that is not finite"
    );
    assert_eq!(fails(&Some(f32::NEG_INFINITY)), "a number that is not finite");
    assert_eq!(fails(&Duration::MAX), "a duration of more than 292 years");
}

#[test]
fn encoding_appends() {
    let mut out = b"[".to_vec();
    encode_to(&[1, 2], &mut out).unwrap();
    encode_to(&"x", &mut out).unwrap();
    assert_eq!(out, b"[[1,2]\"x\"");
}
