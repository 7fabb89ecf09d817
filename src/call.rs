//! The two envelopes of the wire: a call and its reply.
//!
//! `{"method":"Type.Name","arg":…}` goes one way, `{"success":…,"err":"…","result":…}` the other,
//! members in that order, no white space, nothing behind. A reader takes any order, folds the case
//! of names as Go does, ignores members that it does not know, and lets the last of several win.
//! [`CallReader`] and [`ReplyReader`] see a message's tokens while it arrives and remember where
//! its parts lie, so nothing is looked at twice; what the parts mean is left to those who hold
//! their types.

use std::fmt::{self, Display, Write};
use std::mem;

use crate::connection::Envelope;
use crate::error::Error;
use crate::json::{self, FromJson, Kind, ToJson, Token, TypeError};
use crate::limits::Limits;
use crate::memory::{Allowance, Buffer, Shortage, short_text};

/// What the wire says of more files than a side takes or sends, to the letter.
pub(crate) const TOO_MANY_FILES: &str = "too many files";
/// What the wire says of a method that the server does not have, to the letter.
pub(crate) const UNKNOWN_METHOD: &str = "unknown method";

/// How a call begins, what stands between its method's name and its argument, and how a reply to a
/// call that succeeded begins: as all peers write them, though a reader takes any order.
const CALL_PREFIX: &[u8] = br#"{"method":"#;
const ARG_INFIX: &[u8] = br#","arg":"#;
const SUCCESS_PREFIX: &[u8] = br#"{"success":true,"err":"","result":"#;

/// Writes a call into `out`, replacing what is there; `arg` writes the argument.
///
/// # Errors
/// What `arg` gives; then nothing must be sent.
pub(crate) fn write_call(
    out: &mut Buffer,
    method: &str,
    arg: impl FnOnce(&mut Buffer) -> Result<(), json::Error>,
) -> Result<(), Error> {
    out.clear();
    out.extend_from_slice(CALL_PREFIX);
    let written = json::append(method, out).and_then(|()| {
        out.extend_from_slice(ARG_INFIX);
        arg(out)
    });
    out.push(b'}');
    out.check()?;
    written.map_err(Error::Argument)
}

/// Writes a reply that carries a result.
///
/// # Errors
/// What the result's encoding gives; then nothing must be sent.
pub(crate) fn write_success(
    out: &mut Buffer,
    result: &(impl ToJson + ?Sized),
) -> Result<(), json::Error> {
    out.clear();
    out.extend_from_slice(SUCCESS_PREFIX);
    json::append(result, out)?;
    out.push(b'}');
    json::check_room(out)
}

/// Writes a reply that carries an error's text, or if there is no memory for that, says so.
///
/// # Errors
/// There is none for that either.
pub(crate) fn write_failure(out: &mut Buffer, error: &dyn Display) -> Result<(), Error> {
    let written = try_write_failure(out, error);
    written.or_else(|shortage| try_write_failure(out, &Error::from(shortage))).map_err(Error::from)
}

fn try_write_failure(out: &mut Buffer, error: &dyn Display) -> Result<(), Shortage> {
    out.clear();
    out.extend_from_slice(br#"{"success":false,"err":""#);
    // Writing does not fail, and an error that cannot be displayed ends where it fails.
    let _ = write!(Escaping(out), "{error}");
    out.extend_from_slice(br#"","result":null}"#);
    out.check()
}

/// Writes text as the inside of a JSON string.
struct Escaping<'o>(&'o mut Buffer);

impl Write for Escaping<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        json::escape(text, self.0);
        Ok(())
    }
}

/// Reads the envelope of a call.
#[derive(Default)]
pub(crate) struct CallReader {
    members: MemberReader,
    method: String,
    arg: Option<Token>,
}

impl CallReader {
    const NAMES: &[&str] = &["method", "arg"];

    /// The method's name, empty if there was none, and where the argument lies in the message.
    ///
    /// # Errors
    /// The message is no call.
    pub(crate) fn finish(&self) -> Result<(&str, Option<Token>), Error> {
        self.members.check()?;
        Ok((&self.method, self.arg))
    }
}

