//! The libc shim: the few calls that std does not wrap, and the only `unsafe` code of the crate.
//!
//! Everything here is a safe function over owned and borrowed descriptors. Each call is made once
//! and its error returned as it is: retrying, waiting and time limits belong to the floors above.
//! Descriptors that arrive with a message are owned before anything else is looked at, so from
//! here on nothing can leak.

mod abi;
mod polling;
mod signals;

use std::ffi::{CString, c_int, c_uint, c_void};
use std::fs::{self, File};
use std::io;
use std::mem::{MaybeUninit, offset_of, size_of, size_of_val};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;

use crate::control::{self, ControlBuffer, Item, Rights, SOL_SOCKET};
use abi::*;

pub use abi::Credentials;
pub(crate) use abi::{O_NOFOLLOW, O_NONBLOCK, SocketName};
pub use polling::Interest;
pub(crate) use polling::wait_for;
pub(crate) use signals::{
    SIGINT, SIGTERM, block_signals, keep_exit_statuses, send_signal, wait_for_any_child,
    wait_for_signal,
};

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

/// Whether a call may block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
pub(crate) enum Blocking {
    Yes = 0,
    No = MSG_DONTWAIT,
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

/// What a receive takes beside the bytes. It can be used for many receives.
pub(crate) struct Ancillary {
    control: ControlBuffer,
    /// The files that came, close-on-exec; a receive appends to them.
    pub(crate) files: Vec<OwnedFd>,
    /// For how many files a receive has room. One more is taken, so that the caller can tell too
    /// many from a message that was cut short. The kernel closes the others within recvmsg(2).
    pub(crate) room: usize,
    /// Whether the last receive lost some: the kernel could not deliver all control data
    /// (`MSG_CTRUNC`), or there was no memory for the files.
    pub(crate) is_truncated: bool,
}

impl Ancillary {
    pub(crate) fn new(room: usize) -> Ancillary {
        Ancillary { control: ControlBuffer::new(), files: Vec::new(), room, is_truncated: false }
    }

    /// Owns the files in the first `length` bytes of control data.
    ///
    /// # Safety
    /// The kernel has just written these bytes, for the receive that calls this.
    unsafe fn take_files(&mut self, length: usize) {
        let room = self.control.room_for(self.room);
        let received = &room[..length.min(room.len())];
        let count = control::walk(received).count();
        let has_memory = self.files.try_reserve(count).is_ok();
        for item in control::walk(received) {
            let (Item::File(number) | Item::PidFd(number)) = item;
            // SAFETY: the kernel has just installed this number for this very message, nobody else
            // knows of it, and the walk yields each place of the control data once.
            let file = unsafe { OwnedFd::from_raw_fd(number) };
            if let (Item::File(_), true) = (item, has_memory) {
                self.files.push(file);
            }
        }
        self.is_truncated |= !has_memory;
    }
}

/// Receives into the spare capacity of `buffer`, which must not be empty: a read of no bytes looks
/// like the end of the stream and loses the files. Returns the number of bytes; 0 is the end of the
/// stream.
pub(crate) fn receive_message(
    socket: BorrowedFd<'_>,
    buffer: &mut Vec<u8>,
    ancillary: &mut Ancillary,
    blocking: Blocking,
) -> io::Result<usize> {
    let count = receive_uninit(socket, buffer.spare_capacity_mut(), ancillary, blocking)?;
    // SAFETY: the kernel has written so many bytes behind the end, within the capacity.
    unsafe { buffer.set_len(buffer.len() + count) };
    Ok(count)
}

/// The same into a buffer of fixed size, from its beginning.
pub(crate) fn receive_into(
    socket: BorrowedFd<'_>,
    buffer: &mut [u8],
    ancillary: &mut Ancillary,
    blocking: Blocking,
) -> io::Result<usize> {
    // SAFETY: initialized bytes may be seen as such that need not be, and the kernel, which alone
    // writes to them, writes whole bytes.
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
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let room = ancillary.control.room_for(ancillary.room);
    let mut iov = IoVec { base: buffer.as_mut_ptr().cast(), length: buffer.len() };
    let mut message = MsgHdr::new(&mut iov, room.as_mut_ptr(), room.len());
    // SAFETY: the kernel writes at most the given lengths into two live, exclusively borrowed
    // buffers, and the control buffer is aligned for a header.
    let result =
        unsafe { recvmsg(socket.as_raw_fd(), &mut message, MSG_CMSG_CLOEXEC | blocking as c_int) };
    // On failure the kernel did not update the control length, so nothing must be parsed.
    let bytes = usize::try_from(result).map_err(|_| io::Error::last_os_error())?;
    ancillary.is_truncated = message.flags & MSG_CTRUNC != 0;
    if message.control_length > 0 {
        // SAFETY: recvmsg succeeded and wrote so many bytes.
        unsafe { ancillary.take_files(message.control_length) };
    }
    Ok(bytes)
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

/// Whether calls on `file` do not wait (`O_NONBLOCK`).
pub(crate) fn is_non_blocking(file: BorrowedFd<'_>) -> io::Result<bool> {
    // SAFETY: F_GETFL touches no memory of ours.
    Ok(os_result(unsafe { fcntl(file.as_raw_fd(), F_GETFL) })? & O_NONBLOCK != 0)
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

/// Opens `path` without access to its contents (`O_PATH`), also if it is a socket. `flags` is 0 or
/// [`O_NOFOLLOW`]. std removes `O_PATH` on musl, whose `O_ACCMODE` contains it.
pub(crate) fn open_path(path: &Path, flags: c_int) -> io::Result<File> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    // SAFETY: the kernel reads the string, which ends with NUL, and makes the number.
    unsafe { owned(open(path.as_ptr(), flags | O_PATH | O_CLOEXEC)) }.map(File::from)
}

/// A fresh pipe, close-on-exec: the end to read from, then the end to write to (pipe(2)).
pub(crate) fn new_pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut ends = [-1; 2];
    // SAFETY: the kernel writes two integers into a live array of two.
    os_result(unsafe { pipe2(ends.as_mut_ptr(), O_CLOEXEC) })?;
    // SAFETY: pipe2 succeeded, so both numbers are new and known to nobody else.
    Ok(unsafe { (OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1])) })
}

/// Lets open descriptors be replaced by others. They may have owners in this process, so from here
/// on it can only become another program or end: dropping this ends it.
pub(crate) struct Replacing {
    status: c_int,
}

impl Replacing {
    /// `status` is the exit status of the process if it ends.
    ///
    /// # Errors
    /// There is another thread, which could use a descriptor that is being replaced.
    pub(crate) fn begin(status: c_int) -> io::Result<Replacing> {
        match fs::read_dir("/proc/self/task")?.count() {
            1 => Ok(Replacing { status }),
            _ => Err(io::Error::other("placed only while there is one thread")),
        }
    }

    /// Makes `target` a duplicate of `file` that an exec leaves open (dup2(2)).
    pub(crate) fn place(&self, file: BorrowedFd<'_>, target: RawFd) -> io::Result<()> {
        // SAFETY: dup2 touches no memory. It closes whatever `target` was. The owner of that, if
        // there is one, does not use it any more: this is the only thread, and it runs nothing but
        // our caller until `self` ends the process.
        os_result(unsafe { dup2(file.as_raw_fd(), target) }).map(drop)
    }

    /// Ends the process without its atexit(3) handlers, which might use what was replaced.
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
