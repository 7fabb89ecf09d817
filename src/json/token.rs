//! Tokens, with the parts of the grammar that need no state: white space, literals, simple tokens.

use std::ops::Range;

use super::{digits, text};

/// The kinds of tokens.
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
    /// The name of an object's member, with its quotes.
    Key,
    /// A string that is a value, with its quotes.
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

impl Kind {
    /// The kind of the literal that begins with `first`: `t`, `f` or `n`.
    pub(super) fn literal(first: u8) -> Kind {
        match first {
            b't' => Kind::True,
            b'f' => Kind::False,
            _ => Kind::Null,
        }
    }

    /// The text of a literal; empty for all other kinds.
    #[inline(always)]
    pub(super) const fn literal_text(self) -> &'static [u8] {
        match self {
            Kind::True => b"true",
            Kind::False => b"false",
            Kind::Null => b"null",
            _ => b"",
        }
    }
}

/// One token: its kind and its place in the stream.
///
/// ```
/// use urpc::json::{Kind, Tokenizer};
///
/// let text = br#" {"a":1.5}"#;
/// let (mut tokenizer, mut rest) = (Tokenizer::new(), &text[..]);
/// tokenizer.next(&mut rest)?; // the brace
/// let name = tokenizer.next(&mut rest)?.expect("the text goes on");
/// assert_eq!((name.kind, name.is_simple), (Kind::Key, true));
/// assert_eq!(&text[name.range()], br#""a""#);
/// let number = tokenizer.next(&mut rest)?.expect("the text goes on");
/// assert_eq!((number.kind, number.is_simple), (Kind::Number, false));
/// # Ok::<(), urpc::json::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Token {
    /// The kind.
    pub kind: Kind,
    /// Whether a string or key has no escapes, and a number neither fraction nor exponent. Always
    /// `true` for other kinds.
    pub is_simple: bool,
    /// The offset of the first byte in the stream.
    pub start: u64,
    /// The offset of the byte after the last one.
    pub end: u64,
}

impl Token {
    /// The token's place in a buffer that holds the stream from its beginning.
    pub fn range(&self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// Whether JSON allows the byte between tokens (RFC 8259, section 2).
#[inline(always)]
pub(crate) const fn is_white_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// How many bytes at the front are white space.
pub(crate) fn count_white_space(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|&&byte| is_white_space(byte)).count()
}

/// What is behind the token at the front of `text`, if that is a string without escapes, a number or
/// a literal, and complete: a number has its end where another byte follows.
#[inline(always)]
pub(super) fn behind_simple_token(text: &[u8]) -> Option<&[u8]> {
    match *text.first()? {
        b'"' => {
            let inside = &text[1..];
            inside[text::find::<text::Special>(inside)..].strip_prefix(b"\"")
        }
        b'-' | b'0'..=b'9' => text.get(digits::scan(text)?.end..).filter(|rest| !rest.is_empty()),
        first @ (b't' | b'f' | b'n') => text.strip_prefix(Kind::literal(first).literal_text()),
        _ => None,
    }
}
