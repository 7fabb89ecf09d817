//! Any value. Nothing here recurses: decoding, writing, dropping, cloning, comparing and printing take every
//! depth on any stack, because all of them are a walk over events and a builder that takes them.

use std::collections::{BTreeMap, btree_map};
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::slice;

use super::number::Number;
use super::{Decoder, Encoder, FromJson, Kind, Stop, ToJson};

/// Any JSON value.
///
/// ```
/// use urpc::json::Value;
///
/// let value: Value = urpc::json::from_str(r#"{"b": [1.50, null], "a": true}"#)?;
/// assert_eq!(value["b"][0], Value::Number("1.50".parse().unwrap()));
/// assert_eq!(value["missing"], Value::Null);
/// assert_eq!(value.to_string(), r#"{"a":true,"b":[1.50,null]}"#);
/// # Ok::<(), urpc::json::Error>(())
/// ```
#[derive(Default)]
pub enum Value {
    /// `null`
    #[default]
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number, exactly.
    Number(Number),
    /// A string.
    String(String),
    /// A list.
    List(List),
    /// An object.
    Map(Map),
}

/// The elements of a [`Value::List`], as a `Vec`.
#[derive(Default)]
pub struct List(Vec<Value>);

/// The members of a [`Value::Map`], as a `BTreeMap`.
#[derive(Default)]
pub struct Map(BTreeMap<String, Value>);

macro_rules! wrapper {
    ($name:ident, $inner:ty) => {
        impl $name {
            /// The collection itself.
            pub fn into_inner(mut self) -> $inner {
                std::mem::take(&mut self.0)
            }
        }

        impl Deref for $name {
            type Target = $inner;

            fn deref(&self) -> &$inner {
                &self.0
            }
        }

        impl DerefMut for $name {
            fn deref_mut(&mut self) -> &mut $inner {
                &mut self.0
            }
        }

        impl From<$inner> for $name {
            fn from(inner: $inner) -> Self {
                $name(inner)
            }
        }

        impl From<$inner> for Value {
            fn from(inner: $inner) -> Self {
                Value::$name($name(inner))
            }
        }
    };
}

wrapper!(List, Vec<Value>);
wrapper!(Map, BTreeMap<String, Value>);

impl Drop for List {
    fn drop(&mut self) {
        drop_flat(std::mem::take(&mut self.0));
    }
}

impl Drop for Map {
    fn drop(&mut self) {
        drop_flat(std::mem::take(&mut self.0).into_values().collect());
    }
}

/// Drops values level by level: each is emptied before it goes.
fn drop_flat(mut values: Vec<Value>) {
    while let Some(value) = values.pop() {
        match value {
            Value::List(mut list) => values.append(&mut list.0),
            Value::Map(mut map) => values.extend(std::mem::take(&mut map.0).into_values()),
            _ => {}
        }
    }
}

