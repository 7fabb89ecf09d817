//! The text of floats as Go writes and reads it.
//!
//! [`write`] gives Go's notation. [`parse`] reads floats in quoted members. Go reads these with
//! `ParseFloat`, which accepts more than Rust's `parse`: hexadecimal floats (`0x1.8p-2`) and
//! underscores between digits (`1_000`).

use std::str::FromStr;

use super::digits;
use crate::memory::Buffer;

/// Appends `digits * 10^power`, which is not zero, in Go's notation.
pub(super) fn write((mut digits, mut power): (u64, i32), is_scientific: bool, out: &mut Buffer) {
    const ZEROS: &[u8] = b"0.00000000000000000000";
    for (zeros, ten) in [(1, 10), (8, 100_000_000), (4, 10_000), (2, 100), (1, 10)] {
        if digits % ten == 0 {
            (digits, power) = (digits / ten, power + zeros);
        } else if ten == 10 {
            break;
        }
    }
    let behind_first = digits.ilog10();
    let exponent = power + behind_first as i32;
    if is_scientific {
        digits::write_decimal(digits, behind_first, out);
        out.extend_from_slice(if exponent < 0 { b"e-" } else { b"e+" });
        digits::write_digits(exponent.unsigned_abs().into(), out);
    } else if exponent < 0 {
        out.extend_from_slice(&ZEROS[..(1 - exponent) as usize]);
        digits::write_digits(digits, out);
    } else if power < 0 {
        digits::write_decimal(digits, power.unsigned_abs(), out);
    } else {
        digits::write_digits(digits, out);
        out.extend_from_slice(&ZEROS[2..2 + power as usize]);
    }
}

/// What rounding to a float type needs to know.
pub(super) struct Format<F> {
    /// Bits of precision.
    pub precision: u32,
    /// The binary exponent of the smallest number above zero.
    pub least: i64,
    /// Converts an `f64` that already has the type's precision.
    pub narrow: fn(f64) -> F,
}

/// Reads `text` as `ParseFloat` does. Where Go reports a number out of range, the result is
/// infinite.
pub(super) fn parse<F: FromStr>(text: &str, format: &Format<F>) -> Option<F> {
    if !underscores_are_between_digits(text) {
        return None;
    }
    let text = text.replace('_', "");
    let (sign, magnitude) = match text.strip_prefix('-') {
        Some(magnitude) => (-1.0, magnitude),
        None => (1.0, text.as_str()),
    };
    match magnitude.strip_prefix("0x").or_else(|| magnitude.strip_prefix("0X")) {
        Some(digits) => {
            Some((format.narrow)(sign * parse_hexadecimal(digits, format.precision, format.least)?))
        }
        None => text.parse().ok(),
    }
}

/// Whether each underscore is between two digits, or between the prefix `0x` and a digit.
fn underscores_are_between_digits(text: &str) -> bool {
    let text = text.strip_prefix('-').unwrap_or(text);
    let is_hex = text.starts_with("0x") || text.starts_with("0X");
    let digits = if is_hex { &text[1..] } else { text };
    let is_digit = |byte: u8| if is_hex { byte.is_ascii_hexdigit() } else { byte.is_ascii_digit() };
    digits.bytes().enumerate().filter(|&(_, byte)| byte == b'_').all(|(at, _)| {
        let before = at.checked_sub(1).map(|before| digits.as_bytes()[before]);
        let after = digits.as_bytes().get(at + 1);
        before.is_some_and(|byte| is_digit(byte) || is_hex && at == 1)
            && after.is_some_and(|&byte| is_digit(byte))
    })
}

/// Reads `h.hhp±d`, rounded to `precision` bits, half to even.
fn parse_hexadecimal(text: &str, precision: u32, least: i64) -> Option<f64> {
    let (digits, power) = text.split_once(['p', 'P'])?;
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let mut mantissa = 0u64;
    let mut exponent = parse_exponent(power)?;
    for (is_whole, digit) in
        whole.chars().map(|digit| (true, digit)).chain(fraction.chars().map(|digit| (false, digit)))
    {
        let digit = u64::from(digit.to_digit(16)?);
        if mantissa >> 60 == 0 {
            mantissa = mantissa << 4 | digit;
            exponent -= if is_whole { 0 } else { 4 };
        } else {
            // Below the precision, the digit only decides the direction of rounding.
            mantissa |= u64::from(digit != 0);
            exponent += if is_whole { 4 } else { 0 };
        }
    }
    Some(round(mantissa, exponent, precision, least))
}

/// Reads a decimal exponent. A larger one than `ENOUGH` gives infinity or zero anyway.
fn parse_exponent(text: &str) -> Option<i64> {
    const ENOUGH: i64 = 1 << 40;
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let magnitude = digits.parse().unwrap_or(ENOUGH).min(ENOUGH);
    Some(if text.starts_with('-') { -magnitude } else { magnitude })
}

