//! How results are printed: `--raw`, `--text`, `--quiet`, colour, and what `--verbose` adds.

use std::io::{self, IsTerminal};
use std::os::fd::BorrowedFd;
use std::time::Instant;

use urpc::json::RawJson;
use urpc::{Error, Files, Socket};

use crate::args::Parsed;
use crate::colour;
use crate::filelist::Description;
use crate::outcome::{Failure, Outcome, print, print_error, say, visible};
use crate::pretty;

/// How the command prints.
#[derive(Clone, Copy)]
pub struct Printer {
    form: Form,
    is_coloured: bool,
    /// Standard output is the remote program's. The result goes to standard error.
    to_stderr: bool,
    to_terminal: bool,
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
    /// As the options say. `in_lines` is for several results.
    pub fn new(parsed: &Parsed, in_lines: bool) -> Result<Printer, Failure> {
        for [one, other] in [["raw", "text"], ["quiet", "verbose"]] {
            if parsed.has(one) && parsed.has(other) {
                return Err(Failure::Usage(format!("give --{one} or --{other}, not both")));
            }
        }
        let to_stderr = parsed.has("pipe-out");
        let (is_coloured, to_terminal) = match to_stderr {
            true => (colour::is_wanted(parsed, &io::stderr())?, io::stderr().is_terminal()),
            false => (colour::is_wanted(parsed, &io::stdout())?, io::stdout().is_terminal()),
        };
        let form = match in_lines {
            _ if parsed.has("raw") => Form::Raw,
            _ if parsed.has("text") => Form::Text,
            true => Form::Line,
            false => Form::Indented,
        };
        let (is_quiet, is_verbose) = (parsed.has("quiet"), parsed.has("verbose"));
        Ok(Printer { form, is_coloured, to_stderr, to_terminal, is_quiet, is_verbose })
    }

    /// Prints a result.
    pub fn result(&self, result: &RawJson) -> Outcome {
        let to_stderr = self.to_stderr;
        let write = &mut |text: &[u8]| {
            if !to_stderr {
                return print(text);
            }
            print_error(text);
            Ok(())
        };
        let text = result.as_bytes();
        match self.form {
            _ if self.is_quiet => Ok(()),
            Form::Raw if self.to_stderr => write(text).and(write(b"\n")),
            Form::Raw => write(text),
            Form::Text if text.trim_ascii_start().starts_with(b"\"") => {
                // It is a string, so it can be decoded.
                self.text(&result.to_value::<String>().unwrap_or_default(), write)
            }
            Form::Text | Form::Indented => pretty::write_indented(text, self.is_coloured, write),
            Form::Line => pretty::write_line(text, write),
        }
    }

    /// Prints a string as text. A terminal gets no control character except tab and newline.
    fn text(&self, text: &str, write: pretty::Write<'_>) -> Outcome {
        if !self.to_terminal {
            write(text.as_bytes())?;
        } else {
            for part in text.split_inclusive(['\n', '\t']) {
                let end = part.len() - usize::from(part.ends_with(['\n', '\t']));
                write(format!("{}{}", visible(&part[..end]), &part[end..]).as_bytes())?;
            }
        }
        if text.ends_with('\n') { Ok(()) } else { write(b"\n") }
    }

    /// Lists the files that came back.
    pub fn list(&self, files: &Files) {
        for (index, file) in files.iter().enumerate() {
            self.line(&format!("file {index}: {}", Description::of(file).line()));
        }
    }

    /// Reports about a file that came back.
    pub fn line(&self, line: &str) {
        if !self.is_quiet {
            say(line);
        }
    }

    /// Reports a line of `--verbose`.
    fn note(&self, line: impl FnOnce() -> String) {
        if self.is_verbose {
            say(&format!("urpc call: {}", visible(&line())));
        }
    }

    pub fn note_connection(&self, to: &str, socket: &Socket, since: Instant) {
        self.note(|| {
            let peer = socket.peer_credentials().map_or_else(
                |error| error.to_string(),
                |peer| format!("pid {}, uid {}, gid {}", peer.pid, peer.uid, peer.gid),
            );
            format!("connected to {to} in {}: {peer}", time_since(since))
        });
    }

    pub fn note_call(&self, method: &str, arg: &[u8], files: &[BorrowedFd<'_>]) {
        let sizes = sizes(arg.len(), files.len());
        self.note(|| format!("call {method} with an argument of {sizes}"));
        for (index, file) in files.iter().enumerate() {
            self.note(|| format!("  file {index} sent: {}", Description::of(*file).line()));
        }
    }

    pub fn note_result(&self, result: &Result<(RawJson, Files), Error>, since: Instant) {
        self.note(|| match result {
            Ok((result, files)) => {
                let sizes = sizes(result.as_bytes().len(), files.len());
                format!("a result of {sizes} after {}", time_since(since))
            }
            Err(_) => format!("no result after {}", time_since(since)),
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
