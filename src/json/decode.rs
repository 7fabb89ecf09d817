//! Decoding: the functions that start it.
//!
//! A value takes what fits. The first part that does not fit is remembered, and decoding continues.
//! A syntax error ends decoding and is reported before any type error. Skipping does not recurse.
//! Typed values do, so their depth is limited.

use std::any::type_name;

use super::decoder::Decoder;
use super::error::{Aborted, Error};
use super::from_json::FromJson;
use super::token::{Kind, Token};
use crate::memory::Allowance;

/// How to decode; see [`decode_into`].
///
/// ```
/// use urpc::json::{DecodeOptions, decode_into};
///
/// let options = DecodeOptions { decoded_bytes: 100, ..DecodeOptions::default() };
/// let text = format!("[\"{}\"]", "x".repeat(1000));
/// assert!(decode_into(&mut Vec::<String>::new(), text.as_bytes(), &options).is_err());
/// ```
#[derive(Debug, Clone, Copy)]
pub struct DecodeOptions<'a> {
    /// What the paths in errors begin with.
    pub root: &'a str,
    /// Added to the offsets in errors.
    pub offset: u64,
    /// How many records, arrays and objects may lie in one another. A type that contains itself is
    /// decoded and dropped by recursion; the default of 128 is for threads with ordinary stacks.
    pub typed_depth: usize,
    /// The most memory that the values may take, in bytes. Strings, elements, entries and
    /// [`Value`](super::Value)s are counted when they are allocated. A value that takes more is a
    /// type error. By default there is no limit. Then it is a type error if the system has no
    /// memory.
    pub decoded_bytes: usize,
}

impl Default for DecodeOptions<'_> {
    fn default() -> Self {
        DecodeOptions { root: "", offset: 0, typed_depth: 128, decoded_bytes: usize::MAX }
    }
}

/// Decodes the only value in `text`. There may be white space around it.
///
/// ```
/// let list: Vec<Option<u8>> = urpc::json::from_slice(b" [1, null, 255] ")?;
/// assert_eq!(list, [Some(1), None, Some(255)]);
/// # Ok::<(), urpc::json::Error>(())
/// ```
///
/// # Errors
/// [`Error::Syntax`], [`Error::UnexpectedEnd`], [`Error::Type`].
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
/// See [`from_slice`].
pub fn from_str<T: FromJson + Default>(text: &str) -> Result<T, Error> {
    from_slice(text.as_bytes())
}

/// Decodes the only value in `text` into `value`. Members that the text does not name stay
/// unchanged.
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
/// See [`from_slice`]. After [`Error::Type`] the value holds everything that did fit.
pub fn decode_into<T: FromJson + ?Sized>(
    value: &mut T,
    text: &[u8],
    options: &DecodeOptions<'_>,
) -> Result<(), Error> {
    let memory = match options.decoded_bytes {
        usize::MAX => Allowance::unlimited(),
        limit => Allowance::new(limit, None),
    };
    let mut decoder = Decoder::new(text, options.typed_depth, memory);
    let walk = decoder.value().and_then(|()| decode_root(value, &mut decoder));
    decoder.finish(walk, options.root, options.offset)
}

/// Decodes the value at `place` in a text that has been read: a single token, or the last token
/// extended to the whole value. A string without escapes is not searched again.
pub(crate) fn decode_at<'a, T: FromJson + ?Sized>(
    value: &mut T,
    text: &'a [u8],
    place: &Token,
    root: &str,
    typed_depth: usize,
    memory: &mut Allowance<'a>,
) -> Result<(), Error> {
    let text = text.get(place.range()).unwrap_or_default();
    let mut decoder = Decoder::new(text, typed_depth, memory.lend());
    let entered = if place.kind == Kind::String && place.is_simple {
        decoder.simple_string(Kind::String, text.len().saturating_sub(2));
        Ok(())
    } else {
        decoder.value()
    };
    let walk = entered.and_then(|()| decode_root(value, &mut decoder));
    let finished = decoder.finish(walk, root, place.start);
    memory.take_back(decoder.memory);
    finished
}

#[inline]
fn decode_root<T: FromJson + ?Sized>(
    value: &mut T,
    decoder: &mut Decoder<'_>,
) -> Result<(), Aborted> {
    decoder.part(|decoder| value.decode(decoder), type_name::<T>, String::new)
}
