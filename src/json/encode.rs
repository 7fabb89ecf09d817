//! Encoding: writes values as Go does into a buffer.

use std::any::type_name;
use std::borrow::Cow;
use std::fmt;

use super::error::{Aborted, Error, path_from};
use super::text;
use crate::Files;
use crate::memory::Buffer;

/// A type that can be written as JSON.
///
/// ```
/// use urpc::json::{Aborted, Encoder, ToJson};
///
/// /// Written as a string of hexadecimal digits.
/// struct Hex(u32);
///
/// impl ToJson for Hex {
///     fn encode(&self, encoder: &mut Encoder<'_>) -> Result<(), Aborted> {
///         encoder.string(&format!("{:x}", self.0));
///         Ok(())
///     }
/// }
///
/// assert_eq!(urpc::json::to_string(&[Hex(255)]).unwrap(), r#"["ff"]"#);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be written as JSON",
    label = "this type does not implement `ToJson`",
    note = "declare it by `urpc::record!`, or implement `ToJson` for it by hand",
    note = "for `IpAddr`, `char` and others that have a text form there is `urpc::json::Text`, for `SystemTime` `urpc::json::Time`"
)]
pub trait ToJson {
    /// Writes the value.
    ///
    /// # Errors
    /// [`Aborted`], from [`Encoder::fail`]: JSON cannot carry the value.
    fn encode(&self, encoder: &mut Encoder<'_>) -> Result<(), Aborted>;

    /// Whether a member marked `omitempty` is not written.
    fn is_empty(&self) -> bool {
        false
    }

    /// The files to send along.
    fn files(&self) -> Option<&Files> {
        None
    }

    /// The text that the value is written as, if it has one.
    #[doc(hidden)]
    fn lendable(&self) -> Option<Lendable<'_>> {
        None
    }

    /// The field with this number, if this is a record.
    #[doc(hidden)]
    fn field(&self, _index: usize) -> Option<&dyn ToJson> {
        None
    }
}

/// What may be sent from where it lies.
#[derive(Debug)]
pub enum Lendable<'a> {
    /// The text of a string, without quotes.
    Text(&'a str),
    /// JSON that was not checked.
    Raw(&'a [u8]),
}

/// Writes JSON into a buffer. [`ToJson`] implementations write to it.
///
/// What an implementation of [`ToJson::encode`] must do: it writes exactly one value, with
/// [`string`](Encoder::string) or the `encode` of another type, or it returns the result of
/// [`fail`](Encoder::fail). It returns each [`Aborted`] that it gets. If a type writes no value or
/// several, or ignores a failure, encoding fails with an error that names the type. Nothing is sent
/// then.
///
/// ```
/// use urpc::json::{Aborted, Encoder, ToJson, to_string};
///
/// struct Even(u8);
///
/// impl ToJson for Even {
///     fn encode(&self, encoder: &mut Encoder<'_>) -> Result<(), Aborted> {
///         if self.0 % 2 == 1 {
///             return Err(encoder.fail(format!("{} is odd", self.0)));
///         }
///         self.0.encode(encoder)
///     }
/// }
///
/// assert_eq!(to_string(&[Even(2)]).unwrap(), "[2]");
/// assert_eq!(to_string(&[Even(2), Even(3)]).unwrap_err().to_string(), "[1]: 3 is odd");
/// ```
pub struct Encoder<'a> {
    pub(super) out: &'a mut Buffer,
    /// How many values were written at the current level, with those around it: see
    /// [`begin_value`](Encoder::begin_value).
    values: usize,
    /// Sticky: set by the first failure, even if an impl swallowed it.
    failure: Option<Cow<'static, str>>,
    path: String,
    /// Finds the files that are sent along.
    files: &'a dyn Fn() -> Option<&'a Files>,
}

