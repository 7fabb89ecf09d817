//! The tokenizer: grammar, offsets, the end of the stream, and that chunks make no difference.
//!
//! These tests also compare the grammars of the tokenizer and the decoder: each text is decoded as
//! well, and both must find the same error.

use urpc::json::{Error, Kind, MAX_DEPTH, SyntaxError, Token, Tokenizer, Value, from_slice};

/// The output of the tokenizer for a stream: its tokens, the first error, and whether it may end
/// there.
#[derive(Debug, PartialEq)]
struct Outcome {
    tokens: Vec<Token>,
    error: Option<SyntaxError>,
    end: Result<(), Error>,
}

fn tokenize(text: &[u8], chunk: usize) -> Outcome {
    let mut tokenizer = Tokenizer::new();
    let mut tokens = Vec::new();
    for mut chunk in text.chunks(chunk.max(1)) {
        loop {
            match tokenizer.next(&mut chunk) {
                Ok(Some(token)) => tokens.push(token),
                Ok(None) => break,
                Err(error) => return Outcome { tokens, error: Some(error), end: Ok(()) },
            }
        }
    }
    let end = tokenizer.finish().map(|last| tokens.extend(last));
    Outcome { tokens, error: None, end }
}

fn kinds(text: &str) -> Vec<Kind> {
    tokenize(text.as_bytes(), text.len()).tokens.iter().map(|token| token.kind).collect()
}

fn wrong_at(text: &[u8]) -> Option<u64> {
    let outcome = tokenize(text, text.len());
    outcome.error.map(|error| error.offset)
}

/// The grammar again, to compare with: a recursive parser of a complete text.
mod reference {
    pub enum Failure {
        WrongAt(usize),
        TooShort,
    }

    type Parsed = Result<usize, Failure>;

    pub fn stream(text: &[u8]) -> Result<(), Failure> {
        let mut at = skip_white_space(text, 0);
        while at < text.len() {
            at = skip_white_space(text, value(text, at)?);
        }
        Ok(())
    }

    fn skip_white_space(text: &[u8], at: usize) -> usize {
        at + text[at..].iter().take_while(|byte| b" \t\r\n".contains(byte)).count()
    }

    fn value(text: &[u8], at: usize) -> Parsed {
        match peek(text, at)? {
            b'{' => members(text, at + 1),
            b'[' => elements(text, at + 1),
            b'"' => string(text, at),
            b't' => literal(text, at, b"true"),
            b'f' => literal(text, at, b"false"),
            b'n' => literal(text, at, b"null"),
            _ => number(text, at),
        }
    }

    fn peek(text: &[u8], at: usize) -> Result<u8, Failure> {
        text.get(at).copied().ok_or(Failure::TooShort)
    }

    fn take(text: &[u8], at: usize, allowed: &[u8]) -> Parsed {
        if allowed.contains(&peek(text, at)?) { Ok(at + 1) } else { Err(Failure::WrongAt(at)) }
    }

    fn literal(text: &[u8], at: usize, literal: &[u8]) -> Parsed {
        literal.iter().try_fold(at, |at, &letter| take(text, at, &[letter]))
    }

    fn elements(text: &[u8], at: usize) -> Parsed {
        let mut at = skip_white_space(text, at);
        if peek(text, at)? == b']' {
            return Ok(at + 1);
        }
        loop {
            at = skip_white_space(text, value(text, at)?);
            at = take(text, at, b",]")?;
            if text[at - 1] == b']' {
                return Ok(at);
            }
            at = skip_white_space(text, at);
        }
    }

    fn members(text: &[u8], at: usize) -> Parsed {
        let mut at = skip_white_space(text, at);
        if peek(text, at)? == b'}' {
            return Ok(at + 1);
        }
        loop {
            at = skip_white_space(text, string(text, at)?);
            at = skip_white_space(text, take(text, at, b":")?);
            at = skip_white_space(text, value(text, at)?);
            at = take(text, at, b",}")?;
            if text[at - 1] == b'}' {
                return Ok(at);
            }
            at = skip_white_space(text, at);
        }
    }

    fn string(text: &[u8], at: usize) -> Parsed {
        let mut at = take(text, at, b"\"")?;
        loop {
            match peek(text, at)? {
                b'"' => return Ok(at + 1),
                b'\\' => at = escape(text, at + 1)?,
                0..0x20 => return Err(Failure::WrongAt(at)),
                _ => at += 1,
            }
        }
    }

