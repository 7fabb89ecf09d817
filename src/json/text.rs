//! The text of strings: scanning, unescaping, escaping.
//!
//! Scanning looks for the first byte of a [`ByteClass`]. [`find`] takes words of eight bytes, and
//! blocks of 64 once a text is long. [`find_in`] takes sixteen bytes at once, for texts in which
//! such bytes are frequent: a loop would end at a place that the processor could not predict.
//! `NeedsEscape` has a cheaper test for blocks. `cargo bench --bench json` shows what each is worth.

use std::borrow::Cow;

use super::error::snippet;
use crate::memory::{Allowance, Buffer};
use crate::sys::with_widest_vectors;

/// A set of bytes, with tests for one byte, for a block and for eight bytes in a word.
pub(super) trait ByteClass {
    /// `(flip, end)`, of which `flip` is below 0x80: bytes with `byte ^ flip < end`.
    const BELOW: (u8, u8) = (0, 0);
    /// `(mask, value)`: bytes with `byte & !mask == value`.
    const EQUAL: &'static [(u8, u8)] = &[];

    /// Whether `byte` is in the class.
    #[inline(always)]
    fn contains(byte: u8) -> bool {
        let is_equal = |any, &(mask, value): &(u8, u8)| any | (byte & !mask == value);
        Self::EQUAL.iter().fold(byte ^ Self::BELOW.0 < Self::BELOW.1, is_equal)
    }

    /// Whether a byte of `block` is in the class. The compiler makes vector code of this loop.
    #[inline(always)]
    fn any(block: &[u8]) -> bool {
        block.iter().fold(0, |any, &byte| any | u8::from(Self::contains(byte))) != 0
    }

    /// Marks with 0x80 the lowest byte of `word` that is in the class. Bytes above it may be marked
    /// wrongly, bytes below it never are.
    ///
    /// If a byte below 0x80 is below `n`, subtracting `n` sets its highest bit. A borrow can also
    /// set it, but only above such a byte.
    #[inline(always)]
    fn mask(word: u64) -> u64 {
        let (flip, end) = Self::BELOW;
        let below = (word ^ splat(flip)).wrapping_sub(splat(end)) & !word;
        let is_equal = |any, &(mask, value): &(u8, u8)| {
            let differs = word & !splat(mask) ^ splat(value);
            any | (differs.wrapping_sub(splat(1)) & !differs)
        };
        Self::EQUAL.iter().fold(below, is_equal) & splat(0x80)
    }
}

