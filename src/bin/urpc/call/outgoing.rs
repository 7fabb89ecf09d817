//! The files and pipes that go with a call, and the threads that copy into and out of the pipes.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use urpc::process;

use super::argument::NamedFile;
use crate::args::{Parsed, quoted};
use crate::channel::{Receiver, Sender, channel};
use crate::clients;
use crate::outcome::{Failure, Outcome, print, print_error};
use crate::timelimit::TimeLimit;
use crate::values::{self, FileToSend};

/// The files to send, and our ends of the pipes among them.
#[derive(Default)]
pub struct Outgoing {
    files: Vec<OwnedFd>,
    pumps: Vec<Pump>,
}

enum Pump {
    Input(File),
    Output(File),
    Errors(File),
}

impl Outgoing {
    /// Opens the files of the options, or those of the operands.
    pub fn open(parsed: &Parsed, operands: &[NamedFile<'_>]) -> Result<Outgoing, Failure> {
        let mut outgoing = Outgoing::default();
        for (name, value) in operands {
            outgoing.files.push(open(name, value)?);
        }
        for (option, value) in &parsed.options {
            match *option {
                "file" => outgoing.files.push(open("--file ", value)?),
                "pipe-in" => outgoing.add_pipe(|from, to| (from, Pump::Input(to)))?,
                "pipe-out" => outgoing.add_pipe(|from, to| (to, Pump::Output(from)))?,
                "pipe-err" => outgoing.add_pipe(|from, to| (to, Pump::Errors(from)))?,
                _ => {}
            }
        }
        Ok(outgoing)
    }

    fn add_pipe(&mut self, sort: impl FnOnce(File, File) -> (File, Pump)) -> Outcome {
        let (from, to) = process::pipe().map_err(|error| Failure::local("pipe", error))?;
        let (theirs, pump) = sort(from, to);
        self.files.push(theirs.into());
        self.pumps.push(pump);
        Ok(())
    }

    pub fn borrowed(&self) -> Vec<BorrowedFd<'_>> {
        self.files.iter().map(AsFd::as_fd).collect()
    }

    /// Starts to copy. A method may reply only after the remote program has closed its pipes.
    pub fn start_pumps(&mut self) -> Result<Pumps, Failure> {
        let (ended, ends) = channel();
        let count = self.pumps.len();
        for pump in self.pumps.drain(..) {
            let ended: Sender<Outcome> = ended.clone();
            clients::spawn(move || {
                ended.send(pump.run());
            })?;
        }
        Ok(Pumps { count, ends })
    }
}

/// Reads the name of a file. `before` is what was typed before `value`.
pub fn file_to_send(before: &str, value: &OsStr) -> Result<FileToSend, Failure> {
    values::file_to_send(value).map_err(|expected| {
        let what = if before.is_empty() { "a file" } else { before.trim_end() };
        Failure::Usage(format!("{what} takes {expected}, not {}", quoted(value)))
    })
}

/// Opens such a file.
pub fn open(before: &str, value: &OsStr) -> Result<OwnedFd, Failure> {
    let spec = file_to_send(before, value)?;
    let opened = match &spec {
        FileToSend::Inherited(number) => process::inherited(*number),
        FileToSend::Read(path) => File::open(path).map(OwnedFd::from),
        FileToSend::Write(path) => {
            let mut options = OpenOptions::new();
            options.write(true).create(true).truncate(true).open(path).map(OwnedFd::from)
        }
    };
    opened.map_err(|error| Failure::local(format_args!("{before}{}", quoted(value)), error))
}

impl Pump {
    fn run(self) -> Outcome {
        match self {
            Pump::Input(to) => {
                let input = io::stdin().as_fd().try_clone_to_owned();
                input
                    .and_then(|input| feed(File::from(input), to))
                    .map_err(|error| Failure::local("standard input", error))
            }
            Pump::Output(from) => copy(from, &mut |bytes| print(bytes)),
            Pump::Errors(from) => copy(from, &mut |bytes| {
                print_error(bytes);
                Ok(())
            }),
        }
    }
}

/// gVisor (2022) does not wake a poll(2) when a pipe's reader closes, but a new poll(2) reports it.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Copies until the input ends or nobody can read the pipe any more. It notices the latter at once,
/// even if the input is a silent terminal. A simple copy would wait for the terminal.
pub fn feed(mut input: File, mut pipe: File) -> io::Result<()> {
    let mut buffer = [0; 16 * 1024];
    loop {
        match process::wait_readable(&[pipe.as_fd(), input.as_fd()], Some(LOOK_AGAIN))? {
            Some(1) => {}
            Some(_) => break,
            None => continue,
        }
        let length = match input.read(&mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            // Another process that shares the input has read it first.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            Ok(0) => break,
            result => result?,
        };
        match pipe.write_all(&buffer[..length]) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => break,
            result => result?,
        }
    }
    Ok(())
}

fn copy(mut from: File, write: &mut dyn FnMut(&[u8]) -> Outcome) -> Outcome {
    let mut buffer = [0; 16 * 1024];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(length) => write(&buffer[..length])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Failure::local("a pipe", error)),
        }
    }
}

/// Copying threads that run.
pub struct Pumps {
    count: usize,
    ends: Receiver<Outcome>,
}

impl Pumps {
    /// Waits until the remote program has closed every pipe, or copying has failed.
    pub fn finish(self, time: TimeLimit) -> Outcome {
        for _ in 0..self.count {
            time.receive(&self.ends)?.unwrap_or(Ok(()))?;
        }
        Ok(())
    }
}
