//! The text of strings: scanning, unescaping, escaping, and comparing names as Go folds them.

use std::borrow::Cow;

/// How many bytes at the front of `bytes` stand for themselves in a string and do not end it.
#[inline(always)]
pub(super) fn plain_run(bytes: &[u8]) -> usize {
    const SHORT: usize = 64;
    let short = &bytes[..bytes.len().min(SHORT)];
    let run =
        run_by_words(short, |byte| byte == b'"' || byte == b'\\' || byte < 0x20, stops_string);
    if run < SHORT { run } else { run + long_run(&bytes[SHORT..]) }
}

/// [`plain_run`] for long texts: whole blocks that the compiler turns into vector code.
#[inline(never)]
fn long_run(bytes: &[u8]) -> usize {
    let is_stop = |byte: u8| (byte == b'"') | (byte == b'\\') | (byte < 0x20);
    let run = clean_blocks(bytes, is_stop);
    run + run_by_words(&bytes[run..], is_stop, stops_string)
}

/// How many bytes at the front lie in blocks without a byte that `is_stop` names.
#[inline(always)]
fn clean_blocks(bytes: &[u8], is_stop: impl Fn(u8) -> bool) -> usize {
    const BLOCK: usize = 64;
    let is_clean = |block: &&[u8]| !block.iter().fold(false, |any, &byte| any | is_stop(byte));
    bytes.chunks_exact(BLOCK).take_while(is_clean).count() * BLOCK
}

/// The length of the run before the first stop, eight bytes a step. `stops` marks with 0x80 at least the
/// lowest byte that stops, and none below it.
#[inline(always)]
fn run_by_words(bytes: &[u8], is_stop: impl Fn(u8) -> bool, stops: impl Fn(u64) -> u64) -> usize {
    let mut run = 0;
    while let Some(word) = bytes.get(run..).and_then(|rest| rest.first_chunk::<8>()) {
        let marks = stops(u64::from_le_bytes(*word));
        if marks != 0 {
            return run + marks.trailing_zeros() as usize / 8;
        }
        run += 8;
    }
    while bytes.get(run).is_some_and(|&byte| !is_stop(byte)) {
        run += 1;
    }
    run
}

const ONES: u64 = u64::from_ne_bytes([1; 8]);
const HIGH: u64 = ONES << 7;

/// Marks bytes that are zero (and perhaps some above the lowest such).
#[inline(always)]
fn zeros(word: u64) -> u64 {
    word.wrapping_sub(ONES) & !word & HIGH
}

#[inline(always)]
fn equal(word: u64, byte: u8) -> u64 {
    zeros(word ^ (ONES * byte as u64))
}

#[inline(always)]
fn below(word: u64, limit: u8) -> u64 {
    word.wrapping_sub(ONES * limit as u64) & !word & HIGH
}

#[inline(always)]
fn stops_string(word: u64) -> u64 {
    equal(word, b'"') | equal(word, b'\\') | below(word, 0x20)
}

/// The text of a string or key token, `raw` with its quotes. `plain` says that there are no escapes.
pub(crate) fn unquote(raw: &[u8], plain: bool) -> Cow<'_, str> {
    let inner = inside(raw);
    match std::str::from_utf8(inner) {
        Ok(text) if plain => Cow::Borrowed(text),
        _ => {
            let mut text = String::new();
            unquote_into(raw, plain, &mut text);
            Cow::Owned(text)
        }
    }
}

/// Puts the text of a string token into `text`, whose memory is used again.
pub(super) fn unquote_into(raw: &[u8], plain: bool, text: &mut String) {
    let inner = inside(raw);
    text.clear();
    if plain {
        match std::str::from_utf8(inner) {
            Ok(valid) => text.push_str(valid),
            Err(_) => push_lossy(inner, text),
        }
        return;
    }
    let mut bytes = std::mem::take(text).into_bytes();
    unescape(inner, &mut bytes);
    *text = String::from_utf8(bytes).unwrap_or_else(|error| {
        let mut text = String::new();
        push_lossy(error.as_bytes(), &mut text);
        text
    });
}

fn inside(raw: &[u8]) -> &[u8] {
    raw.get(1..raw.len().saturating_sub(1)).unwrap_or_default()
}

/// Go's replacement: one U+FFFD for each byte that belongs to no valid sequence.
fn push_lossy(bytes: &[u8], text: &mut String) {
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
}

/// Appends `inner`, which the tokenizer has checked, with its escapes resolved.
fn unescape(mut inner: &[u8], out: &mut Vec<u8>) {
    out.reserve(inner.len());
    while let Some(run) = inner.iter().position(|&byte| byte == b'\\') {
        out.extend_from_slice(&inner[..run]);
        let Some(&letter) = inner.get(run + 1) else {
            return;
        };
        inner = &inner[run + 2..];
        match letter {
            b'b' => out.push(0x08),
            b'f' => out.push(0x0c),
            b'n' => out.push(b'\n'),
            b'r' => out.push(b'\r'),
            b't' => out.push(b'\t'),
            b'u' => inner = unescape_unicode(inner, out),
            literal => out.push(literal),
        }
    }
    out.extend_from_slice(inner);
}

