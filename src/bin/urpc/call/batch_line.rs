//! A line of `--batch`: a call as a person or a program writes it, or a message that
//! `urpc trace --json` has recorded.
//!
//! This module has no side effects.

use std::collections::BTreeMap;

use urpc::json::{self, Error, Kind, RawJson, Tokenizer};

/// A call to make.
#[derive(Debug, Clone, PartialEq)]
pub struct BatchCall {
    pub method: String,
    pub arg: Vec<u8>,
    pub files: BatchFiles,
    /// The connection on which it was recorded.
    pub connection: Option<Vec<u8>>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum BatchFiles {
    /// As `--file` takes them.
    Named(Vec<String>),
    /// As many were sent when the call was recorded.
    Recorded(usize),
}

/// Why a line is no call.
#[derive(Debug, PartialEq)]
pub enum LineError {
    Json(Error),
    /// It is JSON. The text says what is wrong with it.
    Other(String),
}

/// Reads a line. `None` if it says nothing about a call: it is blank, or the recording of something
/// else.
pub fn parse(line: &[u8]) -> Result<Option<BatchCall>, LineError> {
    if line.trim_ascii().is_empty() {
        return Ok(None);
    }
    json::from_slice::<RawJson>(line).map_err(LineError::Json)?;
    let members = members(line)?;
    match get(&members, "event") {
        None => written(&members).map(Some),
        Some(event) => recorded(&members, event),
    }
}

/// `{"method":"T.M","arg":1,"files":["in.txt"]}`
fn written(members: &Members<'_>) -> Result<BatchCall, LineError> {
    for name in members.keys() {
        if !["method", "arg", "files"].contains(&name.as_str()) {
            return Err(other(format!(
                "unknown member {name:?}: a call has method, arg and files"
            )));
        }
    }
    let mut names = Vec::new();
    for file in files(members)? {
        names.push(string("files", file)?);
    }
    call(members, BatchFiles::Named(names))
}

/// `{"event":"message","direction":"call","files":[{}],"message":{"method":"T.M","arg":1}}`
fn recorded(members: &Members<'_>, event: &[u8]) -> Result<Option<BatchCall>, LineError> {
    let is_call = get(members, "direction") == Some(b"\"call\"");
    if event != b"\"message\"" || !is_call {
        return Ok(None);
    }
    let (mut count, mut names) = (0, Vec::new());
    for file in files(members)? {
        count += 1;
        names.extend(string("files", file).ok());
    }
    let files = match names.len() == count {
        true => BatchFiles::Named(names),
        false => BatchFiles::Recorded(count),
    };
    let message = get(members, "message").filter(|message| *message != b"null");
    let message = message.ok_or_else(|| other("the recording has not all of this message"))?;
    let connection = get(members, "connection").map(<[u8]>::to_vec);
    Ok(Some(BatchCall { connection, ..call(&self::members(message)?, files)? }))
}

fn call(members: &Members<'_>, files: BatchFiles) -> Result<BatchCall, LineError> {
    let method = get(members, "method").ok_or_else(|| other("there is no method"))?;
    let arg = get(members, "arg").unwrap_or(b"null").to_vec();
    Ok(BatchCall { method: string("method", method)?, arg, files, connection: None })
}

/// The texts of the files.
fn files<'a>(members: &Members<'a>) -> Result<Vec<&'a [u8]>, LineError> {
    let Some(list) = get(members, "files").filter(|list| *list != b"null") else {
        return Ok(Vec::new());
    };
    let not_array = || other("files: expected an array of names");
    Ok(parts(list, Kind::ArrayStart)
        .ok_or_else(not_array)?
        .into_iter()
        .map(|part| part.1)
        .collect())
}

fn string(what: &str, text: &[u8]) -> Result<String, LineError> {
    json::from_slice(text).map_err(|error| other(format!("{what}: {error}")))
}

fn other(text: impl Into<String>) -> LineError {
    LineError::Other(text.into())
}

/// The texts of an object's values by their names. A peer may have chosen how many a message has.
type Members<'a> = BTreeMap<String, &'a [u8]>;

fn get<'a>(members: &Members<'a>, name: &str) -> Option<&'a [u8]> {
    members.get(name).copied()
}

/// The members of an object. `text` is valid.
fn members(text: &[u8]) -> Result<Members<'_>, LineError> {
    const EXAMPLE: &str = r#"a call is an object such as {"method":"Type.Method","arg":1}"#;
    let mut members = Members::new();
    for (name, value) in parts(text, Kind::ObjectStart).ok_or_else(|| other(EXAMPLE))? {
        let name = string("a name", name)?;
        if members.contains_key(&name) {
            return Err(other(format!("{name:?} is there twice")));
        }
        members.insert(name, value);
    }
    Ok(members)
}