    fn escape(text: &[u8], at: usize) -> Parsed {
        let at = take(text, at, b"\"\\/bfnrtu")?;
        let digits = if text[at - 1] == b'u' { 4 } else { 0 };
        (0..digits).try_fold(at, |at, _| take(text, at, b"0123456789abcdefABCDEF"))
    }

    fn number(text: &[u8], at: usize) -> Parsed {
        let at = if peek(text, at)? == b'-' { at + 1 } else { at };
        let mut at = if peek(text, at)? == b'0' { at + 1 } else { digits(text, at)? };
        if text.get(at) == Some(&b'.') {
            at = digits(text, at + 1)?;
        }
        if let Some(b'e' | b'E') = text.get(at) {
            let sign = matches!(peek(text, at + 1)?, b'+' | b'-');
            at = digits(text, at + 1 + usize::from(sign))?;
        }
        Ok(at)
    }

    fn digits(text: &[u8], at: usize) -> Parsed {
        let at = take(text, at, b"0123456789")?;
        Ok(at + text[at..].iter().take_while(|byte| byte.is_ascii_digit()).count())
    }
}

/// Calls `check` with every sequence of up to `length` pieces.
fn every_sequence(pieces: &[&str], length: usize, check: &mut impl FnMut(&[u8])) {
    fn extend(text: &mut Vec<u8>, pieces: &[&str], left: usize, check: &mut impl FnMut(&[u8])) {
        check(text);
        for piece in pieces.iter().filter(|_| left > 0) {
            let before = text.len();
            text.extend_from_slice(piece.as_bytes());
            extend(text, pieces, left - 1, check);
            text.truncate(before);
        }
    }
    extend(&mut Vec::new(), pieces, length, check);
}

fn check_against_reference(text: &[u8]) {
    let whole = tokenize(text, text.len());
    for size in 1..text.len() {
        assert_eq!(tokenize(text, size), whole, "{} in chunks of {size}", text.escape_ascii());
    }
    let ours = (whole.error.map(|error| error.offset as usize), whole.end.is_err());
    let theirs = match reference::stream(text) {
        Ok(()) => (None, false),
        Err(reference::Failure::WrongAt(at)) => (Some(at), false),
        Err(reference::Failure::TooShort) => (None, true),
    };
    assert_eq!(ours, theirs, "{}", text.escape_ascii());
    check_decoding(text);
}

/// Checks that the decoder, which has its own grammar, finds the same error.
fn check_decoding(text: &[u8]) {
    let expected = one_value(text);
    let malformed = |result| match result {
        Err(Error::Type(_)) => Ok(()),
        result => result,
    };
    let shown = text.escape_ascii();
    assert_eq!(from_slice::<Value>(text).map(drop), expected, "{shown} as any value");
    assert_eq!(from_slice::<()>(text), expected, "{shown} skipped");
    let lists = from_slice::<Vec<Vec<Member>>>(text).map(drop);
    assert_eq!(malformed(lists), expected, "{shown} as lists");
    assert_eq!(malformed(from_slice::<Member>(text).map(drop)), expected, "{shown} as a record");
}

urpc::record! {
    #[derive(Debug, Default)]
    struct Member {
        value: i8 => "",
        other: String => "1",
    }
}

/// The tokenizer's result for a text that must be one value.
fn one_value(text: &[u8]) -> Result<(), Error> {
    let mut tokenizer = Tokenizer::new();
    let mut rest = text;
    while tokenizer.next(&mut rest)?.or(tokenizer.finish().ok().flatten()).is_some() {
        if tokenizer.is_between_values() {
            let after = rest.trim_ascii_start();
            let offset = (text.len() - after.len()) as u64;
            let wrong =
                |&found| SyntaxError { offset, found, expected: "the end of the text" }.into();
            return after.first().map(wrong).map_or(Ok(()), Err);
        }
    }
    Err(Error::UnexpectedEnd)
}

#[test]
fn every_short_sequence_of_structure_is_judged_as_the_reference_does() {
    let pieces = ["{", "}", "[", "]", ",", ":", "\"\"", "1", "null", " ", "x"];
    every_sequence(&pieces, 5, &mut check_against_reference);
}

#[test]
fn every_short_sequence_in_a_string_is_judged_as_the_reference_does() {
    let pieces = ["\"", "\\", "u", "n", "0", "F", "g", "é", "\x1f", "\x7f", "\u{2028}"];
    every_sequence(&pieces, 5, &mut check_against_reference);
    every_sequence(&["\"\\u", "0", "aB", "\""], 6, &mut check_against_reference);
}

#[test]
fn every_short_sequence_of_a_number_is_judged_as_the_reference_does() {
    every_sequence(&["-", "+", "0", "1", "9", ".", "e", "E", " "], 6, &mut check_against_reference);
}

