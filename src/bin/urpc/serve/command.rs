//! A method that a shell command answers.
//!
//! To send files back, the command puts them in a directory, under any names. Its own descriptors
//! would be closed by the time its answer is known to be valid. Every language can write to a
//! directory, the shell included, and a link there can name an existing file.

use std::ffi::OsString;
use std::fmt::Display;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{ChildStderr, ChildStdout, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use urpc::json::{self, RawJson};
use urpc::{CallContext, Files, process};

use super::returned::open_all;
use super::running::Running;
use crate::clients::small_thread;
use crate::outcome::print_error;
use crate::scratch::Scratch;
use crate::terminal::{Pieces, visible};
use crate::{log, program};

/// The program that runs the commands.
pub const SHELL: &str = "/bin/sh";

/// How often to look whether the client is gone, or the call is over.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

pub struct ShellCommand {
    pub command: OsString,
    /// Whether its output is text instead of JSON.
    pub as_text: bool,
    /// The directory in which each call gets one for its files to return, if it may return files.
    pub returns_files_below: Option<PathBuf>,
    /// Whether it may also return directories, and files that it did not make.
    pub returns_any: bool,
    pub most_output: usize,
}

type Answer = Result<(RawJson, Files), String>;

impl ShellCommand {
    pub fn answer(&self, arg: &[u8], files: Files, context: &CallContext<'_>) -> Answer {
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
        let (output, last_line) = self.talk(running, streams, arg, &mut client)?;
        match last_line {
            None => Ok(output),
            Some(last_line) => Err(last_line),
        }
    }

    /// Writes the argument and reads both outputs at the same time, so that neither side waits for
    /// the other to read. Then it waits for the command's end. Returns the output, and the text of
    /// the failure if the command has failed.
    fn talk(
        &self,
        running: Running,
        (input, stdout, stderr): (File, ChildStdout, ChildStderr),
        arg: &[u8],
        client: &mut Waiting<'_>,
    ) -> Result<(Vec<u8>, Option<String>), String> {
        let failed =
            |error: &dyn Display| format!("cannot exchange data with the command: {error}");
        let is_over = &AtomicBool::new(false);
        thread::scope(|scope| {
            let (told, errors) = mpsc::channel();
            // The receiver is dropped only after a failure.
            let copying = move || drop(told.send(last_line(stderr, is_over)));
            let copying = small_thread().spawn_scoped(scope, copying);
            let (unfed, feeding_failed) = mpsc::channel();
            let feeding = move || {
                // Told before the input is closed, at whose end the command may end.
                let _ = feed(&input, arg, is_over).map_err(|error| unfed.send(error));
            };
            let feeding = small_thread().spawn_scoped(scope, feeding);
            let talked = (|| {
                copying.and(feeding).map_err(|error| failed(&error))?;
                let output = self.collect(stdout, client)?;
                let last_line = client.receive(&errors)?;
                let status = client.wait_for(&running)?;
                feeding_failed.try_recv().map_or(Ok(()), |error| Err(failed(&error)))?;
                Ok((output, failure(status, last_line)))
            })();
            // Before the scope waits for its threads: what still runs is killed, and they end.
            drop(running);
            is_over.store(true, Ordering::Relaxed);
            talked
        })
    }

    /// Reads the output up to its end.
    fn collect(
        &self,
        mut stdout: ChildStdout,
        client: &mut Waiting<'_>,
    ) -> Result<Vec<u8>, String> {
        let failed = |error: io::Error| format!("cannot read the command's output: {error}");
        let (mut output, mut chunk) = (Vec::new(), [0; 16 * 1024]);
        loop {
            client.check()?;
            if process::wait_readable(&[stdout.as_fd()], Some(LOOK_AGAIN))
                .map_err(failed)?
                .is_none()
            {
                continue;
            }
            let length = match stdout.read(&mut chunk) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                read => read.map_err(failed)?,
            };
            if length == 0 {
                return Ok(output);
            }
            if output.len() + length > self.most_output {
                let most = self.most_output;
                return Err(format!("the command's output is larger than {most} bytes"));
            }
            // The client may decide how long the output is.
            output.try_reserve(length).map_err(|_| "no memory for the command's output")?;
            output.extend_from_slice(&chunk[..length]);
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

    fn receive<T>(&mut self, from: &Receiver<T>) -> Result<T, String> {
        loop {
            match from.recv_timeout(LOOK_AGAIN) {
                Ok(received) => return Ok(received),
                Err(RecvTimeoutError::Timeout) => self.check()?,
                Err(RecvTimeoutError::Disconnected) => return Err("a thread panicked".to_owned()),
            }
        }
    }

    /// A command usually ends when its outputs end. So the pauses are short at first.
    fn wait_for(&mut self, running: &Running) -> Result<ExitStatus, String> {
        let mut pause = Duration::from_micros(20);
        loop {
            let ended = running.try_wait();
            let ended = ended.map_err(|error| format!("cannot wait for the command: {error}"))?;
            if let Some(status) = ended {
                return Ok(status);
            }
            self.check()?;
            thread::sleep(pause);
            pause = (pause * 2).min(LOOK_AGAIN);
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

/// Writes the argument, until nobody can read it any more: a command need not read all of it. A
/// process that has left the command's group may hold the pipe open for longer than the call lasts.
///
/// # Errors
/// The command gets only a part of the argument.
fn feed(mut input: &File, mut arg: &[u8], is_over: &AtomicBool) -> io::Result<()> {
    // So much never blocks if the pipe has room (pipe(7)).
    const PIPE_BUF: usize = 4096;
    while !arg.is_empty() && !is_over.load(Ordering::Relaxed) {
        if !process::wait_writable(input.as_fd(), Some(LOOK_AGAIN))? {
            continue;
        }
        match input.write(&arg[..arg.len().min(PIPE_BUF)]) {
            Ok(written) => arg = &arg[written..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Copies a command's standard error to ours and returns the last line that is not empty.
fn last_line(mut from: impl Read + AsFd, is_over: &AtomicBool) -> String {
    const KEPT: usize = 4096;
    let (mut tail, mut buffer, mut pieces) = (Vec::new(), [0; KEPT], Pieces::default());
    while !is_over.load(Ordering::Relaxed) {
        match process::wait_readable(&[from.as_fd()], Some(LOOK_AGAIN)) {
            Ok(None) => continue,
            Ok(Some(_)) => {}
            Err(_) => break,
        }
        let length = match from.read(&mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            Ok(length @ 1..) => length,
            _ => break,
        };
        print_error(pieces.next(&buffer[..length]));
        tail.extend_from_slice(&buffer[..length]);
        tail.drain(..tail.len().saturating_sub(KEPT));
    }
    print_error(pieces.finish());
    let text = String::from_utf8_lossy(&tail);
    let last = text.lines().map(str::trim).rfind(|line| !line.is_empty());
    last.map(visible).unwrap_or_default()
}
