//! The decoder: reads a complete text once and remembers the first value that does not fit.
//!
//! If the decoder cannot read a text, it gives the text to the [`Tokenizer`] from the beginning.
//! Only the tokenizer reports what is wrong and where.

mod cursor;

use std::borrow::Cow;
use std::fmt;

use super::digits::{Parts, parse_decimal, parse_last_integer};
use super::error::{Aborted, Error, FEWER_LEVELS, SyntaxError, TypeError, path_from, snippet};
use super::text;
use super::token::Kind;
use super::tokenizer::Tokenizer;
use crate::memory::{Allowance, short_text};

pub(super) use cursor::MemberEvent;

/// A cursor over JSON text, positioned on one token; what [`FromJson`](super::FromJson)
/// implementations read from.
///
/// What an implementation of [`FromJson::decode`](super::FromJson::decode) must do:
///
/// - It is called with the decoder at the first token of one value. It returns with the decoder at
///   the last token of that value. For all but arrays and objects these are the same token.
/// - To read an array or object it calls the `decode` of another type, such as `Vec`, or
///   [`raw_value`](Decoder::raw_value) or [`skip`](Decoder::skip). It reads the value once.
/// - If the value does not fit, it returns what [`mismatch`](Decoder::mismatch) gives. That goes to
///   the end of the value, so decoding can go on behind it.
/// - It returns each [`Aborted`] that it gets. So no code goes on with a value that was read in
///   part. If only the decoder kept the error, an implementation would be one line shorter, and not
///   faster; but it would have to expect such values after each call.
///
/// An array or object that is left unread or read twice is a type error that names the value.
///
/// ```
/// use urpc::json::{Aborted, Decoder, FromJson, from_str};
///
/// /// Two numbers in order.
/// #[derive(Debug, Default)]
/// struct Span(Vec<u64>);
///
/// impl FromJson for Span {
///     fn decode(&mut self, decoder: &mut Decoder<'_>) -> Result<(), Aborted> {
///         self.0.decode(decoder)?;
///         match self.0[..] {
///             [from, to] if from <= to => Ok(()),
///             [from, to] => decoder.mismatch(format!("{from} to be at most {to}")),
///             _ => decoder.mismatch("two numbers"),
///         }
///     }
/// }
///
/// let error = from_str::<Vec<Span>>("[[1,2],[4,3]]").unwrap_err();
/// assert_eq!(error.to_string(), "[1]: expected 4 to be at most 3, found an array at byte 7");
/// ```
pub struct Decoder<'a> {
    text: &'a [u8],
    /// The current token: its kind and its place.
    kind: Kind,
    start: usize,
    end: usize,
    /// If it is a number: where its parts end in the text.
    number: Parts,
    /// The text of a string or name; `None` if it is in `unescaped`.
    string: Option<&'a str>,
    unescaped: String,
    /// A part of the text that is known to be UTF-8, and where it begins.
    valid: &'a str,
    valid_from: usize,
    /// How many arrays and objects are open.
    depth: usize,
    /// Where the value began whose last token is the end of an array or object.
    value_start: usize,
    /// Sticky: set by the first syntax error, even if an impl swallowed it.
    aborted: bool,
    typed_depth: usize,
    typed_limit: usize,
    /// Where the last value begins that did not fit. `usize::MAX` if there is none.
    refused: usize,
    /// The memory that may be allocated.
    pub(super) memory: Allowance<'a>,
    /// The first type error. Its path is completed later.
    type_error: Option<TypeError>,
    /// The typed depth that its path has reached. `usize::MAX` if there is none.
    type_error_depth: usize,
}

impl<'a> Decoder<'a> {
    pub(super) fn new(text: &'a [u8], typed_limit: usize, memory: Allowance<'a>) -> Self {
        Decoder {
            text,
            kind: Kind::Null,
            start: 0,
            end: 0,
            number: Parts::default(),
            string: None,
            unescaped: String::new(),
            valid: "",
            valid_from: 0,
            depth: 0,
            value_start: 0,
            aborted: false,
            typed_depth: 0,
            typed_limit,
            refused: usize::MAX,
            memory,
            type_error: None,
            type_error_depth: usize::MAX,
        }
    }

