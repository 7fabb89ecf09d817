//! Types whose `FromJson` or `ToJson` does what it must not: for the target `decode`.
//!
//! Properties:
//! - A type that does not read its value is refused where the value is an array or an object, and so
//!   is one that reads it twice.
//! - A type that writes no value or two is refused.
//! - A shared value that others hold stays as it is for them.

use std::rc::Rc;
use std::sync::Arc;

use urpc::json::{self, Aborted, Decoder, Encoder, Error, FromJson, ToJson, Value};

#[derive(Debug, Default)]
struct Unread;

impl FromJson for Unread {
    fn decode(&mut self, decoder: &mut Decoder<'_>) -> Result<(), Aborted> {
        assert!(format!("{decoder:?}").starts_with("Decoder { at: "));
        Ok(())
    }
}

#[derive(Debug, Default)]
struct ReadTwice(Value, Vec<i64>);

impl FromJson for ReadTwice {
    fn decode(&mut self, decoder: &mut Decoder<'_>) -> Result<(), Aborted> {
        self.0.decode(decoder)?;
        self.1.decode(decoder)
    }
}

/// Writes a value so many times.
struct Written(usize);

impl ToJson for Written {
    fn encode(&self, encoder: &mut Encoder<'_>) -> Result<(), Aborted> {
        assert!(format!("{encoder:?}").starts_with("Encoder { bytes: "));
        (0..self.0).for_each(|_| encoder.string("text"));
        Ok(())
    }
}

urpc::record! {
    /// A member of a type of one's own is never empty.
    #[derive(Debug, Default)]
    struct Around {
        own: Kept => omitempty,
    }
}

#[derive(Debug, Default)]
struct Kept(String);

impl FromJson for Kept {
    fn decode(&mut self, decoder: &mut Decoder<'_>) -> Result<(), Aborted> {
        self.0.decode(decoder)
    }
}

impl ToJson for Kept {
    fn encode(&self, encoder: &mut Encoder<'_>) -> Result<(), Aborted> {
        self.0.encode(encoder)
    }
}

pub fn check(text: &[u8]) {
    if let Ok(kept) = json::from_slice::<Around>(text) {
        let own = json::to_string(&kept.own.0).expect("a text can be written");
        assert_eq!(json::to_string(&kept), Ok(format!(r#"{{"own":{own}}}"#)));
    }
    if let Ok(Value::Array(elements)) = &json::from_slice(text) {
        let nested = |value: &Value| value.as_array().is_some() || value.as_object().is_some();
        let is_nested = elements.iter().any(nested);
        check_refused(json::from_slice::<Vec<Unread>>(text), is_nested, "to read its whole value");
        if is_nested && elements.iter().all(nested) {
            check_refused(json::from_slice::<Vec<ReadTwice>>(text), true, "that is read once");
        }
        let written: Vec<Written> = elements.iter().map(|_| Written(elements.len() % 3)).collect();
        let is_one = written.is_empty() || elements.len() % 3 == 1;
        let result = json::to_vec(&written);
        assert_eq!(result.is_ok(), is_one, "{result:?}");
        assert!(result.is_ok() || matches!(result, Err(Error::Unencodable { .. })));
    }
    check_shared::<Rc<Vec<Value>>>(text);
    check_shared::<Arc<Vec<Value>>>(text);
    check_shared::<Rc<Value>>(text);
    check_appended(text);
}

fn check_refused<T>(result: Result<T, Error>, is_refused: bool, reason: &str) {
    assert_eq!(result.is_err(), is_refused);
    if let Err(error) = result {
        assert!(error.to_string().contains(reason), "{error}");
    }
}

fn check_shared<T: FromJson + ToJson + Default + Clone>(text: &[u8]) {
    let Ok(mut value) = json::from_slice::<T>(text) else { return };
    let other = value.clone();
    let before = json::to_vec(&other).expect("what was read is written");
    let changed = json::decode_into(&mut value, b"[0]", &json::DecodeOptions::default());
    assert!(changed.is_ok() && json::to_vec(&value).as_deref() == Ok(b"[0]"));
    assert_eq!(json::to_vec(&other), Ok(before));
}

/// A value that is appended to a text.
fn check_appended(text: &[u8]) {
    let Ok(value) = json::from_slice::<Value>(text) else { return };
    let mut out = text.to_vec();
    json::encode_to(&value, &mut out).expect("a value can be written");
    assert!(out.starts_with(text) && json::to_vec(&value).as_deref() == Ok(&out[text.len()..]));
}
