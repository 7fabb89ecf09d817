//! Numbers: the exact one, and the text of integers and floats.

use std::fmt::{self, Write};
use std::str::FromStr;

use super::scalars::{decode_text, encode_text};
use super::text::{NoDigit, Stops};
use super::{Decoder, Encoder, FromJson, Kind, Stop, ToJson, Tokenizer};

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

    pub(super) fn from_checked(text: &[u8]) -> Number {
        Number(String::from_utf8_lossy(text).into_owned())
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
        if is_number(text.as_bytes()) { Ok(Number(text.to_owned())) } else { Err(NotANumber) }
    }
}

/// Whether all of `text` is one number of JSON's grammar.
fn is_number(text: &[u8]) -> bool {
    let mut tokenizer = Tokenizer::new();
    let cut = tokenizer.next(&mut &*text);
    let token = tokenizer.finish();
    matches!((cut, token), (Ok(None), Ok(Some(token))) if token.kind == Kind::Number && token.start == 0)
}

impl FromJson for Number {
    fn decode(&mut self, decoder: &mut Decoder<'_>) -> Result<(), Stop> {
        match decoder.kind() {
            Kind::Number => *self = Number::from_checked(decoder.raw()),
            Kind::Null => {}
            Kind::String => match decoder.text().parse() {
                Ok(number) => *self = number,
                Err(_) => return decoder.mismatch("a number"),
            },
            _ => return decoder.mismatch("a number"),
        }
        Ok(())
    }

    fn decode_quoted(&mut self, decoder: &mut Decoder<'_>) -> Result<(), Stop> {
        decode_text(decoder, "a string with a number in it", |text| {
            *self = text.parse().ok()?;
            Some(())
        })
    }
}

impl ToJson for Number {
    fn encode(&self, encoder: &mut Encoder<'_>) -> Result<(), Stop> {
        encoder.out.extend_from_slice(self.as_str().as_bytes());
        Ok(())
    }

