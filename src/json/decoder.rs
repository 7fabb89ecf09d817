//! The decoder: one walk over a whole text, straight on.
//!
//! Where a text is there whole, nothing has to be left and taken up again, and what may come is
//! known from the types: so strings, numbers and names are read at once, with the scanners that the
//! tokenizer has too. What the decoder cannot read, the [`Tokenizer`] is shown from the beginning;
//! it alone says what is wrong and where.

use super::decode::{Aborted, DecodeOptions, FromJson};
use super::digits::{self, parse_last_integer};
use super::error::{Error, SyntaxError, TypeError, path_from, snippet};
use super::text;
use super::token::{Kind, is_white_space};
use super::tokenizer::{MAX_DEPTH, Tokenizer};
use crate::memory::{Allowance, short_text};

/// A cursor over JSON text, positioned on one token; what [`FromJson`](super::FromJson)
/// implementations read from. `decode` is entered at a value's first token and returns at its last.
pub struct Decoder<'a> {
    text: &'a [u8],
    /// The token that it stands at: what it is and where it lies.
    kind: Kind,
    start: usize,
    end: usize,
    /// Whether that is a number without fraction and exponent.
    is_integer: bool,
    /// The text of a string or name; `None` if it is in `unescaped`.
    string: Option<&'a str>,
    unescaped: String,
    /// A part of the text that is known to be UTF-8, and where it begins.
    valid: &'a str,
    valid_from: usize,
    /// How many arrays and objects are open.
    depth: usize,
    /// Sticky: set by the first syntax error, even if an impl swallowed it.
    aborted: bool,
    typed_depth: usize,
    typed_limit: usize,
    /// Where the last value begins that did not fit; `usize::MAX` while there is none.
    refused: usize,
    /// What may be allocated.
    pub(super) memory: Allowance<'a>,
    /// The first type error, its path still growing.
    type_error: Option<TypeError>,
    /// The typed depth that its path has grown to; `usize::MAX` while there is none.
    type_error_depth: usize,
}

/// Where a value begins: see [`Decoder::checkpoint`].
pub(super) struct Checkpoint {
    kind: Kind,
    start: usize,
    end: usize,
    depth: usize,
}

/// What [`Decoder::member`] came to.
pub(super) enum MemberEvent {
    /// The value of the member that was expected.
    Expected,
    /// Some name.
    Name,
    /// The end of the object.
    End,
}

impl<'a> Decoder<'a> {
    pub(super) fn new(text: &'a [u8], typed_limit: usize, memory: Allowance<'a>) -> Self {
        Decoder {
            text,
            kind: Kind::Null,
            start: 0,
            end: 0,
            is_integer: false,
            string: None,
            unescaped: String::new(),
            valid: "",
            valid_from: 0,
            depth: 0,
            aborted: false,
            typed_depth: 0,
            typed_limit,
            refused: usize::MAX,
            memory,
            type_error: None,
            type_error_depth: usize::MAX,
        }
    }

