//! The text of strings: scanning, unescaping, escaping, and comparing names as Go folds them.

use std::borrow::Cow;

/// Bytes that end a run, asked one at a time and eight at a time.
pub(super) trait Stops {
    /// Whether this byte does.
    fn one(byte: u8) -> bool;

    /// Whether one of these does: a loop that becomes vector code.
    #[inline(always)]
    fn any(block: &[u8]) -> bool {
        block.iter().fold(false, |any, &byte| any | Self::one(byte))
    }

    /// 0x80 for the lowest byte of `word` that does, perhaps also for some above it, and none below.
    fn many(word: Word) -> Word;
}

/// What cannot stand for itself in a string: its end, an escape, a control character.
pub(super) struct Special;

impl Stops for Special {
    #[inline(always)]
    fn one(byte: u8) -> bool {
        (byte == b'"') | (byte == b'\\') | (byte < 0x20)
    }

    #[inline(always)]
    fn many(word: Word) -> Word {
        equal(word, b'"') | equal(word, b'\\') | below(word, 0x20)
    }
}

/// The end of a row of digits.
pub(super) struct NoDigit;

impl Stops for NoDigit {
    #[inline(always)]
    fn one(byte: u8) -> bool {
        !byte.is_ascii_digit()
    }

    #[inline(always)]
    fn many(word: Word) -> Word {
        let values = word ^ (ONES * Word::from(b'0'));
        (values.wrapping_add(ONES * 0x76) | values) & HIGH
    }
}

/// The beginning of an escape.
struct Backslash;

impl Stops for Backslash {
    #[inline(always)]
    fn one(byte: u8) -> bool {
        byte == b'\\'
    }

    #[inline(always)]
    fn many(word: Word) -> Word {
        equal(word, b'\\')
    }
}

/// What may need an escape where strings are written. The masks join `"` with `&` and `<` with `>`; 0xe2
/// begins the line separators.
struct Escaped;

impl Stops for Escaped {
    #[inline(always)]
    fn one(byte: u8) -> bool {
        (byte < 0x20) | (byte & !4 == b'"') | (byte & !2 == b'<') | (byte == b'\\') | (byte == 0xe2)
    }

    /// Looks closer only where a cheaper question, which `^`, `|`, `~` and all but ASCII mislead, says that it may be.
    #[inline(always)]
    fn any(block: &[u8]) -> bool {
        let perhaps =
            |byte: u8| ((byte as i8) < 0x20) | (byte & !4 == b'"') | (byte & !0x62 == b'<' & !0x62);
        block.iter().fold(false, |any, &byte| any | perhaps(byte))
            && block.iter().fold(false, |any, &byte| any | Self::one(byte))
    }

    #[inline(always)]
    fn many(word: Word) -> Word {
        below(word, 0x20)
            | equal(word & !(ONES * 4), b'"')
            | equal(word & !(ONES * 2), b'<')
            | equal(word, b'\\')
            | equal(word, 0xe2)
    }
}

/// What may need an escape in a string that is JSON already.
struct EscapedRaw;

impl Stops for EscapedRaw {
    #[inline(always)]
    fn one(byte: u8) -> bool {
        (byte & !2 == b'<') | (byte == b'&') | (byte == 0xe2)
    }

    #[inline(always)]
    fn many(word: Word) -> Word {
        equal(word & !(ONES * 2), b'<') | equal(word, b'&') | equal(word, 0xe2)
    }
}

/// Sixteen bytes, the first the lowest.
type Word = u128;

const WIDTH: usize = size_of::<Word>();
const ONES: Word = Word::from_ne_bytes([1; WIDTH]);
const HIGH: Word = ONES << 7;

#[inline(always)]
fn equal(word: Word, byte: u8) -> Word {
    below(word ^ (ONES * byte as Word), 1)
}

/// Marks bytes below `limit`. A borrow can mark a byte too many, but only above one that is marked rightly.
#[inline(always)]
fn below(word: Word, limit: u8) -> Word {
    word.wrapping_sub(ONES * limit as Word) & !word & HIGH
}

/// How many bytes at the front do not stop.
#[inline(always)]
pub(super) fn run<S: Stops>(bytes: &[u8]) -> usize {
    const SHORT: usize = WIDTH;
    let mut run = 0;
    while let Some(word) = bytes.get(run..).and_then(|rest| rest.first_chunk()) {
        let marks = S::many(Word::from_le_bytes(*word));
        if marks != 0 {
            return run + marks.trailing_zeros() as usize / 8;
        }
        run += WIDTH;
        if run == SHORT {
            run += clean_blocks::<S>(&bytes[SHORT..]);
        }
    }
    run + bytes[run..].iter().take_while(|&&byte| !S::one(byte)).count()
}

/// How many bytes at the front lie in whole blocks without a stop.
#[inline(never)]
fn clean_blocks<S: Stops>(bytes: &[u8]) -> usize {
    const BLOCK: usize = 64;
    bytes.chunks_exact(BLOCK).take_while(|block| !S::any(block)).count() * BLOCK
}

