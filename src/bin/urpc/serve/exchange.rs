//! Exchanges data with a command: writes its input, and reads its output and its errors.
//!
//! One thread waits for all three, so that neither side waits for the other to read. A thread for
//! each would take a stack for each command. If memory is limited, that would fail first.

use std::fs::File;
use std::io::{self, Read, Write};
use std::mem;
use std::os::fd::AsFd;
use std::process::{ChildStderr, ChildStdout};
use std::time::Duration;

use urpc::socket::{Interest, poll};

use crate::outcome::print_error;
use crate::terminal::{Pieces, visible};

/// A write of so many bytes never blocks if the pipe has room (pipe(7)).
const PIPE_BUF: usize = 4096;
const CHUNK: usize = 16 * 1024;

/// The command's input, output and errors.
pub type Streams = (File, ChildStdout, ChildStderr);

pub struct Exchange<'a> {
    input: Option<File>,
    arg: &'a [u8],
    stdout: Option<ChildStdout>,
    output: Vec<u8>,
    most_output: usize,
    stderr: Option<ChildStderr>,
    /// The end of the errors.
    tail: Vec<u8>,
    shown: Pieces,
}

impl<'a> Exchange<'a> {
    /// Writes `arg` to `input`. The output may have at most `most_output` bytes.
    pub fn new(
        (input, stdout, stderr): Streams,
        arg: &'a [u8],
        most_output: usize,
    ) -> Exchange<'a> {
        Exchange {
            input: Some(input),
            arg,
            stdout: Some(stdout),
            output: Vec::new(),
            most_output,
            stderr: Some(stderr),
            tail: Vec::new(),
            shown: Pieces::default(),
        }
    }

    /// Whether the output or the errors may go on.
    pub fn has_outputs(&self) -> bool {
        self.stdout.is_some() || self.stderr.is_some()
    }

    /// Whether some of the input is not written yet, and somebody may read it.
    pub fn has_input(&self) -> bool {
        self.input.is_some()
    }

    /// Waits for `limit` at most, and writes and reads what is possible.
    pub fn go_on(&mut self, limit: Duration) -> Result<(), String> {
        let failed = |error: io::Error| format!("cannot exchange data with the command: {error}");
        let [input, stdout, stderr] = self.wait(limit).map_err(failed)?;
        if input {
            self.write().map_err(failed)?;
        }
        if stderr {
            self.read_errors();
        }
        if stdout { self.read_output() } else { Ok(()) }
    }

    /// The output and the last line of the errors that is not empty.
    pub fn finish(self) -> (Vec<u8>, String) {
        let text = String::from_utf8_lossy(&self.tail);
        let last_line = text.lines().map(str::trim).rfind(|line| !line.is_empty());
        (self.output, last_line.map(visible).unwrap_or_default())
    }

    /// Whether the input, the output and the errors are ready.
    fn wait(&self, limit: Duration) -> io::Result<[bool; 3]> {
        let input = self.input.iter().map(|file| Interest::writable(file.as_fd()));
        let stdout = self.stdout.iter().map(|file| Interest::readable(file.as_fd()));
        let stderr = self.stderr.iter().map(|file| Interest::readable(file.as_fd()));
        let mut entries: Vec<Interest<'_>> = input.chain(stdout).chain(stderr).collect();
        poll(&mut entries, Some(limit))?;
        let mut ready = entries.iter().map(Interest::is_ready);
        let open = [self.input.is_some(), self.stdout.is_some(), self.stderr.is_some()];
        Ok(open.map(|is_open| is_open && ready.next().unwrap_or(false)))
    }

    fn write(&mut self) -> io::Result<()> {
        let Some(input) = &mut self.input else { return Ok(()) };
        match input.write(&self.arg[..self.arg.len().min(PIPE_BUF)]) {
            Ok(length) => self.arg = &self.arg[length..],
            Err(error) if is_transient(&error) => return Ok(()),
            // A command need not read all of its input.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => self.arg = &[],
            Err(error) => return Err(error),
        }
        if self.arg.is_empty() {
            self.input = None;
        }
        Ok(())
    }

    fn read_output(&mut self) -> Result<(), String> {
        let Some(stdout) = &mut self.stdout else { return Ok(()) };
        let mut chunk = [0; CHUNK];
        let length = match stdout.read(&mut chunk) {
            Err(error) if is_transient(&error) => return Ok(()),
            read => read.map_err(|error| format!("cannot read the command's output: {error}"))?,
        };
        if length == 0 {
            self.stdout = None;
        }
        if self.output.len() + length > self.most_output {
            let most = self.most_output;
            return Err(format!("the command's output is larger than {most} bytes"));
        }
        // The client may decide how long the output is.
        self.output.try_reserve(length).map_err(|_| "no memory for the command's output")?;
        self.output.extend_from_slice(&chunk[..length]);
        Ok(())
    }

    /// Copies errors to ours.
    fn read_errors(&mut self) {
        const KEPT: usize = 4096;
        let Some(stderr) = &mut self.stderr else { return };
        let mut chunk = [0; KEPT];
        match stderr.read(&mut chunk) {
            Err(error) if is_transient(&error) => {}
            Ok(length @ 1..) => {
                print_error(self.shown.next(&chunk[..length]));
                self.tail.extend_from_slice(&chunk[..length]);
                self.tail.drain(..self.tail.len().saturating_sub(KEPT));
            }
            _ => {
                self.stderr = None;
                print_error(mem::take(&mut self.shown).finish());
            }
        }
    }
}

fn is_transient(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock)
}
