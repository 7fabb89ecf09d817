//! Raw JSON: the text of a value, unchanged when read, and checked and compacted when written.

use std::fmt;
use std::str::FromStr;

use super::encode::{Lendable, append, check_room};
use super::error::Error;
use super::token::is_white_space;
use super::{Aborted, Decoder, Encoder, FromJson, Kind, SyntaxError, ToJson, Tokenizer};
use super::{from_slice, from_str, text, to_vec};
use crate::memory::{Buffer, Lent};

/// A value's JSON text, byte for byte. [`FromStr`] checks a text when it is made.
///
/// ```
/// use urpc::json::{RawJson, Value};
///
/// let list: Vec<RawJson> = urpc::json::from_str(r#"[ {"a" : 1.0}, "<" ]"#)?;
/// assert_eq!(list[0].as_bytes(), br#"{"a" : 1.0}"#);
/// assert_eq!(urpc::json::to_string(&list)?, r#"[{"a":1.0},"\u003c"]"#);
///
/// let raw = RawJson::from_value(&[1, 2])?;
/// assert_eq!(raw.as_str(), Some("[1,2]"));
/// assert_eq!(raw.to_value::<Value>()?[1].as_u64(), Some(2));
/// assert!("[1,".parse::<RawJson>().is_err());
/// # Ok::<(), urpc::json::Error>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct RawJson(Vec<u8>);

impl RawJson {
    /// Takes a text without checking it. It is checked when it is written. The empty text, which is
    /// the default, is written as `null`.
    pub fn new(text: impl Into<Vec<u8>>) -> Self {
        RawJson(text.into())
    }

    /// The text of a value: as [`to_vec`] writes it.
    ///
    /// # Errors
    /// As [`to_vec`].
    pub fn from_value<T: ToJson + ?Sized>(value: &T) -> Result<Self, Error> {
        to_vec(value).map(RawJson)
    }

    /// Decodes the text: as [`from_slice`].
    ///
    /// # Errors
    /// As [`from_slice`]; [`Error::UnexpectedEnd`] for an empty text.
    pub fn to_value<T: FromJson + Default>(&self) -> Result<T, Error> {
        from_slice(&self.0)
    }

    /// The text; `None` if it is not UTF-8, which JSON's grammar allows in strings.
    pub fn as_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }

    /// The text.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The text.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

/// The text; U+FFFD for what is not UTF-8.
impl fmt::Display for RawJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

impl fmt::Debug for RawJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RawJson({self})")
    }
}

/// Takes one value with white space around it, which is left out.
impl FromStr for RawJson {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        from_str(text)
    }
}

impl FromJson for RawJson {
    fn decode(&mut self, decoder: &mut Decoder<'_>) -> Result<(), Aborted> {
        let text = decoder.raw_value()?;
        self.0.clear();
        if !decoder.memory.reserve_exact(&mut self.0, text.len()) {
            return decoder.out_of_memory();
        }
        self.0.extend_from_slice(text);
        Ok(())
    }
}

impl ToJson for RawJson {
    fn encode(&self, encoder: &mut Encoder<'_>) -> Result<(), Aborted> {
        if self.0.is_empty() {
            return ().encode(encoder);
        }
        encoder.begin_value();
        let rest = append_changed(&self.0, encoder.out)
            .map_err(|_| encoder.fail("raw JSON that is malformed"))?;
        encoder.out.extend_from_slice(rest);
        Ok(())
    }

    fn lendable(&self) -> Option<Lendable<'_>> {
        if self.0.is_empty() { None } else { Some(Lendable::Raw(&self.0)) }
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Like [`append`]. A long text that is written as it is is not appended but lent.
pub(crate) fn lend<'v>(
    value: &'v (impl ToJson + ?Sized),
    out: &mut Buffer,
) -> Result<Lent<'v>, Error> {
    match value.lendable() {
        Some(Lendable::Text(text)) if text.len() >= Lent::SHORTEST && text::is_unescaped(text) => {
            out.extend_from_slice(b"\"\"");
            Ok(Lent { bytes: text.as_bytes(), at: out.len() - 1 })
        }
        Some(Lendable::Raw(raw)) if raw.len() >= Lent::SHORTEST => {
            // Of a malformed one the error is the same as that of a short one.
            lend_raw(raw, out).or_else(|_| append(value, out).map(|()| Lent::default()))
        }
        _ => append(value, out).map(|()| Lent::default()),
    }
}

/// Checks that `raw` is one value, and appends it to `out` as Go writes raw values: without white
/// space between tokens, with `<`, `>`, `&` and the line separators escaped, and otherwise
/// unchanged. A long rest without such places is not appended but lent.
pub(crate) fn lend_raw<'r>(raw: &'r [u8], out: &mut Buffer) -> Result<Lent<'r>, Error> {
    let rest = append_changed(raw, out)?;
    if rest.len() >= Lent::SHORTEST {
        return Ok(Lent { bytes: rest, at: out.len() });
    }
    out.extend_from_slice(rest);
    check_room(out).map(|()| Lent::default())
}

/// Checks that `raw` is one value, and appends it up to the last place that is written in another
/// way. Returns the rest.
fn append_changed<'r>(raw: &'r [u8], out: &mut Buffer) -> Result<&'r [u8], Error> {
    let mut tokenizer = Tokenizer::new();
    let mut rest = raw;
    // What lies between them was read and is not appended yet.
    let (mut kept, mut end) = (0, 0);
    loop {
        let token = match tokenizer.next(&mut rest)? {
            Some(token) => token,
            None => tokenizer.finish()?.ok_or(Error::UnexpectedEnd)?,
        };
        let start = token.range().start;
        while let Some(space) = raw[end..start].iter().position(|&byte| is_white_space(byte)) {
            out.extend_from_slice(&raw[kept..end + space]);
            end += space + 1;
            kept = end;
        }
        end = token.range().end;
        if matches!(token.kind, Kind::String | Kind::Key) {
            text::escape_raw(&raw[start..end], |at, length, escape| {
                out.extend_from_slice(&raw[kept..start + at]);
                out.extend_from_slice(escape);
                kept = start + at + length;
            });
        }
        if tokenizer.is_between_values() {
            break;
        }
    }
    match tokenizer.next(&mut rest) {
        Ok(None) if tokenizer.is_between_values() => Ok(&raw[kept..end]),
        Err(error) => Err(error.into()),
        _ => Err(SyntaxError::new(tokenizer.offset(), b' ', "the end of the text").into()),
    }
}
