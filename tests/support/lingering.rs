//! Files whose last close blocks: TCP sockets with `SO_LINGER` and data that the other end does not
//! read (tcp(7), socket(7)).

#![allow(dead_code)] // each test program uses its own part

use std::fs;
use std::io::{ErrorKind, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use std::sync::RwLockReadGuard;
use std::thread;
use std::time::Instant;

use crate::support::{TIMEOUT, available, output_with_input, while_nothing_starts};

/// Makes such files. An accepted socket inherits the listener's options.
pub struct LingeringFiles {
    listener: TcpListener,
}

impl LingeringFiles {
    /// Closing such a file blocks for `seconds`. `None`, with a message, if perl is missing (std
    /// cannot set `SO_LINGER`) or few files may be open.
    pub fn new(seconds: u32) -> Option<LingeringFiles> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let script = format!(
            "use Socket; \
             setsockopt(STDIN, SOL_SOCKET, SO_LINGER, pack('ii', 1, {seconds})) or die; \
             setsockopt(STDIN, SOL_SOCKET, SO_SNDBUF, 1 << 18) or die;"
        );
        let mut perl = Command::new("perl");
        perl.args(["-e", &script]).stdin(Stdio::from(OwnedFd::from(listener.try_clone().unwrap())));
        if !available::many_files() || !available::or_skip("perl", available::program("perl")) {
            return None;
        }
        let output = output_with_input(&mut perl).unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Some(LingeringFiles { listener })
    }

    /// One file and its other end. When the other end is dropped, a close of the file returns.
    pub fn file(&self) -> (OwnedFd, PeerEnd) {
        let peer_end = TcpStream::connect(self.listener.local_addr().unwrap()).unwrap();
        let (mut end, _) = self.listener.accept().unwrap();
        end.set_nonblocking(true).unwrap();
        let full = std::iter::repeat_with(|| end.write(&[0; 4096])).find_map(Result::err);
        assert_eq!(full.map(|error| error.kind()), Some(ErrorKind::WouldBlock));
        (end.into(), PeerEnd { peer_end })
    }
}

/// The same for tests. It also keeps other tests from starting processes in the meantime: such a
/// process would close its copy of a file before its exec.
pub struct Lingering {
    files: LingeringFiles,
    _nothing_starts: RwLockReadGuard<'static, ()>,
}

impl Lingering {
    /// A close blocks for a minute, so a test that waits for it fails.
    pub fn new() -> Option<Lingering> {
        let files = LingeringFiles::new(60)?;
        Some(Lingering { files, _nothing_starts: while_nothing_starts() })
    }

    /// See [`LingeringFiles::file`].
    pub fn file(&self) -> (OwnedFd, PeerEnd) {
        self.files.file()
    }
}

/// The other end of a lingering file, which reads nothing.
pub struct PeerEnd {
    peer_end: TcpStream,
}

impl PeerEnd {
    /// Waits until the last copy of the file is being closed.
    pub fn wait_for_close(&self) {
        let deadline = Instant::now() + TIMEOUT;
        while !self.is_closing() {
            assert!(Instant::now() < deadline, "nobody closes the file");
            thread::yield_now();
        }
    }

    /// Whether the file's end is in the state FIN_WAIT1, 4 in `include/net/tcp_states.h` of Linux.
    pub fn is_closing(&self) -> bool {
        let hex = |address: SocketAddr| format!(":{:04X}", address.port());
        let end = hex(self.peer_end.peer_addr().unwrap());
        let peer_end = hex(self.peer_end.local_addr().unwrap());
        let table = fs::read_to_string("/proc/net/tcp").unwrap();
        table.lines().any(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            fields[1].ends_with(&end) && fields[2].ends_with(&peer_end) && fields[3] == "04"
        })
    }
}
