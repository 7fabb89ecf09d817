//! `urpc exec`: runs a program in a container of `runsc`, as if it ran here.
//!
//! The program's standard streams are pipes, which [`pipes`] copies, or the terminal of this
//! process. [`arguments`] has what the program is started with, and [`signals`] passes signals on.

mod arguments;
mod pipes;
mod signals;

use std::fs::File;
use std::io::{self, IsTerminal};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use urpc::sandbox::Sandbox;
use urpc::{Client, Error};

use crate::address::{self, CONNECT_TIME, Target};
use crate::args::Parsed;
use crate::outcome::{Failure, Outcome};
use crate::program;
use arguments::Options;
use pipes::Pipes;
use signals::Forwarding;

/// The status if the program was not started, or if its own is not known: that of `runsc exec`.
const NOT_RUN: u8 = 128;

pub fn run(parsed: &Parsed) -> Outcome {
    let sandbox = match address::parse(&parsed.operands[0], parsed) {
        Ok(Target::Sandbox(sandbox)) => sandbox,
        Ok(other) => return Err(Failure::Usage(format!("exec takes runsc:ID, not {other}"))),
        Err(failure) => return not_run(failure),
    };
    let options = Options::read(parsed)?;
    let terminal = match options.is_terminal {
        true => Some(terminal()?),
        false => None,
    };
    let id = arguments::string(&sandbox.container().to_string_lossy());
    let ended = run_in(&Container { sandbox, id }, &options, terminal);
    ended.map_or_else(not_run, program::ended_with)
}

/// Reports a failure that is not the program's. Its usual status could be the program's.
fn not_run(failure: Failure) -> Outcome {
    if let Failure::Usage(_) = failure {
        return Err(failure);
    }
    failure.report("exec");
    Err(Failure::Program(NOT_RUN))
}

/// The terminal on standard input, three times. It is opened again, because the sandbox makes its
/// copy non-blocking, and the shell that uses the terminal next must not notice that.
fn terminal() -> Result<[OwnedFd; 3], Failure> {
    if !io::stdin().is_terminal() {
        return Err(Failure::Usage("--tty takes a terminal on standard input".to_owned()));
    }
    let open = || -> io::Result<[OwnedFd; 3]> {
        let file = File::options().read(true).write(true).open("/proc/self/fd/0")?;
        Ok([file.try_clone()?.into(), file.try_clone()?.into(), file.into()])
    };
    open().map_err(|error| Failure::local("the terminal", error))
}

#[derive(Clone)]
struct Container {
    sandbox: Sandbox,
    /// As a JSON string.
    id: String,
}

impl Container {
    fn connect(&self) -> Result<Client, Failure> {
        let socket = self.sandbox.connect(Some(CONNECT_TIME)).map_err(Error::from)?;
        Ok(Client::new(socket))
    }
}

/// Runs the program to its end.
fn run_in(
    container: &Container,
    options: &Options,
    terminal: Option<[OwnedFd; 3]>,
) -> Result<ExitStatus, Failure> {
    let state = container.sandbox.read_state();
    let state = state.map_err(|error| Failure::local("the container's state", error))?;
    let argument = options.argument(&container.id, &state);
    let forwarding = Forwarding::start(container, options.is_terminal)?;
    let client = container.connect()?;
    let (files, pipes) = match terminal {
        Some(files) => (files, None),
        None => Pipes::open().map(|(files, pipes)| (files, Some(pipes)))?,
    };
    let borrowed = files.each_ref().map(AsFd::as_fd);
    let pid = call(&client, "containerManager.ExecuteAsync", &argument, &borrowed)?;
    forwarding.begin(pid);
    // The program has its copies. While ours are open, it never reads the end of its input.
    drop(files);
    let copying = pipes.map(Pipes::copy).transpose()?;
    let wait = format!(r#"{{"PID":{pid},"CID":{}}}"#, container.id);
    let status = call(&client, "containerManager.WaitPID", &wait, &[])?;
    // A sandbox waits for idle connections before it exits.
    client.close();
    copying.map_or(Ok(()), pipes::Copying::finish)?;
    // The bits are those of wait(2).
    Ok(ExitStatus::from_raw(status))
}

/// Calls a method whose result is a number.
fn call(
    client: &Client,
    method: &str,
    argument: &str,
    files: &[BorrowedFd<'_>],
) -> Result<i32, Failure> {
    let (result, _) = client.call_raw(method, argument.as_bytes(), files)?;
    let number = result.as_str().and_then(|text| text.parse().ok());
    number.ok_or_else(|| Failure::Transport(format!("the result of {method} is no number")))
}