/// Appends the character of the four digits at the front of `inner`, and of a low surrogate's escape
/// behind them if they are a high one. Returns what is left.
fn unescape_unicode<'a>(inner: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
    let (first, mut rest) = hex4(inner);
    let mut code = first;
    if let (0xd800..=0xdbff, Some(behind)) = (first, rest.strip_prefix(b"\\u")) {
        let (second, after) = hex4(behind);
        if let 0xdc00..=0xdfff = second {
            code = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
            rest = after;
        }
    }
    let character = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
    out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    rest
}

fn hex4(bytes: &[u8]) -> (u32, &[u8]) {
    let (digits, rest) = bytes.split_at(bytes.len().min(4));
    let digit = |&byte: &u8| (byte as char).to_digit(16).unwrap_or(0);
    (digits.iter().fold(0, |code, byte| code << 4 | digit(byte)), rest)
}

/// Appends `text` as a JSON string, escaped as Go escapes.
pub(super) fn quote(text: &str, out: &mut Vec<u8>) {
    out.reserve(text.len() + 2);
    out.push(b'"');
    let mut rest = text.as_bytes();
    loop {
        let run = written_run(rest);
        out.extend_from_slice(&rest[..run]);
        rest = &rest[run..];
        let Some(&byte) = rest.first() else { break };
        rest = &rest[escape(byte, rest, out)..];
    }
    out.push(b'"');
}

/// Escapes the character at the front of `rest` where it must be and returns its length.
fn escape(byte: u8, rest: &[u8], out: &mut Vec<u8>) -> usize {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let short = match byte {
        b'"' | b'\\' => byte,
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        0x08 => b'b',
        0x0c => b'f',
        0xe2 => return escape_separator(rest, out),
        _ => {
            out.extend_from_slice(&[
                b'\\',
                b'u',
                b'0',
                b'0',
                HEX[(byte >> 4) as usize],
                HEX[(byte & 15) as usize],
            ]);
            return 1;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
    1
}

/// Writes U+2028 and U+2029 as escapes, any other byte 0xe2 as it is.
pub(super) fn escape_separator(rest: &[u8], out: &mut Vec<u8>) -> usize {
    match rest {
        [0xe2, 0x80, 0xa8, ..] => out.extend_from_slice(b"\\u2028"),
        [0xe2, 0x80, 0xa9, ..] => out.extend_from_slice(b"\\u2029"),
        _ => {
            out.push(0xe2);
            return 1;
        }
    }
    3
}

/// How many bytes at the front are written as they are.
#[inline(always)]
fn written_run(bytes: &[u8]) -> usize {
    const SHORT: usize = 64;
    let short = &bytes[..bytes.len().min(SHORT)];
    let run = run_by_words(short, is_escaped, stops_written);
    if run < SHORT { run } else { run + long_written_run(&bytes[SHORT..]) }
}

#[inline(never)]
fn long_written_run(bytes: &[u8]) -> usize {
    let run = clean_blocks(bytes, is_escaped);
    run + run_by_words(&bytes[run..], is_escaped, stops_written)
}

/// Whether a byte needs a look before it is written. The masks catch `"` with `&` and `<` with `>`.
#[inline(always)]
fn is_escaped(byte: u8) -> bool {
    (byte < 0x20) | (byte & !4 == b'"') | (byte & !2 == b'<') | (byte == b'\\') | (byte == 0xe2)
}

#[inline(always)]
fn stops_written(word: u64) -> u64 {
    below(word, 0x20)
        | equal(word & !(ONES * 4), b'"')
        | equal(word & !(ONES * 2), b'<')
        | equal(word, b'\\')
        | equal(word, 0xe2)
}

/// Whether two names are one under Unicode's simple case folding, as Go compares them.
pub(crate) fn fold_eq(a: &str, b: &str) -> bool {
    let (mut a, mut b) = (a.chars(), b.chars());
    loop {
        match (a.next(), b.next()) {
            (None, None) => return true,
            (Some(x), Some(y)) if x == y || fold(x) == fold(y) => {}
            _ => return false,
        }
    }
}

/// One character for all that are equal under simple case folding. std's mappings compose to it, but for the
/// dotless i, whose upper case is a plain I: it is nobody's equal.
fn fold(character: char) -> char {
    if character.is_ascii() {
        return character.to_ascii_lowercase();
    }
    if character == 'ı' {
        return character;
    }
    let upper = single(character.to_uppercase(), character);
    single(upper.to_lowercase(), upper)
}

/// The mapping, if it is to one character.
fn single(mut mapped: impl ExactSizeIterator<Item = char>, character: char) -> char {
    match (mapped.len(), mapped.next()) {
        (1, Some(mapped)) => mapped,
        _ => character,
    }
}
