//! What crosses an exec: descriptors from a parent, files for a program, signals to stop by.
//!
//! A supervisor, and the command line of this crate, need four things that std (1.85) leaves out:
//! to take over a descriptor whose number a parent names ([`inherited`], [`listen_fds`]), to make a
//! [`pipe`], to run a program with open files as its descriptors 3 and up ([`spawn_with_files`]),
//! and to stop in an orderly way when SIGTERM or SIGINT comes ([`StopSignals`]). Nothing here knows
//! of messages or servers.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use crate::socket::{Socket, control::SCM_MAX_FD, poll, retry_interrupted, take_inherited};
use crate::sys::{self, Interest, Replacing, SIGINT, SIGTERM};

/// The variables by which a service manager says which sockets it passed (sd_listen_fds(3)).
const LISTEN_VARIABLES: [&str; 4] =
    ["LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "LISTEN_PIDFDID"];

/// A duplicate of the descriptor `number` that this process was started with.
///
/// Each number can be taken once. A descriptor that was inherited is not close-on-exec; all that
/// this process opens by std is, so such a one is refused, and the original is made so. It stays
/// open until the process ends, as something else in the process may own it. So a connection on it
/// is ended by a shutdown, not by closing alone.
///
/// # Errors
/// `EBADF` if the number is not open, `InvalidInput` if it is close-on-exec: it was not inherited,
/// or was taken already. The text has the number.
///
/// ```
/// let standard_input = urpc::process::inherited(0)?;
/// assert!(urpc::process::inherited(0).is_err());
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn inherited(number: RawFd) -> io::Result<OwnedFd> {
    take_inherited(number)
        .map_err(|error| io::Error::new(error.kind(), format!("descriptor {number}: {error}")))
}

/// Duplicates of the descriptors that a service manager passed: 3 and up, as many as `LISTEN_FDS`
/// says, if `LISTEN_PID` names this process; none otherwise (sd_listen_fds(3)).
///
/// The variables stay set, since changing one's own environment is unsafe while threads run:
/// [`spawn_with_files`] keeps them from its programs, and `Command::env_remove` from others.
///
/// # Errors
/// As [`inherited`], for the first number that is not open or was taken already: this gives them
/// once.
///
/// ```
/// use urpc::Listener;
///
/// for socket in urpc::process::listen_fds()? {
///     let listener = Listener::from_fd(socket)?;
///     // server.serve(&listener)?;
/// }
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn listen_fds() -> io::Result<Vec<OwnedFd>> {
    let [count, pid, ..] = LISTEN_VARIABLES.map(std::env::var_os);
    let count = listen_count(count.as_deref(), pid.as_deref(), std::process::id());
    (3..count.saturating_add(3)).map(inherited).collect()
}

fn listen_count(count: Option<&OsStr>, pid: Option<&OsStr>, own_pid: u32) -> RawFd {
    let number = |text: Option<&OsStr>| text?.to_str()?.parse::<u32>().ok();
    match (number(count), number(pid)) {
        (Some(count), Some(pid)) if pid == own_pid => RawFd::try_from(count).unwrap_or(RawFd::MAX),
        _ => 0,
    }
}

/// A fresh pipe, close-on-exec: the end to read from, then the end to write to.
///
/// # Errors
/// What pipe(2) says, such as too many open files.
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

/// Waits until one of `files` can be read, has ended or has failed (for a listening socket: until
/// somebody connects), and returns its index; `None` once `limit` has passed. Of several the first
/// counts. A loop that must also see a stop waits for a pipe beside its socket. The end of a pipe
/// to write to can never be read, so it is ready only once nobody is left to read from the pipe.
///
/// # Errors
/// What poll(2) says; an interruption is no error.
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

/// Waits until `file` can be written to or has failed; `false` once `limit` has passed. A write to
/// a file that is non-blocking, as another process that shares it may have made it, waits so.
///
/// # Errors
/// What poll(2) says; an interruption is no error.
///
/// ```
/// use std::os::fd::AsFd;
///
/// let (_reader, writer) = urpc::process::pipe()?;
/// assert!(urpc::process::wait_writable(writer.as_fd(), None)?);
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn wait_writable(file: BorrowedFd<'_>, limit: Option<Duration>) -> io::Result<bool> {
    poll(&mut [Interest::writable(file)], limit)
}

/// Starts a program with `stdin` as its standard input and `files` as its descriptors 3, 4 and so
/// on; it inherits no other descriptor beside its standard output and error.
///
/// Between a fork and an exec a process with threads can place no descriptors without the risk of
/// hitting one that std uses there. So this starts `helper`, which is to do nothing but call
/// [`run_with_files`]: usually the running program itself, `/proc/self/exe`, with an argument that
/// it knows at the top of its `main`. The helper gets the files over a socket on its standard
/// input, places them, and becomes the program in place: the child that is returned *is* the
/// program. Standard output and error, environment and directory are those set on `helper`. The
/// variables that announce sockets of a service manager are removed.
///
/// If this process ignores SIGCHLD, as the process that started it may have arranged, the signal
/// gets its default action back. Otherwise the kernel would discard the program's exit status.
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
/// What spawning the helper and sending to it say, and why the program could not be run, as the
/// helper reports it: `NotFound` if there is no such program, `UnexpectedEof` if the helper ended
/// without a report, `TimedOut` if it did not become the program within 30 s. A helper that says
/// nothing for 1, 2 and 4 s is killed, and another one tried, before that. The child is gone then. A helper that calls this function instead of [`run_with_files`] gets an error.
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

/// Starts the helper once; `None` if it has said nothing within `limit`, and is gone.
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
    // The command keeps its end until it gets another input; ours would never see the end.
    helper.stdin(Stdio::null()).env_remove(HELPER_OF);
    let mut child = spawned?;
    let sent = send_to_helper(ours, stdin, files, limit);
    if !matches!(sent, Ok(true)) {
        let _ = child.kill();
        let _ = child.wait();
    }
    sent.map(|has_begun| has_begun.then_some(child))
}

