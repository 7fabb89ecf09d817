//! Numbers: the exact one, and the text of integers and floats.

use std::fmt;
use std::io::Write;
use std::str::FromStr;

use super::record::Shape;
use super::text::{NonDigit, find_short};
use super::{Aborted, Decoder, Encoder, FromJson, Kind, ToJson};
use crate::memory::Buffer;

/// A number as its JSON text, of any size and precision.
///
/// ```
/// use urpc::json::Number;
///
/// let number: Number = urpc::json::from_str("1.50")?;
/// assert_eq!(number.as_str(), "1.50");
/// assert_eq!(number.parse(), Ok(1.5));
/// assert!("1e400".parse::<Number>().is_ok());
/// assert!("0x10".parse::<Number>().is_err());
/// # Ok::<(), urpc::json::Error>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Number(String);

impl Number {
    /// The text; `0` for the default, into which none was read.
    pub fn as_str(&self) -> &str {
        if self.0.is_empty() { "0" } else { &self.0 }
    }

    /// The text read as `T`, which is std's way of reading it.
    ///
    /// # Errors
    /// The number does not fit.
    pub fn parse<T: FromStr>(&self) -> Result<T, T::Err> {
        self.as_str().parse()
    }

    /// A number whose text was checked.
    pub(super) fn from_checked(text: String) -> Number {
        Number(text)
    }
}

impl fmt::Debug for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text is no JSON number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotANumber;

impl fmt::Display for NotANumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a JSON number")
    }
}

impl std::error::Error for NotANumber {}

impl FromStr for Number {
    type Err = NotANumber;

    fn from_str(text: &str) -> Result<Self, NotANumber> {
        if is_number(text) { Ok(Number(text.to_owned())) } else { Err(NotANumber) }
    }
}

/// Whether the whole of it is a JSON number.
fn is_number(text: &str) -> bool {
    scan(text.as_bytes()).is_some_and(|(length, _)| length == text.len())
}

/// The length of the number at the front of `text`, and whether it has neither fraction nor
/// exponent.
#[inline]
pub(super) fn scan(text: &[u8]) -> Option<(usize, bool)> {
    let sign = usize::from(text.first() == Some(&b'-'));
    let digits = text.get(sign..)?;
    let whole = sign + if digits.first() == Some(&b'0') { 1 } else { digits_at(text, sign)? };
    match text.get(whole) {
        Some(b'.' | b'e' | b'E') => scan_fraction(text, whole),
        _ => Some((whole, true)),
    }
}

/// Goes on with a number behind its whole part.
fn scan_fraction(text: &[u8], whole: usize) -> Option<(usize, bool)> {
    let mut at = whole;
    if text[at] == b'.' {
        at += 1 + digits_at(text, at + 1)?;
    }
    if let Some(b'e' | b'E') = text.get(at) {
        at += 1 + usize::from(matches!(text.get(at + 1), Some(b'+' | b'-')));
        at += digits_at(text, at)?;
    }
    Some((at, false))
}

/// How many digits stand there, if any.
#[inline]
fn digits_at(text: &[u8], at: usize) -> Option<usize> {
    let count = find_short::<NonDigit>(text.get(at..)?);
    (count > 0).then_some(count)
}

impl FromJson for Number {
    fn decode(&mut self, decoder: &mut Decoder<'_>) -> Result<(), Aborted> {
        match decoder.kind() {
            Kind::Null => {}
            Kind::Number | Kind::String if is_number(decoder.token_text()) => {
                let (text, memory) = decoder.text_and_memory();
                match memory.copy(text) {
                    Some(text) => *self = Number(text),
                    None => return decoder.out_of_memory(),
                }
            }
            _ => return decoder.mismatch("a number"),
        }
        Ok(())
    }

    fn shape() -> Shape {
        Shape { quoted: Some("a string with a number in it"), ..Shape::default() }
    }
}

