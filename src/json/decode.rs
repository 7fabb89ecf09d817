//! Decoding: one walk over a text, into a value that is there already.
//!
//! The tokenizer checks the grammar while values take what fits. What does not fit is remembered (the first
//! of it) and the walk goes on; a syntax error ends it and beats everything else. Skipping does not recurse;
//! typed values do, so their depth is limited.

use std::borrow::Cow;
use std::ops::Range;

use super::error::{Error, FitError, Path, Segment, excerpt};
use super::number::{Integer, last_integer};
use super::record::{Member, Shape};
use super::text;
use super::tokenizer::{Kind, Token, Tokenizer};
use crate::Files;

/// A type that JSON can be decoded into.
///
/// Decoding goes *into* a value, as Go's does: `null` mostly leaves it, a member that comes twice is merged,
/// and one that does not come keeps what it had.
///
/// ```
/// use urpc::json::{Decoder, FromJson, Kind, Stop};
///
/// /// Written as a string of hexadecimal digits.
/// #[derive(Debug, Default, PartialEq)]
/// struct Hex(u32);
///
/// impl FromJson for Hex {
///     fn decode(&mut self, decoder: &mut Decoder<'_>) -> Result<(), Stop> {
///         const EXPECTED: &str = "a string of hexadecimal digits";
///         if decoder.kind() != Kind::String {
///             return decoder.mismatch(EXPECTED);
///         }
///         match u32::from_str_radix(&decoder.text(), 16) {
///             Ok(number) => self.0 = number,
///             Err(_) => return decoder.mismatch(EXPECTED),
///         }
///         Ok(())
///     }
/// }
///
/// assert_eq!(urpc::json::from_str::<Hex>(r#""ff""#), Ok(Hex(255)));
/// let error = urpc::json::from_str::<Vec<Hex>>(r#"["1","x"]"#).unwrap_err();
/// assert_eq!(error.to_string(), "[1]: expected a string of hexadecimal digits, found string \"x\" at byte 5");
/// ```
pub trait FromJson {
    /// Whether a record's member of this type is written and read at all.
    #[doc(hidden)]
    const ON_WIRE: bool = true;

    /// Takes the value at whose first token the decoder stands: all of it, also where it does not fit.
    ///
    /// # Errors
    /// [`Stop`], from the decoder's methods: the text is malformed and there is nothing more to read.
    fn decode(&mut self, decoder: &mut Decoder<'_>) -> Result<(), Stop>;

    /// The same for a member marked `quoted`: a string that holds the value's JSON text. Only booleans,
    /// numbers and strings know how; for all others the mark means nothing, as in Go.
    ///
    /// # Errors
    /// As [`decode`](FromJson::decode).
    fn decode_quoted(&mut self, decoder: &mut Decoder<'_>) -> Result<(), Stop> {
        self.decode(decoder)
    }

    /// Where the files go that came with the message.
    fn files_mut(&mut self) -> Option<&mut Files> {
        None
    }

    /// The members, if this is a record.
    #[doc(hidden)]
    fn shape() -> Option<Shape> {
        None
    }

    /// Decodes into the part that `member` names, `level` embedded records down from where its path begins.
    #[doc(hidden)]
    #[inline]
    fn decode_member(
        &mut self,
        member: &Member,
        _level: usize,
        decoder: &mut Decoder<'_>,
    ) -> Result<(), Stop> {
        if member.quoted { self.decode_quoted(decoder) } else { self.decode(decoder) }
    }
}

/// The walk is over: the decoder or encoder holds the reason. Pass it on.
#[derive(Debug)]
pub struct Stop(pub(super) ());

/// How to decode; see [`decode_into`].
#[derive(Debug, Clone, Copy)]
pub struct DecodeOptions<'a> {
    /// What the paths in errors begin with.
    pub root: &'a str,
    /// Added to the offsets in errors.
    pub offset: u64,
    /// How many records, lists and maps may lie in one another. A type that contains itself is decoded and
    /// dropped by recursion; the default of 128 is for threads with ordinary stacks.
    pub typed_depth: usize,
}

