//! A file for which a test can see that its last copy is closed, and the identity of a file. It
//! uses only std, because the unit tests of `src/` and the fuzz targets include it too.

#![allow(dead_code)] // each program uses its own part

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// The time limit for the last copy to be closed, on a slow and busy machine.
const LIMIT: Duration = Duration::from_secs(100);

/// The peer of a file. It reads the end of the stream when no copy of the file is open or in
/// flight.
#[derive(Debug)]
pub struct Probe {
    watch: UnixStream,
}

impl Probe {
    /// A file to pass, and its probe.
    pub fn new() -> (OwnedFd, Probe) {
        let (watch, file) = UnixStream::pair().expect("a pair of sockets");
        watch.set_nonblocking(true).expect("a socket that does not block");
        (file.into(), Probe { watch })
    }

    /// Whether all copies of the file are closed.
    pub fn is_closed(&self) -> bool {
        match (&self.watch).read(&mut [0]) {
            Ok(count) => count == 0,
            Err(error) => error.kind() != ErrorKind::WouldBlock,
        }
    }

    /// Waits until all copies are closed. Panics if that takes too long.
    pub fn wait_closed(&self) {
        self.wait_closed_within(LIMIT);
    }

    /// Like [`Probe::wait_closed`] with another limit.
    pub fn wait_closed_within(&self, limit: Duration) {
        self.watch.set_nonblocking(false).expect("a socket that blocks");
        self.watch.set_read_timeout(Some(limit)).expect("a limit of time");
        match (&self.watch).read(&mut [0]) {
            Ok(count) => assert_eq!(count, 0, "something was written to the file"),
            Err(error) => {
                assert_ne!(error.kind(), ErrorKind::WouldBlock, "a copy of the file is open")
            }
        }
    }
}

/// The device and inode of a file. They are the same for all its descriptors.
pub fn identity(file: impl AsFd) -> (u64, u64) {
    let file = File::from(file.as_fd().try_clone_to_owned().expect("a copy of a file"));
    let found = file.metadata().expect("a file's metadata");
    (found.dev(), found.ino())
}