    /// The kind of the token that it stands at.
    #[inline(always)]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The token's bytes, a string's with its quotes.
    #[inline(always)]
    pub fn raw(&self) -> &'a [u8] {
        self.text.get(self.start..self.end).unwrap_or_default()
    }

    /// The number that it stands at, if it is an integer and fits.
    #[inline(always)]
    pub(super) fn integer<T: TryFrom<i64> + TryFrom<u64>>(&self) -> Option<T> {
        if !self.is_integer {
            return None;
        }
        parse_last_integer(self.text.get(..self.end)?, self.end - self.start)
    }

    /// The text of a number, string or name.
    pub(super) fn token_text(&self) -> &str {
        match self.kind {
            Kind::Number => std::str::from_utf8(self.raw()).unwrap_or_default(),
            _ => self.text(),
        }
    }

    /// The text of a string or a name: escapes resolved, U+FFFD for each byte that is not UTF-8.
    #[inline]
    pub fn text(&self) -> &str {
        self.string.unwrap_or(&self.unescaped)
    }

    /// Puts that text into `target`, whose memory is used again; what [`text`](Decoder::text) says
    /// is then no longer known. Memory that has grown for a much longer text stays here. `false` if
    /// there is no memory for it.
    #[inline]
    pub(super) fn string_into(&mut self, target: &mut String) -> bool {
        let text = self.string.unwrap_or(&self.unescaped);
        if self.string.is_none() && self.unescaped.capacity() / 4 <= text.len() {
            std::mem::swap(target, &mut self.unescaped);
            return true;
        }
        self.memory.set(target, text)
    }

    /// The text of a number, string or name, and what a copy of it may take.
    #[inline]
    pub(super) fn text_and_memory(&mut self) -> (&str, &mut Allowance<'a>) {
        let text = match self.kind {
            Kind::Number => {
                let number = self.text.get(self.start..self.end).unwrap_or_default();
                std::str::from_utf8(number).unwrap_or_default()
            }
            _ => self.string.unwrap_or(&self.unescaped),
        };
        (text, &mut self.memory)
    }

    /// Makes `bytes` have the room that `needed` gives for the text's length, if there is memory
    /// for it.
    pub(super) fn reserve_for_text(
        &mut self,
        bytes: &mut Vec<u8>,
        needed: impl FnOnce(usize) -> usize,
    ) -> bool {
        let length = self.text().len();
        self.memory.reserve_exact(bytes, needed(length))
    }

    /// Goes to the first token of the value that comes next.
    #[inline(never)]
    pub(super) fn value(&mut self) -> Result<(), Aborted> {
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

    /// Goes to the next element of the array that it is in; `false` at its end.
    #[inline]
    pub(super) fn element(&mut self) -> Result<bool, Aborted> {
        if self.at_end(Kind::ArrayStart, Kind::ArrayEnd, b']')? {
            return Ok(false);
        }
        self.value().map(|()| true)
    }

    /// Goes to the end of the array or object that it is in, or behind the comma before its next
    /// part.
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

    /// Goes to the next name in the object that it is in; `false` at its end.
    pub(super) fn name(&mut self) -> Result<bool, Aborted> {
        Ok(!matches!(self.member(b"")?, MemberEvent::End))
    }

    /// Goes from a name to its value.
    #[inline]
    pub(super) fn member_value(&mut self) -> Result<(), Aborted> {
        if self.peek()? != b':' {
            return self.abort();
        }
        self.end += 1;
        self.value()
    }

    /// Goes to the next name, or to the value behind it if that name with quotes and colon is
    /// `expected`.
    #[inline]
    pub(super) fn member(&mut self, expected: &[u8]) -> Result<MemberEvent, Aborted> {
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

    /// The next byte that is no white space.
    #[inline(always)]
    fn peek(&mut self) -> Result<u8, Aborted> {
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

    #[inline]
    fn number(&mut self) -> Result<(), Aborted> {
        let Some((length, is_integer)) = digits::scan(&self.text[self.end..]) else {
            return self.abort();
        };
        self.is_integer = is_integer;
        self.token(Kind::Number, length);
        Ok(())
    }

    #[inline]
    fn string(&mut self, kind: Kind) -> Result<(), Aborted> {
        let inner = &self.text[self.end + 1..];
        let simple = text::find::<text::Special>(inner);
        if inner.get(simple) != Some(&b'"') {
            return self.escaped_string(kind, simple);
        }
        self.simple_string(kind, simple);
        Ok(())
    }

    /// Takes a string of so many bytes that stand for themselves.
    #[inline]
    pub(super) fn simple_string(&mut self, kind: Kind, length: usize) {
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

    /// Takes what a string was found to stand for, if there is memory for that.
    #[inline]
    fn unescaped_text(&mut self, text: Option<String>) {
        self.string = None;
        match text {
            Some(text) => self.unescaped = text,
            None => {
                self.string = Some("");
                self.remember(self.memory.shortage().expected(), Decoder::describe);
            }
        }
    }

    /// That part of the text, if it is UTF-8. More is checked than was asked for, because strings
    /// are short and std's check is slow to start.
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
        let part = &self.text[start..self.text.len().min(end.max(start + AHEAD))];
        self.valid_from = start;
        self.valid = std::str::from_utf8(part)
            .or_else(|error| std::str::from_utf8(&part[..error.valid_up_to()]))
            .unwrap_or_default();
    }

    /// The same for a string in which no more than `simple` bytes at the front stand for
    /// themselves.
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

    /// Decodes into `value` the JSON text that the string holds at which it stands. An option that
    /// is none stays so where Go sees no value: in an empty text and in one that begins as `null`
    /// does.
    pub(super) fn quoted(
        &mut self,
        value: &mut dyn FromJson,
        expected: &'static str,
    ) -> Result<(), Aborted> {
        if self.kind == Kind::Null {
            return value.decode(self);
        }
        let text = if self.kind == Kind::String { self.text() } else { "" };
        if text == "null" || !text.is_empty() && !text.starts_with('n') {
            if self.decode_inner(value) {
                return Ok(());
            }
            if self.memory.is_short() {
                return self.out_of_memory();
            }
        }
        self.mismatch(expected)
    }

    /// Decodes the text of the string; whether it fits.
    fn decode_inner(&mut self, value: &mut dyn FromJson) -> bool {
        let text = self.string.unwrap_or(&self.unescaped);
        let Some(text) = text::plain_apostrophes(text, &mut self.memory) else { return false };
        let mut inner = Decoder::new(text.as_bytes(), 0, self.memory.lend());
        inner.as_single_token();
        let fits = value.decode(&mut inner).is_ok() && inner.type_error.is_none();
        self.memory.take_back(inner.memory);
        fits
    }

    /// Takes the whole text for one token. Text that begins as a number is treated as a number
    /// token, since Go reads more forms of numbers in strings. Empty text is treated as an empty
    /// number token, which every type rejects.
    fn as_single_token(&mut self) {
        if self.value().is_err() || self.start > 0 || self.end < self.text.len() {
            let is_number = matches!(self.text.first(), Some(b'-' | b'0'..=b'9'));
            self.is_integer = digits::is_integer(self.text);
            self.end = 0;
            self.token(Kind::Number, if is_number { self.text.len() } else { 0 });
        }
    }

    /// Enters the array or object that begins with `start`, to be left by
    /// [`end_nested`](Decoder::end_nested).
    /// `false` if there is nothing to read in it: `null`, for which `on_null` does what the type
    /// wants, or a value that does not fit or lies too deep and was read over.
    #[inline]
    pub(super) fn begin_nested(
        &mut self,
        start: Kind,
        expected: &'static str,
        on_null: impl FnOnce(),
    ) -> Result<bool, Aborted> {
        if self.kind == Kind::Null {
            on_null();
            return Ok(false);
        }
        if self.kind != start {
            return self.mismatch(expected).map(|()| false);
        }
        if self.typed_depth == self.typed_limit {
            let expected = "fewer levels of records, arrays and objects (raise typed_depth)";
            let found = |at: &Self| format!("{} below {} of them", at.describe(), at.typed_limit);
            return self.set_type_error(expected, found).map(|()| false);
        }
        self.typed_depth += 1;
        Ok(true)
    }

    /// Leaves what [`begin_nested`](Decoder::begin_nested) entered.
    #[inline]
    pub(super) fn end_nested(&mut self) {
        self.typed_depth -= 1;
    }

    /// Goes to the end of the value at whose beginning it stands, checking its grammar.
    ///
    /// # Errors
    /// [`Aborted`]: the text is malformed there, or ends too early.
    pub fn skip(&mut self) -> Result<(), Aborted> {
        if matches!(self.kind, Kind::ArrayStart | Kind::ObjectStart) {
            let mut rest = &self.text[self.start..];
            self.depth = self.depth.saturating_sub(1);
            let Some(last) = Tokenizer::skip(self.depth, &mut rest) else { return self.abort() };
            self.end = self.text.len() - rest.len() - 1;
            self.token(last, 1);
        }
        Ok(())
    }

    /// Goes to the end of the value at whose beginning it stands, and returns the value's bytes.
    ///
    /// # Errors
    /// [`Aborted`], as [`skip`](Decoder::skip).
    pub fn raw_value(&mut self) -> Result<&'a [u8], Aborted> {
        let start = self.start;
        self.skip()?;
        Ok(self.text.get(start..self.end).unwrap_or_default())
    }

    /// Remembers that the value at whose beginning it stands does not fit, and goes to its end.
    ///
    /// # Errors
    /// [`Aborted`], as [`skip`](Decoder::skip).
    pub fn mismatch(&mut self, expected: &'static str) -> Result<(), Aborted> {
        self.set_type_error(expected, Decoder::describe)
    }

    #[cold]
    fn set_type_error(
        &mut self,
        expected: &'static str,
        found: impl FnOnce(&Self) -> String,
    ) -> Result<(), Aborted> {
        self.refused = self.start;
        self.remember(expected, found);
        self.skip()
    }

    /// Remembers that there was no memory for the value at whose beginning it stands, and goes to
    /// its end.
    #[cold]
    pub(super) fn out_of_memory(&mut self) -> Result<(), Aborted> {
        self.set_type_error(self.memory.shortage().expected(), Decoder::describe)
    }

    /// The same for a value that has been read over and begins at `place`.
    #[cold]
    pub(super) fn out_of_memory_at(&mut self, place: usize) -> Result<(), Aborted> {
        let end = std::mem::replace(&mut self.start, place);
        self.remember(self.memory.shortage().expected(), |_| {
            short_text(format_args!("a raw value"))
        });
        self.start = end;
        Ok(())
    }

    #[cold]
    fn remember(&mut self, expected: &'static str, found: impl FnOnce(&Self) -> String) {
        if self.type_error.is_none() {
            self.type_error = Some(TypeError {
                path: String::new(),
                offset: self.start as u64,
                expected,
                found: found(self),
            });
            self.type_error_depth = self.typed_depth;
        }
    }

    /// The token at which it stands, the first one of a value, to [go back](Decoder::rewind) to.
    pub(super) fn checkpoint(&self) -> Checkpoint {
        Checkpoint { kind: self.kind, start: self.start, end: self.end, depth: self.depth }
    }

    /// Goes back to the first token of a value that is not to be taken after all.
    #[cold]
    pub(super) fn rewind(&mut self, to: Checkpoint) {
        (self.kind, self.start, self.end, self.depth) = (to.kind, to.start, to.end, to.depth);
    }

    /// Where the value begins at whose first token it stands.
    #[inline]
    pub(super) fn place(&self) -> usize {
        self.start
    }

    /// Whether the value that was decoded last, from `place` on, did not fit as a whole.
    #[inline]
    pub(super) fn has_refused(&self, place: usize) -> bool {
        self.refused == place
    }

    fn describe(&self) -> String {
        match self.kind() {
            Kind::ObjectStart | Kind::ObjectEnd => short_text(format_args!("an object")),
            Kind::ArrayStart | Kind::ArrayEnd => short_text(format_args!("an array")),
            Kind::Key | Kind::String => {
                short_text(format_args!("string \"{}\"", text::string_snippet(self.raw())))
            }
            Kind::Number => short_text(format_args!("number {}", snippet(self.raw()))),
            Kind::True | Kind::False | Kind::Null => snippet(self.raw()),
        }
    }

    /// To be called after a part was decoded: which part it was, if the first type error lay in
    /// it.
    #[inline(always)]
    pub(super) fn add_path_segment(&mut self, step: impl FnOnce() -> String) {
        if self.type_error_depth == self.typed_depth {
            self.extend_path(&step());
        }
    }

    #[cold]
    fn extend_path(&mut self, step: &str) {
        if let Some(type_error) = &mut self.type_error {
            if type_error.path.try_reserve(step.len()).is_ok() {
                type_error.path.insert_str(0, step);
            }
        }
        self.type_error_depth = self.type_error_depth.saturating_sub(1);
    }

    /// Checks what stands behind the value and gives the outcome of the whole.
    #[inline]
    pub(super) fn finish(
        &mut self,
        walk: Result<(), Aborted>,
        options: &DecodeOptions<'_>,
    ) -> Result<(), Error> {
        if walk.is_err() || self.aborted {
            return self.first_error(Err(Aborted(())), None, options);
        }
        let behind = self.peek().ok();
        if behind.is_none() && self.depth == 0 && self.type_error.is_none() {
            return Ok(());
        }
        self.first_error(Ok(()), behind, options)
    }

    /// The error of a text that was not read to its end, that goes on `behind` its value, or in
    /// which something did not fit.
    #[cold]
    #[inline(never)]
    fn first_error(
        &mut self,
        walk: Result<(), Aborted>,
        behind: Option<u8>,
        options: &DecodeOptions<'_>,
    ) -> Result<(), Error> {
        let mut error = match (walk, behind, self.type_error.take()) {
            (Err(_), ..) => first_error(self.text),
            (Ok(()), Some(byte), _) => {
                SyntaxError::new(self.end as u64, byte, "the end of the text").into()
            }
            (Ok(()), None, Some(type_error)) if self.depth == 0 => Error::Type(TypeError {
                path: path_from(options.root, &type_error.path),
                ..type_error
            }),
            // A `FromJson` impl returned without consuming its array or object.
            (Ok(()), None, _) => Error::UnexpectedEnd,
        };
        if let Error::Syntax(SyntaxError { offset, .. }) | Error::Type(TypeError { offset, .. }) =
            &mut error
        {
            *offset += options.offset;
        }
        Err(error)
    }
}

/// What is wrong with a text that the decoder could not read on: the tokenizer's word.
#[cold]
fn first_error(mut text: &[u8]) -> Error {
    let mut tokenizer = Tokenizer::new();
    loop {
        match tokenizer.next(&mut text) {
            Ok(Some(_)) => {}
            Ok(None) => return Error::UnexpectedEnd,
            Err(error) => return error.into(),
        }
    }
}
