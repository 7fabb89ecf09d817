//! How results are printed: `--raw`, `--text`, `--quiet`, colour, and what `--verbose` adds.

use std::io::{self, IsTerminal};
use std::os::fd::BorrowedFd;
use std::time::Instant;

use urpc::json::RawJson;
use urpc::{Credentials, Error, Files, Socket};

use crate::args::Parsed;
use crate::colour;
use crate::filelist::Description;
use crate::outcome::{Failure, Outcome, print, print_error, say};
use crate::pretty;
use crate::terminal::{self, visible};

/// How the command prints.
#[derive(Clone, Copy)]
pub struct Printer {
    form: Form,
    is_coloured: bool,
    /// Standard output is the remote program's. The result goes to standard error.
    to_stderr: bool,
    to_terminal: bool,
    /// A newline ends a raw result, too.
    ends_line: bool,
    is_quiet: bool,
    is_verbose: bool,
}

#[derive(Clone, Copy)]
enum Form {
    Raw,
    Text,
    Indented,
    Line,
}

impl Printer {
    pub fn new(parsed: &Parsed) -> Result<Printer, Failure> {
        for [one, other] in [["raw", "text"], ["quiet", "verbose"]] {
            if parsed.has(one) && parsed.has(other) {
                return Err(Failure::Usage(format!("give --{one} or --{other}, not both")));
            }
        }
        let to_stderr = parsed.has("pipe-out");
        let to_terminal = match to_stderr {
            true => io::stderr().is_terminal(),
            false => io::stdout().is_terminal(),
        };
        let form = match parsed.has("batch") {
            _ if parsed.has("raw") => Form::Raw,
            _ if parsed.has("text") => Form::Text,
            true => Form::Line,
            false => Form::Indented,
        };
        Ok(Printer {
            form,
            is_coloured: colour::is_wanted(parsed, to_terminal)?,
            to_stderr,
            to_terminal,
            ends_line: to_stderr || parsed.has("batch"),
            is_quiet: parsed.has("quiet"),
            is_verbose: parsed.has("verbose"),
        })
    }

    /// Prints a result.
    pub fn result(&self, result: &RawJson) -> Outcome {
        let text = result.as_bytes();
        let write = &mut |text: &[u8]| self.write(text);
        match self.form {
            _ if self.is_quiet => Ok(()),
            Form::Raw => self.raw(text),
            Form::Text if text.trim_ascii_start().starts_with(b"\"") => {
                // It is a string, so it can be decoded.
                self.text(&result.to_value::<String>().unwrap_or_default())
            }
            Form::Text | Form::Indented => pretty::write_indented(text, self.is_coloured, write),
            Form::Line => pretty::write_line(text, write),
        }
    }

    /// Prints a message that is not sent.
    pub fn message(&self, bytes: &[u8]) -> Outcome {
        match self.form {
            Form::Raw => self.raw(bytes),
            _ => self.write(bytes).and_then(|()| self.write(b"\n")),
        }
    }

    fn write(&self, text: &[u8]) -> Outcome {
        if !self.to_stderr {
            return print(text);
        }
        print_error(text);
        Ok(())
    }

    fn raw(&self, text: &[u8]) -> Outcome {
        self.write(text)?;
        if self.ends_line { self.write(b"\n") } else { Ok(()) }
    }

    /// Prints a string as text. A terminal gets no control character except tab and newline.
    fn text(&self, text: &str) -> Outcome {
        match self.to_terminal {
            true => self.write(terminal::lines(text.as_bytes()).as_bytes())?,
            false => self.write(text.as_bytes())?,
        }
        if text.ends_with('\n') { Ok(()) } else { self.write(b"\n") }
    }

    /// Prints an empty line instead of a result.
    pub fn no_result(&self) -> Outcome {
        if self.is_quiet { Ok(()) } else { print("\n") }
    }

    /// Lists the files that came back. Each line begins with `place`.
    pub fn list(&self, files: &Files, place: &str) {
        for (index, file) in files.iter().enumerate() {
            self.line(&format!("{place}file {index}: {}", Description::of(file).line()));
        }
    }

    /// Reports about a file that came back.
    pub fn line(&self, line: &str) {
        if !self.is_quiet {
            say(line);
        }
    }

    /// Reports a line of `--verbose`.
    fn note(&self, line: &str) {
        if self.is_verbose {
            say(&format!("urpc call: {}", visible(line)));
        }
    }

    pub fn note_connection(&self, to: &str, socket: &Socket, since: Instant) {
        if let Ok(Credentials { pid, uid, gid, .. }) = socket.peer_credentials() {
            let took = time_since(since);
            self.note(&format!("connected to {to} in {took}: pid {pid}, uid {uid}, gid {gid}"));
        }
    }

    pub fn note_call(&self, method: &str, arg: &[u8], files: &[BorrowedFd<'_>]) {
        let sizes = sizes(arg.len(), files.len());
        self.note(&format!("call {method} with an argument of {sizes}"));
        for (index, file) in files.iter().enumerate().filter(|_| self.is_verbose) {
            self.note(&format!("  file {index} sent: {}", Description::of(*file).line()));
        }
    }

    pub fn note_result(&self, result: &Result<(RawJson, Files), Error>, since: Instant) {
        let took = time_since(since);
        self.note(&match result {
            Ok((result, files)) => {
                format!("a result of {} after {took}", sizes(result.as_bytes().len(), files.len()))
            }
            Err(_) => format!("no result after {took}"),
        });
    }
}

fn sizes(bytes: usize, files: usize) -> String {
    let plural = |count| if count == 1 { "" } else { "s" };
    format!("{bytes} byte{} and {files} file{}", plural(bytes), plural(files))
}

/// The time since then, as `1.23ms`.
fn time_since(then: Instant) -> String {
    format!("{:.2?}", then.elapsed())
}