/// Shows how much was written, and nothing of the text.
impl fmt::Debug for Encoder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encoder")
            .field("bytes", &self.out.len())
            .field("failure", &self.failure)
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl Encoder<'_> {
    /// Writes a string, quoted and escaped.
    #[inline]
    pub fn string(&mut self, text: &str) {
        self.begin_value();
        text::quote(text.as_bytes(), self.out);
    }

    /// Call this once for each value that is written. The [parts](Encoder::part) of a value do not
    /// count.
    #[inline(always)]
    pub(super) fn begin_value(&mut self) {
        self.values += 1;
    }

    /// Writes a part of an array or object. It must be one value. `segment` is its place in the
    /// path.
    #[inline(always)]
    pub(super) fn part(
        &mut self,
        encode: impl FnOnce(&mut Self) -> Result<(), Aborted>,
        type_name: fn() -> &'static str,
        segment: impl FnOnce() -> String,
    ) -> Result<(), Aborted> {
        let before = self.values;
        let encoded = encode(self);
        if encoded.is_err() || self.values != before + 1 {
            self.blame(encoded, before, type_name());
            self.path.insert_str(0, &segment());
            return Err(Aborted(()));
        }
        self.values = before;
        Ok(())
    }

    /// Refuses files that would not be sent: any but those that are.
    pub(super) fn check_files(
        &mut self,
        files: &Files,
        segment: impl FnOnce() -> String,
    ) -> Result<(), Aborted> {
        if files.iter().next().is_none()
            || (self.files)().is_some_and(|sent| std::ptr::eq(sent, files))
        {
            return Ok(());
        }
        self.path.insert_str(0, &segment());
        Err(self.fail(
            "these files would not be sent: only one list of files is, the first of the record \
             itself or of a member that is marked `embedded`; put the files there",
        ))
    }

    /// Records that a type did not write one value, unless the type has failed.
    #[cold]
    #[inline(never)]
    fn blame(&mut self, encoded: Result<(), Aborted>, before: usize, type_name: &str) {
        if self.failure.is_some() || encoded.is_err() {
            return;
        }
        let count = if self.values == before { "no value" } else { "more than one value" };
        let _ = self.fail(format!("{type_name} wrote {count}: its ToJson must write exactly one"));
    }

    /// Records that JSON cannot carry the value, and why.
    #[cold]
    pub fn fail(&mut self, reason: impl Into<Cow<'static, str>>) -> Aborted {
        /// Makes the number of values wrong for every type around, so that no type can ignore the
        /// failure.
        const FAILED: usize = usize::MAX / 2;
        self.failure.get_or_insert(reason.into());
        self.values = FAILED;
        Aborted(())
    }

    /// The error.
    #[cold]
    fn error(self) -> Error {
        // A failure for lack of memory may look like another one.
        check_room(self.out).err().unwrap_or_else(|| Error::Unencodable {
            path: path_from("", &self.path),
            reason: self.failure.unwrap_or("a value that JSON cannot carry".into()),
        })
    }
}

/// Writes a value as JSON.
///
/// ```
/// assert_eq!(urpc::json::to_vec(&["<a>", "b"])?, br#"["\u003ca\u003e","b"]"#);
/// # Ok::<(), urpc::json::Error>(())
/// ```
///
/// # Errors
/// [`Error::Unencodable`]: a number that is not finite, a duration of more than 292 years, raw JSON
/// that is malformed, files that would not be sent, or a text for which there is no memory.
pub fn to_vec<T: ToJson + ?Sized>(value: &T) -> Result<Vec<u8>, Error> {
    // Of a size that no peer decides.
    let mut out = Buffer::of(Vec::with_capacity(128));
    append(value, &mut out)?;
    Ok(out.take_bytes())
}

/// Writes a value as JSON.
///
/// ```
/// assert_eq!(urpc::json::to_string(&[1.5, 1e21])?, "[1.5,1e+21]");
/// let error = urpc::json::to_string(&[0.5, f64::NAN]).unwrap_err();
/// assert_eq!(error.to_string(), "[1]: a number that is not finite");
/// # Ok::<(), urpc::json::Error>(())
/// ```
///
/// # Errors
/// See [`to_vec`]. Also raw JSON with a string that is not UTF-8.
pub fn to_string<T: ToJson + ?Sized>(value: &T) -> Result<String, Error> {
    String::from_utf8(to_vec(value)?).map_err(|_| Error::Unencodable {
        path: String::new(),
        reason: "raw JSON that is not UTF-8".into(),
    })
}

/// Appends a value as JSON to `out`.
///
/// ```
/// let mut out = b"arg:".to_vec();
/// urpc::json::encode_to(&true, &mut out)?;
/// assert_eq!(out, b"arg:true");
/// # Ok::<(), urpc::json::Error>(())
/// ```
///
/// # Errors
/// See [`to_vec`]. What was written before the error stays in `out`.
pub fn encode_to<T: ToJson + ?Sized>(value: &T, out: &mut Vec<u8>) -> Result<(), Error> {
    let mut buffer = Buffer::of(std::mem::take(out));
    let appended = append(value, &mut buffer);
    *out = buffer.take_bytes();
    appended
}

/// Like [`encode_to`], into a buffer of this crate.
pub(crate) fn append<T: ToJson + ?Sized>(value: &T, out: &mut Buffer) -> Result<(), Error> {
    let mut encoder =
        Encoder { out, values: 0, failure: None, path: String::new(), files: &|| value.files() };
    let encoded = encoder.part(|encoder| value.encode(encoder), type_name::<T>, String::new);
    if encoded.is_ok() && encoder.out.check().is_ok() {
        return Ok(());
    }
    Err(encoder.error())
}

/// Whether there was memory for all that was appended.
pub(crate) fn check_room(out: &Buffer) -> Result<(), Error> {
    let unencodable =
        |reason: &'static str| Error::Unencodable { path: String::new(), reason: reason.into() };
    out.check().map_err(|shortage| unencodable(shortage.reason()))
}
