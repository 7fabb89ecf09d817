//! What `runsc` does for an operator, by its sandbox's control socket: lists processes, runs
//! programs, sends signals, shows what is used.
//!
//! ```text
//! gvisor_control [--root DIRECTORY] CONTAINER COMMAND
//!
//! ps                    the processes
//! exec PROGRAM [ARG...] runs a program with this one's standard streams, and ends with its status
//! events [SECONDS]      a line of JSON with what is used, once or every SECONDS
//! kill PID SIGNAL       sends a signal by its number; PID 0 is the container's first process
//! usage, metrics        memory in bytes; counters
//! pause, resume         stops all processes, and lets them go on
//! cat PATH              a file of the container
//! log LEVEL             what is logged: 0 warnings, 1 information, 2 everything
//! stacks                where the sandbox's own threads are
//! ```

pub mod control;
pub mod records;

use std::error::Error;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use control::Control;
use urpc::json;
use urpc::sandbox::default_root;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match run(&words, &mut io::stdout()) {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            eprintln!("gvisor_control: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs one command, writes what it shows to `out` and gives the exit status.
pub fn run(words: &[&str], out: &mut impl Write) -> Result<u8, Box<dyn Error>> {
    let (root, words) = match words {
        ["--root", root, rest @ ..] => (root.into(), rest),
        _ => (default_root(), words),
    };
    let [container, command @ ..] = words else { return Err("no container given".into()) };
    let control = Control::connect(root, container)?;
    match command {
        ["ps"] => ps(&control, out)?,
        ["exec", program @ ..] if !program.is_empty() => return exec(&control, program),
        ["events"] => events(&control, out)?,
        ["events", seconds] => {
            let interval = Duration::from_secs(seconds.parse()?);
            loop {
                events(&control, out)?;
                thread::park_timeout(interval);
            }
        }
        ["kill", pid, signal] => control.signal(pid.parse()?, signal.parse()?)?,
        ["usage"] => writeln!(out, "{:#?}", control.usage()?)?,
        ["metrics"] => metrics(&control, out)?,
        ["pause"] => control.pause()?,
        ["resume"] => control.resume()?,
        ["cat", path] => {
            control.read_file(path, io::stdout().as_fd().try_clone_to_owned()?)?;
        }
        ["log", level] => control.log(level.parse()?)?,
        ["stacks"] => writeln!(out, "{}", control.stacks()?)?,
        _ => return Err("see the top of the source for the commands".into()),
    }
    Ok(0)
}

fn ps(control: &Control, out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    writeln!(out, "{:<8} {:<6} {:<6} {:<8} {:<8} CMD", "UID", "PID", "PPID", "STIME", "TIME")?;
    for p in control.processes()? {
        let (uid, pid, ppid) = (p.uid, p.pid, p.ppid);
        writeln!(out, "{uid:<8} {pid:<6} {ppid:<6} {:<8} {:<8} {}", p.stime, p.time, p.cmd)?;
    }
    Ok(())
}

/// The status is the program's, or 128 and the signal that ended it, as a shell has it.
fn exec(control: &Control, program: &[&str]) -> Result<u8, Box<dyn Error>> {
    let streams = [
        io::stdin().as_fd().try_clone_to_owned()?,
        io::stdout().as_fd().try_clone_to_owned()?,
        io::stderr().as_fd().try_clone_to_owned()?,
    ];
    let pid = control.start(program, streams)?;
    let status = control.wait(pid)?;
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    Ok(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX))
}

fn events(control: &Control, out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    Ok(writeln!(out, "{}", json::to_string(&control.events()?.event)?)?)
}

fn metrics(control: &Control, out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    for one in control.metrics("")?.snapshot.data {
        let value = one.number.map(|number| number.float + number.int as f64);
        writeln!(out, "{} {:?} {value:?}", one.metric.name, one.labels)?;
    }
    Ok(())
}
