//! The libc calls that std does not wrap, and the only `unsafe` code of the crate.
//!
//! All functions here are safe. Most take borrowed descriptors and return owned ones. Each makes
//! its system call once and returns the error unchanged. The modules above retry, wait and keep
//! time limits. The descriptors of a received message are turned into `OwnedFd`s before anything
//! else is checked, so none can leak.

mod abi;
mod inspect;
mod polling;
mod signals;

use std::ffi::{CString, c_int, c_uint, c_void};
use std::fs::{self, File};
use std::io::{self, IoSlice};
use std::mem::{MaybeUninit, offset_of, size_of, size_of_val};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;

use crate::control::{self, ControlBuffer, Item, Rights, SOL_SOCKET};
use abi::*;

pub use abi::Credentials;
pub(crate) use abi::{O_APPEND, O_NOFOLLOW, O_NONBLOCK, O_PATH, SocketName};
#[cfg(test)]
pub(crate) use inspect::new_memory_file;
pub(crate) use inspect::{Family, file_type, is_non_blocking, seals, socket_family, status_flags};
pub use polling::Interest;
pub(crate) use polling::wait_for;
pub(crate) use signals::{
    SIGHUP, SIGINT, SIGTERM, block_signals, keep_exit_statuses, kill_group, send_signal,
    wait_for_any_child, wait_for_signal,
};

/// Unused memory, reserved until this is dropped. The kernel provides it directly. An allocation
/// could come from the free part of this thread's own heap, which no other thread can use.
pub(crate) struct Slack {
    address: *mut c_void,
    length: usize,
}

impl Slack {
    /// `None` if there is not so much memory. `length` must not be zero.
    pub(crate) fn new(length: usize) -> Option<Slack> {
        const READ_WRITE: c_int = 1 | 2;
        let flags = MAP_PRIVATE | MAP_ANONYMOUS;
        // SAFETY: without MAP_FIXED the new mapping replaces no other, and nothing is read or
        // written through its address.
        let address = unsafe { mmap(ptr::null_mut(), length, READ_WRITE, flags, -1, 0) };
        let failed = address.addr() == usize::MAX;
        (!failed).then_some(Slack { address, length })
    }
}

impl Drop for Slack {
    fn drop(&mut self) {
        // SAFETY: these are the address and length of a mapping that only `self` knows.
        unsafe { munmap(self.address, self.length) };
    }
}

/// Runs `work`. On x86-64 its code exists twice: for every processor, and with vectors of 32 bytes
/// for those that have them. Loops over bytes in `work` must be inlined there.
#[inline(always)]
pub(crate) fn with_widest_vectors<R>(work: impl FnOnce() -> R) -> R {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx2")]
        unsafe fn with_avx2<R>(work: impl FnOnce() -> R) -> R {
            work()
        }
        if std::arch::is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has what the function needs.
            return unsafe { with_avx2(work) };
        }
    }
    work()
}

/// Whether a call may block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
pub(crate) enum Blocking {
    Yes = 0,
    No = MSG_DONTWAIT,
}

impl SocketName {
    /// `path` is the content of `sun_path`: a path and a NUL, or a NUL and an abstract name. `None`
    /// if it is too long.
    pub(crate) fn new(path: &[u8]) -> Option<SocketName> {
        let length = (offset_of!(SocketName, path) + path.len()) as c_uint;
        let mut name = SocketName { family: AF_UNIX, path: [0; 108], length };
        name.path.get_mut(..path.len())?.copy_from_slice(path);
        Some(name)
    }
}

/// Makes a Unix stream socket, close-on-exec.
pub(crate) fn new_stream() -> io::Result<OwnedFd> {
    // SAFETY: socket(2) takes integers, and the number is new. (SOCK_CLOEXEC is O_CLOEXEC
    // everywhere.)
    unsafe { owned(socket(c_int::from(AF_UNIX), SOCK_STREAM | O_CLOEXEC, 0)) }
}

/// Binds `socket` to a name (bind(2)). If it is a path, this creates it.
pub(crate) fn bind_to(socket: BorrowedFd<'_>, to: &SocketName) -> io::Result<()> {
    // SAFETY: the kernel reads `length` bytes of a live `sockaddr_un`. `SocketName::new` has
    // checked that this is at most its size.
    os_result(unsafe { bind(socket.as_raw_fd(), to, to.length) }).map(drop)
}

/// Makes a bound socket accept connections (listen(2)), with the longest queue that the system
/// allows.
pub(crate) fn start_listening(socket: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: listen(2) takes integers.
    os_result(unsafe { listen(socket.as_raw_fd(), c_int::MAX) }).map(drop)
}