/// Eight times the same byte.
pub(super) const fn splat(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

/// The bytes that do not stand for themselves in a string: the closing quote, the backslash of an
/// escape, and control characters, which are not allowed. With this bit flipped the quote, and no
/// other byte, is just behind the control characters.
pub(super) struct Special;

impl ByteClass for Special {
    const BELOW: (u8, u8) = (0x02, 0x21);
    const EQUAL: &'static [(u8, u8)] = &[(0, b'\\')];
}

/// The quote, which ends a string unless it is escaped.
struct Quote;

impl ByteClass for Quote {
    const EQUAL: &'static [(u8, u8)] = &[(0, b'"')];
}

/// The bytes that may need an escape when a string is written. The entry for `"` includes `&`, that
/// for `<` includes `>`. 0xe2 is the first byte of U+2028 and U+2029.
struct NeedsEscape;

impl ByteClass for NeedsEscape {
    const BELOW: (u8, u8) = (0, 0x20);
    const EQUAL: &'static [(u8, u8)] = &[(4, b'"'), (2, b'<'), (0, b'\\'), (0, 0xe2)];

    /// A cheaper test first. It also finds `^`, `|`, `~` and all bytes beyond ASCII. The exact test
    /// removes those.
    #[inline(always)]
    fn any(block: &[u8]) -> bool {
        let perhaps =
            |byte: u8| ((byte as i8) < 0x20) | (byte & !4 == b'"') | (byte & !0x62 == b'<' & !0x62);
        block.iter().fold(0, |any, &byte| any | u8::from(perhaps(byte))) != 0
            && block.iter().fold(0, |any, &byte| any | u8::from(Self::contains(byte))) != 0
    }
}

/// The bytes that may need an escape in a string that is JSON already.
struct NeedsRawEscape;

impl ByteClass for NeedsRawEscape {
    const EQUAL: &'static [(u8, u8)] = &[(2, b'<'), (0, b'&'), (0, 0xe2)];
}

pub(super) const WIDE: usize = 16;

/// The number of bytes at the front that are not in the class.
#[inline(always)]
pub(super) fn find<S: ByteClass>(bytes: &[u8]) -> usize {
    const FEW: usize = 8;
    find_in_words::<S>(bytes, 0, FEW).unwrap_or_else(|| find_far::<S>(bytes, 8 * FEW))
}

/// The same where the first `from` bytes are not in the class. Out of line, so that the search in a
/// short text keeps all in registers.
#[inline(never)]
fn find_far<S: ByteClass>(bytes: &[u8], from: usize) -> usize {
    const BLOCK: usize = 64;
    let rest = &bytes[from..];
    let blocks =
        with_widest_vectors(|| rest.chunks_exact(BLOCK).take_while(|block| !S::any(block)).count());
    find_in_words::<S>(bytes, from + BLOCK * blocks, usize::MAX).unwrap_or(bytes.len())
}

/// The same; `None` if there is none in so many words.
#[inline(always)]
fn find_in_words<S: ByteClass>(bytes: &[u8], from: usize, words: usize) -> Option<usize> {
    let mut rest = bytes.get(from..)?;
    for _ in 0..words {
        let Some((word, behind)) = rest.split_first_chunk() else {
            return Some(find_at_end::<S>(bytes));
        };
        let marks = S::mask(u64::from_le_bytes(*word));
        if marks != 0 {
            return Some(bytes.len() - rest.len() + marks.trailing_zeros() as usize / 8);
        }
        rest = behind;
    }
    None
}

/// The same where only the last seven bytes may be in the class.
#[inline(always)]
fn find_at_end<S: ByteClass>(bytes: &[u8]) -> usize {
    if let Some(word) = bytes.last_chunk() {
        // The bytes of this word that were searched before are not in the class.
        let marks = S::mask(u64::from_le_bytes(*word));
        return bytes.len() - word.len() + marks.trailing_zeros() as usize / 8;
    }
    bytes.iter().take_while(|&&byte| !S::contains(byte)).count()
}

/// Like [`find`], for sixteen bytes, without a branch that depends on them.
#[inline(always)]
pub(super) fn find_in<S: ByteClass>(wide: &[u8; WIDE]) -> usize {
    let wide = u128::from_le_bytes(*wide);
    let (low, high) = (S::mask(wide as u64), S::mask((wide >> 64) as u64));
    let in_low = low.trailing_zeros() / 8;
    (if low == 0 { in_low + high.trailing_zeros() / 8 } else { in_low }) as usize
}

/// The number of bytes at the front of `inside` that stand for themselves. `inside` is a string's
/// text without its quotes.
pub(crate) fn simple_length(inside: &[u8]) -> usize {
    find::<Special>(inside)
}

/// The text of a string or key token. `raw` has its quotes, `is_simple` says that it has no
/// escapes. `None` if there is no memory for the text.
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
            // Never `None`: the tokenizer has checked the escapes.
            let _ = unescape(inner, &mut bytes);
            to_utf8_lossy(bytes, &mut memory).map(Cow::Owned)
        }
    }
}

/// The beginning of the text of a string or key token, for error messages.
pub(super) fn string_snippet(raw: &[u8]) -> String {
    // Six bytes, as in `\u0041`, are the most for one byte of text.
    const ENOUGH: usize = 300;
    snippet(unquote(&raw[..raw.len().min(ENOUGH)], false).unwrap_or_default().as_bytes())
}

/// Converts bytes to text as Go does: U+FFFD for each byte that is not in a valid sequence. std's
/// `from_utf8_lossy` may write one for several bytes. `None` if there is no memory for the text.
#[inline]
pub(super) fn to_utf8_lossy(bytes: Vec<u8>, memory: &mut Allowance<'_>) -> Option<String> {
    match String::from_utf8(bytes) {
        Ok(text) => Some(text),
        Err(error) => replace_invalid(error.as_bytes(), memory),
    }
}

