//! What the tests share: probes for leaks and identity, and raw peers.

#![allow(dead_code)] // each test program uses its own part

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use urpc::{Client, Server, Socket};

/// A file whose every copy can be watched: reading the other end gives the end of the stream once
/// no copy is open anywhere, in flight included.
pub struct Probe {
    watch: UnixStream,
}

impl Probe {
    /// The file to pass, and the probe on it.
    pub fn new() -> (OwnedFd, Probe) {
        let (watch, file) = UnixStream::pair().unwrap();
        watch.set_nonblocking(true).unwrap();
        (file.into(), Probe { watch })
    }

    /// Whether no copy of the file is left.
    pub fn is_closed(&self) -> bool {
        match (&self.watch).read(&mut [0]) {
            Ok(count) => count == 0,
            Err(error) => error.kind() != std::io::ErrorKind::WouldBlock,
        }
    }

    /// Waits until no copy is left; fails if that takes ten seconds.
    pub fn wait_closed(&self) {
        self.watch.set_nonblocking(false).unwrap();
        self.watch.set_read_timeout(Some(std::time::Duration::from_secs(10))).unwrap();
        assert_eq!((&self.watch).read(&mut [0]).expect("a copy of the file is open"), 0);
    }
}

/// Device and inode: what a file is, whatever its number.
pub fn identity(file: impl AsFd) -> (u64, u64) {
    let file = File::from(file.as_fd().try_clone_to_owned().unwrap());
    let found = file.metadata().unwrap();
    (found.dev(), found.ino())
}

/// A directory of this test's own, removed with all that is in it.
pub struct Scratch(pub PathBuf);

impl Scratch {
    pub fn new(name: &str) -> Scratch {
        let path = std::env::temp_dir().join(format!("urpc-{name}-{}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        Scratch(path)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A client of `server`, over a socket pair.
pub fn client_of(server: &Server) -> Client {
    Client::new(connect(server))
}

/// The raw end of a connection to `server`.
pub fn connect(server: &Server) -> Socket {
    let (ours, theirs) = Socket::pair().unwrap();
    server.start_handling(theirs).unwrap();
    ours
}

/// Sends `bytes` with `files` on the first of them.
pub fn send(socket: &Socket, bytes: &[u8], files: &[BorrowedFd<'_>]) {
    let mut sent = socket.send(bytes, files).unwrap();
    while sent < bytes.len() {
        sent += socket.send(&bytes[sent..], &[]).unwrap();
    }
}

/// Reads until the end of the stream, a reset counting as one.
pub fn read_to_end(socket: &Socket) -> (Vec<u8>, Vec<OwnedFd>) {
    let (mut bytes, mut files, mut buffer) = (Vec::new(), Vec::new(), [0; 4096]);
    loop {
        match socket.receive(&mut buffer, 253) {
            Ok((0, _)) => return (bytes, files),
            Ok((count, mut more)) => {
                bytes.extend_from_slice(&buffer[..count]);
                files.extend(more.release_all());
            }
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => {
                return (bytes, files);
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// Reads exactly one message: up to the end of its object.
pub fn read_message(socket: &Socket) -> (String, Vec<OwnedFd>) {
    let mut tokenizer = urpc::json::Tokenizer::new();
    let (mut bytes, mut files) = (Vec::new(), Vec::new());
    loop {
        let mut byte = [0];
        let (count, mut more) = socket.receive(&mut byte, 253).unwrap();
        assert_eq!(count, 1, "the peer ended behind {:?}", String::from_utf8_lossy(&bytes));
        bytes.push(byte[0]);
        files.extend(more.release_all());
        let token = tokenizer.next(&mut &byte[..]).unwrap();
        if token.is_some() && tokenizer.is_between_values() {
            return (String::from_utf8(bytes).unwrap(), files);
        }
    }
}
