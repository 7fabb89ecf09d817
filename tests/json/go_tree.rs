//! Values of Go types from the trees in which the vectors describe them.

use std::collections::{BTreeMap, HashMap};

use urpc::Files;
use urpc::json::{Bytes, FromJson, MapKey, Number, RawJson, ToJson, Value, from_slice, to_vec};

use crate::go_names::GoType;
use crate::go_types::*;

/// A value of one of the types of the vectors.
pub trait GoValue: FromJson + ToJson {
    /// The content, for a type that holds bytes.
    fn content(&self) -> Option<Vec<u8>> {
        None
    }

    /// The bits, for a float.
    fn bits(&self) -> Option<String> {
        None
    }
}

/// A type of the vectors.
pub trait Go: GoValue + Default + Sized + 'static {
    /// The value that a tree describes.
    fn from_tree(tree: &Value) -> Result<Self, NoValue>;
}

/// Why a tree has no value.
#[derive(Debug)]
pub enum NoValue {
    /// The crate's type cannot hold such a value. Go does not write it.
    Refused,
    /// The tree does not describe a value of this type.
    Foreign(String),
}

/// A value of any of the types, made from a tree.
pub type Made = Result<Box<dyn GoValue>, NoValue>;

pub fn foreign(tree: &Value) -> NoValue {
    NoValue::Foreign(format!("{tree:.200}"))
}

/// The only member of a tree's node: the name of the kind, and the content.
fn node(tree: &Value) -> Option<(&str, &Value)> {
    match tree {
        Value::Object(map) if map.len() == 1 => {
            map.iter().next().map(|(kind, value)| (kind.as_str(), value))
        }
        _ => None,
    }
}

fn under<'a>(tree: &'a Value, kind: &str) -> Result<&'a Value, NoValue> {
    let found = node(tree).filter(|(found, _)| *found == kind);
    found.map(|(_, value)| value).ok_or_else(|| foreign(tree))
}

/// The text in a node of that kind.
fn text_under<'a>(tree: &'a Value, kind: &str) -> Result<&'a str, NoValue> {
    text(under(tree, kind)?).ok_or_else(|| foreign(tree))
}

/// Like [`text_under`], and reads the text as a number.
fn parsed<T>(tree: &Value, kind: &str, read: fn(&str) -> Option<T>) -> Result<T, NoValue> {
    read(text_under(tree, kind)?).ok_or_else(|| foreign(tree))
}

/// The elements in a node of that kind. Empty for nil.
fn elements<'a>(tree: &'a Value, kind: &str) -> Result<&'a [Value], NoValue> {
    match under(tree, kind)? {
        Value::Array(list) => Ok(list),
        Value::Null => Ok(&[]),
        _ => Err(foreign(tree)),
    }
}