/// What the helper says when all that is left to it is to become the program.
const READY: [u8; 4] = [0; 4];
/// What it says in place of the number of an error of the system's where it has none.
const NO_ERRNO: i32 = -1;

/// The variable that marks a helper; its value is the process id of the parent.
const HELPER_OF: &str = "URPC_HELPER_OF";
/// How long a helper may take to become the program: as long as a slow machine needs.
const START_TIME: Duration = Duration::from_secs(30);
/// How long to wait for the first word of each helper that is tried. Between its fork and its exec
/// a helper has a copy of every descriptor of this process. If this process closes a file meanwhile
/// the helper's exec does the last close, which may block for as long as the file's sender likes
/// (see `closer`); so a helper that says nothing is given up for another one.
const START_TIMES: [Duration; 4] =
    [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4), START_TIME];

const ADVICE: &str = "does its main call run_with_files first?";

/// A helper that does not call [`run_with_files`] would start a helper that does not either, and so
/// on without end.
fn refuse_to_be_a_helper() -> io::Result<()> {
    let parent = std::os::unix::process::parent_id().to_string();
    match std::env::var_os(HELPER_OF) {
        Some(mark) if *mark == *parent => Err(io::Error::other(
            "this process is the helper of another one: call run_with_files first",
        )),
        _ => Ok(()),
    }
}

