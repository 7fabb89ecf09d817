//! The tokenizer: bytes in, tokens out.
//!
//! This module defines JSON's grammar. The connection passes it received bytes. The decoder passes
//! it values to skip, and each text that the decoder cannot read, to find the error.
//!
//! How a stream is cut into chunks makes no difference: the state can be kept between any two
//! bytes, and a token is a kind and two offsets in the stream. The tokenizer does not allocate and
//! does not recurse. It reads each byte once and keeps one bit for each of [`MAX_DEPTH`] levels. It
//! checks strings and numbers, and does not decode them.

#[cfg(test)]
mod tests;

use super::error::{Error, SyntaxError};
use super::token::{Kind, Token, behind_simple_token, is_white_space};
use super::{digits, text};

/// The most arrays and objects that may be open at once. Go's `encoding/json` has the same limit.
pub const MAX_DEPTH: usize = 10_000;

const DEEPER: usize = MAX_DEPTH / 64;

/// Between tokens, what may come next; inside a token, how much of it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
enum State {
    Value,
    FirstElement,
    FirstKey,
    Key,
    Colon,
    AfterValue,
    // In all states below a token is open: see `is_open`.
    InString,
    Escape,
    Hex(u8),
    Minus,
    Zero,
    Integer,
    Point,
    Fraction,
    Exponent,
    ExponentSign,
    ExponentDigits,
    Literal,
}

impl State {
    fn is_open(self) -> bool {
        self > State::AfterValue
    }

    /// Whether a number may end here.
    fn ends_number(self) -> bool {
        matches!(self, State::Zero | State::Integer | State::Fraction | State::ExponentDigits)
    }
}

/// Splits a stream of JSON values into tokens. The stream may come in chunks of any size.
///
/// ```
/// use std::io::Read;
/// use std::os::unix::net::UnixStream;
/// use urpc::json::{Kind, Tokenizer};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let (mut socket, mut peer) = UnixStream::pair()?;
/// # std::io::Write::write_all(&mut peer, br#"{"method":"Sandbox.Exec","arg":[1,2]}"#)?;
/// let mut tokenizer = Tokenizer::new();
/// let mut message = Vec::new();
/// let mut names = Vec::new();
/// 'message: loop {
///     let mut buffer = [0; 16];
///     let count = socket.read(&mut buffer)?;
///     if count == 0 {
///         tokenizer.finish()?; // an error if this is in the middle of a value
///         break;
///     }
///     message.extend_from_slice(&buffer[..count]);
///     let mut chunk = &buffer[..count];
///     while let Some(token) = tokenizer.next(&mut chunk)? {
///         if token.kind == Kind::Key {
///             names.push(token.range());
///         }
///         if tokenizer.is_between_values() {
///             break 'message; // `chunk` is what follows the value
///         }
///     }
/// }
/// assert_eq!(names, [1..9, 25..30]);
/// assert_eq!(&message[names[1].clone()], br#""arg""#);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Tokenizer {
    state: State,
    /// The token that is open, or else the last one: `kind`, `is_simple`, `start`.
    kind: Kind,
    is_simple: bool,
    start: u64,
    offset: u64,
    depth: usize,
    /// One bit for each level, set for objects: of the first levels, and of those that few have.
    objects: u64,
    deeper: Option<[u64; DEEPER]>,
}

impl Default for Tokenizer {
    fn default() -> Self {
        Tokenizer::new()
    }
}

impl Tokenizer {
    /// A tokenizer at the start of a stream.
    pub fn new() -> Self {
        Tokenizer {
            state: State::Value,
            kind: Kind::Null,
            is_simple: true,
            start: 0,
            offset: 0,
            depth: 0,
            objects: 0,
            deeper: None,
        }
    }

    /// Starts over with a new stream, at offset 0.
    pub fn reset(&mut self) {
        self.state = State::Value;
        self.offset = 0;
        self.depth = 0;
    }

