//! Digits: where a number ends, and integers read from digits and written as digits.

use super::text::{ByteClass, WIDE, find, find_in, splat};
use crate::memory::Buffer;

/// All bytes but the digits.
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

/// Where the parts of a number end: its integer part, its fraction, its exponent. A part that it has
/// not ends where the one before does.
#[derive(Clone, Copy, Default)]
pub(super) struct Parts {
    pub(super) whole: usize,
    pub(super) fraction: usize,
    pub(super) end: usize,
}

/// The parts of the JSON number at the front of `text`. `None` if there is no number.
#[inline(always)]
pub(super) fn scan(text: &[u8]) -> Option<Parts> {
    let sign = usize::from(text.first() == Some(&b'-'));
    let digits = text.get(sign..)?;
    let whole = sign + if digits.first() == Some(&b'0') { 1 } else { digits_at(text, sign)? };
    match text.get(whole) {
        Some(b'.' | b'e' | b'E') => scan_fraction(text, whole),
        _ => Some(Parts { whole, fraction: whole, end: whole }),
    }
}

/// Scans the fraction and the exponent of a number whose integer part ends at `whole`.
#[inline(never)]
fn scan_fraction(text: &[u8], whole: usize) -> Option<Parts> {
    let mut at = whole;
    if text[at] == b'.' {
        at += 1 + digits_at(text, at + 1)?;
    }
    let fraction = at;
    if let Some(b'e' | b'E') = text.get(at) {
        at += 1 + usize::from(matches!(text.get(at + 1), Some(b'+' | b'-')));
        at += digits_at(text, at)?;
    }
    Some(Parts { whole, fraction, end: at })
}

/// The number of digits from `at` on; `None` if there is none.
#[inline(always)]
fn digits_at(text: &[u8], at: usize) -> Option<usize> {
    let count = count_digits(text.get(at..)?);
    (count > 0).then_some(count)
}

/// The number of digits at the front. Most numbers are shorter than sixteen bytes, of a length that
/// the processor cannot predict.
#[inline(always)]
fn count_digits(text: &[u8]) -> usize {
    match text.first_chunk().map(find_in::<NonDigit>) {
        Some(count) if count < WIDE => count,
        wide => count_more_digits(text, wide.unwrap_or_default()),
    }
}

/// The same where the first `from` bytes are digits.
#[inline(never)]
fn count_more_digits(text: &[u8], from: usize) -> usize {
    from + find::<NonDigit>(&text[from..])
}

/// Reads `-?[0-9]+`, leading zeros included. `None` if `text` has another form or the value does
/// not fit. `-0` fits signed types only.
pub(super) fn parse_integer<T: TryFrom<i64> + TryFrom<u64>>(text: &[u8]) -> Option<T> {
    if is_integer(text) { parse_last_integer(text, text.len()) } else { None }
}

/// Whether `text` is `-?[0-9]+`.
pub(super) fn is_integer(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
}

/// Reads the last `length` bytes of `text`, which are `-?[0-9]+`. With at least sixteen bytes in
/// `text` this is faster.
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
    // No branch on the sign: the processor could not predict it.
    let value = magnitude as i64;
    let value = if is_negative { value.wrapping_neg() } else { value };
    let fits = magnitude <= i64::MAX as u64 + u64::from(is_negative);
    if fits { T::try_from(value).ok() } else { None }
}

/// The value of the last `count` bytes of `text`, which are digits; `None` if it does not fit.
///
/// It reads sixteen bytes at once and clears those before the digits. So no branch depends on the
/// number of digits, which the processor could not predict.
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
    parse_last_digits_slowly(text, count)
}

/// The same for digits with too few bytes before them, or too many digits, to read all at once.
#[inline(never)]
fn parse_last_digits_slowly(text: &[u8], count: usize) -> Option<u64> {
    let add = |value: u64, digit: &u8| value.checked_mul(10)?.checked_add((digit & 15).into());
    let digits = text.get(text.len().checked_sub(count)?..)?;
    let (high, low) = digits.split_at_checked(count.saturating_sub(16))?;
    if high.is_empty() {
        return low.iter().try_fold(0, add);
    }
    let high = high.iter().try_fold(0, add)?.checked_mul(10_000_000_000_000_000)?;
    high.checked_add(parse_last_digits(low, 16)?)
}

/// A number with these parts, which begins at `start`, without its sign: digits and a power of ten.
/// `None` if it has too many digits.
#[inline(always)]
pub(super) fn parse_decimal(text: &[u8], start: usize, parts: Parts) -> Option<(u64, i32)> {
    let Parts { whole, fraction, end } = parts;
    let start = start + usize::from(text.get(start) == Some(&b'-'));
    let mut digits = parse_few_digits(text.get(..whole)?, whole.checked_sub(start)?)?;
    let places = fraction.saturating_sub(whole + 1);
    if places > 0 {
        let below_one = parse_few_digits(text.get(..fraction)?, places)?;
        digits = POWERS.get(places)?.checked_mul(digits)?.checked_add(below_one)?;
    }
    let exponent = if fraction < end { parse_exponent(text.get(fraction + 1..end)?)? } else { 0 };
    Some((digits, i32::from(exponent) - places as i32))
}