/// One step of a walk over a value.
#[derive(Debug, PartialEq)]
enum Event<'a> {
    Null,
    Bool(bool),
    Number(&'a Number),
    String(&'a str),
    Key(&'a str),
    List,
    ListEnd,
    Map,
    MapEnd,
}

/// A value as events, in order.
struct Walk<'a> {
    next: Option<&'a Value>,
    open: Vec<Frame<'a>>,
}

enum Frame<'a> {
    List(slice::Iter<'a, Value>),
    Map(btree_map::Iter<'a, String, Value>),
}

impl<'a> Walk<'a> {
    fn new(value: &'a Value) -> Self {
        Walk { next: Some(value), open: Vec::new() }
    }

    fn enter(&mut self, value: &'a Value) -> Event<'a> {
        match value {
            Value::Null => Event::Null,
            Value::Bool(value) => Event::Bool(*value),
            Value::Number(number) => Event::Number(number),
            Value::String(text) => Event::String(text),
            Value::List(list) => {
                self.open.push(Frame::List(list.iter()));
                Event::List
            }
            Value::Map(map) => {
                self.open.push(Frame::Map(map.iter()));
                Event::Map
            }
        }
    }

    fn leave(&mut self, end: Event<'a>) -> Option<Event<'a>> {
        self.open.pop();
        Some(end)
    }
}

impl<'a> Iterator for Walk<'a> {
    type Item = Event<'a>;

    fn next(&mut self) -> Option<Event<'a>> {
        if let Some(value) = self.next.take() {
            return Some(self.enter(value));
        }
        match self.open.last_mut()? {
            Frame::List(elements) => match elements.next() {
                Some(value) => Some(self.enter(value)),
                None => self.leave(Event::ListEnd),
            },
            Frame::Map(members) => match members.next() {
                Some((key, value)) => {
                    self.next = Some(value);
                    Some(Event::Key(key))
                }
                None => self.leave(Event::MapEnd),
            },
        }
    }
}

/// A value in the making: the lists and maps that are open, outermost first, and the names that wait for
/// their values.
#[derive(Default)]
struct Builder {
    open: Vec<Value>,
    names: Vec<String>,
}

// Each returns the whole value once it is.
impl Builder {
    fn begin(&mut self, value: Value) -> Option<Value> {
        self.open.push(value);
        None
    }

    fn name(&mut self, name: &str) -> Option<Value> {
        self.names.push(name.to_owned());
        None
    }

    /// Ends the innermost open value.
    fn end(&mut self) -> Option<Value> {
        let value = self.open.pop()?;
        self.put(value)
    }

    /// Puts a whole value into the innermost open one.
    fn put(&mut self, value: Value) -> Option<Value> {
        match self.open.last_mut() {
            Some(Value::List(list)) => list.push(value),
            Some(Value::Map(map)) => {
                map.insert(self.names.pop().unwrap_or_default(), value);
            }
            _ => return Some(value),
        }
        None
    }
}

impl Clone for Value {
    fn clone(&self) -> Self {
        let mut builder = Builder::default();
        for event in Walk::new(self) {
            let whole = match event {
                Event::List => builder.begin(Value::List(List::default())),
                Event::Map => builder.begin(Value::Map(Map::default())),
                Event::Key(key) => builder.name(key),
                Event::ListEnd | Event::MapEnd => builder.end(),
                Event::Null => builder.put(Value::Null),
                Event::Bool(value) => builder.put(Value::Bool(value)),
                Event::Number(number) => builder.put(Value::Number(number.clone())),
                Event::String(text) => builder.put(Value::String(text.to_owned())),
            };
            if let Some(value) = whole {
                return value;
            }
        }
        Value::Null
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        Walk::new(self).eq(Walk::new(other))
    }
}

impl Eq for Value {}

impl FromJson for Value {
    fn decode(&mut self, decoder: &mut Decoder<'_>) -> Result<(), Stop> {
        let mut builder = Builder::default();
        loop {
            let whole = match decoder.kind() {
                Kind::ListStart => builder.begin(Value::List(List::default())),
                Kind::ObjectStart => builder.begin(Value::Map(Map::default())),
                Kind::Key => builder.name(decoder.text()),
                Kind::ListEnd | Kind::ObjectEnd => builder.end(),
                Kind::Null => builder.put(Value::Null),
                Kind::True | Kind::False => builder.put(Value::Bool(decoder.kind() == Kind::True)),
                Kind::Number => builder.put(Value::Number(Number::from_checked(decoder.raw()))),
                Kind::String => builder.put(Value::String(decoder.text().to_owned())),
            };
            if let Some(value) = whole {
                *self = value;
                return Ok(());
            }
            match (decoder.kind(), builder.open.last()) {
                (Kind::Key, _) => decoder.named_value()?,
                (_, Some(Value::List(_))) => decoder.element().map(|_| ())?,
                _ => decoder.name().map(|_| ())?,
            }
        }
    }
}

impl ToJson for Value {
    fn encode(&self, encoder: &mut Encoder<'_>) -> Result<(), Stop> {
        let mut after_key = true;
        for event in Walk::new(self) {
            if !after_key && !matches!(event, Event::ListEnd | Event::MapEnd) {
                encoder.separate();
            }
            after_key = matches!(event, Event::Key(_));
            match event {
                Event::Null => ().encode(encoder)?,
                Event::Bool(value) => value.encode(encoder)?,
                Event::Number(number) => number.encode(encoder)?,
                Event::String(text) => encoder.string(text),
                Event::Key(key) => {
                    encoder.string(key);
                    encoder.out.push(b':');
                }
                Event::List => encoder.out.push(b'['),
                Event::ListEnd => encoder.out.push(b']'),
                Event::Map => encoder.out.push(b'{'),
                Event::MapEnd => encoder.out.push(b'}'),
            }
        }
        Ok(())
    }

    fn is_empty(&self) -> bool {
        matches!(self, Value::Null)
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&super::to_string(self).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl fmt::Debug for Map {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

static NULL: Value = Value::Null;

impl std::ops::Index<&str> for Value {
    type Output = Value;

    /// The member of that name; `null` if there is none, or no object.
    fn index(&self, name: &str) -> &Value {
        match self {
            Value::Map(map) => map.get(name).unwrap_or(&NULL),
            _ => &NULL,
        }
    }
}

impl std::ops::Index<usize> for Value {
    type Output = Value;

    /// That element; `null` if there is none, or no list.
    fn index(&self, index: usize) -> &Value {
        match self {
            Value::List(list) => list.get(index).unwrap_or(&NULL),
            _ => &NULL,
        }
    }
}
