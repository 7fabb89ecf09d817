//! Finds the control socket of a gVisor sandbox in the state files of `runsc`: see [`Sandbox`].

use std::ffi::{OsStr, OsString};
use std::fs::{self, OpenOptions};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::closer;
use crate::error::Error;
use crate::json;
use crate::socket::{Address, Credentials, Socket};
use crate::sys;

/// The largest state file that is read. One with a large OCI specification has some 100 KB.
const MAX_STATE_BYTES: u64 = 16 << 20;

/// The control socket of a sandbox, and which process must answer there.
///
/// Builds of runsc since 2023 listen on a path that their state names. Older ones listen on an
/// abstract name. Any process can bind an abstract name first, so [`Sandbox::connect`] checks which
/// process answers.
///
/// ```no_run
/// use std::time::Duration;
/// use urpc::sandbox::{Sandbox, default_root};
/// use urpc::Client;
///
/// let sandbox = Sandbox::find(default_root(), "web")?;
/// let client = Client::new(sandbox.connect(Some(Duration::from_secs(30)))?);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Sandbox {
    state_file: PathBuf,
    address: Address,
    /// The path at which no socket was found.
    tried: Option<PathBuf>,
    /// The sandbox's process; 0 if it has none.
    pid: u32,
    /// The owner of the state file.
    uid: u32,
}

crate::record! {
    /// The part of runsc's state file that is used here (runsc/container/container.go).
    #[derive(Debug, Default)]
    struct State {
        sandbox: SandboxState,
    }
}

crate::record! {
    /// runsc/sandbox/sandbox.go
    #[derive(Debug, Default)]
    struct SandboxState {
        id: String,
        pid: i64,
        control_socket_path: String => "controlSocketPath",
    }
}

/// The directory of runsc's state files if runsc was started without `--root`:
/// `$XDG_RUNTIME_DIR/runsc`, or `/var/run/runsc` (runsc/config/flags.go).
pub fn default_root() -> PathBuf {
    root_below(&std::env::var_os("XDG_RUNTIME_DIR").unwrap_or_default())
}

fn root_below(runtime_directory: &OsStr) -> PathBuf {
    match runtime_directory.is_empty() {
        true => PathBuf::from("/var/run/runsc"),
        false => Path::new(runtime_directory).join("runsc"),
    }
}

