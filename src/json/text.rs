//! The text of strings: scanning, unescaping, escaping, and comparing names as Go folds them.

use std::borrow::Cow;

use super::error::snippet;
use crate::memory::{Allowance, Buffer};

/// Bytes that end a run, asked one at a time and eight at a time.
pub(super) trait ByteClass {
    /// Bytes below `BELOW`.
    const BELOW: u8 = 0;
    /// `(mask, value)`: bytes with `byte & !mask == value`.
    const EQUAL: &'static [(u8, u8)] = &[];

    /// Whether this byte stops.
    #[inline(always)]
    fn contains(byte: u8) -> bool {
        let is_equal = |any, &(mask, stop): &(u8, u8)| any | (byte & !mask == stop);
        Self::EQUAL.iter().fold(byte < Self::BELOW, is_equal)
    }

    /// Whether one of these does: a loop that becomes vector code.
    #[inline(always)]
    fn any(block: &[u8]) -> bool {
        block.iter().fold(false, |any, &byte| any | Self::contains(byte))
    }

    /// 0x80 for the lowest byte of `word` that stops, perhaps also for some above it, and none
    /// below. Taking `n` from a byte sets its highest bit, if that was clear, where the byte is
    /// below `n`; a borrow can do so too, but only above such a one.
    #[inline(always)]
    fn mask(word: u64) -> u64 {
        let below = word.wrapping_sub(splat(Self::BELOW)) & !word;
        let is_equal = |any, &(mask, stop): &(u8, u8)| {
            let differs = word & !splat(mask) ^ splat(stop);
            any | (differs.wrapping_sub(splat(1)) & !differs)
        };
        Self::EQUAL.iter().fold(below, is_equal) & splat(0x80)
    }
}

