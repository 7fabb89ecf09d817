//! The ABI of the kernel and of the libc: constants, layouts of structures, and functions.

use std::ffi::{c_char, c_int, c_long, c_uint, c_ushort, c_void};
use std::io;
use std::mem::{offset_of, size_of};
use std::ptr;

use crate::architecture::{LEGACY_SOCKOPTS, MIPS, SPARC, by_architecture};

// Linux's numbers: asm-generic/socket.h, and asm/socket.h where an architecture has its own.
pub(super) const POWERPC: bool = cfg!(any(target_arch = "powerpc", target_arch = "powerpc64"));
pub(super) const SO_TYPE: c_int = if LEGACY_SOCKOPTS { 0x1008 } else { 3 };
pub(super) const SO_PEERCRED: c_int = if POWERPC { 21 } else { by_architecture(17, 18, 0x40) };
pub(super) const SO_SNDBUF: c_int = if LEGACY_SOCKOPTS { 0x1001 } else { 7 };
pub(super) const SO_DOMAIN: c_int = if LEGACY_SOCKOPTS { 0x1029 } else { 39 };
pub(super) const SO_PEERPIDFD: c_int = if SPARC { 0x56 } else { 77 };
pub(super) const SO_PASSRIGHTS: c_int = if SPARC { 0x5c } else { 83 };
pub(super) const AF_UNIX: c_ushort = 1;
pub(super) const AF_INET: c_int = 2;
pub(super) const AF_INET6: c_int = 10;
pub(super) const SOCK_STREAM: c_int = if MIPS { 2 } else { 1 };
pub(super) const MSG_CTRUNC: c_int = 0x8;
pub(super) const MSG_PEEK: c_int = 0x2;
pub(super) const MSG_DONTWAIT: c_int = 0x40;
pub(super) const MSG_NOSIGNAL: c_int = 0x4000;
pub(super) const MSG_CMSG_CLOEXEC: c_int = 0x4000_0000;
pub(super) const F_GETFD: c_int = 1;
pub(super) const MAP_PRIVATE: c_int = 2;
/// mman.h of Linux. Of Rust's architectures, only mips has another value.
pub(super) const MAP_ANONYMOUS: c_int = if MIPS { 0x800 } else { 0x20 };
pub(super) const F_SETFD: c_int = 2;
pub(super) const F_GETFL: c_int = 3;
pub(super) const F_DUPFD_CLOEXEC: c_int = 1030;
pub(super) const F_GET_SEALS: c_int = 1034;
pub(super) const FD_CLOEXEC: c_int = 1;
pub(super) const O_CLOEXEC: c_int = if SPARC { 0x40_0000 } else { 0o200_0000 };
/// `O_PATH` of open(2).
pub(crate) const O_PATH: c_int = if SPARC { 0x100_0000 } else { 0o1000_0000 };
/// `O_NONBLOCK` of open(2), for std's `OpenOptions::custom_flags`.
pub(crate) const O_NONBLOCK: c_int = by_architecture(0o4000, 0x80, 0x4000);
/// `O_APPEND` of open(2).
pub(crate) const O_APPEND: c_int = if LEGACY_SOCKOPTS { 8 } else { 0o2000 };
/// `O_NOFOLLOW` of open(2), for the same use.
pub(crate) const O_NOFOLLOW: c_int = if FIRST_OF_FOUR { 0o10_0000 } else { 0o40_0000 };
/// Where Linux's fcntl.h has four flags in another order.
const FIRST_OF_FOUR: bool = cfg!(any(
    target_arch = "arm",
    target_arch = "aarch64",
    target_arch = "m68k",
    target_arch = "powerpc",
    target_arch = "powerpc64"
));

/// statx(2), which musl has as a function only since 1.2.5: asm/unistd.h of Linux.
pub(super) const SYS_STATX: c_long = if SPARC {
    360
} else if cfg!(any(target_arch = "mips", target_arch = "mips32r6")) {
    4366
} else if MIPS {
    if SHORT { 6330 } else { 5326 }
} else if cfg!(target_arch = "x86_64") {
    if SHORT { 0x4000_014c } else { 332 }
} else if cfg!(any(target_arch = "x86", target_arch = "powerpc", target_arch = "powerpc64")) {
    383
} else if cfg!(target_arch = "arm") {
    397
} else if cfg!(any(target_arch = "s390x", target_arch = "m68k")) {
    379
} else {
    291 // the generic number, of aarch64, riscv, loongarch and others
};
/// Whether addresses have 32 bits: x32 and n32, where the architecture has 64.
const SHORT: bool = cfg!(target_pointer_width = "32");
/// `AT_STATX_DONT_SYNC`, 0x4000, and `AT_EMPTY_PATH`, 0x1000.
pub(super) const STATX_FLAGS: c_long = 0x5000;
pub(super) const STATX_TYPE: c_long = 1;

