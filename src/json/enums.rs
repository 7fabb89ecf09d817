//! Enums of plain variants, as [`record!`](crate::record) declares them.

use super::{Aborted, Decoder, Kind};

/// Decodes the variant that `read` knows the text of; one may keep the text.
pub fn decode_text<T>(
    value: &mut T,
    known: &[&str],
    read: fn(&str) -> Option<T>,
    decoder: &mut Decoder<'_>,
) -> Result<(), Aborted> {
    if decoder.kind() == Kind::Null {
        return Ok(());
    }
    if decoder.kind() == Kind::String {
        let (text, memory) = decoder.text_and_memory();
        if !memory.expect(text.len()) {
            return decoder.out_of_memory();
        }
        if let Some(variant) = read(text) {
            *value = variant;
            return Ok(());
        }
    }
    decoder.mismatch(format!("one of {known:?}"))
}

/// Decodes the variant of that number.
pub fn decode_number<T>(
    value: &mut T,
    known: &[i64],
    read: fn(i64) -> Option<T>,
    decoder: &mut Decoder<'_>,
) -> Result<(), Aborted> {
    if decoder.kind() == Kind::Null {
        return Ok(());
    }
    // A number that does not fit is told as any other that is not known.
    let number = if decoder.kind() == Kind::Number { decoder.integer() } else { None };
    match number.and_then(read) {
        Some(variant) => *value = variant,
        None => return decoder.mismatch(format!("one of {known:?}")),
    }
    Ok(())
}
