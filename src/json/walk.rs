//! Any value as tokens and back. Nothing here recurses: decoding, writing, cloning and comparing a
//! value of any depth needs little stack. All of them walk over tokens, and a builder takes the
//! tokens.

use std::{mem, slice};

use super::number::Number;
use super::value::{self, Object, Value};
use super::{Aborted, Decoder, Encoder, FromJson, Kind, ToJson, text};
use crate::memory::{Allowance, Buffer, Shortage};

/// The tokens of a value, in order, with their text.
struct Walk<'a> {
    next: Option<&'a Value>,
    /// The innermost open array or object, and those around it. Most values have only one.
    innermost: Option<Frame<'a>>,
    around: Vec<Frame<'a>>,
    memory: Allowance<'static>,
}

enum Frame<'a> {
    Array(slice::Iter<'a, Value>),
    Object(value::Iter<'a>),
}

impl<'a> Walk<'a> {
    fn new(value: &'a Value) -> Self {
        let memory = Allowance::unlimited();
        Walk { next: Some(value), innermost: None, around: Vec::new(), memory }
    }

    /// The first token of `value`. Inlined, as `next` is: loops over values are made of them. `None` if there is no memory to go into it.
    #[inline(always)]
    fn enter(&mut self, value: &'a Value) -> Option<(Kind, &'a str)> {
        Some(match value {
            Value::Null => (Kind::Null, "null"),
            Value::Bool(true) => (Kind::True, "true"),
            Value::Bool(false) => (Kind::False, "false"),
            Value::Number(number) => (Kind::Number, number.as_str()),
            Value::String(text) => (Kind::String, text),
            Value::Array(array) => {
                self.open(Frame::Array(array.iter()))?;
                (Kind::ArrayStart, "[")
            }
            Value::Object(object) => {
                self.open(Frame::Object(object.iter()))?;
                (Kind::ObjectStart, "{")
            }
        })
    }

    fn open(&mut self, frame: Frame<'a>) -> Option<()> {
        match self.innermost.replace(frame) {
            Some(around) => self.memory.push(&mut self.around, around).then_some(()),
            None => Some(()),
        }
    }

    /// Whether it reached the end.
    fn is_whole(&self) -> bool {
        !self.memory.is_short()
    }
}

impl<'a> Iterator for Walk<'a> {
    type Item = (Kind, &'a str);

    #[inline(always)]
    fn next(&mut self) -> Option<Self::Item> {
        if let Some(value) = self.next.take() {
            return self.enter(value);
        }
        let end = match self.innermost.as_mut()? {
            Frame::Array(elements) => match elements.next() {
                Some(value) => return self.enter(value),
                None => (Kind::ArrayEnd, "]"),
            },
            Frame::Object(members) => match members.next() {
                Some((name, value)) => {
                    self.next = Some(value);
                    return Some((Kind::Key, name));
                }
                None => (Kind::ObjectEnd, "}"),
            },
        };
        self.innermost = self.around.pop();
        Some(end)
    }
}

/// A value that is being built: the innermost open array or object, and those around it, outermost
/// first. The last member of an object is `null` until its value is complete.
#[derive(Default)]
struct Builder {
    innermost: Value,
    around: Vec<Value>,
}

impl Builder {
    /// Takes a token. Returns the complete value if this was its last token. `None` if there is no
    /// memory for it. `copy` copies the token's text.
    #[inline]
    fn take<'m>(
        &mut self,
        kind: Kind,
        memory: &mut Allowance<'m>,
        copy: impl FnOnce(&mut Allowance<'m>) -> Option<String>,
    ) -> Option<Built> {
        let value = match kind {
            Kind::Null => Value::Null,
            Kind::True | Kind::False => Value::Bool(kind == Kind::True),
            Kind::Number => Value::Number(Number::from_checked(copy(memory)?)),
            Kind::String => Value::String(copy(memory)?),
            Kind::ArrayEnd | Kind::ObjectEnd => self.close(memory)?,
            Kind::ArrayStart => return self.open(Value::Array(Vec::new()), memory),
            Kind::ObjectStart => return self.open(Value::Object(Object::new()), memory),
            Kind::Key => {
                let member = (copy(memory)?, Value::Null);
                let Value::Object(object) = &mut self.innermost else { return None };
                return memory.push(&mut object.members, member).then_some(Built::Part);
            }
        };
        match &mut self.innermost {
            Value::Array(array) => memory.push(array, value).then_some(Built::Part),
            Value::Object(object) => {
                object.members.last_mut()?.1 = value;
                Some(Built::Part)
            }
            _ => Some(Built::Whole(value)),
        }
    }

    fn open(&mut self, value: Value, memory: &mut Allowance<'_>) -> Option<Built> {
        let around = mem::replace(&mut self.innermost, value);
        let is_placed = around.is_null() || memory.push(&mut self.around, around);
        is_placed.then_some(Built::Part)
    }

    fn close(&mut self, memory: &mut Allowance<'_>) -> Option<Value> {
        let around = self.around.pop().unwrap_or_default();
        let mut value = mem::replace(&mut self.innermost, around);
        let is_settled = match &mut value {
            Value::Object(object) => object.sort_members(memory),
            _ => true,
        };
        is_settled.then_some(value)
    }
}

/// What a [`Builder`] has built.
enum Built {
    Part,
    Whole(Value),
}

/// # Panics
/// If there is no memory for the copy.
impl Clone for Value {
    fn clone(&self) -> Self {
        let (mut builder, mut memory) = (Builder::default(), Allowance::unlimited());
        for (kind, text) in Walk::new(self) {
            match builder.take(kind, &mut memory, |memory| memory.copy(text)) {
                Some(Built::Whole(value)) => return value,
                Some(Built::Part) => {}
                None => break,
            }
        }
        panic!("no memory for a copy of a value");
    }
}

/// # Panics
/// If there is no memory for the levels of the values.
impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        let (mut ours, mut theirs) = (Walk::new(self), Walk::new(other));
        let is_equal = ours.by_ref().eq(theirs.by_ref());
        assert!(ours.is_whole() && theirs.is_whole(), "no memory to compare values");
        is_equal
    }
}

