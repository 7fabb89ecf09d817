//! Starting a program with open files, on the side of the parent.

use std::io::{self, Read};
use std::os::fd::BorrowedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::helper::HELPER_OF;
use super::inherited::LISTEN_VARIABLES;
use super::report;
use crate::socket::Socket;
use crate::sys;

/// The maximum time in which a helper must become the program. It is enough for a slow machine.
const START_TIME: Duration = Duration::from_secs(30);
/// How long to wait for the first byte of each helper. Between its fork and its exec, a helper has
/// a copy of every descriptor of this process. If this process closes a file meanwhile, the
/// helper's exec makes the last close, which may block for as long as the file's sender likes (see
/// `closer`). So a helper that reports nothing is killed, and another one is started.
const START_TIMES: [Duration; 4] =
    [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4), START_TIME];

const ADVICE: &str = "does its main call run_with_files first?";

/// Starts a program with `stdin` as its standard input and `files` as its descriptors 3, 4 and so
/// on. Apart from its standard output and error it inherits no other descriptor.
///
/// Between fork and exec, dup2(2) could replace a descriptor that std uses there. So this starts
/// `helper`, which must only call [`run_with_files`](super::run_with_files). Usually the helper is
/// the running program itself, `/proc/self/exe`, with an argument that its `main` checks first.
///
/// The helper gets the files over a socket on its standard input, places them, and calls exec. So
/// the returned child *is* the program. Its standard output and error, environment and directory
/// are those set on `helper`. The variables of [`listen_fds`](super::listen_fds) are removed. The
/// caller keeps its own copies of `stdin` and `files`.
///
/// If this process was started with SIGCHLD ignored, the signal gets its default action back.
/// Otherwise the kernel would discard the program's exit status.
///
/// ```standalone_crate
/// use std::fs::File;
/// use std::io::{self, Read};
/// use std::os::fd::AsFd;
/// use std::process::Command;
/// use urpc::process;
///
/// fn main() -> io::Result<()> {
///     let mut arguments = std::env::args_os().skip(1);
///     if arguments.next().is_some_and(|first| first == "run-with-files") {
///         process::run_with_files(Command::new("sh").args(arguments));
///     }
///     let (mut ours, theirs) = process::pipe()?;
///     let stdin = File::open("/dev/null")?;
///     let mut helper = Command::new("/proc/self/exe");
///     helper.args(["run-with-files", "-c", "echo hello >&3"]);
///     let mut child = process::spawn_with_files(&mut helper, stdin.as_fd(), &[theirs.as_fd()])?;
///     drop(theirs);
///     let mut text = String::new();
///     ours.read_to_string(&mut text)?;
///     assert_eq!(text, "hello\n");
///     assert!(child.wait()?.success());
///     Ok(())
/// }
/// ```
///
/// # Errors
/// In each case no child is left.
///
/// - The error of starting the helper or of sending to it.
/// - `NotFound` or another error of exec, as the helper reports it.
/// - `UnexpectedEof` if the helper ended without a report.
/// - `TimedOut` if the helper did not become the program within 30 s. Before that, helpers that
///   report nothing for 1, 2 and 4 s are killed and replaced.
/// - A helper that calls this function instead of [`run_with_files`](super::run_with_files) gets an
///   error.
pub fn spawn_with_files(
    helper: &mut Command,
    stdin: BorrowedFd<'_>,
    files: &[BorrowedFd<'_>],
) -> io::Result<Child> {
    refuse_to_be_a_helper()?;
    sys::keep_exit_statuses()?;
    for limit in START_TIMES {
        if let Some(child) = start_helper(helper, stdin, files, limit)? {
            return Ok(child);
        }
    }
    let late = format!("the helper is not the program after {START_TIME:?}: {ADVICE}");
    Err(io::Error::new(io::ErrorKind::TimedOut, late))
}

/// Starts the helper once. `None` if it reported nothing within `limit`; it was killed then.
fn start_helper(
    helper: &mut Command,
    stdin: BorrowedFd<'_>,
    files: &[BorrowedFd<'_>],
    limit: Duration,
) -> io::Result<Option<Child>> {
    let (ours, theirs) = Socket::pair()?;
    for variable in LISTEN_VARIABLES {
        helper.env_remove(variable);
    }
    helper.env(HELPER_OF, std::process::id().to_string());
    let spawned = helper.stdin(Stdio::from(theirs.into_fd())).spawn();
    // The command owns its end until it gets another input. Until then ours would see no end.
    helper.stdin(Stdio::null()).env_remove(HELPER_OF);
    let mut child = spawned?;
    let sent = send_to_helper(ours, stdin, files, limit);
    if !matches!(sent, Ok(true)) {
        let _ = child.kill();
        let _ = child.wait();
    }
    sent.map(|is_program| is_program.then_some(child))
}

/// A helper that calls `spawn_with_files` instead of `run_with_files` would start another such
/// helper, and so on without end.
fn refuse_to_be_a_helper() -> io::Result<()> {
    let parent = std::os::unix::process::parent_id().to_string();
    let is_helper = std::env::var_os(HELPER_OF).is_some_and(|mark| *mark == *parent);
    let refused = "this process is the helper of another one: call run_with_files first";
    if is_helper { Err(io::Error::other(refused)) } else { Ok(()) }
}

/// Sends the files, then reads the helper's report. `false` if it reported nothing within `limit`;
/// it cannot become the program then.
fn send_to_helper(
    helper: Socket,
    stdin: BorrowedFd<'_>,
    files: &[BorrowedFd<'_>],
    limit: Duration,
) -> io::Result<bool> {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, TimedOut, UnexpectedEof, WouldBlock};
    let mut bytes = Vec::new();
    let exchanged = (|| {
        helper.send(b"0", &[stdin])?;
        helper.send(b"3", files)?;
        // So that a helper that reads its input to the end does not wait for ever.
        helper.shutdown_send()?;
        helper.set_receive_timeout(Some(limit))?;
        let mut stream = UnixStream::from(helper.into_fd());
        match stream.by_ref().take(1).read_to_end(&mut bytes) {
            Err(error) if error.kind() == WouldBlock => {
                // After this it cannot report that it is ready. It may have done so just before.
                stream.shutdown(std::net::Shutdown::Both)?;
                stream.by_ref().take(1).read_to_end(&mut bytes)?;
                if bytes.is_empty() {
                    return Ok(false);
                }
            }
            read => drop(read?),
        }
        stream.set_read_timeout(Some(START_TIME))?;
        stream.take(256).read_to_end(&mut bytes).map(|_| true)
    })();
    match exchanged.map_err(|error| (error.kind(), error)) {
        Ok(false) => return Ok(false),
        Ok(true) => report::parse(&bytes),
        // It ended before it had read all files.
        Err((BrokenPipe | ConnectionReset, _)) => None,
        Err((WouldBlock, _)) => {
            let late = format!("the helper is not the program after {START_TIME:?}: {ADVICE}");
            return Err(io::Error::new(TimedOut, late));
        }
        Err((_, error)) => return Err(error),
    }
    .unwrap_or_else(|| {
        let ended = format!("the helper ended before it was the program: {ADVICE}");
        Err(io::Error::new(UnexpectedEof, ended))
    })
    .map(|()| true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::pipe;
    use std::os::fd::AsFd;

    #[test]
    fn a_helper_that_says_nothing_is_not_waited_for_without_end() {
        crate::test_limit::limit_test();
        let (ours, _silent) = Socket::pair().unwrap();
        let (stdin, _writer) = pipe().unwrap();
        let limit = Duration::from_millis(1);
        assert!(!send_to_helper(ours, stdin.as_fd(), &[], limit).unwrap());
    }

    #[test]
    fn a_helper_that_ended_before_anything_was_sent_is_called_so() {
        crate::test_limit::limit_test();
        let (ours, theirs) = Socket::pair().unwrap();
        let (stdin, _writer) = pipe().unwrap();
        drop(theirs);
        let sent = send_to_helper(ours, stdin.as_fd(), &[], START_TIME);
        assert_eq!(sent.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}