/// `mantissa * 2^exponent`, rounded to `precision` bits, half to even.
fn round(mut mantissa: u64, mut exponent: i64, precision: u32, least: i64) -> f64 {
    let length = i64::from(u64::BITS - mantissa.leading_zeros());
    let shift = (length - i64::from(precision)).max(least - exponent);
    if shift > length + 1 {
        return 0.0;
    }
    if shift > 0 {
        let rest = u128::from(mantissa) & ((1 << shift) - 1);
        let half = 1 << (shift - 1);
        mantissa = (u128::from(mantissa) >> shift) as u64;
        mantissa += u64::from(rest > half || rest == half && mantissa % 2 == 1);
        exponent += shift;
    }
    match exponent {
        _ if mantissa == 0 => 0.0,
        ..-1022 => mantissa as f64 * f64::from_bits(1 << (exponent + 1074)),
        -1022..=1023 => mantissa as f64 * f64::from_bits(((exponent + 1023) as u64) << 52),
        _ => f64::INFINITY,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn f64_of(text: &str) -> Option<f64> {
        parse(text, &Format { precision: 53, least: -1074, narrow: |value| value })
    }

    fn f32_of(text: &str) -> Option<f32> {
        parse(text, &Format { precision: 24, least: -149, narrow: |value| value as f32 })
    }

    #[test]
    fn hexadecimal_floats_are_read() {
        assert_eq!(f64_of("0x1p-2"), Some(0.25));
        assert_eq!(f64_of("-0X.8P1"), Some(-1.0));
        assert_eq!(f64_of("0x_1p1_0"), Some(1024.0));
        assert_eq!(f64_of("0x0p99999999999999999999"), Some(0.0));
        assert_eq!(f64_of("0x123456789abcdef123p0"), Some(3.358127276707303e+20));
    }

    #[test]
    fn hexadecimal_floats_round_half_to_even_at_their_own_width() {
        assert_eq!(f64_of("0x1.fffffffffffff8p0"), Some(2.0));
        assert_eq!(f64_of("0x1.00000000000008p0"), Some(1.0));
        assert_eq!(f64_of("0x1.00000000000008000000000000000000000p0"), Some(1.0));
        assert_eq!(f64_of("0x1.00000000000008000000000000000000001p0"), Some(1.0 + f64::EPSILON));
        assert_eq!(f32_of("0x1.000001p0"), Some(1.0));
        assert_eq!(f32_of("0x123456789abcdef123p0"), Some(3.358_127_4e20));
    }

    #[test]
    fn hexadecimal_floats_reach_both_ends() {
        assert_eq!(f64_of("0x1p-1074"), Some(5e-324));
        assert_eq!(f64_of("0x1p-1060"), Some(f64::from_bits(1 << 14)));
        assert_eq!(f64_of("0x1p-1075"), Some(0.0));
        assert_eq!(f64_of("0x1.8p-1075"), Some(5e-324));
        assert_eq!(f64_of("0x1.fffffffffffffp1023"), Some(f64::MAX));
        assert_eq!(f64_of("0x1p1024"), Some(f64::INFINITY));
        assert_eq!(f64_of("0x1p-99999999999999999999"), Some(0.0));
        assert_eq!(f32_of("0x1p-149"), Some(1e-45));
        assert_eq!(f32_of("0x1p128"), Some(f32::INFINITY));
    }

    #[test]
    fn underscores_stand_only_between_digits() {
        assert_eq!(f64_of("1_0e1_0"), Some(1e11));
        for text in
            ["_1", "1_", "1__0", "1_.5", "1._5", "1e_5", "_0x1p1", "0_x1p1", "0x1_p1", "0x1._8p1"]
        {
            assert_eq!(f64_of(text), None, "{text}");
        }
    }

    #[test]
    fn malformed_hexadecimal_floats_are_refused() {
        for text in
            ["0x1", "0xp1", "0x.p1", "0x1p", "0x1p+", "0x1p1.5", "0xgp1", "0x1.2.3p1", "0x1e5"]
        {
            assert_eq!(f64_of(text), None, "{text}");
        }
    }

    #[test]
    fn between_two_shortest_texts_a_float_takes_the_even_one() {
        assert_eq!(crate::json::to_string(&f32::from_bits(0xca6c6c0d)).unwrap(), "-3873539.2");
    }

    #[test]
    fn a_power_of_two_reads_back_as_itself() {
        let step = if cfg!(miri) { 41 } else { 1 };
        for exponent in (-126..128).step_by(step) {
            let value = 2f32.powi(exponent);
            let text = crate::json::to_string(&value).unwrap();
            assert_eq!(text.parse::<f32>().unwrap(), value, "{text}");
        }
        for exponent in (-1022..1024).step_by(step) {
            let value = 2f64.powi(exponent);
            let text = crate::json::to_string(&value).unwrap();
            assert_eq!(text.parse::<f64>().unwrap(), value, "{text}");
        }
    }
}
