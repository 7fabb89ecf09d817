//! The argument of a call: JSON from the command line, a file or standard input.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::{fs, io};

use urpc::json::RawJson;

use super::invalid::not_json;
use super::items::{self, FORMS, Item, Kind};
use crate::args::quoted;
use crate::outcome::{Failure, Outcome};
use crate::streams;

/// A file that an operand names: what was typed before it, with the `@`, and the file.
pub type NamedFile<'a> = (String, &'a OsStr);

/// The argument of the operands after METHOD, and the files that they name.
pub fn of_operands(operands: &[OsString]) -> Result<(Vec<u8>, Vec<NamedFile<'_>>), Failure> {
    let items: Vec<Item<'_>> = operands.iter().map_while(|word| items::split(word)).collect();
    if items.is_empty() && operands.len() < 2 {
        return Ok((read(operands.first())?, Vec::new()));
    }
    if let Some(word) = operands.get(items.len().max(1)) {
        let text = format!("unexpected {}: give one ARG, or any number of {FORMS}", quoted(word));
        return Err(Failure::Usage(text));
    }
    let (mut names, mut members, mut files) = (Vec::new(), Vec::new(), Vec::new());
    for item in &items {
        let name = text_of(item.name)?;
        if item.kind == Kind::File {
            files.push((format!("{name}@"), item.value));
            continue;
        }
        if names.contains(&name) {
            return Err(Failure::Usage(format!("{name} is given twice")));
        }
        members.push(format!("{}:{}", string(name), member(name, item)?));
        names.push(name);
    }
    Ok((format!("{{{}}}", members.join(",")).into_bytes(), files))
}

fn member(name: &str, item: &Item<'_>) -> Result<String, Failure> {
    let value = text_of(item.value.as_bytes())?;
    if item.kind == Kind::Text {
        return Ok(string(value));
    }
    check(&format!("{name}:="), value.as_bytes())?;
    Ok(value.to_owned())
}

fn text_of(bytes: &[u8]) -> Result<&str, Failure> {
    let not_text = |_| Failure::Usage(format!("{} is not UTF-8", quoted(OsStr::from_bytes(bytes))));
    std::str::from_utf8(bytes).map_err(not_text)
}

/// `text` as a JSON string. A string can always be encoded.
fn string(text: &str) -> String {
    urpc::json::to_string(text).unwrap_or_default()
}

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
