//! Booleans, integers, floats, strings, durations and the unit.

use std::borrow::Cow;
use std::time::Duration;

use super::encode::Lendable;
use super::field::Quotable;
use super::from_json::Shape;
use super::{Aborted, Decoder, Encoder, FromJson, Kind, ToJson};
use super::{decimal, digits, float};
use crate::Files;

/// Decodes a token of that kind: `read` makes the value of its text. `null` leaves the value.
pub(super) fn decode_token<T>(
    value: &mut T,
    kind: Kind,
    decoder: &mut Decoder<'_>,
    read: impl FnOnce(&str) -> Option<T>,
    expected: impl FnOnce() -> Cow<'static, str>,
) -> Result<(), Aborted> {
    if decoder.kind() == Kind::Null {
        return Ok(());
    }
    if decoder.kind() == kind {
        let (text, memory) = decoder.text_and_memory();
        // The value may keep a copy of a string.
        if kind == Kind::String && !memory.expect(text.len()) {
            return decoder.out_of_memory();
        }
        if let Some(read) = read(text) {
            *value = read;
            return Ok(());
        }
    }
    // Only the first value that does not fit is told.
    let expected = if decoder.all_fits() { expected() } else { "".into() };
    decoder.mismatch(expected)
}

impl FromJson for bool {
    #[inline]
    fn decode(&mut self, decoder: &mut Decoder<'_>) -> Result<(), Aborted> {
        match decoder.kind() {
            Kind::True => *self = true,
            Kind::False => *self = false,
            Kind::Null => {}
            _ => return decoder.mismatch("a boolean"),
        }
        Ok(())
    }
}

impl Quotable for bool {
    const EXPECTED: &'static str = "a boolean in a string";
}

impl ToJson for bool {
    #[inline]
    fn encode(&self, encoder: &mut Encoder<'_>) -> Result<(), Aborted> {
        encoder.begin_value();
        // A constant number of bytes, and no branch on the value, which the processor could not
        // predict.
        let text = if *self { b"true " } else { b"false" };
        encoder.out.extend_from_wide(text, text.len() - usize::from(*self));
        Ok(())
    }

    fn is_empty(&self) -> bool {
        !*self
    }
}

macro_rules! integers {
    ($($int:ident)*) => { $(
        impl FromJson for $int {
            #[inline]
            fn decode(&mut self, decoder: &mut Decoder<'_>) -> Result<(), Aborted> {
                if decoder.kind() == Kind::Number {
                    if let Some(value) = decoder.integer() {
                        *self = value;
                        return Ok(());
                    }
                }
                if decoder.kind() == Kind::Null {
                    return Ok(());
                }
                decoder.mismatch(concat!("an integer that fits ", stringify!($int)))
            }
        }

        impl Quotable for $int {
            const EXPECTED: &'static str = concat!("a string with an integer that fits ", stringify!($int));
        }

        impl ToJson for $int {
            #[inline]
            #[allow(unused_comparisons)]
            fn encode(&self, encoder: &mut Encoder<'_>) -> Result<(), Aborted> {
                encoder.begin_value();
                if *self < 0 {
                    encoder.out.push(b'-');
                }
                let magnitude = if *self < 0 { (*self as i64).unsigned_abs() } else { *self as u64 };
                digits::write_digits(magnitude, encoder.out);
                Ok(())
            }

            fn is_empty(&self) -> bool {
                *self == 0
            }
        }
    )* };
}

integers! { i8 i16 i32 i64 isize u8 u16 u32 u64 usize }

macro_rules! wide_integers {
    ($($int:ident)*) => { $(
        impl FromJson for $int {
            fn decode(&mut self, decoder: &mut Decoder<'_>) -> Result<(), Aborted> {
                let expected = || concat!("an integer that fits ", stringify!($int)).into();
                decode_token(self, Kind::Number, decoder, |text| text.parse().ok(), expected)
            }
        }

        impl ToJson for $int {
            fn encode(&self, encoder: &mut Encoder<'_>) -> Result<(), Aborted> {
                encoder.begin_value();
                encoder.out.extend_from_slice(self.to_string().as_bytes());
                Ok(())
            }

            fn is_empty(&self) -> bool {
                *self == 0
            }
        }
    )* };
}

wide_integers! { i128 u128 }

