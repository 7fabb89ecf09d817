//! Lists, fixed arrays, maps, optional and boxed values.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, Hash};

use super::encode::append_token;
use super::error::excerpt;
use super::number;
use super::record::Shape;
use super::{Decoder, Encoder, FromJson, Kind, Stop, ToJson, text};
use crate::Files;

/// A list: refilled in place, so that records in it keep what the new elements do not name, and an
/// element that is `null` mostly leaves the one that stands there. `null` empties the list.
impl<T: FromJson + Default> FromJson for Vec<T> {
    fn decode(&mut self, decoder: &mut Decoder<'_>) -> Result<(), Stop> {
        if !decoder.enter(Kind::ListStart, "a list", || self.clear())? {
            return Ok(());
        }
        let mut len = 0;
        while decoder.element()? {
            if len == self.len() {
                self.push(T::default());
            }
            decode_element(&mut self[len], len, decoder)?;
            len += 1;
        }
        self.truncate(len);
        decoder.leave();
        Ok(())
    }

    fn shape() -> Shape {
        Shape::with_nil()
    }
}

/// An array of fixed length: what is missing is zero, what is too much is skipped. `null` leaves
/// it.
impl<T: FromJson + Default, const N: usize> FromJson for [T; N] {
    fn decode(&mut self, decoder: &mut Decoder<'_>) -> Result<(), Stop> {
        if !decoder.enter(Kind::ListStart, "a list", || {})? {
            return Ok(());
        }
        let mut len = 0;
        while decoder.element()? {
            match self.get_mut(len) {
                Some(element) => decode_element(element, len, decoder)?,
                None => decoder.skip()?,
            }
            len += 1;
        }
        self.iter_mut().skip(len).for_each(|element| *element = T::default());
        decoder.leave();
        Ok(())
    }
}

#[inline]
fn decode_element<T: FromJson>(
    element: &mut T,
    index: usize,
    decoder: &mut Decoder<'_>,
) -> Result<(), Stop> {
    element.decode(decoder)?;
    decoder.passed(|| format!("[{index}]"));
    Ok(())
}

impl<T: ToJson> ToJson for [T] {
    fn encode(&self, encoder: &mut Encoder<'_>) -> Result<(), Stop> {
        encoder.out.push(b'[');
        for (index, element) in self.iter().enumerate() {
            if index > 0 {
                encoder.out.push(b',');
            }
            element.encode(encoder).map_err(|stop| encoder.within(stop, &format!("[{index}]")))?;
        }
        encoder.out.push(b']');
        Ok(())
    }

    fn is_empty(&self) -> bool {
        self.is_empty()
    }
}

impl<T: ToJson, const N: usize> ToJson for [T; N] {
    fn encode(&self, encoder: &mut Encoder<'_>) -> Result<(), Stop> {
        self.as_slice().encode(encoder)
    }

    fn is_empty(&self) -> bool {
        N == 0
    }
}

/// A type that can be the key of a map: strings and integers.
pub trait MapKey: Sized {
    /// What [`from_key`](MapKey::from_key) takes, for errors.
    const EXPECTED: &'static str;

    /// The key of that name, if it is one.
    fn from_key(name: &str) -> Option<Self>;

    /// The name to write; maps are written in the order of their names' bytes.
    fn to_key(&self) -> Cow<'_, str>;
}

impl MapKey for String {
    const EXPECTED: &'static str = "a string";

    fn from_key(name: &str) -> Option<Self> {
        Some(name.to_owned())
    }

    fn to_key(&self) -> Cow<'_, str> {
        self.into()
    }
}

macro_rules! integer_keys {
    ($($int:ident)*) => { $(
        impl MapKey for $int {
            const EXPECTED: &'static str = concat!("a key that fits ", stringify!($int));

            fn from_key(name: &str) -> Option<Self> {
                let is_signed = <$int>::MIN != 0;
                let text = name.strip_prefix('+').filter(|text| is_signed && !text.starts_with('-'));
                number::integer(text.unwrap_or(name).as_bytes())
            }

            fn to_key(&self) -> Cow<'_, str> {
                self.to_string().into()
            }
        }
    )* };
}

integer_keys! { i8 i16 i32 i64 isize u8 u16 u32 u64 usize }

impl<K: MapKey + Ord, V: FromJson + Default> FromJson for BTreeMap<K, V> {
    fn decode(&mut self, decoder: &mut Decoder<'_>) -> Result<(), Stop> {
        decode_map(self, BTreeMap::clear, decoder)
    }

    fn shape() -> Shape {
        Shape::with_nil()
    }
}

impl<K: MapKey + Eq + Hash, V: FromJson + Default, S: BuildHasher> FromJson for HashMap<K, V, S> {
    fn decode(&mut self, decoder: &mut Decoder<'_>) -> Result<(), Stop> {
        decode_map(self, HashMap::clear, decoder)
    }

    fn shape() -> Shape {
        Shape::with_nil()
    }
}