/// Takes the lock on an open file (flock(2)) without waiting, or releases it.
pub(crate) fn set_lock(file: BorrowedFd<'_>, locked: bool) -> io::Result<()> {
    // SAFETY: flock(2) takes integers: LOCK_EX | LOCK_NB, or LOCK_UN.
    os_result(unsafe { flock(file.as_raw_fd(), if locked { 2 | 4 } else { 8 }) }).map(drop)
}

/// Owns the descriptor that a system call returned, or returns the call's error.
///
/// # Safety
/// The call has just opened the descriptor, so nobody else knows its number.
unsafe fn owned(number: c_int) -> io::Result<OwnedFd> {
    // SAFETY: the caller guarantees that it is open and that nobody else owns it.
    os_result(number).map(|number| unsafe { OwnedFd::from_raw_fd(number) })
}

/// Sends some of the bytes of `parts`, with `files` attached to the first byte. Returns the number
/// of bytes. If it is not zero, all files were sent. After an error none was. Never raises
/// `SIGPIPE`.
pub(crate) fn send_message(
    socket: BorrowedFd<'_>,
    parts: &[IoSlice<'_>],
    files: Option<&Rights<'_>>,
    blocking: Blocking,
) -> io::Result<usize> {
    let flags = MSG_NOSIGNAL | blocking as c_int;
    let sent = match (files, parts) {
        // SAFETY: the kernel reads `bytes.len()` bytes from a live slice and keeps no pointer.
        (None, [bytes]) => unsafe {
            send(socket.as_raw_fd(), bytes.as_ptr().cast(), bytes.len(), flags)
        },
        _ => {
            let control = files.map_or(&[][..], Rights::bytes);
            let message = MsgHdr {
                iov: parts.as_ptr().cast_mut().cast(), // std promises the layout of an iovec
                iov_length: parts.len(),
                ..MsgHdr::new(&mut [], control.as_ptr().cast_mut(), control.len())
            };
            // SAFETY: sendmsg only reads through the pointers of `message` and keeps none. Each
            // points to live slices of the given lengths. `files` borrows the descriptors in it, so
            // they are open.
            unsafe { sendmsg(socket.as_raw_fd(), &message, flags) }
        }
    };
    usize::try_from(sent).map_err(|_| io::Error::last_os_error())
}

/// What a receive delivers with the bytes. It can be used for many receives.
pub(crate) struct Ancillary {
    control: ControlBuffer,
    /// The received files, close-on-exec. Each receive appends to them.
    pub(crate) files: Vec<OwnedFd>,
    /// The number of files that a receive has room for. It takes one more, so that the caller can
    /// tell too many files from truncated control data. The kernel closes the others within
    /// recvmsg(2).
    pub(crate) room: usize,
    /// Whether the last receive lost files: the kernel could not deliver all control data
    /// (`MSG_CTRUNC`), or there was no memory for the list of files.
    pub(crate) is_truncated: bool,
}

impl Ancillary {
    pub(crate) fn new(room: usize) -> Ancillary {
        Ancillary { control: ControlBuffer::new(), files: Vec::new(), room, is_truncated: false }
    }

    /// Takes ownership of the files in the first `length` bytes of control data.
    ///
    /// # Safety
    /// The kernel has just written these bytes, for the receive that calls this, and nobody has
    /// taken ownership of the files.
    unsafe fn take_files(&mut self, length: usize) {
        let room = self.control.room_for(self.room);
        let received = &room[..length.min(room.len())];
        let count = control::walk(received).count();
        let has_memory = self.files.try_reserve(count).is_ok();
        for item in control::walk(received) {
            let (Item::File(number) | Item::PidFd(number)) = item;
            // SAFETY: the kernel has just opened this descriptor for this receive, nobody else
            // knows its number, and the walk yields each of them once.
            let file = unsafe { OwnedFd::from_raw_fd(number) };
            if let (Item::File(_), true) = (item, has_memory) {
                self.files.push(file);
            }
        }
        self.is_truncated |= !has_memory;
    }
}

/// Receives into the spare capacity of `buffer` and returns the number of bytes. 0 is the end of
/// the stream.
///
/// # Errors
/// The error of recvmsg(2), or `InvalidInput` if `buffer` has no spare capacity: a receive of no
/// bytes would look like the end of the stream and lose the files.
pub(crate) fn receive_message(
    socket: BorrowedFd<'_>,
    buffer: &mut Vec<u8>,
    ancillary: &mut Ancillary,
    blocking: Blocking,
) -> io::Result<usize> {
    let count = receive_uninit(socket, buffer.spare_capacity_mut(), ancillary, blocking)?;
    // SAFETY: the kernel has written `count` bytes after the end, within the capacity.
    unsafe { buffer.set_len(buffer.len() + count) };
    Ok(count)
}

/// As [`receive_message`], to the beginning of a buffer of fixed size. It may block.
pub(crate) fn receive_into(
    socket: BorrowedFd<'_>,
    buffer: &mut [u8],
    ancillary: &mut Ancillary,
    blocking: Blocking,
) -> io::Result<usize> {
    // SAFETY: `MaybeUninit<u8>` has the layout of `u8`. Only the kernel writes through the new
    // reference, and it leaves all bytes initialized.
    let room = unsafe { &mut *(ptr::from_mut(buffer) as *mut [MaybeUninit<u8>]) };
    receive_uninit(socket, room, ancillary, blocking)
}

fn receive_uninit(
    socket: BorrowedFd<'_>,
    buffer: &mut [MaybeUninit<u8>],
    ancillary: &mut Ancillary,
    blocking: Blocking,
) -> io::Result<usize> {
    if buffer.is_empty() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "no room in the buffer"));
    }
    let room = ancillary.control.room_for(ancillary.room);
    let mut iov = [IoVec { base: buffer.as_mut_ptr().cast(), length: buffer.len() }];
    let mut message = MsgHdr::new(&mut iov, room.as_mut_ptr(), room.len());
    // SAFETY: the kernel writes at most the given lengths to two live buffers that are borrowed
    // exclusively. The control buffer is aligned for a header.
    let result =
        unsafe { recvmsg(socket.as_raw_fd(), &mut message, MSG_CMSG_CLOEXEC | blocking as c_int) };
    // After an error the kernel has not set the control length, so the control data is not valid.
    let bytes = usize::try_from(result).map_err(|_| io::Error::last_os_error())?;
    ancillary.is_truncated = message.flags & MSG_CTRUNC != 0;
    if message.control_length > 0 {
        // SAFETY: recvmsg succeeded and has written this many bytes.
        unsafe { ancillary.take_files(message.control_length) };
    }
    Ok(bytes)
}

