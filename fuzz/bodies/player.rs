//! Plays a script on one end of a connection and keeps what was received.

use std::io::ErrorKind;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use urpc::Socket;

use super::probe::{Probe, identity};
use super::script::{self, Step};
use super::stream::Stream;

/// The side of a connection that a script describes.
#[derive(Default)]
pub struct Player {
    steps: std::vec::IntoIter<Step>,
    /// Whether it takes each message as it comes. If not, it takes all at the end.
    pub drains: bool,
    socket: Option<Socket>,
    /// Stops the other side. It is used once.
    stop: Option<Box<dyn FnOnce() + Send>>,
    /// What it sent.
    pub sent: Stream,
    probes: Vec<Probe>,
    /// The number of calls that ended.
    pub ended: usize,
    /// What it received, and which files came with which message. This is only known if it takes
    /// each message as it comes.
    pub received: Stream,
    files: Option<Vec<(usize, u64)>>,
    has_closed: bool,
    has_half_closed: bool,
    has_stopped: bool,
    is_reset: bool,
}

/// Two connected sockets. The first does not block.
pub fn pair() -> (Socket, Socket) {
    let (ours, theirs) = UnixStream::pair().expect("a pair of sockets");
    ours.set_nonblocking(true).expect("a socket that does not block");
    (ours.into(), theirs.into())
}

impl Player {
    pub fn new(script: &[u8], drains: bool) -> Player {
        let steps = script::parse(script).into_iter();
        Player { steps, drains, files: drains.then(Vec::new), ..Player::default() }
    }

    /// Plays to the first wait that has something to wait for. `stop` stops the other side.
    pub fn begin(&mut self, socket: Socket, stop: impl FnOnce() + Send + 'static) {
        self.socket = Some(socket);
        self.stop = Some(Box::new(stop));
        self.play();
    }

    /// Called after each call. It continues when all complete messages were handled.
    pub fn call_ended(&mut self) {
        if self.drains {
            self.drain();
        }
        self.sent.note_read(self.ended);
        self.ended += 1;
        if self.ended >= self.sent.len() {
            self.play();
        }
    }

    /// Takes what is left, ends, and releases the other side.
    pub fn finish(&mut self) {
        self.drain();
        self.socket = None;
        self.stop = None;
    }

    /// The identities of the files that came with a message.
    pub fn files(&self, message: usize) -> Option<Vec<u64>> {
        let files = self.files.as_ref()?.iter();
        Some(files.filter(|(with, _)| *with == message).map(|(_, file)| *file).collect())
    }

    pub fn has_closed(&self) -> bool {
        self.has_closed
    }

    /// Whether it can send nothing more.
    pub fn has_ended(&self) -> bool {
        self.has_half_closed || self.has_closed
    }

    pub fn has_stopped(&self) -> bool {
        self.has_stopped
    }

    pub fn into_probes(self) -> Vec<Probe> {
        self.probes
    }

    fn play(&mut self) {
        while let Some(step) = self.steps.next() {
            match step {
                Step::Send { bytes, files } => self.send(&bytes, files),
                Step::Wait if self.ended < self.sent.len() => return,
                Step::Wait => {}
                Step::HalfClose => self.half_close(),
                Step::Close => {
                    self.has_closed = true;
                    self.socket = None;
                }
                Step::Stop => self.stop(),
            }
        }
    }

    /// A send that fails sends nothing: the other side has ended, or its buffer is full.
    fn send(&mut self, bytes: &[u8], count: usize) {
        let Some(socket) = &self.socket else { return };
        let probe = (count > 0).then(Probe::new);
        let file: Option<BorrowedFd<'_>> = probe.as_ref().map(Probe::file);
        let files: Vec<_> = file.into_iter().cycle().take(count).collect();
        if let Ok(sent) = socket.try_send(bytes, &files) {
            let identity = probe.as_ref().map_or(0, |probe| probe.identity);
            self.sent.send(&bytes[..sent], count, identity);
        }
        self.probes.extend(probe);
    }

    fn half_close(&mut self) {
        if let Some(socket) = &self.socket {
            self.has_half_closed = true;
            // It fails only if the other side has ended.
            let _ = socket.shutdown_send();
        }
    }

    fn stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            self.has_stopped = true;
            stop();
        }
    }

    /// Takes what was sent back so far.
    fn drain(&mut self) {
        let Some(socket) = self.socket.as_ref().filter(|_| !self.is_reset) else { return };
        let mut buffer = [0; 4096];
        loop {
            match socket.try_receive(&mut buffer, 253) {
                Ok((0, _)) => return,
                Ok((count, files)) => {
                    self.received.send(&buffer[..count], 0, 0);
                    let came = files.iter().map(|file| (self.ended, identity(file.as_fd())));
                    if let Some(known) = &mut self.files {
                        known.extend(came);
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == ErrorKind::ConnectionReset => {
                    self.is_reset = true;
                    return;
                }
                Err(error) => panic!("{error}"),
            }
        }
    }
}
