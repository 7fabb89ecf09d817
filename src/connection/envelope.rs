//! Reads the members of a message while it arrives.
//!
//! A [`Schema`] names the members that count. An [`Envelope`] takes the message's tokens one by one
//! and remembers the members' values, so that no byte is read twice. Names match in any case, as in
//! Go's `encoding/json`; other members are ignored.

use std::mem;

use crate::error::Error;
use crate::json::{self, FromJson, Kind, Token, TypeError};
use crate::memory::{Allowance, Shortage, short_text};

/// The members that count in a message. There is at most one of each kind.
pub(crate) struct Schema {
    pub(crate) members: &'static [(&'static str, Member)],
    /// How most messages begin, up to the value of the last member. It is compared as a whole, which
    /// is faster than token by token.
    pub(crate) prefix: &'static [Piece],
}

/// What a member holds, and which value counts if it occurs more than once.
#[derive(Clone, Copy)]
pub(crate) enum Member {
    /// A boolean: the last one. `null` changes nothing.
    Flag,
    /// A string: the last one. `null` changes nothing.
    Text,
    /// Any value: the last one, `null` too.
    Last,
    /// Any value: all of them up to the first `null`. Go decodes them into one value, one after
    /// another.
    Merged,
}

/// A part of [`Schema::prefix`].
pub(crate) enum Piece {
    Literal(&'static [u8]),
    /// Any string without escapes: the value of the [`Member::Text`].
    SimpleText,
    /// Nothing in the message: the [`Member::Flag`] is true.
    SetFlag,
}

/// What is known of the present message.
pub(crate) struct Envelope {
    schema: &'static Schema,
    /// The member whose value is due or being read.
    member: Option<(&'static str, Member)>,
    /// Where that value begins, if it is an array or an object.
    start: u64,
    /// The value of [`Member::Flag`]; `false` if there was none.
    pub(crate) flag: bool,
    /// The value of [`Member::Text`]; empty if there was none.
    pub(crate) text: String,
    /// The place of the last value of [`Member::Last`] or [`Member::Merged`] that counts.
    pub(crate) value: Option<Token>,
    /// The places of those of [`Member::Merged`] before that, in order.
    earlier: Vec<Token>,
    /// Whether a `null` has ended [`Member::Merged`].
    is_ended: bool,
    failure: Failure,
}

impl Envelope {
    pub(crate) fn new(schema: &'static Schema) -> Envelope {
        Envelope {
            schema,
            member: None,
            start: 0,
            flag: false,
            text: String::new(),
            value: None,
            earlier: Vec::new(),
            is_ended: false,
            failure: Failure::default(),
        }
    }

    /// Tells whether the message is an object whose known members are of the right kinds.
    ///
    /// # Errors
    /// [`Error::Malformed`] with the first value of a wrong kind, or [`Error::OutOfMemory`].
    pub(crate) fn check(&self) -> Result<(), Error> {
        match &self.failure {
            Failure { is_short: true, .. } => Err(Shortage::System.into()),
            Failure { type_error: Some(type_error), .. } => {
                Err(Error::Malformed(json::Error::Type(type_error.clone())))
            }
            _ => Ok(()),
        }
    }

    /// The places of all values of [`Member::Merged`] that count, in order.
    pub(crate) fn values(&self) -> impl Iterator<Item = &Token> {
        self.earlier.iter().chain(&self.value)
    }

    /// Makes ready for the next message. The memory of long messages is given up.
    pub(super) fn clear(&mut self) {
        let fresh = Envelope::new(self.schema);
        let Envelope { mut text, mut earlier, .. } = mem::replace(self, fresh);
        if text.capacity() <= 1 << 10 {
            text.clear();
            self.text = text;
        }
        if earlier.capacity() <= 4 {
            earlier.clear();
            self.earlier = earlier;
        }
    }

    /// Compares the message's beginning with [`Schema::prefix`]. Returns the prefix's length, or
    /// `None` if the message begins otherwise.
    pub(super) fn try_fast_prefix(&mut self, message: &[u8]) -> Option<usize> {
        let (mut rest, mut text, mut flag) = (message, "", false);
        for piece in self.schema.prefix {
            match piece {
                Piece::Literal(literal) => rest = rest.strip_prefix(*literal)?,
                Piece::SimpleText => (text, rest) = split_simple_string(rest)?,
                Piece::SetFlag => flag = true,
            }
        }
        self.flag = flag;
        self.failure.is_short |= !Allowance::unlimited().set(&mut self.text, text);
        self.member = self.schema.members.last().copied();
        Some(message.len() - rest.len())
    }

