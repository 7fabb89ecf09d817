//! A list of open files, and the checks of a file.
//!
//! Properties:
//! - A list is a row of places. A file that was released leaves its place empty, and no other moves.
//! - A file passes a check if and only if it has the kind, the access, the flags and the seals that
//!   the check names. A file that does not stays in the list.
//! - All files or none are taken, and only if their number is the right one.
//! - A copy has the same places. No descriptor is left open.
//! - Only a Unix socket is adopted: as a connection if it is connected, else as a listener.
//! - Files are received in the order in which they were sent: all, or none if there are too many.

use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::net::UdpSocket;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::OnceLock;

use urpc::json;
use urpc::{FileAccess, FileCheck, FileError, FileKind, Files, Listener, Seal, Socket};

use super::probe::{Probe, identity};

/// The most files that are open at once.
const MOST_FILES: usize = 24;

const KINDS: [FileKind; 11] = [
    FileKind::Regular,
    FileKind::Memory,
    FileKind::Directory,
    FileKind::Pipe,
    FileKind::Socket,
    FileKind::UnixSocket,
    FileKind::InternetSocket,
    FileKind::CharacterDevice,
    FileKind::BlockDevice,
    FileKind::SymbolicLink,
    FileKind::Anonymous,
];
const ACCESSES: [FileAccess; 6] = [
    FileAccess::Read,
    FileAccess::Write,
    FileAccess::ReadOnly,
    FileAccess::WriteOnly,
    FileAccess::ReadWrite,
    FileAccess::Neither,
];
const SEALS: [Seal; 6] =
    [Seal::Seal, Seal::Shrink, Seal::Grow, Seal::Write, Seal::FutureWrite, Seal::Exec];

const O_PATH: i32 = 0o10000000;

/// A file of the list.
#[derive(Debug, Clone, Copy)]
struct Known {
    number: RawFd,
    kind: FileKind,
    access: FileAccess,
    flag: Option<&'static str>,
}

pub fn run(data: &[u8]) {
    let mut list = List { files: Files::new(), known: Vec::new(), probe: Probe::new() };
    let mut input = data.iter().copied();
    while let Some(command) = input.next() {
        list.run(command, &mut || input.next().unwrap_or(0));
        list.compare();
    }
    let List { files, known, probe } = list;
    let open: Vec<RawFd> = known.iter().flatten().map(|file| file.number).collect();
    let taken: Vec<OwnedFd> = files.into_iter().collect();
    assert_eq!(taken.iter().map(AsRawFd::as_raw_fd).collect::<Vec<_>>(), open);
    drop(taken);
    probe.check_closed();
}

struct List {
    files: Files,
    known: Vec<Option<Known>>,
    probe: Probe,
}

impl List {
    fn run(&mut self, command: u8, next: &mut dyn FnMut() -> u8) {
        match command % 12 {
            0..=2 => self.push(next()),
            3 => {
                let index = usize::from(next() % 32);
                let released = self.files.release(index);
                assert_eq!(released.map(|file| file.as_raw_fd()), self.forget(index));
            }
            4 => {
                let index = usize::from(next() % 32);
                let result = self.files.try_release(index);
                self.check_released(index, None, result);
            }
            5 => {
                let (index, check) =
                    (usize::from(next() % 32), Check::of([next(), next(), next()]));
                let result = self.files.release_checked(index, &check.check);
                self.check_released(index, Some(&check), result);
            }
            6 => self.take::<2>([next(), next(), next()]),
            7 => self.take::<0>([next(), next(), next()]),
            8 => self.copy(),
            10 => self.adopt(next()),
            11 => self.send(usize::from(next() % 32)),
            _ => {
                let all = self.files.release_all();
                assert_eq!(all.len(), self.known.drain(..).flatten().count());
            }
        }
    }

    fn push(&mut self, which: u8) {
        let open = self.known.iter().flatten().count();
        let Some((file, kind, access, flag)) = make(which, &self.probe) else { return };
        if open >= MOST_FILES {
            return;
        }
        let number = file.as_raw_fd();
        self.known.push(Some(Known { number, kind, access, flag }));
        match which & 0x80 {
            0 => self.files.push(file),
            _ => self.files.extend([file]),
        }
    }

    /// Empties a place. Returns the number of the file that was there.
    fn forget(&mut self, index: usize) -> Option<RawFd> {
        self.known.get_mut(index)?.take().map(|file| file.number)
    }

