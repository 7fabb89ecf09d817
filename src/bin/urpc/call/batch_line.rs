//! A line of `--batch`: a call as a person or a program writes it, or a message that
//! `urpc trace --json` has recorded.
//!
//! This module has no side effects.

use urpc::json::{self, Error, FromJson, Kind, RawJson, Tokenizer};

/// A call to make.
#[derive(Debug, Clone, PartialEq)]
pub struct BatchCall {
    pub method: String,
    pub arg: Vec<u8>,
    pub files: BatchFiles,
    /// The number of the connection on which it was recorded.
    pub connection: Option<u64>,
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
    let members = Members::of(line)?;
    match members.get("event") {
        None => written(&members).map(Some),
        Some(event) => recorded(&members, event),
    }
}

/// `{"method":"T.M","arg":1,"files":["in.txt"]}`
fn written(members: &Members<'_>) -> Result<BatchCall, LineError> {
    const KNOWN: [&str; 3] = ["method", "arg", "files"];
    if let Some((name, _)) = members.0.iter().find(|(name, _)| !KNOWN.contains(&&**name)) {
        return Err(other(format!("unknown member {name:?}: a call has method, arg and files")));
    }
    let files = members.get("files").map_or(Ok(Vec::new()), |files| value("files", files))?;
    call(members, BatchFiles::Named(files))
}

/// `{"event":"message","direction":"call","files":[{}],"message":{"method":"T.M","arg":1}}`
fn recorded(members: &Members<'_>, event: &[u8]) -> Result<Option<BatchCall>, LineError> {
    let text = |name| members.get(name).map_or(Ok(String::new()), |text| value(name, text));
    if value::<String>("event", event)? != "message" || text("direction")? != "call" {
        return Ok(None);
    }
    let files: Vec<RawJson> =
        members.get("files").map_or(Ok(Vec::new()), |files| value("files", files))?;
    let names: Result<Vec<String>, _> = files.iter().map(RawJson::to_value).collect();
    let files = names.map_or(BatchFiles::Recorded(files.len()), BatchFiles::Named);
    let message = members.get("message").filter(|message| *message != b"null");
    let message = message.ok_or_else(|| other("the recording has not all of this message"))?;
    let mut call = call(&Members::of(message)?, files)?;
    call.connection =
        members.get("connection").map(|number| value("connection", number)).transpose()?;
    Ok(Some(call))
}

fn call(members: &Members<'_>, files: BatchFiles) -> Result<BatchCall, LineError> {
    let method = members.get("method").ok_or_else(|| other("there is no method"))?;
    let (method, arg) = (value("method", method)?, members.get("arg").unwrap_or(b"null").to_vec());
    Ok(BatchCall { method, arg, files, connection: None })
}

fn value<T: FromJson + Default>(name: &str, text: &[u8]) -> Result<T, LineError> {
    json::from_slice(text).map_err(|error| other(format!("{name}: {error}")))
}

fn other(text: impl Into<String>) -> LineError {
    LineError::Other(text.into())
}

/// The members of an object, with the text of each value.
struct Members<'a>(Vec<(String, &'a [u8])>);

impl<'a> Members<'a> {
    fn of(text: &'a [u8]) -> Result<Members<'a>, LineError> {
        json::from_slice::<RawJson>(text).map_err(LineError::Json)?;
        let (mut tokenizer, mut rest) = (Tokenizer::new(), text);
        let mut next = || {
            let token = tokenizer.next(&mut rest).ok().flatten()?;
            Some((token, tokenizer.depth()))
        };
        if next().is_none_or(|(first, _)| first.kind != Kind::ObjectStart) {
            return Err(other(
                "a call is an object such as {\"method\":\"Type.Method\",\"arg\":1}",
            ));
        }
        let (mut members, mut name, mut start): (Vec<(String, _)>, _, _) =
            (Vec::new(), "".into(), 0);
        while let Some((token, depth)) = next().filter(|(_, depth)| *depth > 0) {
            if token.kind == Kind::Key && depth == 1 {
                (name, start) = (value("a name", &text[token.range()])?, 0);
                continue;
            }
            if start == 0 {
                start = token.range().start;
            }
            if depth > 1 {
                continue;
            }
            if members.iter().any(|(known, _)| *known == name) {
                return Err(other(format!("{name:?} is there twice")));
            }
            members.push((std::mem::take(&mut name), &text[start..token.range().end]));
        }
        Ok(Members(members))
    }

    fn get(&self, name: &str) -> Option<&'a [u8]> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, text)| *text)
    }
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
        let recorded = |files| BatchCall { files, connection: Some(3), ..call("A.B", "[1]", &[]) };
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
