//! JSON as every urpc peer uses it: Go's `encoding/json`.
//!
//! A [`Tokenizer`] splits a stream into tokens. A [`Decoder`] reads a complete text into values
//! that implement [`FromJson`]. [`ToJson`] writes values as text. [`record!`](crate::record)
//! implements both for structs. [`Value`], [`Number`], [`RawJson`] and [`Bytes`] are for what Rust
//! has no type for. This module accepts what Go accepts and writes what Go writes, byte for byte.
//! Where Go's versions differ, it does the same as one of them.
//!
//! | Rust | JSON | Go |
//! | --- | --- | --- |
//! | `bool`, integers, floats, `String` | as they are | the same |
//! | [`Duration`](std::time::Duration) | nanoseconds | `time.Duration` |
//! | `Vec`, `[T; N]` | array | slice, array |
//! | `BTreeMap`, `HashMap` with [keys](MapKey) of strings or integers | object | map |
//! | `Option`, `Box` | `null` or the value | pointer |
//! | [`Bytes`] | base64 | `[]byte` |
//! | [`RawJson`], [`Number`], [`Value`] | any, a number, any | `RawMessage`, `Number`, `any` |
//! | `()` | `null` | |
//!
//! Memory stays proportional to the text. Skipped values take none. Strings, numbers, bytes and raw
//! values take their length, and strings that are not UTF-8 up to eight times as much. A [`Value`]
//! takes at most 32 bytes for each byte of text, and 1,000 for each open level, of which there are
//! at most [`MAX_DEPTH`].

mod arrays;
mod bytes;
mod decode;
mod decoder;
mod digits;
mod encode;
mod error;
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
mod scalars;
mod text;
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
