//! Enums of plain variants, as [`record!`](crate::record) declares them.

use super::digits::parse_integer;
use super::scalars::decode_token;
use super::{Aborted, Decoder, Kind};

/// Decodes the variant that `read` knows the text of; one may keep the text.
pub fn decode_text<T>(
    value: &mut T,
    known: &[&str],
    read: fn(&str) -> Option<T>,
    decoder: &mut Decoder<'_>,
) -> Result<(), Aborted> {
    decode_token(value, Kind::String, decoder, read, || format!("one of {known:?}").into())
}

/// Decodes the variant of that number. A number that does not fit is told as any other that is not
/// known.
pub fn decode_number<T>(
    value: &mut T,
    known: &[i64],
    read: fn(i64) -> Option<T>,
    decoder: &mut Decoder<'_>,
) -> Result<(), Aborted> {
    let read = |text: &str| read(parse_integer(text.as_bytes())?);
    decode_token(value, Kind::Number, decoder, read, || format!("one of {known:?}").into())
}
