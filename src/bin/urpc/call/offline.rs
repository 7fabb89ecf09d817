//! `urpc call --offline`: prints what a call would send. Nothing is connected to, and no file is
//! opened, because opening may create or truncate one.

use std::ffi::OsStr;
use std::fs;

use urpc::json::{self, RawJson};

use super::argument::NamedFile;
use super::outgoing::file_to_send;
use super::show::Printer;
use crate::args::{Parsed, quoted};
use crate::outcome::{Failure, Outcome};
use crate::values::FileToSend;

urpc::record! {
    /// A call on the wire.
    #[derive(Debug, Default)]
    struct Message {
        method: String,
        arg: RawJson,
    }
}

/// Prints a call's bytes, and lists its files after `place`.
pub fn show(method: &str, arg: &[u8], files: &[String], place: &str, printer: Printer) -> Outcome {
    let message = Message { method: method.to_owned(), arg: RawJson::new(arg) };
    let bytes = json::to_vec(&message).map_err(|error| Failure::local("ARG", error))?;
    for (index, file) in files.iter().enumerate() {
        printer.line(&format!("{place}file {index}: {file}"));
    }
    printer.message(&bytes)
}

/// Describes the files of the options, or those of the operands, in their order.
pub fn files(parsed: &Parsed, operands: &[NamedFile<'_>]) -> Result<Vec<String>, Failure> {
    let mut files = Vec::new();
    for (before, value) in operands {
        files.push(file(before, value)?);
    }
    for (option, value) in &parsed.options {
        files.push(match *option {
            "file" => file("--file ", value)?,
            "pipe-in" => "a pipe from standard input".to_owned(),
            "pipe-out" => "a pipe to standard output".to_owned(),
            "pipe-err" => "a pipe to standard error".to_owned(),
            _ => continue,
        });
    }
    Ok(files)
}

/// Describes one file. One that is to be read must exist.
pub fn file(before: &str, value: &OsStr) -> Result<String, Failure> {
    Ok(match file_to_send(before, value)? {
        FileToSend::Inherited(number) => format!("descriptor {number}"),
        FileToSend::Write(path) => format!("{}, created or truncated, to write", quoted(&path)),
        FileToSend::Read(path) => {
            let found = fs::metadata(&path);
            let failed = |error| Failure::local(format_args!("{before}{}", quoted(value)), error);
            found.map(|_| format!("{}, to read", quoted(&path))).map_err(failed)?
        }
    })
}