/// A map: entries are added, and an entry that is there already starts from its type's zero. `null`
/// empties it.
fn decode_map<K: MapKey, V: FromJson + Default, M: Extend<(K, V)>>(
    map: &mut M,
    clear: impl FnOnce(&mut M),
    decoder: &mut Decoder<'_>,
) -> Result<(), Stop> {
    if !decoder.enter(Kind::ObjectStart, "an object", || clear(map))? {
        return Ok(());
    }
    while decoder.name()? {
        let name = decoder.raw();
        let key = K::from_key(decoder.text());
        if key.is_none() {
            decoder.mismatch(K::EXPECTED)?;
        }
        decoder.named_value()?;
        let mut value = V::default();
        value.decode(decoder)?;
        decoder.passed(|| key_step(&text::unquote(name, false)));
        map.extend(key.map(|key| (key, value)));
    }
    decoder.leave();
    Ok(())
}

/// How a path goes on to the value of that key.
fn key_step(key: &str) -> String {
    format!("[\"{}\"]", excerpt(key.as_bytes()))
}

impl<K: MapKey, V: ToJson> ToJson for BTreeMap<K, V> {
    fn encode(&self, encoder: &mut Encoder<'_>) -> Result<(), Stop> {
        encode_map(self.iter(), encoder)
    }

    fn is_empty(&self) -> bool {
        self.is_empty()
    }
}

impl<K: MapKey, V: ToJson, S> ToJson for HashMap<K, V, S> {
    fn encode(&self, encoder: &mut Encoder<'_>) -> Result<(), Stop> {
        encode_map(self.iter(), encoder)
    }

    fn is_empty(&self) -> bool {
        self.is_empty()
    }
}

fn encode_map<'a, K: MapKey + 'a, V: ToJson + 'a>(
    entries: impl Iterator<Item = (&'a K, &'a V)>,
    encoder: &mut Encoder<'_>,
) -> Result<(), Stop> {
    let mut entries: Vec<_> = entries.map(|(key, value)| (key.to_key(), value)).collect();
    entries.sort_by(|(a, _), (b, _)| a.cmp(b));
    encoder.out.push(b'{');
    for (key, value) in entries {
        append_token(Kind::Key, key.as_bytes(), text::quote, 0, encoder.out);
        value.encode(encoder).map_err(|stop| encoder.within(stop, &key_step(&key)))?;
    }
    encoder.out.push(b'}');
    Ok(())
}

/// `null` is `None`; anything else goes into the value that is there, or into a fresh one. What is
/// neither list, map nor bytes where one of these is expected makes none.
impl<T: FromJson + Default> FromJson for Option<T> {
    fn decode(&mut self, decoder: &mut Decoder<'_>) -> Result<(), Stop> {
        if decoder.kind() == Kind::Null {
            *self = None;
            return Ok(());
        }
        let (was_none, place) = (self.is_none(), decoder.place());
        self.get_or_insert_default().decode(decoder)?;
        if was_none && decoder.has_refused(place) && T::shape().has_nil {
            *self = None;
        }
        Ok(())
    }

    fn files_mut(&mut self) -> Option<&mut Files> {
        self.as_mut()?.files_mut()
    }

    fn shape() -> Shape {
        Shape { has_nil: false, ..T::shape() }
    }

    fn part_mut(&mut self, field: usize) -> Option<&mut dyn FromJson> {
        self.get_or_insert_default().part_mut(field)
    }
}

impl<T: ToJson> ToJson for Option<T> {
    fn encode(&self, encoder: &mut Encoder<'_>) -> Result<(), Stop> {
        match self {
            Some(value) => value.encode(encoder),
            None => ().encode(encoder),
        }
    }

    fn is_empty(&self) -> bool {
        self.is_none()
    }

    fn files(&self) -> Option<&Files> {
        self.as_ref()?.files()
    }

    fn part(&self, field: usize) -> Option<&dyn ToJson> {
        self.as_ref()?.part(field)
    }
}

/// As the value in it.
impl<T: FromJson> FromJson for Box<T> {
    fn decode(&mut self, decoder: &mut Decoder<'_>) -> Result<(), Stop> {
        (**self).decode(decoder)
    }

    fn files_mut(&mut self) -> Option<&mut Files> {
        (**self).files_mut()
    }

    fn shape() -> Shape {
        T::shape()
    }

    fn part_mut(&mut self, field: usize) -> Option<&mut dyn FromJson> {
        (**self).part_mut(field)
    }
}

// As what they point to.
macro_rules! encode_pointers {
    ($([$($generics:tt)*] $pointer:ty),*) => { $(
        impl<$($generics)*> ToJson for $pointer {
            #[inline]
            fn encode(&self, encoder: &mut Encoder<'_>) -> Result<(), Stop> {
                (**self).encode(encoder)
            }

            fn is_empty(&self) -> bool {
                ToJson::is_empty(&**self)
            }

            fn files(&self) -> Option<&Files> {
                (**self).files()
            }

            fn part(&self, field: usize) -> Option<&dyn ToJson> {
                (**self).part(field)
            }
        }
    )* };
}

encode_pointers! { [T: ToJson + ?Sized] Box<T>, [T: ToJson + ?Sized] &T, [T: ToJson] Vec<T>, [] String }
