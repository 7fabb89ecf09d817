//! The tokenizer: bytes in, tokens out.
//!
//! It has the last word on JSON's grammar: the connection feeds it what the socket delivered, and
//! what the decoder cannot read, or only skips, goes through it. The chunks make no difference,
//! because a token is a kind and two offsets in the stream and every state can be left and taken up
//! again between any two bytes. It allocates nothing, does not recurse, looks at each byte once,
//! and its memory is one bit for each level of [`MAX_DEPTH`]. What the text of a string or a number
//! means is left to those who hold the bytes.

use std::ops::Range;

use super::error::{Error, SyntaxError};
use super::text;

/// How many arrays and objects may be open at once, as in Go.
pub const MAX_DEPTH: usize = 10_000;

const WORDS: usize = MAX_DEPTH.div_ceil(64);

/// What a [`Token`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `{`
    ObjectStart,
    /// `}`
    ObjectEnd,
    /// `[`
    ArrayStart,
    /// `]`
    ArrayEnd,
    /// The name of an object's member, quotes included.
    Key,
    /// A string that is a value, quotes included.
    String,
    /// A number.
    Number,
    /// `true`
    True,
    /// `false`
    False,
    /// `null`
    Null,
}

/// One token: what it is and where it lies in the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Token {
    /// What it is.
    pub kind: Kind,
    /// A string or key without escapes, a number without fraction and exponent.
    pub is_simple: bool,
    /// Offset of its first byte in the stream.
    pub start: u64,
    /// Offset of the byte behind it.
    pub end: u64,
}

impl Token {
    /// Where it lies in a buffer that holds the stream from its beginning.
    pub fn range(&self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// Between tokens: what may come. Inside one: how far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
enum State {
    Value,
    FirstElement,
    FirstKey,
    Key,
    Colon,
    AfterValue,
    // From here on a token is open; see `is_open`.
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

/// Cuts a stream of JSON values into tokens, whatever chunks it comes in.
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
    /// What is known of the token that is open, or else of the last one.
    kind: Kind,
    is_simple: bool,
    start: u64,
    offset: u64,
    depth: usize,
    /// One bit a level, set for objects.
    objects: [u64; WORDS],
}

impl Default for Tokenizer {
    fn default() -> Self {
        Tokenizer::new()
    }
}

impl Tokenizer {
    /// A tokenizer before the first byte of a stream.
    pub fn new() -> Self {
        Tokenizer {
            state: State::Value,
            kind: Kind::Null,
            is_simple: true,
            start: 0,
            offset: 0,
            depth: 0,
            objects: [0; WORDS],
        }
    }

    /// Makes it as new, at offset 0.
    pub fn reset(&mut self) {
        self.state = State::Value;
        self.offset = 0;
        self.depth = 0;
    }

    /// Goes on behind the first `length` bytes of a stream, which someone else has read: the start
    /// of an object, whole members, and at the end a name and its colon.
    pub(crate) fn enter_member(&mut self, length: usize) {
        self.state = State::Value;
        self.offset = length as u64;
        self.depth = 1;
        self.objects[0] = 1;
    }

    /// Reads on in `chunk`, takes what it has read off its front and returns the next token, or
    /// `None` when the chunk is used up.
    ///
    /// Nothing is read behind a token's last byte. Behind a value, the next call begins another
    /// one.
    ///
    /// # Errors
    /// The first byte that makes the text wrong. It stays in `chunk`, so that going on gives the
    /// same error.
    pub fn next(&mut self, chunk: &mut &[u8]) -> Result<Option<Token>, SyntaxError> {
        let bytes = *chunk;
        let mut at = 0;
        let is_token = self.step(bytes, &mut at);
        *chunk = &bytes[at..];
        self.offset += at as u64;
        Ok(if is_token? { Some(self.token()) } else { None })
    }

    /// Says that the stream is over: the last token, if it is a number that only the end could end.
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

    /// Goes to the end of the array or object at the front, which lies below so many levels, and
    /// returns the kind of that end.
    pub(super) fn skip(around: usize, text: &mut &[u8]) -> Option<Kind> {
        let mut tokenizer = Tokenizer { depth: around, ..Tokenizer::new() };
        loop {
            let token = tokenizer.next(text).ok()??;
            if tokenizer.depth == around {
                return Some(token.kind);
            }
        }
    }

    /// How many arrays and objects are open.
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// The offset of the next byte to read.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Whether no value is begun: at the start, and when a token was the last of its value.
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
            self.state = match (self.state, byte) {
                (State::AfterValue, b',') => self.after_comma(),
                (State::Colon, b':') => State::Value,
                (state, b' ' | b'\t' | b'\n' | b'\r') => state,
                _ => return self.begin(byte, bytes, at),
            };
            *at += 1;
        }
        Ok(false)
    }

    /// Begins the token whose first byte is at `at`, and ends it if all of it is there.
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
                // Stay before a digit: signs come at random, and so there is no branch to guess.
                *at += usize::from(byte == b'-');
                self.number(bytes, at)
            }
            b't' | b'f' | b'n' if is_value => {
                self.open(literal_kind(byte), State::Literal);
                *at += 1;
                self.literal(bytes, at)
            }
            b'{' | b'[' if is_value => self.open_level(byte, at),
            b'}' | b']' => self.close_level(byte, at),
            _ => Err(self.syntax_error(byte, *at)),
        }
    }

    /// Goes on with a token that the end of the last chunk cut.
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
                *at += text::find::<text::NonDigit>(&bytes[*at..]);
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
        let word = literal_text(self.kind);
        let mut done = (self.offset + *at as u64 - self.start) as usize;
        while let Some(&expected) = word.get(done) {
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

    /// Ends the open token: there is one.
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
        let (word, bit) = (self.depth / 64, self.depth % 64);
        self.objects[word] = self.objects[word] & !(1 << bit) | u64::from(byte == b'{') << bit;
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
        self.objects.get(level / 64).is_some_and(|word| word >> (level % 64) & 1 == 1)
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

fn literal_kind(first: u8) -> Kind {
    match first {
        b't' => Kind::True,
        b'f' => Kind::False,
        _ => Kind::Null,
    }
}

fn literal_text(kind: Kind) -> &'static [u8] {
    match kind {
        Kind::True => b"true",
        Kind::False => b"false",
        _ => b"null",
    }
}
