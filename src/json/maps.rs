//! Maps as objects, and the types of their keys.

use std::any::type_name;
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use std::hash::{BuildHasher, Hash};

use super::error::snippet;
use super::from_json::Shape;
use super::{Aborted, Decoder, Encoder, FromJson, Kind, ToJson};
use super::{digits, text};
use crate::memory::{Allowance, Shortage, allocated, short_text};

/// A type that can be the key of a map: strings and integers.
pub trait MapKey: Sized {
    /// What [`from_key`](MapKey::from_key) accepts, for errors.
    const EXPECTED: &'static str;

    /// The key with this name. `None` if the name is not a key. It may allocate as many bytes as
    /// the name has.
    fn from_key(name: &str) -> Option<Self>;

    /// The name to write. Maps are written in the order of their names' bytes.
    fn to_key(&self) -> Cow<'_, str>;

    /// Like `from_key`. The outer `None` means that there is no memory.
    #[doc(hidden)]
    fn try_from_key(name: &str) -> Option<Option<Self>> {
        Some(Self::from_key(name))
    }

    /// Like `to_key`. `None` means that there is no memory.
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
    /// Checks that there is memory for one more entry, as far as std allows.
    fn reserve_one(&mut self, memory: &mut Allowance<'_>) -> bool;
    fn put(&mut self, key: K, value: V);
}

/// std cannot insert fallibly, so this only checks beforehand that there is memory for a node.
impl<K: Ord, V> Entries<K, V> for BTreeMap<K, V> {
    fn reserve_one(&mut self, memory: &mut Allowance<'_>) -> bool {
        /// In std's B-trees: the number of entries of a node, and the size of the rest of a node
        /// without pointers.
        const ENTRIES: usize = 11;
        const REST: usize = 16;
        let node = ENTRIES * size_of::<(K, V)>() + REST;
        // A node may be only half full, and about six nodes share a parent.
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
        // std's tables have a power of two of places. An eighth of them stays free, and each takes
        // one byte more.
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

/// For each entry that may need a node, it checks that there is memory before std allocates.
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

/// A map: entries are added. An existing entry starts again from its type's default. `null` empties
/// the map.
fn decode_map<K: MapKey, V: FromJson + Default, M: Entries<K, V>>(
    map: &mut M,
    clear: impl FnOnce(&mut M),
    decoder: &mut Decoder<'_>,
) -> Result<(), Aborted> {
    let on_null = || clear(map);
    let Some(start) = decoder.begin_nested(Kind::ObjectStart, "an object", on_null)? else {
        return Ok(());
    };
    while decoder.name()? {
        let name = decoder.raw();
        let key = decode_key(map, decoder)?;
        decoder.member_value()?;
        let segment = || key_path_segment(&text::string_snippet(name));
        match key {
            Some(key) => {
                let mut value = V::default();
                decoder.part(|decoder| value.decode(decoder), type_name::<V>, segment)?;
                map.put(key, value);
            }
            None => {
                decoder.skip()?;
                decoder.add_path_segment(segment);
            }
        }
    }
    decoder.end_nested(start);
    Ok(())
}

/// The key at which the decoder is, with memory for its entry. `None` if the name is not a key.
/// That is recorded as a type error.
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

/// The step in a path to the value of this key. The caller has shortened the key.
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
    match collect_entries(entries) {
        Some(entries) => encode_entries(entries, type_name::<V>, encoder),
        None => Err(encoder.fail(Shortage::System.reason())),
    }
}

/// A map's entries: the first eight bytes of the name, the name, the value. So sorting them seldom
/// has to look at the names. The value's type is erased, so that sorting is compiled once and not for
/// each type of map.
type NamedEntries<'a> = Vec<(u64, Cow<'a, str>, &'a dyn ToJson)>;

fn encode_entries(
    mut entries: NamedEntries<'_>,
    type_of_values: fn() -> &'static str,
    encoder: &mut Encoder<'_>,
) -> Result<(), Aborted> {
    entries.sort_unstable_by(|(a, name, _), (b, other, _)| (a, name).cmp(&(b, other)));
    encoder.begin_value();
    encoder.out.push(b'{');
    for (_, key, value) in entries {
        if encoder.out.last() != Some(&b'{') {
            encoder.out.push(b',');
        }
        text::quote(key.as_bytes(), encoder.out);
        encoder.out.push(b':');
        let segment = || key_path_segment(&snippet(key.as_bytes()));
        encoder.part(|encoder| value.encode(encoder), type_of_values, segment)?;
    }
    encoder.out.push(b'}');
    Ok(())
}

/// The entries with their names. `None` if there is no memory for them.
fn collect_entries<'a, K: MapKey + 'a, V: ToJson + 'a>(
    entries: impl Iterator<Item = (&'a K, &'a V)>,
) -> Option<NamedEntries<'a>> {
    let mut named = NamedEntries::new();
    if !Allowance::unlimited().reserve_exact(&mut named, entries.size_hint().0) {
        return None;
    }
    for (key, value) in entries {
        let name = key.try_to_key()?;
        let mut first = [0; 8];
        first.iter_mut().zip(name.bytes()).for_each(|(to, byte)| *to = byte);
        named.push((u64::from_be_bytes(first), name, value as &dyn ToJson));
    }
    Some(named)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: usize = 60_000;

    /// How many bytes were charged.
    fn charged(mut memory: Allowance<'_>) -> usize {
        let mut left = 0;
        while memory.charge(1) {
            left += 1;
        }
        ALL - left
    }

    #[test]
    fn a_hash_table_is_charged_with_what_it_allocates() {
        for entries in 1..100 {
            let (mut map, mut memory) = (HashMap::<u64, u64>::new(), Allowance::new(ALL, None));
            for key in 0..entries {
                assert!(map.reserve_one(&mut memory));
                map.put(key, 0);
            }
            // As many places as a power of two, each with a byte of its own, and a group of them.
            let places = (map.capacity() + 1).next_power_of_two();
            assert_eq!(charged(memory), places * 17 + 16, "{entries}");
        }
    }

    #[test]
    fn the_first_node_of_a_tree_is_charged_with_its_entries_its_parent_and_two_numbers() {
        let mut memory = Allowance::new(ALL, None);
        assert!(BTreeMap::<u64, u64>::new().reserve_one(&mut memory));
        assert_eq!(charged(memory), allocated(11 * 16 + 8 + 2 * 2));
    }
}