/// `struct statx` of statx(2), of which only the mode is used.
#[repr(C, align(8))]
pub(super) struct Statx {
    pub(super) before: [u32; 7],
    pub(super) mode: u16,
    pub(super) after: [u16; 113],
}

/// `struct iovec` of readv(2).
#[repr(C)]
pub(super) struct IoVec {
    pub(super) base: *mut c_void,
    pub(super) length: usize,
}

/// `struct msghdr` of recvmsg(2), as in the kernel and in glibc. musl declares 32-bit lengths with
/// padding. In either byte order that is the same memory if the padding is zero and the lengths are
/// small.
#[repr(C)]
pub(super) struct MsgHdr {
    pub(super) name: *mut c_void,
    pub(super) name_length: c_uint,
    pub(super) iov: *mut IoVec,
    pub(super) iov_length: usize,
    pub(super) control: *mut c_void,
    pub(super) control_length: usize,
    pub(super) flags: c_int,
}

/// `struct sockaddr_un` of unix(7), and how many bytes of it are used.
#[repr(C)]
pub(crate) struct SocketName {
    pub(super) family: c_ushort,
    pub(super) path: [u8; 108],
    pub(super) length: c_uint,
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
    assert!(offset_of!(SocketName, path) == 2);
    assert!(size_of::<Credentials>() == 12);
    assert!(size_of::<Statx>() == 256 && offset_of!(Statx, mode) == 28);
};

impl MsgHdr {
    pub(super) fn new(iov: &mut [IoVec], control: *mut u8, control_length: usize) -> MsgHdr {
        let (name, name_length, control) = (ptr::null_mut(), 0, control.cast());
        let (iov, iov_length) = (iov.as_mut_ptr(), iov.len());
        MsgHdr { name, name_length, iov, iov_length, control, control_length, flags: 0 }
    }
}

/// The credentials of the process that connected or listens (`SO_PEERCRED`, unix(7)).
///
/// They were recorded at that time. The process may have ended since, its process id may belong to
/// another process, and another process may have the socket. Decide by `uid` and `gid`, and only
/// show `pid`.
///
/// In a user namespace these are the ids inside the namespace. All users that it does not map read
/// as the overflow id, by default 65534, perhaps also root outside. So do not admit 65534 there.
///
/// gVisor returns the caller's own ids instead of the peer's. A check on them admits everybody or
/// nobody there.
///
/// ```
/// use urpc::Socket;
///
/// let (ours, _theirs) = Socket::pair()?;
/// assert_eq!(ours.peer_credentials()?.pid, std::process::id());
/// # Ok::<(), std::io::Error>(())
/// ```
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

/// The libc's `off_t`. musl's has 64 bits on every architecture.
#[cfg(target_env = "musl")]
pub(super) type Offset = i64;
#[cfg(not(target_env = "musl"))]
pub(super) type Offset = c_long;

unsafe extern "C" {
    pub fn socket(domain: c_int, kind: c_int, protocol: c_int) -> c_int;
    pub fn bind(socket: c_int, name: *const SocketName, length: c_uint) -> c_int;
    pub fn listen(socket: c_int, backlog: c_int) -> c_int;
    pub fn flock(fd: c_int, operation: c_int) -> c_int;
    pub fn sendmsg(socket: c_int, message: *const MsgHdr, flags: c_int) -> isize;
    pub fn recvmsg(socket: c_int, message: *mut MsgHdr, flags: c_int) -> isize;
    pub fn send(socket: c_int, bytes: *const c_void, length: usize, flags: c_int) -> isize;
    pub fn mmap(
        address: *mut c_void,
        length: usize,
        protection: c_int,
        flags: c_int,
        file: c_int,
        offset: Offset,
    ) -> *mut c_void;
    pub fn munmap(address: *mut c_void, length: usize) -> c_int;
    pub fn getsockopt(s: c_int, at: c_int, name: c_int, to: *mut c_void, len: *mut c_uint)
    -> c_int;
    pub fn setsockopt(s: c_int, at: c_int, name: c_int, to: *const c_void, len: c_uint) -> c_int;
    pub fn fcntl(fd: c_int, command: c_int, ...) -> c_int;
    pub fn syscall(number: c_long, ...) -> c_long;
    pub fn open(path: *const c_char, flags: c_int, ...) -> c_int;
    pub fn pipe2(ends: *mut c_int, flags: c_int) -> c_int;
    pub fn dup2(from: c_int, to: c_int) -> c_int;
    pub fn _exit(status: c_int) -> !;
}

/// The result of a call that returns a negative number if it fails.
pub(super) fn os_result(result: c_int) -> io::Result<c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}
