//! Which text fits which type: a table of what Go's peers send, one case a line.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use urpc::Files;
use urpc::json::{
    Bytes, DecodeOptions, Error, Number, RawJson, Value, decode_into, from_slice, from_str,
};

macro_rules! fits {
    ($($type:ty: $text:expr => $value:expr;)*) => { $(
        assert_eq!(from_slice::<$type>($text.as_ref()), Ok($value), "{:?}", $text);
    )* };
}

macro_rules! type_errors {
    ($($type:ty: $($text:expr),*;)*) => { $($(
        let result = from_slice::<$type>($text.as_ref());
        assert!(matches!(result, Err(Error::Type(_))), "{:?}: {result:?}", $text);
    )*)* };
}

macro_rules! malformed {
    ($($type:ty: $($text:expr),*;)*) => { $($(
        let result = from_slice::<$type>($text.as_ref());
        assert!(matches!(result, Err(Error::Syntax(_))), "{:?}: {result:?}", $text);
    )*)* };
}

/// The content of `value` after decoding `text`, which must fit.
fn into<T: urpc::json::FromJson>(mut value: T, text: &str) -> T {
    decode_into(&mut value, text.as_bytes(), &DecodeOptions::default()).unwrap();
    value
}

fn number(text: &str) -> Number {
    text.parse().unwrap()
}

fn map<K: Ord, V, const N: usize>(entries: [(K, V); N]) -> BTreeMap<K, V> {
    entries.into()
}

#[test]
fn booleans_are_true_or_false_and_nothing_else() {
    fits! { bool: "true" => true; bool: "false" => false; bool: "null" => false; }
    type_errors! { bool: "1", "\"true\"", "[]", "{}"; }
}

#[test]
fn integers_are_digits_in_range() {
    fits! {
        i8: "-128" => -128; i8: "127" => 127; i8: "-0" => 0; u8: "255" => 255; u8: "0" => 0;
        i16: "-32768" => i16::MIN; i32: "2147483647" => i32::MAX;
        i64: "-9223372036854775808" => i64::MIN; i64: "9223372036854775807" => i64::MAX;
        u64: "18446744073709551615" => u64::MAX; u64: "1234567890123456" => 1_234_567_890_123_456;
        isize: "-5" => -5; usize: "5" => 5;
        i64: "12345678" => 12_345_678; i64: "-123456789" => -123_456_789; i64: "12345678901234567" => 12_345_678_901_234_567;
    }
    type_errors! {
        i8: "128", "-129", "1e400"; u8: "256", "-1", "-0"; i64: "1.0", "1e3", "0e0", "\"5\"", "[]", "true";
        i64: "9223372036854775808", "-9223372036854775809", "99999999999999999999";
        u64: "18446744073709551616", "-0", "100000000000000000000";
    }
    malformed! { i64: "+1", "01", "0x10", "1_0"; }
}

#[test]
fn integers_of_every_length_are_read() {
    for length in 1..=20 {
        for digit in ["1", "9"] {
            let digits = digit.repeat(length);
            let expected = digits.parse::<u64>().ok();
            assert_eq!(from_str::<u64>(&digits).ok(), expected);
            assert_eq!(
                from_str::<Vec<u64>>(&format!("[{digits}]")).ok(),
                expected.map(|value| vec![value])
            );
            let negative = format!("-{digits}");
            assert_eq!(from_str::<i64>(&negative).ok(), negative.parse().ok());
        }
    }
}

#[test]
fn floats_are_rounded_once_to_their_own_width() {
    fits! {
        f64: "1.7976931348623158e308" => f64::MAX; f64: "9007199254740993" => 9007199254740992.0;
        f64: "1e-400" => 0.0; f64: "5e-324" => 5e-324; f64: "0.1" => 0.1; f64: "null" => 0.0;
        f32: "16777217" => 16777216.0; f32: "3.4028235e38" => f32::MAX; f32: "1e-60" => 0.0;
    }
    assert!(from_str::<f64>("-0").unwrap().is_sign_negative());
    assert!(from_str::<f64>("-1e-400").unwrap().is_sign_negative());
    type_errors! { f64: "1e400", "-1e309", "\"1\"", "[]"; f32: "3.4028236e38", "1e39"; }
    malformed! { f64: "NaN", "+1", ".5", "1.x", "Infinity"; Vec<f64>: "[1.]", "[1e]"; }
}

