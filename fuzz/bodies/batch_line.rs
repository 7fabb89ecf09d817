//! A line of `urpc call --batch`.
//!
//! Properties:
//! - No line makes the parser panic.
//! - What is read as a call has a valid argument, and reads the same if it is written anew.
//! - A line that is not JSON is refused as such, and a blank one is no call.

use urpc::json::{self, RawJson};

#[path = "../../src/bin/urpc/call/batch_line.rs"]
mod parser;

use parser::{BatchCall, BatchFiles, LineError, parse};

pub fn run(data: &[u8]) {
    let is_json = json::from_slice::<RawJson>(data).is_ok();
    match parse(data) {
        Ok(Some(call)) => {
            assert!(is_json && json::from_slice::<RawJson>(&call.arg).is_ok());
            read_again(call);
        }
        Ok(None) => assert!(is_json || data.trim_ascii().is_empty()),
        Err(LineError::Json(_)) => assert!(!is_json),
        Err(LineError::Other(text)) => assert!(is_json && !text.is_empty()),
    }
}

fn read_again(mut call: BatchCall) {
    call.connection = None;
    let mut files = Vec::new();
    match &mut call.files {
        BatchFiles::Named(names) => files.clone_from(names),
        BatchFiles::Recorded(count) => {
            files = vec![String::new(); *count];
            call.files = BatchFiles::Named(files.clone());
        }
    }
    let text = |value: &dyn json::ToJson| json::to_string(value).expect("text can be encoded");
    let arg = String::from_utf8_lossy(&call.arg).into_owned();
    let (method, files) = (text(&call.method), text(&files));
    let line = format!("{{\"method\":{method},\"arg\":{arg},\"files\":{files}}}");
    let valid = String::from_utf8(call.arg.clone()).is_ok();
    let again = parse(line.as_bytes());
    assert!(!valid || again == Ok(Some(call)), "{line}");
}
