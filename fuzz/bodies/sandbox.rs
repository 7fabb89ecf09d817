//! The control socket of a gVisor sandbox, found by the state files in a directory.
//!
//! Properties:
//! - An id finds the state that a simple reading of the names gives: the only one with this id, or
//!   the only one whose id begins with it.
//! - The address is the one that the state names, or a socket beside it, or an abstract name.
//! - Connecting succeeds if and only if a server is there. The error is one line that names the
//!   sandbox's process.
//! - No state makes anything else than an error, and nothing is left open.
//! - A listener replaces a socket on which nobody listens, and nothing else.
//!
//! The input is the id, then a name and a content for each file of the directory, all separated by
//! NUL. `%` in a content is the directory. A socket listens where the content is empty, and where it
//! is `/` there is a directory.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use urpc::json::{self, Value};
use urpc::sandbox::{self, Sandbox};
use urpc::{Address, BindOptions, Client, Error, Limits, Socket};

use super::errors;

/// The longest path that a socket's address has room for.
const LONGEST_PATH: usize = 107;
/// The most files of one directory.
const MOST_FILES: usize = 8;

urpc::record! {
    #[derive(Debug, Default)]
    struct State {
        sandbox: Described,
    }

    #[derive(Debug, Default)]
    struct Described {
        id: String,
        pid: i64,
        path: String => "controlSocketPath",
    }
}

pub fn run(data: &[u8]) {
    // The directory has one name, so that an input does the same in each run.
    static DIRECTORY: Mutex<()> = Mutex::new(());
    let _alone = DIRECTORY.lock().unwrap_or_else(PoisonError::into_inner);
    let root = PathBuf::from(format!("/tmp/urpc-fuzz-sandbox-{}", std::process::id()));
    let mut parts = data.split(|byte| *byte == 0);
    let id = OsStr::from_bytes(parts.next().unwrap_or_default());
    let parts: Vec<&[u8]> = parts.collect();
    let files = parts.chunks_exact(2).map(|pair| (pair[0], pair[1]));
    let directory = Directory::new(&root, files.take(MOST_FILES));

    directory.check_list();
    match Sandbox::find(&root, id) {
        Ok(found) => directory.check_found(id, &found),
        Err(error) => {
            let kind = directory.state_of(id).and_then(|name| directory.read(&name).map(drop));
            assert_eq!(Err(error.kind()), kind, "{error}");
            assert!(!error.to_string().contains(char::is_control), "{error:?}");
            assert!(
                error.to_string().contains(&*root.to_string_lossy())
                    || kind == Err(ErrorKind::InvalidInput)
            );
        }
    }
    directory.check_bind();
}

/// A directory with files, for as long as it exists.
struct Directory<'a> {
    root: &'a Path,
    files: BTreeMap<OsString, Vec<u8>>,
    listeners: Vec<(PathBuf, UnixListener)>,
}