    /// The kind of the current token.
    #[inline(always)]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The token's bytes, a string's with its quotes.
    #[inline(always)]
    pub fn raw(&self) -> &'a [u8] {
        self.text.get(self.start..self.end).unwrap_or_default()
    }

    /// The current number, if it is an integer and fits.
    #[inline(always)]
    pub(super) fn integer<T: TryFrom<i64> + TryFrom<u64>>(&self) -> Option<T> {
        if self.number.whole != self.end {
            return None;
        }
        parse_last_integer(self.text.get(..self.end)?, self.end - self.start)
    }

    /// The current number without its sign: digits and a power of ten, if these are few.
    #[inline]
    pub(super) fn decimal(&self) -> Option<(u64, i32)> {
        parse_decimal(self.text, self.start, self.number)
    }

    /// The text of a string or a name: escapes resolved, U+FFFD for each byte that is not UTF-8.
    #[inline]
    pub fn text(&self) -> &str {
        self.string.unwrap_or(&self.unescaped)
    }

    /// Puts that text into `target` and uses the memory of `target` again. After that,
    /// [`text`](Decoder::text) is not known any more. Memory that was needed for a much longer text
    /// stays here. `false` if there is no memory for the text.
    #[inline]
    pub(super) fn string_into(&mut self, target: &mut String) -> bool {
        match self.string {
            Some(text) => self.memory.set(target, text),
            None => self.unescaped_into(target),
        }
    }

    #[inline(never)]
    fn unescaped_into(&mut self, target: &mut String) -> bool {
        if self.unescaped.capacity() / 4 <= self.unescaped.len() {
            std::mem::swap(target, &mut self.unescaped);
            return true;
        }
        self.memory.set(target, &self.unescaped)
    }

    /// The text of a number, string or name, and the memory that a copy of it may take.
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

    /// Reserves room in `bytes` for a text: `needed` computes it from the text's length. `false` if
    /// there is no memory.
    pub(super) fn reserve_for_text(
        &mut self,
        bytes: &mut Vec<u8>,
        needed: impl FnOnce(usize) -> usize,
    ) -> bool {
        let length = self.text().len();
        self.memory.reserve_exact(bytes, needed(length))
    }

    /// Enters the array or object that begins with `start`. Pass the result to
    /// [`end_nested`](Decoder::end_nested). `None` if there is nothing to read in it. That is
    /// `null`, for which `on_null` does what the type needs, or a value that does not fit or is too
    /// deep. Such a value was skipped.
    #[inline]
    pub(super) fn begin_nested(
        &mut self,
        start: Kind,
        expected: &'static str,
        on_null: impl FnOnce(),
    ) -> Result<Option<ValueStart>, Aborted> {
        if self.kind == Kind::Null {
            on_null();
            return Ok(None);
        }
        if self.kind != start {
            return self.refuse_nested(expected).map(|()| None);
        }
        if self.typed_depth == self.typed_limit {
            let found = |at: &Self| format!("{} below {} of them", at.describe(), at.typed_limit);
            return self.set_type_error(FEWER_LEVELS.into(), found).map(|()| None);
        }
        self.typed_depth += 1;
        Ok(Some(ValueStart(self.start)))
    }

    #[cold]
    fn refuse_nested(&mut self, expected: &'static str) -> Result<(), Aborted> {
        if self.is_behind_value() {
            return self.refuse_second_reading();
        }
        self.mismatch(expected)
    }

    /// Leaves an array or object that [`begin_nested`](Decoder::begin_nested) entered.
    #[inline]
    pub(super) fn end_nested(&mut self, start: ValueStart) {
        self.typed_depth -= 1;
        self.value_start = start.0;
    }

    /// Whether it is at the end of an array or object that was read completely.
    pub(super) fn is_behind_value(&self) -> bool {
        matches!(self.kind, Kind::ArrayEnd | Kind::ObjectEnd)
    }

    /// Records that a type has decoded an array or object and decodes it again.
    #[cold]
    pub(super) fn refuse_second_reading(&mut self) -> Result<(), Aborted> {
        self.mismatch("a value that is read once, as FromJson must")
    }

    /// Decodes a part of an array or object: the value at whose first token it is. `segment` is the
    /// part's place in the path.
    #[inline(always)]
    pub(super) fn part(
        &mut self,
        decode: impl FnOnce(&mut Self) -> Result<(), Aborted>,
        type_name: fn() -> &'static str,
        segment: impl FnOnce() -> String,
    ) -> Result<(), Aborted> {
        decode(self)?;
        if matches!(self.kind, Kind::ArrayStart | Kind::ObjectStart) {
            self.refuse_unread(type_name())?;
        }
        self.add_path_segment(segment);
        Ok(())
    }

    /// Records that a type did not read its value, and goes to the value's end.
    #[cold]
    #[inline(never)]
    fn refuse_unread(&mut self, type_name: &str) -> Result<(), Aborted> {
        let expected = format!("{type_name} to read its whole value, as FromJson must");
        self.set_type_error(expected.into(), |at| match at.kind {
            Kind::ArrayStart => short_text(format_args!("an unread array")),
            _ => short_text(format_args!("an unread object")),
        })
    }

    /// Remembers that the value does not fit, and goes to its end. The value may have been read
    /// already.
    ///
    /// # Errors
    /// [`Aborted`], see [`skip`](Decoder::skip).
    pub fn mismatch(&mut self, expected: impl Into<Cow<'static, str>>) -> Result<(), Aborted> {
        self.set_type_error(expected.into(), Decoder::describe)
    }

    #[cold]
    fn set_type_error(
        &mut self,
        expected: Cow<'static, str>,
        found: impl FnOnce(&Self) -> String,
    ) -> Result<(), Aborted> {
        self.refused = self.place();
        self.remember(expected, found);
        self.skip()
    }

    /// Records that there was no memory for the current value, and goes to its end.
    #[cold]
    pub(super) fn out_of_memory(&mut self) -> Result<(), Aborted> {
        self.mismatch(self.memory.shortage().expected())
    }

    #[cold]
    fn remember(&mut self, expected: Cow<'static, str>, found: impl FnOnce(&Self) -> String) {
        if self.type_error.is_none() {
            self.type_error = Some(TypeError {
                path: String::new(),
                offset: self.place() as u64,
                expected,
                found: found(self),
            });
            self.type_error_depth = self.typed_depth;
        }
    }

    /// Where the value begins at whose first or last token it is.
    #[inline]
    pub(super) fn place(&self) -> usize {
        if self.is_behind_value() { self.value_start } else { self.start }
    }

    /// Whether the value that was decoded last, from `place` on, did not fit at all.
    #[inline]
    pub(super) fn has_refused(&self, place: usize) -> bool {
        self.refused == place
    }

    /// Whether all values did fit so far.
    pub(super) fn all_fits(&self) -> bool {
        self.type_error.is_none()
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

    /// Call this after a part was decoded. It adds the part to the path of the first type error, if
    /// the error is in the part.
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

    /// Checks what follows the value, and returns the result. The paths in errors begin with
    /// `root`, and `offset` is added to their offsets.
    #[inline]
    pub(super) fn finish(
        &mut self,
        walk: Result<(), Aborted>,
        root: &str,
        offset: u64,
    ) -> Result<(), Error> {
        if walk.is_err() || self.aborted {
            return self.first_error(Err(Aborted(())), None, root, offset);
        }
        let behind = self.peek().ok();
        if behind.is_none() && self.depth == 0 && self.type_error.is_none() {
            return Ok(());
        }
        self.first_error(Ok(()), behind, root, offset)
    }

    /// The error of a text that was not read to its end, that continues after its value with the
    /// byte `behind`, or in which a value did not fit.
    #[cold]
    #[inline(never)]
    fn first_error(
        &mut self,
        walk: Result<(), Aborted>,
        behind: Option<u8>,
        root: &str,
        base: u64,
    ) -> Result<(), Error> {
        let mut error = match (walk, behind, self.type_error.take()) {
            (Err(_), ..) => first_error(self.text),
            (Ok(()), Some(byte), _) => {
                SyntaxError::new(self.end as u64, byte, "the end of the text").into()
            }
            (Ok(()), None, Some(type_error)) if self.depth == 0 => {
                Error::Type(TypeError { path: path_from(root, &type_error.path), ..type_error })
            }
            // A `FromJson` impl returned without consuming its array or object.
            (Ok(()), None, _) => Error::UnexpectedEnd,
        };
        if let Error::Syntax(SyntaxError { offset, .. }) | Error::Type(TypeError { offset, .. }) =
            &mut error
        {
            *offset += base;
        }
        Err(error)
    }
}

/// Shows the current token, and at most a short piece of the text.
impl fmt::Debug for Decoder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoder")
            .field("at", &format_args!("{}", self.describe()))
            .field("offset", &self.place())
            .field("depth", &self.depth)
            .field("aborted", &self.aborted)
            .field("type_error", &self.type_error)
            .finish_non_exhaustive()
    }
}

/// Where an entered array or object begins.
pub(super) struct ValueStart(usize);

/// The error in a text that the decoder could not read. The tokenizer finds it.
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
