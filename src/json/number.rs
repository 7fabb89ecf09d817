//! [`Number`]: a number that keeps its JSON text.

use std::fmt;
use std::str::FromStr;

use super::digits;
use super::field::Quotable;
use super::{Aborted, Decoder, Encoder, FromJson, Kind, ToJson};

/// A number that keeps its JSON text, of any size and precision. Go has `json.Number` for this.
///
/// ```
/// use urpc::json::Number;
///
/// let number: Number = urpc::json::from_str("1.50")?;
/// assert_eq!(number.as_str(), "1.50");
/// assert_eq!(number.parse(), Ok(1.5));
/// assert!("1e400".parse::<Number>().is_ok());
/// assert!("0x10".parse::<Number>().is_err());
/// assert_eq!(Number::try_from(0.5).unwrap().as_str(), "0.5");
/// assert!(Number::try_from(f64::NAN).is_err());
/// # Ok::<(), urpc::json::Error>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Number(String);

impl Number {
    /// The JSON text. It is `0` for `Number::default()`.
    pub fn as_str(&self) -> &str {
        if self.0.is_empty() { "0" } else { &self.0 }
    }

    /// Reads the text as `T`, by `T`'s `FromStr`.
    ///
    /// # Errors
    /// What `T`'s `FromStr` gives: for std's integers, if the number is too large or not an
    /// integer.
    pub fn parse<T: FromStr>(&self) -> Result<T, T::Err> {
        self.as_str().parse()
    }

    /// Takes a text that was already checked.
    pub(super) fn from_checked(text: String) -> Number {
        Number(text)
    }
}

impl fmt::Debug for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The error of `Number`'s [`FromStr`]: the text is not a JSON number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotANumber;

impl fmt::Display for NotANumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a JSON number")
    }
}

impl std::error::Error for NotANumber {}

impl FromStr for Number {
    type Err = NotANumber;

    fn from_str(text: &str) -> Result<Self, NotANumber> {
        if is_number(text) { Ok(Number(text.to_owned())) } else { Err(NotANumber) }
    }
}

/// Whether all of `text` is one JSON number.
fn is_number(text: &str) -> bool {
    digits::scan(text.as_bytes()).is_some_and(|parts| parts.end == text.len())
}

impl FromJson for Number {
    fn decode(&mut self, decoder: &mut Decoder<'_>) -> Result<(), Aborted> {
        match decoder.kind() {
            Kind::Null => {}
            Kind::Number | Kind::String => {
                let (text, memory) = decoder.text_and_memory();
                if !is_number(text) {
                    return decoder.mismatch("a number");
                }
                match memory.copy(text) {
                    Some(text) => *self = Number(text),
                    None => return decoder.out_of_memory(),
                }
            }
            _ => return decoder.mismatch("a number"),
        }
        Ok(())
    }
}

impl Quotable for Number {
    const EXPECTED: &'static str = "a string with a number in it";
}

impl ToJson for Number {
    fn encode(&self, encoder: &mut Encoder<'_>) -> Result<(), Aborted> {
        encoder.begin_value();
        encoder.out.extend_from_slice(self.as_str().as_bytes());
        Ok(())
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

macro_rules! from_integers {
    ($($int:ident)*) => { $(
        impl From<$int> for Number {
            fn from(value: $int) -> Self {
                Number(value.to_string())
            }
        }
    )* };
}

from_integers! { i8 i16 i32 i64 isize u8 u16 u32 u64 usize }

macro_rules! from_floats {
    ($($float:ident)*) => { $(
        /// Fails for what is not finite.
        impl TryFrom<$float> for Number {
            type Error = NotANumber;

            fn try_from(value: $float) -> Result<Self, NotANumber> {
                super::to_string(&value).map(Number).map_err(|_| NotANumber)
            }
        }
    )* };
}

from_floats! { f32 f64 }
