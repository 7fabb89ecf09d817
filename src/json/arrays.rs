//! Arrays: vectors, arrays of fixed length, and slices.

use std::any::type_name;

use super::from_json::Shape;
use super::{Aborted, Decoder, Encoder, FromJson, Kind, ToJson};
use crate::memory::short_text;

/// An array is decoded into the existing elements, so that records keep the members that the new
/// elements do not name. An element that is `null` mostly leaves the element that is there. `null`
/// instead of the array empties the `Vec`.
impl<T: FromJson + Default> FromJson for Vec<T> {
    fn decode(&mut self, decoder: &mut Decoder<'_>) -> Result<(), Aborted> {
        let on_null = || self.clear();
        let Some(start) = decoder.begin_nested(Kind::ArrayStart, "an array", on_null)? else {
            return Ok(());
        };
        let mut len = 0;
        while decoder.element()? {
            if len == self.len() && !push_default(self, decoder) {
                decoder.out_of_memory()?;
                decoder.add_path_segment(|| short_text(format_args!("[{len}]")));
                continue;
            }
            decode_element(&mut self[len], len, decoder)?;
            len += 1;
        }
        self.truncate(len);
        decoder.end_nested(start);
        Ok(())
    }

    fn shape() -> Shape {
        Shape::with_nil()
    }
}

/// Appends an element, if there is memory for it.
#[inline]
fn push_default<T: FromJson + Default>(list: &mut Vec<T>, decoder: &mut Decoder<'_>) -> bool {
    if list.len() == list.capacity() && !decoder.memory.grow(list)
        || !decoder.memory.expect(T::default_bytes())
    {
        return false;
    }
    list.push(T::default());
    true
}

/// An array of fixed length: missing elements become zero, additional ones are skipped. `null`
/// leaves it unchanged.
impl<T: FromJson + Default, const N: usize> FromJson for [T; N] {
    fn decode(&mut self, decoder: &mut Decoder<'_>) -> Result<(), Aborted> {
        let Some(start) = decoder.begin_nested(Kind::ArrayStart, "an array", || {})? else {
            return Ok(());
        };
        let mut len = 0;
        while decoder.element()? {
            match self.get_mut(len) {
                Some(element) => decode_element(element, len, decoder)?,
                None => decoder.skip()?,
            }
            len += 1;
        }
        self.iter_mut().skip(len).for_each(|element| *element = T::default());
        decoder.end_nested(start);
        Ok(())
    }

    fn default_bytes() -> usize {
        N * T::default_bytes()
    }
}

#[inline]
fn decode_element<T: FromJson>(
    element: &mut T,
    index: usize,
    decoder: &mut Decoder<'_>,
) -> Result<(), Aborted> {
    let segment = || short_text(format_args!("[{index}]"));
    decoder.part(|decoder| element.decode(decoder), type_name::<T>, segment)
}

impl<T: ToJson> ToJson for [T] {
    fn encode(&self, encoder: &mut Encoder<'_>) -> Result<(), Aborted> {
        encoder.begin_value();
        encoder.out.push(b'[');
        for (index, element) in self.iter().enumerate() {
            if index > 0 {
                encoder.out.push(b',');
            }
            let segment = || short_text(format_args!("[{index}]"));
            encoder.part(|encoder| element.encode(encoder), type_name::<T>, segment)?;
        }
        encoder.out.push(b']');
        Ok(())
    }

    fn is_empty(&self) -> bool {
        self.is_empty()
    }
}

impl<T: ToJson, const N: usize> ToJson for [T; N] {
    fn encode(&self, encoder: &mut Encoder<'_>) -> Result<(), Aborted> {
        self.as_slice().encode(encoder)
    }

    fn is_empty(&self) -> bool {
        N == 0
    }
}
