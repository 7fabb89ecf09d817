//! `urpc call`: makes one call, sends and receives files, and prints the result or passes it to a
//! program.

mod argument;
mod invalid;
mod items;
mod outgoing;
mod show;

use std::ffi::OsStr;
use std::io::Write;
use std::mem::ManuallyDrop;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use urpc::json::RawJson;
use urpc::{Client, Error, Files, Limits, process};

use crate::args::{Parsed, quoted};
use crate::outcome::{Failure, Outcome};
use crate::timelimit::TimeLimit;
use crate::{address, program, save, values};
pub use argument::read as argument;
use outgoing::Outgoing;
use show::Printer;

pub fn run(parsed: &Parsed) -> Outcome {
    check(parsed)?;
    let (limits, method) = (with_options(Limits::for_client(), parsed)?, method(parsed)?);
    let (timeout, wait) = (time(parsed, "timeout")?, wait(parsed)?);
    let (printer, keep) = (Printer::new(parsed, false)?, Keep::new(parsed)?);
    let target = address::parse(&parsed.operands[0], parsed)?;
    let (arg, files) = argument::of_operands(&parsed.operands[2..])?;
    if !files.is_empty() && FILE_OPTIONS.iter().any(|name| parsed.has(name)) {
        let both = "give files as NAME@FILE or with --file and the --pipe options, not both";
        return Err(Failure::Usage(both.to_owned()));
    }
    let mut outgoing = Outgoing::open(parsed, &files)?;
    // From here on the peer may delay each step.
    let time = TimeLimit::start(timeout);
    let connect_time = timeout.into_iter().chain(wait).min().unwrap_or(address::CONNECT_TIME);
    let began = Instant::now();
    let socket = target.connect(connect_time, parsed.has("wait"))?;
    printer.note_connection(&target.to_string(), &socket, began);
    let client = Client::builder().limits(limits).build(socket);
    let pumps = outgoing.start_pumps()?;
    let calls = client.within(time.left().unwrap_or(Duration::MAX));
    printer.note_call(method, &arg, &outgoing.borrowed());
    let began = Instant::now();
    let result = calls.call_raw(method, &arg, &outgoing.borrowed());
    printer.note_result(&result, began);
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
    printer.result(&result)?;
    keep.files(files, printer, time)
}

/// The options that send files, in the order that they are given in.
const FILE_OPTIONS: [&str; 4] = ["file", "pipe-in", "pipe-out", "pipe-err"];

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

/// Where the files of a reply go.
struct Keep {
    directory: Option<PathBuf>,
    most: u64,
}

impl Keep {
    fn new(parsed: &Parsed) -> Result<Keep, Failure> {
        let most = parsed.value("max-save").map_or(Ok(save::DEFAULT_MOST), |text| {
            let size = values::size(text).map_err(|error| Failure::value("max-save", text, error));
            size.map(|size| size as u64)
        });
        Ok(Keep { directory: parsed.value("save").map(PathBuf::from), most: most? })
    }

    /// Stores the files, or lists them.
    fn files(self, files: ManuallyDrop<Files>, printer: Printer, time: TimeLimit) -> Outcome {
        let Keep { directory, most } = self;
        let kept = time.run(move || {
            let Some(directory) = directory else {
                printer.list(&files);
                return Ok(());
            };
            save::save(&directory, &files, most, &|line| printer.line(line))
        });
        if kept.is_err() {
            save::abandon();
        }
        kept
    }
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
