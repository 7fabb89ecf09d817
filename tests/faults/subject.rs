//! The server under test: this program, in a process of its own.

use std::env;
use std::fs::File;
use std::io::{self, Read};
use std::iter;
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use urpc::json::{Bytes, RawJson};
use urpc::{Client, Event, Files, Limits, Listener, Server, Service, Socket, process};

use crate::counts::{descriptors, threads, wait_until};
use crate::support::limit::limit_test;
use crate::support::{Scratch, TIMEOUT, signal, within_timeout};

/// Set in the server's process: the path on which it listens.
const SOCKET: &str = "URPC_FAULTS_SOCKET";
/// Optional, for the server's process: `send_time` in milliseconds.
const SEND_TIME: &str = "URPC_FAULTS_SEND_TIME";
/// Optional, for the server's process: its sockets get the smallest send buffer.
const LEAST_BUFFER: &str = "URPC_FAULTS_LEAST_BUFFER";

/// Optional, for the server's process: few descriptors are left.
const HAS_FEW_FILES: &str = "URPC_FAULTS_FEW_FILES";
/// The number of descriptors left: enough for a few clients with some files each.
const FEW_FILES: usize = 16;

/// How the server is started.
#[derive(Default)]
pub struct Setup {
    /// Whether only [`FEW_FILES`] descriptors are left.
    pub few_files: bool,
    /// The command that watches it. The program follows as its argument.
    pub tracer: String,
    pub send_time: Option<u32>,
    pub least_buffer: bool,
}

impl Setup {
    /// Starts it and serves one client, so that everything that exists once has been made.
    pub fn start(&self, name: &str) -> Subject {
        let scratch = Scratch::new(&format!("faults-{name}"));
        let mut command = rerun("subject::the_server", &self.tracer);
        command.env(SOCKET, scratch.path("s")).stdin(Stdio::piped());
        if let Some(time) = self.send_time {
            command.env(SEND_TIME, time.to_string());
        }
        if self.few_files {
            command.env(HAS_FEW_FILES, "");
        }
        if self.least_buffer {
            command.env(LEAST_BUFFER, "");
        }
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stdin = child.stdin.take();
        let socket = || Socket::connect(scratch.path("s")).ok();
        let socket = wait_until(socket, || format!("{:?}", child.try_wait()));
        let client = Client::new(socket);
        // The child is the tracer if there is one, and in gVisor a peer's ids are those of whoever
        // asks.
        let pid = client.call("Peer.Pid", &()).unwrap();
        let mut subject = Subject { child: Some(child), stdin, scratch, pid, held: (0, 0) };
        assert_answers(&client);
        drop(client);
        // A thread with this name exists until the client has left.
        let serves = || threads(pid).iter().any(|name| name == "urpc-server");
        wait_until(|| (!serves()).then_some(()), || "the first client to go".to_owned());
        subject.held = subject.holds();
        subject
    }
}

/// A command that runs only the test `name` of this program.
pub fn rerun(name: &str, tracer: &str) -> Command {
    let mut command = Command::new("sh");
    let words = r#"$URPC_TEST_RUNNER "$0" --nocapture --test-threads=1 --exact"#;
    // Enough descriptors to use them all, but more than other tests have in flight. The kernel
    // counts the files in flight of all processes of a user.
    let limit = "ulimit -n 1024 2>/dev/null;";
    command.args(["-c", &format!("{limit} exec {tracer} {words} {name}")]);
    command.arg(env::current_exe().unwrap());
    command
}

/// A running server, and its counts before any fault.
pub struct Subject {
    child: Option<Child>,
    stdin: Option<ChildStdin>,
    pub scratch: Scratch,
    pub pid: u32,
    held: (usize, usize),
}

impl Subject {
    pub fn socket(&self) -> Socket {
        Socket::connect(self.scratch.path("s")).unwrap()
    }

    pub fn client(&self) -> Client {
        Client::new(self.socket())
    }

    /// Checks that it answers another client, and that its counts become what they were at first.
    #[track_caller]
    pub fn assert_unharmed(&self, fault: &str) {
        assert_answers(&self.client());
        wait_until(
            || (self.holds() == self.held).then_some(()),
            || format!("{:?} to become {:?}, after: {fault}", self.holds(), self.held),
        );
    }

    /// The number of its descriptors and threads.
    pub fn holds(&self) -> (usize, usize) {
        (descriptors(self.pid), threads(self.pid).len())
    }

    /// Sends it a signal by its name.
    pub fn signal(&self, name: &str) {
        signal(self.pid, name);
    }