    fn check_released(
        &mut self,
        index: usize,
        check: Option<&Check>,
        result: Result<OwnedFd, FileError>,
    ) {
        let known = self.known.get(index).copied().flatten();
        match (result, known) {
            (Ok(file), Some(known)) => {
                assert!(check.is_none_or(|check| check.refusal(&known).is_none()), "{check:?}");
                assert_eq!(Some(file.as_raw_fd()), self.forget(index));
            }
            (Err(error @ FileError::Missing { .. }), None) => {
                let count = self.known.len();
                let why = if index < count { "was released before" } else { "is missing: " };
                assert!(error.to_string().starts_with(&format!("file {index} {why}")), "{error}");
                assert!(matches!(error, FileError::Missing { count: of, .. } if of == count));
            }
            (Err(error), Some(known)) => check_refused(&error, index, &known, check),
            (result, known) => panic!("{result:?} of {known:?}"),
        }
    }

    fn take<const N: usize>(&mut self, check: [u8; 3]) {
        let check = Check::of(check);
        let taken = match check.is_any {
            true => self.files.take::<N>(),
            false => self.files.take_checked(&[check.check; N]),
        };
        let open: Vec<(usize, Known)> =
            (0..).zip(&self.known).filter_map(|(at, known)| Some((at, (*known)?))).collect();
        let refused = open.iter().find(|(_, known)| check.refusal(known).is_some());
        match (taken, refused) {
            (Ok(taken), refused) => {
                assert!(check.is_any || refused.is_none());
                let numbers: Vec<RawFd> = taken.iter().map(AsRawFd::as_raw_fd).collect();
                assert_eq!(numbers, open.iter().map(|(_, known)| known.number).collect::<Vec<_>>());
                self.known.clear();
            }
            (Err(error @ FileError::Count { .. }), _) => {
                let plural = if N == 1 { "" } else { "s" };
                let text = format!("expected {N} file{plural}, {} came", open.len());
                assert!(error.to_string() == text && N != open.len(), "{error}");
            }
            (Err(error), Some((index, known))) => {
                check_refused(&error, *index, known, Some(&check));
            }
            (Err(error), None) => panic!("{error}"),
        }
    }

    /// Makes a connection or a listener of a file, if it is one.
    fn adopt(&mut self, which: u8) {
        let index = usize::from(which % 32);
        let Some(file) = self.files.release(index) else { return };
        let number = Some(file.as_raw_fd());
        let is_unix = self.known[index].is_some_and(|file| file.kind == FileKind::UnixSocket);
        let stream = UnixStream::from(file.try_clone().expect("a copy of a file"));
        let is_connected = is_unix && stream.peer_addr().is_ok();
        assert_eq!(self.forget(index), number);
        if which & 0x80 == 0 {
            let socket = Socket::from_fd(file);
            assert_eq!(socket.is_ok(), is_connected, "{socket:?}");
            assert!(socket.is_err() || socket.ok().map(|it| it.into_fd().as_raw_fd()) == number);
        } else {
            let listener = Listener::from_fd(file);
            assert_eq!(listener.is_ok(), is_unix && !is_connected, "{listener:?}");
        }
    }

    /// Sends the files, and receives `most` of them at most.
    fn send(&self, most: usize) {
        let (ours, theirs) = Socket::pair().expect("a pair of sockets");
        let open: Vec<BorrowedFd<'_>> = self.files.iter().collect();
        assert_eq!(ours.send(b"", &open).is_ok(), open.is_empty());
        assert!(ours.try_send(b"x", &[self.probe.file(); 254]).is_err());
        assert_eq!(ours.send(b"x", &open).ok(), Some(1));
        let received = theirs.receive(&mut [0; 4], most).map(|(count, files)| {
            assert_eq!(count, 1);
            files.iter().map(identity).collect::<Vec<_>>()
        });
        let expected: Vec<u64> = open.iter().map(|file| identity(*file)).collect();
        match received {
            Ok(received) => assert_eq!(received, expected),
            Err(error) => assert!(error.kind() == ErrorKind::InvalidData && open.len() > most),
        }
        if theirs.refuse_files().is_ok() {
            assert_eq!(ours.send(b"x", &open).is_ok(), open.is_empty());
        }
    }

    fn copy(&self) {
        let copy = self.files.try_clone().expect("copies of files");
        let places = |files: &Files| -> Vec<Option<u64>> {
            (0..files.len()).map(|index| files.get(index).map(identity)).collect()
        };
        assert_eq!(places(&copy), places(&self.files));
    }