macro_rules! floats {
    ($($float:ident)*) => { $(
        impl FromJson for $float {
            fn decode(&mut self, decoder: &mut Decoder<'_>) -> Result<(), Aborted> {
                const FORMAT: float::Format<$float> = float::Format {
                    precision: $float::MANTISSA_DIGITS,
                    least: $float::MIN_EXP as i64 - $float::MANTISSA_DIGITS as i64,
                    narrow: |value| value as $float,
                };
                let nearest = |(digits, power)| {
                    decimal::nearest(digits, power, FORMAT.precision, FORMAT.least as i32)
                };
                let text = match decoder.kind() {
                    Kind::Null => return Ok(()),
                    Kind::Number => match decoder.decimal().and_then(nearest) {
                        Some(value) if value < $float::MAX.into() => {
                            let is_negative = decoder.raw().first() == Some(&b'-');
                            *self = if is_negative { -value } else { value } as $float;
                            return Ok(());
                        }
                        _ => decoder.text_and_memory().0,
                    },
                    _ => "",
                };
                match text.parse().ok().or_else(|| float::parse(text, &FORMAT)) {
                    Some(value) if value.is_finite() || text.contains(['i', 'I']) => *self = value,
                    _ => return decoder.mismatch(concat!("a number that fits ", stringify!($float))),
                }
                Ok(())
            }
        }

        impl Quotable for $float {
            const EXPECTED: &'static str = concat!("a string with a number that fits ", stringify!($float));
        }

        impl ToJson for $float {
            fn encode(&self, encoder: &mut Encoder<'_>) -> Result<(), Aborted> {
                /// The integer part and the eight decimal places, if so few digits are exact. Then
                /// this is the only text of this length for the float, and there is no shorter one.
                fn decimal(magnitude: $float) -> Option<(u64, u64)> {
                    const MOST: $float = 10u64.pow($float::DIGITS) as $float;
                    const EIGHT_DIGITS: u64 = digits::EIGHT_DIGITS;
                    let exact = |scale: u64| {
                        let scaled = magnitude * scale as $float;
                        let nearest = (scaled + 0.5) as i64;
                        if scaled >= MOST || nearest as $float / scale as $float != magnitude {
                            return None;
                        }
                        let (whole, rest) = (nearest as u64 / scale, nearest as u64 % scale);
                        Some((whole, rest * (EIGHT_DIGITS / scale)))
                    };
                    // Of constants, so that the processor need not divide integers.
                    match magnitude < MOST / EIGHT_DIGITS as $float {
                        true => exact(EIGHT_DIGITS),
                        false => exact(100),
                    }
                }

                if !self.is_finite() {
                    return Err(encoder.fail("a number that is not finite"));
                }
                encoder.begin_value();
                let magnitude = self.abs();
                if self.is_sign_negative() {
                    encoder.out.push(b'-');
                }
                let is_scientific = magnitude != 0.0 && !(1e-6..1e21).contains(&magnitude);
                if let Some((whole, places)) = decimal(magnitude).filter(|_| !is_scientific) {
                    digits::write_places(whole, places, encoder.out);
                    return Ok(());
                }
                const PLACES: u32 = $float::MANTISSA_DIGITS - 1;
                let bits = u64::from(magnitude.to_bits());
                let (exponent, fraction) = (bits >> PLACES, bits & ((1 << PLACES) - 1));
                let mantissa = fraction | u64::from(exponent > 0) << PLACES;
                let least = $float::MIN_EXP - $float::MANTISSA_DIGITS as i32 - 1;
                let is_lowest = fraction == 0 && exponent > 1;
                let decimal =
                    decimal::shortest(mantissa, least + exponent.max(1) as i32, is_lowest);
                float::write(decimal, is_scientific, encoder.out);
                Ok(())
            }

            fn is_empty(&self) -> bool {
                *self == 0.0
            }
        }
    )* };
}

floats! { f32 f64 }

impl FromJson for String {
    #[inline]
    fn decode(&mut self, decoder: &mut Decoder<'_>) -> Result<(), Aborted> {
        match decoder.kind() {
            Kind::String if !decoder.string_into(self) => return decoder.out_of_memory(),
            Kind::String | Kind::Null => {}
            _ => return decoder.mismatch("a string"),
        }
        Ok(())
    }
}

impl Quotable for String {
    const EXPECTED: &'static str = "a string with a JSON string in it";
}

impl ToJson for str {
    #[inline]
    fn encode(&self, encoder: &mut Encoder<'_>) -> Result<(), Aborted> {
        encoder.string(self);
        Ok(())
    }

    fn is_empty(&self) -> bool {
        self.is_empty()
    }

    fn lendable(&self) -> Option<Lendable<'_>> {
        Some(Lendable::Text(self))
    }
}

/// A count of nanoseconds, like Go's `time.Duration`. std's `Duration` cannot be negative, so
/// negative counts become zero. Use an `i64` to keep them.
impl FromJson for Duration {
    fn decode(&mut self, decoder: &mut Decoder<'_>) -> Result<(), Aborted> {
        let read = |text: &str| {
            let nanoseconds: i64 = digits::parse_integer(text.as_bytes())?;
            Some(Duration::from_nanos(nanoseconds.max(0).unsigned_abs()))
        };
        decode_token(self, Kind::Number, decoder, read, || "a duration in nanoseconds".into())
    }
}

impl Quotable for Duration {
    const EXPECTED: &'static str = "a string with a duration in nanoseconds";
}

impl ToJson for Duration {
    fn encode(&self, encoder: &mut Encoder<'_>) -> Result<(), Aborted> {
        match i64::try_from(self.as_nanos()) {
            Ok(nanoseconds) => nanoseconds.encode(encoder),
            Err(_) => Err(encoder.fail("a duration of more than 292 years")),
        }
    }

    fn is_empty(&self) -> bool {
        self.is_zero()
    }
}

/// Accepts any value.
impl FromJson for () {
    fn decode(&mut self, decoder: &mut Decoder<'_>) -> Result<(), Aborted> {
        decoder.skip()
    }
}

impl ToJson for () {
    #[inline]
    fn encode(&self, encoder: &mut Encoder<'_>) -> Result<(), Aborted> {
        encoder.begin_value();
        encoder.out.extend_from_slice(b"null");
        Ok(())
    }
}

/// Files are sent with the JSON and are not in it. As a member of a record they are not written. As
/// the only value they are written as an empty object.
impl FromJson for Files {
    fn decode(&mut self, decoder: &mut Decoder<'_>) -> Result<(), Aborted> {
        match decoder.kind() {
            Kind::Null | Kind::ObjectStart => decoder.skip(),
            _ => decoder.mismatch("an object"),
        }
    }

    fn files_mut(&mut self) -> Option<&mut Files> {
        Some(self)
    }

    fn shape() -> Shape {
        Shape { is_files: true, ..Shape::default() }
    }
}

impl ToJson for Files {
    fn encode(&self, encoder: &mut Encoder<'_>) -> Result<(), Aborted> {
        encoder.check_files(self, String::new)?;
        encoder.begin_value();
        encoder.out.extend_from_slice(b"{}");
        Ok(())
    }

    fn files(&self) -> Option<&Files> {
        Some(self)
    }
}