impl Default for DecodeOptions<'_> {
    fn default() -> Self {
        DecodeOptions { root: "", offset: 0, typed_depth: 128 }
    }
}

/// Decodes the one value in `text`, and nothing but white space around it.
///
/// ```
/// let list: Vec<Option<u8>> = urpc::json::from_slice(b" [1, null, 255] ")?;
/// assert_eq!(list, [Some(1), None, Some(255)]);
/// # Ok::<(), urpc::json::Error>(())
/// ```
///
/// # Errors
/// [`Error::Syntax`], [`Error::UnexpectedEnd`], [`Error::Fit`].
pub fn from_slice<T: FromJson + Default>(text: &[u8]) -> Result<T, Error> {
    let mut value = T::default();
    decode_into(&mut value, text, &DecodeOptions::default())?;
    Ok(value)
}

/// Decodes the one value in `text`.
///
/// ```
/// let error = urpc::json::from_str::<Vec<u8>>("[1, 256]").unwrap_err();
/// assert_eq!(error.to_string(), "[1]: expected an integer that fits u8, found number 256 at byte 4");
/// ```
///
/// # Errors
/// As [`from_slice`].
pub fn from_str<T: FromJson + Default>(text: &str) -> Result<T, Error> {
    from_slice(text.as_bytes())
}

/// Decodes the one value in `text` into `value`, which keeps what the text does not name.
///
/// ```
/// use urpc::json::{DecodeOptions, decode_into};
///
/// urpc::record! {
///     #[derive(Debug, Default, PartialEq)]
///     struct Point {
///         x: i32,
///         y: i32,
///     }
/// }
///
/// let mut point = Point { x: 1, y: 2 };
/// decode_into(&mut point, br#"{"y":5}"#, &DecodeOptions::default())?;
/// assert_eq!(point, Point { x: 1, y: 5 });
///
/// let options = DecodeOptions { root: "arg", ..DecodeOptions::default() };
/// let error = decode_into(&mut point, br#"{"y":"5","x":7}"#, &options).unwrap_err();
/// assert_eq!(error.to_string(), "arg.y: expected an integer that fits i32, found string \"5\" at byte 5");
/// assert_eq!(point, Point { x: 7, y: 5 });
/// # Ok::<(), urpc::json::Error>(())
/// ```
///
/// # Errors
/// As [`from_slice`]. After [`Error::Fit`] the value holds all that did fit.
pub fn decode_into<T: FromJson + ?Sized>(
    value: &mut T,
    text: &[u8],
    options: &DecodeOptions<'_>,
) -> Result<(), Error> {
    let mut decoder = Decoder::new(text, options.typed_depth);
    let walk = match decoder.next() {
        Ok(_) => value.decode(&mut decoder),
        Err(stop) => Err(stop),
    };
    decoder.finish(walk, options)
}

/// Decodes the value at `place` in a text that has been read: the one token that it is, or its last one
/// stretched over the whole of it. A single token is not looked through again.
pub(crate) fn decode_at<T: FromJson + ?Sized>(
    value: &mut T,
    text: &[u8],
    place: &Token,
    root: &str,
    typed_depth: usize,
) -> Result<(), Error> {
    let options = DecodeOptions { root, offset: place.start, typed_depth };
    let text = text.get(place.range()).unwrap_or_default();
    if matches!(place.kind, Kind::ObjectEnd | Kind::ListEnd) {
        return decode_into(value, text, &options);
    }
    let mut decoder = Decoder::new(text, typed_depth);
    decoder.token = Token { start: 0, end: text.len() as u64, ..*place };
    decoder.rest = &[];
    let walk = value.decode(&mut decoder);
    decoder.finish(walk, &options)
}