impl Envelope for CallReader {
    fn clear(&mut self) {
        self.members.clear();
        clear_and_shrink(&mut self.method);
        self.arg = None;
    }

    fn try_fast_prefix(&mut self, text: &[u8]) -> usize {
        let Some((name, rest)) = text.strip_prefix(CALL_PREFIX).and_then(split_simple_string)
        else {
            return 0;
        };
        if !rest.starts_with(ARG_INFIX) {
            return 0;
        }
        self.members.is_short |= !Allowance::unlimited().set(&mut self.method, name);
        self.members.member = CallReader::NAMES.iter().position(|name| *name == "arg");
        text.len() - rest.len() + ARG_INFIX.len()
    }

    fn token(&mut self, token: &Token, depth: usize, text: &[u8]) {
        match self.members.token(token, depth, text, CallReader::NAMES) {
            Some((0, place)) => self.members.store(&mut self.method, text, &place, "method"),
            Some((_, place)) => self.arg = Some(place),
            None => {}
        }
    }
}

/// Reads the envelope of a reply.
#[derive(Default)]
pub(crate) struct ReplyReader {
    members: MemberReader,
    success: bool,
    error: String,
    /// Where each `result` lies that counts: a repeated one is merged into the first. After a
    /// `null` result later results are ignored (Go's semantics).
    results: Vec<Token>,
    result_is_null: bool,
}

impl ReplyReader {
    const NAMES: &[&str] = &["success", "err", "result"];

    /// Whether the message is a reply.
    ///
    /// # Errors
    /// It is none, or there was no memory for it.
    pub(crate) fn finish(&self) -> Result<(), Error> {
        self.members.check()
    }

    /// The remote error's text, taken out, if the call failed.
    pub(crate) fn take_error(&mut self) -> Option<String> {
        if self.success { None } else { Some(mem::take(&mut self.error)) }
    }

    /// Decodes the result, if there is any, into `value`. `text` is the message.
    ///
    /// # Errors
    /// The type error, the path beginning with `result`; all that fits was stored.
    pub(crate) fn decode_result(
        &self,
        value: &mut (impl FromJson + ?Sized),
        text: &[u8],
        limits: &Limits,
    ) -> Result<(), json::Error> {
        let mut memory = Allowance::new(limits.decoded_bytes, None);
        let mut decoded = Ok(());
        for place in &self.results {
            let depth = limits.typed_depth;
            let next = json::decode_at(value, text, place, "result", depth, &mut memory);
            decoded = decoded.and(next);
        }
        decoded
    }

    /// Where the last result lies.
    pub(crate) fn last_result(&self) -> Option<Token> {
        self.results.last().copied()
    }
}

impl Envelope for ReplyReader {
    fn clear(&mut self) {
        self.members.clear();
        self.success = false;
        clear_and_shrink(&mut self.error);
        if self.results.capacity() > 4 {
            self.results = Vec::new();
        }
        self.results.clear();
        self.result_is_null = false;
    }

    fn try_fast_prefix(&mut self, text: &[u8]) -> usize {
        if !text.starts_with(SUCCESS_PREFIX) {
            return 0;
        }
        self.success = true;
        self.members.member = ReplyReader::NAMES.iter().position(|name| *name == "result");
        SUCCESS_PREFIX.len()
    }

    fn token(&mut self, token: &Token, depth: usize, text: &[u8]) {
        match self.members.token(token, depth, text, ReplyReader::NAMES) {
            Some((0, place)) => self.members.store(&mut self.success, text, &place, "success"),
            Some((1, place)) => self.members.store(&mut self.error, text, &place, "err"),
            Some((_, place)) => {
                self.result_is_null |= place.kind == Kind::Null;
                if !self.result_is_null {
                    self.members.is_short |= !Allowance::unlimited().push(&mut self.results, place);
                }
            }
            None => {}
        }
    }
}

/// Empties a text and keeps its memory, unless a peer made it uncommonly long.
fn clear_and_shrink(text: &mut String) {
    if text.capacity() > 1 << 10 {
        *text = String::new();
    }
    text.clear();
}