impl Sandbox {
    /// Finds the sandbox of the container `id` by its state file in the directory `root`. As with
    /// runsc, the beginning of an id is enough if no other id begins with it.
    ///
    /// # Errors
    /// `NotFound` if `root` has no such state file. `InvalidInput` if several ids begin with `id`, or
    /// several sandboxes have a container `id`.
    /// `InvalidData` if the file is not what runsc writes. Otherwise the error of reading it.
    ///
    /// ```no_run
    /// use urpc::sandbox::{Sandbox, default_root};
    ///
    /// let sandbox = Sandbox::find(default_root(), "0123456789ab")?;
    /// println!("{}", sandbox.address());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn find(root: impl AsRef<Path>, id: impl AsRef<OsStr>) -> io::Result<Sandbox> {
        let root = root.as_ref();
        let path = state_file(root, id.as_ref())?;
        let about = |kind, error: &dyn std::fmt::Display| {
            io::Error::new(kind, format!("{}: {error}", path.to_string_lossy().escape_debug()))
        };
        let (state, uid) = read_state(&path).map_err(|error| about(error.kind(), &error))?;
        let SandboxState { id, pid, control_socket_path } = state.sandbox;
        if id.is_empty() {
            return Err(about(io::ErrorKind::InvalidData, &"it names no sandbox"));
        }
        // runsc tries this path as well (getControlSocketPath in runsc/sandbox/sandbox.go).
        let beside = root.join(format!("runsc-{id}.sock"));
        let (address, tried) = match Path::new(&control_socket_path) {
            noted if noted.exists() => (noted.into(), None),
            _ if beside.exists() => (beside.into(), None),
            noted if !control_socket_path.is_empty() => (noted.into(), Some(beside)),
            _ => (Address::abstract_name(format!("runsc-sandbox.{id}\0")), Some(beside)),
        };
        let pid = u32::try_from(pid).unwrap_or(0);
        Ok(Sandbox { state_file: path, address, tried, pid, uid })
    }

    /// The whole id of the container. The sandbox may have another: that of its first container.
    ///
    /// ```no_run
    /// use urpc::sandbox::{Sandbox, default_root};
    ///
    /// let sandbox = Sandbox::find(default_root(), "0123456789ab")?;
    /// println!("{}", sandbox.container().to_string_lossy());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn container(&self) -> &OsStr {
        let id = self.state_file.file_name().and_then(container);
        OsStr::from_bytes(id.unwrap_or_default())
    }

    /// Reads the state file again: JSON, whose member `spec` is the container's config.json.
    ///
    /// # Errors
    /// `InvalidData` if it is no regular file or larger than a state. Otherwise the error of reading
    /// it.
    ///
    /// ```no_run
    /// use urpc::json::{self, Value};
    /// use urpc::sandbox::{Sandbox, default_root};
    ///
    /// let state = Sandbox::find(default_root(), "web")?.read_state()?;
    /// let state: Value = json::from_slice(&state)?;
    /// println!("{}", state["spec"]["process"]["args"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn read_state(&self) -> io::Result<Vec<u8>> {
        read_file(&self.state_file).map(|(text, _)| text)
    }

    /// The address on which the sandbox's control server listens.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Connects within `limit`, as [`Socket::connect_within`] does. Checks which process answers
    /// before anything is sent. If the address is a path and the socket belongs to the
    /// owner of the state, every peer is accepted. Otherwise the peer must be the process that the
    /// state names, or a process of the state's owner. The kernel uses the ids of processes again: if
    /// the sandbox has ended and `runsc` did not remove its state, another process may have its id.
    ///
    /// # Errors
    /// `PermissionDenied` if another process answers. The text names it. Otherwise see
    /// [`Socket::connect_within`]. The text says what is known of the sandbox.
    pub fn connect(&self, limit: Option<Duration>) -> io::Result<Socket> {
        let is_owners = match &self.address {
            Address::Path(path) => fs::metadata(path).is_ok_and(|found| found.uid() == self.uid),
            _ => false,
        };
        let socket = Socket::connect_within(&self.address, limit)
            .map_err(|error| Error::from(error).explain(&self.hint()))?;
        let checked = match is_owners {
            true => Ok(()),
            false => socket.peer_credentials().and_then(|peer| self.check(peer)),
        };
        match checked {
            Ok(()) => Ok(socket),
            Err(error) => {
                // The peer may have sent files already, and closing them may block.
                closer::close(socket);
                Err(error)
            }
        }
    }

    fn check(&self, peer: Credentials) -> io::Result<()> {
        let is_process = peer.pid != 0 && peer.pid == self.pid;
        if is_process || peer.uid == self.uid {
            return Ok(());
        }
        let (address, own, uid) = (self.address.to_string(), self.pid, self.uid);
        let address = address.escape_debug();
        Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            format!(
                "process {} of uid {} answers on {address}, not the sandbox, which is process {own} \
                 and whose state belongs to uid {uid}; nothing was sent",
                peer.pid, peer.uid
            ),
        ))
    }

    /// Why the sandbox may not answer. Whether it has ended is not known: namespaces may hide both
    /// its process and its socket.
    fn hint(&self) -> String {
        let tried = match &self.tried {
            Some(path) => {
                format!("{} is not there either; ", path.to_string_lossy().escape_debug())
            }
            None => String::new(),
        };
        let process = match (process_state(self.pid), &self.address) {
            (Some(b'Z' | b'X'), _) => "has ended",
            (Some(_), Address::Abstract(_)) => {
                "is there: such a name is reached only from the network namespace that runsc was \
                 started in"
            }
            (Some(_), _) => "is there",
            (None, _) => "is not seen: it has ended, or is in another namespace than this process",
        };
        format!("{tried}the sandbox's process {} {process}", self.pid)
    }
}

