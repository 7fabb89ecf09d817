//! The model of src/sys: the real system calls on real sockets, each as a step. None of them
//! blocks in the kernel: the model waits until it would not. What else src/sys has is as it is.

#[path = "../../src/sys/mod.rs"]
#[allow(dead_code)]
mod real;

use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::control::Rights;
use crate::interleavings::execution::{self, Access, Until, execution, step};
pub use real::*;

/// What a thread waits for: events of a file, in a copy that lasts as long as the wait.
#[derive(Debug)]
pub(crate) struct Awaited {
    pub(crate) file: RawFd,
    copy: OwnedFd,
    events: i16,
}

impl Awaited {
    fn new(entry: &Interest<'_>) -> Awaited {
        let (file, events) = entry.parts();
        let copy = file.try_clone_to_owned().expect("a copy of a descriptor");
        Awaited { file: file.as_raw_fd(), copy, events }
    }
}

/// Whether one of the files is ready for its events.
pub(crate) fn is_any_ready(entries: &[Awaited]) -> bool {
    let mut polled: Vec<_> = entries
        .iter()
        .map(|entry| Interest::from_parts(entry.copy.as_fd(), entry.events))
        .collect();
    real::wait_for(&mut polled, Some(Duration::ZERO)).unwrap_or(false)
}

/// Takes a step that changes what the socket's peer receives.
fn send_step(what: &'static str, socket: RawFd) {
    step(what, Until::Now, None);
    let sends = execution().directions(socket).1;
    execution::access(sends, Access::Write);
}

/// Takes a step that changes or reads what the socket receives.
fn receive_step(what: &'static str, file: BorrowedFd<'_>, blocking: Blocking) {
    let socket = file.as_raw_fd();
    match blocking {
        Blocking::Yes => {
            let entry = Awaited::new(&Interest::readable(file));
            step(what, Until::Ready(vec![entry]), None);
        }
        Blocking::No => {
            step(what, Until::Now, None);
            let receives = execution().directions(socket).0;
            execution::access(receives, Access::Write);
        }
    }
}

pub(crate) fn send_message(
    socket: BorrowedFd<'_>,
    parts: &[IoSlice<'_>],
    files: Option<&Rights<'_>>,
    blocking: Blocking,
) -> io::Result<usize> {
    send_step("send", socket.as_raw_fd());
    let sent = real::send_message(socket, parts, files, Blocking::No);
    let is_full = matches!(&sent, Err(error) if error.kind() == io::ErrorKind::WouldBlock);
    assert!(blocking == Blocking::No || !is_full, "a scenario sends more than fits");
    execution().let_answer(socket.as_raw_fd());
    sent
}

pub(crate) fn receive_message(
    socket: BorrowedFd<'_>,
    buffer: &mut Vec<u8>,
    ancillary: &mut Ancillary,
    blocking: Blocking,
) -> io::Result<usize> {
    receive_step("receive", socket, blocking);
    real::receive_message(socket, buffer, ancillary, Blocking::No)
}

pub(crate) fn receive_into(
    socket: BorrowedFd<'_>,
    buffer: &mut [u8],
    ancillary: &mut Ancillary,
    blocking: Blocking,
) -> io::Result<usize> {
    receive_step("receive", socket, blocking);
    real::receive_into(socket, buffer, ancillary, Blocking::No)
}

pub(crate) fn peek(socket: BorrowedFd<'_>) -> io::Result<usize> {
    receive_step("peek", socket, Blocking::No);
    real::peek(socket)
}

pub(crate) fn wait_for(
    entries: &mut [Interest<'_>],
    timeout: Option<Duration>,
) -> io::Result<bool> {
    if timeout == Some(Duration::ZERO) {
        step("look", Until::Now, None);
        for entry in entries.iter() {
            let receives = execution().directions(entry.parts().0.as_raw_fd()).0;
            execution::access(receives, Access::Write);
        }
    } else {
        let deadline = timeout.and_then(|limit| execution().deadline(limit));
        let awaited = entries.iter().map(Awaited::new).collect();
        step("poll", Until::Ready(awaited), deadline);
    }
    real::wait_for(entries, Some(Duration::ZERO))
}

pub(crate) fn shut_down(stream: &UnixStream, direction: Shutdown) -> io::Result<()> {
    let socket = stream.as_raw_fd();
    send_step("shut down", socket);
    let receives = execution().directions(socket).0;
    execution::access(receives, Access::Write);
    stream.shutdown(direction)
}

/// Memory, as much as the scenario leaves.
pub(crate) struct Slack;

impl Slack {
    pub(crate) fn new(length: usize) -> Option<Slack> {
        (length <= execution().memory).then_some(Slack)
    }
}
