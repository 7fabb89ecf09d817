//! The decoder's grammar: it goes forward from token to token.
//!
//! The decoder has the complete text, so it need not keep a state between chunks. The types say
//! what may come next. So it reads strings, numbers and names at once, with the same scanners as
//! the tokenizer.

use super::super::error::Aborted;
use super::super::token::{Kind, is_white_space};
use super::super::tokenizer::{MAX_DEPTH, Tokenizer};
use super::super::{digits, text};
use super::Decoder;

/// Where a value begins: see [`Decoder::checkpoint`].
pub(in crate::json) struct Checkpoint {
    kind: Kind,
    start: usize,
    end: usize,
    depth: usize,
}

/// The result of [`Decoder::member`].
pub(in crate::json) enum MemberEvent {
    /// The value of the expected member.
    Expected,
    /// Another name.
    Name,
    /// The end of the object.
    End,
}

impl<'a> Decoder<'a> {
    /// Goes to the first token of the next value.
    #[inline(never)]
    pub(in crate::json) fn value(&mut self) -> Result<(), Aborted> {
        match self.peek()? {
            b'"' => self.string(Kind::String),
            b'-' | b'0'..=b'9' => self.number(),
            b'{' => self.open_level(Kind::ObjectStart),
            b'[' => self.open_level(Kind::ArrayStart),
            b't' => self.literal(Kind::True),
            b'f' => self.literal(Kind::False),
            b'n' => self.literal(Kind::Null),
            _ => self.abort(),
        }
    }

    /// Goes to the next element of the current array. `false` at its end.
    #[inline]
    pub(in crate::json) fn element(&mut self) -> Result<bool, Aborted> {
        if self.at_end(Kind::ArrayStart, Kind::ArrayEnd, b']')? {
            return Ok(false);
        }
        self.value().map(|()| true)
    }

    /// Goes to the end of the current array or object, or to the place after the comma before its
    /// next part.
    #[inline(always)]
    fn at_end(&mut self, start: Kind, end: Kind, bracket: u8) -> Result<bool, Aborted> {
        let is_first = self.kind == start;
        match self.peek()? {
            b',' if !is_first => self.end += 1,
            byte if byte == bracket => {
                self.depth = self.depth.saturating_sub(1);
                self.token(end, 1);
                return Ok(true);
            }
            _ if is_first => {}
            _ => return self.abort(),
        }
        Ok(false)
    }

    /// Goes to the next name in the current object. `false` at its end.
    pub(in crate::json) fn name(&mut self) -> Result<bool, Aborted> {
        Ok(!matches!(self.member(b"")?, MemberEvent::End))
    }

    /// Goes from a name to its value.
    #[inline]
    pub(in crate::json) fn member_value(&mut self) -> Result<(), Aborted> {
        if self.peek()? != b':' {
            return self.abort();
        }
        self.end += 1;
        self.value()
    }

    /// Goes to the next name. If that name with quotes and colon is `expected`, goes to its value.
    #[inline]
    pub(in crate::json) fn member(&mut self, expected: &[u8]) -> Result<MemberEvent, Aborted> {
        if self.at_end(Kind::ObjectStart, Kind::ObjectEnd, b'}')? {
            return Ok(MemberEvent::End);
        }
        if !expected.is_empty() && self.text[self.end..].starts_with(expected) {
            self.end += expected.len();
            return self.value().map(|()| MemberEvent::Expected);
        }
        if self.peek()? != b'"' {
            return self.abort();
        }
        self.string(Kind::Key).map(|()| MemberEvent::Name)
    }

    /// The next byte that is not white space.
    #[inline(always)]
    pub(super) fn peek(&mut self) -> Result<u8, Aborted> {
        loop {
            match self.text.get(self.end) {
                Some(&byte) if is_white_space(byte) => self.end += 1,
                Some(&byte) => return Ok(byte),
                None => return self.abort(),
            }
        }
    }

