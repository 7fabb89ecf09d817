//! What can be wrong with the files of a message.

use std::error::Error;
use std::fmt::{self, Display};
use std::io;

use super::property::{FileAccess, FileKind, Seal};

/// Why files were not taken out of a list: see [`Files::take`](crate::Files::take) and
/// [`FileCheck`](crate::FileCheck).
///
/// A method can return it as its error: the caller gets its text, and the connection goes on.
#[derive(Debug)]
#[non_exhaustive]
pub enum FileError {
    /// The list has another number of files.
    Count {
        /// The number of files that must come.
        expected: usize,
        /// The number of files that the list has, without those that were released.
        count: usize,
    },
    /// There is no file at an index. If `index` is less than `count`, it was released before.
    Missing {
        /// The index, from 0.
        index: usize,
        /// The length of the list, including files that were released.
        count: usize,
    },
    /// A file is of another kind.
    WrongKind {
        /// Its index in the list, from 0.
        index: usize,
        /// The kind that the check names.
        expected: FileKind,
        /// The kind of the file.
        found: FileKind,
    },
    /// A file is open for another access.
    WrongAccess {
        /// Its index in the list, from 0.
        index: usize,
        /// The access that the check names. `None` if any access but [`FileAccess::Neither`] will do.
        expected: Option<FileAccess>,
        /// The access of the file: one of the last four.
        found: FileAccess,
    },
    /// A file has a status flag that the check does not allow.
    UnwantedFlag {
        /// Its index in the list, from 0.
        index: usize,
        /// The flag's name in open(2).
        flag: &'static str,
    },
    /// A file in memory lacks a seal.
    MissingSeal {
        /// Its index in the list, from 0.
        index: usize,
        /// The first seal that is not set.
        seal: Seal,
    },
    /// A system call of the check failed, such as statx(2) under a seccomp filter.
    Io {
        /// The file's index in the list, from 0.
        index: usize,
        /// The system's error.
        source: io::Error,
    },
}

impl Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = |count: &usize| if *count == 1 { "" } else { "s" };
        match self {
            FileError::Count { expected, count } => {
                write!(f, "expected {expected} file{}, {count} came", plural(expected))
            }
            FileError::Missing { index, count } if index < count => {
                write!(f, "file {index} was released before")
            }
            FileError::Missing { index, count } => {
                write!(f, "file {index} is missing: {count} file{} came", plural(count))
            }
            FileError::WrongKind { index, expected, found } => {
                write!(f, "file {index}: expected {expected}, found {found}")
            }
            FileError::WrongAccess { index, expected: Some(expected), found } => {
                write!(f, "file {index}: expected {expected} access, found {found} access")
            }
            FileError::WrongAccess { index, expected: None, found } => {
                write!(f, "file {index}: expected read or write access, found {found} access")
            }
            FileError::UnwantedFlag { index, flag } => {
                write!(f, "file {index}: expected no {flag}, but it is set")
            }
            FileError::MissingSeal { index, seal } => {
                write!(f, "file {index}: expected the seal {seal}, but it is not set")
            }
            FileError::Io { index, source } => write!(f, "file {index}: cannot check it: {source}"),
        }
    }
}

/// The text contains the system's error, so there is no `source`.
impl Error for FileError {}
