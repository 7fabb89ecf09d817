//! [`FromJson`]: what a type does to be read from JSON.

use super::decoder::Decoder;
use super::error::Aborted;
use crate::Files;

/// A type that JSON can be decoded into.
///
/// Decoding goes *into* a value, as Go's does: `null` mostly leaves it, a member that comes twice
/// is merged, and one that does not come keeps what it had.
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
    note = "for `IpAddr`, `char` and others that have a text form there is `urpc::json::Text`, for `SystemTime` `urpc::json::Time`"
)]
pub trait FromJson {
    /// Takes the value at whose first token the decoder stands: all of it, also where it does not
    /// fit.
    ///
    /// # Errors
    /// [`Aborted`], from the decoder's methods: the text is malformed and there is nothing more to
    /// read.
    fn decode(&mut self, decoder: &mut Decoder<'_>) -> Result<(), Aborted>;

    /// What `Default` allocates for a value of the type, in bytes.
    #[doc(hidden)]
    fn default_bytes() -> usize
    where
        Self: Sized,
    {
        0
    }

    /// Where the files go that came with the message.
    fn files_mut(&mut self) -> Option<&mut Files> {
        None
    }

    /// What the type is to a record that it lies in.
    #[doc(hidden)]
    fn shape() -> Shape
    where
        Self: Sized,
    {
        Shape::default()
    }

    /// The field of that number, if this is a record.
    #[doc(hidden)]
    fn field_mut(&mut self, _index: usize) -> Option<&mut dyn FromJson> {
        None
    }
}

/// What a type is to the record that it lies in.
#[derive(Debug, Default)]
pub struct Shape {
    pub(super) is_files: bool,
    /// Whether Go's type has a nil of its own, so that an option of it is no pointer.
    pub(super) has_nil: bool,
}

impl Shape {
    /// The shape of an array, a map or bytes.
    pub(super) fn with_nil() -> Self {
        Shape { has_nil: true, ..Shape::default() }
    }
}
