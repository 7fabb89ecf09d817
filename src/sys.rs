//! The libc shim: the few calls that std does not wrap, and the only `unsafe` code of the crate.
//!
//! Everything here is a safe function over owned and borrowed descriptors. Each call is made once
//! and its error returned as it is: retrying, waiting and time limits belong to the floors above.
//! Descriptors that arrive with a message are owned before anything else is looked at, so from
//! here on nothing can leak.

use std::alloc::{Layout, alloc};
use std::ffi::{c_int, c_short, c_uint, c_ulong, c_ushort, c_void};
use std::fs;
use std::io;
use std::mem::{MaybeUninit, offset_of, size_of, size_of_val};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitStatus};
use std::ptr;
use std::time::Duration;

use crate::control::{self, ControlBuffer, Item, LEGACY_SOCKOPTS, Rights, SOL_SOCKET};

// Linux's numbers: asm-generic/socket.h, and asm/socket.h where an architecture has its own.
const POWERPC: bool = cfg!(any(target_arch = "powerpc", target_arch = "powerpc64"));
const SPARC: bool = cfg!(any(target_arch = "sparc", target_arch = "sparc64"));
const SO_TYPE: c_int = if LEGACY_SOCKOPTS { 0x1008 } else { 3 };
const SO_PEERCRED: c_int = match (SPARC, LEGACY_SOCKOPTS, POWERPC) {
    (true, ..) => 0x40,
    (_, true, _) => 18,
    (.., true) => 21,
    _ => 17,
};
const SO_SNDBUF: c_int = if LEGACY_SOCKOPTS { 0x1001 } else { 7 };
const SO_PEERPIDFD: c_int = if SPARC { 0x56 } else { 77 };
const SO_PASSRIGHTS: c_int = if SPARC { 0x5c } else { 83 };
const AF_UNIX: c_ushort = 1;
const SOCK_STREAM: c_int = if LEGACY_SOCKOPTS && !SPARC { 2 } else { 1 };
const MSG_CTRUNC: c_int = 0x8;
const MSG_PEEK: c_int = 0x2;
const MSG_DONTWAIT: c_int = 0x40;
const MSG_NOSIGNAL: c_int = 0x4000;
const MSG_CMSG_CLOEXEC: c_int = 0x4000_0000;
const POLLIN: c_short = 1;
const POLLPRI: c_short = 2;
const POLLOUT: c_short = 4;
const POLLHUP: c_short = 0x10;
const POLLRDHUP: c_short = if SPARC { 0x800 } else { 0x2000 };
const F_GETFD: c_int = 1;
const MAP_PRIVATE: c_int = 2;
/// mman.h of Linux: of Rust's architectures only mips numbers it otherwise.
const MAP_ANONYMOUS: c_int = if LEGACY_SOCKOPTS && !SPARC { 0x800 } else { 0x20 };
const F_SETFD: c_int = 2;
const F_DUPFD_CLOEXEC: c_int = 1030;
const FD_CLOEXEC: c_int = 1;
const O_CLOEXEC: c_int = if SPARC { 0x40_0000 } else { 0o200_0000 };
/// `O_PATH` of open(2), for std's `OpenOptions::custom_flags`.
pub(crate) const O_PATH: c_int = if SPARC { 0x100_0000 } else { 0o1000_0000 };
const ARM: bool = cfg!(any(target_arch = "arm", target_arch = "aarch64", target_arch = "m68k"));
/// `O_NOFOLLOW` likewise.
pub(crate) const O_NOFOLLOW: c_int = if ARM || POWERPC { 0o10_0000 } else { 0o40_0000 };
const SIG_BLOCK: c_int = if LEGACY_SOCKOPTS { 1 } else { 0 };
const SIG_UNBLOCK: c_int = SIG_BLOCK + 1;
/// SIGINT and SIGTERM, the same everywhere (signal(7)).
pub(crate) const SIGINT: c_int = 2;
pub(crate) const SIGTERM: c_int = 15;

/// `struct iovec` of readv(2).
#[repr(C)]
struct IoVec {
    base: *mut c_void,
    length: usize,
}

