//! [`FromJson`]: how a type is decoded.

use super::decoder::Decoder;
use super::error::Aborted;
use crate::Files;

/// A type that JSON can be decoded into.
///
/// Decoding changes an existing value, as in Go. `null` mostly leaves it unchanged. A member that
/// occurs twice is merged. A member that is missing keeps its value.
///
/// ```
/// use urpc::json::{Aborted, Decoder, FromJson, Kind};
///
/// /// Written as a string of hexadecimal digits.
/// #[derive(Debug, Default, PartialEq)]
/// struct Hex(u32);
///
/// impl FromJson for Hex {
///     fn decode(&mut self, decoder: &mut Decoder<'_>) -> Result<(), Aborted> {
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
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be read from JSON",
    label = "this type does not implement `FromJson`",
    note = "declare it by `urpc::record!`, or implement `FromJson` for it by hand",
    note = "for `IpAddr`, `char` and others that have a text form there is `urpc::json::Text`, for `SystemTime` `urpc::json::Time`",
    note = "it must own what it holds: a `Cow<str>` instead of a `&str`"
)]
pub trait FromJson {
    /// Decodes the value at whose first token the decoder is. It reads all of the value, even if
    /// the value does not fit.
    ///
    /// # Errors
    /// [`Aborted`], from the decoder's methods: the text is malformed and decoding must end.
    fn decode(&mut self, decoder: &mut Decoder<'_>) -> Result<(), Aborted>;

    /// The number of bytes that `Default` allocates for a value of the type.
    #[doc(hidden)]
    fn default_bytes() -> usize
    where
        Self: Sized,
    {
        0
    }

    /// The list that takes the files of the message.
    fn files_mut(&mut self) -> Option<&mut Files> {
        None
    }

    /// What the type means for a record that contains it.
    #[doc(hidden)]
    fn shape() -> Shape
    where
        Self: Sized,
    {
        Shape::default()
    }

    /// The number of bytes that [`FromJson::field_mut`] allocates, which makes what is absent.
    #[doc(hidden)]
    fn absent_bytes(&self) -> usize {
        0
    }

    /// The field with this number, if this is a record.
    #[doc(hidden)]
    fn field_mut(&mut self, _index: usize) -> Option<&mut dyn FromJson> {
        None
    }
}

/// What a type means for a record that contains it.
#[derive(Debug, Default)]
pub struct Shape {
    pub(super) is_files: bool,
    /// Whether Go's type has its own nil, so that an `Option` of it is not a pointer.
    pub(super) has_nil: bool,
}

impl Shape {
    /// The shape of an array, a map or bytes.
    pub(super) fn with_nil() -> Self {
        Shape { has_nil: true, ..Shape::default() }
    }
}
