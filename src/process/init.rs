//! Process 1 of a container.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitStatus};
use std::thread;

use super::signals::StopSignals;
use crate::socket::retry_interrupted;
use crate::sys;

/// Runs `program` in a process that is process 1 of its container, and returns the program's exit
/// status.
///
/// A process whose parent has ended becomes a child of process 1. This waits for such children too,
/// so that none stays a zombie. It sends the signals of [`StopSignals`] on
/// to the program.
///
/// It waits for *any* child, so this process must have no other children. The program inherits the
/// signals blocked, so that none is lost before it waits for them with its own [`StopSignals`]. It
/// runs in its own process group, so that Control-C in a terminal reaches it only once.
///
/// ```no_run
/// use std::process::Command;
/// use urpc::process::{StopSignals, run_as_init};
///
/// let signals = StopSignals::block()?; // before any thread is started
/// let status = run_as_init(signals, Command::new("/usr/bin/server").arg("--verbose"))?;
/// std::process::exit(status.code().unwrap_or(1));
/// # #[allow(unreachable_code)]
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
/// The error of starting the program, of starting a thread, or of wait(2). The program is killed if
/// no thread can be started.
pub fn run_as_init(signals: StopSignals, program: &mut Command) -> io::Result<ExitStatus> {
    sys::keep_exit_statuses()?;
    let mut child = program.process_group(0).spawn()?;
    let id = child.id();
    let pass_on = move || while signals.wait().and_then(|it| sys::send_signal(id, it)).is_ok() {};
    if let Err(error) = thread::Builder::new().stack_size(SMALL_STACK).spawn(pass_on) {
        let _ = child.kill();
        return Err(error);
    }
    loop {
        match retry_interrupted(sys::wait_for_any_child)? {
            (ended, status) if ended == id => return Ok(status),
            _ => {}
        }
    }
}

/// Enough for a thread that waits and makes one system call.
const SMALL_STACK: usize = 64 * 1024;
