//! Any value, through text and back.
//!
//! Properties: a value that was read is written to a text that reads back equal; so does the raw
//! text made compact; a copy is equal and prints alike; error texts are short; depth is no danger.

use urpc::json::{self, RawJson, Value};

pub fn run(text: &[u8]) {
    let value = match json::from_slice::<Value>(text) {
        Ok(value) => value,
        Err(error) => return assert!(error.to_string().len() < 300),
    };
    let written = json::to_vec(&value).expect("a value can be written");
    let again: Value = json::from_slice(&written).expect("what was written is read");
    assert!(again == value, "{value} came back as {again}");
    assert_eq!(json::to_vec(&again).as_ref(), Ok(&written));

    let raw = json::to_vec(&RawJson::new(text)).expect("the text is JSON");
    let of_raw: Value = json::from_slice(&raw).expect("compact text is read");
    assert!(of_raw == value, "{value} is {of_raw} when made compact");

    let copy = value.clone();
    assert!(copy == value);
    assert_eq!(copy.to_string().as_bytes(), written);
}
