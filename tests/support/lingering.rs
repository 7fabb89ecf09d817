//! Files whose last close blocks: TCP sockets with `SO_LINGER` and data that the far end does not
//! read (tcp(7), socket(7)).

use std::fs;
use std::io::{ErrorKind, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use std::sync::RwLockReadGuard;
use std::thread;
use std::time::Instant;

use crate::available;
use crate::support::{PATIENCE, output_or_none, while_nothing_starts};

/// How long such a close blocks. A test that waits for one fails.
const LINGER_SECONDS: u32 = 60;

/// Makes such files. Sockets that a listener accepts have its options.
pub struct Lingering {
    listener: TcpListener,
    /// A process that another test starts meanwhile would close such a file before its exec.
    _nothing_starts: RwLockReadGuard<'static, ()>,
}

impl Lingering {
    /// `None`, and a line that says so, where perl is missing. std sets no `SO_LINGER`.
    pub fn new() -> Option<Lingering> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let script = format!(
            "use Socket; \
             setsockopt(STDIN, SOL_SOCKET, SO_LINGER, pack('ii', 1, {LINGER_SECONDS})) or die; \
             setsockopt(STDIN, SOL_SOCKET, SO_SNDBUF, 1 << 18) or die;"
        );
        let mut perl = Command::new("perl");
        perl.args(["-e", &script]).stdin(Stdio::from(OwnedFd::from(listener.try_clone().unwrap())));
        let worked = output_or_none(&mut perl).is_some_and(|output| output.status.success());
        let _nothing_starts = while_nothing_starts();
        available::or_skip("perl", worked).then_some(Lingering { listener, _nothing_starts })
    }

    /// One file, and the far end: once that is dropped a close of the file ends.
    pub fn file(&self) -> (OwnedFd, FarEnd) {
        let far = TcpStream::connect(self.listener.local_addr().unwrap()).unwrap();
        let (mut near, _) = self.listener.accept().unwrap();
        near.set_nonblocking(true).unwrap();
        let full = loop {
            match near.write(&[0; 4096]) {
                Ok(_) => {}
                Err(error) => break error,
            }
        };
        assert_eq!(full.kind(), ErrorKind::WouldBlock);
        (near.into(), FarEnd { far })
    }
}

/// The end that reads nothing.
pub struct FarEnd {
    far: TcpStream,
}

impl FarEnd {
    /// Waits until somebody closes the last copy of the file.
    pub fn wait_for_close(&self) {
        let deadline = Instant::now() + PATIENCE;
        while !self.is_closing() {
            assert!(Instant::now() < deadline, "nobody closes the file");
            thread::yield_now();
        }
    }

    /// Whether the near end is in the state FIN_WAIT1, 4 in `include/net/tcp_states.h` of Linux.
    pub fn is_closing(&self) -> bool {
        let hex = |address: SocketAddr| format!(":{:04X}", address.port());
        let near = hex(self.far.peer_addr().unwrap());
        let far = hex(self.far.local_addr().unwrap());
        let table = fs::read_to_string("/proc/net/tcp").unwrap();
        table.lines().any(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            fields[1].ends_with(&near) && fields[2].ends_with(&far) && fields[3] == "04"
        })
    }
}
