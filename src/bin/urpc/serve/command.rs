//! A method that a shell command answers.
//!
//! To send files back, the command puts them in a directory, under any names. Its own descriptors
//! would be closed by the time its answer is known to be valid. Every language can write to a
//! directory, the shell included, and a link there can name an existing file.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use urpc::json::{self, RawJson};
use urpc::{CallContext, Files, process};

use super::exchange::{Exchange, Streams};
use super::returned::open_all;
use super::running::Running;
use crate::scratch::Scratch;
use crate::{log, program};

/// The program that runs the commands.
pub const SHELL: &str = "/bin/sh";

const NOT_JSON: &str = "the command's output is not JSON";

/// How often to look whether the client is gone, or the call is over.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

pub struct ShellCommand {
    pub command: OsString,
    /// Whether its output is text instead of JSON.
    pub as_text: bool,
    /// Whether a line says why a call failed.
    pub explains: bool,
    /// The directory in which each call gets one for its files to return, if it may return files.
    pub returns_files_below: Option<PathBuf>,
    /// Whether it may also return directories, and files that it did not make.
    pub returns_any: bool,
    pub most_output: usize,
}

type Answer = Result<(RawJson, Files), String>;

impl ShellCommand {
    pub fn answer(&self, arg: &[u8], files: Files, context: &CallContext<'_>) -> Answer {
        let answer = self.try_answer(arg, files, context);
        if let Err(error) = &answer {
            let hint = match error.starts_with(NOT_JSON) {
                true => " (serve --text sends text)",
                false => "",
            };
            if self.explains || !hint.is_empty() {
                log::say("serve", &format!("{}: {error}{hint}", context.method()));
            }
        }
        answer
    }

    fn try_answer(&self, arg: &[u8], files: Files, context: &CallContext<'_>) -> Answer {
        if arg.is_empty() {
            return Err("unexpected end of JSON input".to_owned());
        }
        let scratch = self.returns_files_below.as_deref().map(Scratch::below).transpose();
        let scratch = scratch.map_err(|error| {
            // The client need not know where it would be.
            log::say("serve", &format!("no directory for files: {error}"));
            "the server has no directory for the files to return"
        })?;
        let directory = scratch.as_ref().map(Scratch::path);
        let output = self.run(arg, files, context, directory)?;
        let returned = directory
            .map_or_else(|| Ok(Files::new()), |directory| open_all(directory, self.returns_any))?;
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
        // So that it can be killed with all that it starts. A signal from the terminal is for the
        // server, which waits for its commands.
        helper.process_group(0);
        if let Some(directory) = directory {
            helper.env("URPC_RETURN", directory);
        }
        let (stdin, input) = process::pipe().map_err(failed)?;
        let mut child = program::start(&mut helper, stdin, &files).map_err(failed)?;
        // The command has its copies.
        drop(files);
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        // Dropped at the end. If it has not ended by itself, it is killed before that.
        let running = Running::new(child);
        let mut client = Waiting { context, look_again: Instant::now() + LOOK_AGAIN };
        let streams = (input, stdout.ok_or("no output")?, stderr.ok_or("no errors")?);
        let (output, last_line) = self.talk(&running, streams, arg, &mut client)?;
        match last_line {
            None => Ok(output),
            Some(last_line) => Err(last_line),
        }
    }

    /// Exchanges data with the command, and waits for its end. Returns the output, and the text of
    /// the failure if the command has failed.
    fn talk(
        &self,
        running: &Running,
        streams: Streams,
        arg: &[u8],
        client: &mut Waiting<'_>,
    ) -> Result<(Vec<u8>, Option<String>), String> {
        let mut exchange = Exchange::new(streams, arg, self.most_output);
        while exchange.has_outputs() {
            client.check()?;
            exchange.go_on(LOOK_AGAIN)?;
        }
        // A command usually ends when its outputs end. So the pauses are short at first.
        let mut pause = Duration::from_micros(20);
        let status = loop {
            let ended = running.try_wait();
            if let Some(status) =
                ended.map_err(|error| format!("cannot wait for the command: {error}"))?
            {
                break status;
            }
            client.check()?;
            match exchange.has_input() {
                true => exchange.go_on(pause)?,
                false => thread::sleep(pause),
            }
            pause = (pause * 2).min(LOOK_AGAIN);
        };
        let (output, last_line) = exchange.finish();
        Ok((output, failure(status, last_line)))
    }

    fn result(&self, output: Vec<u8>) -> Result<RawJson, String> {
        if self.as_text {
            let text = json::to_vec(&lossy_text(output)?);
            return text.map(RawJson::new).map_err(|error| error.to_string());
        }
        if output.trim_ascii().is_empty() {
            return Ok(RawJson::default());
        }
        json::from_slice(&output).map_err(|error| format!("{NOT_JSON}: {error}"))
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

/// The client that waits for a command. Nobody needs the command's answer once it is gone.
struct Waiting<'a> {
    context: &'a CallContext<'a>,
    look_again: Instant,
}

impl Waiting<'_> {
    /// Fails if the client is gone. It asks the kernel only now and then.
    fn check(&mut self) -> Result<(), String> {
        let now = Instant::now();
        if now < self.look_again {
            return Ok(());
        }
        self.look_again = now + LOOK_AGAIN;
        match self.context.is_client_gone() {
            true => Err("the client is gone".to_owned()),
            false => Ok(()),
        }
    }
}

fn failure(status: ExitStatus, last_line: String) -> Option<String> {
    match status.success() {
        true => None,
        false if last_line.is_empty() => Some(format!("the command failed: {status}")),
        false => Some(last_line),
    }
}
