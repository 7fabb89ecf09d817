//! `urpc call`: makes one call, sends and receives files, and prints the result or passes it to a
//! program.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::mpsc::{self, Sender};
use std::time::Duration;

use urpc::json::RawJson;
use urpc::{Client, Error, Files, Limits, process};

use crate::args::{Parsed, quoted};
use crate::filelist::Description;
use crate::outcome::{Failure, Outcome, print, print_error, say};
use crate::timelimit::TimeLimit;
use crate::values::{self, FileToSend};
use crate::{address, clients, pretty, program, save, streams};

pub fn run(parsed: &Parsed) -> Outcome {
    check(parsed)?;
    let (limits, method) = (with_options(Limits::for_client(), parsed)?, method(parsed)?);
    let (timeout, wait) = (time(parsed, "timeout")?, wait(parsed)?);
    let target = address::parse(&parsed.operands[0], parsed)?;
    let arg = argument(parsed.operands.get(2).map(OsString::as_os_str))?;
    let mut outgoing = Outgoing::open(parsed)?;
    // From here on the peer may delay each step.
    let time = TimeLimit::start(timeout);
    let waits = parsed.has("wait");
    let connect_time = timeout.into_iter().chain(wait).min().unwrap_or(address::CONNECT_TIME);
    let option = if waits && timeout != Some(connect_time) { "--wait" } else { "--timeout" };
    let socket = target.connect(connect_time, option, waits)?;
    let client = Client::builder().limits(limits).build(socket);
    let pumps = outgoing.start_pumps()?;
    let calls = client.within(time.left().unwrap_or(Duration::MAX));
    let result = calls.call_raw(method, &arg, &outgoing.borrowed());
    // A sandbox waits for idle connections before it exits.
    client.close();
    // The remote program has its copies. While ours are open, it never reads the end of its pipes.
    drop(outgoing);
    let result = result.map_err(|error| match error {
        Error::TimedOut { .. } => time.is_over(),
        error => error.into(),
    });
    // The end of the process closes the files. Closing one here may block for as long as the remote
    // program likes (a socket with SO_LINGER).
    let result = result.map(|(result, files)| (result, ManuallyDrop::new(files)));
    if !matches!(result, Err(Failure::Transport(_))) {
        pumps.finish(time)?;
    }
    let (result, files) = result?;
    if parsed.has("exec") {
        let command: Vec<&OsStr> = parsed.values("exec").collect();
        return hand_to_program(&command, result, ManuallyDrop::into_inner(files));
    }
    show(parsed, result)?;
    keep(parsed.value("save").map(PathBuf::from), files, time)
}

fn check(parsed: &Parsed) -> Outcome {
    if parsed.has("exec") && parsed.has("save") {
        return Err(Failure::Usage("--exec and --save are for the same files".to_owned()));
    }
    if parsed.values("pipe-in").count() > 1 {
        return Err(Failure::Usage("--pipe-in is given twice".to_owned()));
    }
    match parsed.values("exec").next() {
        Some(command) => program::check(command),
        None => Ok(()),
    }
}

/// Stores the files in `directory`, or lists them.
fn keep(directory: Option<PathBuf>, files: ManuallyDrop<Files>, time: TimeLimit) -> Outcome {
    let kept = time.run(move || match directory {
        Some(directory) => save::save(&directory, &files),
        None => list(&files),
    });
    if kept.is_err() {
        save::abandon();
    }
    kept
}

/// `limits` with the values of gVisor's builds since 2022, or those of `--max-files` and
/// `--max-message`.
pub fn with_options(mut limits: Limits, parsed: &Parsed) -> Result<Limits, Failure> {
    (limits.send_files, limits.receive_files) = (128, 253);
    if let Some(text) = parsed.value("max-files") {
        let number = values::number(text, 0, 253);
        let number = number.map_err(|error| Failure::value("max-files", text, error))?;
        (limits.send_files, limits.receive_files) = (number as usize, number as usize);
    }
    if let Some(text) = parsed.value("max-message") {
        let size = values::size(text);
        limits.message_bytes = size.map_err(|error| Failure::value("max-message", text, error))?;
    }
    Ok(limits)
}

/// The time of an option, if it was given.
pub fn time(parsed: &Parsed, name: &str) -> Result<Option<Duration>, Failure> {
    let given = parsed
        .value(name)
        .map(|text| values::duration(text).map_err(|error| Failure::value(name, text, error)));
    given.transpose()
}

/// The time of `--wait`.
fn wait(parsed: &Parsed) -> Result<Option<Duration>, Failure> {
    match parsed.value("wait").is_some_and(|text| !text.is_empty()) {
        true => time(parsed, "wait"),
        false => Ok(None),
    }
}

