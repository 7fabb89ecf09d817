//! Addresses as they are typed: the library's own text forms, and `runsc:ID`.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use urpc::{Address, BindOptions, Listener, Socket};

use super::args::{Parsed, quoted};
use super::outcome::Failure;
use super::values;

/// Where to connect to, or to listen.
pub struct Target {
    pub address: Address,
    /// What is to be said if nobody is there.
    hint: String,
}

impl Target {
    pub fn connect(&self) -> Result<Socket, Failure> {
        Socket::connect(&self.address)
            .map_err(|error| Failure::Transport(format!("{error}{}", self.hint)))
    }
}

/// Reads an address to connect to; `--root` among the options says where runsc keeps its state.
pub fn parse(text: &OsStr, parsed: &Parsed) -> Result<Target, Failure> {
    match text.as_bytes().strip_prefix(b"runsc:") {
        None => Ok(Target { address: parse_own(text)?, hint: String::new() }),
        Some(id) if id.is_empty() || id.contains(&b'/') || id.contains(&0) => {
            Err(Failure::Usage(format!("{} needs the id of a container", quoted(text))))
        }
        Some(id) => {
            let root = parsed.value("root").map_or_else(default_root, PathBuf::from);
            sandbox(&root, OsStr::from_bytes(id))
        }
    }
}

/// Reads an address to listen on.
pub fn parse_own(text: &OsStr) -> Result<Address, Failure> {
    let wrong = |error: &dyn std::fmt::Display| {
        Failure::Usage(format!("{} is no address: {error}", quoted(text)))
    };
    match text.to_str() {
        Some(text) if text.starts_with("runsc:") => Err(wrong(&"runsc:ID is for connecting to")),
        Some(text) => text.parse().map_err(|error| wrong(&error)),
        None if text.as_bytes().starts_with(b"@") => Err(wrong(&"write odd bytes as \\xNN")),
        None => Ok(Address::from(PathBuf::from(text))),
    }
}

/// As runsc itself has it (runsc/config/flags.go).
fn default_root() -> PathBuf {
    match std::env::var_os("XDG_RUNTIME_DIR") {
        Some(directory) if !directory.is_empty() => Path::new(&directory).join("runsc"),
        _ => PathBuf::from("/var/run/runsc"),
    }
}

urpc::record! {
    /// What of runsc's state file is of use here.
    #[derive(Debug, Default)]
    struct State {
        sandbox: Sandbox,
    }
}

urpc::record! {
    #[derive(Debug, Default)]
    struct Sandbox {
        id: String,
        control_socket_path: String => "controlSocketPath",
    }
}

/// The control socket of the sandbox that the container `id` runs in. Newer builds name it in the
/// container's state, older ones listen on an abstract name.
fn sandbox(root: &Path, id: &OsStr) -> Result<Target, Failure> {
    let Some(path) = state_file(root, id) else {
        let hint = format!(" (no state of {} in {}, see --root)", quoted(id), root.display());
        return Ok(Target { address: abstract_name(id.as_bytes()), hint });
    };
    let state: State = fs::read(&path)
        .map_err(|error| error.to_string())
        .and_then(|text| urpc::json::from_slice(&text).map_err(|error| error.to_string()))
        .map_err(|error| Failure::local(path.display(), error))?;
    let address = match &*state.sandbox.control_socket_path {
        "" => abstract_name(state.sandbox.id.as_bytes()),
        path => Address::from(path),
    };
    Ok(Target { address, hint: " (has the sandbox ended?)".to_owned() })
}

/// `ID_sandbox:SANDBOX.state` (runsc/container/state_file.go).
fn state_file(root: &Path, id: &OsStr) -> Option<PathBuf> {
    let start: OsString = [id, OsStr::new("_sandbox:")].into_iter().collect();
    let is_state = |name: &OsStr| {
        name.as_bytes().starts_with(start.as_bytes()) && name.as_bytes().ends_with(b".state")
    };
    let mut entries = fs::read_dir(root).ok()?.flatten();
    entries.find(|entry| is_state(&entry.file_name())).map(|entry| entry.path())
}

fn abstract_name(sandbox: &[u8]) -> Address {
    Address::abstract_name([b"runsc-sandbox.", sandbox, b"\0"].concat())
}

/// Listens on `address` with the mode and the replacing that the options say.
pub fn bind(address: &Address, parsed: &Parsed) -> Result<Listener, Failure> {
    let mut options = BindOptions::new().replace_stale(parsed.has("replace"));
    if let Some(mode) = parsed.value("mode") {
        let bits = values::mode(mode).map_err(|error| Failure::value("mode", mode, error))?;
        options = options.mode(bits);
    }
    options.bind(address).map_err(|error| {
        use std::io::ErrorKind::{AddrInUse, AlreadyExists};
        let is_socket = matches!(address, Address::Path(path) if fs::symlink_metadata(path)
            .is_ok_and(|found| found.file_type().is_socket()));
        let hint = match error.kind() {
            AlreadyExists | AddrInUse if is_socket && !parsed.has("replace") => {
                " (--replace removes it if nobody listens on it)"
            }
            _ => "",
        };
        Failure::Transport(format!("{error}{hint}"))
    })
}