/// A word of eight such bytes.
const fn splat(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

/// What cannot stand for itself in a string: its end, an escape, a control character.
pub(super) struct Special;

impl ByteClass for Special {
    const BELOW: u8 = 0x20;
    const EQUAL: &'static [(u8, u8)] = &[(0, b'"'), (0, b'\\')];
}

/// What may be the end of a string.
struct Quote;

impl ByteClass for Quote {
    const EQUAL: &'static [(u8, u8)] = &[(0, b'"')];
}

/// What may need an escape where strings are written: among it `&` with `"`, `>` with `<`, and
/// 0xe2, which begins the line separators.
struct NeedsEscape;

impl ByteClass for NeedsEscape {
    const BELOW: u8 = 0x20;
    const EQUAL: &'static [(u8, u8)] = &[(4, b'"'), (2, b'<'), (0, b'\\'), (0, 0xe2)];

    /// Cheap pre-filter; may report false positives (`^`, `|`, `~`, all but ASCII), which the exact
    /// test removes.
    #[inline(always)]
    fn any(block: &[u8]) -> bool {
        let perhaps =
            |byte: u8| ((byte as i8) < 0x20) | (byte & !4 == b'"') | (byte & !0x62 == b'<' & !0x62);
        block.iter().fold(false, |any, &byte| any | perhaps(byte))
            && block.iter().fold(false, |any, &byte| any | Self::contains(byte))
    }
}

/// What may need an escape in a string that is JSON already.
struct NeedsRawEscape;

impl ByteClass for NeedsRawEscape {
    const EQUAL: &'static [(u8, u8)] = &[(2, b'<'), (0, b'&'), (0, 0xe2)];
}

/// The end of a row of digits.
pub(super) struct NonDigit;

impl ByteClass for NonDigit {
    #[inline(always)]
    fn contains(byte: u8) -> bool {
        !byte.is_ascii_digit()
    }

    #[inline(always)]
    fn mask(word: u64) -> u64 {
        let values = word ^ splat(b'0');
        (values.wrapping_add(splat(0x76)) | values) & splat(0x80)
    }
}

const WIDE: usize = 16;

/// How many bytes at the front do not stop.
#[inline(always)]
pub(super) fn find<S: ByteClass>(bytes: &[u8]) -> usize {
    const FEW: usize = 4;
    let mut rest = bytes;
    let mut words = 0;
    while let Some((word, behind)) = rest.split_first_chunk() {
        let marks = S::mask(u64::from_le_bytes(*word));
        if marks != 0 {
            return bytes.len() - rest.len() + marks.trailing_zeros() as usize / 8;
        }
        rest = behind;
        words += 1;
        if words == FEW {
            rest = &rest[skip_blocks::<S>(rest)..];
        }
    }
    if let Some(word) = bytes.last_chunk() {
        // What of it was looked at already has no stop.
        let marks = S::mask(u64::from_le_bytes(*word));
        return bytes.len() - word.len() + marks.trailing_zeros() as usize / 8;
    }
    bytes.iter().take_while(|&&byte| !S::contains(byte)).count()
}

/// The same, for where most runs end within sixteen bytes and it cannot be guessed where.
#[inline(always)]
pub(super) fn find_short<S: ByteClass>(bytes: &[u8]) -> usize {
    match bytes.first_chunk().map(find_in::<S>) {
        None => find::<S>(bytes),
        Some(WIDE) => WIDE + find::<S>(&bytes[WIDE..]),
        Some(clean) => clean,
    }
}

/// The same in sixteen bytes.
#[inline(always)]
fn find_in<S: ByteClass>(wide: &[u8; WIDE]) -> usize {
    let wide = u128::from_le_bytes(*wide);
    let (low, high) = (S::mask(wide as u64), S::mask((wide >> 64) as u64));
    let in_low = low.trailing_zeros() / 8;
    (if low == 0 { in_low + high.trailing_zeros() / 8 } else { in_low }) as usize
}

/// How many bytes at the front lie in whole blocks without a stop.
#[inline(never)]
fn skip_blocks<S: ByteClass>(bytes: &[u8]) -> usize {
    const BLOCK: usize = 64;
    bytes.chunks_exact(BLOCK).take_while(|block| !S::any(block)).count() * BLOCK
}

/// How many bytes at the front of the inside of a string stand for themselves.
pub(crate) fn simple_length(inside: &[u8]) -> usize {
    find::<Special>(inside)
}

/// The text of a string or key token, `raw` with its quotes; `None` if there is no memory for it.
/// `simple` says that there are no escapes.
pub(crate) fn unquote(raw: &[u8], is_simple: bool) -> Option<Cow<'_, str>> {
    let inner = raw.get(1..raw.len().saturating_sub(1)).unwrap_or_default();
    match std::str::from_utf8(inner) {
        Ok(text) if is_simple => Some(Cow::Borrowed(text)),
        _ => {
            let mut memory = Allowance::unlimited();
            let mut bytes = Vec::new();
            if !memory.reserve_exact(&mut bytes, unescaped_room(inner)) {
                return None;
            }
            // The tokenizer has checked it.
            let _ = unescape(inner, &mut bytes);
            to_utf8_lossy(bytes, &mut memory).map(Cow::Owned)
        }
    }
}

/// The beginning of the text of a string or key token, for errors.
pub(super) fn checkpoint(raw: &[u8]) -> String {
    // No escape is longer for a byte of text than `\u0041`.
    const ENOUGH: usize = 300;
    snippet(unquote(&raw[..raw.len().min(ENOUGH)], false).unwrap_or_default().as_bytes())
}

/// Text with Go's replacement: one U+FFFD for each byte that belongs to no valid sequence. `None`
/// if it may not take the memory.
#[inline]
pub(super) fn to_utf8_lossy(bytes: Vec<u8>, memory: &mut Allowance<'_>) -> Option<String> {
    match String::from_utf8(bytes) {
        Ok(text) => Some(text),
        Err(error) => mend(error.as_bytes(), memory),
    }
}

