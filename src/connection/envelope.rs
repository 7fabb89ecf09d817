//! Reads the members of a message while it arrives.
//!
//! A [`Schema`] names the members that are read. An [`Envelope`] takes the message's tokens one by
//! one and stores these members' values, so that no byte is read twice. Names match in any case, as
//! in Go's `encoding/json`. Other members are ignored.

use std::mem;

use crate::error::Error;
use crate::json::{self, FromJson, Kind, Token, TypeError};
use crate::memory::{Allowance, Shortage, short_text};

/// The members that are read. There is at most one of each kind.
pub(crate) struct Schema {
    pub(crate) members: &'static [(&'static str, Member)],
    /// The usual beginning of a message, up to the value of the last member. Comparing its
    /// bytes is faster than reading its tokens. Empty if there is no usual beginning.
    pub(crate) prefix: &'static [Piece],
}

/// The type of a member, and which of its values is used if it occurs more than once.
#[derive(Clone, Copy)]
pub(crate) enum Member {
    /// A boolean. The last one is used. `null` changes nothing.
    Flag,
    /// A string. The last one is used. `null` changes nothing.
    Text,
    /// Any value. The last one is used, also if it is `null`.
    Last,
    /// Any value. All of them before the first `null` are used, in order: Go decodes them into the
    /// same variable.
    Merged,
}

/// A part of [`Schema::prefix`].
pub(crate) enum Piece {
    Literal(&'static [u8]),
    /// Any string without escapes: the value of the [`Member::Text`].
    SimpleText,
    /// No bytes. It means that the [`Member::Flag`] is true.
    SetFlag,
}

/// The members of the current message that were read so far.
pub(crate) struct Envelope {
    schema: &'static Schema,
    /// The member whose value is next or is being read.
    member: Option<(&'static str, Member)>,
    /// The offset of that value, if it is an array or an object.
    start: u64,
    /// The value of [`Member::Flag`]; `false` if there was none.
    pub(crate) flag: bool,
    /// The value of [`Member::Text`]; empty if there was none.
    pub(crate) text: String,
    /// The position of the last used value of [`Member::Last`] or [`Member::Merged`].
    pub(crate) value: Option<Token>,
    /// The positions of the used values of [`Member::Merged`] before that, in order.
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

    /// Checks that the message is an object and that its known members have the right types.
    ///
    /// # Errors
    /// [`Error::Malformed`] with the first value of a wrong type, or [`Error::OutOfMemory`].
    pub(crate) fn check(&self) -> Result<(), Error> {
        match &self.failure {
            Failure { is_short: true, .. } => Err(Shortage::System.into()),
            Failure { type_error: Some(type_error), .. } => {
                Err(Error::malformed(json::Error::Type(type_error.clone())))
            }
            _ => Ok(()),
        }
    }

    /// The positions of all used values of [`Member::Merged`], in order.
    pub(crate) fn values(&self) -> impl Iterator<Item = &Token> {
        self.earlier.iter().chain(&self.value)
    }

    /// Clears everything for the next message. Frees the memory of long members.
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
    /// `None` if the message has another beginning.
    pub(super) fn try_fast_prefix(&mut self, message: &[u8]) -> Option<usize> {
        let (mut rest, mut text, mut flag) = (message, "", false);
        if self.schema.prefix.is_empty() {
            return None;
        }
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

    /// Takes the next token. `depth` is the number of arrays and objects that are open after it.
    /// `message` is the received part of the message.
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

    /// The known member that has the name in `token`.
    fn find(&mut self, token: &Token, message: &[u8]) -> Option<(&'static str, Member)> {
        /// The longest spelling of a known name: eight times `\u0041` and two quotes.
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

    /// Takes the value at `place`, which is complete.
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

/// Why a message is refused.
#[derive(Default)]
struct Failure {
    type_error: Option<TypeError>,
    /// Whether there was no memory for a member.
    is_short: bool,
}

impl Failure {
    /// Decodes the value at `place` of the member `name`, or stores why that is not possible.
    fn store(&mut self, value: &mut impl FromJson, name: &str, place: &Token, message: &[u8]) {
        let mut memory = Allowance::unlimited();
        let decoded = json::decode_at(value, message, place, name, 1, &mut memory);
        self.is_short |= memory.is_short();
        // The tokenizer has accepted the text, so only a type error is possible.
        if let Err(json::Error::Type(mut type_error)) = decoded {
            // Observers and logs see this error, so it must not contain bytes of the peer.
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

/// Splits off the string at the beginning of `text`. Returns its content and the rest. `None` if
/// there is no string, or if it has escapes or invalid UTF-8.
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
        let (length, repeats) = if cfg!(miri) { (1 << 12, 1 << 6) } else { (1 << 20, 1 << 10) };
        let long = "a".repeat(length);
        let mut call = Envelope::new(&CALL);
        read(&mut call, &format!(r#"{{"method":"{long}"{}}}"#, r#","arg":1"#.repeat(repeats)));
        assert_eq!(call.text, long);
        assert_eq!(call.values().count(), 1);
        call.clear();
        assert!(call.text.capacity() <= 1 << 10);

        let mut reply = Envelope::new(&REPLY);
        read(&mut reply, &format!(r#"{{"err":"{long}"{}}}"#, r#","result":1"#.repeat(repeats)));
        assert_eq!(reply.text, long);
        assert_eq!(reply.values().count(), repeats);
        reply.clear();
        assert!(reply.text.capacity() <= 1 << 10 && reply.earlier.capacity() <= 4);
        assert_eq!(reply.values().count(), 0);
    }
}
