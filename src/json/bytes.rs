//! Bytes: base64 in a string, as Go writes `[]byte`.

use std::ops::Deref;

use super::from_json::Shape;
use super::{Aborted, Decoder, Encoder, FromJson, Kind, ToJson};
use crate::memory::Buffer;

/// Bytes that are written as base64. A `Vec<u8>` is an array of numbers instead. The vector itself is
/// its field 0.
///
/// ```
/// use urpc::json::Bytes;
///
/// let bytes: Bytes = urpc::json::from_str(r#""/+8=""#)?;
/// assert_eq!(*bytes, [0xff, 0xef]);
/// assert_eq!(urpc::json::to_string(&bytes)?, r#""/+8=""#);
/// # Ok::<(), urpc::json::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Bytes(pub Vec<u8>);

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl AsRef<[u8]> for Bytes {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl From<&[u8]> for Bytes {
    fn from(bytes: &[u8]) -> Self {
        Bytes(bytes.to_vec())
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Self {
        Bytes(bytes)
    }
}

/// A string of base64 or an array of numbers. Both replace the bytes. `null` empties them.
impl FromJson for Bytes {
    fn decode(&mut self, decoder: &mut Decoder<'_>) -> Result<(), Aborted> {
        match decoder.kind() {
            Kind::Null => self.0.clear(),
            Kind::ArrayStart => return self.0.decode(decoder),
            Kind::String => {
                let mut bytes = Vec::new();
                if !decoder.reserve_for_text(&mut bytes, |length| length / 4 * 3) {
                    return decoder.out_of_memory();
                }
                match decode_base64(decoder.text().as_bytes(), &mut bytes) {
                    Some(()) => self.0 = bytes,
                    None => return decoder.mismatch("a string of base64"),
                }
            }
            _ => return decoder.mismatch("a string of base64"),
        }
        Ok(())
    }

    fn shape() -> Shape {
        Shape::with_nil()
    }
}

impl ToJson for Bytes {
    fn encode(&self, encoder: &mut Encoder<'_>) -> Result<(), Aborted> {
        encoder.begin_value();
        encoder.out.push(b'"');
        encode_base64(self, encoder.out);
        encoder.out.push(b'"');
        Ok(())
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The value of each character of the alphabet, 0xff for all others.
const VALUES: [u8; 256] = {
    let mut values = [0xff; 256];
    let mut index = 0;
    while index < ALPHABET.len() {
        values[ALPHABET[index] as usize] = index as u8;
        index += 1;
    }
    values
};

fn encode_base64(bytes: &[u8], out: &mut Buffer) {
    out.reserve(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let mut three = [0; 3];
        three[..chunk.len()].copy_from_slice(chunk);
        let bits = u32::from_be_bytes([0, three[0], three[1], three[2]]);
        let mut four = [18, 12, 6, 0].map(|shift| ALPHABET[(bits >> shift) as usize & 63]);
        four[chunk.len() + 1..].fill(b'=');
        out.extend_from_slice(&four);
    }
}

/// Padding is required, CR and LF are ignored, unused low bits may be anything.
fn decode_base64(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let mut characters = text.iter().copied().filter(|byte| !matches!(byte, b'\r' | b'\n'));
    while let Some(first) = characters.next() {
        let four = [first, characters.next()?, characters.next()?, characters.next()?];
        let padding = four.iter().rev().take_while(|&&byte| byte == b'=').count();
        if padding > 2 || padding > 0 && characters.next().is_some() {
            return None;
        }
        let mut bits = 0;
        for &byte in &four[..4 - padding] {
            let value = VALUES[byte as usize];
            if value == 0xff {
                return None;
            }
            bits = bits << 6 | u32::from(value);
        }
        let bytes = (bits << (6 * padding)).to_be_bytes();
        out.extend_from_slice(&bytes[1..4 - padding]);
    }
    Some(())
}
