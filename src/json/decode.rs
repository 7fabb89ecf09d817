//! Decoding: one walk over a text, into a value that is there already.
//!
//! The tokenizer checks the grammar while values take what fits. What does not fit is remembered (the first
//! of it) and the walk goes on; a syntax error ends it and beats everything else. Skipping does not recurse;
//! typed values do, so their depth is limited.

use std::borrow::Cow;

use super::error::{Error, FitError, Path, Segment, excerpt};
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
/// use urpc::json::{Decoder, FromJson, Kind, Stop, Token};
///
/// /// Written as a string of hexadecimal digits.
/// #[derive(Debug, Default, PartialEq)]
/// struct Hex(u32);
///
/// impl FromJson for Hex {
///     fn decode(&mut self, first: Token, decoder: &mut Decoder<'_>) -> Result<(), Stop> {
///         const EXPECTED: &str = "a string of hexadecimal digits";
///         if first.kind != Kind::String {
///             return decoder.mismatch(first, EXPECTED);
///         }
///         match u32::from_str_radix(&decoder.text(first), 16) {
///             Ok(number) => self.0 = number,
///             Err(_) => return decoder.mismatch(first, EXPECTED),
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

    /// Takes the value whose first token is `first` out of the decoder: all of it, also where it does not fit.
    ///
    /// # Errors
    /// [`Stop`], from the decoder's methods: the text is malformed and there is nothing more to read.
    fn decode(&mut self, first: Token, decoder: &mut Decoder<'_>) -> Result<(), Stop>;

    /// The same for a member marked `quoted`: a string that holds the value's JSON text. Only booleans,
    /// numbers and strings know how; for all others the mark means nothing, as in Go.
    ///
    /// # Errors
    /// As [`decode`](FromJson::decode).
    fn decode_quoted(&mut self, first: Token, decoder: &mut Decoder<'_>) -> Result<(), Stop> {
        self.decode(first, decoder)
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
        first: Token,
        decoder: &mut Decoder<'_>,
    ) -> Result<(), Stop> {
        if member.quoted { self.decode_quoted(first, decoder) } else { self.decode(first, decoder) }
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
        Ok(first) => value.decode(first, &mut decoder),
        Err(stop) => Err(stop),
    };
    decoder.finish(walk, options)
}

/// A text on its way into values; what [`FromJson`] implementations draw from.
pub struct Decoder<'a> {
    text: &'a [u8],
    rest: &'a [u8],
    tokenizer: Tokenizer,
    typed_depth: usize,
    typed_limit: usize,
    malformed: Option<Error>,
    misfit: Option<Misfit>,
    /// The typed depth that the path of `misfit` has grown to; `usize::MAX` while there is none.
    misfit_depth: usize,
}