/// The length of the escape at the front, if it is whole and right: for a look at all of it at once, where else
/// the tokenizer goes on byte by byte.
#[inline(always)]
pub(super) fn escape_length(escape: &[u8]) -> Option<usize> {
    match escape {
        [_, letter, ..] if LETTERS[*letter as usize] != 0 => Some(2),
        _ => unicode_escape_length(escape),
    }
}

#[cold]
fn unicode_escape_length(escape: &[u8]) -> Option<usize> {
    match escape {
        [_, b'u', a, b, c, d, ..] if [a, b, c, d].iter().all(|digit| digit.is_ascii_hexdigit()) => {
            Some(6)
        }
        _ => None,
    }
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
            Ok(valid) if text.capacity() < valid.len() => *text = valid.to_owned(),
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
fn unescape(inner: &[u8], out: &mut Vec<u8>) {
    out.reserve(inner.len() + WIDTH);
    let mut rest = inner;
    while let Some(word) = rest.first_chunk::<WIDTH>() {
        // All eight bytes are written and the surplus is taken back: cheaper than a copy of some length.
        out.extend_from_slice(word);
        let marks = Backslash::many(Word::from_le_bytes(*word));
        if marks == 0 {
            let run = WIDTH + run::<Backslash>(&rest[WIDTH..]);
            out.extend_from_slice(&rest[WIDTH..run]);
            rest = &rest[run..];
        } else {
            let run = marks.trailing_zeros() as usize / 8;
            out.truncate(out.len() - WIDTH + run);
            rest = resolve(&rest[run..], out);
        }
    }
    while let Some((&byte, behind)) = rest.split_first() {
        if byte == b'\\' {
            rest = resolve(rest, out);
        } else {
            out.push(byte);
            rest = behind;
        }
    }
}

/// Appends what the escape at the front stands for and returns what is behind it.
#[inline(always)]
fn resolve<'a>(escape: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
    let [_, letter, behind @ ..] = escape else { return &[] };
    match LETTERS[*letter as usize] {
        0 => resolve_unicode(escape, out),
        byte => {
            out.push(byte);
            behind
        }
    }
}

/// What a letter behind a backslash stands for; 0 for those that may not stand there, and for `u`.
pub(super) const LETTERS: [u8; 256] = {
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
fn resolve_unicode<'a>(escape: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
    let first = code_unit(escape);
    let second = escape.get(6..).filter(|behind| behind.starts_with(b"\\u")).map(code_unit);
    let (code, length) = match (first, second) {
        (0xd800..=0xdbff, Some(second @ 0xdc00..=0xdfff)) => {
            (0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00), 12)
        }
        _ => (first, 6),
    };
    let character = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
    out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    escape.get(length..).unwrap_or_default()
}

/// The four digits of `\uXXXX`.
fn code_unit(escape: &[u8]) -> u32 {
    let digits = escape.get(2..6).unwrap_or_default();
    digits.iter().fold(0, |code, &byte| code << 4 | (byte as char).to_digit(16).unwrap_or(0))
}

/// Appends `text` as a JSON string, escaped as Go escapes.
pub(super) fn quote(text: &str, out: &mut Vec<u8>) {
    out.reserve(text.len() + 2);
    out.push(b'"');
    let (plain, rest) = text.as_bytes().split_at(run::<Escaped>(text.as_bytes()));
    out.extend_from_slice(plain);
    if !rest.is_empty() {
        escape(rest, out);
    }
    out.push(b'"');
}

/// Appends `rest` with its escapes. Where these are dense, each byte is looked up and written as eight, whatever
/// of them counts: no branch has to guess what comes.
#[inline(never)]
fn escape(mut rest: &[u8], out: &mut Vec<u8>) {
    const BLOCK: usize = 16;
    let mut stage = [0; 256];
    while !rest.is_empty() {
        let mut read = 0;
        let mut written = 0;
        while read < rest.len().min(BLOCK) {
            let (bytes, length) = written_form(&rest[read..]);
            stage[written..written + 8].copy_from_slice(&bytes.to_le_bytes());
            written += (bytes >> 56) as usize;
            read += length;
        }
        out.extend_from_slice(&stage[..written]);
        rest = &rest[read..];
        if written == read {
            let (plain, behind) = rest.split_at(run::<Escaped>(rest));
            out.extend_from_slice(plain);
            rest = behind;
        }
    }
}

/// How the character or byte at the front is written, as in [`ESCAPES`], and how long it is.
#[inline(always)]
fn written_form(text: &[u8]) -> (u64, usize) {
    match text {
        [0xe2, 0x80, 0xa8, ..] => (u64::from_le_bytes(*b"\\u2028\0\x06"), 3),
        [0xe2, 0x80, 0xa9, ..] => (u64::from_le_bytes(*b"\\u2029\0\x06"), 3),
        [byte, ..] => (ESCAPES[*byte as usize], 1),
        [] => (0, 0),
    }
}

/// Appends a string that is JSON already, its quotes included, with the escapes that Go adds to it.
pub(super) fn quote_raw(token: &[u8], out: &mut Vec<u8>) {
    let mut rest = token;
    while !rest.is_empty() {
        let (plain, stop) = rest.split_at(run::<EscapedRaw>(rest));
        out.extend_from_slice(plain);
        let (bytes, length) = written_form(stop);
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
