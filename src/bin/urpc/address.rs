//! Addresses as they are typed: the library's own text forms, and `runsc:ID`.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::PathBuf;
use std::time::Duration;

use urpc::sandbox::{self, Sandbox};
use urpc::socket::{self, Address, BindOptions, Listener, Socket};

use super::args::{Parsed, quoted};
use super::outcome::Failure;
use super::values;

/// How long connecting may take by default.
pub const CONNECT_TIME: Duration = Duration::from_secs(30);

/// The most bytes of an abstract name (unix(7)).
const LONGEST_NAME: usize = 107;

/// Where to connect to.
pub enum Target {
    Address(Address),
    Sandbox(Sandbox),
    /// The sandbox of the container `id`, which has no state in `root` yet.
    Awaited {
        root: PathBuf,
        id: OsString,
    },
}

impl Target {
    /// Connects within `limit`, which the option `option` raises. With `wait` it also waits for a
    /// server that does not listen yet.
    pub fn connect(&self, limit: Duration, option: &str, wait: bool) -> Result<Socket, Failure> {
        let connected = self.try_connect(limit, wait);
        connected.map_err(|error| {
            let hint = self.hint(&error);
            match Failure::not_connected(error, option) {
                Failure::Transport(text) => Failure::Transport(text + &hint),
                failure => failure,
            }
        })
    }

    /// What else a name may be of which there is no socket.
    fn hint(&self, error: &io::Error) -> String {
        let is_of_id = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-+.".contains(byte);
        match self {
            Target::Address(Address::Path(path)) if error.kind() == io::ErrorKind::NotFound => {
                let name = path.as_os_str().as_bytes();
                let is_id = name.iter().all(is_of_id) && !name.ends_with(b".sock");
                let hint = format!("; for a runsc container write runsc:{}", path.display());
                Some(hint).filter(|_| is_id).unwrap_or_default()
            }
            _ => String::new(),
        }
    }

    /// The same, with the error of the library.
    pub fn try_connect(&self, limit: Duration, wait: bool) -> io::Result<Socket> {
        let connect = |left| match self {
            Target::Address(address) => Socket::connect_within(address, left),
            Target::Sandbox(sandbox) => sandbox.connect(left),
            Target::Awaited { root, id } => Sandbox::find(root, id)?.connect(left),
        };
        match wait {
            true => socket::connect_when_ready(Some(limit), connect),
            false => connect(Some(limit)),
        }
    }

    /// Whether connecting to this would reach a listener at `own`.
    pub fn is_at(&self, own: &Address) -> bool {
        let address = match self {
            Target::Address(address) => address,
            Target::Sandbox(sandbox) => sandbox.address(),
            Target::Awaited { .. } => return false,
        };
        let file = |path: &PathBuf| path.metadata().map(|found| (found.dev(), found.ino())).ok();
        match (address, own) {
            (Address::Path(address), Address::Path(own)) => {
                file(address).is_some_and(|address| file(own) == Some(address))
            }
            (address, own) => address == own,
        }
    }

    /// The whole id of the container, if the address named one.
    pub fn container(&self) -> Option<String> {
        match self {
            Target::Sandbox(sandbox) => Some(sandbox.container().to_string_lossy().into_owned()),
            _ => None,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Address(address) => address.fmt(f),
            Target::Sandbox(sandbox) => sandbox.address().fmt(f),
            Target::Awaited { id, .. } => write!(f, "runsc:{}", id.as_bytes().escape_ascii()),
        }
    }
}

/// Reads an address to connect to. The option `--root` says where runsc keeps its state.
pub fn parse(text: &OsStr, parsed: &Parsed) -> Result<Target, Failure> {
    match text.as_bytes().strip_prefix(b"runsc:") {
        None => Ok(Target::Address(parse_own(text)?)),
        Some(id) if id.is_empty() || id.contains(&b'/') || id.contains(&0) => {
            Err(Failure::Usage(format!("{} needs the id of a container", quoted(text))))
        }
        Some(id) => {
            let root = parsed.value("root").map_or_else(sandbox::default_root, PathBuf::from);
            find_sandbox(root, OsStr::from_bytes(id), parsed.has("wait"))
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
        Some(text) => match text.parse().map_err(|error| wrong(&error))? {
            Address::Abstract(name) if name.len() > LONGEST_NAME => {
                Err(wrong(&"an abstract name must not be longer than 107 bytes"))
            }
            address => Ok(address),
        },
        None if text.as_bytes().starts_with(b"@") => Err(wrong(&"write odd bytes as \\xNN")),
        None => Ok(Address::from(PathBuf::from(text))),
    }
}

/// The sandbox of the container `id`, by the state in `root`. With `wait` the state may come later.
fn find_sandbox(root: PathBuf, id: &OsStr, wait: bool) -> Result<Target, Failure> {
    match Sandbox::find(&root, id) {
        Ok(sandbox) => Ok(Target::Sandbox(sandbox)),
        Err(error) => match error.kind() {
            io::ErrorKind::NotFound if wait => Ok(Target::Awaited { root, id: id.to_owned() }),
            io::ErrorKind::NotFound => {
                Err(Failure::Transport(format!("{error}: give runsc's --root DIR here too")))
            }
            io::ErrorKind::InvalidInput => Err(Failure::Usage(error.to_string())),
            _ => Err(Failure::Local(error.to_string())),
        },
    }
}

/// Listens on `address`. The options set the mode and whether to replace a stale socket.
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
                "; --replace removes it if nobody listens on it"
            }
            _ => "",
        };
        Failure::Transport(format!("{error}{hint}"))
    })
}