/// The state of a process, such as `R`, or `Z` if it has ended and was not waited for. `None` if the
/// process is not seen.
fn process_state(pid: u32) -> Option<u8> {
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    // The name before it is in parentheses, and may contain some (proc_pid_stat(5)).
    let name_end = stat.iter().rposition(|byte| *byte == b')')?;
    stat.get(name_end + 2).copied()
}

/// The ids of the containers that have a state file in the directory `root`, in no order.
///
/// # Errors
/// The error of reading the directory.
///
/// ```no_run
/// for id in urpc::sandbox::containers(urpc::sandbox::default_root())? {
///     println!("{}", id.to_string_lossy());
/// }
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn containers(root: impl AsRef<Path>) -> io::Result<Vec<OsString>> {
    let names = names(root.as_ref())?;
    let ids = names.iter().filter_map(|name| container(name));
    Ok(ids.map(|id| OsStr::from_bytes(id).to_owned()).collect())
}

/// The names of all entries of a directory.
fn names(directory: &Path) -> io::Result<Vec<OsString>> {
    fs::read_dir(directory)?.map(|entry| entry.map(|entry| entry.file_name())).collect()
}

/// The state of the container `id`: a file `ID_sandbox:SANDBOX.state`
/// (runsc/container/state_file.go).
fn state_file(root: &Path, id: &OsStr) -> io::Result<PathBuf> {
    let shown = id.as_bytes().escape_ascii();
    let missing = || {
        let text = format!("no state of '{shown}' in {}", root.display());
        io::Error::new(io::ErrorKind::NotFound, text)
    };
    let mut found = names(root).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => missing(),
        kind => io::Error::new(kind, format!("{}: {error}", root.display())),
    })?;
    found.retain(|name| container(name).is_some_and(|full| full.starts_with(id.as_bytes())));
    let is_exact = |name: &OsString| container(name) == Some(id.as_bytes());
    if found.iter().any(is_exact) {
        found.retain(is_exact);
    }
    match found.as_slice() {
        [name] => Ok(root.join(name)),
        [] => Err(missing()),
        several => {
            let (count, root) = (several.len(), root.display());
            let text = format!("{count} state files in {root} fit the id '{shown}'");
            Err(io::Error::new(io::ErrorKind::InvalidInput, text))
        }
    }
}

/// The id of the container whose state file has this name.
fn container(name: &OsStr) -> Option<&[u8]> {
    const BETWEEN: &[u8] = b"_sandbox:";
    let name = name.as_bytes().strip_suffix(b".state")?;
    let at = name.windows(BETWEEN.len()).position(|part| part == BETWEEN)?;
    Some(&name[..at])
}

/// Reads the state and the owner of its file.
fn read_state(path: &Path) -> io::Result<(State, u32)> {
    let (text, uid) = read_file(path)?;
    let state = json::from_slice(&text);
    let state = state.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
    Ok((state, uid))
}

/// Reads a state file, and finds its owner. Any user with write access to the directory may have
/// made the file. So only a regular file of limited size is read, and opening a pipe does not wait.
fn read_file(path: &Path) -> io::Result<(Vec<u8>, u32)> {
    let invalid = |text| io::Error::new(io::ErrorKind::InvalidData, text);
    let mut file = OpenOptions::new().read(true).custom_flags(sys::O_NONBLOCK).open(path)?;
    let (metadata, mut text) = (file.metadata()?, Vec::new());
    if !metadata.is_file() {
        return Err(invalid("it is no regular file"));
    }
    // The size in the metadata need not be true.
    file.by_ref().take(MAX_STATE_BYTES + 1).read_to_end(&mut text)?;
    if text.len() as u64 > MAX_STATE_BYTES {
        return Err(invalid("it is larger than a state"));
    }
    Ok((text, metadata.uid()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_root_is_below_the_runtime_directory_if_there_is_one() {
        assert_eq!(root_below(OsStr::new("/run/user/7")), Path::new("/run/user/7/runsc"));
        assert_eq!(root_below(OsStr::new("")), Path::new("/var/run/runsc"));
    }
}
