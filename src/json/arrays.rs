//! Arrays: vectors and other collections, arrays of fixed length, slices, tuples.

use std::any::type_name;
use std::collections::{BTreeSet, HashSet, VecDeque};
use std::hash::{BuildHasher, Hash};
use std::mem;

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
fn decode_element<T: FromJson + ?Sized>(
    element: &mut T,
    index: usize,
    decoder: &mut Decoder<'_>,
) -> Result<(), Aborted> {
    let segment = || short_text(format_args!("[{index}]"));
    decoder.part(|decoder| element.decode(decoder), type_name::<T>, segment)
}

#[inline]
fn encode_elements<'a, T: ToJson + 'a>(
    elements: impl Iterator<Item = &'a T>,
    encoder: &mut Encoder<'_>,
) -> Result<(), Aborted> {
    encoder.begin_value();
    encoder.out.push(b'[');
    for (index, element) in elements.enumerate() {
        if index > 0 {
            encoder.out.push(b',');
        }
        let segment = || short_text(format_args!("[{index}]"));
        encoder.part(|encoder| element.encode(encoder), type_name::<T>, segment)?;
    }
    encoder.out.push(b']');
    Ok(())
}

impl<T: ToJson> ToJson for [T] {
    #[inline]
    fn encode(&self, encoder: &mut Encoder<'_>) -> Result<(), Aborted> {
        encode_elements(self.iter(), encoder)
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

/// As a `Vec`, whose memory it takes over.
impl<T: FromJson + Default> FromJson for VecDeque<T> {
    fn decode(&mut self, decoder: &mut Decoder<'_>) -> Result<(), Aborted> {
        let mut list = Vec::from(mem::take(self));
        let decoded = list.decode(decoder);
        *self = list.into();
        decoded
    }

    fn shape() -> Shape {
        Shape::with_nil()
    }
}

macro_rules! sets {
    ($([$($generics:tt)*] [$($bounds:tt)*] $type:ty)*) => { $(
        /// An array: decoded as a `Vec`, of which it is then made.
        impl<T: FromJson + Default $($bounds)* $($generics)*> FromJson for $type
        where
            Self: Default
        {
            fn decode(&mut self, decoder: &mut Decoder<'_>) -> Result<(), Aborted> {
                let place = decoder.place();
                let mut list = Vec::<T>::new();
                list.decode(decoder)?;
                if decoder.has_refused(place) {
                    return Ok(());
                }
                let (bytes, node) = set_bytes::<T>(list.len());
                if !decoder.memory.expect_blocks(bytes, node) {
                    return decoder.out_of_memory();
                }
                *self = list.into_iter().collect();
                Ok(())
            }

            fn shape() -> Shape {
                Shape::with_nil()
            }
        }
    )* };
}

sets! {
    [] [+ Ord] BTreeSet<T>
    [, S: BuildHasher + Default] [+ Eq + Hash] HashSet<T, S>
}

/// What a hash table, or the nodes of a tree and the sorting before, take at the most for so many
/// elements, and what one node takes.
fn set_bytes<T>(len: usize) -> (usize, usize) {
    let size = size_of::<T>();
    let node = 11 * size + 16;
    (if len == 0 { 0 } else { len.saturating_mul(3 * size + 16).saturating_add(node) }, node)
}

macro_rules! encode_collections {
    ($([$($generics:tt)*] $type:ty)*) => { $(
        impl<T: ToJson $($generics)*> ToJson for $type {
            fn encode(&self, encoder: &mut Encoder<'_>) -> Result<(), Aborted> {
                encode_elements(self.iter(), encoder)
            }

            fn is_empty(&self) -> bool {
                self.is_empty()
            }
        }
    )* };
}

encode_collections! { [] VecDeque<T> [] BTreeSet<T> [, S] HashSet<T, S> }

/// Decodes an array of just as many elements.
fn decode_tuple(parts: &mut [&mut dyn FromJson], decoder: &mut Decoder<'_>) -> Result<(), Aborted> {
    let Some(start) = decoder.begin_nested(Kind::ArrayStart, "an array", || {})? else {
        return Ok(());
    };
    let mut len = 0;
    while decoder.element()? {
        match parts.get_mut(len) {
            Some(part) => decode_element(&mut **part, len, decoder)?,
            None => decoder.skip()?,
        }
        len += 1;
    }
    decoder.end_nested(start);
    if len == parts.len() {
        return Ok(());
    }
    decoder.mismatch(format!("an array of {} elements, not of {len}", parts.len()))
}

macro_rules! tuples {
    ($(($($part:ident $index:tt),*))*) => { $(
        /// An array of just as many elements. `null` leaves it.
        impl<$($part: FromJson),*> FromJson for ($($part,)*) {
            fn decode(&mut self, decoder: &mut Decoder<'_>) -> Result<(), Aborted> {
                decode_tuple(&mut [$(&mut self.$index),*], decoder)
            }

            fn default_bytes() -> usize {
                0 $(+ $part::default_bytes())*
            }
        }

        impl<$($part: ToJson),*> ToJson for ($($part,)*) {
            fn encode(&self, encoder: &mut Encoder<'_>) -> Result<(), Aborted> {
                let parts: &[&dyn ToJson] = &[$(&self.$index),*];
                parts.encode(encoder)
            }
        }
    )* };
}

tuples! {
    (A 0)
    (A 0, B 1)
    (A 0, B 1, C 2)
    (A 0, B 1, C 2, D 3)
    (A 0, B 1, C 2, D 3, E 4)
    (A 0, B 1, C 2, D 3, E 4, F 5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_is_charged_with_no_less_than_its_table_and_its_nodes_take() {
        type Large = [u8; 100];
        // One more than seven eighths of the places: twice as many are allocated.
        let (table, node) = set_bytes::<Large>(7 * 128 + 1);
        assert!(table >= 2048 * (size_of::<Large>() + 1), "{table}");
        assert!(node >= 11 * size_of::<Large>() + 12, "{node}");
    }
}