/// `struct msghdr` of recvmsg(2), as the kernel has it. glibc declares the same. musl declares
/// 32-bit lengths with padding beside them: on either byte order that is the same memory as long
/// as the whole starts zeroed and the lengths are small.
#[repr(C)]
struct MsgHdr {
    name: *mut c_void,
    name_length: c_uint,
    iov: *mut IoVec,
    iov_length: usize,
    control: *mut c_void,
    control_length: usize,
    flags: c_int,
}

/// `struct sockaddr_un` of unix(7), and how much of it counts.
#[repr(C)]
pub(crate) struct SocketName {
    family: c_ushort,
    path: [u8; 108],
    length: c_uint,
}

const _: () = {
    const WORD: usize = size_of::<usize>();
    assert!(size_of::<IoVec>() == 2 * WORD && size_of::<MsgHdr>() == 7 * WORD);
    assert!(offset_of!(MsgHdr, name_length) == WORD);
    assert!(offset_of!(MsgHdr, iov) == 2 * WORD);
    assert!(offset_of!(MsgHdr, iov_length) == 3 * WORD);
    assert!(offset_of!(MsgHdr, control) == 4 * WORD);
    assert!(offset_of!(MsgHdr, control_length) == 5 * WORD);
    assert!(offset_of!(MsgHdr, flags) == 6 * WORD);
    assert!(size_of::<Interest<'_>>() == 8 && offset_of!(Interest<'_>, events) == 4);
    assert!(offset_of!(Interest<'_>, returned) == 6);
    assert!(offset_of!(SocketName, path) == 2);
    assert!(size_of::<Credentials>() == 12 && size_of::<SignalSet>() == 128);
};

impl MsgHdr {
    fn new(iov: &mut IoVec, control: *mut u8, control_length: usize) -> MsgHdr {
        let (name, name_length, control) = (ptr::null_mut(), 0, control.cast());
        MsgHdr { name, name_length, iov, iov_length: 1, control, control_length, flags: 0 }
    }
}

/// Credentials of the process that connected or listens (`SO_PEERCRED`, unix(7)), as they were
/// then: its process may be gone since, its number reused, the socket passed on. Decide by `uid`
/// and `gid`; `pid` is for show.
///
/// In a user namespace the ids are those that it maps. All others, which may include root outside,
/// read as the overflow ids, 65534 by default: do not admit 65534 there, as it stands for many
/// users.
///
/// gVisor gives the caller's own ids, whoever the peer is: a check on them admits everybody or
/// nobody there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(C)]
pub struct Credentials {
    /// The process id, 0 if it is not visible from this namespace.
    pub pid: u32,
    /// The effective user id.
    pub uid: u32,
    /// The effective group id.
    pub gid: u32,
}

/// SIGCHLD, and what ignores a signal or gives it its default action (signal(7)).
const SIGCHLD: c_int = match () {
    _ if SPARC => 20,
    _ if LEGACY_SOCKOPTS => 18,
    _ => 17,
};
const SIG_DFL: usize = 0;
const SIG_IGN: usize = 1;

/// Room for the `struct sigaction` of any libc: at most a mask of 128 bytes and four words.
#[repr(C)]
struct SignalAction([usize; 256 / size_of::<usize>()]);

impl SignalAction {
    /// Which word is the handler: the first, except in glibc's structure for MIPS.
    const HANDLER: usize =
        if LEGACY_SOCKOPTS && !SPARC && cfg!(target_env = "gnu") { 1 } else { 0 };
}

/// The kernel's and musl's largest `sigset_t`: 1024 bits.
#[repr(C)]
struct SignalSet([c_ulong; 128 / size_of::<c_ulong>()]);

/// The libc's `off_t`: musl's has 64 bits everywhere.
#[cfg(target_env = "musl")]
type Offset = i64;
#[cfg(not(target_env = "musl"))]
type Offset = std::ffi::c_long;

unsafe extern "C" {
    fn socket(domain: c_int, kind: c_int, protocol: c_int) -> c_int;
    fn bind(socket: c_int, name: *const SocketName, length: c_uint) -> c_int;
    fn listen(socket: c_int, backlog: c_int) -> c_int;
    fn flock(fd: c_int, operation: c_int) -> c_int;
    fn sendmsg(socket: c_int, message: *const MsgHdr, flags: c_int) -> isize;
    fn recvmsg(socket: c_int, message: *mut MsgHdr, flags: c_int) -> isize;
    fn send(socket: c_int, bytes: *const c_void, length: usize, flags: c_int) -> isize;
    fn mmap(
        address: *mut c_void,
        length: usize,
        protection: c_int,
        flags: c_int,
        file: c_int,
        offset: Offset,
    ) -> *mut c_void;
    fn munmap(address: *mut c_void, length: usize) -> c_int;
    fn poll(entries: *mut Interest<'_>, count: c_ulong, timeout: c_int) -> c_int;
    fn getsockopt(s: c_int, level: c_int, name: c_int, to: *mut c_void, len: *mut c_uint) -> c_int;
    fn setsockopt(s: c_int, level: c_int, name: c_int, to: *const c_void, len: c_uint) -> c_int;
    fn fcntl(fd: c_int, command: c_int, ...) -> c_int;
    fn pipe2(ends: *mut c_int, flags: c_int) -> c_int;
    fn dup2(from: c_int, to: c_int) -> c_int;
    fn sigemptyset(set: *mut SignalSet) -> c_int;
    fn sigaddset(set: *mut SignalSet, signal: c_int) -> c_int;
    fn pthread_sigmask(how: c_int, set: *const SignalSet, old: *mut SignalSet) -> c_int;
    fn sigwait(set: *const SignalSet, signal: *mut c_int) -> c_int;
    fn sigaction(signal: c_int, new: *const SignalAction, old: *mut SignalAction) -> c_int;
    fn signal(signal: c_int, handler: usize) -> usize;
    fn waitpid(process: c_int, status: *mut c_int, options: c_int) -> c_int;
    fn kill(process: c_int, signal: c_int) -> c_int;
}

/// Memory that is there and that nobody uses, until this is dropped. It is asked of the kernel:
/// what an allocator says of its own heaps tells nothing of what there is for others.
pub(crate) struct Slack {
    address: *mut c_void,
    length: usize,
}

impl Slack {
    /// `None` if there is not so much, which must not be zero.
    pub(crate) fn new(length: usize) -> Option<Slack> {
        const READ_WRITE: c_int = 1 | 2;
        let flags = MAP_PRIVATE | MAP_ANONYMOUS;
        // SAFETY: without MAP_FIXED a fresh mapping replaces none, and nothing is read or written
        // through its address.
        let address = unsafe { mmap(ptr::null_mut(), length, READ_WRITE, flags, -1, 0) };
        let failed = address.addr() == usize::MAX;
        (!failed).then_some(Slack { address, length })
    }
}

impl Drop for Slack {
    fn drop(&mut self) {
        // SAFETY: this is the whole of a mapping that is ours alone.
        unsafe { munmap(self.address, self.length) };
    }
}

/// An empty vector with room for exactly so many bytes; `None` if there is no memory. It is what
/// `Vec::try_with_capacity` will be; a vector that is made first and reserves then takes twice as
/// long, which strings feel.
#[inline]
pub(crate) fn try_with_capacity(capacity: usize) -> Option<Vec<u8>> {
    if capacity == 0 {
        return Some(Vec::new());
    }
    let layout = Layout::array::<u8>(capacity).ok()?;
    // SAFETY: the layout's size is not zero.
    let bytes = unsafe { alloc(layout) };
    if bytes.is_null() {
        return None;
    }
    // SAFETY: the memory came from the global allocator with the layout of `capacity` bytes, it is
    // nobody else's, and none of it counts as initialized.
    Some(unsafe { Vec::from_raw_parts(bytes, 0, capacity) })
}

/// The same for a string.
#[inline]
pub(crate) fn try_string_with_capacity(capacity: usize) -> Option<String> {
    let bytes = try_with_capacity(capacity)?;
    // SAFETY: no bytes at all are UTF-8.
    Some(unsafe { String::from_utf8_unchecked(bytes) })
}

/// Whether a call may block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
pub(crate) enum Blocking {
    Yes = 0,
    No = MSG_DONTWAIT,
}

fn os_result(result: c_int) -> io::Result<c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

impl SocketName {
    /// `path` is what `sun_path` holds: a path with the NUL behind it, or a NUL with an abstract
    /// name behind it. `None` if it is too long.
    pub(crate) fn new(path: &[u8]) -> Option<SocketName> {
        let length = (offset_of!(SocketName, path) + path.len()) as c_uint;
        let mut name = SocketName { family: AF_UNIX, path: [0; 108], length };
        name.path.get_mut(..path.len())?.copy_from_slice(path);
        Some(name)
    }
}

/// A fresh Unix stream socket, close-on-exec.
pub(crate) fn new_stream() -> io::Result<OwnedFd> {
    // SAFETY: socket(2) takes integers (SOCK_CLOEXEC is O_CLOEXEC everywhere) and makes the number.
    unsafe { owned(socket(c_int::from(AF_UNIX), SOCK_STREAM | O_CLOEXEC, 0)) }
}

/// Gives `socket` its name; a path is made.
pub(crate) fn bind_to(socket: BorrowedFd<'_>, to: &SocketName) -> io::Result<()> {
    // SAFETY: the kernel reads `length` bytes of a live `sockaddr_un`: `SocketName::new` keeps that
    // within its size.
    os_result(unsafe { bind(socket.as_raw_fd(), to, to.length) }).map(drop)
}

/// Lets `socket`, which has a name, take connections; as many wait as the system allows.
pub(crate) fn start_listening(socket: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: listen(2) takes integers.
    os_result(unsafe { listen(socket.as_raw_fd(), c_int::MAX) }).map(drop)
}

/// Takes the lock on an open file (flock(2)), if nobody has it, or gives it up.
pub(crate) fn set_lock(file: BorrowedFd<'_>, locked: bool) -> io::Result<()> {
    // SAFETY: flock(2) takes integers: LOCK_EX | LOCK_NB, or LOCK_UN.
    os_result(unsafe { flock(file.as_raw_fd(), if locked { 2 | 4 } else { 8 }) }).map(drop)
}

/// The number that a call has made, or its error.
///
/// # Safety
/// The kernel has just made the number for us, so that nobody else knows of it.
unsafe fn owned(number: c_int) -> io::Result<OwnedFd> {
    // SAFETY: it is open and nobody else's, as the caller says.
    os_result(number).map(|number| unsafe { OwnedFd::from_raw_fd(number) })
}

/// Sends some of `bytes`, with `files` on the first of them. More than zero means that all files
/// were handed over; an error means that none was. Never raises `SIGPIPE`.
pub(crate) fn send_message(
    socket: BorrowedFd<'_>,
    bytes: &[u8],
    files: Option<&Rights<'_>>,
    blocking: Blocking,
) -> io::Result<usize> {
    let flags = MSG_NOSIGNAL | blocking as c_int;
    let sent = match files {
        // SAFETY: the kernel reads `bytes.len()` bytes from a live slice and keeps nothing.
        None => unsafe { send(socket.as_raw_fd(), bytes.as_ptr().cast(), bytes.len(), flags) },
        Some(files) => {
            let mut iov = IoVec { base: bytes.as_ptr().cast_mut().cast(), length: bytes.len() };
            let control = files.bytes();
            let message = MsgHdr::new(&mut iov, control.as_ptr().cast_mut(), control.len());
            // SAFETY: sendmsg only reads through the pointers of `message`, each to a live slice
            // of the length beside it, and keeps none; the descriptors packed in `files` are
            // borrowed for as long as it lives, so they are open.
            unsafe { sendmsg(socket.as_raw_fd(), &message, flags) }
        }
    };
    usize::try_from(sent).map_err(|_| io::Error::last_os_error())
}

/// What one receive brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Received {
    /// The bytes placed at the buffer's start; 0 is the end of the stream.
    pub(crate) bytes: usize,
    /// Whether the kernel could not deliver all control data (`MSG_CTRUNC`), or there was no memory
    /// to take it.
    pub(crate) control_truncated: bool,
}

/// Receives into what `buffer` has room for behind its end, without growing it, and appends the
/// files that came to `files`, close-on-exec. There must be room: a read of no bytes looks like the
/// end of the stream and throws the files away. `limit` sizes the room for files: at least one more
/// than `limit` is let through.
pub(crate) fn receive_message(
    socket: BorrowedFd<'_>,
    buffer: &mut Vec<u8>,
    control: &mut ControlBuffer,
    limit: usize,
    files: &mut Vec<OwnedFd>,
    blocking: Blocking,
) -> io::Result<Received> {
    let room = buffer.spare_capacity_mut();
    let received = receive_uninit(socket, room, control, limit, files, blocking)?;
    // SAFETY: the kernel has written so many bytes behind the end, within the capacity.
    unsafe { buffer.set_len(buffer.len() + received.bytes) };
    Ok(received)
}

/// The same into a buffer of fixed size, from its beginning.
pub(crate) fn receive_into(
    socket: BorrowedFd<'_>,
    buffer: &mut [u8],
    control: &mut ControlBuffer,
    limit: usize,
    files: &mut Vec<OwnedFd>,
) -> io::Result<Received> {
    // SAFETY: initialized bytes may be seen as such that need not be, and the kernel, which alone
    // writes to them, writes whole bytes.
    let room = unsafe { &mut *(ptr::from_mut(buffer) as *mut [MaybeUninit<u8>]) };
    receive_uninit(socket, room, control, limit, files, Blocking::Yes)
}

fn receive_uninit(
    socket: BorrowedFd<'_>,
    buffer: &mut [MaybeUninit<u8>],
    control: &mut ControlBuffer,
    limit: usize,
    files: &mut Vec<OwnedFd>,
    blocking: Blocking,
) -> io::Result<Received> {
    if buffer.is_empty() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let room = control.room_for(limit);
    let mut iov = IoVec { base: buffer.as_mut_ptr().cast(), length: buffer.len() };
    let mut message = MsgHdr::new(&mut iov, room.as_mut_ptr(), room.len());
    // SAFETY: the kernel writes at most the given lengths into two live, exclusively borrowed
    // buffers, and the control buffer is aligned for a header.
    let result =
        unsafe { recvmsg(socket.as_raw_fd(), &mut message, MSG_CMSG_CLOEXEC | blocking as c_int) };
    // On failure the kernel did not update the control length, so nothing must be parsed.
    let bytes = usize::try_from(result).map_err(|_| io::Error::last_os_error())?;
    let room = &room[..message.control_length.min(room.len())];
    let has_memory = room.is_empty() || files.try_reserve(control::walk(room).count()).is_ok();
    for item in control::walk(room) {
        let (Item::File(number) | Item::PidFd(number)) = item;
        // SAFETY: the kernel has just installed this number for this very message, nobody else
        // knows of it, and the walk yields each place of the control data once.
        let file = unsafe { OwnedFd::from_raw_fd(number) };
        if let (Item::File(_), true) = (item, has_memory) {
            files.push(file);
        }
    }
    let control_truncated = message.flags & MSG_CTRUNC != 0 || !has_memory;
    Ok(Received { bytes, control_truncated })
}

/// Looks at the next byte without taking it or waiting for it; 0 is the end of the stream.
pub(crate) fn peek(socket: BorrowedFd<'_>) -> io::Result<usize> {
    let mut byte = 0u8;
    let mut iov = IoVec { base: (&raw mut byte).cast(), length: 1 };
    let mut message = MsgHdr::new(&mut iov, ptr::null_mut(), 0);
    // SAFETY: the kernel writes at most one byte into a live variable, and no control data.
    let peeked = unsafe {
        recvmsg(socket.as_raw_fd(), &mut message, MSG_PEEK | MSG_DONTWAIT | MSG_CMSG_CLOEXEC)
    };
    usize::try_from(peeked).map_err(|_| io::Error::last_os_error())
}

/// One descriptor to wait for: `struct pollfd` of poll(2).
#[repr(C)]
pub(crate) struct Interest<'f> {
    file: BorrowedFd<'f>,
    events: c_short,
    returned: c_short,
}

