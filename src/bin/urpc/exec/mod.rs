//! `urpc exec`: runs a program in a container of `runsc`, as if it ran here.
//!
//! The program's standard streams are pipes, which [`pipes`] copies, or the terminal of this
//! process. [`arguments`] has what the program is started with, and [`signals`] passes signals on.

mod arguments;
mod pipes;
mod signals;

use std::fs::File;
use std::io::{self, IsTerminal};
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use urpc::sandbox::Sandbox;
use urpc::{Client, Error, Files};

use crate::address::{self, CONNECT_TIME, Target};
use crate::args::Parsed;
use crate::outcome::{Failure, Outcome};
use crate::program;
use arguments::{Exec, WaitProcess};
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
    let options = arguments::Options::read(parsed)?;
    let terminal = match parsed.has("tty") {
        true => Some(terminal()?),
        false => None,
    };
    let ended = Exec::new(options, &sandbox).and_then(|exec| run_in(&sandbox, exec, terminal));
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

/// Runs the program to its end.
fn run_in(
    sandbox: &Sandbox,
    mut exec: Exec,
    terminal: Option<[OwnedFd; 3]>,
) -> Result<ExitStatus, Failure> {
    exec.stdio_is_pty = terminal.is_some();
    let forwarding = Forwarding::start(sandbox, &exec)?;
    let client = connect(sandbox)?;
    let (files, pipes) = match terminal {
        Some(files) => (files, None),
        None => Pipes::open().map(|(files, pipes)| (files, Some(pipes)))?,
    };
    exec.files = Files::from(files);
    let pid: i32 = client.call("containerManager.ExecuteAsync", &exec)?;
    forwarding.begin(pid);
    // The program has its copies. While ours are open, it never reads the end of its input.
    exec.files = Files::new();
    let copying = pipes.map(Pipes::copy).transpose()?;
    let wait = WaitProcess { pid, container: exec.container };
    let status: u32 = client.call("containerManager.WaitPID", &wait)?;
    // A sandbox waits for idle connections before it exits.
    client.close();
    copying.map_or(Ok(()), pipes::Copying::finish)?;
    // The bits are those of wait(2).
    Ok(ExitStatus::from_raw(status as i32))
}

fn connect(sandbox: &Sandbox) -> Result<Client, Failure> {
    let socket = sandbox.connect(Some(CONNECT_TIME)).map_err(Error::from)?;
    Ok(Client::new(socket))
}
