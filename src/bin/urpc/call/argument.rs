//! The argument of a call: JSON from the command line, a file or standard input.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::{fs, io};

use urpc::json::RawJson;

use super::invalid::not_json;
use crate::args::quoted;
use crate::outcome::{Failure, Outcome};
use crate::streams;

/// The argument's text: the operand itself, or from a file, or from standard input.
pub fn read(operand: Option<&OsString>) -> Result<Vec<u8>, Failure> {
    let (source, text) = match operand.map(|operand| operand.as_bytes()) {
        None => return Ok(b"null".to_vec()),
        Some(b"-") => {
            let mut text = Vec::new();
            let read = streams::read_to_end(&mut io::stdin().lock(), &mut text);
            read.map_err(|error| Failure::local("standard input", error))?;
            ("standard input".to_owned(), text)
        }
        Some([b'@', path @ ..]) => {
            let path = OsStr::from_bytes(path);
            let text = fs::read(path).map_err(|error| Failure::local(quoted(path), error))?;
            (quoted(path), text)
        }
        Some(text) => ("ARG".to_owned(), text.to_vec()),
    };
    check(&source, &text)?;
    Ok(text)
}

fn check(source: &str, text: &[u8]) -> Outcome {
    let checked: Result<RawJson, _> = urpc::json::from_slice(text);
    checked.map(drop).map_err(|error| not_json(source, text, 1, &error))
}
