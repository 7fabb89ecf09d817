//! The Go program in `go/`, built once and run as a server or as a client. Both end when their
//! standard input ends, so they do not outlive their test.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::OnceLock;

use urpc::json::{self, Bytes, RawJson};
use urpc::{Client, Socket};

use crate::peer;
use crate::support::Scratch;
use crate::support::available;

/// The path of the program. `None` if it cannot be built.
pub fn program() -> Option<&'static Path> {
    static BUILT: OnceLock<Option<PathBuf>> = OnceLock::new();
    let built = BUILT.get_or_init(|| {
        // Built elsewhere, with another Go.
        if let Some(named) = std::env::var_os("URPC_GO_PEER") {
            return Some(named.into());
        }
        let sources = Path::new("/usr/share/gocode/src/gvisor.dev/gvisor/pkg/urpc");
        let is_there = available::program("go") && sources.exists();
        let what = "Go (Debian's golang-go, golang-gvisor-gvisor-dev)";
        if !available::or_skip(what, is_there) || !available::many_files() {
            return None;
        }
        let build = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/build.sh");
        // Next to cargo's own build directory.
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("interop");
        let status = Command::new(build).arg(&directory).status().unwrap();
        assert!(status.success(), "the Go peer does not build: {status}");
        Some(directory.join("peer"))
    });
    built.as_deref()
}

/// Whether the program was built with Go 1.27 or later, whose encoding/json is another one.
pub fn is_since_1_27() -> bool {
    let said = Command::new(program().unwrap()).arg("version").output().unwrap().stdout;
    let version = String::from_utf8(said).unwrap();
    let minor = version.split('.').nth(1).and_then(|minor| minor.trim().parse::<u32>().ok());
    minor.unwrap_or_else(|| panic!("the version of Go is {version}")) >= 27
}

/// A Go server with the service `Peer`.
pub struct GoServer {
    path: PathBuf,
    process: Child,
    _scratch: Scratch,
}

impl GoServer {
    /// Starts one. `None` if there is no Go.
    pub fn start(name: &str) -> Option<GoServer> {
        let program = program()?;
        let scratch = Scratch::new(name);
        let path = scratch.path("go.sock");
        let mut process = Command::new(program)
            .arg("server")
            .arg(&path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut said).unwrap();
        assert_eq!(said, "ready\n");
        Some(GoServer { path, process, _scratch: scratch })
    }

    /// The path on which it listens.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A raw connection to it.
    pub fn connect(&self) -> Socket {
        Socket::connect(self.path.as_path()).unwrap()
    }

    /// A client of it, with the limits of its build.
    pub fn client(&self) -> Client {
        Client::builder().limits(peer::client_limits()).connect(self.path.as_path()).unwrap()
    }
}

impl Drop for GoServer {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

urpc::record! {
    /// A call for the Go client to make.
    #[derive(Debug, Default)]
    pub struct Order {
        pub method: String => "Method",
        pub arg: Option<RawJson> => "Arg",
        /// The number of files to send. Each contains `content` and its index.
        pub files: usize => "Files",
        pub content: String => "Content",
        /// Whether to connect again before the call.
        pub connect: bool => "Connect",
    }

    /// The outcome of a call.
    #[derive(Debug, Default, PartialEq)]
    pub struct Outcome {
        pub error: String => "Error",
        pub remote: bool => "Remote",
        pub result: Option<Bytes> => "Result",
        pub contents: Vec<String> => "Contents",
    }
}

impl Order {
    /// A call of `method` with the text `arg`.
    pub fn new(method: &str, arg: impl Into<Vec<u8>>) -> Order {
        Order { method: method.into(), arg: Some(RawJson::new(arg)), ..Order::default() }
    }

    /// The same with files.
    pub fn with_files(self, files: usize, content: &str) -> Order {
        Order { files, content: content.into(), ..self }
    }

    /// The same on a new connection.
    pub fn connecting(self) -> Order {
        Order { connect: true, ..self }
    }
}

impl Outcome {
    /// The text of the result. Empty if there was none.
    pub fn result(&self) -> &[u8] {
        self.result.as_ref().map_or(b"", |bytes| &bytes.0)
    }

    /// The result of a call that must succeed.
    pub fn success(&self) -> &[u8] {
        assert_eq!((&*self.error, self.remote), ("", false));
        self.result()
    }
}

/// A Go client, which makes the calls that it gets.
pub struct GoClient {
    process: Child,
    orders: Option<ChildStdin>,
    outcomes: BufReader<ChildStdout>,
}

impl GoClient {
    /// Starts one that connects to `path`. `None` if there is no Go.
    pub fn start(path: &Path) -> Option<GoClient> {
        let mut process = Command::new(program()?)
            .arg("client")
            .arg(path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let orders = process.stdin.take();
        let outcomes = BufReader::new(process.stdout.take().unwrap());
        Some(GoClient { process, orders, outcomes })
    }

    /// Makes the call and returns its outcome.
    pub fn call(&mut self, order: &Order) -> Outcome {
        let text = json::to_vec(order).unwrap();
        self.orders.as_mut().unwrap().write_all(&text).unwrap();
        let mut line = String::new();
        self.outcomes.read_line(&mut line).unwrap();
        json::from_str(&line).unwrap_or_else(|error| panic!("{order:?}: {error}: {line:?}"))
    }
}

impl Drop for GoClient {
    fn drop(&mut self) {
        drop(self.orders.take());
        let _ = self.process.wait();
    }
}
