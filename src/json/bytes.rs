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
static VALUES: [u8; 256] = {
    let mut values = [0xff; 256];
    let mut index = 0;
    while index < ALPHABET.len() {
        values[ALPHABET[index] as usize] = index as u8;
        index += 1;
    }
    values
};

/// The characters of every twelve bits.
static PAIRS: [[u8; 2]; 1 << 12] = {
    let mut pairs = [[0; 2]; 1 << 12];
    let mut bits = 0;
    while bits < pairs.len() {
        pairs[bits] = [ALPHABET[bits >> 6], ALPHABET[bits & 63]];
        bits += 1;
    }
    pairs
};

fn encode_base64(bytes: &[u8], out: &mut Buffer) {
    /// What is written at once.
    const STAGE: usize = 256;
    out.reserve(bytes.len().div_ceil(3) * 4);
    for part in bytes.chunks(STAGE / 4 * 3) {
        let mut stage = [0; STAGE];
        let threes = part.chunks_exact(3);
        let rest = threes.remainder();
        for (four, three) in stage.chunks_exact_mut(4).zip(threes) {
            let bits = u32::from_be_bytes([0, three[0], three[1], three[2]]) as usize;
            let ([a, b], [c, d]) = (PAIRS[bits >> 12], PAIRS[bits & 0xfff]);
            four.copy_from_slice(&[a, b, c, d]);
        }
        if !rest.is_empty() {
            let bits = [rest[0], rest.get(1).copied().unwrap_or_default()];
            let bits = u32::from_be_bytes([0, bits[0], bits[1], 0]);
            let mut four = [18, 12, 6, 0].map(|shift| ALPHABET[(bits >> shift) as usize & 63]);
            four[rest.len() + 1..].fill(b'=');
            stage[part.len() / 3 * 4..][..4].copy_from_slice(&four);
        }
        out.extend_from_slice(&stage[..part.len().div_ceil(3) * 4]);
    }
}

/// Padding is required, CR and LF are ignored, unused low bits may be anything. `out` is empty and
/// has room.
fn decode_base64(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    out.resize(text.len() / 8 * 6, 0);
    let mut simple = 0;
    for (eight, six) in text.chunks_exact(8).zip(out.chunks_exact_mut(6)) {
        let (mut bits, mut invalid) = (0, 0);
        for &byte in eight {
            let value = VALUES[byte as usize];
            invalid |= value;
            bits = bits << 6 | u64::from(value);
        }
        if invalid == 0xff {
            break;
        }
        six.copy_from_slice(&bits.to_be_bytes()[2..]);
        simple += 1;
    }
    out.truncate(simple * 6);
    decode_rest(&text[simple * 8..], out)
}

/// The same for text with padding or line breaks, which is appended.
fn decode_rest(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
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