#[inline(never)]
fn parse_exponent(text: &[u8]) -> Option<i16> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// The same as [`parse_last_digits`], faster for up to eight digits.
#[inline(always)]
fn parse_few_digits(text: &[u8], count: usize) -> Option<u64> {
    match (count, text.last_chunk()) {
        (1..=8, Some(word)) => {
            let digits = (u64::from_le_bytes(*word) ^ splat(b'0')) >> (64 - 8 * count);
            Some(parse_eight_digits(digits << (64 - 8 * count)))
        }
        _ => parse_last_digits(text, count),
    }
}

/// The powers of ten that fit.
pub(super) const POWERS: [u64; 20] = {
    let mut powers = [1; 20];
    let mut power = 1;
    while power < powers.len() {
        powers[power] = 10 * powers[power - 1];
        power += 1;
    }
    powers
};

/// The value of eight digits. Each byte holds one, the lowest byte the first. One multiplication
/// joins digits to pairs, one pairs to fours, one fours to the value.
#[inline(always)]
fn parse_eight_digits(digits: u64) -> u64 {
    let pairs = digits.wrapping_mul(10 << 8 | 1) >> 8;
    let fours = (pairs & 0x00ff_00ff_00ff_00ff).wrapping_mul(100 << 16 | 1) >> 16;
    (fours & 0x0000_ffff_0000_ffff).wrapping_mul(10_000 << 32 | 1) >> 32
}

pub(super) const EIGHT_DIGITS: u64 = 100_000_000;
const ZEROS: u64 = splat(b'0');

/// Appends `value` in decimal, eight digits at a time.
pub(super) fn write_digits(value: u64, out: &mut Buffer) {
    let digits = split_eight_digits(value % EIGHT_DIGITS);
    if value >= EIGHT_DIGITS {
        write_digits(value / EIGHT_DIGITS, out);
        return out.extend_from_slice(&(digits | ZEROS).to_le_bytes());
    }
    let leading = (digits.trailing_zeros() as usize / 8).min(7);
    out.extend_from_wide(&(digits >> (8 * leading) | ZEROS).to_le_bytes(), 8 - leading);
}

/// The eight digits of a value below 10^8. Each byte holds one, the lowest byte the first. The
/// value is split into fours, then pairs, then digits. Each division multiplies by a rounded
/// reciprocal, which is exact for values of this size.
#[inline(always)]
fn split_eight_digits(value: u64) -> u64 {
    let high = value / 10_000;
    let fours = high | (value - high * 10_000) << 32;
    let high = ((fours * 5243) >> 19) & 0x0000_007f_0000_007f;
    let pairs = high | (fours - high * 100) << 16;
    let high = ((pairs * 103) >> 10) & 0x000f_000f_000f_000f;
    high | (pairs - high * 10) << 8
}

/// Appends a number of these eight decimal places, without the zeros at its end.
pub(super) fn write_places(whole: u64, places: u64, out: &mut Buffer) {
    write_digits(whole, out);
    let digits = split_eight_digits(places);
    let count = 8 - digits.leading_zeros() as usize / 8;
    let mut text = [b'.'; 9];
    text[1..].copy_from_slice(&(digits | ZEROS).to_le_bytes());
    out.extend_from_wide(&text, count + usize::from(count > 0));
}

/// Appends `value / 10^places` with `places` digits after the point.
pub(super) fn write_decimal(value: u64, places: u32, out: &mut Buffer) {
    /// As many digits as are written at once, of which only some count.
    const WIDE: usize = 24;
    let mut digits = [0; 2 * WIDE];
    let parts = [value / EIGHT_DIGITS / EIGHT_DIGITS, value / EIGHT_DIGITS, value];
    for (to, part) in digits.chunks_exact_mut(8).zip(parts) {
        let eight = split_eight_digits(part % EIGHT_DIGITS) | ZEROS;
        to.copy_from_slice(&eight.to_le_bytes());
    }
    let places = places as usize;
    let whole = (value.max(1).ilog10() as usize + 1).saturating_sub(places).max(1);
    let mut write = |from: usize, length: usize| {
        if let Some(digits) = digits.get(from..).and_then(<[u8]>::first_chunk::<WIDE>) {
            out.extend_from_wide(digits, length);
        }
    };
    write(WIDE - places - whole, whole);
    if places > 0 {
        write(WIDE - places - 1, places + 1);
        // Without memory there may be fewer bytes.
        let point = out.len().checked_sub(places + 1);
        if let Some(point) = point.and_then(|point| out.get_mut(point)) {
            *point = b'.';
        }
    }
}
