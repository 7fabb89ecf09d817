//! The properties of a file that a [`FileCheck`](super::check::FileCheck) names.

use std::fmt::{self, Display};
use std::io;
use std::os::fd::BorrowedFd;

use crate::sys;

/// The kind of a file. Its [`Display`] is the name with an article: "a pipe".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileKind {
    /// A regular file, on a disk, on a network, or in memory. The files of `/proc` and `/sys` look
    /// like it, and so does a file on FUSE, whose reads may block.
    Regular,
    /// A memfd, or another regular file in memory (tmpfs, hugetlbfs). It can have seals, and a read
    /// waits for nobody. A file opened with `O_PATH` is never taken for one.
    Memory,
    /// A directory. It may lie on any file system, and be open with `O_PATH`:
    /// see [`FileAccess::Neither`].
    Directory,
    /// A pipe or a named pipe (FIFO).
    Pipe,
    /// A socket of any family.
    Socket,
    /// A socket of the family `AF_UNIX`, of any type.
    UnixSocket,
    /// A socket of the families `AF_INET` and `AF_INET6`, of any type.
    InternetSocket,
    /// A character device, such as a terminal or `/dev/null`.
    CharacterDevice,
    /// A block device, such as a disk.
    BlockDevice,
    /// A symbolic link, opened with `O_PATH` and `O_NOFOLLOW`.
    SymbolicLink,
    /// Another object of the kernel, such as an eventfd, a timerfd or an epoll instance.
    Anonymous,
}

impl FileKind {
    pub(super) fn of(file: BorrowedFd<'_>) -> io::Result<FileKind> {
        // The numbers of inode(7), the same on every architecture.
        Ok(match sys::file_type(file)? >> 12 {
            0o01 => FileKind::Pipe,
            0o02 => FileKind::CharacterDevice,
            0o04 => FileKind::Directory,
            0o06 => FileKind::BlockDevice,
            0o10 if sys::seals(file).is_ok() => FileKind::Memory,
            0o10 => FileKind::Regular,
            0o12 => FileKind::SymbolicLink,
            0o14 => match sys::socket_family(file) {
                Ok(sys::Family::Unix) => FileKind::UnixSocket,
                Ok(sys::Family::Internet) => FileKind::InternetSocket,
                // Such as a socket's name that was opened with O_PATH.
                _ => FileKind::Socket,
            },
            _ => FileKind::Anonymous,
        })
    }

    pub(super) fn includes(self, found: FileKind) -> bool {
        match self {
            FileKind::Regular => matches!(found, FileKind::Regular | FileKind::Memory),
            FileKind::Socket => {
                matches!(found, FileKind::Socket | FileKind::UnixSocket | FileKind::InternetSocket)
            }
            _ => self == found,
        }
    }
}

impl Display for FileKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FileKind::Regular => "a regular file",
            FileKind::Memory => "a file in memory",
            FileKind::Directory => "a directory",
            FileKind::Pipe => "a pipe",
            FileKind::Socket => "a socket",
            FileKind::UnixSocket => "a Unix socket",
            FileKind::InternetSocket => "an Internet socket",
            FileKind::CharacterDevice => "a character device",
            FileKind::BlockDevice => "a block device",
            FileKind::SymbolicLink => "a symbolic link",
            FileKind::Anonymous => "an anonymous file",
        })
    }
}

/// The access for which a file is open. Its [`Display`] is an adjective: "read-only".
///
/// It says what can be done with this descriptor. Others may have the same file open for more, the
/// sender too. A process that has the right to can open it again for more through `/proc/self/fd`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileAccess {
    /// It can be read, perhaps also written.
    Read,
    /// It can be written, perhaps also read.
    Write,
    /// It can be read, and not written.
    ReadOnly,
    /// It can be written, and not read.
    WriteOnly,
    /// It can be read and written. All sockets can.
    ReadWrite,
    /// It can be neither read nor written: it was opened with `O_PATH`.
    Neither,
}

impl FileAccess {
    /// The access by the flags of open(2).
    pub(super) fn of(flags: i32) -> FileAccess {
        match flags & 3 {
            _ if flags & sys::O_PATH != 0 => FileAccess::Neither,
            0 => FileAccess::ReadOnly,
            1 => FileAccess::WriteOnly,
            2 => FileAccess::ReadWrite,
            _ => FileAccess::Neither, // for ioctl(2) alone
        }
    }

    pub(super) fn includes(self, found: FileAccess) -> bool {
        match self {
            FileAccess::Read => matches!(found, FileAccess::ReadOnly | FileAccess::ReadWrite),
            FileAccess::Write => matches!(found, FileAccess::WriteOnly | FileAccess::ReadWrite),
            _ => self == found,
        }
    }
}

impl Display for FileAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FileAccess::Read => "read",
            FileAccess::Write => "write",
            FileAccess::ReadOnly => "read-only",
            FileAccess::WriteOnly => "write-only",
            FileAccess::ReadWrite => "read-write",
            FileAccess::Neither => "neither read nor write",
        })
    }
}

/// A seal of a file in memory: what nobody can do with it any more (`F_ADD_SEALS` of fcntl(2)). Its
/// [`Display`] is the name in fcntl(2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
#[non_exhaustive]
pub enum Seal {
    /// No more seals can be set. It keeps the sender from nothing else.
    Seal = 1,
    /// It cannot become shorter. Without this seal, reading a mapping of it may raise `SIGBUS`.
    Shrink = 2,
    /// It cannot become longer.
    Grow = 4,
    /// It cannot be written at all.
    Write = 8,
    /// It cannot be written except through mappings that exist.
    FutureWrite = 16,
    /// Its permission to be executed cannot be changed (Linux 6.3).
    Exec = 32,
}

impl Seal {
    pub(super) const ALL: [Seal; 6] =
        [Seal::Seal, Seal::Shrink, Seal::Grow, Seal::Write, Seal::FutureWrite, Seal::Exec];
}

impl Display for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Seal::Seal => "F_SEAL_SEAL",
            Seal::Shrink => "F_SEAL_SHRINK",
            Seal::Grow => "F_SEAL_GROW",
            Seal::Write => "F_SEAL_WRITE",
            Seal::FutureWrite => "F_SEAL_FUTURE_WRITE",
            Seal::Exec => "F_SEAL_EXEC",
        })
    }
}