    /// Starts after the first `length` bytes of a stream, which the caller has checked: the start
    /// of an object, complete members, and at the end a name and its colon.
    pub(crate) fn enter_member(&mut self, length: usize) {
        self.state = State::Value;
        self.offset = length as u64;
        self.depth = 1;
        self.objects = 1;
    }

    /// Returns the next token and removes from the front of `chunk` what it has read. `None`: it
    /// has read all of `chunk` and needs the next one.
    ///
    /// It reads nothing after a token's last byte. After a value, the next call starts another one.
    ///
    /// # Errors
    /// The first invalid byte, and what was expected there. The byte stays in `chunk`, so another
    /// call returns the same error.
    pub fn next(&mut self, chunk: &mut &[u8]) -> Result<Option<Token>, SyntaxError> {
        self.next_at(MAX_DEPTH, chunk)
    }

    /// The next token after which at most `depth` arrays and objects are open.
    ///
    /// # Errors
    /// As [`next`](Tokenizer::next).
    pub(crate) fn next_at(
        &mut self,
        depth: usize,
        chunk: &mut &[u8],
    ) -> Result<Option<Token>, SyntaxError> {
        let bytes = *chunk;
        let mut at = 0;
        let mut is_token = self.step(bytes, &mut at);
        while is_token.is_ok_and(|is_token| is_token) && self.depth > depth {
            self.pass_simple_parts(bytes, &mut at);
            is_token = self.step(bytes, &mut at);
        }
        *chunk = &bytes[at..];
        self.offset += at as u64;
        Ok(if is_token? { Some(self.token()) } else { None })
    }

    /// Ends the stream. Returns the last token if it is a number outside arrays and objects,
    /// because only the end of the stream ends such a number.
    ///
    /// # Errors
    /// [`Error::UnexpectedEnd`]: the stream ends inside a value.
    pub fn finish(&mut self) -> Result<Option<Token>, Error> {
        if self.depth == 0 && self.state.ends_number() {
            self.close();
            return Ok(Some(self.token()));
        }
        if self.is_between_values() { Ok(None) } else { Err(Error::UnexpectedEnd) }
    }

    /// Removes the array or object at the front of `text`, which is inside `around` levels. Returns
    /// the kind of its last token, or `None` if it is malformed.
    pub(super) fn skip(around: usize, text: &mut &[u8]) -> Option<Kind> {
        let mut tokenizer = Tokenizer { depth: around, ..Tokenizer::new() };
        Some(tokenizer.next_at(around, text).ok()??.kind)
    }

    /// The number of arrays and objects that are open.
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// The offset of the next byte to read.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Whether no value is open: at the start of the stream, and after the last token of a value.
    pub fn is_between_values(&self) -> bool {
        self.depth == 0 && self.state == State::Value
    }

    fn token(&self) -> Token {
        Token { kind: self.kind, is_simple: self.is_simple, start: self.start, end: self.offset }
    }

    fn step(&mut self, bytes: &[u8], at: &mut usize) -> Result<bool, SyntaxError> {
        if self.state.is_open() {
            return self.resume(bytes, at);
        }
        while let Some(&byte) = bytes.get(*at) {
            match (self.state, byte) {
                (State::AfterValue, b',') => self.state = self.after_comma(),
                (State::Colon, b':') => self.state = State::Value,
                _ if is_white_space(byte) => {}
                _ => return self.begin(byte, bytes, at),
            }
            *at += 1;
        }
        Ok(false)
    }