/// The same for bytes that are not UTF-8.
#[cold]
pub(super) fn mend(bytes: &[u8], memory: &mut Allowance<'_>) -> Option<String> {
    const REPLACEMENT: usize = char::REPLACEMENT_CHARACTER.len_utf8();
    let parts = bytes.utf8_chunks();
    let lengths = parts.map(|part| part.valid().len() + REPLACEMENT * part.invalid().len());
    let mut text = memory.string(lengths.sum())?;
    for part in bytes.utf8_chunks() {
        text.push_str(part.valid());
        text.extend(part.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
    Some(text)
}

/// Where the quote stands that ends a string of which `text` is the rest; before `from` there is
/// none.
pub(super) fn closing_quote(text: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        at += find::<Quote>(&text[at..]);
        let (inner, _quote) = (text.get(..at)?, text.get(at)?);
        let backslashes = inner.iter().rev().take_while(|&&byte| byte == b'\\').count();
        if backslashes % 2 == 0 {
            return Some(at);
        }
        at += 1;
    }
}

/// How much room [`unescape`] needs: the text is no longer than what it is written as, and what is
/// written beyond it is taken back.
pub(super) fn unescaped_room(inner: &[u8]) -> usize {
    inner.len() + WIDE
}

/// Appends the inside of a string with its escapes resolved, if they and all else in it are right.
/// `out` has [room](unescaped_room) for it.
#[inline(never)]
pub(super) fn unescape(inner: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let mut rest = inner;
    while let Some(wide) = rest.first_chunk() {
        // All sixteen bytes are written and the surplus is taken back: cheaper than a copy of some
        // length.
        let clean = find_in::<Special>(wide);
        out.extend_from_slice(wide);
        if clean < WIDE {
            out.truncate(out.len() - WIDE + clean);
            rest = unescape_one(&rest[clean..], out)?;
        } else {
            let run = WIDE + find::<Special>(&rest[WIDE..]);
            out.extend_from_slice(&rest[WIDE..run]);
            rest = &rest[run..];
        }
    }
    while let Some((&byte, behind)) = rest.split_first() {
        if Special::contains(byte) {
            rest = unescape_one(rest, out)?;
        } else {
            out.push(byte);
            rest = behind;
        }
    }
    Some(())
}

/// The text of a quoted member without the backslash before each apostrophe in a string: Go up to
/// 1.26 takes that escape here and nowhere else. `None` if there is no memory for it.
pub(super) fn plain_apostrophes<'t>(
    text: &'t str,
    memory: &mut Allowance<'_>,
) -> Option<Cow<'t, str>> {
    if !text.starts_with('"') || !text.contains(r"\'") {
        return Some(Cow::Borrowed(text));
    }
    let mut simple = memory.string(text.len())?;
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        let escaped = if character == '\\' { characters.next() } else { None };
        if escaped != Some('\'') {
            simple.push(character);
        }
        simple.extend(escaped);
    }
    Some(Cow::Owned(simple))
}

/// Appends what the escape at the front stands for and returns what is behind it.
#[inline(always)]
fn unescape_one<'a>(escape: &'a [u8], out: &mut Vec<u8>) -> Option<&'a [u8]> {
    let [b'\\', letter, behind @ ..] = escape else { return None };
    match SIMPLE_ESCAPES[*letter as usize] {
        0 => unescape_unicode(escape, out),
        byte => {
            out.push(byte);
            Some(behind)
        }
    }
}

/// What a letter behind a backslash stands for; 0 for those that may not stand there, and for `u`.
pub(super) const SIMPLE_ESCAPES: [u8; 256] = {
    let mut letters = [0; 256];
    let pairs = *b"\"\"\\\\//b\x08f\x0cn\nr\rt\t";
    let mut index = 0;
    while index < pairs.len() {
        letters[pairs[index] as usize] = pairs[index + 1];
        index += 2;
    }
    letters
};

/// The same for `\uXXXX`, and for a high surrogate with the low one behind it.
fn unescape_unicode<'a>(escape: &'a [u8], out: &mut Vec<u8>) -> Option<&'a [u8]> {
    let first = code_unit(escape)?;
    let (code, length) = match (first, escape.get(6..).and_then(code_unit)) {
        (0xd800..=0xdbff, Some(second @ 0xdc00..=0xdfff)) => {
            (0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00), 12)
        }
        _ => (first, 6),
    };
    let character = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
    out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    escape.get(length..)
}

/// The number that `\uXXXX` gives.
fn code_unit(escape: &[u8]) -> Option<u32> {
    let [b'\\', b'u', digits @ ..] = escape else { return None };
    let digits = digits.first_chunk::<4>()?;
    digits.iter().try_fold(0, |code, &byte| Some(code << 4 | (byte as char).to_digit(16)?))
}

/// Appends `text` as a JSON string, escaped as Go escapes.
pub(super) fn quote(text: &[u8], out: &mut Buffer) {
    if !out.reserve(text.len() + 2) {
        return;
    }
    // The room is there, so that nothing has to ask for it.
    let bytes = out.bytes_mut();
    let (simple, rest) = text.split_at(find::<NeedsEscape>(text));
    bytes.push(b'"');
    bytes.extend_from_slice(simple);
    if !rest.is_empty() {
        escape(rest, out);
    }
    out.push(b'"');
}

