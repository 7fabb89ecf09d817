//! What the kernel knows of an open file. No call here waits for the file.

use std::ffi::{c_int, c_long};
use std::io;
#[cfg(test)]
use std::os::fd::OwnedFd;
use std::os::fd::{AsRawFd, BorrowedFd};

use super::abi::*;
use super::option;
#[cfg(test)]
use super::owned;

/// Whether calls on `file` do not wait (`O_NONBLOCK`).
pub(crate) fn is_non_blocking(file: BorrowedFd<'_>) -> io::Result<bool> {
    Ok(status_flags(file)? & O_NONBLOCK != 0)
}

/// The access mode and the status flags of `file`, as in open(2).
pub(crate) fn status_flags(file: BorrowedFd<'_>) -> io::Result<c_int> {
    // SAFETY: F_GETFL accesses no memory.
    os_result(unsafe { fcntl(file.as_raw_fd(), F_GETFL) })
}

/// The seals of a regular file in memory, as in fcntl(2). Any other file is an error.
pub(crate) fn seals(file: BorrowedFd<'_>) -> io::Result<u8> {
    // SAFETY: F_GET_SEALS accesses no memory.
    Ok(os_result(unsafe { fcntl(file.as_raw_fd(), F_GET_SEALS) })? as u8)
}

/// The families of sockets that are told apart.
pub(crate) enum Family {
    Unix,
    Internet,
    Other,
}

/// The family of a socket. Any other file is an error.
pub(crate) fn socket_family(socket: BorrowedFd<'_>) -> io::Result<Family> {
    const UNIX: c_int = AF_UNIX as c_int;
    Ok(match option(socket, SO_DOMAIN, -1)? {
        UNIX => Family::Unix,
        AF_INET | AF_INET6 => Family::Internet,
        _ => Family::Other,
    })
}

/// The mode of `file` as in inode(7), of which only the type may be used. The kernel answers from
/// its memory, and asks neither a FUSE daemon nor a network.
pub(crate) fn file_type(file: BorrowedFd<'_>) -> io::Result<u16> {
    let mut found = Statx { before: [0; 7], mode: 0, after: [0; 113] };
    let file: c_long = file.as_raw_fd().into();
    let (path, to): (_, *mut Statx) = (c"".as_ptr(), &mut found);
    // SAFETY: all arguments have the size of a register. The kernel reads an empty string that ends
    // with NUL, and writes 256 bytes, the size of `struct statx`, to a live variable of integers.
    let result = unsafe { syscall(SYS_STATX, file, path, STATX_FLAGS, STATX_TYPE, to) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(found.mode) }
}

/// Makes a memfd with these seals (memfd_create(2)).
#[cfg(test)]
pub(crate) fn new_memory_file(seals: u8) -> io::Result<OwnedFd> {
    use std::ffi::{c_char, c_uint};

    unsafe extern "C" {
        fn memfd_create(name: *const c_char, flags: c_uint) -> c_int;
    }
    const MFD_CLOEXEC_AND_ALLOW_SEALING: c_uint = 1 | 2;
    const F_ADD_SEALS: c_int = 1033;
    // SAFETY: the kernel reads a live string that ends with NUL, and the number is new.
    let file = unsafe { owned(memfd_create(c"urpc".as_ptr(), MFD_CLOEXEC_AND_ALLOW_SEALING))? };
    // SAFETY: F_ADD_SEALS takes an integer and accesses no memory.
    os_result(unsafe { fcntl(file.as_raw_fd(), F_ADD_SEALS, c_int::from(seals)) })?;
    Ok(file)
}
