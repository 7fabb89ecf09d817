//! `urpc call --batch`: several calls on one connection, one a line, and one result a line.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::os::fd::{AsFd, OwnedFd};

use urpc::process;

use super::batch_line::{self, BatchCall, BatchFiles, LineError};
use super::invalid::not_json;
use super::{Connection, Options, Target, offline, outgoing};
use crate::args::{Parsed, quoted};
use crate::outcome::{Failure, Outcome};
use crate::timelimit::TimeLimit;

/// The longest line. `urpc trace` records messages of up to 16 MiB.
const LONGEST_LINE: usize = 17 << 20;

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
        if !parsed.has("keep-going") || batch.is_over() {
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
        let (result, files) = result.map_err(|error| connection.failure(error))?;
        printer.result(&result)?;
        if files.is_empty() {
            return Ok(());
        }
        self.options.keep.of_line(lines.number).files(files, connection.time)
    }

    /// Says where the replay of a recording is not what was recorded.
    fn say_what_differs(&mut self, call: &BatchCall, lines: &Lines) {
        let say = |what: &str| self.options.printer.line(&format!("{}{what}", lines.place()));
        if let BatchFiles::Recorded(count @ 1..) = call.files {
            let plural = if count == 1 { "" } else { "s" };
            say(&format!("{REPLACEMENT} instead of {count} recorded file{plural}"));
        }
        if self.recorded_on.is_some() && call.connection != self.recorded_on {
            say("recorded on another connection than the call before");
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
    name: String,
    input: BufReader<File>,
    /// The number of the last line that was read.
    number: u64,
    time: TimeLimit,
}

impl Lines {
    fn open(input: &OsStr, time: TimeLimit) -> Result<Lines, Failure> {
        let (name, file) = match input.to_str() {
            Some("-") => ("standard input".to_owned(), io::stdin().as_fd().try_clone_to_owned()),
            _ => (quoted(input), File::open(input).map(OwnedFd::from)),
        };
        let file = file.map_err(|error| Failure::local(&name, error))?;
        Ok(Lines { name, input: BufReader::new(file.into()), number: 0, time })
    }

    /// For what is said about the last line.
    fn place(&self) -> String {
        format!("{}, line {}: ", self.name, self.number)
    }

    /// The next line. `None` at the end.
    fn next(&mut self) -> Result<Option<Vec<u8>>, Failure> {
        let mut line = Vec::new();
        self.number += 1;
        loop {
            let read = self.wait_for_input()?;
            let end = read.iter().position(|byte| *byte == b'\n');
            let (length, is_last) = (end.map_or(read.len(), |at| at + 1), read.is_empty());
            line.extend_from_slice(&read[..length]);
            self.input.consume(length);
            if line.len() > LONGEST_LINE {
                let long = format!("{}a line has at most {LONGEST_LINE} bytes", self.place());
                return Err(Failure::Local(long));
            }
            if end.is_some() || is_last {
                return Ok(Some(line).filter(|line| !line.is_empty()));
            }
        }
    }

    /// What was read and not consumed. Empty at the end.
    fn wait_for_input(&mut self) -> Result<&[u8], Failure> {
        while self.input.buffer().is_empty() {
            let failed = |error| Failure::local(&self.name, error);
            let file = self.input.get_ref().as_fd();
            if process::wait_readable(&[file], self.time.left()).map_err(failed)?.is_none() {
                return Err(self.time.is_over());
            }
            match self.input.fill_buf() {
                Ok([]) => break,
                Ok(_) => {}
                // Another process that shares the input has read it first.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Failure::local(&self.name, error)),
            }
        }
        Ok(self.input.buffer())
    }

    fn parse(&self, line: &[u8]) -> Result<Option<BatchCall>, Failure> {
        batch_line::parse(line).map_err(|error| match error {
            LineError::Json(error) => not_json(&self.name, line, self.number, &error),
            LineError::Other(text) => Failure::Local(text),
        })
    }
}