/// Appends `text` as the inside of a JSON string.
pub(crate) fn escape_inside(text: &str, out: &mut Buffer) {
    let (simple, rest) = text.as_bytes().split_at(find::<NeedsEscape>(text.as_bytes()));
    out.extend_from_slice(simple);
    if !rest.is_empty() {
        escape(rest, out);
    }
}

/// Appends `rest` with its escapes. Where these are dense, each byte is looked up and written as
/// eight, whatever of them counts: no branch has to guess what comes.
#[inline(never)]
fn escape(mut rest: &[u8], out: &mut Buffer) {
    const BLOCK: usize = 16;
    let mut stage = [0; 256];
    while !rest.is_empty() {
        let mut read = 0;
        let mut written = 0;
        while read < rest.len().min(BLOCK) {
            let (bytes, length) = escaped_form(&rest[read..]);
            stage[written..written + 8].copy_from_slice(&bytes.to_le_bytes());
            written += (bytes >> 56) as usize;
            read += length;
        }
        out.extend_from_slice(&stage[..written]);
        rest = &rest[read..];
        if written == read {
            let (simple, behind) = rest.split_at(find::<NeedsEscape>(rest));
            out.extend_from_slice(simple);
            rest = behind;
        }
    }
}

/// How the character or byte at the front is written, as in [`ESCAPES`], and how long it is.
#[inline(always)]
fn escaped_form(text: &[u8]) -> (u64, usize) {
    match text {
        [0xe2, 0x80, 0xa8, ..] => (u64::from_le_bytes(*b"\\u2028\0\x06"), 3),
        [0xe2, 0x80, 0xa9, ..] => (u64::from_le_bytes(*b"\\u2029\0\x06"), 3),
        [byte, ..] => (ESCAPES[*byte as usize], 1),
        [] => (0, 0),
    }
}

/// Appends a string that is JSON already, its quotes included, with the escapes that Go adds to it.
pub(super) fn quote_raw(token: &[u8], out: &mut Buffer) {
    let mut rest = token;
    while !rest.is_empty() {
        let (simple, stop) = rest.split_at(find::<NeedsRawEscape>(rest));
        out.extend_from_slice(simple);
        let (bytes, length) = escaped_form(stop);
        out.extend_from_slice(&bytes.to_le_bytes()[..(bytes >> 56) as usize]);
        rest = &stop[length..];
    }
}

/// How each byte is written: its bytes from the lowest on, and in the highest how many there are.
const ESCAPES: [u64; 256] = {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut escapes = [0; 256];
    let mut index = 0;
    while index < 256 {
        let byte = index as u8;
        let short = match byte {
            b'"' | b'\\' => byte,
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            0x08 => b'b',
            0x0c => b'f',
            _ => 0,
        };
        escapes[index] = u64::from_le_bytes(match byte {
            _ if short != 0 => [b'\\', short, 0, 0, 0, 0, 0, 2],
            0..0x20 | b'<' | b'>' | b'&' => {
                [b'\\', b'u', b'0', b'0', HEX[index >> 4], HEX[index & 15], 0, 6]
            }
            _ => [byte, 0, 0, 0, 0, 0, 0, 1],
        });
        index += 1;
    }
    escapes
};

/// Which of `names` that is: the exact one first, then the first that differs in case only.
#[inline(never)]
pub(crate) fn find_name<'a>(
    names: impl Iterator<Item = &'a str> + Clone,
    name: &str,
) -> Option<usize> {
    let exact = names.clone().position(|other| other == name);
    exact.or_else(|| names.clone().position(|other| fold_eq(other, name)))
}

/// Whether two names are one under Unicode's simple case folding, as Go compares them.
fn fold_eq(a: &str, b: &str) -> bool {
    let (mut a, mut b) = (a.chars(), b.chars());
    loop {
        match (a.next(), b.next()) {
            (None, None) => return true,
            (Some(x), Some(y)) if x == y || fold(x) == fold(y) => {}
            _ => return false,
        }
    }
}

/// One character for all that are equal under simple case folding. std's mappings compose to it,
/// but for the dotless i, whose upper case is a plain I: it is nobody's equal.
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
