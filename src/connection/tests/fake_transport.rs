//! A fake of the system calls of a connection and of the clock.
//!
//! It stores what is sent. The test decides how many bytes each send takes and which error it
//! returns. Receives follow the kernel's rule for a stream with files (see `read_buffer`), and the
//! test decides how many bytes each receive returns. Nothing waits: the test decides how much time
//! each call takes on the fake clock.

use std::cell::{RefCell, RefMut};
use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice};
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
    /// The results of the next sends. Later sends take all bytes.
    pub(super) sends: VecDeque<io::Result<usize>>,
    pub(super) sent: Vec<u8>,
    /// For each send, how many bytes were sent before it, and how many files it carries.
    pub(super) offered: Vec<(usize, usize)>,
    /// Whether the last send could block.
    pub(super) send_blocking: Option<Blocking>,
    /// What the peer sends. After that the stream ends.
    pub(super) incoming: VecDeque<Incoming>,
    /// The maximum number of bytes that one receive returns.
    pub(super) read_size: usize,
    /// The time that each receive takes.
    pub(super) read_time: Duration,
    /// Each receive that was made, and whether it could block.
    pub(super) receives: Vec<Blocking>,
    /// The time and the result of the next waits. Later waits return at once.
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

/// A send of the peer.
pub(super) fn send(bytes: impl AsRef<[u8]>, files: Vec<OwnedFd>) -> Incoming {
    Incoming::Send { bytes: bytes.as_ref().to_vec(), files, truncated: false }
}

/// A send some of whose files the kernel cannot deliver.
pub(super) fn truncated(bytes: impl AsRef<[u8]>, files: Vec<OwnedFd>) -> Incoming {
    Incoming::Send { bytes: bytes.as_ref().to_vec(), files, truncated: true }
}

/// A fake whose sends have the results `sends`.
pub(super) fn sending(sends: impl IntoIterator<Item = io::Result<usize>>) -> FakeTransport {
    let fake = receiving([]);
    fake.state().sends.extend(sends);
    fake
}

/// A fake that receives `incoming`.
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
    fn send(
        &self,
        parts: &[IoSlice<'_>],
        files: Option<&Rights<'_>>,
        blocking: Blocking,
    ) -> io::Result<usize> {
        let mut state = self.state();
        state.send_blocking = Some(blocking);
        let count = files.map_or(0, |files| control::walk(files.bytes()).count());
        let bytes: Vec<u8> = parts.iter().flat_map(|part| part.to_vec()).collect();
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
        while let Some(Incoming::Send { bytes, files: attached, truncated }) =
            state.incoming.front_mut().filter(|_| received < room)
        {
            let count = bytes.len().min(room - received);
            let carries = !attached.is_empty() || *truncated;
            buffer.extend_from_slice(&bytes[..count]);
            bytes.drain(..count);
            ancillary.files.append(attached);
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
        assert!(state.waited.len() < 1000, "an endless loop of waits");
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
