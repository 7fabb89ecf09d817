//! Files whose last close a test can see, and the identity of a file. It uses only std, because the
//! unit tests of `src/` and the fuzz targets include it too.

#![allow(dead_code)] // each program uses its own part

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// How long the last copy of a file may stay open, on a slow and busy machine.
const LIMIT: Duration = Duration::from_secs(100);

/// The peer of a file. It reads the end of the stream once no copy of the file is open anywhere,
/// also not in flight.
#[derive(Debug)]
pub struct Probe {
    watch: UnixStream,
}

impl Probe {
    /// The file to pass, and the probe on it.
    pub fn new() -> (OwnedFd, Probe) {
        let (watch, file) = UnixStream::pair().expect("a pair of sockets");
        watch.set_nonblocking(true).expect("a socket that does not block");
        (file.into(), Probe { watch })
    }

    /// Whether no copy of the file is open.
    pub fn is_closed(&self) -> bool {
        match (&self.watch).read(&mut [0]) {
            Ok(count) => count == 0,
            Err(error) => error.kind() != ErrorKind::WouldBlock,
        }
    }

    /// Waits until no copy is open. Panics if that takes too long.
    pub fn wait_closed(&self) {
        self.wait_closed_within(LIMIT);
    }

    /// As [`Probe::wait_closed`], with another limit.
    pub fn wait_closed_within(&self, limit: Duration) {
        self.watch.set_nonblocking(false).expect("a socket that blocks");
        self.watch.set_read_timeout(Some(limit)).expect("a limit of time");
        match (&self.watch).read(&mut [0]) {
            Ok(count) => assert_eq!(count, 0, "something was written to a file that was passed"),
            Err(error) => assert_ne!(error.kind(), ErrorKind::WouldBlock, "a copy of it is open"),
        }
    }
}

/// The device and the inode of a file. All its descriptors have the same.
pub fn identity(file: impl AsFd) -> (u64, u64) {
    let file = File::from(file.as_fd().try_clone_to_owned().expect("a copy of a file"));
    let found = file.metadata().expect("what is known of a file");
    (found.dev(), found.ino())
}
