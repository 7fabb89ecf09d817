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

/// `-?[0-9]+` as the integer type, leading zeros and all; `None` if it does not fit. `-0` fits signed types only.
macro_rules! integer {
    ($int:ident, $text:expr) => {{
        let text: &[u8] = $text;
        match text.split_first() {
            Some((b'-', digits)) if <$int>::MIN != 0 => $crate::json::number::digits(digits)
                .and_then($crate::json::number::negative)
                .and_then(|value| <$int>::try_from(value).ok()),
            _ => $crate::json::number::digits(text).and_then(|value| <$int>::try_from(value).ok()),
        }
    }};
}

/// The absolute value, as u64.
macro_rules! magnitude {
    ($int:ident, $value:expr) => {
        if <$int>::MIN == 0 { $value as u64 } else { ($value as i64).unsigned_abs() }
    };
}

pub(super) use {integer, magnitude};

/// `[0-9]+`, if it fits.
#[inline]
pub(super) fn digits(text: &[u8]) -> Option<u64> {
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

/// Eight digits at once: neighbours are joined to pairs, pairs to fours, fours to the whole.
#[inline(always)]
fn eight_digits(text: [u8; 8]) -> Option<u64> {
    let word = u64::from_le_bytes(text);
    if NoDigit::eight(word) != 0 {
        return None;
    }
    let pairs = (word & 0x0f0f_0f0f_0f0f_0f0f).wrapping_mul(10 << 8 | 1) >> 8;
    let fours = (pairs & 0x00ff_00ff_00ff_00ff).wrapping_mul(100 << 16 | 1) >> 16;
    Some((fours & 0x0000_ffff_0000_ffff).wrapping_mul(10_000 << 32 | 1) >> 32)
}

/// The negative of a number, if it fits.
#[inline]
pub(super) fn negative(magnitude: u64) -> Option<i64> {
    0i64.checked_sub_unsigned(magnitude)
}

const PAIRS: &[u8; 200] = b"00010203040506070809101112131415161718192021222324\
25262728293031323334353637383940414243444546474849\
50515253545556575859606162636465666768697071727374\
75767778798081828384858687888990919293949596979899";

/// Appends an integer, two digits at a time.
#[inline]
pub(super) fn write_integer(is_negative: bool, mut value: u64, out: &mut Vec<u8>) {
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
    if is_negative {
        out.push(b'-');
    }
    out.extend_from_slice(&buffer[at..]);
}

/// Appends a finite float in Go's notation, from std's shortest digits in the form `-d.ddde-x`.
pub(super) fn write_float(value: impl fmt::LowerExp, is_scientific: bool, out: &mut Vec<u8>) {
    let mut text = Stack::default();
    // It cannot fail: the longest is `-2.2250738585072014e-308`.
    let _ = write!(text, "{value:e}");
    if let Some(places) = places_of_a_tie(text.bytes()) {
        text = Stack::default();
        let _ = write!(text, "{value:.places$e}");
    }
    let text = text.bytes();
    let (mantissa, exponent) = split_exponent(text);
    let (sign, mantissa) =
        if mantissa.first() == Some(&b'-') { mantissa.split_at(1) } else { mantissa.split_at(0) };
    out.extend_from_slice(sign);
    if is_scientific {
        out.extend_from_slice(mantissa);
        out.extend_from_slice(if exponent < 0 { b"e-" } else { b"e+" });
        write_integer(false, exponent.unsigned_abs().into(), out);
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