#[test]
fn every_short_sequence_of_letters_is_judged_as_the_reference_does() {
    every_sequence(
        &["t", "r", "u", "e", "tru", "fals", "nul", "l", "N"],
        5,
        &mut check_against_reference,
    );
}

#[test]
fn every_text_of_up_to_six_bytes_is_judged_as_the_reference_does() {
    let bytes = ["{", "}", "[", "]", ",", ":", "\"", "\\", "1", "-", "e", " "];
    // The last length takes a debug build a minute.
    let most = if cfg!(debug_assertions) { 5 } else { 6 };
    let mut count = 0;
    every_sequence(&bytes, most, &mut |text| {
        count += 1;
        check_against_reference(text);
    });
    println!("{count} texts: all of up to {most} bytes, of {} different ones", bytes.len());
}

#[test]
fn the_end_of_a_string_is_found_at_every_length() {
    for length in 0..200 {
        for end in ["\"", "\\n\"", "\\u00e9\"", "\x1f", "\\x"] {
            let text = format!("\"{}{end}", "x".repeat(length));
            check_against_reference(text.as_bytes());
        }
    }
}

#[test]
fn tokens_have_their_kind_and_offsets() {
    let text = r#" {"a":[-1,2.5,"\n",true],"b":null} "#;
    let Outcome { tokens, error, end } = tokenize(text.as_bytes(), 3);
    assert_eq!((error, end), (None, Ok(())));
    let shown: Vec<_> =
        tokens.iter().map(|token| (token.kind, &text[token.range()], token.is_simple)).collect();
    let expected = [
        (Kind::ObjectStart, "{", true),
        (Kind::Key, "\"a\"", true),
        (Kind::ArrayStart, "[", true),
        (Kind::Number, "-1", true),
        (Kind::Number, "2.5", false),
        (Kind::String, "\"\\n\"", false),
        (Kind::True, "true", true),
        (Kind::ArrayEnd, "]", true),
        (Kind::Key, "\"b\"", true),
        (Kind::Null, "null", true),
        (Kind::ObjectEnd, "}", true),
    ];
    assert_eq!(shown, expected);
}

#[test]
fn white_space_is_these_four_and_no_byte_order_mark() {
    assert_eq!(kinds(" \t\r\n1 \t\r\n"), [Kind::Number]);
    for (text, at) in
        [("\u{b}1", 0), ("1\u{c}", 1), ("\u{a0}1", 0), ("[\u{2003}1]", 1), ("\u{feff}{}", 0)]
    {
        assert_eq!(wrong_at(text.as_bytes()), Some(at), "{text:?}");
    }
    assert_eq!(kinds("\"\u{feff}\""), [Kind::String]);
}

