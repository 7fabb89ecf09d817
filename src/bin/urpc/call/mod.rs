//! `urpc call`: makes one call, sends and receives files, and prints the result or passes it to a
//! program.

mod argument;
mod batch;
mod batch_line;
mod input;
mod invalid;
mod items;
mod keep;
mod offline;
mod outgoing;
mod show;

use std::cell::Cell;
use std::ffi::OsStr;
use std::io::Write;
use std::mem::ManuallyDrop;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use urpc::json::RawJson;
use urpc::{Client, Error, Files, Limits, process};

use crate::args::{Parsed, quoted};
use crate::control_methods::UNKNOWN;
use crate::outcome::{Failure, Outcome, explained};
use crate::timelimit::TimeLimit;
use crate::{address, program, save, values};
use argument::Bounds;
pub use argument::read as argument;
use keep::Keep;
use outgoing::Outgoing;
pub use outgoing::feed;
use show::Printer;

pub fn run(parsed: &Parsed) -> Outcome {
    let options = Options::new(parsed)?;
    check(parsed)?;
    if parsed.has("save") {
        // Before any thread is started.
        save::abandon_on_signals()?;
    }
    match parsed.value("batch") {
        Some(input) => batch::run(parsed, &options, input),
        None => make_one_call(parsed, &options),
    }
}

fn make_one_call(parsed: &Parsed, options: &Options) -> Outcome {
    let method = method(parsed)?;
    let target = Target::new(parsed)?;
    let time = TimeLimit::start(options.timeout);
    let (arg, named) = argument::of_operands(&parsed.operands[2..], options.argument(time))?;
    if !named.is_empty() && FILE_OPTIONS.iter().any(|name| parsed.has(name)) {
        let both = "give files as NAME@FILE or with --file and the --pipe options, not both";
        return Err(Failure::Usage(both.to_owned()));
    }
    let Some(target) = target else {
        let files = offline::files(parsed, &named)?;
        return offline::show(method, &arg, &files, "", options.printer);
    };
    let mut outgoing = Outgoing::open(parsed, &named)?;
    let connection = options.connect(&target, time)?;
    let pumps = outgoing.start_pumps()?;
    let result = connection.call(method, &arg, &outgoing.borrowed());
    // A sandbox waits for idle connections before it exits.
    connection.client.close();
    // The remote program has its copies. While ours are open, it never reads the end of its pipes.
    drop(outgoing);
    let result = result.map_err(|error| connection.failure(error, arg.len()));
    if !matches!(result, Err(Failure::Transport(_))) {
        pumps.finish(time)?;
    }
    let (result, files) = result?;
    if parsed.has("exec") {
        let command: Vec<&OsStr> = parsed.values("exec").collect();
        return hand_to_program(&command, result, ManuallyDrop::into_inner(files));
    }
    options.printer.result(&result)?;
    options.keep.clone().files(files, time)
}

/// What the options say about all calls.
struct Options {
    limits: Limits,
    timeout: Option<Duration>,
    wait: Option<Duration>,
    waits: bool,
    printer: Printer,
    keep: Keep,
}

impl Options {
    fn new(parsed: &Parsed) -> Result<Options, Failure> {
        let printer = Printer::new(parsed)?;
        Ok(Options {
            limits: with_options(Limits::for_client(), parsed)?,
            timeout: time(parsed, "timeout")?,
            wait: wait(parsed)?,
            waits: parsed.has("wait"),
            printer,
            keep: Keep::new(parsed, printer)?,
        })
    }

    /// The bounds of ARG. `--max-message` is the size of a reply, and of an argument that is read.
    fn argument(&self, time: TimeLimit) -> Bounds {
        let most = self.limits.message_bytes.max(input::LONGEST);
        Bounds { time, most, hint: " (raise --max-message)" }
    }

    fn connect(&self, target: &Target, time: TimeLimit) -> Result<Connection, Failure> {
        let limit = self.timeout.into_iter().chain(self.wait).min();
        let limit = limit.unwrap_or(address::CONNECT_TIME);
        let is_wait = self.waits && self.timeout != Some(limit);
        let option = if is_wait { "--wait" } else { "--timeout" };
        let began = Instant::now();
        let socket = target.0.connect(limit, option, self.waits)?;
        self.printer.note_connection(&target.0.to_string(), &socket, began);
        let client = Client::builder().limits(self.limits.clone()).build(socket);
        let is_sandbox = target.0.container().is_some();
        Ok(Connection {
            client,
            time,
            printer: self.printer,
            is_over: Cell::new(false),
            is_sandbox,
        })
    }
}