    /// Compares all places.
    fn compare(&self) {
        assert_eq!(
            (self.files.len(), self.files.is_empty()),
            (self.known.len(), self.known.is_empty())
        );
        let number = |file: BorrowedFd<'_>| file.as_raw_fd();
        for (index, known) in self.known.iter().enumerate() {
            assert_eq!(self.files.get(index).map(number), known.map(|known| known.number));
        }
        let open: Vec<RawFd> = self.known.iter().flatten().map(|file| file.number).collect();
        assert_eq!(self.files.iter().map(number).collect::<Vec<_>>(), open);
        // Files that would not be sent with a message cannot be written.
        assert_eq!(json::to_vec(&self.files).as_deref(), Ok(&b"{}"[..]));
        assert_eq!(json::to_vec(&Some(&self.files)).as_deref(), Ok(&b"{}"[..]));
        assert_eq!(json::to_vec(&[&self.files]).is_ok(), open.is_empty());
        assert!(format!("{:?}", self.files).contains(&format!("{open:?}")));
    }
}

/// A check, and what it names.
#[derive(Debug)]
struct Check {
    check: FileCheck,
    kind: Option<FileKind>,
    access: Option<FileAccess>,
    without_flags: bool,
    seals: Vec<Seal>,
    is_any: bool,
}

impl Check {
    fn of([kind, access, rest]: [u8; 3]) -> Check {
        let mut check = FileCheck::new();
        let mut kind = KINDS.get(usize::from(kind % 16)).copied();
        let access = ACCESSES.get(usize::from(access % 8)).copied();
        let without_flags = rest & 0x80 != 0;
        let chosen = SEALS.into_iter().enumerate().filter(|(bit, _)| rest >> bit & 1 != 0);
        let seals: Vec<Seal> = chosen.map(|(_, seal)| seal).collect();
        if let Some(kind) = kind {
            check = check.kind(kind);
        }
        if let Some(access) = access {
            check = check.access(access);
        }
        if without_flags {
            check = check.without_flags();
        }
        if !seals.is_empty() {
            check = check.seals(&seals);
            kind = Some(FileKind::Memory);
        }
        let is_any = kind.is_none() && access.is_none() && !without_flags;
        Check { check, kind, access, without_flags, seals, is_any }
    }

    /// What is wrong with a file: the first of kind, access, flag, seal.
    fn refusal(&self, file: &Known) -> Option<&'static str> {
        let is_of = |kind: FileKind| match kind {
            FileKind::Regular => matches!(file.kind, FileKind::Regular | FileKind::Memory),
            FileKind::Socket => {
                let kinds = [FileKind::Socket, FileKind::UnixSocket, FileKind::InternetSocket];
                kinds.contains(&file.kind)
            }
            kind => kind == file.kind,
        };
        let reads = matches!(file.access, FileAccess::ReadOnly | FileAccess::ReadWrite);
        let writes = matches!(file.access, FileAccess::WriteOnly | FileAccess::ReadWrite);
        let has_access = match self.access {
            None => file.access != FileAccess::Neither,
            Some(FileAccess::Read) => reads,
            Some(FileAccess::Write) => writes,
            Some(access) => access == file.access,
        };
        // A file in memory that is not a memfd has the first seal and no other.
        let is_sealed = self.seals.iter().all(|seal| *seal == Seal::Seal);
        match self.kind {
            Some(kind) if !is_of(kind) => Some("kind"),
            _ if !has_access => Some("access"),
            _ if self.without_flags && file.flag.is_some() => Some("flag"),
            _ if !is_sealed => Some("seal"),
            _ => None,
        }
    }
}

fn check_refused(error: &FileError, index: usize, known: &Known, check: Option<&Check>) {
    let expected = check.and_then(|check| check.refusal(known));
    let (what, at) = match error {
        FileError::WrongKind { index, found, .. } => {
            assert_eq!(*found, known.kind);
            ("kind", *index)
        }
        FileError::WrongAccess { index, found, .. } => {
            assert_eq!(*found, known.access);
            ("access", *index)
        }
        FileError::UnwantedFlag { index, flag } => {
            assert_eq!(Some(*flag), known.flag);
            ("flag", *index)
        }
        FileError::MissingSeal { index, .. } => ("seal", *index),
        error => panic!("{error} of {known:?}"),
    };
    assert_eq!((Some(what), at), (expected, index), "{known:?}, {check:?}");
    assert!(error.to_string().starts_with(&format!("file {index}: expected ")), "{error}");
    assert!(std::error::Error::source(error).is_none());
}