/// Peeks at the next byte without waiting for it. Returns 1, or 0 at the end of the stream.
pub(crate) fn peek(socket: BorrowedFd<'_>) -> io::Result<usize> {
    let mut byte = 0u8;
    let mut iov = [IoVec { base: (&raw mut byte).cast(), length: 1 }];
    let mut message = MsgHdr::new(&mut iov, ptr::null_mut(), 0);
    // SAFETY: the kernel writes at most one byte to a live variable, and no control data.
    let peeked = unsafe {
        recvmsg(socket.as_raw_fd(), &mut message, MSG_PEEK | MSG_DONTWAIT | MSG_CMSG_CLOEXEC)
    };
    usize::try_from(peeked).map_err(|_| io::Error::last_os_error())
}

/// Reads a socket option. `value` must be a value that the option cannot have: it stays if the
/// kernel writes nothing. `T` must consist of integers only.
///
/// # Errors
/// The error of getsockopt(2), or `InvalidData` if the option has another size than `T`.
fn option<T>(socket: BorrowedFd<'_>, name: c_int, mut value: T) -> io::Result<T> {
    let mut length = size_of::<T>() as c_uint;
    let to = (&raw mut value).cast();
    // SAFETY: the kernel writes at most `length` bytes to `value`. All callers are in this module
    // and use integers only, so any bytes are valid.
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

/// The credentials of the peer.
pub(crate) fn peer_credentials(socket: BorrowedFd<'_>) -> io::Result<Credentials> {
    option(socket, SO_PEERCRED, Credentials { pid: 0, uid: u32::MAX, gid: u32::MAX })
}

/// A handle of the peer's process (Linux 6.5).
pub(crate) fn peer_pidfd(socket: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    // SAFETY: the kernel has just opened this descriptor, close-on-exec, for this call. If it wrote
    // no number, the -1 is an error.
    unsafe { owned(option(socket, SO_PEERPIDFD, -1)?) }
}

/// Requests a send buffer of `bytes`. The kernel doubles and limits it (socket(7)).
pub(crate) fn set_send_buffer(socket: BorrowedFd<'_>, bytes: usize) -> io::Result<()> {
    set_option(socket, SO_SNDBUF, c_int::try_from(bytes).unwrap_or(c_int::MAX))
}

/// Makes the kernel refuse files sent to `socket` (`SO_PASSRIGHTS`, Linux 6.16 and later). gVisor
/// accepts unknown options without an error, so this reads the option back.
pub(crate) fn refuse_files(socket: BorrowedFd<'_>) -> io::Result<()> {
    set_option(socket, SO_PASSRIGHTS, 0)?;
    (option(socket, SO_PASSRIGHTS, 1)? == 0).then_some(()).ok_or(io::ErrorKind::Unsupported.into())
}

/// Whether an open descriptor is close-on-exec.
pub(crate) fn is_close_on_exec(number: RawFd) -> io::Result<bool> {
    // SAFETY: F_GETFD accesses no memory.
    Ok(os_result(unsafe { fcntl(number, F_GETFD) })? & FD_CLOEXEC != 0)
}

/// Sets close-on-exec.
pub(crate) fn set_close_on_exec(number: RawFd) -> io::Result<()> {
    // SAFETY: F_SETFD takes an integer and accesses no memory.
    os_result(unsafe { fcntl(number, F_SETFD, FD_CLOEXEC) }).map(drop)
}

/// Duplicates an open descriptor to the lowest free number from `lowest` up, close-on-exec.
pub(crate) fn duplicate_from(number: RawFd, lowest: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: F_DUPFD_CLOEXEC takes an integer and accesses no memory, and the number is new.
    unsafe { owned(fcntl(number, F_DUPFD_CLOEXEC, lowest)) }
}

/// Opens `path` without access to its contents (`O_PATH`). It may be a socket. `flags` is 0 or
/// [`O_NOFOLLOW`]. std removes `O_PATH` on musl, whose `O_ACCMODE` contains it.
pub(crate) fn open_path(path: &Path, flags: c_int) -> io::Result<File> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    // SAFETY: the kernel reads a live string that ends with NUL, and the number is new.
    unsafe { owned(open(path.as_ptr(), flags | O_PATH | O_CLOEXEC)) }.map(File::from)
}

