//! Becoming a program with open files, on the side of the helper.

use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use super::inherited::inherited;
use super::report;
use crate::control::SCM_MAX_FD;
use crate::socket::Socket;
use crate::sys::{self, Replacing, SIGHUP, SIGINT, SIGTERM};

/// The variable that marks a helper. Its value is the process id of the parent.
pub(super) const HELPER_OF: &str = "URPC_HELPER_OF";

/// The exit status of a shell that cannot run a program.
const NOT_RUN: i32 = 127;

/// Receives the files of [`spawn_with_files`](super::spawn_with_files) and becomes `program`. Its
/// helper must call this before it does anything else, and while it has one thread.
///
/// Every other descriptor from 3 up is made close-on-exec. SIGTERM and SIGINT are unblocked,
/// because the parent may have blocked them.
///
/// If the helper cannot become the program, for example because it has another thread, it reports
/// the reason to the parent and ends with status 127, as a shell does.
///
/// ```no_run
/// use std::process::Command;
///
/// // At the beginning of `main`.
/// let mut arguments = std::env::args_os().skip(1);
/// if arguments.next().is_some_and(|first| first == "run-with-files") {
///     urpc::process::run_with_files(Command::new("sh").args(arguments));
/// }
/// ```
pub fn run_with_files(program: &mut Command) -> ! {
    program.env_remove(HELPER_OF);
    if let Ok(parent) = inherited(0).and_then(Socket::from_fd) {
        let error = receive_and_exec(&parent, program);
        report::send_error(&parent, &error);
    }
    std::process::exit(NOT_RUN)
}

/// Returns only if no descriptor was replaced.
fn receive_and_exec(parent: &Socket, program: &mut Command) -> io::Error {
    let prepared = (|| {
        let mut stdin = parent.receive(&mut [0], 1)?.1;
        let (_, files) = parent.receive(&mut [0], SCM_MAX_FD)?;
        let stdin = stdin.release(0).ok_or(io::ErrorKind::UnexpectedEof)?;
        // All of them are needed while files are placed, so move them above the targets.
        let lowest = 3 + files.len() as RawFd;
        let move_up = |file: BorrowedFd<'_>| sys::duplicate_from(file.as_raw_fd(), lowest);
        program.stdin(Stdio::from(move_up(stdin.as_fd())?));
        let parent = Socket::from_fd(move_up(parent.as_fd())?)?;
        let files = files.iter().map(move_up).collect::<io::Result<Vec<OwnedFd>>>()?;
        set_all_close_on_exec()?;
        sys::block_signals(&[SIGHUP, SIGINT, SIGTERM], false)?;
        parent.send(&report::READY, &[])?;
        Ok((files, parent, Replacing::begin(NOT_RUN)?))
    })();
    let (files, parent, replacing) = match prepared {
        Ok(prepared) => prepared,
        Err(error) => return error,
    };
    let mut targets = files.iter().zip(3..);
    let placed = targets.try_for_each(|(file, target)| replacing.place(file.as_fd(), target));
    let error = placed.err().unwrap_or_else(|| program.exec());
    report::send_error(&parent, &error);
    replacing.end()
}

fn set_all_close_on_exec() -> io::Result<()> {
    let numbers: Vec<RawFd> = fs::read_dir("/proc/self/fd")?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    for number in numbers.into_iter().filter(|number| *number > 2) {
        // It fails only for the descriptor of the listing, which is closed by now.
        let _ = sys::set_close_on_exec(number);
    }
    Ok(())
}
