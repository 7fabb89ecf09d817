//! A fake of the system calls of a connection and for the clock.
//!
//! What it is given to send it keeps, as short and as often interrupted as its script says. What it
//! gives to receive follows the kernel's rule for a stream with files (see `read_buffer`), cut into
//! reads as small as a test likes. Nothing waits: time passes where the script says so.

use std::cell::{RefCell, RefMut};
use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::mem;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::connection::transport::{Direction, Transport};
use crate::control::{self, Rights};
use crate::sys::{Ancillary, Blocking};

#[derive(Clone)]
pub(super) struct FakeTransport {
    start: Instant,
    state: Rc<RefCell<State>>,
}

#[derive(Default)]
pub(super) struct State {
    /// How the next sends end; behind these each takes all that it is given.
    pub(super) sends: VecDeque<io::Result<usize>>,
    pub(super) sent: Vec<u8>,
    /// For each send how many bytes had gone before it, and how many files it had beside it.
    pub(super) offered: Vec<(usize, usize)>,
    /// What the peer does; behind that the stream is at its end.
    pub(super) incoming: VecDeque<Incoming>,
    /// The most that a receive brings.
    pub(super) read_size: usize,
    /// The time that each receive takes.
    pub(super) read_time: Duration,
    /// Each receive that was made.
    pub(super) receives: Vec<Blocking>,
    /// How the next waits end, and the time that each takes; behind these none has to wait.
    pub(super) waits: VecDeque<(Duration, io::Result<bool>)>,
    /// Each wait that was made, with its limit.
    pub(super) waited: Vec<(Direction, Option<Duration>)>,
    pub(super) is_shut_down: bool,
    /// The time of the clock.
    pub(super) time: Duration,
}

pub(super) enum Incoming {
    Send { bytes: Vec<u8>, files: Vec<OwnedFd>, truncated: bool },
    Fails(ErrorKind),
}

/// One send of the peer's.
pub(super) fn send(bytes: impl AsRef<[u8]>, files: Vec<OwnedFd>) -> Incoming {
    Incoming::Send { bytes: bytes.as_ref().to_vec(), files, truncated: false }
}

/// A send some of whose files the kernel cannot deliver.
pub(super) fn truncated(bytes: impl AsRef<[u8]>, files: Vec<OwnedFd>) -> Incoming {
    Incoming::Send { bytes: bytes.as_ref().to_vec(), files, truncated: true }
}

/// One that sends what it is told to as `sends` say.
pub(super) fn sending(sends: impl IntoIterator<Item = io::Result<usize>>) -> FakeTransport {
    let fake = receiving([]);
    fake.state().sends.extend(sends);
    fake
}

/// One that receives `incoming`.
pub(super) fn receiving(incoming: impl IntoIterator<Item = Incoming>) -> FakeTransport {
    let incoming = incoming.into_iter().collect();
    let state = State { incoming, read_size: usize::MAX, ..State::default() };
    FakeTransport { start: Instant::now(), state: Rc::new(RefCell::new(state)) }
}

pub(super) fn fails(kind: ErrorKind) -> io::Result<usize> {
    Err(kind.into())
}

impl FakeTransport {
    pub(super) fn state(&self) -> RefMut<'_, State> {
        self.state.borrow_mut()
    }
}

impl Transport for FakeTransport {
    fn send(&self, bytes: &[u8], files: Option<&Rights<'_>>) -> io::Result<usize> {
        let mut state = self.state();
        let count = files.map_or(0, |files| control::walk(files.bytes()).count());
        let before = state.sent.len();
        state.offered.push((before, count));
        let taken = state.sends.pop_front().unwrap_or(Ok(bytes.len()))?;
        state.sent.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn receive(
        &self,
        buffer: &mut Vec<u8>,
        ancillary: &mut Ancillary,
        blocking: Blocking,
    ) -> io::Result<usize> {
        assert!(buffer.len() < buffer.capacity());
        let mut state = self.state();
        state.receives.push(blocking);
        let taken = state.read_time;
        state.time += taken;
        if let Some(Incoming::Fails(kind)) = state.incoming.front() {
            let kind = *kind;
            state.incoming.pop_front();
            return Err(kind.into());
        }
        let room = (buffer.capacity() - buffer.len()).min(state.read_size);
        let mut received = 0;
        ancillary.is_truncated = false;
        while let Some(Incoming::Send { bytes, files: riding, truncated }) =
            state.incoming.front_mut().filter(|_| received < room)
        {
            let count = bytes.len().min(room - received);
            let carries = !riding.is_empty() || *truncated;
            buffer.extend_from_slice(&bytes[..count]);
            bytes.drain(..count);
            ancillary.files.append(riding);
            received += count;
            ancillary.is_truncated |= mem::take(truncated);
            if bytes.is_empty() {
                state.incoming.pop_front();
            }
            if carries {
                break;
            }
        }
        Ok(received)
    }

    fn wait(&self, direction: Direction, timeout: Option<Duration>) -> io::Result<bool> {
        let mut state = self.state();
        state.waited.push((direction, timeout));
        assert!(state.waited.len() < 1000, "it waits for nothing again and again");
        let (takes, outcome) = state.waits.pop_front().unwrap_or((Duration::ZERO, Ok(true)));
        match timeout {
            Some(limit) if takes >= limit => {
                state.time += limit;
                Ok(false)
            }
            _ => {
                state.time += takes;
                outcome
            }
        }
    }

    fn shutdown(&self) {
        self.state().is_shut_down = true;
    }

    fn now(&self) -> Instant {
        self.start + self.state().time
    }
}
