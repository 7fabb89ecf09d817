//! Addresses as they are typed: the library's own text forms, and `runsc:ID`.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use urpc::sandbox::{self, Sandbox};
use urpc::{Address, BindOptions, Listener, Socket};

use super::args::{Parsed, quoted};
use super::outcome::Failure;
use super::values;

/// How long connecting may wait for a server that does not accept, by default.
const CONNECT_TIME: Duration = Duration::from_secs(30);

/// Where to connect to.
pub struct Target {
    pub address: Address,
    /// The sandbox that the address belongs to, if there is one.
    sandbox: Option<Sandbox>,
}

impl Target {
    pub fn connect(&self) -> Result<Socket, Failure> {
        self.connect_within(CONNECT_TIME)
    }

    pub fn connect_within(&self, limit: Duration) -> Result<Socket, Failure> {
        match &self.sandbox {
            Some(sandbox) => sandbox.connect(Some(limit)),
            None => Socket::connect_within(&self.address, Some(limit)),
        }
        .map_err(|error| Failure::Transport(error.to_string()))
    }
}

/// Reads an address to connect to; `--root` among the options says where runsc keeps its state.
pub fn parse(text: &OsStr, parsed: &Parsed) -> Result<Target, Failure> {
    match text.as_bytes().strip_prefix(b"runsc:") {
        None => Ok(Target { address: parse_own(text)?, sandbox: None }),
        Some(id) if id.is_empty() || id.contains(&b'/') || id.contains(&0) => {
            Err(Failure::Usage(format!("{} needs the id of a container", quoted(text))))
        }
        Some(id) => {
            let root = parsed.value("root").map_or_else(sandbox::default_root, PathBuf::from);
            find_sandbox(&root, OsStr::from_bytes(id))
        }
    }
}

/// Reads an address to listen on.
pub fn parse_own(text: &OsStr) -> Result<Address, Failure> {
    let wrong = |error: &dyn std::fmt::Display| {
        Failure::Usage(format!("{} is no address: {error}", quoted(text)))
    };
    match text.to_str() {
        Some(text) if text.starts_with("runsc:") => {
            Err(wrong(&"runsc:ID can only be connected to"))
        }
        Some(text) => text.parse().map_err(|error| wrong(&error)),
        None if text.as_bytes().starts_with(b"@") => Err(wrong(&"write odd bytes as \\xNN")),
        None => Ok(Address::from(PathBuf::from(text))),
    }
}

/// The sandbox of the container `id`, by the state in `root`.
fn find_sandbox(root: &Path, id: &OsStr) -> Result<Target, Failure> {
    let found = Sandbox::find(root, id).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Failure::Transport(format!("{error}, see --root")),
        io::ErrorKind::InvalidInput => Failure::Usage(error.to_string()),
        _ => Failure::Local(error.to_string()),
    })?;
    Ok(Target { address: found.address().clone(), sandbox: Some(found) })
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
        let is_socket = matches!(address, Address::Path(path) if path.symlink_metadata()
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