    /// Takes the next token. `depth` is the number of arrays and objects that are open behind it,
    /// and `message` what has come of the message so far.
    pub(super) fn token(&mut self, token: &Token, depth: usize, message: &[u8]) {
        match (token.kind, depth) {
            (Kind::Key, 1) => self.member = self.find(token, message),
            (Kind::ObjectStart, 1) | (Kind::ObjectEnd | Kind::ArrayEnd | Kind::Null, 0) => {}
            (Kind::ArrayStart, 1) => self.failure.refuse(token, "an array"),
            (_, 0) => self.failure.refuse(token, "another value"),
            (Kind::ObjectStart | Kind::ArrayStart, 2) => self.start = token.start,
            (Kind::ObjectEnd | Kind::ArrayEnd, 1) => {
                self.end_value(&Token { start: self.start, ..*token }, message);
            }
            (_, 1) => self.end_value(token, message),
            _ => {}
        }
    }

    /// The known member whose name `token` is.
    fn find(&mut self, token: &Token, message: &[u8]) -> Option<(&'static str, Member)> {
        /// No name is longer, however it is written: eight times `\u0041` and quotes.
        const LONGEST: usize = 50;
        let raw = &message[token.range()];
        if raw.len() > LONGEST {
            return None;
        }
        let name = json::unquote(raw, token.is_simple);
        self.failure.is_short |= name.is_none();
        let members = self.schema.members;
        json::find_name(members.iter().map(|(name, _)| *name), &name?).map(|index| members[index])
    }

    /// Takes the whole value at `place`.
    fn end_value(&mut self, place: &Token, message: &[u8]) {
        match self.member.take() {
            Some((name, Member::Flag)) => {
                self.failure.store(&mut self.flag, name, place, message);
            }
            Some((name, Member::Text)) => {
                self.failure.store(&mut self.text, name, place, message);
            }
            Some((_, Member::Last)) => self.value = Some(*place),
            Some((_, Member::Merged)) => self.merge(place),
            None => {}
        }
    }

    fn merge(&mut self, place: &Token) {
        self.is_ended |= place.kind == Kind::Null;
        if self.is_ended {
            return;
        }
        if let Some(earlier) = self.value.replace(*place) {
            self.failure.is_short |= !Allowance::unlimited().push(&mut self.earlier, earlier);
        }
    }
}

/// Why a message is no envelope.
#[derive(Default)]
struct Failure {
    type_error: Option<TypeError>,
    /// Whether there was no memory for a part of it.
    is_short: bool,
}

impl Failure {
    /// Decodes the value at `place` of the member `name`, or notes why that is not possible.
    fn store(&mut self, value: &mut impl FromJson, name: &str, place: &Token, message: &[u8]) {
        let mut memory = Allowance::unlimited();
        let decoded = json::decode_at(value, message, place, name, 1, &mut memory);
        self.is_short |= memory.is_short();
        // The tokenizer has accepted the text, so there is no other error.
        if let Err(json::Error::Type(mut type_error)) = decoded {
            // Observers and logs see this error, so it must not quote what the peer sent.
            match place.kind {
                Kind::String => type_error.found = short_text(format_args!("a string")),
                Kind::Number => type_error.found = short_text(format_args!("a number")),
                _ => {}
            }
            self.type_error.get_or_insert(type_error);
        }
    }

    fn refuse(&mut self, token: &Token, found: &str) {
        self.type_error.get_or_insert_with(|| TypeError {
            path: String::new(),
            offset: token.start,
            expected: "an object".into(),
            found: found.to_owned(),
        });
    }
}

/// The text of a string at the front, if it is valid and without escapes, and what is behind.
fn split_simple_string(text: &[u8]) -> Option<(&str, &[u8])> {
    let inside = text.strip_prefix(b"\"")?;
    let (name, rest) = inside.split_at(json::simple_length(inside));
    Some((std::str::from_utf8(name).ok()?, rest.strip_prefix(b"\"")?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::{CALL, REPLY};
    use crate::json::Tokenizer;

    fn read(envelope: &mut Envelope, text: &str) {
        let (mut tokenizer, mut rest) = (Tokenizer::new(), text.as_bytes());
        while let Some(token) = tokenizer.next(&mut rest).unwrap() {
            envelope.token(&token, tokenizer.depth(), text.as_bytes());
        }
        envelope.check().unwrap();
    }

    #[test]
    fn an_envelope_keeps_no_more_of_a_long_message_than_of_a_short_one() {
        let long = "a".repeat(1 << 20);
        let mut call = Envelope::new(&CALL);
        read(&mut call, &format!(r#"{{"method":"{long}"{}}}"#, r#","arg":1"#.repeat(1 << 10)));
        assert_eq!(call.text, long);
        assert_eq!(call.values().count(), 1);
        call.clear();
        assert!(call.text.capacity() <= 1 << 10);

        let mut reply = Envelope::new(&REPLY);
        read(&mut reply, &format!(r#"{{"err":"{long}"{}}}"#, r#","result":1"#.repeat(1 << 10)));
        assert_eq!(reply.text, long);
        assert_eq!(reply.values().count(), 1 << 10);
        reply.clear();
        assert!(reply.text.capacity() <= 1 << 10 && reply.earlier.capacity() <= 4);
        assert_eq!(reply.values().count(), 0);
    }
}