    /// Goes over the next members or elements, as long as each is one simple token, complete and
    /// without white space before it. Most are, and so this takes half as long as token by token.
    fn pass_simple_parts(&mut self, bytes: &[u8], at: &mut usize) {
        let in_object = self.in_object();
        loop {
            let rest = match (self.state, &bytes[*at..]) {
                (State::AfterValue, [b',', rest @ ..]) => rest,
                (State::FirstKey | State::FirstElement, rest) => rest,
                _ => return,
            };
            let is_name = rest.first() == Some(&b'"');
            let Some(mut rest) = behind_simple_token(rest) else { return };
            if in_object {
                let [b':', value @ ..] = rest else { return };
                let Some(behind) = behind_simple_token(value).filter(|_| is_name) else { return };
                rest = behind;
            }
            *at = bytes.len() - rest.len();
            self.state = State::AfterValue;
        }
    }

    /// Opens the token whose first byte is at `at`, and closes it if `bytes` has all of it.
    fn begin(&mut self, byte: u8, bytes: &[u8], at: &mut usize) -> Result<bool, SyntaxError> {
        let is_value = matches!(self.state, State::Value | State::FirstElement);
        let is_name = matches!(self.state, State::Key | State::FirstKey);
        self.start = self.offset + *at as u64;
        self.is_simple = true;
        match byte {
            b'"' if is_value || is_name => {
                self.open(if is_name { Kind::Key } else { Kind::String }, State::InString);
                *at += 1;
                self.string(bytes, at)
            }
            b'-' | b'0'..=b'9' if is_value => {
                self.open(Kind::Number, State::Minus);
                // No branch on the sign: the processor could not predict it.
                *at += usize::from(byte == b'-');
                self.number(bytes, at)
            }
            b't' | b'f' | b'n' if is_value => {
                self.open(Kind::literal(byte), State::Literal);
                self.literal(bytes, at)
            }
            b'{' | b'[' if is_value => self.open_level(byte, at),
            b'}' | b']' => self.close_level(byte, at),
            _ => Err(self.syntax_error(byte, *at)),
        }
    }

    /// Continues a token that began in an earlier chunk.
    #[cold]
    fn resume(&mut self, bytes: &[u8], at: &mut usize) -> Result<bool, SyntaxError> {
        match self.kind {
            Kind::Key | Kind::String => self.string(bytes, at),
            Kind::Number => self.number(bytes, at),
            _ => self.literal(bytes, at),
        }
    }

    fn string(&mut self, bytes: &[u8], at: &mut usize) -> Result<bool, SyntaxError> {
        let mut state = self.state;
        loop {
            if state == State::InString {
                *at += text::find::<text::Special>(&bytes[*at..]);
            }
            let Some(&byte) = bytes.get(*at) else { break };
            state = match state {
                State::InString if byte == b'"' => {
                    *at += 1;
                    return Ok(self.close());
                }
                State::InString if byte == b'\\' => State::Escape,
                State::Escape if text::SIMPLE_ESCAPES[byte as usize] != 0 => State::InString,
                State::Escape if byte == b'u' => State::Hex(4),
                State::Hex(1) if byte.is_ascii_hexdigit() => State::InString,
                State::Hex(left) if byte.is_ascii_hexdigit() => State::Hex(left - 1),
                _ => {
                    self.state = state;
                    return Err(self.syntax_error(byte, *at));
                }
            };
            self.is_simple = false;
            *at += 1;
        }
        self.state = state;
        Ok(false)
    }

    fn number(&mut self, bytes: &[u8], at: &mut usize) -> Result<bool, SyntaxError> {
        use State::*;
        let mut state = self.state;
        loop {
            if matches!(state, Integer | Fraction | ExponentDigits) {
                *at += text::find::<digits::NonDigit>(&bytes[*at..]);
            }
            let Some(&byte) = bytes.get(*at) else { break };
            state = match (state, byte) {
                (Minus, b'0') => Zero,
                (Minus, b'1'..=b'9') => Integer,
                (Zero | Integer, b'.') => Point,
                (Point, b'0'..=b'9') => Fraction,
                (Zero | Integer | Fraction, b'e' | b'E') => Exponent,
                (Exponent, b'+' | b'-') => ExponentSign,
                (Exponent | ExponentSign, b'0'..=b'9') => ExponentDigits,
                (Zero | Integer | Fraction | ExponentDigits, _) => return Ok(self.close()),
                _ => {
                    self.state = state;
                    return Err(self.syntax_error(byte, *at));
                }
            };
            self.is_simple &= !matches!(state, Point | Exponent);
            *at += 1;
        }
        self.state = state;
        Ok(false)
    }

