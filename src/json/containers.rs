//! Arrays, maps, optional and boxed values.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use std::hash::{BuildHasher, Hash};

use super::digits;
use super::encode::append_token;
use super::error::snippet;
use super::record::Shape;
use super::{Aborted, Decoder, Encoder, FromJson, Kind, ToJson, text};
use crate::Files;
use crate::memory::{Allowance, Shortage, allocated, short_text};

/// An array: refilled in place, so that records in it keep what the new elements do not name, and
/// an element that is `null` mostly leaves the one that stands there. `null` empties the list.
impl<T: FromJson + Default> FromJson for Vec<T> {
    fn decode(&mut self, decoder: &mut Decoder<'_>) -> Result<(), Aborted> {
        if !decoder.begin_nested(Kind::ArrayStart, "an array", || self.clear())? {
            return Ok(());
        }
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
        decoder.end_nested();
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

/// An array of fixed length: what is missing is zero, what is too much is skipped. `null` leaves
/// it.
impl<T: FromJson + Default, const N: usize> FromJson for [T; N] {
    fn decode(&mut self, decoder: &mut Decoder<'_>) -> Result<(), Aborted> {
        if !decoder.begin_nested(Kind::ArrayStart, "an array", || {})? {
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
        decoder.end_nested();
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
    element.decode(decoder)?;
    decoder.add_path_segment(|| short_text(format_args!("[{index}]")));
    Ok(())
}

impl<T: ToJson> ToJson for [T] {
    fn encode(&self, encoder: &mut Encoder<'_>) -> Result<(), Aborted> {
        encoder.out.push(b'[');
        for (index, element) in self.iter().enumerate() {
            if index > 0 {
                encoder.out.push(b',');
            }
            element
                .encode(encoder)
                .map_err(|aborted| encoder.add_path_segment(aborted, &format!("[{index}]")))?;
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

/// A type that can be the key of a map: strings and integers.
pub trait MapKey: Sized {
    /// What [`from_key`](MapKey::from_key) takes, for errors.
    const EXPECTED: &'static str;

    /// The key of that name, if it is one. It may allocate as much as the name is long.
    fn from_key(name: &str) -> Option<Self>;

    /// The name to write; maps are written in the order of their names' bytes.
    fn to_key(&self) -> Cow<'_, str>;

    /// As `from_key`, but the outer `None` says that there is no memory.
    #[doc(hidden)]
    fn try_from_key(name: &str) -> Option<Option<Self>> {
        Some(Self::from_key(name))
    }

    /// As `to_key`, but `None` says that there is no memory.
    #[doc(hidden)]
    fn try_to_key(&self) -> Option<Cow<'_, str>> {
        Some(self.to_key())
    }
}

impl MapKey for String {
    const EXPECTED: &'static str = "a string";

    fn from_key(name: &str) -> Option<Self> {
        Some(name.to_owned())
    }

    fn to_key(&self) -> Cow<'_, str> {
        self.into()
    }

    fn try_from_key(name: &str) -> Option<Option<Self>> {
        Allowance::unlimited().copy(name).map(Some)
    }
}

macro_rules! integer_keys {
    ($($int:ident)*) => { $(
        impl MapKey for $int {
            const EXPECTED: &'static str = concat!("a key that fits ", stringify!($int));

            fn from_key(name: &str) -> Option<Self> {
                let is_signed = <$int>::MIN != 0;
                let text = name.strip_prefix('+').filter(|text| is_signed && !text.starts_with('-'));
                digits::parse_integer(text.unwrap_or(name).as_bytes())
            }

            fn to_key(&self) -> Cow<'_, str> {
                self.to_string().into()
            }

            fn try_to_key(&self) -> Option<Cow<'_, str>> {
                /// The digits of the largest integer and a sign.
                const LONGEST: usize = 20;
                let mut name = Allowance::unlimited().string(LONGEST)?;
                write!(name, "{self}").ok()?;
                Some(name.into())
            }
        }
    )* };
}

integer_keys! { i8 i16 i32 i64 isize u8 u16 u32 u64 usize }

/// A map's entries, one by one.
trait Entries<K, V> {
    /// Makes sure that there is memory for one entry more, as well as std allows.
    fn reserve_one(&mut self, memory: &mut Allowance<'_>) -> bool;
    fn put(&mut self, key: K, value: V);
}

/// std has no fallible way to insert, so that memory for a node is only looked for beforehand.
impl<K: Ord, V> Entries<K, V> for BTreeMap<K, V> {
    fn reserve_one(&mut self, memory: &mut Allowance<'_>) -> bool {
        /// Of std's B-trees: the entries of a node, and what else is in it, pointers to others
        /// apart.
        const ENTRIES: usize = 11;
        const REST: usize = 16;
        let node = ENTRIES * size_of::<(K, V)>() + REST;
        // A node may be no more than half full, and each sixth or so has one above it.
        memory.expect(if self.is_empty() { node } else { node / 4 })
    }

    fn put(&mut self, key: K, value: V) {
        self.insert(key, value);
    }
}

impl<K: Eq + Hash, V, S: BuildHasher> Entries<K, V> for HashMap<K, V, S> {
    fn reserve_one(&mut self, memory: &mut Allowance<'_>) -> bool {
        if self.len() < self.capacity() {
            return true;
        }
        // std's tables have a power of two of places, of which an eighth stays free, with a byte
        // each beside them.
        let places = |entries: usize| match entries {
            0..4 => 4,
            4..8 => 8,
            _ => (entries * 8 / 7).next_power_of_two(),
        };
        let bytes = |places: usize| places * (size_of::<(K, V)>() + 1) + 16;
        let old = if self.capacity() == 0 { 0 } else { bytes(places(self.capacity())) };
        if !memory.charge(bytes(places(self.capacity() + 1))) {
            return false;
        }
        if self.try_reserve(1).is_err() {
            memory.failed();
            return false;
        }
        memory.credit(old);
        true
    }

    fn put(&mut self, key: K, value: V) {
        self.insert(key, value);
    }
}

/// For each entry that may need a node, memory is looked for before std allocates it.
impl<K: MapKey + Ord, V: FromJson + Default> FromJson for BTreeMap<K, V> {
    fn decode(&mut self, decoder: &mut Decoder<'_>) -> Result<(), Aborted> {
        decode_map(self, BTreeMap::clear, decoder)
    }

    fn shape() -> Shape {
        Shape::with_nil()
    }
}

impl<K: MapKey + Eq + Hash, V: FromJson + Default, S: BuildHasher> FromJson for HashMap<K, V, S> {
    fn decode(&mut self, decoder: &mut Decoder<'_>) -> Result<(), Aborted> {
        decode_map(self, HashMap::clear, decoder)
    }

    fn shape() -> Shape {
        Shape::with_nil()
    }
}

/// A map: entries are added, and an entry that is there already starts from its type's zero. `null`
/// empties it.
fn decode_map<K: MapKey, V: FromJson + Default, M: Entries<K, V>>(
    map: &mut M,
    clear: impl FnOnce(&mut M),
    decoder: &mut Decoder<'_>,
) -> Result<(), Aborted> {
    if !decoder.begin_nested(Kind::ObjectStart, "an object", || clear(map))? {
        return Ok(());
    }
    while decoder.name()? {
        let name = decoder.raw();
        let key = decode_key(map, decoder)?;
        decoder.member_value()?;
        match key {
            Some(key) => {
                let mut value = V::default();
                value.decode(decoder)?;
                map.put(key, value);
            }
            None => decoder.skip()?,
        }
        decoder.add_path_segment(|| key_path_segment(&text::string_snippet(name)));
    }
    decoder.end_nested();
    Ok(())
}

/// The key that the name gives at which the decoder stands, with memory for its entry; `None` if
/// there is none, which is remembered.
fn decode_key<K: MapKey, V: FromJson + Default>(
    map: &mut impl Entries<K, V>,
    decoder: &mut Decoder<'_>,
) -> Result<Option<K>, Aborted> {
    let (name, memory) = decoder.text_and_memory();
    let has_room = memory.charge(allocated(name.len()))
        && map.reserve_one(memory)
        && memory.expect(V::default_bytes());
    let key = if has_room { K::try_from_key(name) } else { None };
    match key {
        Some(Some(key)) => return Ok(Some(key)),
        Some(None) => decoder.mismatch(K::EXPECTED)?,
        None => {
            decoder.memory.failed();
            decoder.out_of_memory()?;
        }
    }
    Ok(None)
}

/// How a path goes on to the value of the key with that text, which was made short.
fn key_path_segment(key: &str) -> String {
    short_text(format_args!("[\"{key}\"]"))
}

impl<K: MapKey, V: ToJson> ToJson for BTreeMap<K, V> {
    fn encode(&self, encoder: &mut Encoder<'_>) -> Result<(), Aborted> {
        encode_map(self.iter(), encoder)
    }

    fn is_empty(&self) -> bool {
        self.is_empty()
    }
}

impl<K: MapKey, V: ToJson, S> ToJson for HashMap<K, V, S> {
    fn encode(&self, encoder: &mut Encoder<'_>) -> Result<(), Aborted> {
        encode_map(self.iter(), encoder)
    }

    fn is_empty(&self) -> bool {
        self.is_empty()
    }
}

fn encode_map<'a, K: MapKey + 'a, V: ToJson + 'a>(
    entries: impl Iterator<Item = (&'a K, &'a V)>,
    encoder: &mut Encoder<'_>,
) -> Result<(), Aborted> {
    let Some(mut entries) = collect_entries(entries) else {
        return Err(encoder.fail(Shortage::System.reason()));
    };
    entries.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    encoder.out.push(b'{');
    for (key, value) in entries {
        append_token(Kind::Key, key.as_bytes(), text::quote, 0, encoder.out);
        value.encode(encoder).map_err(|aborted| {
            encoder.add_path_segment(aborted, &key_path_segment(&snippet(key.as_bytes())))
        })?;
    }
    encoder.out.push(b'}');
    Ok(())
}

/// The entries with their names, if there is memory for them.
fn collect_entries<'a, K: MapKey + 'a, V>(
    entries: impl Iterator<Item = (&'a K, &'a V)>,
) -> Option<Vec<(Cow<'a, str>, &'a V)>> {
    let mut named = Vec::new();
    if !Allowance::unlimited().reserve_exact(&mut named, entries.size_hint().0) {
        return None;
    }
    for (key, value) in entries {
        named.push((key.try_to_key()?, value));
    }
    Some(named)
}

/// `null` is `None`; anything else goes into the value that is there, or into a fresh one. What is
/// neither list, map nor bytes where one of these is expected makes none.
impl<T: FromJson + Default> FromJson for Option<T> {
    fn decode(&mut self, decoder: &mut Decoder<'_>) -> Result<(), Aborted> {
        if decoder.kind() == Kind::Null {
            *self = None;
            return Ok(());
        }
        if self.is_none() && !decoder.memory.expect(T::default_bytes()) {
            return decoder.out_of_memory();
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

    fn field_mut(&mut self, index: usize) -> Option<&mut dyn FromJson> {
        self.get_or_insert_default().field_mut(index)
    }
}

impl<T: ToJson> ToJson for Option<T> {
    fn encode(&self, encoder: &mut Encoder<'_>) -> Result<(), Aborted> {
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

    fn field(&self, index: usize) -> Option<&dyn ToJson> {
        self.as_ref()?.field(index)
    }
}

/// As the value in it. std has no fallible way to make one, so that memory for it is only looked
/// for beforehand.
impl<T: FromJson> FromJson for Box<T> {
    fn decode(&mut self, decoder: &mut Decoder<'_>) -> Result<(), Aborted> {
        (**self).decode(decoder)
    }

    fn default_bytes() -> usize {
        size_of::<T>() + T::default_bytes()
    }

    fn files_mut(&mut self) -> Option<&mut Files> {
        (**self).files_mut()
    }

    fn shape() -> Shape {
        T::shape()
    }

    fn field_mut(&mut self, index: usize) -> Option<&mut dyn FromJson> {
        (**self).field_mut(index)
    }
}

// As what they point to.
macro_rules! encode_pointers {
    ($([$($generics:tt)*] $pointer:ty),*) => { $(
        impl<$($generics)*> ToJson for $pointer {
            #[inline]
            fn encode(&self, encoder: &mut Encoder<'_>) -> Result<(), Aborted> {
                (**self).encode(encoder)
            }

            fn is_empty(&self) -> bool {
                ToJson::is_empty(&**self)
            }

            fn files(&self) -> Option<&Files> {
                (**self).files()
            }

            fn field(&self, index: usize) -> Option<&dyn ToJson> {
                (**self).field(index)
            }
        }
    )* };
}

encode_pointers! { [T: ToJson + ?Sized] Box<T>, [T: ToJson + ?Sized] &T, [T: ToJson] Vec<T>, [] String }
