//! Programs that get files. They are started through this program: see
//! [`process::spawn_with_files`].

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus};

use urpc::process::StopSignals;
use urpc::{Files, process};

use crate::args::quoted;
use crate::outcome::{Failure, Outcome};

/// The hidden command with which this program starts itself before it becomes another one.
pub const RUN_WITH_FILES: &str = "_run-with-files";

const OURSELVES: &str = "/proc/self/exe";

/// Checks before the call that a program can be started, because a call cannot be undone. A minimal
/// image may lack `/proc` or the program. A name without a slash is not checked.
pub fn check(program: &OsStr) -> Outcome {
    if !Path::new(OURSELVES).exists() {
        let missing = "/proc is not mounted, and without it no program can be given files";
        return Err(Failure::Local(missing.to_owned()));
    }
    if !program.as_bytes().contains(&b'/') {
        return Ok(());
    }
    fs::metadata(program).map(drop).map_err(|error| Failure::local(quoted(program), error))
}

/// A command that becomes `program`.
pub fn helper(program: &OsStr) -> Command {
    let mut helper = Command::new(OURSELVES);
    helper.arg(RUN_WITH_FILES).arg(program);
    helper
}

/// Starts it with `files` as its descriptors 3 and up. `URPC_FILES` contains their number.
pub fn start(helper: &mut Command, stdin: File, files: &Files) -> io::Result<Child> {
    let files: Vec<_> = files.iter().collect();
    helper.env("URPC_FILES", files.len().to_string());
    process::spawn_with_files(helper, stdin.as_fd(), &files)
}

/// Runs this program again with the same arguments, and acts as its init process: see
/// [`process::run_as_init`].
pub fn run_below_init(signals: StopSignals) -> Outcome {
    let failed = |error| Failure::local(OURSELVES, error);
    let mut program = Command::new(OURSELVES);
    let status = process::run_as_init(signals, program.args(std::env::args_os().skip(1)));
    ended_with(status.map_err(failed)?)
}

/// The outcome of a program with this status.
pub fn ended_with(status: ExitStatus) -> Outcome {
    match status_code(status) {
        0 => Ok(()),
        code => Err(Failure::Program(code)),
    }
}

/// As in a shell: 128 plus the signal's number for a program that was killed.
fn status_code(status: ExitStatus) -> u8 {
    let code = status.code().or(status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    u8::try_from(code).unwrap_or(1)
}