/// The texts of the names and values in an object, or of the values in an array. `None` if `text`,
/// which is valid, is something else than what begins with `first`.
fn parts(text: &[u8], first: Kind) -> Option<Vec<(&[u8], &[u8])>> {
    let (mut tokenizer, mut rest) = (Tokenizer::new(), text);
    let mut next = || {
        let token = tokenizer.next(&mut rest).ok().flatten()?;
        Some((token, tokenizer.depth()))
    };
    if next()?.0.kind != first {
        return None;
    }
    let (mut parts, mut name, mut start) = (Vec::new(), &text[..0], None);
    while let Some((token, depth)) = next() {
        let range = token.range();
        match (token.kind, depth) {
            (Kind::Key, 1) => name = &text[range],
            (_, 1) => parts.push((name, &text[start.take().unwrap_or(range.start)..range.end])),
            _ => start = start.or(Some(range.start)),
        }
    }
    Some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(method: &str, arg: &str, files: &[&str]) -> BatchCall {
        let files = BatchFiles::Named(files.iter().map(|name| (*name).to_owned()).collect());
        let (method, arg) = (method.to_owned(), arg.as_bytes().to_vec());
        BatchCall { method, arg, files, connection: None }
    }

    #[test]
    fn a_call_has_a_method_an_argument_and_files() {
        for (line, expected) in [
            (r#"{"method":"A.B"}"#, call("A.B", "null", &[])),
            (
                r#" { "arg" : {"x":[1.50,{}]} , "method" : "A.\u0042" } "#,
                call("A.B", r#"{"x":[1.50,{}]}"#, &[]),
            ),
            (r#"{"method":"A.B","arg":-0,"files":["a","b:w"]}"#, call("A.B", "-0", &["a", "b:w"])),
        ] {
            assert_eq!(parse(line.as_bytes()), Ok(Some(expected)), "{line}");
        }
        assert_eq!(parse(b" \t"), Ok(None));
    }

    #[test]
    fn a_recorded_call_is_one_and_nothing_else_that_is_recorded() {
        let line = |direction: &str, files: &str, message: &str| {
            let line = format!(
                r#"{{"time":1.5,"connection":3,"event":"message","direction":"{direction}","size":1,"files":{files},"message":{message}}}"#
            );
            parse(line.as_bytes())
        };
        let message = r#"{"method":"A.B","arg":[1]}"#;
        let recorded =
            |files| BatchCall { files, connection: Some(b"3".to_vec()), ..call("A.B", "[1]", &[]) };
        let file = r#"[{"type":"pipe","mode":"0600"}]"#;
        assert_eq!(line("call", "[]", message), Ok(Some(recorded(BatchFiles::Named(Vec::new())))));
        assert_eq!(line("call", file, message), Ok(Some(recorded(BatchFiles::Recorded(1)))));
        let named = BatchFiles::Named(vec!["in.txt".to_owned()]);
        assert_eq!(line("call", r#"["in.txt"]"#, message), Ok(Some(recorded(named))));
        assert_eq!(line("reply", "[]", r#"{"success":true}"#), Ok(None));
        assert_eq!(parse(br#"{"event":"open","connection":1}"#), Ok(None));
        assert_eq!(
            line("call", "[]", "null"),
            Err(other("the recording has not all of this message"))
        );
    }

    #[test]
    fn a_recorded_message_of_many_members_is_read_in_little_time() {
        // If each were compared with all before it, this would take minutes.
        let members: String = (0..100_000).map(|number| format!(",\"{number}\":0")).collect();
        let line = format!(
            r#"{{"event":"message","direction":"call","files":[],"message":{{"method":"A.B"{members}}}}}"#
        );
        assert!(matches!(parse(line.as_bytes()), Ok(Some(_))));
    }

    #[test]
    fn what_is_wrong_with_a_line_is_said() {
        for (line, said) in [
            ("1", "a call is an object"),
            ("{}", "there is no method"),
            (r#"{"method":1}"#, "method: expected a string"),
            (r#"{"method":"A.B","args":1}"#, "unknown member \"args\""),
            (r#"{"method":"A.B","method":"A.C"}"#, "\"method\" is there twice"),
            (r#"{"method":"A.B","files":"a"}"#, "files: expected an array"),
        ] {
            match parse(line.as_bytes()) {
                Err(LineError::Other(text)) => assert!(text.contains(said), "{line}: {text}"),
                other => panic!("{line}: {other:?}"),
            }
        }
        assert!(matches!(parse(b"{\"method\"}"), Err(LineError::Json(Error::Syntax(_)))));
    }
}
