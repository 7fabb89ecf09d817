//! Types that are strings in JSON, except `String` and `str`: paths, shared strings, and all types
//! with `FromStr` and `Display`.

use std::any::type_name;
use std::ffi::{OsStr, OsString};
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::str::FromStr;
use std::sync::Arc;

use super::field::Quotable;
use super::scalars::decode_token;
use super::{Aborted, Decoder, Encoder, FromJson, Kind, ToJson};

macro_rules! from_strings {
    ($($type:ty, $counters:literal;)*) => { $(
        impl FromJson for $type {
            fn decode(&mut self, decoder: &mut Decoder<'_>) -> Result<(), Aborted> {
                if decoder.kind() != Kind::String {
                    return String::new().decode(decoder);
                }
                let mut text = String::new();
                // Some of them copy the text once more.
                let bytes = decoder.text().len() + Self::default_bytes();
                if !decoder.memory.expect(bytes) || !decoder.string_into(&mut text) {
                    return decoder.out_of_memory();
                }
                *self = text.into();
                Ok(())
            }

            // That of the empty text, too, may have its counters in memory of its own.
            fn default_bytes() -> usize {
                $counters * size_of::<usize>()
            }
        }

        impl Quotable for $type {
            const EXPECTED: &'static str = String::EXPECTED;
        }
    )* };
}

from_strings! { Box<str>, 0; Rc<str>, 2; Arc<str>, 2; PathBuf, 0; OsString, 0; }

/// One that is not UTF-8 is an error.
impl ToJson for OsStr {
    fn encode(&self, encoder: &mut Encoder<'_>) -> Result<(), Aborted> {
        match self.to_str() {
            Some(text) => text.encode(encoder),
            None => Err(encoder.fail(format!("{self:?}, which is not UTF-8"))),
        }
    }

    fn is_empty(&self) -> bool {
        self.is_empty()
    }
}

/// One that is not UTF-8 is an error.
impl ToJson for Path {
    fn encode(&self, encoder: &mut Encoder<'_>) -> Result<(), Aborted> {
        self.as_os_str().encode(encoder)
    }

    fn is_empty(&self) -> bool {
        self.as_os_str().is_empty()
    }
}

/// A value that is a string in JSON, by its type's `FromStr` and `Display`: an `IpAddr`, a
/// `SocketAddr`, a `char`. None, the default, is the empty string, as for Go's `netip.Addr` and
/// `net.IP`.
///
/// ```
/// use std::net::IpAddr;
/// use urpc::json::Text;
///
/// let list: Vec<Text<IpAddr>> = urpc::json::from_str(r#"["127.0.0.1", "::1", ""]"#)?;
/// assert_eq!(list[0].0, Some([127, 0, 0, 1].into()));
/// assert_eq!(list[2].0, None);
/// assert_eq!(urpc::json::to_string(&list)?, r#"["127.0.0.1","::1",""]"#);
/// let error = urpc::json::from_str::<Text<IpAddr>>("\"localhost\"").unwrap_err();
/// assert_eq!(error.to_string(), "expected a string that is an IpAddr, found string \"localhost\" at byte 0");
/// # Ok::<(), urpc::json::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text<T>(pub Option<T>);

impl<T> Default for Text<T> {
    fn default() -> Self {
        Text(None)
    }
}

impl<T> From<T> for Text<T> {
    fn from(value: T) -> Self {
        Text(Some(value))
    }
}

impl<T: FromStr> FromJson for Text<T> {
    fn decode(&mut self, decoder: &mut Decoder<'_>) -> Result<(), Aborted> {
        let read = |text: &str| match text.parse() {
            Ok(value) => Some(Some(value)),
            Err(_) => text.is_empty().then_some(None),
        };
        let expected = || {
            let name = type_name::<T>().rsplit("::").next().unwrap_or_default();
            let article = if name.starts_with(['A', 'E', 'I', 'O']) { "an" } else { "a" };
            format!("a string that is {article} {name}").into()
        };
        decode_token(&mut self.0, Kind::String, decoder, read, expected)
    }
}

impl<T: Display> ToJson for Text<T> {
    fn encode(&self, encoder: &mut Encoder<'_>) -> Result<(), Aborted> {
        let text = self.0.as_ref().map(T::to_string);
        text.as_deref().unwrap_or_default().encode(encoder)
    }

    fn is_empty(&self) -> bool {
        self.0.is_none()
    }
}