/// Sends everything, then reads the helper's report. `false` if it has said nothing within `limit`;
/// it cannot become the program then.
fn send_to_helper(
    helper: Socket,
    stdin: BorrowedFd<'_>,
    files: &[BorrowedFd<'_>],
    limit: Duration,
) -> io::Result<bool> {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, TimedOut, UnexpectedEof, WouldBlock};
    let mut report = Vec::new();
    let exchanged = (|| {
        helper.send(b"0", &[stdin])?;
        helper.send(b"3", files)?;
        // A helper that reads its input to the end gets there.
        helper.shutdown_send()?;
        helper.set_receive_timeout(Some(limit))?;
        let mut stream = UnixStream::from(helper.into_fd());
        match stream.by_ref().take(1).read_to_end(&mut report) {
            Err(error) if error.kind() == WouldBlock => {
                // From here on it cannot report that it is ready; it may just have done so.
                stream.shutdown(std::net::Shutdown::Both)?;
                stream.by_ref().take(1).read_to_end(&mut report)?;
                if report.is_empty() {
                    return Ok(false);
                }
            }
            read => drop(read?),
        }
        stream.set_read_timeout(Some(START_TIME))?;
        stream.take(256).read_to_end(&mut report).map(|_| true)
    })();
    match exchanged.map_err(|error| (error.kind(), error)) {
        Ok(false) => return Ok(false),
        Ok(true) => read_report(&report),
        // It ended before it had read everything.
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

/// What a report says once the stream has ended, which the exec brings about, since the helper's
/// end is close-on-exec: there is nothing behind [`READY`] then. `None` if it is incomplete.
fn read_report(report: &[u8]) -> Option<io::Result<()>> {
    let behind = report.strip_prefix(&READY);
    match behind.unwrap_or(report).split_first_chunk() {
        Some((number, text)) => Some(Err(match i32::from_ne_bytes(*number) {
            NO_ERRNO => io::Error::other(String::from_utf8_lossy(text)),
            number => io::Error::from_raw_os_error(number),
        })),
        None => behind.is_some_and(<[u8]>::is_empty).then_some(Ok(())),
    }
}

/// The exit status of a shell where a program cannot be run.
const NOT_RUN: i32 = 127;

/// What the helper of [`spawn_with_files`] calls, first thing, while it has one thread: becomes
/// `program`, with the files it is sent in place. Every other descriptor from 3 up is made
/// close-on-exec, and SIGTERM and SIGINT, which the parent may have blocked, are let through.
///
/// If it cannot, be it because there is another thread, the parent is told why, and the process
/// ends with status 127, as a shell would.
pub fn run_with_files(program: &mut Command) -> ! {
    program.env_remove(HELPER_OF);
    if let Ok(parent) = inherited(0).and_then(Socket::from_fd) {
        let error = receive_and_exec(&parent, program);
        report(&parent, error);
    }
    std::process::exit(NOT_RUN)
}

/// Returns only if no descriptor was replaced.
fn receive_and_exec(parent: &Socket, program: &mut Command) -> io::Error {
    let prepared = (|| {
        let mut stdin = parent.receive(&mut [0], 1)?.1;
        let (_, files) = parent.receive(&mut [0], SCM_MAX_FD)?;
        let stdin = stdin.release(0).ok_or(io::ErrorKind::UnexpectedEof)?;
        // All of them are used while files are placed, so they must not be where those go.
        let lowest = 3 + files.len() as RawFd;
        let move_up = |file: BorrowedFd<'_>| sys::duplicate_from(file.as_raw_fd(), lowest);
        program.stdin(Stdio::from(move_up(stdin.as_fd())?));
        let parent = Socket::from_fd(move_up(parent.as_fd())?)?;
        let files = files.iter().map(move_up).collect::<io::Result<Vec<OwnedFd>>>()?;
        set_all_close_on_exec()?;
        sys::block_signals(&[SIGINT, SIGTERM], false)?;
        parent.send(&READY, &[])?;
        Ok((files, parent, Replacing::begin(NOT_RUN)?))
    })();
    let (files, parent, replacing) = match prepared {
        Ok(prepared) => prepared,
        Err(error) => return error,
    };
    let mut targets = files.iter().zip(3..);
    let placed = targets.try_for_each(|(file, target)| replacing.place(file.as_fd(), target));
    let error = placed.err().unwrap_or_else(|| program.exec());
    report(&parent, error);
    replacing.end()
}

/// The number of an error, if it has one, and its text.
fn report(parent: &Socket, error: io::Error) {
    let mut report = error.raw_os_error().unwrap_or(NO_ERRNO).to_ne_bytes().to_vec();
    report.extend_from_slice(error.to_string().as_bytes());
    let _ = parent.send(&report, &[]);
}

fn set_all_close_on_exec() -> io::Result<()> {
    let numbers: Vec<RawFd> = fs::read_dir("/proc/self/fd")?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    for number in numbers.into_iter().filter(|number| *number > 2) {
        // What is not open any more is the descriptor that the listing itself used.
        let _ = sys::set_close_on_exec(number);
    }
    Ok(())
}

/// SIGTERM and SIGINT, blocked, to be waited for by a thread of their own.
///
/// ```standalone_crate
/// use std::process::Command;
/// use urpc::process::StopSignals;
///
/// let signals = StopSignals::block()?; // before any thread is started
/// let waiting = std::thread::spawn(move || signals.wait());
/// Command::new("sh").args(["-c", "kill -TERM $PPID"]).status()?;
/// assert_eq!(waiting.join().unwrap()?, 15); // time for `Server::stop`
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct StopSignals(());

impl StopSignals {
    /// Blocks both signals in this thread and in those it starts from now on, so call it before
    /// any other thread is started. A child that std starts has them blocked too; one started by
    /// [`spawn_with_files`] does not.
    ///
    /// # Errors
    /// What pthread_sigmask(3) says; it does not fail.
    pub fn block() -> io::Result<StopSignals> {
        sys::block_signals(&[SIGINT, SIGTERM], true).map(StopSignals)
    }

    /// Waits for one of them and returns its number: 2 for SIGINT, 15 for SIGTERM.
    ///
    /// # Errors
    /// What sigwait(3) says; it does not fail.
    pub fn wait(&self) -> io::Result<i32> {
        retry_interrupted(|| sys::wait_for_signal(&[SIGINT, SIGTERM]))
    }
}

/// Runs `program` for a process that is the first of its container, process 1, and returns the
/// program's exit status. Process 1 inherits every process whose parent has ended: this waits for
/// them, so that none stays a zombie, and passes SIGTERM and SIGINT on to the program.
///
/// It waits for *any* child, so this process must have no other children. The program inherits
/// both signals blocked, so that none is lost before it waits for them by [`StopSignals`] itself.
/// It runs in a process group of its own: Control-C of a terminal reaches it once and not twice.
///
/// # Errors
/// What spawning the program, starting a thread and wait(2) say. The program is killed then.
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

#[cfg(test)]
mod tests;