/// A text on its way into values; what [`FromJson`] implementations draw from. It stands at one token of the
/// text, and a value is decoded from where it stands at the value's first token to where it stands at its last.
pub struct Decoder<'a> {
    text: &'a [u8],
    rest: &'a [u8],
    tokenizer: Tokenizer,
    token: Token,
    typed_depth: usize,
    typed_limit: usize,
    malformed: Option<Error>,
    misfit: Option<Misfit>,
    /// The typed depth that the path of `misfit` has grown to; `usize::MAX` while there is none.
    misfit_depth: usize,
}

/// The first error of fit, its path still growing.
struct Misfit {
    offset: u64,
    expected: &'static str,
    found: String,
    path: Path,
}

impl<'a> Decoder<'a> {
    fn new(text: &'a [u8], typed_limit: usize) -> Self {
        Decoder {
            text,
            rest: text,
            tokenizer: Tokenizer::new(),
            token: Token { kind: Kind::Null, plain: true, start: 0, end: 0 },
            typed_depth: 0,
            typed_limit,
            malformed: None,
            misfit: None,
            misfit_depth: usize::MAX,
        }
    }

    /// Goes to the next token, whatever it is, and returns its kind.
    ///
    /// # Errors
    /// [`Stop`]: the text is malformed here, or ends too early.
    #[allow(clippy::should_implement_trait)]
    #[inline(never)]
    pub fn next(&mut self) -> Result<Kind, Stop> {
        self.token = match self.tokenizer.next(&mut self.rest) {
            Ok(Some(token)) => token,
            Ok(None) => match self.tokenizer.finish() {
                Ok(Some(token)) => token,
                _ => return Err(self.stop(Error::UnexpectedEnd)),
            },
            Err(error) => return Err(self.stop(error.into())),
        };
        Ok(self.token.kind)
    }

    /// The kind of the token that it stands at.
    #[inline(always)]
    pub fn kind(&self) -> Kind {
        self.token.kind
    }

    /// Whether that is a string without escapes, or a number without fraction and exponent.
    #[inline(always)]
    pub fn is_plain(&self) -> bool {
        self.token.plain
    }

