//! Members that are marked `quoted`: the JSON text of a value inside a string, as with Go's
//! `,string`.

use std::borrow::Cow;

use super::decoder::Decoder;
use super::encode::{Encoder, ToJson};
use super::error::Aborted;
use super::from_json::FromJson;
use super::text;
use super::token::Kind;
use crate::memory::{Allowance, Shortage};

/// Decodes the JSON text in the current string into `value`. An empty option stays `None` where Go
/// sees no value: for an empty text, and for one that begins with `n`.
pub(super) fn decode(
    value: &mut dyn FromJson,
    expected: &'static str,
    decoder: &mut Decoder<'_>,
) -> Result<(), Aborted> {
    if decoder.kind() == Kind::Null {
        return value.decode(decoder);
    }
    let text = if decoder.kind() == Kind::String { decoder.text() } else { "" };
    if text == "null" || !text.is_empty() && !text.starts_with('n') {
        if decode_inner(value, decoder) {
            return Ok(());
        }
        if decoder.memory.is_short() {
            return decoder.out_of_memory();
        }
    }
    decoder.mismatch(expected)
}

/// Decodes the text of the string. Returns whether it fits.
fn decode_inner(value: &mut dyn FromJson, decoder: &mut Decoder<'_>) -> bool {
    let (text, memory) = decoder.text_and_memory();
    let Some(text) = plain_apostrophes(text, memory) else { return false };
    let mut inner = Decoder::new(text.as_bytes(), 0, memory.lend());
    inner.as_single_token();
    let fits = value.decode(&mut inner).is_ok() && inner.all_fits();
    memory.take_back(inner.memory);
    fits
}

/// The text of a quoted member, each `\'` in a string replaced by an apostrophe. Go up to 1.26
/// accepts that escape here and nowhere else. `None` if there is no memory for the text.
fn plain_apostrophes<'t>(text: &'t str, memory: &mut Allowance<'_>) -> Option<Cow<'t, str>> {
    if !text.starts_with('"') || !text.contains(r"\'") {
        return Some(Cow::Borrowed(text));
    }
    let mut simple = memory.string(text.len())?;
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        let escaped = if character == '\\' { characters.next() } else { None };
        if escaped != Some('\'') {
            simple.push(character);
        }
        simple.extend(escaped);
    }
    Some(Cow::Owned(simple))
}

/// Writes a value's text in a string. `null` is written without quotes.
pub(super) fn encode(value: &dyn ToJson, encoder: &mut Encoder<'_>) -> Result<(), Aborted> {
    let start = encoder.out.len();
    value.encode(encoder)?;
    if &encoder.out[start..] != b"null" {
        let mut text = Vec::new();
        let length = encoder.out.len() - start;
        if !Allowance::unlimited().reserve_exact(&mut text, length) {
            return Err(encoder.fail(Shortage::System.reason()));
        }
        text.extend_from_slice(&encoder.out[start..]);
        encoder.out.cut(length);
        text::quote(&text, encoder.out);
    }
    Ok(())
}