/// Like [`to_utf8_lossy`], for bytes that are known not to be UTF-8.
#[cold]
pub(super) fn replace_invalid(bytes: &[u8], memory: &mut Allowance<'_>) -> Option<String> {
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

/// The index of the quote that ends a string. `text` begins inside the string and has no quote
/// before `from`.
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

/// The room that [`unescape`] needs. No text is longer than its JSON, but up to sixteen bytes are
/// written after its end for a moment.
pub(super) fn unescaped_room(inner: &[u8]) -> usize {
    inner.len() + WIDE
}

/// Appends the text of a string, of which `inner` is the JSON without the quotes. `None` if an
/// escape is malformed or a byte is not allowed. `out` must have [enough room](unescaped_room).
#[inline(never)]
pub(super) fn unescape(inner: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let mut rest = inner;
    while let Some(wide) = rest.first_chunk() {
        // Writes all sixteen bytes and cuts the rest: faster than a copy of variable length.
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

/// Appends the character of the escape at the front and returns the bytes after the escape. `None`
/// if there is no valid escape.
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

/// The character for each letter after a backslash. It is 0 for `u`, and for letters that are not
/// allowed there.
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

/// Like [`unescape_one`] for `\uXXXX`, for a high surrogate followed by a low one, and for all such
/// escapes that follow.
fn unescape_unicode<'a>(mut rest: &'a [u8], out: &mut Vec<u8>) -> Option<&'a [u8]> {
    let mut next = code_unit(rest);
    // Only the first one must be an escape.
    next?;
    while let Some(first) = next {
        rest = &rest[6..];
        next = code_unit(rest);
        let code = match (first, next) {
            (0xd800..=0xdbff, Some(second @ 0xdc00..=0xdfff)) => {
                rest = &rest[6..];
                next = code_unit(rest);
                0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00)
            }
            _ => first,
        };
        let character = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
        let mut bytes = [0; 4];
        let length = character.encode_utf8(&mut bytes).len();
        // Four bytes at once, of which only some count: no copy of a length that varies.
        out.extend_from_slice(&bytes);
        out.truncate(out.len() - 4 + length);
    }
    Some(rest)
}

/// The number in `\uXXXX`.
#[inline(always)]
fn code_unit(escape: &[u8]) -> Option<u32> {
    let [b'\\', b'u', a, b, c, d, ..] = escape else { return None };
    let [a, b, c, d] = [a, b, c, d].map(|&digit| u32::from(HEX_DIGITS[digit as usize]));
    let code = a << 12 | b << 8 | c << 4 | d;
    (a.max(b).max(c).max(d) < 16).then_some(code)
}

/// The value of each hexadecimal digit, 0xff for all other bytes.
const HEX_DIGITS: [u8; 256] = {
    let mut digits = [0xff; 256];
    let mut value = 0;
    while value < 16 {
        digits[b"0123456789abcdef"[value] as usize] = value as u8;
        digits[b"0123456789ABCDEF"[value] as usize] = value as u8;
        value += 1;
    }
    digits
};

/// Appends `text` as a JSON string with Go's escapes.
pub(super) fn quote(text: &[u8], out: &mut Buffer) {
    if !out.reserve(text.len().saturating_add(2)) {
        return;
    }
    // The memory is reserved, so no further check is needed.
    let bytes = out.bytes_mut();
    let (simple, rest) = text.split_at(find::<NeedsEscape>(text));
    bytes.push(b'"');
    bytes.extend_from_slice(simple);
    if !rest.is_empty() {
        escape(rest, out);
    }
    out.push(b'"');
}

/// Appends `text` with Go's escapes, without quotes.
pub(crate) fn escape_inside(text: &str, out: &mut Buffer) {
    let (simple, rest) = text.as_bytes().split_at(find::<NeedsEscape>(text.as_bytes()));
    out.extend_from_slice(simple);
    if !rest.is_empty() {
        escape(rest, out);
    }
}

/// Appends `rest` with Go's escapes. Each byte is looked up in a table. Eight bytes are always
/// written, of which only some count, so no branch depends on the text. After a block without an
/// escape it searches for the next one.
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

/// The escaped form of the character or byte at the front, packed as in [`ESCAPES`], and the number
/// of bytes that it stands for.
#[inline(always)]
fn escaped_form(text: &[u8]) -> (u64, usize) {
    match text {
        [0xe2, 0x80, 0xa8, ..] => (u64::from_le_bytes(*b"\\u2028\0\x06"), 3),
        [0xe2, 0x80, 0xa9, ..] => (u64::from_le_bytes(*b"\\u2029\0\x06"), 3),
        [byte, ..] => (ESCAPES[*byte as usize], 1),
        [] => (0, 0),
    }
}

/// Calls `escape` for each escape that Go adds to a string that is JSON already: with the place and
/// the length of what it replaces.
pub(super) fn escape_raw(token: &[u8], mut escape: impl FnMut(usize, usize, &[u8])) {
    let mut at = 0;
    while at < token.len() {
        at += find::<NeedsRawEscape>(&token[at..]);
        let (bytes, length) = escaped_form(&token[at..]);
        if bytes >> 56 > 1 {
            escape(at, length, &bytes.to_le_bytes()[..(bytes >> 56) as usize]);
        }
        at += length;
    }
}

/// Whether a string of `text` has no escape.
pub(super) fn is_unescaped(text: &str) -> bool {
    find::<NeedsEscape>(text.as_bytes()) == text.len()
}

/// The escaped form of each byte: its bytes from the lowest on, their number in the highest.
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