/// Where to connect to.
struct Target(address::Target);

impl Target {
    /// `None` if nothing is to be connected to.
    fn new(parsed: &Parsed) -> Result<Option<Target>, Failure> {
        let target = || address::parse(&parsed.operands[0], parsed).map(Target);
        (!parsed.has("offline")).then(target).transpose()
    }
}

struct Connection {
    client: Client,
    time: TimeLimit,
    printer: Printer,
    /// A call has failed in such a way that no further one can be made.
    is_over: Cell<bool>,
    is_sandbox: bool,
}

/// The end of the process closes the files. Closing one before may block for as long as the remote
/// program likes (a socket with SO_LINGER).
type Reply = (RawJson, ManuallyDrop<Files>);

impl Connection {
    fn call(&self, method: &str, arg: &[u8], files: &[BorrowedFd<'_>]) -> Result<Reply, Error> {
        let calls = self.client.within(self.time.left().unwrap_or(Duration::MAX));
        self.printer.note_call(method, arg, files);
        let began = Instant::now();
        let result = calls.call_raw(method, arg, files);
        self.printer.note_result(&result, began);
        result.map(|(result, files)| (result, ManuallyDrop::new(files)))
    }

    fn is_over(&self) -> bool {
        self.is_over.get() || self.time.left() == Some(Duration::ZERO)
    }

    /// The failure of a call with an argument of `size` bytes.
    fn failure(&self, error: Error, size: usize) -> Failure {
        /// A peer that ends the connection rather than read more most likely has a limit.
        const LARGE: usize = 1 << 20;
        self.is_over.set(!error.is_usable());
        match error {
            Error::TimedOut { .. } => self.time.is_over(),
            Error::Disconnected { .. } if size > LARGE => Failure::Transport(format!(
                "{}; perhaps a call with an argument of {size} bytes is over the server's limit",
                explained(&error)
            )),
            error => match Failure::from(error) {
                Failure::Remote(text) if self.is_sandbox && text.starts_with(UNKNOWN) => {
                    Failure::Remote(text + "; see 'urpc methods'")
                }
                failure => failure,
            },
        }
    }
}

/// The options that send files.
const FILE_OPTIONS: [&str; 4] = ["file", "pipe-in", "pipe-out", "pipe-err"];

fn check(parsed: &Parsed) -> Outcome {
    let usage = |text: String| Err(Failure::Usage(text));
    let operands = &parsed.operands;
    // An address could be such a name, but hardly so after --wait.
    if parsed.value("wait").is_some_and(OsStr::is_empty) && values::duration(&operands[0]).is_ok() {
        let time = operands[0].to_string_lossy();
        return usage(format!("--wait takes its time with '=': --wait={time}"));
    }
    if parsed.has("batch") {
        if let Some(name) = FILE_OPTIONS.iter().find(|name| parsed.has(name)) {
            return usage(format!("--{name} is not for --batch: name the files in its lines"));
        }
        if parsed.has("exec") {
            return usage("--exec is for one call, not for --batch".to_owned());
        }
        if let Some(word) = operands.get(1) {
            let word = quoted(word);
            return usage(format!("unexpected {word}: with --batch, its lines have the methods"));
        }
    } else if operands.len() < 2 {
        return usage(
            "METHOD is missing: expected ADDRESS METHOD [ARG or KEY=VALUE...]".to_owned(),
        );
    } else if parsed.has("keep-going") {
        return usage("--keep-going is for --batch".to_owned());
    }
    if parsed.has("exec") && parsed.has("save") {
        return usage("--exec and --save are for the same files".to_owned());
    }
    if parsed.values("pipe-in").count() > 1 {
        return usage("--pipe-in is given twice".to_owned());
    }
    match parsed.values("exec").next() {
        Some(command) => program::check(command),
        None => Ok(()),
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
