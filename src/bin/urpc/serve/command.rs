//! A method that a shell command answers.
//!
//! To send files back, the command puts them in a directory, under any names. Its own descriptors
//! would be closed by the time its answer is known to be valid. Every language can write to a
//! directory, the shell included, and a link there can name an existing file.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use urpc::json::{self, RawJson};
use urpc::{CallContext, Files, process};

use super::exchange::Exchange;
use crate::args::quoted;
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
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let streams = stdout.zip(stderr).map(|(stdout, stderr)| (input, stdout, stderr));
        let talked = streams
            .ok_or_else(|| "the command has no output".to_owned())
            .and_then(|streams| Exchange::new(streams, arg, self.most_output).run());
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