    /// The token's bytes, a string's with its quotes.
    #[inline(always)]
    pub fn raw(&self) -> &'a [u8] {
        self.text.get(self.token.range()).unwrap_or_default()
    }

    /// The number that it stands at, if it is an integer and fits.
    #[inline(always)]
    pub(super) fn integer<T: Integer>(&self) -> Option<T> {
        let Range { start, end } = self.token.range();
        if self.token.plain { last_integer(self.text.get(..end)?, end - start) } else { None }
    }

    /// The text of a string or a name: escapes resolved, U+FFFD for each byte that is not UTF-8.
    pub fn text(&self) -> Cow<'a, str> {
        text::unquote(self.raw(), self.token.plain)
    }

    #[cold]
    fn stop(&mut self, error: Error) -> Stop {
        self.malformed = Some(error);
        Stop(())
    }

    /// Enters what begins with `start`. `false` if there is nothing to read in it: `null`, for which
    /// `on_null` does what the type wants, or a value that does not fit and was read over.
    #[inline]
    pub(super) fn enter(
        &mut self,
        start: Kind,
        expected: &'static str,
        on_null: impl FnOnce(),
    ) -> Result<bool, Stop> {
        match self.kind() {
            kind if kind == start => self.open(),
            Kind::Null => {
                on_null();
                Ok(false)
            }
            _ => self.mismatch(expected).map(|()| false),
        }
    }

    /// Enters the list or object at whose beginning it stands; `false` if that lies too deep and was skipped.
    /// Each one entered is left by [`close`](Decoder::close).
    ///
    /// # Errors
    /// [`Stop`], as [`next`](Decoder::next).
    #[inline]
    pub fn open(&mut self) -> Result<bool, Stop> {
        if self.typed_depth == self.typed_limit {
            self.mismatch("fewer levels of records, lists and maps")?;
            return Ok(false);
        }
        self.typed_depth += 1;
        Ok(true)
    }

    /// Leaves what [`open`](Decoder::open) entered.
    #[inline]
    pub fn close(&mut self) {
        self.typed_depth = self.typed_depth.saturating_sub(1);
    }

    /// Goes to the next element of a list or the next name of an object; `false` at its end.
    ///
    /// # Errors
    /// [`Stop`], as [`next`](Decoder::next).
    #[inline]
    pub fn part(&mut self) -> Result<bool, Stop> {
        Ok(!matches!(self.next()?, Kind::ListEnd | Kind::ObjectEnd))
    }

    /// Goes to the end of the value at whose beginning it stands, checking its grammar.
    ///
    /// # Errors
    /// [`Stop`], as [`next`](Decoder::next).
    pub fn skip(&mut self) -> Result<(), Stop> {
        if matches!(self.kind(), Kind::ListStart | Kind::ObjectStart) {
            let around = self.tokenizer.depth().saturating_sub(1);
            while self.tokenizer.depth() > around {
                self.next()?;
            }
        }
        Ok(())
    }

    /// Goes to the end of the value at whose beginning it stands, and returns the value's bytes.
    ///
    /// # Errors
    /// [`Stop`], as [`next`](Decoder::next).
    pub fn raw_value(&mut self) -> Result<&'a [u8], Stop> {
        let start = self.token.start;
        self.skip()?;
        Ok(self.text.get(start as usize..self.token.end as usize).unwrap_or_default())
    }

    /// Remembers that the value at whose beginning it stands does not fit, and goes to its end.
    ///
    /// # Errors
    /// [`Stop`], as [`next`](Decoder::next).
    #[cold]
    pub fn mismatch(&mut self, expected: &'static str) -> Result<(), Stop> {
        if self.misfit.is_none() {
            self.misfit = Some(Misfit {
                offset: self.token.start,
                expected,
                found: self.describe(),
                path: Path::default(),
            });
            self.misfit_depth = self.typed_depth;
        }
        self.skip()
    }

    fn describe(&self) -> String {
        match self.kind() {
            Kind::ObjectStart | Kind::ObjectEnd => "an object".to_owned(),
            Kind::ListStart | Kind::ListEnd => "a list".to_owned(),
            Kind::Key | Kind::String => format!("string \"{}\"", excerpt(self.text().as_bytes())),
            Kind::Number => format!("number {}", excerpt(self.raw())),
            Kind::True | Kind::False | Kind::Null => excerpt(self.raw()),
        }
    }

    /// To be called after a part was decoded: which part it was, if the first error of fit lay in it.
    #[inline(always)]
    pub(super) fn passed(&mut self, segment: impl FnOnce() -> Segment) {
        if self.misfit_depth == self.typed_depth {
            self.extend_path(segment());
        }
    }

    #[cold]
    fn extend_path(&mut self, segment: Segment) {
        if let Some(misfit) = &mut self.misfit {
            misfit.path.push(segment);
        }
        self.misfit_depth = self.misfit_depth.saturating_sub(1);
    }

    /// Checks what stands behind the value and gives the outcome of the whole.
    fn finish(&mut self, walk: Result<(), Stop>, options: &DecodeOptions<'_>) -> Result<(), Error> {
        if walk.is_ok() {
            let behind =
                self.rest.iter().position(|byte| !matches!(byte, b' ' | b'\t' | b'\n' | b'\r'));
            if let Some(at) = behind {
                let offset = self.tokenizer.offset() + at as u64;
                let error = super::SyntaxError::new(offset, self.rest[at], "the end of the text");
                self.stop(error.into());
            }
        }
        match (self.malformed.take(), self.misfit.take()) {
            (Some(Error::Syntax(mut error)), _) => {
                error.offset += options.offset;
                Err(error.into())
            }
            (Some(error), _) => Err(error),
            (None, Some(misfit)) => Err(misfit.into_error(options)),
            (None, None) => Ok(()),
        }
    }
}

impl Misfit {
    fn into_error(self, options: &DecodeOptions<'_>) -> Error {
        Error::Fit(FitError {
            path: self.path.render(options.root),
            offset: self.offset + options.offset,
            expected: self.expected,
            found: self.found,
        })
    }
}