/// The first error of fit, its path still growing.
struct Misfit {
    token: Token,
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
            typed_depth: 0,
            typed_limit,
            malformed: None,
            misfit: None,
            misfit_depth: usize::MAX,
        }
    }

    /// The next token, whatever it is.
    ///
    /// # Errors
    /// [`Stop`]: the text is malformed here, or ends too early.
    #[allow(clippy::should_implement_trait)]
    #[inline]
    pub fn next(&mut self) -> Result<Token, Stop> {
        match self.tokenizer.next(&mut self.rest) {
            Ok(Some(token)) => Ok(token),
            Ok(None) => self.last_token(),
            Err(error) => Err(self.stop(error.into())),
        }
    }

    #[cold]
    fn last_token(&mut self) -> Result<Token, Stop> {
        match self.tokenizer.finish() {
            Ok(Some(token)) => Ok(token),
            _ => Err(self.stop(Error::UnexpectedEnd)),
        }
    }

    #[cold]
    fn stop(&mut self, error: Error) -> Stop {
        self.malformed = Some(error);
        Stop(())
    }

    /// Begins a list, a record or a map whose first token was `first`; `false` if it lay too deep and was
    /// skipped. Each one begun is ended by [`close`](Decoder::close).
    ///
    /// # Errors
    /// [`Stop`], as [`next`](Decoder::next).
    pub fn open(&mut self, first: Token) -> Result<bool, Stop> {
        if self.typed_depth == self.typed_limit {
            self.mismatch(first, "fewer levels of records, lists and maps")?;
            return Ok(false);
        }
        self.typed_depth += 1;
        Ok(true)
    }

    /// Ends what [`open`](Decoder::open) began.
    pub fn close(&mut self) {
        self.typed_depth = self.typed_depth.saturating_sub(1);
    }

    /// The first token of a list's next element, or the next name of an object; `None` at the end.
    ///
    /// # Errors
    /// [`Stop`], as [`next`](Decoder::next).
    #[inline]
    pub fn part(&mut self) -> Result<Option<Token>, Stop> {
        let token = self.next()?;
        Ok(if matches!(token.kind, Kind::ListEnd | Kind::ObjectEnd) { None } else { Some(token) })
    }

    /// Reads over the rest of the value that begins with `first`, checking its grammar.
    ///
    /// # Errors
    /// [`Stop`], as [`next`](Decoder::next).
    pub fn skip(&mut self, first: Token) -> Result<(), Stop> {
        if matches!(first.kind, Kind::ListStart | Kind::ObjectStart) {
            let around = self.tokenizer.depth().saturating_sub(1);
            while self.tokenizer.depth() > around {
                self.next()?;
            }
        }
        Ok(())
    }

    /// Reads over the value that begins with `first` and returns its bytes.
    ///
    /// # Errors
    /// [`Stop`], as [`next`](Decoder::next).
    pub fn raw_value(&mut self, first: Token) -> Result<&'a [u8], Stop> {
        self.skip(first)?;
        let end = first.end.max(self.tokenizer.offset());
        Ok(self.text.get(first.start as usize..end as usize).unwrap_or_default())
    }

    /// The bytes of one token, quotes included.
    #[inline]
    pub fn raw(&self, token: Token) -> &'a [u8] {
        self.text.get(token.range()).unwrap_or_default()
    }

    /// The text of a string or a name: escapes resolved, U+FFFD for each byte that is not UTF-8.
    pub fn text(&self, token: Token) -> Cow<'a, str> {
        text::unquote(self.raw(token), token.plain)
    }

    /// Remembers that the value beginning with `first` does not fit, and reads over it.
    ///
    /// # Errors
    /// [`Stop`], as [`next`](Decoder::next).
    #[cold]
    pub fn mismatch(&mut self, first: Token, expected: &'static str) -> Result<(), Stop> {
        if self.misfit.is_none() {
            self.misfit = Some(Misfit {
                token: first,
                expected,
                found: self.describe(first),
                path: Path::default(),
            });
            self.misfit_depth = self.typed_depth;
        }
        self.skip(first)
    }

    fn describe(&self, token: Token) -> String {
        let excerpt = || excerpt(self.raw(token));
        match token.kind {
            Kind::ObjectStart | Kind::ObjectEnd => "an object".to_owned(),
            Kind::ListStart | Kind::ListEnd => "a list".to_owned(),
            Kind::Key | Kind::String => {
                format!("string \"{}\"", self::excerpt(self.text(token).as_bytes()))
            }
            Kind::Number => format!("number {}", excerpt()),
            Kind::True | Kind::False | Kind::Null => excerpt(),
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
    fn finish(mut self, walk: Result<(), Stop>, options: &DecodeOptions<'_>) -> Result<(), Error> {
        if walk.is_ok() {
            let behind =
                self.rest.iter().position(|byte| !matches!(byte, b' ' | b'\t' | b'\n' | b'\r'));
            if let Some(at) = behind {
                let offset = self.tokenizer.offset() + at as u64;
                let error = super::SyntaxError::new(offset, self.rest[at], "the end of the text");
                self.stop(error.into());
            }
        }
        match (self.malformed, self.misfit) {
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
            offset: self.token.start + options.offset,
            expected: self.expected,
            found: self.found,
        })
    }
}
