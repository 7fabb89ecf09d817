//! Running programs: inherited descriptors, files for a program, pipes, and stop signals.
//!
//! A supervisor, and the command line of this crate, need functions that std (1.85) does not have:
//!
//! - [`inherited`] and [`listen_fds`] take over descriptors that this process was started with;
//! - [`pipe`] makes a pipe, [`wait_readable`] and [`wait_writable`] wait for files;
//! - [`spawn_with_files`] runs a program with open files as its descriptors 3 and up;
//! - [`kill_group`] ends a program with all that it has started;
//! - [`StopSignals`] waits for SIGTERM and SIGINT, [`run_as_init`] runs a program below process 1.
//!
//! Nothing here knows of messages or servers.

mod helper;
mod inherited;
mod init;
mod report;
mod signals;
mod spawn;

pub use helper::run_with_files;
pub use inherited::{inherited, listen_fds};
pub use init::run_as_init;
pub use signals::StopSignals;
pub use spawn::spawn_with_files;

use std::fs::File;
use std::io;
use std::os::fd::BorrowedFd;
use std::process::Child;
use std::time::Duration;

use crate::socket::poll;
use crate::sys::{self, Interest};

/// Makes a pipe. Returns its reading end and its writing end, both close-on-exec.
///
/// # Errors
/// The error of pipe(2), such as too many open files.
///
/// ```
/// use std::io::{Read, Write};
///
/// let (mut from, mut to) = urpc::process::pipe()?;
/// to.write_all(b"through the pipe")?;
/// drop(to);
/// let mut text = String::new();
/// from.read_to_string(&mut text)?;
/// assert_eq!(text, "through the pipe");
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn pipe() -> io::Result<(File, File)> {
    sys::new_pipe().map(|(from, to)| (from.into(), to.into()))
}

/// Kills `child` and every process of its group, which are those that it has started, unless they
/// left the group. `child` must have been started as the leader of a group
/// ([`process_group(0)`](std::os::unix::process::CommandExt::process_group)), and nobody must have
/// waited for it yet: its number may belong to another group then.
///
/// # Errors
/// The error of kill(2): there is no such group, or it has only processes of other users.
///
/// ```
/// use std::io::Read;
/// use std::os::unix::process::CommandExt;
/// use std::process::{Command, Stdio};
///
/// let mut shell = Command::new("sh");
/// shell.args(["-c", "sleep 600 & echo; wait"]).process_group(0).stdout(Stdio::piped());
/// let mut child = shell.spawn()?;
/// let mut output = child.stdout.take().expect("a pipe");
/// output.read_exact(&mut [0])?;
/// urpc::process::kill_group(&child)?;
/// assert!(!child.wait()?.success());
/// // No process holds the pipe open any more.
/// assert_eq!(output.read(&mut [0])?, 0);
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn kill_group(child: &Child) -> io::Result<()> {
    sys::kill_group(child.id())
}

/// Waits until one of `files` can be read, has ended or has failed. Returns its index, or `None` if
/// `limit` passed first. If several are ready, it is the first of them.
///
/// A listening socket can be read when somebody connects. The writing end of a pipe can never be
/// read, so it is ready only when all reading ends are closed. A loop that must also see a stop
/// waits for a pipe as well as its socket.
///
/// # Errors
/// The error of poll(2). A signal does not end the wait.
///
/// ```
/// use std::os::fd::AsFd;
/// use std::time::Duration;
/// use urpc::process;
///
/// let (quiet, _kept_open) = process::pipe()?;
/// let (ended, writer) = process::pipe()?;
/// drop(writer);
/// assert_eq!(process::wait_readable(&[quiet.as_fd(), ended.as_fd()], None)?, Some(1));
/// assert_eq!(process::wait_readable(&[quiet.as_fd()], Some(Duration::ZERO))?, None);
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn wait_readable(
    files: &[BorrowedFd<'_>],
    limit: Option<Duration>,
) -> io::Result<Option<usize>> {
    let mut entries: Vec<_> = files.iter().map(|file| Interest::readable(*file)).collect();
    poll(&mut entries, limit)?;
    Ok(entries.iter().position(Interest::is_ready))
}

/// Waits until `file` can be written or has failed. Returns `false` if `limit` passed first.
///
/// Use it when a write fails with `WouldBlock`. A process that shares a file can make it
/// non-blocking at any time.
///
/// # Errors
/// The error of poll(2). A signal does not end the wait.
///
/// ```
/// use std::os::fd::AsFd;
/// use std::time::Duration;
/// use urpc::process;
///
/// let (_reader, writer) = process::pipe()?;
/// assert!(process::wait_writable(writer.as_fd(), Some(Duration::from_secs(1)))?);
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn wait_writable(file: BorrowedFd<'_>, limit: Option<Duration>) -> io::Result<bool> {
    poll(&mut [Interest::writable(file)], limit)
}
