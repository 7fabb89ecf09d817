//! JSON as every urpc peer uses it: Go's `encoding/json`.
//!
//! A [`Tokenizer`] splits a stream into tokens. A [`Decoder`] reads a complete text into values
//! that implement [`FromJson`]. [`ToJson`] writes values as text. [`record!`](crate::record)
//! implements both for structs. [`Value`], [`Number`], [`RawJson`] and [`Bytes`] are for what Rust
//! has no type for. This module accepts what Go accepts and writes what Go writes, byte for byte.
//! Where Go's versions differ, it does the same as one of them. The few exceptions are listed in
//! section 9 of [`guide::wire`](crate::guide::wire).
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
//! Memory stays proportional to the text. Skipped values take none. Strings, numbers, bytes and raw
//! values take their length, and strings that are not UTF-8 up to eight times as much. A [`Value`]
//! takes at most 32 bytes for each byte of text, and 1,000 for each open level, of which there are
//! at most [`MAX_DEPTH`].

mod access;
mod arrays;
mod bytes;
mod decimal;
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
pub(crate) use error::FEWER_LEVELS;
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
    raw::{lend, lend_raw},
    text::{escape_inside as escape, simple_length, unquote},
    token::count_white_space,
};