    /// Stops it and checks that it succeeded.
    pub fn finish(self) {
        let output = self.end();
        let (out, errors) = (output.stdout, output.stderr);
        let text = format!("{}{}", String::from_utf8_lossy(&out), String::from_utf8_lossy(&errors));
        assert!(output.status.success() && text.contains("1 passed"), "{text}");
    }

    /// Stops it, whether it succeeded or not.
    pub fn end(mut self) -> Output {
        self.stdin = None;
        let child = self.child.take().unwrap();
        within_timeout(move || child.wait_with_output().unwrap())
    }
}

impl Drop for Subject {
    /// It ends when its standard input ends, which happens after this.
    fn drop(&mut self) {
        self.stdin = None;
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Checks that a small call is answered, and a call with files.
#[track_caller]
pub fn assert_answers(client: &Client) {
    assert_eq!(client.call::<String>("Peer.Echo", "small").unwrap(), "small");
    let (file, _kept) = process::pipe().unwrap();
    let files: Files = [&file; 3].map(|file| file.try_clone().unwrap()).into_iter().collect();
    assert_eq!(client.call::<Files>("Peer.Return", &files).unwrap().len(), 3);
}

/// Checks the same, and that a call is answered for which both sides have to wait.
#[track_caller]
pub fn assert_carries(client: &Client) {
    assert_answers(client);
    let large = "x".repeat(1 << 18);
    assert_eq!(client.call::<String>("Peer.Echo", &large).unwrap(), large);
}

/// Not a test: the server.
#[test]
fn the_server() {
    let Some(path) = env::var_os(SOCKET) else { return };
    limit_test();
    let waits: Arc<Mutex<Vec<i32>>> = Arc::default();
    let seen = Arc::clone(&waits);
    let time = env::var(SEND_TIME).ok().and_then(|text| text.parse().ok());
    let send_time = time.map_or(Limits::default().send_time, |ms| Some(Duration::from_millis(ms)));
    let idle_time = Some(Duration::from_secs(3600));
    let server = Server::builder()
        .limits(Limits { send_time, idle_time, ..Limits::default() })
        .observe(move |event| {
            if let Event::AcceptPaused { reason } = event {
                seen.lock().unwrap().extend(reason.raw_os_error());
            }
        })
        .build();
    server.register(
        Service::new("Peer", ())
            .method("Echo", |_, arg: RawJson| Ok::<_, String>(arg))
            .method("Pid", |_, _: ()| Ok::<_, String>(std::process::id()))
            .method("Count", |_, files: Files| Ok::<_, String>(files.len()))
            .method("Return", |_, files: Files| Ok::<_, String>(files))
            .method("Big", |_, _: ()| Ok::<_, String>(Bytes(vec![0; 1 << 19])))
            .method("Waits", move |_, _: ()| Ok::<_, String>(waits.lock().unwrap().clone()))
            .method_with_context("Linger", |_, _: (), context| {
                while !context.is_client_gone() {
                    thread::park_timeout(Duration::from_millis(1));
                }
                Ok::<_, String>(())
            }),
    );
    let listener = Listener::bind(path.as_os_str()).unwrap();
    let _filler = env::var_os(HAS_FEW_FILES).map(|_| take_all_but(FEW_FILES));
    let (serving, served) = (server.clone(), mpsc::channel());
    let accept = env::var_os(LEAST_BUFFER).map_or(Server::serve as Serve, |_| serve_narrowly);
    thread::spawn(move || served.0.send(accept(&serving, &listener)));
    let _ = io::stdin().read(&mut [0]);
    assert_eq!(server.stop_within(Duration::ZERO, TIMEOUT), 0);
    if env::var_os(LEAST_BUFFER).is_none() {
        served.1.recv().unwrap().unwrap();
    }
}

/// Opens files until only `count` descriptors are left.
fn take_all_but(count: usize) -> Vec<File> {
    let mut taken: Vec<File> = iter::from_fn(|| File::open("/dev/null").ok()).collect();
    taken.truncate(taken.len() - count);
    taken
}

type Serve = fn(&Server, &Listener) -> Result<(), urpc::Error>;

/// Serves until the process ends, over sockets with the smallest buffers.
fn serve_narrowly(server: &Server, listener: &Listener) -> Result<(), urpc::Error> {
    use std::os::fd::AsFd;
    loop {
        process::wait_readable(&[listener.as_fd()], None)?;
        let socket = listener.accept()?;
        socket.set_send_buffer(1)?;
        server.start_handling(socket)?;
    }
}
