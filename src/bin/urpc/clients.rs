//! Used by `serve` and `trace`: accepting clients, and starting threads.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd;
use std::thread;
use std::time::Duration;

use urpc::process::StopSignals;
use urpc::{Address, Listener, process};

use crate::args::Parsed;
use crate::outcome::{Failure, Outcome};
use crate::{address, log};

/// The exit status after a signal, as a shell reports SIGINT.
pub const ENDED_BY_SIGNAL: i32 = 130;

/// Blocks the signals that ask to end: SIGTERM, SIGINT, and SIGHUP, which a terminal sends when it is
/// closed.
pub fn stop_signals() -> Result<StopSignals, Failure> {
    const SIGHUP: i32 = 1;
    block_signals(&[SIGHUP])
}

/// Blocks SIGTERM, SIGINT, and those of `others` that were not ignored when this process started, as
/// SIGHUP is under nohup(1).
pub fn block_signals(others: &[i32]) -> Result<StopSignals, Failure> {
    // A mask in hexadecimal (proc_pid_status(5)).
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap_or_default();
    let ignored = u64::from_str_radix(mask.trim(), 16).unwrap_or(0);
    let is_wanted = |number: &i32| (ignored >> (number - 1)) & 1 == 0;
    let others: Vec<i32> = others.iter().copied().filter(is_wanted).collect();
    StopSignals::block_with(&others).map_err(|error| Failure::local("signals", error))
}

/// Listens on `address`. An option that has no effect there is refused.
pub fn bind(address: &Address, parsed: &Parsed) -> Result<Listener, Failure> {
    let is_path = matches!(address, Address::Path(_));
    match ["mode", "replace"].iter().find(|option| !is_path && parsed.has(option)) {
        Some(option) => {
            let text = format!("--{option} is only for the path of a socket, not for {address}");
            Err(Failure::Usage(text))
        }
        None => address::bind(address, parsed),
    }
}

/// How long accepting pauses while descriptors or memory are missing.
pub const PAUSE: Duration = Duration::from_millis(100);

/// Waits for the next client of `urpc COMMAND` and accepts it by `accept`. `None` when `ended` is
/// readable. While descriptors or memory are missing, clients stay in the queue, and one line says so.
pub fn next<T>(
    command: &str,
    listener: &Listener,
    ended: &File,
    mut accept: impl FnMut() -> io::Result<T>,
) -> Result<Option<T>, Failure> {
    use io::ErrorKind::{ConnectionAborted, Interrupted, InvalidInput, WouldBlock};
    let failed = |error: io::Error| Failure::Transport(format!("cannot accept: {error}"));
    let mut is_paused = false;
    loop {
        let ready = process::wait_readable(&[ended.as_fd(), listener.as_fd()], None);
        if ready.map_err(failed)? == Some(0) {
            return Ok(None);
        }
        let error = match accept() {
            Ok(client) => return Ok(Some(client)),
            Err(error) => error,
        };
        match error.kind() {
            ConnectionAborted | Interrupted | WouldBlock => {}
            InvalidInput => return Err(failed(error)),
            // Most likely no descriptor is free.
            _ => {
                if !std::mem::replace(&mut is_paused, true) {
                    log::say(command, &format!("accepting is paused: {error}"));
                }
                process::wait_readable(&[ended.as_fd()], Some(PAUSE)).map_err(failed)?;
            }
        }
    }
}

/// Whether an error of the system says that descriptors or memory are missing for the moment.
pub fn is_shortage(error: Option<i32>) -> bool {
    const ENOMEM: i32 = 12;
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    matches!(error, Some(ENOMEM | ENFILE | EMFILE))
}

/// A builder for a thread that copies, waits or logs. std's default stack is twice that of a
/// server's client, and would fail first if memory is limited.
pub fn small_thread() -> thread::Builder {
    thread::Builder::new().stack_size(256 * 1024)
}

/// Starts such a thread. Nobody waits for it. The code that starts one is there once: it is large.
pub fn spawn(act: impl FnOnce() + Send + 'static) -> Outcome {
    let act: Box<dyn FnOnce() + Send> = Box::new(act);
    small_thread().spawn(act).map(drop).map_err(no_thread)
}

/// The failure of starting a thread.
pub fn no_thread(error: io::Error) -> Failure {
    Failure::local("cannot start a thread", error)
}