#[test]
fn exact_numbers_keep_their_text() {
    let long = "7".repeat(5000);
    fits! {
        Number: "1E+05" => number("1E+05"); Number: "-0" => number("-0"); Number: "1e400" => number("1e400");
        Number: long => number(&long); Number: "\"1E+2\"" => number("1E+2"); Number: "null" => Number::default();
    }
    type_errors! { Number: "\" 5\"", "\"+5\"", "\"\"", "\"0x1\"", "true", "[]"; }
}

#[test]
fn strings_resolve_escapes() {
    fits! {
        String: r#""a\"b\\c\/d\be\ff\ng\rh\ti""# => "a\"b\\c/d\u{8}e\u{c}f\ng\rh\ti".to_owned();
        String: r#""\u0041\u00e9\u20AC\u0000""# => "Aé€\0".to_owned();
        String: r#""\ud83d\ude00""# => "😀".to_owned(); String: r#""\ufffe\ufdd0""# => "\u{fffe}\u{fdd0}".to_owned();
        String: "\"\x7f\u{2028}\u{2029}\u{feff}\"" => "\x7f\u{2028}\u{2029}\u{feff}".to_owned();
        String: "\"\"" => String::new(); String: "null" => String::new();
    }
    type_errors! { String: "1", "true", "[]", "{}"; }
    malformed! { String: r#""\x41""#, r#""\u12G4""#, r#""\U0041""#, r#""\'""#, "\"a\nb\"", "\"\t\"", "\"\0\""; }
}

#[test]
fn lone_surrogates_become_the_replacement_character_and_lose_nothing_else() {
    let cases = [
        (r#""\ude00\ud83d""#, "\u{fffd}\u{fffd}"),
        (r#""\ud83dx""#, "\u{fffd}x"),
        (r#""\ud83d\u0041""#, "\u{fffd}A"),
        (r#""\ud83d\n""#, "\u{fffd}\n"),
        (r#""\ud83d\ud83d\ude00""#, "\u{fffd}😀"),
        (r#""\udbff\ue000""#, "\u{fffd}\u{e000}"),
        (r#""\ud83d""#, "\u{fffd}"),
        (r#""\udfff""#, "\u{fffd}"),
        (r#""\ud83d\\ude00""#, "\u{fffd}\\ude00"),
        (r#""\uD83D\uDE00""#, "😀"),
    ];
    for (text, expected) in cases {
        assert_eq!(from_str::<String>(text), Ok(expected.to_owned()), "{text}");
    }
}

#[test]
fn each_byte_of_no_utf8_sequence_becomes_one_replacement_character() {
    let cases: [(&[u8], &str); 12] = [
        (b"\"\xe2\x82\"", "��"),
        (b"\"\xed\xa0\x80\"", "���"),
        (b"\"\xf4\x90\x80\x80\"", "����"),
        (b"\"\xc0\xaf\"", "��"),
        (b"\"\xc3\xc3\xa9\"", "�é"),
        (b"\"\xf0\x9f\x98(\"", "���("),
        (b"\"a\xff\xfeb\"", "a��b"),
        (b"\"\xe2\\n\x82\"", "�\n�"),
        (b"\"\\ud83d\xed\xb8\x80\"", "����"),
        (b"\"\xed\xa0\xbd\\ude00\"", "����"),
        (b"\"\xe2\x82\\u00ac\"", "��¬"),
        (b"\"\x80\"", "�"),
    ];
    for (text, expected) in cases {
        assert_eq!(from_slice::<String>(text), Ok(expected.to_owned()), "{}", text.escape_ascii());
    }
}

#[test]
fn a_string_reads_the_same_wherever_in_it_the_odd_part_lies() {
    for length in 0..150 {
        let fill = "x".repeat(length);
        for (raw, expected) in [
            ("\\n", "\n"),
            ("\\u00e9", "é"),
            ("é", "é"),
            ("\\ud83d\\ude00", "😀"),
            ("\\ud800", "�"),
        ] {
            let text = format!("\"{fill}{raw}{fill}\"");
            assert_eq!(from_str::<String>(&text), Ok(format!("{fill}{expected}{fill}")), "{text}");
        }
        let broken = [b"\"", fill.as_bytes(), b"\xff\\t", fill.as_bytes(), b"\""].concat();
        assert_eq!(from_slice::<String>(&broken), Ok(format!("{fill}�\t{fill}")));
    }
}

#[test]
fn bytes_are_padded_base64_or_a_list_of_numbers() {
    fits! {
        Bytes: "\"AQ==\"" => Bytes(vec![1]); Bytes: "\"AQI=\"" => Bytes(vec![1, 2]); Bytes: "\"AQID\"" => Bytes(vec![1, 2, 3]);
        Bytes: "\"//s=\"" => Bytes(vec![0xff, 0xfb]); Bytes: "\"\"" => Bytes::default(); Bytes: "null" => Bytes::default();
        Bytes: r#""A\nQ=\r=\n""# => Bytes(vec![1]); Bytes: "\"AR==\"" => Bytes(vec![1]);
        Bytes: "[1,null,255]" => Bytes(vec![1, 0, 255]); Bytes: "[]" => Bytes::default();
        Option<Bytes>: "null" => None; Option<Bytes>: "\"\"" => Some(Bytes::default());
    }
    type_errors! {
        Bytes: "\"AQ\"", "\"AQ=\"", "\"A Q=\"", "\"_-8=\"", "\"A===\"", "\"====\"", "\"AQ==AQ==\"", "\"AQ=A\"", "\"A\"", "\"é===\"";
        Bytes: "[256]", "[-1]", "[\"a\"]", "1", "{}";
    }
}

#[test]
fn raw_values_are_their_bytes() {
    let raw = |text: &[u8]| RawJson::new(text);
    fits! {
        RawJson: " [1, 2] " => raw(b"[1, 2]"); RawJson: "null" => raw(b"null");
        RawJson: b"{\"\xff\" : \"\xed\xa0\x80\"}" => raw(b"{\"\xff\" : \"\xed\xa0\x80\"}");
        RawJson: "1E+2" => raw(b"1E+2"); Option<RawJson>: "null" => None;
        Vec<RawJson>: "[ {} , \"\\n\" ]" => vec![raw(b"{}"), raw(b"\"\\n\"")];
    }
    malformed! { RawJson: "[1,]", "{\"a\":tru}", "[1] 2"; }
}

#[test]
fn any_value_is_kept_with_its_numbers_exact() {
    for text in ["null", "true", "1.50", "1e400", "\"x\"", "[1,[],{}]", r#"{"a":[null,{"b":"c"}]}"#]
    {
        assert_eq!(from_str::<Value>(text).unwrap().to_string(), text);
    }
    let twice: Value = from_str(r#"{"a":{"x":1},"a":{"y":2}}"#).unwrap();
    assert_eq!(twice.to_string(), r#"{"a":{"y":2}}"#);
    let bad_names: Value = from_slice(b"{\"\xff\":1,\"\xfe\":2}").unwrap();
    assert_eq!(bad_names.to_string(), "{\"\u{fffd}\":2}");
}

#[test]
fn lists_are_refilled_in_place() {
    assert_eq!(into(vec![1, 2, 3], "[4]"), [4]);
    assert_eq!(into(vec![1, 2], "null"), [0; 0]);
    assert_eq!(into(vec![Some(1), Some(2)], "[null,3]"), [None, Some(3)]);
    fits! { Vec<i64>: "[]" => vec![]; Vec<Vec<i64>>: "[[1],null,[]]" => vec![vec![1], vec![], vec![]]; }
    type_errors! { Vec<i64>: "1", "{}", "\"\"", "[1,\"x\"]"; }
}

#[test]
fn a_null_element_leaves_what_stands_in_the_list() {
    let texts = |texts: [&str; 2]| texts.map(str::to_owned);
    assert_eq!(into([1, 2], "[null,3]"), [1, 3]);
    assert_eq!(into(vec![7, 8], "[null]"), [7]);
    assert_eq!(into(vec![1.5, 2.0], "[null,null,null]"), [1.5, 2.0, 0.0]);
    assert_eq!(into(texts(["a", "b"]).to_vec(), r#"["c",null]"#), texts(["c", "b"]));
    assert_eq!(into(vec![number("1"), number("2")], "[null,3]"), [number("1"), number("3")]);
    assert_eq!(into([[1, 2], [3, 4]], "[null,[null,5]]"), [[1, 2], [3, 5]]);
    assert_eq!(into(vec![Box::new(5)], "[null]"), [Box::new(5)]);
    assert_eq!(into(Bytes(vec![1, 2]), "[null,3]"), Bytes(vec![1, 3]));
}

/// In Go it does: a slice keeps what lies behind its end.
#[test]
fn an_element_that_was_cut_off_does_not_come_back() {
    assert_eq!(into(into(vec![1, 2, 3], "[4]"), "[null,null]"), [4, 0]);
    assert_eq!(into(into(Bytes(vec![1, 2]), "[]"), "[null]"), Bytes(vec![0]));
}

#[test]
fn a_null_element_empties_what_has_a_nil_of_its_own() {
    assert_eq!(into(vec![Some(1), Some(2)], "[null,3]"), [None, Some(3)]);
    assert_eq!(into(vec![vec![1, 2], vec![3]], "[null,[null,4]]"), [vec![], vec![3, 4]]);
    let maps = vec![map([(1, true)]), map([(2, true)])];
    assert_eq!(into(maps, r#"[null,{"3":true}]"#), [map([]), map([(2, true), (3, true)])]);
    let bytes = vec![Bytes(vec![1]), Bytes(vec![1])];
    assert_eq!(into(bytes, "[null,[null,4]]"), [Bytes::default(), Bytes(vec![1, 4])]);
    assert_eq!(into(vec![RawJson::new("1")], "[null]"), [RawJson::new("null")]);
    assert_eq!(into(vec![Value::Bool(true)], "[null]"), [Value::Null]);
}

/// The content of `value` after decoding `text`, which must not fit.
fn after_type_error<T: urpc::json::FromJson>(mut value: T, text: &str) -> T {
    let result = decode_into(&mut value, text.as_bytes(), &DecodeOptions::default());
    assert!(matches!(result, Err(Error::Type(_))), "{text}: {result:?}");
    value
}

#[test]
fn an_optional_list_map_or_bytes_that_nothing_fitted_stays_none() {
    for text in [r#""AQ""#, "5", "{}", "true"] {
        assert_eq!(after_type_error(None::<Bytes>, text), None, "{text}");
        assert_eq!(after_type_error(Some(Bytes(vec![7])), text), Some(Bytes(vec![7])), "{text}");
        assert_eq!(after_type_error(None::<Vec<i64>>, text), None, "{text}");
        assert_eq!(after_type_error(None::<Box<Vec<i64>>>, text), None, "{text}");
    }
    assert_eq!(after_type_error(None::<BTreeMap<u8, u8>>, "[1]"), None);
    assert_eq!(after_type_error(None::<HashMap<u8, u8>>, "5"), None);
    assert_eq!(after_type_error(None::<Option<Vec<i64>>>, "5"), Some(None));
    assert_eq!(
        after_type_error(Vec::<Option<Bytes>>::new(), r#"["AQ",[1]]"#),
        [None, Some(Bytes(vec![1]))]
    );
}

#[test]
fn an_optional_list_map_or_bytes_of_which_a_part_does_not_fit_is_there() {
    assert_eq!(after_type_error(None::<Bytes>, "[1,256,3]"), Some(Bytes(vec![1, 0, 3])));
    assert_eq!(after_type_error(None::<Vec<i64>>, r#"["x",[]]"#), Some(vec![0, 0]));
    assert_eq!(after_type_error(None::<BTreeMap<u8, u8>>, r#"{"x":1}"#), Some(map([])));
    assert_eq!(after_type_error(None::<BTreeMap<u8, u8>>, r#"{"1":[]}"#), Some(map([(1, 0)])));
}

#[test]
fn any_other_option_that_does_not_fit_holds_its_zero() {
    assert_eq!(after_type_error(None::<i64>, r#""x""#), Some(0));
    assert_eq!(after_type_error(None::<String>, "[]"), Some(String::new()));
    assert_eq!(after_type_error(None::<[u8; 2]>, r#""x""#), Some([0, 0]));
}

#[test]
fn fixed_arrays_are_filled_up_and_skip_what_is_too_much() {
    fits! {
        [i64; 3]: "[1]" => [1, 0, 0]; [i64; 3]: "[1,2,3,\"x\",{}]" => [1, 2, 3]; [i64; 0]: "[1]" => [];
        [u8; 3]: "[1,null,3]" => [1, 0, 3];
    }
    assert_eq!(into([7, 8, 9], "[1]"), [1, 0, 0]);
    assert_eq!(into([7, 8], "null"), [7, 8]);
    type_errors! { [u8; 3]: "\"AQID\"", "{}", "[256]"; }
    malformed! { [i64; 1]: "[1,2,tru]"; }
}

#[test]
fn maps_add_and_replace_and_never_fold() {
    fits! {
        BTreeMap<String, i64>: r#"{"a":1,"A":2}"# => map([("a".to_owned(), 1), ("A".to_owned(), 2)]);
        BTreeMap<String, i64>: r#"{"a":1,"a":null}"# => map([("a".to_owned(), 0)]);
        BTreeMap<i64, String>: r#"{"01":"a","+1":"b"}"# => map([(1, "b".to_owned())]);
        BTreeMap<i64, bool>: r#"{"-0":true,"-9":false}"# => map([(0, true), (-9, false)]);
        BTreeMap<u8, bool>: r#"{"007":true,"\u0032":true}"# => map([(7, true), (2, true)]);
        HashMap<u64, bool>: r#"{"5":true}"# => HashMap::from([(5, true)]);
        HashMap<String, Vec<i64>>: r#"{"a":[1,2,3],"a":[4]}"# => HashMap::from([("a".to_owned(), vec![4])]);
    }
    assert_eq!(into(map([(1, true)]), r#"{"2":false}"#), map([(1, true), (2, false)]));
    assert_eq!(into(map([(1, true)]), "null"), map([]));
    type_errors! {
        BTreeMap<u8, bool>: r#"{"256":true}"#, r#"{"-0":true}"#, r#"{"+1":true}"#, r#"{"":true}"#, r#"{" 1":true}"#;
        BTreeMap<i64, bool>: r#"{"1.0":true}"#, r#"{"+-1":true}"#, r#"{"a":true}"#, r#"{"1_0":true}"#, r#"{"-":true}"#;
        BTreeMap<String, bool>: "[]", "1", r#"{"a":1}"#;
    }
}

#[test]
fn options_and_boxes_hold_what_comes() {
    fits! {
        Option<i64>: "null" => None; Option<i64>: "5" => Some(5); Option<Option<i64>>: "null" => None;
        Box<i64>: "5" => Box::new(5); Option<Box<String>>: "\"x\"" => Some(Box::new("x".to_owned()));
    }
    assert_eq!(into(Some(vec![1, 2]), "[3]"), Some(vec![3]));
    assert_eq!(into(Some(5), "null"), None);
}

#[test]
fn durations_are_nanoseconds_of_an_i64_and_negative_ones_are_none() {
    fits! {
        Duration: "1500000000" => Duration::from_millis(1500); Duration: "0" => Duration::ZERO; Duration: "-0" => Duration::ZERO;
        Duration: "9223372036854775807" => Duration::from_nanos(i64::MAX as u64); Duration: "null" => Duration::ZERO;
        Duration: "-1" => Duration::ZERO; Duration: "-9223372036854775808" => Duration::ZERO;
    }
    assert_eq!(into(Duration::from_secs(1), "-1"), Duration::ZERO);
    type_errors! { Duration: "-9223372036854775809", "9223372036854775808", "\"1s\"", "1.5", "1e9"; }
}

#[test]
fn the_unit_takes_anything_and_files_any_object() {
    fits! { (): "null" => (); (): "[1,{\"a\":2}]" => (); }
    assert!(from_str::<Files>(r#"{"a":[1]}"#).is_ok());
    assert!(from_str::<Files>("null").is_ok());
    type_errors! { Files: "1", "[]"; }
    malformed! { (): "[1,]"; }
}

#[test]
fn null_leaves_scalars_as_they_were() {
    assert!(into(true, "null"));
    assert_eq!(into(5, "null"), 5);
    assert_eq!(into(1.5, "null"), 1.5);
    assert_eq!(into("x".to_owned(), "null"), "x");
    assert_eq!(into(number("7"), "null"), number("7"));
    assert_eq!(into(Duration::from_secs(1), "null"), Duration::from_secs(1));
}

#[test]
fn only_white_space_may_stand_around_the_value() {
    fits! { i64: " \t\r\n5 \t\r\n" => 5; Vec<i64>: " [ 1 , 2 ] " => vec![1, 2]; }
    malformed! { i64: "5 5", "5x", "5\u{c}"; Vec<i64>: "[]]", "[],"; }
    for text in ["", " ", "[1", "\"x", "{\"a\":", "tru", "-"] {
        assert_eq!(from_str::<Value>(text), Err(Error::UnexpectedEnd), "{text:?}");
    }
}

#[test]
fn a_string_is_the_same_alone_and_among_others_however_far_into_the_text() {
    let parts: [&[u8]; 6] = [
        b"\"\xc3\xa9\"",
        b"\"\\u00e9\xe2\x82\xac\"",
        b"\"\xf0\x9f\x98\x80 and more\"",
        b"\"plain\"",
        b"\"\xff\"",
        b"\"\xe2\x82\"",
    ];
    let (whole, broken) = (&parts[..4], &parts[..]);
    for length in 980..1030 {
        let first = format!("\"{}\"", "x".repeat(length));
        for (parts, begin) in
            [whole, broken].into_iter().flat_map(|parts| (0..4).map(move |begin| (parts, begin)))
        {
            let mut strings = vec![first.as_bytes()];
            strings.extend(parts.iter().cycle().skip(begin).take(3 * parts.len()));
            let alone: Result<Vec<String>, _> =
                strings.iter().map(|text| from_slice(text)).collect();
            let list = [b"[", &*strings.join(&b","[..]), b"]"].concat();
            assert_eq!(from_slice(&list), alone);
        }
    }
}

#[test]
fn a_short_string_takes_no_memory_of_a_long_one_before_it() {
    urpc::record! {
        #[derive(Debug, Default, PartialEq)]
        struct Named { name: String }
    }
    let text = format!("{{\"a\\n{}\":0,\"name\":\"b\\n\"}}", "a".repeat(1 << 20));
    let Named { name } = from_str(&text).unwrap();
    assert_eq!(name, "b\n");
    assert!(name.capacity() < 1 << 10, "{}", name.capacity());
}

#[test]
fn what_was_found_is_reported_also_where_the_text_was_taken_before_it_was_refused() {
    #[derive(Debug, Default)]
    struct Never;
    impl urpc::json::FromJson for Never {
        fn decode(
            &mut self,
            decoder: &mut urpc::json::Decoder<'_>,
        ) -> Result<(), urpc::json::Aborted> {
            String::new().decode(decoder)?;
            decoder.mismatch("another text")
        }
    }
    for text in [r#""ab""#, r#""a\u0062""#] {
        let error = from_str::<Never>(text).unwrap_err().to_string();
        assert!(error.contains("found string \"ab\""), "{error}");
    }
}
