//! Values of Go types from the trees in which the vectors describe them.

use std::collections::{BTreeMap, HashMap};

use urpc::Files;
use urpc::json::{Bytes, FromJson, Number, RawJson, ToJson, Value, from_slice, to_vec};

use crate::go_types::*;

/// A type of the vectors.
pub trait Go: FromJson + ToJson + Default + 'static {
    /// The value that a tree describes, if this type can hold it.
    fn from_tree(_tree: &Value) -> Option<Self> {
        None
    }

    /// The bytes that it holds, for those that hold some.
    fn content(&self) -> Option<Vec<u8>> {
        None
    }

    /// Its bits, for floats.
    fn bits(&self) -> Option<String> {
        None
    }
}

/// The one member of a tree's node: its kind and what is in it.
fn node(tree: &Value) -> Option<(&str, &Value)> {
    match tree {
        Value::Map(map) if map.len() == 1 => {
            map.iter().next().map(|(kind, value)| (kind.as_str(), value))
        }
        _ => None,
    }
}

fn under<'a>(tree: &'a Value, kind: &str) -> Option<&'a Value> {
    node(tree).filter(|(found, _)| *found == kind).map(|(_, value)| value)
}

/// The fields of a struct's node by their Go names.
pub fn fields(tree: &Value) -> Option<HashMap<&str, &Value>> {
    let Value::List(fields) = &tree["fields"] else { return None };
    fields.iter().map(|pair| Some((text(&pair[0])?, &pair[1]))).collect()
}

pub fn text(value: &Value) -> Option<&str> {
    match value {
        Value::String(text) => Some(text),
        _ => None,
    }
}

