//! JSON as every urpc peer speaks it: Go's `encoding/json`.
//!
//! A stream is cut into tokens ([`Tokenizer`]), a whole text becomes values ([`FromJson`], which
//! draw from a [`Decoder`]), and values become text again ([`ToJson`]). Structs take part through
//! [`record!`](crate::record), and there are [`Value`], [`Number`], [`RawJson`] and [`Bytes`] for
//! what Rust has no type for. What Go accepts is accepted, what it writes is written, byte for
//! byte; where its versions differ, this is one of them.
//!
//! | Rust | JSON | Go |
//! | --- | --- | --- |
//! | `bool`, integers, floats, `String`, `Box<str>`, `Cow<str>` | as they are | the same |
//! | `PathBuf`, `OsString` | string; an error if it is not UTF-8 | `string` |
//! | [`Text<T>`](Text) for `IpAddr`, `SocketAddr`, `char`, ... | string | `TextMarshaler` |
//! | [`Duration`](std::time::Duration) | nanoseconds | `time.Duration` |
//! | [`Time`] | string, RFC 3339 | `time.Time` |
//! | `Vec`, `VecDeque`, `[T; N]` | array | slice, array |
//! | `BTreeSet`, `HashSet` | array; what comes twice is there once | |
//! | tuples | array of just that length | |
//! | `BTreeMap`, `HashMap` with [keys](MapKey) of strings or integers | object | map |
//! | `Option` | `null` or the value | pointer |
//! | `Box`, `Rc`, `Arc`, `Cow` | the value | |
//! | [`Bytes`] | base64 | `[]byte` |
//! | [`RawJson`], [`Number`], [`Value`] | any, a number, any | `RawMessage`, `Number`, `any` |
//! | `()` | `null` | |
//!
//! Memory stays in proportion to the text. What is skipped takes none; strings, numbers, bytes and
//! raw values take their length, strings up to eight times that where they are not UTF-8; a
//! [`Value`] takes at its peak no more than 32 bytes for a byte of text and 1,000 for each level
//! that is open, of which there are [`MAX_DEPTH`].

mod access;
mod arrays;
mod bytes;
mod decode;
mod decoder;
mod digits;
mod encode;
mod enums;
mod error;
mod field;
mod float;
mod from_json;
mod maps;
mod names;
mod number;
mod pointers;
mod quoted;
mod raw;
#[doc(hidden)]
pub mod record;
mod record_macro;
mod scalars;
mod strings;
mod text;
mod time;
mod token;
mod tokenizer;
mod value;
mod walk;

pub use bytes::Bytes;
pub use decode::{DecodeOptions, decode_into, from_slice, from_str};
pub use decoder::Decoder;
pub use encode::{Encoder, ToJson, encode_to, to_string, to_vec};
pub use error::{Aborted, Error, SyntaxError, TypeError};
pub use from_json::FromJson;
pub use maps::MapKey;
pub use number::{NotANumber, Number};
pub use raw::RawJson;
pub use strings::Text;
pub use time::Time;
pub use token::{Kind, Token};
pub use tokenizer::{MAX_DEPTH, Tokenizer};
pub use value::{Object, Value};

pub(crate) use {
    decode::decode_at,
    encode::{append, check_room},
    error::snippet,
    names::find_name,
    raw::append_raw,
    text::{escape_inside as escape, simple_length, unquote},
    token::count_white_space,
};