/// The fields of a struct's node by their Go names.
pub fn fields(tree: &Value) -> Result<HashMap<&str, &Value>, NoValue> {
    let Value::Array(fields) = &tree["fields"] else { return Err(foreign(tree)) };
    let field = |pair: &'_ Value| text(&pair[0]).map(|_| ()).ok_or_else(|| foreign(tree));
    fields.iter().try_for_each(field)?;
    Ok(fields.iter().filter_map(|pair| Some((text(&pair[0])?, &pair[1]))).collect())
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

/// Types that hold neither bytes nor bits.
macro_rules! plain {
    ($($type:ty),* $(,)?) => { $( impl GoValue for $type {} )* };
}

macro_rules! integers {
    ($($int:ident $kind:literal)*) => { $(
        plain! { $int }

        impl Go for $int {
            fn from_tree(tree: &Value) -> Result<Self, NoValue> {
                parsed(tree, $kind, |text| text.parse().ok())
            }
        }
    )* };
}

integers! {
    i8 "int" i16 "int" i32 "int" i64 "int" u8 "uint" u16 "uint" u32 "uint" u64 "uint"
}

plain! { bool, Nanos, Any, FloatKeys, Files, Unfillable, Slot }

impl Go for bool {
    fn from_tree(tree: &Value) -> Result<Self, NoValue> {
        match under(tree, "bool")? {
            Value::Bool(value) => Ok(*value),
            _ => Err(foreign(tree)),
        }
    }
}

macro_rules! floats {
    ($($float:ident $kind:literal $bits:ident $digits:literal)*) => { $(
        impl GoValue for $float {
            fn bits(&self) -> Option<String> {
                Some(format!($digits, self.to_bits()))
            }
        }

        impl Go for $float {
            fn from_tree(tree: &Value) -> Result<Self, NoValue> {
                parsed(tree, $kind, |text| $bits::from_str_radix(text, 16).ok())
                    .map($float::from_bits)
            }
        }
    )* };
}

floats! { f32 "f32" u32 "{:08x}" f64 "f64" u64 "{:016x}" }

impl GoValue for String {
    fn content(&self) -> Option<Vec<u8>> {
        Some(self.clone().into_bytes())
    }
}

impl Go for String {
    /// Rust's strings are UTF-8. Invalid bytes become what decoding makes of them.
    fn from_tree(tree: &Value) -> Result<Self, NoValue> {
        let mut quoted = vec![b'"'];
        for byte in unhex(text_under(tree, "str")?) {
            match byte {
                0..0x20 | b'"' | b'\\' => quoted.extend(format!("\\u{byte:04x}").bytes()),
                _ => quoted.push(byte),
            }
        }
        quoted.push(b'"');
        from_slice(&quoted).map_err(|_| foreign(tree))
    }
}

impl GoValue for Bytes {
    fn content(&self) -> Option<Vec<u8>> {
        Some(self.0.clone())
    }
}

impl Go for Bytes {
    fn from_tree(tree: &Value) -> Result<Self, NoValue> {
        if let Ok(list) = Vec::from_tree(tree) {
            return Ok(Bytes(list)); // of a named type
        }
        match under(tree, "bytes")? {
            Value::Null => Ok(Bytes::default()),
            _ => Ok(Bytes(unhex(text_under(tree, "bytes")?))),
        }
    }
}

impl GoValue for RawJson {
    fn content(&self) -> Option<Vec<u8>> {
        Some(self.as_bytes().to_vec())
    }
}

impl Go for RawJson {
    fn from_tree(tree: &Value) -> Result<Self, NoValue> {
        match under(tree, "raw")? {
            Value::Null => Ok(RawJson::default()),
            _ => Ok(RawJson::new(unhex(text_under(tree, "raw")?))),
        }
    }
}

impl GoValue for Number {
    fn content(&self) -> Option<Vec<u8>> {
        Some(if self == &Number::default() { Vec::new() } else { self.as_str().into() })
    }
}

impl Go for Number {
    fn from_tree(tree: &Value) -> Result<Self, NoValue> {
        match text_under(tree, "num")? {
            "" => Ok(Number::default()),
            number => number.parse().map_err(|_| NoValue::Refused),
        }
    }
}

impl Go for Nanos {
    fn from_tree(tree: &Value) -> Result<Self, NoValue> {
        i64::from_tree(tree).map(Nanos)
    }
}

impl Go for Any {
    /// The value in an interface names its own type.
    fn from_tree(tree: &Value) -> Result<Self, NoValue> {
        let Some((kind, inner)) = node(tree) else {
            return match tree {
                Value::Null => Ok(Any::Decoded(Value::Null)),
                _ => in_interface(tree),
            };
        };
        match kind {
            "bool" => written(&bool::from_tree(tree)?),
            "int" => written(&i64::from_tree(tree)?),
            "uint" => written(&u64::from_tree(tree)?),
            "f64" => written(&f64::from_tree(tree)?),
            "f32" => written(&f32::from_tree(tree)?),
            "str" => written(&String::from_tree(tree)?),
            "bytes" => written(&Option::<Bytes>::from_tree(tree)?),
            "raw" => written(&RawJson::from_tree(tree)?),
            "num" => written(&Number::from_tree(tree)?),
            "ptr" => Any::from_tree(inner),
            "list" => written(&Option::<Vec<Any>>::from_tree(tree)?),
            "map" => written(&Option::<BTreeMap<String, Any>>::from_tree(tree)?),
            "nest" => {
                let Value::Number(levels) = inner else { return Err(foreign(tree)) };
                let levels = levels.parse::<usize>().map_err(|_| foreign(tree))?;
                let nest = |value, _| Value::Array(vec![value]);
                Ok(Any::Decoded((1..levels).fold(Value::Array(Vec::new()), nest)))
            }
            _ => Err(foreign(tree)),
        }
    }
}

/// A struct in an interface.
fn in_interface(tree: &Value) -> Result<Any, NoValue> {
    let name = match text(&tree["struct"]).ok_or_else(|| foreign(tree))? {
        "" => "Empty",
        name => name,
    };
    let named = GoType::named(&format!("struct:{name}")).ok_or_else(|| foreign(tree))?;
    written(&*(named.from_tree)(tree)?)
}

fn written<T: ToJson + ?Sized>(value: &T) -> Result<Any, NoValue> {
    to_vec(value).map(Any::Written).map_err(|_| NoValue::Refused)
}

/// No tree describes a value of this type.
impl Go for FloatKeys {
    fn from_tree(tree: &Value) -> Result<Self, NoValue> {
        Err(foreign(tree))
    }
}

/// Files are never on the wire.
impl Go for Files {
    fn from_tree(_: &Value) -> Result<Self, NoValue> {
        Ok(Files::default())
    }
}

impl Go for Unfillable {
    fn from_tree(tree: &Value) -> Result<Self, NoValue> {
        if *tree == Value::Null { Ok(Unfillable) } else { Err(foreign(tree)) }
    }
}

impl Go for Slot {
    fn from_tree(tree: &Value) -> Result<Self, NoValue> {
        Any::from_tree(tree).map(Slot::Detached)
    }
}

impl<T: Go> GoValue for Vec<T> {}

impl<T: Go> Go for Vec<T> {
    fn from_tree(tree: &Value) -> Result<Self, NoValue> {
        elements(tree, "list")?.iter().map(T::from_tree).collect()
    }
}

impl<T: Go, const N: usize> GoValue for [T; N] where [T; N]: Default {}

impl<T: Go, const N: usize> Go for [T; N]
where
    [T; N]: Default,
{
    fn from_tree(tree: &Value) -> Result<Self, NoValue> {
        Vec::from_tree(tree)?.try_into().map_err(|_| foreign(tree))
    }
}

impl<K: Go + Ord + MapKey, V: Go> GoValue for BTreeMap<K, V> {}

impl<K: Go + Ord + MapKey, V: Go> Go for BTreeMap<K, V> {
    fn from_tree(tree: &Value) -> Result<Self, NoValue> {
        // An insert for each entry compiles much faster than a `collect`, which sorts first.
        let mut map = BTreeMap::new();
        for pair in elements(tree, "map")? {
            map.insert(K::from_tree(&pair[0])?, V::from_tree(&pair[1])?);
        }
        Ok(map)
    }
}

impl<T: Go> GoValue for Option<T> {
    fn content(&self) -> Option<Vec<u8>> {
        self.as_ref()?.content()
    }

    fn bits(&self) -> Option<String> {
        self.as_ref()?.bits()
    }
}

/// A pointer, or a type with a nil of its own.
impl<T: Go> Go for Option<T> {
    fn from_tree(tree: &Value) -> Result<Self, NoValue> {
        match node(tree) {
            None if *tree == Value::Null => Ok(None),
            Some(("ptr", inner)) => T::from_tree(inner).map(Some),
            Some((_, Value::Null)) => Ok(None),
            _ => T::from_tree(tree).map(Some),
        }
    }
}

impl<T: Go> GoValue for Box<T> {}

impl<T: Go> Go for Box<T> {
    fn from_tree(tree: &Value) -> Result<Self, NoValue> {
        T::from_tree(tree).map(Box::new)
    }
}