pub fn unhex(text: &str) -> Vec<u8> {
    let digit = |byte: u8| (byte as char).to_digit(16).expect("hex in the vectors") as u8;
    text.as_bytes().chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

macro_rules! integers {
    ($($int:ident $kind:literal)*) => { $(
        impl Go for $int {
            fn from_tree(tree: &Value) -> Option<Self> {
                text(under(tree, $kind)?)?.parse().ok()
            }
        }
    )* };
}

integers! {
    i8 "int" i16 "int" i32 "int" i64 "int" u8 "uint" u16 "uint" u32 "uint" u64 "uint"
}

impl Go for bool {
    fn from_tree(tree: &Value) -> Option<Self> {
        Some(*under(tree, "bool")? == from_slice(b"true").ok()?)
    }
}

impl Go for f64 {
    fn from_tree(tree: &Value) -> Option<Self> {
        u64::from_str_radix(text(under(tree, "f64")?)?, 16).ok().map(f64::from_bits)
    }

    fn bits(&self) -> Option<String> {
        Some(format!("{:016x}", self.to_bits()))
    }
}

impl Go for f32 {
    fn from_tree(tree: &Value) -> Option<Self> {
        u32::from_str_radix(text(under(tree, "f32")?)?, 16).ok().map(f32::from_bits)
    }

    fn bits(&self) -> Option<String> {
        Some(format!("{:08x}", self.to_bits()))
    }
}

impl Go for String {
    /// Rust's strings are UTF-8: what is not goes in as it would be decoded.
    fn from_tree(tree: &Value) -> Option<Self> {
        let mut quoted = vec![b'"'];
        for byte in unhex(text(under(tree, "str")?)?) {
            match byte {
                0..0x20 | b'"' | b'\\' => quoted.extend(format!("\\u{byte:04x}").bytes()),
                _ => quoted.push(byte),
            }
        }
        quoted.push(b'"');
        from_slice(&quoted).ok()
    }

    fn content(&self) -> Option<Vec<u8>> {
        Some(self.clone().into_bytes())
    }
}

impl Go for Bytes {
    fn from_tree(tree: &Value) -> Option<Self> {
        match under(tree, "bytes")? {
            Value::Null => Some(Bytes::default()),
            bytes => Some(Bytes(unhex(text(bytes)?))),
        }
    }

    fn content(&self) -> Option<Vec<u8>> {
        Some(self.0.clone())
    }
}

impl Go for RawJson {
    fn from_tree(tree: &Value) -> Option<Self> {
        match under(tree, "raw")? {
            Value::Null => Some(RawJson::default()),
            raw => Some(RawJson::new(unhex(text(raw)?))),
        }
    }

    fn content(&self) -> Option<Vec<u8>> {
        Some(self.as_bytes().to_vec())
    }
}

impl Go for Number {
    fn from_tree(tree: &Value) -> Option<Self> {
        match text(under(tree, "num")?)? {
            "" => Some(Number::default()),
            number => number.parse().ok(),
        }
    }

    fn content(&self) -> Option<Vec<u8>> {
        Some(if self == &Number::default() { Vec::new() } else { self.as_str().into() })
    }
}

impl Go for Nanos {
    fn from_tree(tree: &Value) -> Option<Self> {
        i64::from_tree(tree).map(Nanos)
    }
}

impl Go for Value {
    fn from_tree(tree: &Value) -> Option<Self> {
        let Some((kind, inner)) = node(tree) else {
            return if *tree == Value::Null { Some(Value::Null) } else { typed(tree) };
        };
        match kind {
            "bool" => encoded(bool::from_tree(tree)?),
            "int" => encoded(i64::from_tree(tree)?),
            "uint" => encoded(u64::from_tree(tree)?),
            "f64" => encoded(f64::from_tree(tree)?),
            "f32" => encoded(f32::from_tree(tree)?),
            "str" => encoded(String::from_tree(tree)?),
            "bytes" => encoded(Bytes::from_tree(tree)?),
            "raw" => encoded(RawJson::from_tree(tree)?),
            "num" => encoded(Number::from_tree(tree)?),
            "ptr" => Value::from_tree(inner),
            "list" => Option::<Vec<Value>>::from_tree(tree)?
                .map_or(Some(Value::Null), |list| Some(Value::List(list))),
            "map" => match Option::<BTreeMap<String, Value>>::from_tree(tree)? {
                Some(map) => Some(Value::Map(map)),
                None => Some(Value::Null),
            },
            "nest" => {
                let Value::Number(levels) = inner else { return None };
                let nest = |value, _| Value::List(vec![value]);
                Some((1..levels.parse().ok()?).fold(Value::List(Vec::new()), nest))
            }
            _ => None,
        }
    }
}

/// A struct behind an interface.
fn typed(tree: &Value) -> Option<Value> {
    match text(&tree["struct"])? {
        "Basic" => encoded(Basic::from_tree(tree)?),
        "Inner" => encoded(Inner::from_tree(tree)?),
        "" => encoded(Empty::from_tree(tree)?),
        _ => None,
    }
}

fn encoded<T: ToJson>(value: T) -> Option<Value> {
    from_slice(&to_vec(&value).ok()?).ok()
}

impl Go for AnyFloat {}

impl Go for FloatKey2 {}

/// So that a key needs no tree.
#[derive(Default)]
pub struct FloatKey2(Option<BTreeMap<FloatKey, String>>);

impl FromJson for FloatKey2 {
    fn decode(&mut self, decoder: &mut urpc::json::Decoder<'_>) -> Result<(), urpc::json::Stop> {
        self.0.decode(decoder)
    }
}

impl ToJson for FloatKey2 {
    fn encode(&self, encoder: &mut urpc::json::Encoder<'_>) -> Result<(), urpc::json::Stop> {
        self.0.encode(encoder)
    }
}

impl Go for Files {
    fn from_tree(_: &Value) -> Option<Self> {
        Some(Files::default())
    }
}

impl<T: Go> Go for Slot<T> {
    fn from_tree(tree: &Value) -> Option<Self> {
        T::from_tree(tree).map(Slot::Attached)
    }
}

impl<T: Go> Go for Vec<T> {
    fn from_tree(tree: &Value) -> Option<Self> {
        match under(tree, "list")? {
            Value::List(list) => list.iter().map(T::from_tree).collect(),
            _ => Some(Vec::new()),
        }
    }
}

impl<T: Go, const N: usize> Go for [T; N]
where
    [T; N]: Default,
{
    fn from_tree(tree: &Value) -> Option<Self> {
        Vec::from_tree(tree)?.try_into().ok()
    }
}

impl<K: Go + Ord + urpc::json::MapKey, V: Go> Go for BTreeMap<K, V> {
    fn from_tree(tree: &Value) -> Option<Self> {
        match under(tree, "map")? {
            Value::List(list) => list
                .iter()
                .map(|pair| Some((K::from_tree(&pair[0])?, V::from_tree(&pair[1])?)))
                .collect(),
            _ => Some(BTreeMap::new()),
        }
    }
}

/// A pointer, or what may be nil of itself.
impl<T: Go> Go for Option<T> {
    fn from_tree(tree: &Value) -> Option<Self> {
        match node(tree) {
            None if *tree == Value::Null => Some(None),
            Some(("ptr", inner)) => T::from_tree(inner).map(Some),
            Some((_, Value::Null)) => Some(None),
            _ => T::from_tree(tree).map(Some),
        }
    }

    fn content(&self) -> Option<Vec<u8>> {
        self.as_ref()?.content()
    }

    fn bits(&self) -> Option<String> {
        self.as_ref()?.bits()
    }
}

impl<T: Go> Go for Box<T> {
    fn from_tree(tree: &Value) -> Option<Self> {
        T::from_tree(tree).map(Box::new)
    }
}