/// A descriptor, and its kind, access and flag.
type Made = (OwnedFd, FileKind, FileAccess, Option<&'static str>);

/// A new descriptor of some kind. `None` if the system has no such file.
fn make(which: u8, probe: &Probe) -> Option<Made> {
    const O_NONBLOCK: i32 = 0o4000;
    const O_NOFOLLOW: i32 = 0o400000;
    let number = regular().0.as_raw_fd();
    // The same file again, by its number.
    let again = |options: &mut OpenOptions| {
        options.open(format!("/proc/self/fd/{number}")).map(OwnedFd::from).ok()
    };
    let mut options = OpenOptions::new();
    let options = options.read(true);
    let (file, kind, access, flag) = match which & 0x7f {
        0 => (again(options), regular().1, FileAccess::ReadOnly, None),
        1 => (again(options.write(true)), regular().1, FileAccess::ReadWrite, None),
        2 => (again(options.read(false).write(true)), regular().1, FileAccess::WriteOnly, None),
        3 => {
            let file = again(options.read(false).append(true));
            (file, regular().1, FileAccess::WriteOnly, Some("O_APPEND"))
        }
        4 => {
            let file = again(options.custom_flags(O_NONBLOCK));
            (file, regular().1, FileAccess::ReadOnly, Some("O_NONBLOCK"))
        }
        // A file that is open in this way is never taken for one in memory.
        5 => {
            let file = again(options.custom_flags(O_PATH));
            (path_only(file), FileKind::Regular, FileAccess::Neither, None)
        }
        6 => (open(options, "/tmp"), FileKind::Directory, FileAccess::ReadOnly, None),
        7 => {
            let file = open(options.custom_flags(O_PATH), "/tmp");
            (path_only(file), FileKind::Directory, FileAccess::Neither, None)
        }
        8 => {
            let file = open(options.custom_flags(O_PATH | O_NOFOLLOW), "/proc/self/exe");
            (file, FileKind::SymbolicLink, FileAccess::Neither, None)
        }
        10 => {
            let device = open(options, "/dev/null");
            (device, FileKind::CharacterDevice, FileAccess::ReadOnly, None)
        }
        _ => return make_socket(which & 0x7f, probe),
    };
    Some((file?, kind, access, flag))
}

/// std removes `O_PATH` on musl, whose `O_ACCMODE` contains it. Then there is no such file.
fn path_only(file: Option<OwnedFd>) -> Option<OwnedFd> {
    file.filter(|_| !cfg!(target_env = "musl"))
}

fn open(options: &OpenOptions, path: &str) -> Option<OwnedFd> {
    options.open(path).map(OwnedFd::from).ok()
}

fn make_socket(which: u8, probe: &Probe) -> Option<Made> {
    let (file, kind, access) = match which {
        9 => {
            let socket = UdpSocket::bind("127.0.0.1:0").ok()?;
            (socket.into(), FileKind::InternetSocket, FileAccess::ReadWrite)
        }
        12 => (listener()?.1, FileKind::Socket, FileAccess::Neither),
        13 => (listener()?.0, FileKind::UnixSocket, FileAccess::ReadWrite),
        _ => (probe.copy(), FileKind::UnixSocket, FileAccess::ReadWrite),
    };
    Some((file, kind, access, None))
}

/// A socket that listens, and its name, opened as a name.
fn listener() -> Option<(OwnedFd, OwnedFd)> {
    let path = format!("/tmp/urpc-fuzz-name-{}", std::process::id());
    let listener = UnixListener::bind(&path).ok()?;
    let name = open(OpenOptions::new().read(true).custom_flags(O_PATH), &path);
    std::fs::remove_file(&path).expect("a file to remove");
    Some((listener.into(), name?))
}

/// An empty file without a name, and its kind, which depends on the file system of `/tmp`.
fn regular() -> &'static (File, FileKind) {
    static REGULAR: OnceLock<(File, FileKind)> = OnceLock::new();
    REGULAR.get_or_init(|| {
        let path = format!("/tmp/urpc-fuzz-{}", std::process::id());
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create_new(true).open(&path).expect("a file");
        std::fs::remove_file(&path).expect("a file to remove");
        let mut copy = Files::from(file.as_fd().try_clone_to_owned().expect("a copy"));
        let is_memory = copy.release_checked(0, &FileCheck::new().kind(FileKind::Memory)).is_ok();
        (file, if is_memory { FileKind::Memory } else { FileKind::Regular })
    })
}
