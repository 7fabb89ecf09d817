//! Runs the command to its end, or in parallel to the test.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use urpc::{Server, Service, process};

use crate::support::limit::limit_test;
use crate::support::{Scratch, signal};

/// The result of a run of the command.
#[derive(Debug, PartialEq)]
pub struct Ran {
    pub status: i32,
    pub out: String,
    pub err: String,
}

impl Ran {
    /// Its standard output. It must have succeeded with nothing on standard error.
    #[track_caller]
    pub fn success(self) -> String {
        assert_eq!((self.status, &*self.err), (0, ""), "{}", self.out);
        self.out
    }

    /// Its standard error, which must be one line. It must have ended with `status` and with
    /// nothing on standard output.
    #[track_caller]
    pub fn failure(self, status: i32) -> String {
        assert_eq!((self.status, &*self.out), (status, ""), "{}", self.err);
        assert_eq!(self.err.lines().count(), 1, "{}", self.err);
        self.err
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Ran {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Ran {
            status: output.status.code().expect("ended by a signal"),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }
}

/// The command, not yet started, with an empty standard input.
pub fn command<A: AsRef<OsStr>>(arguments: &[A]) -> Command {
    limit_test();
    let mut command = Command::new(env!("CARGO_BIN_EXE_urpc"));
    command.args(arguments).stdin(Stdio::null());
    command
}

/// The same, with an inherited descriptor that no option names.
pub fn command_with_a_stray<A: AsRef<OsStr>>(arguments: &[A]) -> Command {
    limit_test();
    let mut shell = Command::new("sh");
    shell.args(["-c", "exec 9</dev/null; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_urpc")]);
    shell.args(arguments).stdin(Stdio::null());
    shell
}

/// Runs the command to its end.
pub fn urpc<A: AsRef<OsStr>>(arguments: &[A]) -> Ran {
    command(arguments).output().unwrap().into()
}

/// Runs the command to its end with `input` on standard input.
pub fn urpc_with_input<A: AsRef<OsStr>>(arguments: &[A], input: &str) -> Ran {
    let (stdin, mut to) = process::pipe().unwrap();
    to.write_all(input.as_bytes()).unwrap();
    drop(to);
    command(arguments).stdin(stdin).output().unwrap().into()
}

/// The write end of a pipe without a reader.
pub fn unread_pipe() -> Stdio {
    process::pipe().unwrap().1.into()
}

/// A pipe that stays silent while the second end is open.
pub fn silent_input() -> (Stdio, OwnedFd) {
    let (silent, keep) = process::pipe().unwrap();
    (silent.into(), keep.into())
}

/// The command, running in parallel to the test. It is killed when this is dropped.
pub struct Running {
    pub child: Child,
    pub err: BufReader<ChildStderr>,
}

impl Running {
    /// Starts it and waits until it listens.
    pub fn start(command: &mut Command) -> Running {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let err = BufReader::new(child.stderr.take().unwrap());
        let mut running = Running { child, err };
        let said = running.line();
        assert!(said.contains("listening on"), "{said}");
        running
    }

    /// The next line of standard error.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.err.read_line(&mut line).unwrap();
        line
    }

    /// Sends a signal by its name.
    pub fn signal(&self, name: &str) {
        signal(self.child.id(), name);
    }

    /// Waits for its end. Returns the status and the rest of its standard error.
    pub fn wait(mut self) -> (i32, String) {
        let mut said = String::new();
        self.err.read_to_string(&mut said).unwrap();
        (self.child.wait().unwrap().code().expect("ended by a signal"), said)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A server of the library on a path, until it is dropped.
pub struct Served {
    pub server: Server,
    pub path: String,
    _scratch: Scratch,
}

impl Served {
    pub fn new<T: Send + Sync + 'static>(name: &str, service: Service<T>) -> Served {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let scratch = Scratch::new(&format!("{name}-{}", COUNT.fetch_add(1, Ordering::Relaxed)));
        let path = scratch.path("served.sock").into_os_string().into_string().unwrap();
        let (server, listener) = (Server::new(), urpc::Listener::bind(&path).unwrap());
        server.register(service);
        server.start_serving(listener).unwrap();
        Served { server, path, _scratch: scratch }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.server.stop(std::time::Duration::ZERO);
    }
}

/// The names in a directory, sorted.
pub fn names_in(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