impl<'a> Directory<'a> {
    fn new<'d>(root: &'a Path, files: impl Iterator<Item = (&'d [u8], &'d [u8])>) -> Directory<'a> {
        fs::create_dir(root).expect("a directory");
        let mut made = Directory { root, files: BTreeMap::new(), listeners: Vec::new() };
        for (name, content) in files {
            let name = OsString::from_vec(name.to_vec());
            let is_name = Path::new(&name).file_name() == Some(&name) && name.len() <= 255;
            if is_name && !made.files.contains_key(&name) {
                made.add(name, content);
            }
        }
        made
    }

    fn add(&mut self, name: OsString, content: &[u8]) {
        let path = self.root.join(&name);
        let mut text = Vec::new();
        for byte in content {
            match byte {
                b'%' => text.extend_from_slice(self.root.as_os_str().as_bytes()),
                byte => text.push(*byte),
            }
        }
        match content {
            b"" => match UnixListener::bind(&path) {
                Ok(listener) => self.listeners.push((path, listener)),
                // The path is too long for std.
                Err(_) => return,
            },
            b"/" => fs::create_dir(&path).expect("a directory"),
            _ => fs::write(&path, &text).expect("a file"),
        }
        self.files.insert(name, text);
    }

    fn check_list(&self) {
        let mut list = sandbox::containers(self.root).expect("a list");
        list.sort();
        let mut expected: Vec<OsString> = self
            .files
            .keys()
            .filter_map(|name| Some(OsStr::from_bytes(container(name)?).into()))
            .collect();
        expected.sort();
        assert_eq!(list, expected);
    }

    /// The name of the state file for `id`.
    fn state_of(&self, id: &OsStr) -> Result<OsString, ErrorKind> {
        let with_id =
            |name: &&OsString| container(name).is_some_and(|full| full.starts_with(id.as_bytes()));
        let found: Vec<&OsString> = self.files.keys().filter(with_id).collect();
        let is_own = |name: &&OsString| container(name) == Some(id.as_bytes());
        let own: Vec<&OsString> = found.iter().copied().filter(is_own).collect();
        match (own.as_slice(), found.as_slice()) {
            ([name], _) | ([], [name]) => Ok((*name).clone()),
            ([], []) => Err(ErrorKind::NotFound),
            _ => Err(ErrorKind::InvalidInput),
        }
    }

    fn read(&self, name: &OsStr) -> Result<Described, ErrorKind> {
        match self.files[name].as_slice() {
            // A socket cannot be opened (ENXIO), which std has no name for.
            b"" => Err(io::Error::from_raw_os_error(6).kind()),
            text => {
                let state: Result<State, _> = json::from_slice(text);
                let described = state.map(|state| state.sandbox).ok();
                described.filter(|state| !state.id.is_empty()).ok_or(ErrorKind::InvalidData)
            }
        }
    }

    fn check_found(&self, id: &OsStr, found: &Sandbox) {
        let name = self.state_of(id).expect("a state");
        let whole = container(&name).expect("an id");
        assert_eq!(found.container().as_bytes(), whole);
        let text = found.read_state().expect("the state that was read");
        assert_eq!(text, self.files[&name]);
        assert!(json::from_slice::<Value>(&text).is_ok());
        let described = self.read(&name).expect("a state");
        let expected = self.address(&described);
        assert_eq!(*found.address(), expected);
        self.check_connect(found, &described);
    }

    /// Listens at the names of all files, while somebody listens at the sockets and after.
    fn check_bind(mut self) {
        let options = BindOptions::new().mode(0o666).replace_stale(true);
        let lock = |path: &Path| PathBuf::from(format!("{}.lock", path.display()));
        // Where there is a file with the name of the lock, that one would be locked.
        let is_free = |path: &Path| !lock(path).exists() && path.to_str().is_some();
        for (name, content) in &self.files {
            let path = self.root.join(name);
            let refused = options.bind(&path).map_err(|error| error.kind());
            let kind = match content.as_slice() {
                _ if path.as_os_str().len() > LONGEST_PATH => continue,
                b"" => ErrorKind::AddrInUse,
                _ => ErrorKind::AlreadyExists,
            };
            assert_eq!(refused.err(), Some(kind), "at {path:?}");
        }
        for (path, listener) in std::mem::take(&mut self.listeners) {
            drop(listener);
            if is_free(&path) {
                let listener = options.bind(&path).expect("a stale socket is replaced");
                assert!(Socket::connect(&path).is_ok() && listener.accept().is_ok());
                drop(listener);
                assert!(!path.exists());
                fs::remove_file(lock(&path)).expect("a file that was locked");
            }
        }
    }

    fn address(&self, state: &Described) -> Address {
        let beside = self.root.join(format!("runsc-{}.sock", state.id));
        if !state.path.is_empty() && (Path::new(&state.path).exists() || !beside.exists()) {
            return Address::from(state.path.as_str());
        }
        if beside.exists() {
            return Address::from(beside);
        }
        Address::abstract_name(format!("runsc-sandbox.{}\0", state.id))
    }

    fn check_connect(&self, found: &Sandbox, state: &Described) {
        // Whatever else an input names is not ours to connect to.
        let is_own = match found.address() {
            Address::Path(path) => path.parent() == Some(self.root),
            _ => true,
        };
        if !is_own {
            return;
        }
        let answers =
            self.listeners.iter().any(|(path, _)| Address::from(path) == *found.address());
        let limit = Some(Duration::from_secs(15));
        match found.connect(limit) {
            Ok(socket) => {
                assert!(answers && socket.peer_credentials().is_ok());
                drop(socket);
            }
            Err(error) => {
                let text = error.to_string();
                assert!(!answers && !text.contains(char::is_control), "{text:?}");
                let pid = u32::try_from(state.pid).unwrap_or(0);
                assert!(text.contains(&format!("the sandbox's process {pid} ")), "{text}");
                errors::check(&Error::from(error));
            }
        }
        let limits = Limits { connect_time: limit, ..Limits::for_client() };
        let client = Client::builder().limits(limits).connect(found.address());
        assert_eq!(client.is_ok(), answers);
        let limits = Limits { connect_time: Some(Duration::ZERO), ..Limits::for_client() };
        let late = Client::builder().limits(limits).wait(true).connect(found.address());
        assert!(answers || late.is_err());
        let failures = [client, late, Client::connect(found.address())];
        failures.into_iter().filter_map(Result::err).for_each(|error| errors::check(&error));
    }
}

impl Drop for Directory<'_> {
    fn drop(&mut self) {
        for name in self.files.keys() {
            let path = self.root.join(name);
            let _ = if path.is_dir() { fs::remove_dir(&path) } else { fs::remove_file(&path) };
        }
        fs::remove_dir(self.root).expect("an empty directory");
    }
}

/// The id in the name of a state file.
fn container(name: &OsStr) -> Option<&[u8]> {
    const BETWEEN: &[u8] = b"_sandbox:";
    let name = name.as_bytes().strip_suffix(b".state")?;
    let at = (0..name.len()).find(|at| name[*at..].starts_with(BETWEEN))?;
    Some(&name[..at])
}