#[test]
fn the_first_wrong_byte_is_the_one_reported() {
    let cases: [(&str, u64); 18] = [
        ("{\"a\" 1}", 5),
        ("{\"a\":01}", 6),
        ("[1,]", 3),
        ("[,1]", 1),
        ("[1,,2]", 3),
        ("{,}", 1),
        ("{\"a\":1,}", 7),
        ("{a:1}", 1),
        ("{'a':1}", 1),
        ("{1:1}", 1),
        ("[1 2]", 3),
        ("[1}", 2),
        ("{\"a\":1]", 6),
        ("tru3", 3),
        ("[NaN]", 1),
        ("[+1]", 1),
        ("[.5]", 1),
        ("[1.]", 3),
    ];
    for (text, at) in cases {
        assert_eq!(wrong_at(text.as_bytes()), Some(at), "{text}");
    }
    assert_eq!(wrong_at(b"\"a\nb\""), Some(2));
    assert_eq!(wrong_at(br#""\x41""#), Some(2));
    assert_eq!(wrong_at(br#""\u12G4""#), Some(5));
}

#[test]
fn a_wrong_byte_stays_in_the_chunk_and_gives_the_same_error_again() {
    let mut tokenizer = Tokenizer::new();
    let mut chunk = &b"[1 x]"[..];
    let tokens = [tokenizer.next(&mut chunk), tokenizer.next(&mut chunk)];
    assert!(tokens.iter().all(Result::is_ok));
    let error = tokenizer.next(&mut chunk).unwrap_err();
    assert_eq!(chunk, b"x]");
    assert_eq!(tokenizer.next(&mut chunk), Err(error));
}

#[test]
fn a_value_ends_at_its_last_byte() {
    for text in ["{\"a\":1}", "[[]]", "\"x\"", "true", "null"] {
        let mut tokenizer = Tokenizer::new();
        for (index, byte) in text.bytes().enumerate() {
            let mut chunk = &[byte][..];
            while tokenizer.next(&mut chunk).unwrap().is_some() {}
            assert_eq!(tokenizer.is_between_values(), index + 1 == text.len(), "{text} {index}");
        }
    }
}

#[test]
fn a_number_outside_arrays_ends_at_the_next_byte_or_the_end_of_the_stream() {
    let mut tokenizer = Tokenizer::new();
    assert_eq!(tokenizer.next(&mut &b"12"[..]), Ok(None));
    let number = Token { kind: Kind::Number, is_simple: true, start: 0, end: 2 };
    assert_eq!(tokenizer.clone().next(&mut &b"x"[..]), Ok(Some(number)));
    assert_eq!(tokenizer.finish(), Ok(Some(number)));
    assert_eq!(tokenizer.finish(), Ok(None));
    assert_eq!(kinds("0x"), [Kind::Number]);
    assert_eq!(kinds("01"), [Kind::Number, Kind::Number]);
}

#[test]
fn after_a_value_comes_another_one() {
    assert_eq!(
        kinds("1null\"\"{}"),
        [Kind::Number, Kind::Null, Kind::String, Kind::ObjectStart, Kind::ObjectEnd]
    );
}

#[test]
fn the_stream_may_end_between_values_and_not_inside_one() {
    for text in
        ["[", "{\"a\"", "{\"a\":", "\"", "\"\\", "\"\\u00", "tru", "-", "1.", "1e", "[1", "[1,"]
    {
        assert_eq!(tokenize(text.as_bytes(), 1).end, Err(Error::UnexpectedEnd), "{text}");
    }
    for text in ["", "  ", "[] ", "1 2", "1.5"] {
        assert_eq!(tokenize(text.as_bytes(), 1).end, Ok(()), "{text:?}");
    }
}

#[test]
fn the_bracket_that_opens_one_level_too_many_is_an_error() {
    let open = "[".repeat(MAX_DEPTH);
    assert_eq!(wrong_at(open.as_bytes()), None);
    let error = tokenize(format!("{open}[").as_bytes(), 7).error.unwrap();
    assert_eq!((error.offset, error.found), (MAX_DEPTH as u64, b'['));
    let objects = "{\"a\":".repeat(MAX_DEPTH);
    assert_eq!(wrong_at(format!("{objects}{{").as_bytes()), Some(objects.len() as u64));
    assert_eq!(wrong_at(format!("[{}[]]", "[],".repeat(MAX_DEPTH)).as_bytes()), None);
}

#[test]
fn every_level_closes_as_it_was_opened() {
    let opened: Vec<bool> = (0..MAX_DEPTH).map(|level| level % 3 == 0 || level % 64 == 7).collect();
    let mut text = String::new();
    opened.iter().for_each(|&object| text.push_str(if object { "{\"\":" } else { "[" }));
    text.push('1');
    opened.iter().rev().for_each(|&object| text.push(if object { '}' } else { ']' }));
    assert_eq!(tokenize(text.as_bytes(), 100).end, Ok(()));
    assert_eq!(wrong_at(text.as_bytes()), None);
}

#[test]
fn after_a_reset_it_starts_a_new_stream() {
    let mut tokenizer = Tokenizer::new();
    let mut chunk = &b"{\"a\": [1.5e"[..];
    while tokenizer.next(&mut chunk).unwrap().is_some() {}
    assert_eq!(tokenizer.offset(), 11);
    tokenizer.reset();
    assert!(tokenizer.is_between_values());
    assert_eq!((tokenizer.depth(), tokenizer.offset()), (0, 0));
    let mut chunk = &b"[2]"[..];
    assert_eq!(tokenizer.next(&mut chunk).unwrap().map(|token| token.range()), Some(0..1));
    assert_eq!(tokenizer.next(&mut chunk).unwrap().map(|token| token.range()), Some(1..2));
}

#[test]
fn it_does_not_allocate() {
    let text = format!("[{}]", "{\"a\\n\":[1.5e3,\"x\",true,null]},".repeat(100) + "0");
    let (count, allocated) = crate::alloc::counted(|| {
        let mut tokenizer = Tokenizer::new();
        let mut count = 0;
        for mut chunk in text.as_bytes().chunks(5) {
            while tokenizer.next(&mut chunk).unwrap().is_some() {
                count += 1;
            }
        }
        count
    });
    assert_eq!((count, allocated.allocations), (100 * 9 + 3, 0));
}
