//! Any value. Nothing here recurses: decoding, writing, dropping, cloning, comparing and printing
//! take every depth on any stack, because all of them are a walk over tokens and a builder that
//! takes them.

use std::collections::{BTreeMap, btree_map};
use std::{fmt, mem, slice};

use super::encode::append_token;
use super::number::Number;
use super::{Decoder, Encoder, FromJson, Kind, Stop, ToJson, text};

/// Any JSON value. What is in a list or map is taken out of it with [`mem::take`].
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
    List(Vec<Value>),
    /// An object.
    Map(BTreeMap<String, Value>),
}

impl Value {
    fn move_parts(&mut self, to: &mut Vec<Value>) {
        match self {
            Value::List(list) if to.is_empty() => mem::swap(to, list),
            Value::List(list) => to.append(list),
            Value::Map(map) => to.extend(mem::take(map).into_values()),
            _ => {}
        }
    }
}

/// Each part is emptied before it goes.
impl Drop for Value {
    fn drop(&mut self) {
        let mut parts = Vec::new();
        self.move_parts(&mut parts);
        while let Some(mut part) = parts.pop() {
            part.move_parts(&mut parts);
        }
    }
}

/// A value as its tokens, in order, with their text.
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

    fn enter(&mut self, value: &'a Value) -> (Kind, &'a str) {
        match value {
            Value::Null => (Kind::Null, "null"),
            Value::Bool(true) => (Kind::True, "true"),
            Value::Bool(false) => (Kind::False, "false"),
            Value::Number(number) => (Kind::Number, number.as_str()),
            Value::String(text) => (Kind::String, text),
            Value::List(list) => {
                self.open.push(Frame::List(list.iter()));
                (Kind::ListStart, "[")
            }
            Value::Map(map) => {
                self.open.push(Frame::Map(map.iter()));
                (Kind::ObjectStart, "{")
            }
        }
    }
}

impl<'a> Iterator for Walk<'a> {
    type Item = (Kind, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(value) = self.next.take() {
            return Some(self.enter(value));
        }
        let end = match self.open.last_mut()? {
            Frame::List(elements) => match elements.next() {
                Some(value) => return Some(self.enter(value)),
                None => (Kind::ListEnd, "]"),
            },
            Frame::Map(members) => match members.next() {
                Some((name, value)) => {
                    self.next = Some(value);
                    return Some((Kind::Key, name));
                }
                None => (Kind::ObjectEnd, "}"),
            },
        };
        self.open.pop();
        Some(end)
    }
}

/// A value in the making: the lists and maps that are open, outermost first, and the names that
/// wait for their values.
#[derive(Default)]
struct Builder {
    open: Vec<Value>,
    names: Vec<String>,
}

impl Builder {
    /// Takes a token, and returns the whole value if that was its last one.
    fn take(&mut self, kind: Kind, text: &str) -> Option<Value> {
        let value = match kind {
            Kind::Null => Value::Null,
            Kind::True | Kind::False => Value::Bool(kind == Kind::True),
            Kind::Number => Value::Number(Number::from_checked(text)),
            Kind::String => Value::String(text.to_owned()),
            Kind::ListEnd | Kind::ObjectEnd => self.open.pop()?,
            Kind::ListStart => {
                self.open.push(Value::List(Vec::new()));
                return None;
            }
            Kind::ObjectStart => {
                self.open.push(Value::Map(BTreeMap::new()));
                return None;
            }
            Kind::Key => {
                self.names.push(text.to_owned());
                return None;
            }
        };
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
        Walk::new(self).find_map(|(kind, text)| builder.take(kind, text)).unwrap_or_default()
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
            let kind = decoder.kind();
            if let Some(value) = builder.take(kind, decoder.token_text()) {
                *self = value;
                return Ok(());
            }
            match (kind, builder.open.last()) {
                (Kind::Key, _) => decoder.named_value()?,
                (_, Some(Value::List(_))) => decoder.element().map(|_| ())?,
                _ => decoder.name().map(|_| ())?,
            }
        }
    }
}

impl ToJson for Value {
    fn encode(&self, encoder: &mut Encoder<'_>) -> Result<(), Stop> {
        let start = encoder.out.len();
        for (kind, token) in Walk::new(self) {
            append_token(kind, token.as_bytes(), text::quote, start, encoder.out);
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