    #[cold]
    fn abort<T>(&mut self) -> Result<T, Aborted> {
        self.aborted = true;
        Err(Aborted(()))
    }

    #[inline(always)]
    fn token(&mut self, kind: Kind, length: usize) {
        self.kind = kind;
        self.start = self.end;
        self.end += length;
    }

    fn open_level(&mut self, kind: Kind) -> Result<(), Aborted> {
        if self.depth == MAX_DEPTH {
            return self.abort();
        }
        self.depth += 1;
        self.token(kind, 1);
        Ok(())
    }

    #[inline]
    fn literal(&mut self, kind: Kind) -> Result<(), Aborted> {
        let word = kind.literal_text();
        if !self.text[self.end..].starts_with(word) {
            return self.abort();
        }
        self.token(kind, word.len());
        Ok(())
    }

    #[inline(never)]
    fn number(&mut self) -> Result<(), Aborted> {
        let Some(parts) = digits::scan(&self.text[self.end..]) else {
            return self.abort();
        };
        let digits::Parts { whole, fraction, end } = parts;
        let begin = self.end;
        self.token(Kind::Number, end);
        self.number =
            digits::Parts { whole: begin + whole, fraction: begin + fraction, end: self.end };
        Ok(())
    }

    #[inline(never)]
    fn string(&mut self, kind: Kind) -> Result<(), Aborted> {
        let inner = &self.text[self.end + 1..];
        let simple = text::find::<text::Special>(inner);
        if inner.get(simple) != Some(&b'"') {
            return self.escaped_string(kind, simple);
        }
        self.simple_string(kind, simple);
        Ok(())
    }

    /// Takes a string of `length` bytes without escapes.
    #[inline]
    pub(in crate::json) fn simple_string(&mut self, kind: Kind, length: usize) {
        let start = self.end + 1;
        self.string = self.valid_text(start, start + length);
        self.token(kind, length + 2);
        if self.string.is_none() {
            self.mend_string(start, length);
        }
    }

    /// The same for bytes that are not UTF-8.
    #[cold]
    #[inline(never)]
    fn mend_string(&mut self, start: usize, length: usize) {
        let bytes = self.text.get(start..start + length).unwrap_or_default();
        let text = text::replace_invalid(bytes, &mut self.memory);
        self.unescaped_text(text);
    }

    /// Takes the text of a string, if there is memory for it.
    #[inline]
    fn unescaped_text(&mut self, text: Option<String>) {
        self.string = None;
        match text {
            Some(text) => self.unescaped = text,
            None => {
                self.string = Some("");
                self.remember(self.memory.shortage().expected().into(), Decoder::describe);
            }
        }
    }