    fn encode_quoted(&self, encoder: &mut Encoder<'_>) -> Result<(), Stop> {
        encode_text(self, encoder)
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// An integer type, taken apart.
pub(super) trait Integer: Sized {
    /// Whether it has numbers below zero.
    const IS_SIGNED: bool;

    /// The integer with that sign and absolute value, if it fits. Zero has no sign.
    fn from_parts(is_negative: bool, magnitude: u64) -> Option<Self>;

    /// The sign and the absolute value.
    fn into_parts(self) -> (bool, u64);
}

macro_rules! integers {
    ($($int:ident $is_signed:literal)*) => { $(
        impl Integer for $int {
            const IS_SIGNED: bool = $is_signed;

            #[inline]
            fn from_parts(is_negative: bool, magnitude: u64) -> Option<Self> {
                if !$is_signed {
                    return $int::try_from(magnitude).ok();
                }
                let value = magnitude as i64;
                let value = if is_negative { value.wrapping_neg() } else { value };
                if magnitude > i64::MAX as u64 + u64::from(is_negative) {
                    return None;
                }
                $int::try_from(value).ok()
            }

            #[inline]
            #[allow(unused_comparisons)]
            fn into_parts(self) -> (bool, u64) {
                if $is_signed { (self < 0, (self as i64).unsigned_abs()) } else { (false, self as u64) }
            }
        }

        impl From<$int> for Number {
            fn from(value: $int) -> Self {
                Number(value.to_string())
            }
        }
    )* };
}

integers! {
    i8 true i16 true i32 true i64 true isize true u8 false u16 false u32 false u64 false usize false
}

/// `-?[0-9]+` as an integer, leading zeros and all, if it fits. `-0` fits signed types only.
pub(super) fn integer<T: Integer>(text: &[u8]) -> Option<T> {
    last_integer(text, text.len())
}

/// The same from the last `length` bytes of a text: what stands before them makes it faster.
#[inline]
pub(super) fn last_integer<T: Integer>(text: &[u8], length: usize) -> Option<T> {
    let first = *text.get(text.len().checked_sub(length)?)?;
    let is_negative = T::IS_SIGNED && first == b'-';
    T::from_parts(is_negative, last_digits(text, length - usize::from(is_negative))?)
}

/// Appends an integer.
#[inline]
pub(super) fn write_integer<T: Integer>(value: T, out: &mut Vec<u8>) {
    let (is_negative, magnitude) = value.into_parts();
    if is_negative {
        out.push(b'-');
    }
    write_digits(magnitude, out);
}

/// `[0-9]+`, if it fits.
#[inline]
fn digits(text: &[u8]) -> Option<u64> {
    let mut value = 0u64;
    let mut rest = text;
    while let Some((eight, behind)) = rest.split_first_chunk() {
        value = value.checked_mul(100_000_000)?.checked_add(eight_digits(*eight)?)?;
        rest = behind;
    }
    for byte in rest {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value.checked_mul(10)?.checked_add(digit.into())?;
    }
    if text.is_empty() { None } else { Some(value) }
}

/// The value of the last `count` bytes of `text`, if these are digits and it fits. Whole words are read and
/// cleared of what does not belong, so that no branch has to guess the number of digits.
#[inline]
fn last_digits(text: &[u8], count: usize) -> Option<u64> {
    const TEN_TO_THE_EIGHTH: u64 = 100_000_000;
    if let (1..=16, Some([high, low])) = (count, text.last_chunk().map(halves)) {
        if count <= 8 {
            return eight_digits(keep_last(low, count));
        }
        return Some(
            eight_digits(keep_last(high, count - 8))? * TEN_TO_THE_EIGHTH + eight_digits(low)?,
        );
    }
    digits(text.get(text.len().checked_sub(count)?..)?)
}

fn halves(word: &[u8; 16]) -> [[u8; 8]; 2] {
    let word = u128::from_ne_bytes(*word).to_le();
    [word as u64, (word >> 64) as u64].map(u64::to_le_bytes)
}

/// The last `count` bytes, behind zeros.
#[inline(always)]
fn keep_last(text: [u8; 8], count: usize) -> [u8; 8] {
    let surplus = 8 * (8 - count as u32);
    let zeros = u64::from_le_bytes(*b"00000000");
    let values = u64::from_le_bytes(text) ^ zeros;
    let kept = values & u64::MAX.checked_shl(surplus).unwrap_or(0);
    (kept ^ zeros).to_le_bytes()
}

/// Eight digits at once: neighbours are joined to pairs, pairs to fours, fours to the whole.
#[inline(always)]
fn eight_digits(text: [u8; 8]) -> Option<u64> {
    let word = u64::from_le_bytes(text);
    if NoDigit::many(word.into()) as u64 != 0 {
        return None;
    }
    let pairs = (word & 0x0f0f_0f0f_0f0f_0f0f).wrapping_mul(10 << 8 | 1) >> 8;
    let fours = (pairs & 0x00ff_00ff_00ff_00ff).wrapping_mul(100 << 16 | 1) >> 16;
    Some((fours & 0x0000_ffff_0000_ffff).wrapping_mul(10_000 << 32 | 1) >> 32)
}

const PAIRS: &[u8; 200] = b"00010203040506070809101112131415161718192021222324\
25262728293031323334353637383940414243444546474849\
50515253545556575859606162636465666768697071727374\
75767778798081828384858687888990919293949596979899";

/// Appends an integer's digits, two at a time.
#[inline]
fn write_digits(mut value: u64, out: &mut Vec<u8>) {
    let mut buffer = [0; 20];
    let mut at = buffer.len();
    while value >= 10 {
        let pair = (value % 100) as usize * 2;
        value /= 100;
        at -= 2;
        buffer[at..at + 2].copy_from_slice(&PAIRS[pair..pair + 2]);
    }
    if value > 0 || at == buffer.len() {
        at -= 1;
        buffer[at] = b'0' + value as u8;
    }
    out.extend_from_slice(&buffer[at..]);
}

/// Appends a finite float in Go's notation, from std's shortest digits in the form `-d.ddde-x`.
pub(super) fn write_float<T>(value: T, is_scientific: bool, out: &mut Vec<u8>)
where
    T: fmt::LowerExp + FromStr + PartialEq,
{
    let mut text = Stack::default();
    // It cannot fail: the longest is `-2.2250738585072014e-308`.
    let _ = write!(text, "{value:e}");
    if let Some(places) = places_of_a_tie(text.bytes()) {
        let mut even = Stack::default();
        let _ = write!(even, "{value:.places$e}");
        // Below a power of two the next value is nearer, so fewer texts read back as it.
        let read = std::str::from_utf8(even.bytes()).ok().and_then(|text| text.parse().ok());
        if read == Some(value) {
            text = even;
        }
    }
    let text = text.bytes();
    let (mantissa, exponent) = split_exponent(text);
    let (sign, mantissa) =
        if mantissa.first() == Some(&b'-') { mantissa.split_at(1) } else { mantissa.split_at(0) };
    out.extend_from_slice(sign);
    if is_scientific {
        out.extend_from_slice(mantissa);
        out.extend_from_slice(if exponent < 0 { b"e-" } else { b"e+" });
        write_digits(exponent.unsigned_abs().into(), out);
    } else {
        write_plain(mantissa, exponent, out);
    }
}

/// How many digits stand behind the point, if the value may lie right between two shortest texts: of
/// these std takes the upper, and Go the even one, as rounding to that many digits does. Shorter texts
/// are too far apart for that.
fn places_of_a_tie(text: &[u8]) -> Option<usize> {
    const FEWEST: usize = 5;
    let (mantissa, _) = split_exponent(text);
    let places = mantissa.iter().rev().position(|&byte| byte == b'.')?;
    (places >= FEWEST && mantissa.last()? % 2 == 1).then_some(places)
}

/// `d.ddd` times ten to the exponent, without an exponent.
fn write_plain(mantissa: &[u8], exponent: i32, out: &mut Vec<u8>) {
    let digits = mantissa.iter().copied().filter(|&byte| byte != b'.');
    let count = digits.clone().count() as i32;
    if exponent < 0 {
        out.extend_from_slice(b"0.");
        out.extend((exponent..-1).map(|_| b'0'));
        out.extend(digits);
        return;
    }
    for (index, digit) in (0..).zip(digits) {
        if index == exponent + 1 {
            out.push(b'.');
        }
        out.push(digit);
    }
    out.extend((count..=exponent).map(|_| b'0'));
}

fn split_exponent(text: &[u8]) -> (&[u8], i32) {
    let at = text.iter().position(|&byte| byte == b'e').unwrap_or(text.len());
    let exponent =
        text.get(at + 1..).and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
    (&text[..at], exponent.unwrap_or(0))
}

/// Where std's digits go: a buffer for `fmt` without an allocation.
#[derive(Default)]
struct Stack {
    bytes: [u8; 32],
    len: usize,
}

impl Stack {
    fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl Write for Stack {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = self.bytes.get_mut(self.len..self.len + text.len()).ok_or(fmt::Error)?;
        room.copy_from_slice(text.as_bytes());
        self.len += text.len();
        Ok(())
    }
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
