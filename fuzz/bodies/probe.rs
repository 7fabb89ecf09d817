//! The file that a session passes, and its probe. The body of a session ends with a check that no
//! copy of the file is left.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::peer::FAR;
use super::watched;

#[derive(Debug)]
pub struct Probe {
    file: OwnedFd,
    watch: watched::Probe,
    /// The identity of the file, whatever its number.
    pub identity: u64,
}

impl Probe {
    pub fn new() -> Probe {
        let (file, watch) = watched::Probe::new();
        let identity = identity(file.as_fd());
        Probe { file, watch, identity }
    }

    pub fn file(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    pub fn copy(&self) -> OwnedFd {
        self.file.try_clone().expect("a copy of a file")
    }

    /// Closes our own copy and checks that no other stays open. A close that may block runs on a
    /// thread of its own, so this waits.
    pub fn check_closed(self) {
        drop(self.file);
        self.watch.wait_closed_within(FAR);
    }
}

/// The inode.
pub fn identity(file: BorrowedFd<'_>) -> u64 {
    watched::identity(file).1
}
