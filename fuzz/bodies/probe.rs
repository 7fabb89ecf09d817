//! A file whose every copy can be watched: the body of a session ends by making sure that none is
//! left.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;

use super::peer::FAR;

/// The file that is passed, and the other end, which reads the end of the stream once no copy of
/// it is open anywhere, in flight included.
#[derive(Debug)]
pub struct Probe {
    file: OwnedFd,
    watch: UnixStream,
    /// Which file it is, whatever its number.
    pub identity: u64,
}

impl Probe {
    pub fn new() -> Probe {
        let (watch, file) = UnixStream::pair().expect("a pair of sockets");
        watch.set_read_timeout(Some(FAR)).expect("a limit of time");
        let file = OwnedFd::from(file);
        let identity = identity(file.as_fd());
        Probe { file, watch, identity }
    }

    pub fn file(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    pub fn copy(&self) -> OwnedFd {
        self.file.try_clone().expect("a copy of a file")
    }

    /// Closes our own copy and fails if another stays open: what may block is closed on a thread of
    /// its own.
    pub fn check_closed(self) {
        drop(self.file);
        match (&self.watch).read(&mut [0]) {
            Ok(count) => assert_eq!(count, 0, "something was written to a file that was passed"),
            Err(error) => {
                assert_ne!(error.kind(), ErrorKind::WouldBlock, "a copy of a file is open")
            }
        }
    }
}

/// The inode.
pub fn identity(file: BorrowedFd<'_>) -> u64 {
    let file = File::from(file.try_clone_to_owned().expect("a copy of a file"));
    file.metadata().expect("what is known of a file").ino()
}
