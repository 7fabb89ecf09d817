//! The text of numbers, read and written, compared with std.
//!
//! Properties:
//! - A float is read as std reads its text if the text is a JSON number and the value is finite.
//!   All else is refused. The same holds for integers, which have digits only.
//! - The text of a float is a JSON number. It reads back as the same bits, has an exponent where Go
//!   writes one, and has no more digits than std's shortest text.
//! - A `Number` keeps its text, and is made of an integer or a finite float.
//! - A time is written if its year has four digits, a duration if Go's has room for it. Both are
//!   read as the same again.
//! - A float in quotes is read as std reads it, or by its hexadecimal digits. Underscores make no
//!   difference.

use std::time::{Duration, SystemTime};

use urpc::json::{self, Number, Time};

urpc::record! {
    /// Floats in quotes.
    #[derive(Debug, Default)]
    struct Quoted {
        wide: f64 => quoted,
        narrow: f32 => quoted,
    }
}

pub fn run(data: &[u8]) {
    if let Some(bits) = data.first_chunk() {
        write_f64(f64::from_bits(u64::from_le_bytes(*bits)));
        write_times(i64::from_le_bytes(*bits), data.len() as u32);
        make_number(i64::from_le_bytes(*bits));
    }
    if let Some(bits) = data.first_chunk() {
        write_f32(f32::from_bits(u32::from_le_bytes(*bits)));
    }
    if let Ok(text) = std::str::from_utf8(data) {
        read(text);
        read_quoted(text);
    }
}

/// A time and a duration of so many seconds, positive or negative, and nanoseconds.
fn write_times(seconds: i64, nanoseconds: u32) {
    const YEARS: std::ops::Range<i64> = -62_167_219_200..253_402_300_800;
    // Most numbers are far from the present.
    for seconds in [seconds, seconds >> 28] {
        let length = Duration::new(seconds.unsigned_abs(), nanoseconds);
        let since = |seconds: u64| SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds));
        let before =
            |seconds: u64| SystemTime::UNIX_EPOCH.checked_sub(Duration::from_secs(seconds));
        let whole = if seconds < 0 { before(length.as_secs()) } else { since(length.as_secs()) };
        let time = whole.and_then(|whole| whole.checked_add(Duration::new(0, nanoseconds)));
        if let Some(time) = time.map(Time::from) {
            let text = json::to_string(&time);
            assert_eq!(text.is_ok(), YEARS.contains(&seconds), "{text:?}");
            assert!(text.is_err() || json::from_str(&text.unwrap_or_default()) == Ok(time));
        }
        let text = json::to_string(&length);
        assert_eq!(text.is_ok(), length.as_nanos() <= i64::MAX as u128, "{length:?}");
        assert!(text.is_err() || json::from_str(&text.unwrap_or_default()) == Ok(length));
    }
}

fn make_number(value: i64) {
    assert_eq!(Number::from(value).as_str(), value.to_string());
    assert_eq!(Number::from(value as u8).parse(), Ok(value as u8));
    let float = f64::from_bits(value as u64);
    match Number::try_from(float) {
        Ok(number) => assert_eq!(number.parse(), Ok(float)),
        Err(error) => assert!(!float.is_finite() && error.to_string() == "not a JSON number"),
    }
}

macro_rules! write_float {
    ($name:ident $float:ident) => {
        fn $name(value: $float) {
            let Ok(text) = json::to_string(&value) else {
                return assert!(!value.is_finite());
            };
            let read: $float = json::from_str(&text).expect("what was written is read");
            assert_eq!(read.to_bits(), value.to_bits(), "{text}");
            assert!(is_number(text.as_bytes()), "{text}");
            let is_plain = value == 0.0 || (1e-6..1e21).contains(&value.abs());
            assert_eq!(text.contains('e'), !is_plain, "{text}");
            let has_idle_digits =
                text.ends_with(".0") || text.contains("e0") || text.contains("e+0");
            assert!(!has_idle_digits && !text.contains("e-0"), "{text}");
            let digits = |text: &str| {
                let mantissa = text.split('e').next().unwrap_or_default();
                let digits = mantissa.trim_start_matches(['-', '0', '.']).replace('.', "");
                digits.trim_end_matches('0').len()
            };
            assert!(digits(&text) <= digits(&format!("{value:e}")), "{text} for {value:e}");
        }
    };
}

write_float!(write_f64 f64);
write_float!(write_f32 f32);

