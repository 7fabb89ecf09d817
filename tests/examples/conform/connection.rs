//! A connection to the peer that is checked, with a limit of time for everything.

use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use urpc::socket::{Interest, poll};
use urpc::{Files, Limits, MessageReader, Socket};

/// As many files as the kernel takes with one send. musl up to 1.2.3 takes one less.
pub const MOST_FILES: usize = if cfg!(target_env = "musl") { 252 } else { 253 };

pub struct Connection {
    socket: Socket,
    reader: MessageReader,
    limit: Duration,
}

/// What came from a peer.
pub enum Came {
    Message(Vec<u8>, Files),
    /// The end of the stream, also by a reset.
    End,
    /// Nothing within the time.
    Nothing,
    /// What is no message.
    Malformed(String),
}

impl Connection {
    pub fn new(socket: Socket, limit: Duration) -> Connection {
        let limits =
            Limits { receive_files: MOST_FILES, message_bytes: 64 << 20, ..Limits::default() };
        Connection { socket, reader: MessageReader::new(&limits), limit }
    }

    /// Sends all bytes, and the files with the first. A peer that has ended the connection is no
    /// error here: what it sent is read later.
    pub fn send(&self, bytes: &[u8], files: &[OwnedFd]) -> Result<(), String> {
        let until = Instant::now() + self.limit;
        let borrowed = files.iter().map(AsFd::as_fd).collect::<Vec<_>>();
        let mut sent = 0;
        while sent < bytes.len() {
            let files = if sent == 0 { &borrowed[..] } else { &[] };
            match self.socket.try_send(&bytes[sent..], files) {
                Ok(count) => sent += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    let left = until.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return Err(format!("the peer read {sent} of {} bytes", bytes.len()));
                    }
                    let mut interest = [Interest::writable(self.socket.as_fd())];
                    poll(&mut interest, Some(left)).map_err(|error| error.to_string())?;
                }
                Err(error) if is_end(error.kind()) => return Ok(()),
                Err(error) => return Err(format!("cannot send: {error}")),
            }
        }
        Ok(())
    }

    pub fn end_sending(&self) {
        let _ = self.socket.shutdown_send();
    }

    /// Waits for the next message, for `limit` at most.
    pub fn next(&mut self, limit: Duration) -> Came {
        let until = Instant::now() + limit;
        loop {
            match self.reader.next_message() {
                Ok(Some((text, files))) => return Came::Message(text.to_vec(), files),
                Ok(None) => {}
                Err(error) => return Came::Malformed(error.to_string()),
            }
            match self.reader.receive(&self.socket) {
                Ok(0) if self.reader.is_in_message() => {
                    return Came::Malformed("the end in the middle of a message".into());
                }
                Ok(0) => return Came::End,
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if !self.waits(until.saturating_duration_since(Instant::now())) {
                        return Came::Nothing;
                    }
                }
                Err(error) if is_end(error.kind()) => return Came::End,
                Err(error) => return Came::Malformed(error.to_string()),
            }
        }
    }

    /// Receives the first byte of a message alone. Returns how many files came with it.
    pub fn first_byte(&mut self) -> Result<usize, String> {
        if !self.waits(self.limit) {
            return Err("nothing came".into());
        }
        let mut byte = [0];
        let (count, files) =
            self.socket.receive(&mut byte, MOST_FILES).map_err(|error| error.to_string())?;
        let with_it = files.len();
        self.reader.push(&byte[..count], files).map_err(|error| error.to_string())?;
        Ok(with_it)
    }

    /// Whether something comes within `limit`.
    pub fn waits(&self, limit: Duration) -> bool {
        let mut interest = [Interest::readable(self.socket.as_fd())];
        poll(&mut interest, Some(limit)).unwrap_or(false)
    }

    pub fn limit(&self) -> Duration {
        self.limit
    }
}

fn is_end(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::BrokenPipe | ErrorKind::ConnectionReset)
}

/// A file to send, and the end that shows whether it is still open anywhere.
pub struct Probe {
    watched: UnixStream,
}

impl Probe {
    /// A file from which `content` can be read.
    pub fn new(content: &str) -> Result<(Probe, OwnedFd), String> {
        let made = UnixStream::pair().and_then(|(mut watched, sent)| {
            watched.write_all(content.as_bytes())?;
            watched.shutdown(Shutdown::Write)?;
            Ok((Probe { watched }, OwnedFd::from(sent)))
        });
        made.map_err(|error| format!("cannot make a file to send: {error}"))
    }

    /// Whether every copy of the file is closed within `limit`.
    pub fn is_closed(&mut self, limit: Duration) -> bool {
        let _ = self.watched.set_read_timeout(Some(limit.max(Duration::from_millis(1))));
        match self.watched.read(&mut [0]) {
            Ok(count) => count == 0,
            Err(error) => error.kind() == ErrorKind::ConnectionReset,
        }
    }
}
