//! Helpers of the tests: probes for leaks, scratch directories, raw peers, gates, processes.

#![allow(dead_code)] // each test program uses its own part

pub mod available;
pub mod limit;
mod probe;

use std::io::ErrorKind;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use limit::limit_test;
#[allow(unused_imports)] // each test program uses its own part
pub use probe::{Probe, identity};
use urpc::{Client, Server, Socket};

/// The most files that one send can carry here. musl up to 1.2.3 copies control data into 1024
/// bytes and fails with `ENOMEM` for 253 files, which need 1032.
pub const MOST_FILES: usize = if cfg!(target_env = "musl") { 252 } else { 253 };

/// Whether an exec closes `file`, by its flags in proc_pid_fdinfo(5).
pub fn is_close_on_exec(file: impl AsFd) -> bool {
    let number = file.as_fd().as_raw_fd();
    let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{number}")).unwrap();
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:")).unwrap();
    u32::from_str_radix(flags.trim(), 8).unwrap() & 0o2_000_000 != 0
}

/// Sends process `id` a signal by its name, such as `TERM`. It uses the shell's `kill`, since not
/// every system has the program.
pub fn signal(id: u32, name: &str) {
    let kill = format!("kill -s {name} {id}");
    assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
}

/// `path`, quoted for a shell.
pub fn shell_quoted(path: impl AsRef<Path>) -> String {
    format!("'{}'", path.as_ref().to_str().unwrap().replace('\'', r"'\''"))
}

/// The directory for temporary files: `TMPDIR`, unless its path is too long for a socket in it. A
/// socket's address has 108 bytes (unix(7)).
pub fn temporary_directory() -> PathBuf {
    let named = std::env::temp_dir();
    if named.as_os_str().len() > 40 { "/tmp".into() } else { named }
}

/// A directory for one test. It is removed with everything in it.
pub struct Scratch(pub PathBuf);

