//! The baseline: a bare exchange of the same bytes and files, with the crate's own system calls.

use std::io::{ErrorKind, Read, Write};
use std::os::fd::BorrowedFd;
use std::os::unix::net::UnixStream;

use urpc::Socket;

/// How the baseline waits and by which calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Blocking sendmsg(2) and recvmsg(2).
    Messages = 0,
    /// Blocking read(2) and write(2).
    Plain = 1,
    /// recvmsg(2) again and again until something arrives.
    Spinning = 2,
}

/// One side of the exchange.
pub struct Baseline {
    kind: Kind,
    stream: UnixStream,
    socket: Socket,
    out: Vec<u8>,
    buffer: Vec<u8>,
}

const HEADER: usize = 24;

impl Baseline {
    /// The side that begins. It sends the other side the sizes of the messages.
    pub fn begin(mut stream: UnixStream, kind: Kind, there: usize, back: usize) -> Baseline {
        let figures = [kind as u64, there as u64, back as u64];
        stream.write_all(&figures.map(u64::to_le_bytes).concat()).unwrap();
        Baseline::new(stream, kind, there, back)
    }

    /// Answers until the other side has ended.
    pub fn answer(mut stream: UnixStream) {
        let mut header = [0; HEADER];
        if stream.read_exact(&mut header).is_err() {
            return;
        }
        let figure = |at: usize| {
            let bytes = header[8 * at..].first_chunk().expect("the header has three figures");
            u64::from_le_bytes(*bytes) as usize
        };
        let kind = match figure(0) {
            0 => Kind::Messages,
            1 => Kind::Plain,
            _ => Kind::Spinning,
        };
        let mut baseline = Baseline::new(stream, kind, figure(2), figure(1));
        while baseline.receive() {
            baseline.send(&[]);
        }
    }

    fn new(stream: UnixStream, kind: Kind, sent: usize, received: usize) -> Baseline {
        stream.set_nonblocking(kind == Kind::Spinning).unwrap();
        let socket = Socket::from(stream.try_clone().unwrap());
        Baseline { kind, stream, socket, out: vec![b'x'; sent], buffer: vec![0; received] }
    }

    /// One message there and one back. The files go there, and the other side closes them.
    pub fn round_trip(&mut self, files: &[BorrowedFd<'_>]) {
        self.send(files);
        assert!(self.receive(), "the other side is there");
    }

    fn send(&mut self, files: &[BorrowedFd<'_>]) {
        let mut sent = 0;
        while sent < self.out.len() {
            let rest = &self.out[sent..];
            let count = match self.kind {
                Kind::Plain => (&self.stream).write(rest),
                _ => self.socket.send(rest, if sent == 0 { files } else { &[] }),
            };
            match count {
                Ok(count) => sent += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                // The side that begins has ended, and with it this process's work.
                Err(_) => return,
            }
        }
    }

    /// Receives one message. `false` if the other side has ended.
    fn receive(&mut self) -> bool {
        let mut received = 0;
        while received < self.buffer.len() {
            let room = &mut self.buffer[received..];
            let count = match self.kind {
                Kind::Plain => (&self.stream).read(room),
                _ => self.socket.receive(room, 253).map(|(count, _files)| count),
            };
            match count {
                Ok(0) => return false,
                Ok(count) => received += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => return false,
            }
        }
        true
    }
}
