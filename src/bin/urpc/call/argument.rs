//! The argument of a call: JSON from the command line, a file or standard input.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use urpc::json::RawJson;

use super::input::{Input, LONGEST};
use super::invalid::not_json;
use super::items::{self, FORMS, Item, Kind};
use crate::args::quoted;
use crate::outcome::{Failure, Outcome};
use crate::timelimit::TimeLimit;

/// A file that an operand names: what was typed before it, with the `@`, and the file.
pub type NamedFile<'a> = (String, &'a OsStr);

/// How long an argument may take to read, and the most bytes that it may have.
#[derive(Clone, Copy)]
pub struct Bounds {
    pub time: TimeLimit,
    pub most: usize,
    /// What raises `most`, for the error.
    pub hint: &'static str,
}

/// The argument of the operands after METHOD, and the files that they name.
pub fn of_operands(
    operands: &[OsString],
    bounds: Bounds,
) -> Result<(Vec<u8>, Vec<NamedFile<'_>>), Failure> {
    let items: Vec<Item<'_>> = operands.iter().map_while(|word| items::split(word)).collect();
    if items.is_empty() && operands.len() < 2 {
        return Ok((read_within(operands.first(), bounds)?, Vec::new()));
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
    let not_text = || {
        let value = quoted(item.value);
        Failure::Usage(format!("{name}= takes text in UTF-8, not {value}"))
    };
    let value = item.value.to_str().ok_or_else(not_text)?;
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
    let bounds = Bounds { time: TimeLimit::start(None), most: LONGEST, hint: "" };
    read_within(operand, bounds)
}

fn read_within(operand: Option<&OsString>, bounds: Bounds) -> Result<Vec<u8>, Failure> {
    let input = match operand.map(|operand| operand.as_bytes()) {
        None => return Ok(b"null".to_vec()),
        Some(b"-") => Input::standard(bounds.time),
        Some(b"@-") => {
            let text = "write - for standard input, or @./- for a file of that name";
            return Err(Failure::Usage(text.to_owned()));
        }
        Some([b'@', path @ ..]) => Input::open(OsStr::from_bytes(path), bounds.time),
        Some(text) => {
            check("ARG", text)?;
            return Ok(text.to_vec());
        }
    };
    let (mut input, Bounds { most, hint, .. }) = (input?, bounds);
    let text = input.read_to_end(most)?.ok_or_else(|| {
        let text = format!("{}: more than {most} bytes, too much for ARG{hint}", input.name);
        Failure::Local(text)
    })?;
    check(&input.name, &text)?;
    Ok(text)
}

fn check(source: &str, text: &[u8]) -> Outcome {
    let checked: Result<RawJson, _> = urpc::json::from_slice(text);
    checked.map(drop).map_err(|error| not_json(source, text, 1, &error))
}
