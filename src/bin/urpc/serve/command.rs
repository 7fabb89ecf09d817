//! A method that a shell command answers.
//!
//! To send files back, the command puts them in a directory, under any names. Its own descriptors
//! would be closed by the time its answer is known to be valid. Every language can write to a
//! directory, the shell included, and a link there can name an existing file.

use std::ffi::OsString;
use std::fmt::Display;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread;

use urpc::json::{self, RawJson};
use urpc::{CallContext, Files, process};

use crate::args::quoted;
use crate::clients::small_thread;
use crate::outcome::{print_error, visible};
use crate::program;
use crate::scratch::Scratch;

/// The program that runs the commands.
pub const SHELL: &str = "/bin/sh";

pub struct ShellCommand {
    pub command: OsString,
    /// Whether its output is text instead of JSON.
    pub as_text: bool,
    /// The directory in which each call gets one for its files to return, if it may return files.
    pub returns_files_below: Option<PathBuf>,
    pub most_output: usize,
}

type Answer = Result<(RawJson, Files), String>;

impl ShellCommand {
    pub fn answer(&self, arg: &[u8], files: Files, context: &CallContext<'_>) -> Answer {
        if arg.is_empty() {
            return Err("unexpected end of JSON input".to_owned());
        }
        let scratch = self.returns_files_below.as_deref().map(Scratch::below).transpose();
        let scratch = scratch.map_err(|error| format!("no directory for files: {error}"))?;
        let directory = scratch.as_ref().map(Scratch::path);
        let output = self.run(arg, files, context, directory)?;
        let returned = directory.map_or_else(|| Ok(Files::new()), open_all)?;
        Ok((self.result(output)?, returned))
    }

    fn run(
        &self,
        arg: &[u8],
        files: Files,
        context: &CallContext<'_>,
        directory: Option<&Path>,
    ) -> Result<Vec<u8>, String> {
        let failed = |error: io::Error| format!("cannot run the command: {error}");
        let mut helper = program::helper(SHELL.as_ref());
        helper.arg("-c").arg(&self.command).env("URPC_METHOD", context.method());
        helper.stdout(Stdio::piped()).stderr(Stdio::piped());
        // A signal from the terminal is for the server, which waits for its commands.
        helper.process_group(0);
        if let Some(directory) = directory {
            helper.env("URPC_RETURN", directory);
        }
        let (stdin, input) = process::pipe().map_err(failed)?;
        let mut child = program::start(&mut helper, stdin, &files).map_err(failed)?;
        let talked = self.talk(&mut child, input, arg);
        if talked.is_err() {
            // It may have ended already.
            let _ = child.kill();
        }
        let status = child.wait().map_err(failed)?;
        let (output, last_line) = talked?;
        match status.success() {
            true => Ok(output),
            false if last_line.is_empty() => Err(format!("the command failed: {status}")),
            false => Err(last_line),
        }
    }

    /// Writes the argument and reads both outputs at the same time, so that neither side waits for
    /// the other to read. Returns the output and the last line of the errors.
    fn talk(
        &self,
        child: &mut Child,
        mut input: File,
        arg: &[u8],
    ) -> Result<(Vec<u8>, String), String> {
        let (Some(mut stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
            return Err("the command has no output".to_owned());
        };
        let failed =
            |error: &dyn Display| format!("cannot exchange data with the command: {error}");
        thread::scope(|scope| {
            let errors = small_thread().spawn_scoped(scope, || last_line(stderr));
            // A command need not read all of its input.
            let feeding = small_thread().spawn_scoped(scope, move || {
                let _ = input.write_all(arg);
            });
            let (errors, _) =
                (errors.map_err(|error| failed(&error))?, feeding.map_err(|error| failed(&error))?);
            let mut output = Vec::new();
            let most = self.most_output as u64;
            let read = stdout.by_ref().take(most + 1).read_to_end(&mut output);
            read.map_err(|error| failed(&error))?;
            if output.len() > self.most_output {
                // A process that still writes to the output must fail and end. Otherwise the errors
                // never end.
                drop(stdout);
                return Err(format!("the command's output is larger than {most} bytes"));
            }
            Ok((output, errors.join().unwrap_or_default()))
        })
    }

    fn result(&self, output: Vec<u8>) -> Result<RawJson, String> {
        if self.as_text {
            let text = json::to_vec(&lossy_text(output)?);
            return text.map(RawJson::new).map_err(|error| error.to_string());
        }
        if output.trim_ascii().is_empty() {
            return Ok(RawJson::default());
        }
        json::from_slice(&output)
            .map_err(|error| format!("the command's output is not JSON: {error}"))
    }
}

/// The text of `output`, with U+FFFD for invalid UTF-8. The peer may decide how long it is, so
/// there may be no memory for it.
fn lossy_text(output: Vec<u8>) -> Result<String, String> {
    let output = match String::from_utf8(output) {
        Ok(text) => return Ok(text),
        Err(error) => error.into_bytes(),
    };
    const REPLACEMENT: &str = "\u{fffd}";
    let pieces = || {
        output.utf8_chunks().flat_map(|chunk| {
            let end = if chunk.invalid().is_empty() { "" } else { REPLACEMENT };
            [chunk.valid(), end]
        })
    };
    let mut text = String::new();
    text.try_reserve_exact(pieces().map(str::len).sum())
        .map_err(|_| "no memory for the command's output as text")?;
    text.extend(pieces());
    Ok(text)
}

/// Copies a command's standard error to ours and returns the last line that is not empty.
fn last_line(mut from: impl Read) -> String {
    const KEPT: usize = 4096;
    let (mut tail, mut buffer) = (Vec::new(), [0; KEPT]);
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        print_error(&buffer[..length]);
        tail.extend_from_slice(&buffer[..length]);
        tail.drain(..tail.len().saturating_sub(KEPT));
    }
    let text = String::from_utf8_lossy(&tail);
    let last = text.lines().map(str::trim).rfind(|line| !line.is_empty());
    last.map(visible).unwrap_or_default()
}

/// The files in `directory`, in the order of their names.
fn open_all(directory: &Path) -> Result<Files, String> {
    let failed = |error: io::Error| format!("cannot list the files to return: {error}");
    let entries = fs::read_dir(directory).map_err(failed)?;
    let paths = entries.map(|entry| entry.map(|entry| entry.path()));
    let mut paths = paths.collect::<io::Result<Vec<PathBuf>>>().map_err(failed)?;
    paths.sort();
    paths.iter().map(|path| open(path)).collect()
}

fn open(path: &Path) -> Result<File, String> {
    let opened = fs::metadata(path).and_then(|metadata| match metadata.file_type().is_fifo() {
        // Opening a named pipe waits for its other end, and the command that may be that end has
        // ended.
        true => Err(io::Error::new(io::ErrorKind::InvalidInput, "it is a named pipe")),
        false => File::open(path),
    });
    let name = path.file_name().unwrap_or_default();
    opened.map_err(|error| format!("cannot return {}: {error}", quoted(name)))
}