impl ToJson for Number {
    fn encode(&self, encoder: &mut Encoder<'_>) -> Result<(), Aborted> {
        encoder.out.extend_from_slice(self.as_str().as_bytes());
        Ok(())
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

macro_rules! from_integers {
    ($($int:ident)*) => { $(
        impl From<$int> for Number {
            fn from(value: $int) -> Self {
                Number(value.to_string())
            }
        }
    )* };
}

from_integers! { i8 i16 i32 i64 isize u8 u16 u32 u64 usize }

/// `-?[0-9]+` as an integer, leading zeros and all, if it fits. `-0` fits signed types only.
pub(super) fn integer<T: TryFrom<i64> + TryFrom<u64>>(text: &[u8]) -> Option<T> {
    if is_integer(text) { parse_last_integer(text, text.len()) } else { None }
}

/// Whether it has that form.
pub(super) fn is_integer(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
}

/// The same from the last `length` bytes of a text, which have that form: what stands before them
/// makes it faster.
#[inline]
pub(super) fn parse_last_integer<T: TryFrom<i64> + TryFrom<u64>>(
    text: &[u8],
    length: usize,
) -> Option<T> {
    let is_negative = text.get(text.len().checked_sub(length)?) == Some(&b'-');
    let magnitude = parse_last_digits(text, length - usize::from(is_negative))?;
    let is_signed = T::try_from(-1i64).is_ok();
    if !is_signed {
        return if is_negative { None } else { T::try_from(magnitude).ok() };
    }
    // Signs come at random, so that a branch would mostly guess wrong.
    let value = magnitude as i64;
    let value = if is_negative { value.wrapping_neg() } else { value };
    let fits = magnitude <= i64::MAX as u64 + u64::from(is_negative);
    if fits { T::try_from(value).ok() } else { None }
}

/// The value of the last `count` bytes of `text`, which are digits, if it fits. Sixteen bytes are
/// read and cleared of what does not belong, so that no branch has to guess the number of digits.
#[inline]
fn parse_last_digits(text: &[u8], count: usize) -> Option<u64> {
    const ZEROS: u128 = u128::from_le_bytes([b'0'; 16]);
    if let (1..=16, Some(word)) = (count, text.last_chunk()) {
        let digits = (u128::from_le_bytes(*word) ^ ZEROS) >> (128 - 8 * count) << (128 - 8 * count);
        return Some(
            parse_eight_digits(digits as u64) * 100_000_000
                + parse_eight_digits((digits >> 64) as u64),
        );
    }
    let digits = text.get(text.len().checked_sub(count)?..)?;
    digits
        .iter()
        .try_fold(0u64, |value, digit| value.checked_mul(10)?.checked_add((digit & 15).into()))
}

/// Eight digits at once, each a byte, the first the lowest: neighbours are joined to pairs, pairs
/// to fours, fours to the whole.
#[inline(always)]
fn parse_eight_digits(digits: u64) -> u64 {
    let pairs = digits.wrapping_mul(10 << 8 | 1) >> 8;
    let fours = (pairs & 0x00ff_00ff_00ff_00ff).wrapping_mul(100 << 16 | 1) >> 16;
    (fours & 0x0000_ffff_0000_ffff).wrapping_mul(10_000 << 32 | 1) >> 32
}

/// Appends an integer's digits, eight at a time.
pub(super) fn write_digits(value: u64, out: &mut Buffer) {
    const EIGHT_DIGITS: u64 = 100_000_000;
    const ZEROS: u64 = u64::from_le_bytes(*b"00000000");
    let digits = split_eight_digits(value % EIGHT_DIGITS);
    if value >= EIGHT_DIGITS {
        write_digits(value / EIGHT_DIGITS, out);
        return out.extend_from_slice(&(digits | ZEROS).to_le_bytes());
    }
    let leading = (digits.trailing_zeros() as usize / 8).min(7);
    out.extend_from_slice(&(digits >> (8 * leading) | ZEROS).to_le_bytes());
    out.cut(leading);
}

/// A number below 10^8 as eight digits, each a byte, the first the lowest: the whole is split into
/// fours, these into pairs, these into digits. The quotients are products with a reciprocal,
/// rounded up, that is exact so far.
#[inline(always)]
fn split_eight_digits(value: u64) -> u64 {
    let high = value / 10_000;
    let fours = high | (value - high * 10_000) << 32;
    let high = ((fours * 5243) >> 19) & 0x0000_007f_0000_007f;
    let pairs = high | (fours - high * 100) << 16;
    let high = ((pairs * 103) >> 10) & 0x000f_000f_000f_000f;
    high | (pairs - high * 10) << 8
}

/// Appends `value / 10^places`.
pub(super) fn write_decimal(value: u64, places: u32, out: &mut Buffer) {
    let one = 10u64.pow(places);
    write_digits(value / one, out);
    if places > 0 {
        let point = out.len();
        write_digits(value % one + one, out);
        if let Some(one) = out.get_mut(point) {
            *one = b'.';
        }
    }
}

/// Appends a finite float in Go's notation, from std's shortest digits.
pub(super) fn write_float<T>(value: T, is_scientific: bool, out: &mut Buffer)
where
    T: fmt::Display + fmt::LowerExp + FromStr + PartialEq,
{
    /// No text of a float below 1e21 is longer than this half.
    const ROOM: usize = 128;
    if !out.reserve(ROOM) {
        return;
    }
    let out = out.bytes_mut();
    let start = out.len();
    // Writing to memory does not fail.
    let _ = if is_scientific { write!(out, "{value:e}") } else { write!(out, "{value}") };
    if let Some(places) = tie_places(&out[start..]) {
        let shortest = out.len();
        let _ = match is_scientific {
            true => write!(out, "{value:.places$e}"),
            false => write!(out, "{value:.places$}"),
        };
        let even = std::str::from_utf8(&out[shortest..]).unwrap_or_default();
        // Below a power of two the next value is nearer, so fewer texts read back as it.
        if even.parse().ok() == Some(value) {
            out.drain(start..shortest);
        } else {
            out.truncate(shortest);
        }
    }
    match out[start..].iter().position(|&byte| byte == b'e') {
        Some(at) if out[start + at + 1] != b'-' => out.insert(start + at + 1, b'+'),
        _ => {}
    }
}

/// How many digits stand behind the point, if the value may lie right between two shortest texts:
/// of these std takes the upper, and Go the even one, as rounding to that many digits does. Shorter
/// texts are too far apart for that.
fn tie_places(text: &[u8]) -> Option<usize> {
    const SHORTEST: usize = "1.23456".len();
    let mantissa = text.split(|&byte| byte == b'e').next()?;
    let places = mantissa.iter().rev().position(|&byte| byte == b'.')?;
    (mantissa.len() >= SHORTEST && mantissa.last()? % 2 == 1).then_some(places)
}

#[cfg(test)]
mod tests {
    #[test]
    fn between_two_shortest_texts_a_float_takes_the_even_one() {
        assert_eq!(crate::json::to_string(&f32::from_bits(0xca6c6c0d)).unwrap(), "-3873539.2");
    }

    #[test]
    fn a_power_of_two_reads_back_as_itself() {
        for exponent in -126..128 {
            let value = 2f32.powi(exponent);
            let text = crate::json::to_string(&value).unwrap();
            assert_eq!(text.parse::<f32>().unwrap(), value, "{text}");
        }
        for exponent in -1022..1024 {
            let value = 2f64.powi(exponent);
            let text = crate::json::to_string(&value).unwrap();
            assert_eq!(text.parse::<f64>().unwrap(), value, "{text}");
        }
    }
}