impl<'f> Interest<'f> {
    /// Waits until `file` can be read, has ended or has failed.
    pub(crate) fn readable(file: BorrowedFd<'f>) -> Interest<'f> {
        Interest { file, events: POLLIN | POLLRDHUP, returned: 0 }
    }

    /// Waits until `file` can be written or has failed.
    pub(crate) fn writable(file: BorrowedFd<'f>) -> Interest<'f> {
        Interest { file, events: POLLOUT, returned: 0 }
    }

    /// Waits only for the other side to be gone altogether (`POLLHUP`) or for an error.
    pub(crate) fn gone(file: BorrowedFd<'f>) -> Interest<'f> {
        Interest { file, events: 0, returned: 0 }
    }

    /// Waits for a byte out of band (`POLLPRI`).
    pub(crate) fn urgent(file: BorrowedFd<'f>) -> Interest<'f> {
        Interest { file, events: POLLPRI, returned: 0 }
    }

    /// Whether there is a byte out of band.
    pub(crate) fn is_urgent(&self) -> bool {
        self.returned & POLLPRI != 0
    }

    /// Whether nothing more can come than what is there.
    pub(crate) fn has_ended(&self) -> bool {
        self.returned & (POLLHUP | POLLRDHUP) != 0
    }

    /// Whether anything that was waited for has happened.
    pub(crate) fn is_ready(&self) -> bool {
        self.returned != 0
    }
}

/// Waits for one of `entries`, at most `timeout`, rounded up to milliseconds; `None` is for ever.
/// Returns whether any is ready.
pub(crate) fn wait_for(
    entries: &mut [Interest<'_>],
    timeout: Option<Duration>,
) -> io::Result<bool> {
    let timeout = timeout.map_or(-1, milliseconds);
    let count = c_ulong::try_from(entries.len()).unwrap_or(c_ulong::MAX);
    // SAFETY: `entries` is a live slice of `struct pollfd` (a `BorrowedFd` has the form of a
    // `c_int`) whose `returned` members alone are written.
    os_result(unsafe { poll(entries.as_mut_ptr(), count, timeout) }).map(|ready| ready > 0)
}

/// A wait of less than a tick must not become none: whoever waits again would spin.
fn milliseconds(time: Duration) -> c_int {
    c_int::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(c_int::MAX)
}

/// Reads a socket option, all of it. `value` is what it is not, so that one which was not written
/// is seen as such. `T` is a private affair of this module: plain integers only.
fn option<T>(socket: BorrowedFd<'_>, name: c_int, mut value: T) -> io::Result<T> {
    let mut length = size_of::<T>() as c_uint;
    let to = (&raw mut value).cast();
    // SAFETY: the kernel writes at most `length` bytes into `value`, which consists of integers
    // only (the callers below), so any bytes are valid.
    os_result(unsafe { getsockopt(socket.as_raw_fd(), SOL_SOCKET, name, to, &mut length) })?;
    (length as usize == size_of::<T>()).then_some(value).ok_or(io::ErrorKind::InvalidData.into())
}

fn set_option(socket: BorrowedFd<'_>, name: c_int, value: c_int) -> io::Result<()> {
    let (from, length) = ((&raw const value).cast(), size_of_val(&value) as c_uint);
    // SAFETY: the kernel reads one integer from a live variable.
    os_result(unsafe { setsockopt(socket.as_raw_fd(), SOL_SOCKET, name, from, length) }).map(drop)
}

/// Whether `socket` is a stream socket.
pub(crate) fn is_stream(socket: BorrowedFd<'_>) -> io::Result<bool> {
    Ok(option(socket, SO_TYPE, 0)? == SOCK_STREAM)
}

/// The credentials of the other side.
pub(crate) fn peer_credentials(socket: BorrowedFd<'_>) -> io::Result<Credentials> {
    option(socket, SO_PEERCRED, Credentials { pid: 0, uid: u32::MAX, gid: u32::MAX })
}

/// A handle on the process of the other side (Linux 6.5).
pub(crate) fn peer_pidfd(socket: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    // SAFETY: the kernel has just installed this number, close-on-exec, for this very call; where
    // it wrote none the -1 is an error.
    unsafe { owned(option(socket, SO_PEERPIDFD, -1)?) }
}

/// Asks for a send buffer of `bytes` (the kernel doubles and bounds it, socket(7)).
pub(crate) fn set_send_buffer(socket: BorrowedFd<'_>, bytes: usize) -> io::Result<()> {
    set_option(socket, SO_SNDBUF, c_int::try_from(bytes).unwrap_or(c_int::MAX))
}

/// Makes the kernel refuse files sent to `socket` (`SO_PASSRIGHTS`, Linux 6.16 and later). gVisor
/// takes options that it does not know without a word, so it is read back.
pub(crate) fn refuse_files(socket: BorrowedFd<'_>) -> io::Result<()> {
    set_option(socket, SO_PASSRIGHTS, 0)?;
    (option(socket, SO_PASSRIGHTS, 1)? == 0).then_some(()).ok_or(io::ErrorKind::Unsupported.into())
}

/// Whether an exec closes an open number.
pub(crate) fn is_close_on_exec(number: RawFd) -> io::Result<bool> {
    // SAFETY: F_GETFD touches no memory of ours.
    Ok(os_result(unsafe { fcntl(number, F_GETFD) })? & FD_CLOEXEC != 0)
}

/// Sets close-on-exec.
pub(crate) fn set_close_on_exec(number: RawFd) -> io::Result<()> {
    // SAFETY: F_SETFD takes an integer and touches no memory of ours.
    os_result(unsafe { fcntl(number, F_SETFD, FD_CLOEXEC) }).map(drop)
}

/// Duplicates an open number, close-on-exec, to the lowest free one from `lowest` up.
pub(crate) fn duplicate_from(number: RawFd, lowest: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: F_DUPFD_CLOEXEC takes an integer, touches no memory of ours and makes the number.
    unsafe { owned(fcntl(number, F_DUPFD_CLOEXEC, lowest)) }
}

/// A duplicate of `file` that no file placed by [`exec_with_files`] for `count` files hits.
pub(crate) fn duplicate_above(file: BorrowedFd<'_>, count: usize) -> io::Result<OwnedFd> {
    let lowest = RawFd::try_from(count).unwrap_or(RawFd::MAX).saturating_add(3);
    duplicate_from(file.as_raw_fd(), lowest)
}

/// A fresh pipe, close-on-exec: the end to read from, then the end to write to (pipe(2)).
pub(crate) fn new_pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut ends = [-1; 2];
    // SAFETY: the kernel writes two integers into a live array of two.
    os_result(unsafe { pipe2(ends.as_mut_ptr(), O_CLOEXEC) })?;
    // SAFETY: pipe2 succeeded, so both numbers are new and known to nobody else.
    Ok(unsafe { (OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1])) })
}

/// Replaces this process by `command` with `files` as descriptors 3, 4 and so on. An error comes
/// back only while nothing has been placed yet: as it does if there is another thread, which could
/// use a descriptor that is being replaced. From the first placed file on, the numbers that
/// this process's other descriptors have may mean something else, so it does not return: if the
/// program cannot be run, `failed` is told why and gives the exit status.
pub(crate) fn exec_with_files(
    command: &mut Command,
    files: &[BorrowedFd<'_>],
    failed: impl FnOnce(io::Error) -> i32,
) -> io::Error {
    let moved: io::Result<Vec<OwnedFd>> =
        files.iter().map(|file| duplicate_above(*file, files.len())).collect();
    let threads = fs::read_dir("/proc/self/task").map(Iterator::count);
    let moved = match (moved, threads) {
        (Ok(moved), Ok(1)) => moved,
        (Ok(_), Ok(_)) => return io::Error::other("placed only while there is one thread"),
        (Err(error), _) | (_, Err(error)) => return error,
    };
    let placed = moved.iter().zip(3..).try_for_each(|(file, target)| {
        // SAFETY: dup2 touches no memory. It closes whatever `target` was, which may have an
        // owner in this process; that owner never gets to act on it, as this is the only thread
        // and this function either becomes another program or ends the process.
        os_result(unsafe { dup2(file.as_raw_fd(), target) }).map(drop)
    });
    let error = placed.err().unwrap_or_else(|| command.exec());
    std::process::exit(failed(error))
}

fn signal_set(signals: &[c_int]) -> SignalSet {
    let mut set = SignalSet([0; 128 / size_of::<c_ulong>()]);
    // SAFETY: both calls write within `set`, which is as large as any libc's `sigset_t` on Linux;
    // a signal number that does not exist is refused with an error and changes nothing.
    unsafe {
        sigemptyset(&mut set);
        for signal in signals {
            sigaddset(&mut set, *signal);
        }
    }
    set
}

/// Blocks `signals`, or unblocks them, in this thread and in those it starts from now on.
pub(crate) fn block_signals(signals: &[c_int], block: bool) -> io::Result<()> {
    let set = signal_set(signals);
    let how = if block { SIG_BLOCK } else { SIG_UNBLOCK };
    // SAFETY: the set is live, and a null pointer asks for no copy of the old mask.
    match unsafe { pthread_sigmask(how, &set, ptr::null_mut()) } {
        0 => Ok(()),
        error => Err(io::Error::from_raw_os_error(error)),
    }
}

/// Waits for one of `signals`, which must be blocked, and returns its number.
pub(crate) fn wait_for_signal(signals: &[c_int]) -> io::Result<c_int> {
    let set = signal_set(signals);
    let mut signal = 0;
    // SAFETY: both pointers are to live variables of the types that sigwait(3) takes.
    match unsafe { sigwait(&set, &mut signal) } {
        0 => Ok(signal),
        error => Err(io::Error::from_raw_os_error(error)),
    }
}

/// Gives SIGCHLD its default action if this process was started with it ignored: the kernel would
/// discard the statuses of children that end (waitpid(2)). A handler stays as it is.
pub(crate) fn keep_exit_statuses() -> io::Result<()> {
    let mut old = SignalAction([0; 256 / size_of::<usize>()]);
    // SAFETY: a null pointer changes nothing, and `old` has room for any libc's structure.
    os_result(unsafe { sigaction(SIGCHLD, ptr::null(), &mut old) })?;
    if old.0[SignalAction::HANDLER] == SIG_IGN {
        // SAFETY: the default action runs no code of ours.
        unsafe { signal(SIGCHLD, SIG_DFL) };
    }
    Ok(())
}

/// Waits until any child has ended; tells its process id and its status.
pub(crate) fn wait_for_any_child() -> io::Result<(u32, ExitStatus)> {
    let mut status = 0;
    // SAFETY: the kernel writes one integer into a live variable.
    let child = os_result(unsafe { waitpid(-1, &mut status, 0) })?;
    Ok((child.unsigned_abs(), ExitStatus::from_raw(status)))
}

/// Sends `signal` to the child `process`, which nobody has waited for yet.
pub(crate) fn send_signal(process: u32, signal: c_int) -> io::Result<()> {
    let process = c_int::try_from(process).map_err(|_| io::ErrorKind::InvalidInput)?;
    // SAFETY: kill touches no memory of ours.
    os_result(unsafe { kill(process, signal) }).map(drop)
}

/// Sends a byte out of band, which passes those before it.
#[cfg(test)]
fn send_out_of_band(socket: BorrowedFd<'_>, files: &Rights<'_>) -> io::Result<usize> {
    const MSG_OOB: c_int = 1;
    let mut iov = IoVec { base: b"!".as_ptr().cast_mut().cast(), length: 1 };
    let control = files.bytes();
    let message = MsgHdr::new(&mut iov, control.as_ptr().cast_mut(), control.len());
    // SAFETY: as in `send_message`.
    let sent = unsafe { sendmsg(socket.as_raw_fd(), &message, MSG_NOSIGNAL | MSG_OOB) };
    usize::try_from(sent).map_err(|_| io::Error::last_os_error())
}

/// What an exec would close is left open by it.
#[cfg(test)]
fn clear_close_on_exec(file: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: F_SETFD takes an integer and touches no memory of ours.
    os_result(unsafe { fcntl(file.as_raw_fd(), F_SETFD, 0) }).map(drop)
}

#[cfg(test)]
pub(crate) mod tests;
