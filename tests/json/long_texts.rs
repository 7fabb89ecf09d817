//! Strings and floats for which the fast ways have conditions, against a slow way.

use urpc::json::{from_str, to_string};

/// How Go's encoder writes `character` in a string.
fn escaped(character: char) -> String {
    match character {
        '"' => r#"\""#.into(),
        '\\' => r"\\".into(),
        '\u{8}' => r"\b".into(),
        '\u{c}' => r"\f".into(),
        '\n' => r"\n".into(),
        '\r' => r"\r".into(),
        '\t' => r"\t".into(),
        '\0'..'\u{20}' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
            format!("\\u{:04x}", u32::from(character))
        }
        _ => character.into(),
    }
}

fn characters() -> impl Iterator<Item = char> {
    ('\0'..='\u{ff}').chain(['\u{2027}', '\u{2028}', '\u{2029}', '\u{202a}', '\u{fffd}', '😀'])
}

#[track_caller]
fn written_and_read(text: &str) {
    let json = format!("\"{}\"", text.chars().map(escaped).collect::<String>());
    assert_eq!(to_string(text).as_ref(), Ok(&json));
    assert_eq!(from_str::<String>(&json).as_deref(), Ok(text));
}

#[test]
fn every_character_is_written_and_read_wherever_it_stands_in_a_long_string() {
    for character in characters() {
        for before in (0..140).step_by(3) {
            let (before, behind) = ("x".repeat(before), "y".repeat(140 - before));
            written_and_read(&format!("{before}{character}{behind}"));
        }
    }
}

#[test]
fn the_rest_of_a_long_string_may_consist_of_one_character() {
    for character in characters() {
        for length in [1, 31, 32, 33, 64, 100, 300] {
            let same = character.to_string().repeat(length);
            written_and_read(&same);
            written_and_read(&format!("{}{same}", "x".repeat(32)));
        }
    }
}

#[test]
fn of_two_shortest_floats_that_are_as_near_the_even_one_is_written() {
    const BASE: f64 = 1_125_899_906_842_624.0;
    let written = |value: f64| to_string(&value).unwrap();
    assert_eq!(written(BASE + 0.25), "1125899906842624.2");
    assert_eq!(written(BASE + 0.75), "1125899906842624.8");
    assert_eq!(written(BASE + 1.25), "1125899906842625.2");
    assert_eq!(written(BASE + 7.75), "1125899906842631.8");
}
