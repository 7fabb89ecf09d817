//! `urpc call --batch`: several calls on one connection, one a line, and one result a line.

use std::ffi::OsStr;
use std::os::fd::AsFd;

use super::batch_line::{self, BatchCall, BatchFiles, LineError};
use super::input::{Input, LONGEST};
use super::invalid::not_json;
use super::{Connection, Options, Target, offline, outgoing};
use crate::args::Parsed;
use crate::outcome::{Failure, Outcome, say};
use crate::timelimit::TimeLimit;

/// Sent for each file of a recording, which does not have what was in them.
const REPLACEMENT: &str = "/dev/null";

pub fn run(parsed: &Parsed, options: &Options, input: &OsStr) -> Outcome {
    let target = Target::new(parsed)?;
    let time = TimeLimit::start(options.timeout);
    let mut lines = Lines::open(input, time)?;
    let connection = target.map(|target| options.connect(&target, time)).transpose()?;
    let mut batch = Batch { options, connection, recorded_on: None };
    let mut status = None;
    while let Some(line) = lines.next()? {
        let Err(failure) = batch.make(&lines, &line) else { continue };
        if matches!(failure, Failure::Unread) {
            return Err(failure);
        }
        // The text of the first names the line itself.
        let place = match failure {
            Failure::Invalid { .. } => String::new(),
            _ => lines.place(),
        };
        failure.report_at("call", &place);
        let first = *status.get_or_insert(failure.status());
        let goes_on = parsed.has("keep-going");
        if goes_on && batch.is_over() {
            say(
                "urpc call: --keep-going ends here: no further call can be made, so later lines are left out",
            );
        }
        if !goes_on || batch.is_over() {
            return Err(Failure::Reported(first));
        }
        options.printer.no_result()?;
    }
    status.map_or(Ok(()), |status| Err(Failure::Reported(status)))
}

/// Makes the calls.
struct Batch<'a> {
    options: &'a Options,
    /// `None` if nothing is to be connected to.
    connection: Option<Connection>,
    /// The connection on which the calls were recorded.
    recorded_on: Option<Vec<u8>>,
}

impl Batch<'_> {
    /// Makes the call of a line, if it is one, and prints its result.
    fn make(&mut self, lines: &Lines, line: &[u8]) -> Outcome {
        let Some(call) = lines.parse(line)? else { return Ok(()) };
        self.say_what_differs(&call, lines);
        let named = match call.files {
            BatchFiles::Named(names) => names,
            BatchFiles::Recorded(count) => vec![REPLACEMENT.to_owned(); count],
        };
        let (printer, place) = (self.options.printer, format!("line {}: ", lines.number));
        let (mut files, mut described) = (Vec::new(), Vec::new());
        for name in &named {
            match &self.connection {
                Some(_) => files.push(outgoing::open("", name.as_ref())?),
                None => described.push(offline::file("", name.as_ref())?),
            }
        }
        let Some(connection) = &self.connection else {
            return offline::show(&call.method, &call.arg, &described, &place, printer);
        };
        let borrowed: Vec<_> = files.iter().map(AsFd::as_fd).collect();
        let result = connection.call(&call.method, &call.arg, &borrowed);
        let (result, files) = result.map_err(|error| connection.failure(error, call.arg.len()))?;
        printer.result(&result)?;
        if files.is_empty() {
            return Ok(());
        }
        self.options.keep.of_line(lines.number).files(files, connection.time)
    }

    /// Says where the replay of a recording is not what was recorded.
    fn say_what_differs(&mut self, call: &BatchCall, lines: &Lines) {
        let note = |what: &str| self.options.printer.line(&format!("{}{what}", lines.place()));
        if let BatchFiles::Recorded(count @ 1..) = call.files {
            let plural = if count == 1 { "" } else { "s" };
            note(&format!("{REPLACEMENT} instead of {count} recorded file{plural}"));
        }
        if self.recorded_on.is_some() && call.connection != self.recorded_on {
            note("recorded on another connection than the call before");
        }
        self.recorded_on.clone_from(&call.connection);
    }

    /// Whether no further call can be made.
    fn is_over(&self) -> bool {
        self.connection.as_ref().is_some_and(Connection::is_over)
    }
}

/// The lines of the input.
struct Lines {
    input: Input,
    /// The number of the last line that was read.
    number: u64,
}

impl Lines {
    fn open(input: &OsStr, time: TimeLimit) -> Result<Lines, Failure> {
        let input = match input.to_str() {
            Some("-") => Input::standard(time),
            _ => Input::open(input, time),
        };
        Ok(Lines { input: input?, number: 0 })
    }

    /// For what is said about the last line.
    fn place(&self) -> String {
        format!("{}, line {}: ", self.input.name, self.number)
    }

    /// The next line. `None` at the end.
    fn next(&mut self) -> Result<Option<Vec<u8>>, Failure> {
        let mut line = Vec::new();
        self.number += 1;
        loop {
            let read = self.input.buffer()?;
            let end = read.iter().position(|byte| *byte == b'\n');
            let (length, is_last) = (end.map_or(read.len(), |at| at + 1), read.is_empty());
            line.extend_from_slice(&read[..length]);
            self.input.consume(length);
            if line.len() > LONGEST {
                let long = format!("{}a line has at most {LONGEST} bytes", self.place());
                return Err(Failure::Local(long));
            }
            if end.is_some() || is_last {
                return Ok(Some(line).filter(|line| !line.is_empty()));
            }
        }
    }

    fn parse(&self, line: &[u8]) -> Result<Option<BatchCall>, Failure> {
        batch_line::parse(line).map_err(|error| match error {
            LineError::Json(error) => {
                let failure = not_json(&self.input.name, line, self.number, &error);
                match failure {
                    Failure::Invalid { what, place } if is_recorded_as_text(line) => {
                        Failure::Invalid { what: what + " (record with trace --json)", place }
                    }
                    failure => failure,
                }
            }
            LineError::Other(text) => Failure::Local(text),
        })
    }
}

/// Whether the line is one of `urpc trace` without `--json`: `12:00:00.123456 #1 ...`.
fn is_recorded_as_text(line: &[u8]) -> bool {
    let is_time = |byte: &u8| byte.is_ascii_digit() || b":.".contains(byte);
    let rest = line.iter().position(|byte| !is_time(byte)).map_or(&line[..0], |at| &line[at..]);
    rest.len() < line.len() && rest.starts_with(b" #")
}