    fn literal(&mut self, bytes: &[u8], at: &mut usize) -> Result<bool, SyntaxError> {
        let literal = self.kind.literal_text();
        let mut done = (self.offset + *at as u64 - self.start) as usize;
        while let Some(&expected) = literal.get(done) {
            match bytes.get(*at) {
                None => return Ok(false),
                Some(&byte) if byte != expected => return Err(self.syntax_error(byte, *at)),
                Some(_) => {}
            }
            done += 1;
            *at += 1;
        }
        Ok(self.close())
    }

    fn open(&mut self, kind: Kind, state: State) {
        self.kind = kind;
        self.state = state;
    }

    /// Closes the open token. Always `true`: there is a token.
    fn close(&mut self) -> bool {
        self.state = if self.kind == Kind::Key { State::Colon } else { self.after_value() };
        true
    }

    fn open_level(&mut self, byte: u8, at: &mut usize) -> Result<bool, SyntaxError> {
        if self.depth == MAX_DEPTH {
            return Err(SyntaxError::new(
                self.start,
                byte,
                "at most 10000 open arrays and objects",
            ));
        }
        let bit = self.depth % 64;
        let word = match (self.depth / 64).checked_sub(1) {
            None => &mut self.objects,
            Some(index) => &mut self.deeper.get_or_insert([0; DEEPER])[index],
        };
        *word = *word & !(1 << bit) | u64::from(byte == b'{') << bit;
        self.depth += 1;
        match byte {
            b'{' => self.open(Kind::ObjectStart, State::FirstKey),
            _ => self.open(Kind::ArrayStart, State::FirstElement),
        }
        *at += 1;
        Ok(true)
    }

    fn close_level(&mut self, byte: u8, at: &mut usize) -> Result<bool, SyntaxError> {
        self.kind = match (byte, self.state) {
            (b'}', State::FirstKey) => Kind::ObjectEnd,
            (b'}', State::AfterValue) if self.in_object() => Kind::ObjectEnd,
            (b']', State::FirstElement) => Kind::ArrayEnd,
            (b']', State::AfterValue) if !self.in_object() => Kind::ArrayEnd,
            _ => return Err(self.syntax_error(byte, *at)),
        };
        self.depth -= 1;
        *at += 1;
        Ok(self.close())
    }

    fn after_value(&self) -> State {
        if self.depth == 0 { State::Value } else { State::AfterValue }
    }

    fn after_comma(&self) -> State {
        if self.in_object() { State::Key } else { State::Value }
    }

    /// Whether the innermost level is an object.
    fn in_object(&self) -> bool {
        let level = self.depth.wrapping_sub(1);
        let word = match (level / 64).checked_sub(1) {
            None => Some(&self.objects),
            Some(index) => self.deeper.as_ref().and_then(|words| words.get(index)),
        };
        word.is_some_and(|word| word >> (level % 64) & 1 == 1)
    }

    #[cold]
    fn syntax_error(&self, byte: u8, at: usize) -> SyntaxError {
        let expected = match self.state {
            State::Value => "a value",
            State::FirstElement => "a value or ']'",
            State::FirstKey => "a name or '}'",
            State::Key => "a name",
            State::Colon => "':'",
            State::AfterValue if self.in_object() => "',' or '}'",
            State::AfterValue => "',' or ']'",
            State::InString => "no bare control character in a string",
            State::Escape => "an escape",
            State::Hex(_) => "a hexadecimal digit",
            State::Literal => "true, false or null",
            _ => "a digit",
        };
        SyntaxError::new(self.offset + at as u64, byte, expected)
    }
}
