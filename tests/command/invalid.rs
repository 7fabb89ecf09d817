//! JSON that a person wrote wrongly: the error names the source, the line and the column, and shows
//! the place.

use std::fs;

use crate::run::{Ran, urpc, urpc_with_input};
use crate::support::Scratch;

/// The error of a call with `arg`, without the first word. There is no server: the argument is read
/// before.
fn error_of(arg: &str) -> String {
    refused(urpc(&["call", "/no/such.sock", "A.B", arg]))
}

#[track_caller]
fn refused(ran: Ran) -> String {
    assert_eq!((ran.status, &*ran.out), (2, ""), "{}", ran.err);
    ran.err.strip_prefix("urpc call: ").unwrap().to_owned()
}

#[test]
fn the_place_of_an_error_is_shown_with_a_caret() {
    let error = error_of(r#"{"a":1 "b":2}"#);
    assert_eq!(
        error,
        "ARG is not JSON: line 1, column 8: expected ',' or '}'\n  {\"a\":1 \"b\":2}\n         ^\n"
    );
    let error = error_of("{\n \"ä\": tru }\n");
    assert_eq!(
        error,
        "ARG is not JSON: line 2, column 10: expected true, false or null\n   \"ä\": tru }\n           ^\n"
    );
    let error = error_of("[1,2\n");
    assert_eq!(
        error,
        "ARG is not JSON: line 1, column 5: the text ends before its value does\n  [1,2\n      ^\n"
    );
}

#[test]
fn the_source_is_the_file_or_standard_input() {
    let scratch = Scratch::new("invalid-source");
    let path = scratch.path("arg.json").display().to_string();
    fs::write(&path, "{\n  \"a\": ,\n}\n").unwrap();
    let place = "is not JSON: line 2, column 8: expected a value\n    \"a\": ,\n         ^\n";
    assert_eq!(error_of(&format!("@{path}")), format!("'{path}' {place}"));
    let input = fs::read_to_string(&path).unwrap();
    let ran = urpc_with_input(&["call", "/no/such.sock", "A.B", "-"], &input);
    assert_eq!(refused(ran), format!("standard input {place}"));
    assert_eq!(error_of(""), "ARG is empty, which is not JSON\n");
}

#[test]
fn a_hint_is_given_only_where_it_is_right() {
    let string = "(a string needs its own quotes: '\"...\"')";
    let quotes = "(JSON has double quotes)";
    for (arg, hint) in [
        ("hello", string),
        ("hello world", string),
        ("nothing", string),
        ("./a.txt", string),
        ("{'a':1}", quotes),
        ("'a'", quotes),
        ("true false", ""),
        ("{", ""),
        ("-", ""),
        ("1x", ""),
        ("{a:1}", ""),
        ("[1}", ""),
        ("]", ""),
        (", a", ""),
    ] {
        let error = match arg {
            // Standard input, and it is empty.
            "-" => refused(urpc(&["call", "/no/such.sock", "A.B", "-"])),
            _ => error_of(arg),
        };
        let first = error.lines().next().unwrap();
        assert_eq!(first.split_once(" (").map_or("", |(_, hint)| hint).is_empty(), hint.is_empty());
        assert!(first.ends_with(hint), "{arg}: {error}");
    }
}

#[test]
fn a_long_line_is_cut_and_the_caret_stays_below_the_place() {
    let arg = format!("[\"{}\" 5, {}]", "x".repeat(5000), "y".repeat(5000));
    let error = error_of(&arg);
    let lines: Vec<_> = error.lines().collect();
    assert!(lines[0].contains("line 1, column 5005: "), "{error}");
    assert!(lines.iter().all(|line| line.len() <= 80) && lines.len() == 3, "{error}");
    assert_eq!(lines[1].as_bytes()[lines[2].len() - 1], b'5', "{error}");
    assert!(lines[1].starts_with("  ...x") && lines[1].ends_with("y..."), "{error}");
}

#[test]
fn a_long_line_is_cut_by_characters_whatever_their_bytes() {
    let (before, after) = ("\u{1f600}".repeat(60), "\u{1f600}".repeat(90));
    let error = error_of(&format!("[\"{before}\" 5, \"{after}\"]"));
    let (before, after) = ("\u{1f600}".repeat(38), "\u{1f600}".repeat(25));
    assert_eq!(error.lines().nth(1).unwrap(), format!("  ...{before}\" 5, \"{after}..."));
    assert_eq!(error.lines().nth(2).unwrap(), format!("  {:43}^", ""));
}

#[test]
fn control_characters_of_the_text_are_shown_and_do_not_move_the_caret() {
    let error = error_of("[\"\u{1b}[2J\"]");
    assert_eq!(error.lines().nth(1), Some("  [\"\\u{1b}[2J\"]"));
    assert_eq!(error.lines().nth(2), Some("    ^"));
    let error = error_of("[\t\"\u{9b}\", x]");
    assert_eq!(error.lines().nth(1), Some("  [\\t\"\\u{9b}\", x]"));
    assert_eq!(error.lines().nth(2), Some("               ^"));
}