fn read(text: &str) {
    // JSON allows white space around a number, std does not.
    let text = text.trim_matches([' ', '\t', '\r', '\n']);
    let is_number = is_number(text.as_bytes());
    let is_integer = is_number && !text.contains(['.', 'e', 'E']);
    if text == "null" {
        return; // null leaves the value unchanged
    }
    let kept: Result<Number, _> = text.parse();
    assert_eq!(kept.is_ok(), is_number, "{text:?}");
    if let Ok(number) = kept {
        assert_eq!(number.as_str(), text);
        assert_eq!(format!("{number:?}"), text);
    }
    let f64s = text.parse().ok().filter(|value: &f64| is_number && value.is_finite());
    assert_eq!(json::from_str(text).ok().map(f64::to_bits), f64s.map(f64::to_bits), "{text}");
    let f32s = text.parse().ok().filter(|value: &f32| is_number && value.is_finite());
    assert_eq!(json::from_str(text).ok().map(f32::to_bits), f32s.map(f32::to_bits), "{text}");
    macro_rules! integers {
        ($($int:ident)*) => { $(
            let is_unsigned_zero = $int::MIN == 0 && text.starts_with('-');
            let int = text.parse::<$int>().ok().filter(|_| is_integer && !is_unsigned_zero);
            if is_number {
                assert_eq!(json::from_str(text).ok(), int, "{text}");
            }
            if let Some(int) = int {
                assert_eq!(json::to_string(&int), Ok(int.to_string()));
            }
        )* };
    }
    integers! { i8 i16 i32 i64 isize u8 u16 u32 u64 usize }
}

/// Floats in quotes, compared with std or with an exact calculation.
fn read_quoted(text: &str) {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"+-._".contains(&byte);
    if !text.bytes().all(is_plain) || text == "null" {
        return;
    }
    let is_infinite = text.to_ascii_lowercase().contains("inf");
    let starts = text.starts_with(|first: char| first == '-' || first.is_ascii_digit());
    macro_rules! floats {
        ($($name:ident $float:ident)*) => { $(
            let read = |text: &str| {
                let object = format!("{{\"{}\":\"{text}\"}}", stringify!($name));
                json::from_str::<Quoted>(&object).ok().map(|quoted| quoted.$name.to_bits())
            };
            let plain = text.parse().ok().filter(|value: &$float| {
                starts && !value.is_nan() && value.is_finite() != is_infinite
            });
            match hexadecimal(text) {
                _ if text.contains('_') => {
                    let without = read(&text.replace('_', ""));
                    assert!(read(text).is_none_or(|value| Some(value) == without), "{text}");
                }
                Some(exact) => assert_eq!(read(text), Some((exact as $float).to_bits()), "{text}"),
                None if text.contains(['x', 'X']) => _ = read(text),
                None => assert_eq!(read(text), plain.map($float::to_bits), "{text}"),
            }
        )* };
    }
    floats! { wide f64 narrow f32 }
}

/// The value of `-0xh.hp+d`, if it is short enough to be exact.
fn hexadecimal(text: &str) -> Option<f64> {
    let (sign, text) = text.strip_prefix('-').map_or((1.0, text), |text| (-1.0, text));
    let (digits, power) = text.strip_prefix("0x")?.split_once('p')?;
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let power: i32 = power.parse().ok().filter(|power: &i32| power.abs() < 60)?;
    let digits = format!("{whole}{fraction}");
    let are_digits = digits.len() <= 6 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    let digits = u32::from_str_radix(&digits, 16).ok().filter(|_| are_digits)?;
    let shift = power - 4 * i32::try_from(fraction.len()).ok()?;
    Some(sign * f64::from(digits) * 2f64.powi(shift))
}

/// `-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?`
fn is_number(text: &[u8]) -> bool {
    let text = text.strip_prefix(b"-").unwrap_or(text);
    let (whole, mut rest) = digits(text);
    if whole.is_empty() || (whole.len() > 1 && whole[0] == b'0') {
        return false;
    }
    if let Some(text) = rest.strip_prefix(b".") {
        let (fraction, after) = digits(text);
        if fraction.is_empty() {
            return false;
        }
        rest = after;
    }
    let Some(text) = rest.strip_prefix(b"e").or_else(|| rest.strip_prefix(b"E")) else {
        return rest.is_empty();
    };
    let text = text.strip_prefix(b"+").or_else(|| text.strip_prefix(b"-")).unwrap_or(text);
    let (exponent, after) = digits(text);
    !exponent.is_empty() && after.is_empty()
}

/// Splits the text after the digits at its front.
fn digits(text: &[u8]) -> (&[u8], &[u8]) {
    text.split_at(text.iter().take_while(|byte| byte.is_ascii_digit()).count())
}