    /// This part of the text, if it is UTF-8. It checks more than this part, because strings are
    /// short and std's check is slow to start.
    #[inline]
    fn valid_text(&mut self, start: usize, end: usize) -> Option<&'a str> {
        if end > self.valid_from + self.valid.len() {
            self.validate_ahead(start, end);
        }
        self.valid.get(start.checked_sub(self.valid_from)?..end - self.valid_from)
    }

    #[inline(never)]
    fn validate_ahead(&mut self, start: usize, end: usize) {
        const AHEAD: usize = 1024;
        let mut until = self.text.len().min(end.max(start + AHEAD));
        // To end inside a character would mean to check the part twice.
        for _ in 0..3 {
            let is_inside = self.text.get(until).is_some_and(|byte| byte & 0xc0 == 0x80);
            until -= usize::from(is_inside && until > end);
        }
        let part = &self.text[start..until];
        self.valid_from = start;
        self.valid = std::str::from_utf8(part)
            .or_else(|error| std::str::from_utf8(&part[..error.valid_up_to()]))
            .unwrap_or_default();
    }

    /// The same for a string in which at most `simple` bytes at the front stand for themselves.
    #[inline(never)]
    fn escaped_string(&mut self, kind: Kind, simple: usize) -> Result<(), Aborted> {
        let inner = &self.text[self.end + 1..];
        let Some(length) = text::closing_quote(inner, simple) else { return self.abort() };
        let inner = &inner[..length];
        let mut bytes = std::mem::take(&mut self.unescaped).into_bytes();
        bytes.clear();
        let has_room = self.memory.reserve_exact(&mut bytes, text::unescaped_room(inner));
        if has_room && text::unescape(inner, &mut bytes).is_none() {
            return self.abort();
        }
        let text = if has_room { text::to_utf8_lossy(bytes, &mut self.memory) } else { None };
        self.token(kind, inner.len() + 2);
        self.unescaped_text(text);
        Ok(())
    }

    /// Takes the whole text for one token. Text that begins as a number is treated as a number
    /// token, since Go reads more forms of numbers in strings. Empty text is treated as an empty
    /// number token, which every type rejects.
    pub(in crate::json) fn as_single_token(&mut self) {
        if self.value().is_err() || self.start > 0 || self.end < self.text.len() {
            let is_number = matches!(self.text.first(), Some(b'-' | b'0'..=b'9'));
            self.end = 0;
            self.token(Kind::Number, if is_number { self.text.len() } else { 0 });
            // Another form than in JSON is no integer and no decimal: it ends before it begins.
            let end = if digits::is_integer(self.text) { self.end } else { usize::MAX };
            self.number = digits::Parts { whole: end, fraction: end, end };
        }
    }

    /// Goes to the end of the current value and checks its grammar. Call it at the value's first
    /// token.
    ///
    /// # Errors
    /// [`Aborted`]: the text is malformed there, or ends too early.
    pub fn skip(&mut self) -> Result<(), Aborted> {
        if matches!(self.kind, Kind::ArrayStart | Kind::ObjectStart) {
            let start = self.start;
            let mut rest = &self.text[start..];
            self.depth = self.depth.saturating_sub(1);
            let Some(last) = Tokenizer::skip(self.depth, &mut rest) else { return self.abort() };
            self.end = self.text.len() - rest.len() - 1;
            self.token(last, 1);
            self.value_start = start;
        }
        Ok(())
    }

    /// Goes to the end of the value, and returns the value's bytes: all of them, also if part of
    /// the value was read.
    ///
    /// ```
    /// use urpc::json::{Aborted, Decoder, FromJson, from_str};
    ///
    /// /// How many bytes of JSON a value has.
    /// #[derive(Debug, Default, PartialEq)]
    /// struct Size(usize);
    ///
    /// impl FromJson for Size {
    ///     fn decode(&mut self, decoder: &mut Decoder<'_>) -> Result<(), Aborted> {
    ///         self.0 = decoder.raw_value()?.len();
    ///         Ok(())
    ///     }
    /// }
    ///
    /// assert_eq!(from_str::<Vec<Size>>(r#"["ab", {"c":1}]"#), Ok(vec![Size(4), Size(7)]));
    /// ```
    ///
    /// # Errors
    /// [`Aborted`], as [`skip`](Decoder::skip).
    pub fn raw_value(&mut self) -> Result<&'a [u8], Aborted> {
        self.skip()?;
        Ok(self.text.get(self.place()..self.end).unwrap_or_default())
    }

    /// The token at which it stands, the first one of a value, to [go back](Decoder::rewind) to.
    pub(in crate::json) fn checkpoint(&self) -> Checkpoint {
        Checkpoint { kind: self.kind, start: self.start, end: self.end, depth: self.depth }
    }

    /// Records that the value which began at that token was read to its end.
    pub(in crate::json) fn end_value(&mut self, began: Checkpoint) {
        self.value_start = began.start;
    }

    /// Goes back to the first token of a value that is not read after all.
    #[cold]
    pub(in crate::json) fn rewind(&mut self, to: Checkpoint) {
        (self.kind, self.start, self.end, self.depth) = (to.kind, to.start, to.end, to.depth);
    }
}