impl Eq for Value {}

impl FromJson for Value {
    fn decode(&mut self, decoder: &mut Decoder<'_>) -> Result<(), Aborted> {
        if decoder.is_behind_value() {
            return decoder.refuse_second_reading();
        }
        let beginning = decoder.checkpoint();
        let mut builder = Builder::default();
        loop {
            let kind = decoder.kind();
            let (text, memory) = decoder.text_and_memory();
            match builder.take(kind, memory, |memory| memory.copy(text)) {
                Some(Built::Part) => {}
                Some(Built::Whole(value)) => {
                    *self = value;
                    decoder.end_value(beginning);
                    return Ok(());
                }
                None => {
                    decoder.rewind(beginning);
                    return decoder.out_of_memory();
                }
            }
            match (kind, &builder.innermost) {
                (Kind::Key, _) => decoder.member_value()?,
                (_, Value::Array(_)) => decoder.element().map(|_| ())?,
                _ => decoder.name().map(|_| ())?,
            }
        }
    }
}

impl ToJson for Value {
    fn encode(&self, encoder: &mut Encoder<'_>) -> Result<(), Aborted> {
        encoder.begin_value();
        let mut walk = Walk::new(self);
        for (kind, token) in walk.by_ref() {
            append_token(kind, token.as_bytes(), encoder.out);
        }
        // The comma behind it.
        encoder.out.cut(1);
        if walk.is_whole() { Ok(()) } else { Err(encoder.fail(Shortage::System.reason())) }
    }

    fn is_empty(&self) -> bool {
        matches!(self, Value::Null)
    }
}

/// Appends a token, with a comma behind each value and a colon behind a name. The end of an array or
/// object replaces the last comma in it.
#[inline(always)]
fn append_token(kind: Kind, token: &[u8], out: &mut Buffer) {
    match kind {
        Kind::String | Kind::Key => text::quote(token, out),
        Kind::Number => out.extend_from_slice(token),
        // Copies of constant length.
        Kind::Null => return out.extend_from_slice(b"null,"),
        Kind::True => return out.extend_from_slice(b"true,"),
        Kind::False => return out.extend_from_slice(b"false,"),
        Kind::ArrayStart | Kind::ObjectStart => return out.push(token[0]),
        Kind::ArrayEnd | Kind::ObjectEnd => {
            out.cut(usize::from(out.last() == Some(&b',')));
            out.push(token[0]);
        }
    }
    out.push(if kind == Kind::Key { b':' } else { b',' });
}