fn method(parsed: &Parsed) -> Result<&str, Failure> {
    let method = &parsed.operands[1];
    method.to_str().ok_or_else(|| Failure::Usage(format!("{} is not UTF-8", quoted(method))))
}

/// The argument's text: the operand itself, or from a file, or from standard input.
pub fn argument(operand: Option<&OsStr>) -> Result<Vec<u8>, Failure> {
    let text = match operand.map(OsStr::as_bytes) {
        None => b"null".to_vec(),
        Some(b"-") => {
            let mut text = Vec::new();
            let read = streams::read_to_end(&mut io::stdin().lock(), &mut text);
            read.map_err(|error| Failure::local("standard input", error))?;
            text
        }
        Some([b'@', path @ ..]) => {
            let path = OsStr::from_bytes(path);
            fs::read(path).map_err(|error| Failure::local(quoted(path), error))?
        }
        Some(text) => text.to_vec(),
    };
    let checked: Result<RawJson, _> = urpc::json::from_slice(&text);
    checked.map(|_| text).map_err(|error| {
        Failure::Usage(format!(
            "ARG is not JSON: {error} (a string needs its own quotes: '\"...\"')"
        ))
    })
}

/// The files to send, and our ends of the pipes among them.
#[derive(Default)]
struct Outgoing {
    files: Vec<OwnedFd>,
    pumps: Vec<Pump>,
}

enum Pump {
    Input(File),
    Output(File),
    Errors(File),
}

impl Outgoing {
    fn open(parsed: &Parsed) -> Result<Outgoing, Failure> {
        let mut outgoing = Outgoing::default();
        for (option, value) in &parsed.options {
            match *option {
                "file" => outgoing.files.push(open(value)?),
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

    fn borrowed(&self) -> Vec<BorrowedFd<'_>> {
        self.files.iter().map(AsFd::as_fd).collect()
    }

    /// Starts to copy. A method may reply only after the remote program has closed its pipes.
    fn start_pumps(&mut self) -> Result<Pumps, Failure> {
        let (ended, ends) = mpsc::channel();
        let count = self.pumps.len();
        for pump in self.pumps.drain(..) {
            let ended: Sender<Outcome> = ended.clone();
            clients::spawn(move || {
                // The receiver is dropped only when the program ends.
                let _ = ended.send(pump.run());
            })?;
        }
        Ok(Pumps { count, ends })
    }
}

fn open(value: &OsStr) -> Result<OwnedFd, Failure> {
    let spec = values::file_to_send(value).map_err(|e| Failure::value("file", value, e))?;
    let opened = match &spec {
        FileToSend::Inherited(number) => process::inherited(*number),
        FileToSend::Read(path) => File::open(path).map(OwnedFd::from),
        FileToSend::Write(path) => {
            let mut options = OpenOptions::new();
            options.write(true).create(true).truncate(true).open(path).map(OwnedFd::from)
        }
    };
    opened.map_err(|error| Failure::local(format_args!("--file {}", quoted(value)), error))
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
struct Pumps {
    count: usize,
    ends: mpsc::Receiver<Outcome>,
}

impl Pumps {
    /// Waits until the remote program has closed every pipe, or copying has failed.
    fn finish(self, time: TimeLimit) -> Outcome {
        for _ in 0..self.count {
            time.receive(&self.ends)?.unwrap_or(Ok(()))?;
        }
        Ok(())
    }
}

fn show(parsed: &Parsed, result: RawJson) -> Outcome {
    let text = match parsed.has("raw") {
        true => result.into_bytes(),
        false => pretty::indented(result.as_bytes()).into_bytes(),
    };
    match parsed.has("pipe-out") {
        true => say(String::from_utf8_lossy(&text).trim_end()),
        false => print(text)?,
    }
    Ok(())
}

fn list(files: &Files) -> Outcome {
    for (index, file) in files.iter().enumerate() {
        say(&format!("file {index}: {}", Description::of(file).line()));
    }
    Ok(())
}

/// Runs `command` with the files and with the result as its input. Ends with its status.
fn hand_to_program(command: &[&OsStr], result: RawJson, files: Files) -> Outcome {
    let failed = |error| Failure::local(quoted(command[0]), error);
    let mut helper = program::helper(command[0]);
    helper.args(&command[1..]);
    let (stdin, mut input) = process::pipe().map_err(failed)?;
    let mut child = program::start(&mut helper, stdin, &files).map_err(failed)?;
    drop(files);
    // A program need not read all of its input.
    let _ = input.write_all(result.as_bytes());
    drop(input);
    program::ended_with(child.wait().map_err(failed)?)
}