/// Makes a pipe (pipe(2)). Returns its reading end and its writing end, both close-on-exec.
pub(crate) fn new_pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut ends = [0; 2];
    // SAFETY: the kernel writes two integers to a live array of two.
    os_result(unsafe { pipe2(ends.as_mut_ptr(), O_CLOEXEC) })?;
    // SAFETY: pipe2 succeeded, so both numbers are new, and nobody else knows them.
    Ok(unsafe { (OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1])) })
}

/// The right to replace open descriptors. They may have owners in this process. So from then on the
/// process can only become another program or end, and dropping this ends it.
pub(crate) struct Replacing {
    status: c_int,
}

impl Replacing {
    /// `status` is the exit status of the process if it ends.
    ///
    /// # Errors
    /// There is another thread, which could use a replaced descriptor.
    pub(crate) fn begin(status: c_int) -> io::Result<Replacing> {
        match fs::read_dir("/proc/self/task")?.count() {
            1 => Ok(Replacing { status }),
            _ => Err(io::Error::other(
                "files are placed only while there is one thread: do it first in main",
            )),
        }
    }

    /// Makes `target` a duplicate of `file` that an exec leaves open (dup2(2)).
    pub(crate) fn place(&self, file: BorrowedFd<'_>, target: RawFd) -> io::Result<()> {
        // SAFETY: dup2 accesses no memory. It closes the old `target`. Its owner, if there is one,
        // does not use it any more: this is the only thread, and it runs only our caller until
        // `self` ends the process.
        os_result(unsafe { dup2(file.as_raw_fd(), target) }).map(drop)
    }

    /// Ends the process without its atexit(3) handlers, which might use a replaced descriptor.
    pub(crate) fn end(&self) -> ! {
        // SAFETY: _exit(2) takes an integer and does not return.
        unsafe { _exit(self.status) }
    }
}

impl Drop for Replacing {
    fn drop(&mut self) {
        self.end()
    }
}

/// Sends an out-of-band byte, which overtakes the bytes before it.
#[cfg(test)]
fn send_out_of_band(socket: BorrowedFd<'_>, files: &Rights<'_>) -> io::Result<usize> {
    const MSG_OOB: c_int = 1;
    let mut iov = [IoVec { base: b"!".as_ptr().cast_mut().cast(), length: 1 }];
    let control = files.bytes();
    let message = MsgHdr::new(&mut iov, control.as_ptr().cast_mut(), control.len());
    // SAFETY: as in `send_message`.
    let sent = unsafe { sendmsg(socket.as_raw_fd(), &message, MSG_NOSIGNAL | MSG_OOB) };
    usize::try_from(sent).map_err(|_| io::Error::last_os_error())
}

/// Makes an exec leave `file` open.
#[cfg(test)]
fn clear_close_on_exec(file: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: F_SETFD takes an integer and accesses no memory.
    os_result(unsafe { fcntl(file.as_raw_fd(), F_SETFD, 0) }).map(drop)
}

#[cfg(test)]
pub(crate) mod tests;
