//! What can go wrong with JSON, and where.
//!
//! The texts are in lower case and hold at most a short escaped prefix of the input.

use std::borrow::Cow;
use std::fmt;

use crate::memory::short_text;

/// Why a text could not be decoded or a value not encoded.
///
/// ```
/// use urpc::json::{Error, from_str};
///
/// match from_str::<Vec<bool>>("[true, 1]") {
///     Err(Error::Type(error)) => assert_eq!((error.path.as_str(), error.offset), ("[1]", 7)),
///     other => panic!("{other:?}"),
/// }
/// match from_str::<Vec<bool>>("[true 1]") {
///     Err(Error::Syntax(error)) => assert_eq!((error.found, error.offset), (b'1', 6)),
///     other => panic!("{other:?}"),
/// }
/// assert_eq!(from_str::<Vec<bool>>("[true"), Err(Error::UnexpectedEnd));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The text is not JSON.
    Syntax(SyntaxError),
    /// The text ends before its value does, or is empty.
    UnexpectedEnd,
    /// The text is well formed, but a value in it does not fit its type. All that fits was stored.
    Type(TypeError),
    /// The value cannot be written as JSON.
    Unencodable {
        /// Which part of the value: `list[3].ratio`. Empty for the value itself.
        path: String,
        /// Why.
        reason: Cow<'static, str>,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Syntax(error) => error.fmt(f),
            Error::UnexpectedEnd => f.write_str("unexpected end of JSON input"),
            Error::Type(error) => error.fmt(f),
            Error::Unencodable { path, reason } if path.is_empty() => f.write_str(reason),
            Error::Unencodable { path, reason } => write!(f, "{path}: {reason}"),
        }
    }
}

impl std::error::Error for Error {}

impl From<SyntaxError> for Error {
    fn from(error: SyntaxError) -> Self {
        Error::Syntax(error)
    }
}

/// An invalid byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SyntaxError {
    /// The byte's offset.
    pub offset: u64,
    /// The byte.
    pub found: u8,
    /// What was expected there.
    pub expected: &'static str,
}

impl SyntaxError {
    pub(super) fn new(offset: u64, found: u8, expected: &'static str) -> Self {
        SyntaxError { offset, found, expected }
    }
}

impl fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SyntaxError { offset, found, expected } = self;
        write!(
            f,
            "invalid character '{}' at byte {offset}, expected {expected}",
            found.escape_ascii()
        )
    }
}

impl std::error::Error for SyntaxError {}

/// A value that does not fit its type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypeError {
    /// The path to the value: `arg.mounts[3].name`.
    pub path: String,
    /// The offset of the value's first byte.
    pub offset: u64,
    /// What the type accepts.
    pub expected: Cow<'static, str>,
    /// What was found: the kind, and a short escaped prefix of the text.
    pub found: String,
}

/// The expected value where `typed_depth` was reached.
pub(crate) const FEWER_LEVELS: &str =
    "fewer levels of records, arrays and objects (raise typed_depth)";

impl fmt::Display for TypeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let TypeError { path, offset, expected, found } = self;
        if !path.is_empty() {
            write!(f, "{path}: ")?;
        }
        write!(f, "expected {expected}")?;
        // It is missing if there was no memory for it.
        if !found.is_empty() {
            write!(f, ", found {found}")?;
        }
        write!(f, " at byte {offset}")
    }
}

impl std::error::Error for TypeError {}

/// A path that begins with `root`. Each of its `steps` begins with `.` or `[`.
pub(super) fn path_from(root: &str, steps: &str) -> String {
    let steps = steps.strip_prefix('.').filter(|_| root.is_empty()).unwrap_or(steps);
    short_text(format_args!("{root}{steps}"))
}

/// At most 32 bytes of the input, escaped.
pub(crate) fn snippet(bytes: &[u8]) -> String {
    const LIMIT: usize = 32;
    let rest = if bytes.len() > LIMIT { "..." } else { "" };
    short_text(format_args!("{}{rest}", bytes[..bytes.len().min(LIMIT)].escape_ascii()))
}

/// Decoding or encoding was aborted; the error is stored in the decoder or encoder. Return it.
#[derive(Debug)]
#[must_use = "return it: the value is not complete"]
pub struct Aborted(pub(super) ());