/// The text of a string at the front, if it is valid and without escapes, and what is behind.
fn split_simple_string(text: &[u8]) -> Option<(&str, &[u8])> {
    let inside = text.strip_prefix(b"\"")?;
    let (name, rest) = inside.split_at(json::simple_length(inside));
    Some((std::str::from_utf8(name).ok()?, rest.strip_prefix(b"\"")?))
}

/// Follows the tokens of an object and tells where its known members' values lie.
#[derive(Default)]
struct MemberReader {
    /// Which known member's value comes or is being read.
    member: Option<usize>,
    start: u64,
    type_error: Option<TypeError>,
    /// Whether there was no memory for some part.
    is_short: bool,
}

impl MemberReader {
    fn clear(&mut self) {
        *self = MemberReader::default();
    }

    /// Takes a token; gives the index in `names` of a value that it completes, and the token
    /// stretched over the whole of it.
    fn token(
        &mut self,
        token: &Token,
        depth: usize,
        text: &[u8],
        names: &[&str],
    ) -> Option<(usize, Token)> {
        match (token.kind, depth) {
            (Kind::Key, 1) => {
                self.member = self.find(&text[token.range()], token.is_simple, names);
                return None;
            }
            (Kind::ObjectStart, 1) => return None,
            (Kind::ArrayStart, 1) => self.refuse(token, "an array"),
            (Kind::ObjectEnd | Kind::ArrayEnd, 0) | (Kind::Null, 0) => return None,
            (_, 0) => self.refuse(token, "another value"),
            (Kind::ObjectStart | Kind::ArrayStart, 2) => self.start = token.start,
            (Kind::ObjectEnd | Kind::ArrayEnd, 1) => {
                let whole = Token { start: self.start, ..*token };
                return self.member.take().map(|member| (member, whole));
            }
            (_, 1) => return self.member.take().map(|member| (member, *token)),
            _ => {}
        }
        None
    }

    fn find(&mut self, raw: &[u8], plain: bool, names: &[&str]) -> Option<usize> {
        /// No name is longer, however it is written: eight times `\\u0041` and quotes.
        const LONGEST: usize = 50;
        if raw.len() > LONGEST {
            return None;
        }
        let name = json::unquote(raw, plain);
        self.is_short |= name.is_none();
        json::find_name(names.iter().copied(), &name?)
    }

    /// Decodes a member of the envelope itself.
    fn store(&mut self, value: &mut impl FromJson, text: &[u8], place: &Token, name: &'static str) {
        let mut memory = Allowance::unlimited();
        let decoded = json::decode_at(value, text, place, name, 1, &mut memory);
        self.is_short |= memory.is_short();
        // The tokenizer has seen the text, so no other error can be.
        if let Err(json::Error::Type(mut type_error)) = decoded {
            // Observers and logs see this error: nothing of what the peer said is in it.
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
            expected: "an object",
            found: found.to_owned(),
        });
    }

    fn check(&self) -> Result<(), Error> {
        match &self.type_error {
            _ if self.is_short => Err(Shortage::System.into()),
            Some(type_error) => Err(Error::Malformed(json::Error::Type(type_error.clone()))),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Tokenizer;

    fn read(reader: &mut impl Envelope, text: &str) {
        let (mut tokenizer, mut rest) = (Tokenizer::new(), text.as_bytes());
        while let Some(token) = tokenizer.next(&mut rest).unwrap() {
            reader.token(&token, tokenizer.depth(), text.as_bytes());
        }
    }

    #[test]
    fn a_reader_keeps_no_more_of_a_long_message_than_of_a_short_one() {
        let long = "a".repeat(1 << 20);
        let mut calls = CallReader::default();
        read(&mut calls, &format!(r#"{{"method":"{long}"}}"#));
        assert_eq!(calls.finish().unwrap().0, long);
        calls.clear();
        assert!(calls.method.capacity() <= 1 << 10);

        let mut replies = ReplyReader::default();
        read(&mut replies, &format!(r#"{{"err":"{long}"{}}}"#, r#","result":1"#.repeat(1 << 10)));
        replies.finish().unwrap();
        assert_eq!(replies.take_error().as_ref(), Some(&long));
        replies.clear();
        assert!(replies.error.capacity() <= 1 << 10 && replies.results.capacity() <= 4);
    }
}