impl Scratch {
    pub fn new(name: &str) -> Scratch {
        limit_test();
        let name = format!("urpc-{name}-{}", std::process::id());
        // A killed process with the same id may have left its directory. The next name is tried
        // then.
        let paths = (0..).map(|count| temporary_directory().join(format!("{name}-{count}")));
        let made = paths.map(|path| std::fs::create_dir(&path).map(|()| Scratch(path)));
        let mut tried = made.skip_while(|made| {
            made.as_ref().is_err_and(|error| error.kind() == ErrorKind::AlreadyExists)
        });
        tried.next().unwrap().unwrap()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Leaves a stale socket at `path`. A child that another test is starting may hold a copy of the
/// listener until its exec.
pub fn leave_stale(path: impl AsRef<Path>) {
    drop(UnixListener::bind(&path).unwrap());
    while UnixStream::connect(&path).is_ok() {
        thread::yield_now();
    }
}

/// Fills the queue of the listener at `path`. A connection stays in the queue when its client is
/// closed.
pub fn fill_queue(path: &Path) {
    let most = std::fs::read_to_string("/proc/sys/net/core/somaxconn").unwrap();
    // One more than the limit, because Linux accepts that many.
    (0..=most.trim().parse::<usize>().unwrap()).for_each(|_| drop(Socket::connect(path).unwrap()));
}

/// A client of `server` over a socket pair.
pub fn client_of(server: &Server) -> Client {
    Client::new(connect(server))
}

/// The raw end of a connection to `server`. A blocking read on it times out after [`TIMEOUT`].
pub fn connect(server: &Server) -> Socket {
    limit_test();
    let (ours, theirs) = UnixStream::pair().unwrap();
    ours.set_read_timeout(Some(TIMEOUT)).unwrap();
    server.start_handling(theirs.into()).unwrap();
    ours.into()
}

/// Sends `bytes` with `files` on the first byte. It tries again while this user has too many files
/// in flight (unix(7), `ETOOMANYREFS`), which may be files of other tests.
pub fn send(socket: &Socket, bytes: &[u8], files: &[BorrowedFd<'_>]) {
    const ETOOMANYREFS: i32 = 109;
    limit_test();
    let deadline = Instant::now() + TIMEOUT;
    let mut sent = loop {
        match socket.send(bytes, files) {
            Err(error) if error.raw_os_error() == Some(ETOOMANYREFS) => {
                assert!(Instant::now() < deadline, "{error}");
                thread::yield_now();
            }
            sent => break sent.unwrap(),
        }
    };
    while sent < bytes.len() {
        sent += socket.send(&bytes[sent..], &[]).unwrap();
    }
}

/// Reads to the end of the stream. A reset counts as the end.
pub fn read_to_end(socket: &Socket) -> (Vec<u8>, Vec<OwnedFd>) {
    limit_test();
    let (mut bytes, mut files, mut buffer) = (Vec::new(), Vec::new(), [0; 4096]);
    loop {
        match socket.receive(&mut buffer, 253) {
            Ok((0, _)) => return (bytes, files),
            Ok((count, mut more)) => {
                bytes.extend_from_slice(&buffer[..count]);
                files.extend(more.release_all());
            }
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {
                return (bytes, files);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                panic!(
                    "the stream did not end in time, after {:?}",
                    String::from_utf8_lossy(&bytes)
                )
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// Reads exactly one message, to the end of its object.
pub fn read_message(socket: &Socket) -> (String, Vec<OwnedFd>) {
    limit_test();
    let mut tokenizer = urpc::json::Tokenizer::new();
    let (mut bytes, mut files) = (Vec::new(), Vec::new());
    loop {
        let mut byte = [0];
        let (count, mut more) = socket.receive(&mut byte, 253).unwrap();
        assert_eq!(
            count,
            1,
            "the peer ended the stream after {:?}",
            String::from_utf8_lossy(&bytes)
        );
        bytes.push(byte[0]);
        files.extend(more.release_all());
        let mut rest = &byte[..];
        // A number ends only at the next byte, which is then a separate token.
        while tokenizer.next(&mut rest).unwrap().is_some() {
            if tokenizer.is_between_values() {
                return (String::from_utf8(bytes).unwrap(), files);
            }
        }
    }
}

/// A successful reply as it is sent.
pub fn success(result: &str) -> String {
    format!(r#"{{"success":true,"err":"","result":{result}}}"#)
}

/// The reply to a failed call as it is sent. `text` must not need escapes.
pub fn failure(text: &str) -> String {
    format!(r#"{{"success":false,"err":"{text}","result":null}}"#)
}

/// The replies to `bytes` until the server ends the connection. It ends it at the latest when it
/// sees that nothing follows.
pub fn replies_to(server: &Server, bytes: &[u8]) -> String {
    let socket = connect(server);
    send(&socket, bytes, &[]);
    socket.shutdown_send().unwrap();
    String::from_utf8(read_to_end(&socket).0).unwrap()
}

/// The time limit for anything that must happen, also on a slow and busy machine.
pub const TIMEOUT: Duration = Duration::from_secs(100);

/// The result of `act`. Panics after [`TIMEOUT`], for instance if there is a deadlock.
pub fn within_timeout<T: Send + 'static>(act: impl FnOnce() -> T + Send + 'static) -> T {
    limit_test();
    let (done, result) = mpsc::channel();
    let thread = thread::spawn(move || drop(done.send(act())));
    match result.recv_timeout(TIMEOUT) {
        Ok(value) => value,
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("it takes too long"),
        Err(mpsc::RecvTimeoutError::Disconnected) => match thread.join() {
            Err(panic) => std::panic::resume_unwind(panic),
            Ok(()) => unreachable!("the result was sent before the thread ended"),
        },
    }
}

/// A gate at which threads wait until a test opens it. The test can wait for them to arrive.
#[derive(Clone, Default)]
pub struct Gate(Arc<(Mutex<GateState>, Condvar)>);

#[derive(Default)]
struct GateState {
    arrived: usize,
    is_open: bool,
}

impl Gate {
    pub fn new() -> Gate {
        limit_test();
        Gate::default()
    }

    /// Counts an arrival and waits until the gate is open.
    pub fn pass(&self) {
        let mut state = self.0.0.lock().unwrap();
        state.arrived += 1;
        self.0.1.notify_all();
        self.wait_while(state, |state| !state.is_open);
    }

    /// Waits until `count` threads have arrived in all.
    pub fn wait_for(&self, count: usize) {
        let state = self.0.0.lock().unwrap();
        self.wait_while(state, |state| state.arrived < count);
    }

    pub fn open(&self) {
        self.0.0.lock().unwrap().is_open = true;
        self.0.1.notify_all();
    }

    fn wait_while(
        &self,
        state: MutexGuard<'_, GateState>,
        condition: impl Fn(&mut GateState) -> bool,
    ) {
        let (state, timeout) = self.0.1.wait_timeout_while(state, TIMEOUT, condition).unwrap();
        let arrived = state.arrived;
        drop(state);
        assert!(!timeout.timed_out(), "a gate stayed closed, {arrived} had arrived");
    }
}

/// A list to which threads append events in the order in which they happen.
#[derive(Clone, Default)]
pub struct Journal(Arc<Mutex<Vec<String>>>);

impl Journal {
    pub fn new() -> Journal {
        limit_test();
        Journal::default()
    }

    pub fn note(&self, entry: impl Into<String>) {
        self.0.lock().unwrap().push(entry.into());
    }

    pub fn entries(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

/// Read-locked while no process may be started: until its exec, a new process has copies of all
/// descriptors.
static STARTING: RwLock<()> = RwLock::new(());

/// Runs a process to its end and returns its output. It starts the process while no test holds
/// [`while_nothing_starts`].
pub fn output_of(command: &mut Command) -> std::io::Result<Output> {
    limit_test();
    output_with_input(command.stdin(Stdio::null()))
}

/// The same, with the standard input that `command` has.
pub fn output_with_input(command: &mut Command) -> std::io::Result<Output> {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    start(command)?.wait_with_output()
}

/// Starts a process while no test holds [`while_nothing_starts`].
///
/// The kernel reports that an exec has worked before it closes the close-on-exec files. So this
/// waits for the program's new name, which the kernel sets after it has closed them.
pub fn start(command: &mut Command) -> std::io::Result<Child> {
    let _starting = STARTING.write().unwrap_or_else(PoisonError::into_inner);
    let child = command.spawn()?;
    let name_of = |process: &str| std::fs::read(format!("/proc/{process}/comm")).ok();
    let (ours, deadline) = (name_of("thread-self"), Instant::now() + Duration::from_secs(1));
    while name_of(&child.id().to_string()) == ours && Instant::now() < deadline {
        thread::yield_now();
    }
    Ok(child)
}

/// While the guard is held, no process is being started that has copies of our descriptors. A file
/// that is closed here has then no other copy.
pub fn while_nothing_starts() -> RwLockReadGuard<'static, ()> {
    limit_test();
    STARTING.read().unwrap_or_else(PoisonError::into_inner)
}

/// The path of a test, as the test harness names it.
pub fn path_of<F: Fn()>(_test: F) -> &'static str {
    let path = std::any::type_name::<F>();
    path.split_once("::").map_or(path, |(_program, path)| path)
}

/// Runs the test `name` of this program once more, in a process that a shell starts after `setup`.
/// There [`is_alone`] is true. `URPC_TEST_RUNNER` names an emulator if one is needed. If the shell
/// cannot run `setup`, the test is skipped.
pub fn run_alone(name: &str, setup: &str) {
    let tried = output_of(Command::new("sh").args(["-c", &format!("set -e; {setup} true")]));
    let works = tried.is_ok_and(|output| output.status.success());
    if !available::or_skip(&format!("shell that can do '{setup}'"), works) {
        return;
    }
    let mut command = Command::new("sh");
    let words = r#"$URPC_TEST_RUNNER "$0" --nocapture --test-threads=1 --exact"#;
    command.args(["-c", &format!("{setup} {words} {name}")]);
    command.arg(std::env::current_exe().unwrap()).env("URPC_TEST_ALONE", "1");
    let output = output_of(&mut command).unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{setup}: {text}\n{errors}");
}

/// For [`run_alone`]: few enough descriptors to use them all, but more than other tests have in
/// flight. The kernel compares the files in flight of all processes of a user with this limit.
pub const COUNTABLE_FILES: &str = "ulimit -n 1024 2>/dev/null || true; exec";

/// Whether this is a process that [`run_alone`] started.
pub fn is_alone() -> bool {
    std::env::var_os("URPC_TEST_ALONE").is_some()
}
