//! The scenarios, and what they have in common.

mod calls;
mod closes;
mod places;
mod stops;

use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use super::Scenario;
use super::execution::{Until, execution, step};
use crate::Socket;
use crate::sync::{Condvar, Mutex};

pub(super) fn all() -> Vec<Scenario> {
    [calls::ALL, stops::ALL, places::ALL, closes::ALL].concat()
}

/// Runs `setup` in one order only, until no other thread can go on.
fn settle<T>(setup: impl FnOnce() -> T) -> T {
    execution().orders.is_quiet = true;
    let value = setup();
    step("settle", Until::Settled, None);
    execution().orders.is_quiet = false;
    value
}

/// Waits until no other thread can go on. All must have ended then.
fn expect_all_ended() {
    step("settle", Until::Settled, None);
    let all_ended = execution().has_one_thread();
    check(all_ended, "a thread is left");
}

/// What comes last, in one order only.
fn finish() {
    execution().orders.is_quiet = true;
}

/// As `assert`, within a method, whose panics the server catches.
fn check(is_right: bool, otherwise: &str) {
    if !is_right {
        execution().fail(otherwise);
    }
}

/// Two ends of a connection.
fn connection() -> (Socket, Socket) {
    let (ours, theirs) = Socket::pair().unwrap();
    execution().add_pair([&ours, &theirs].map(|end| end.as_fd().as_raw_fd()));
    (ours, theirs)
}

/// A client's end of a connection whose other end answers each call with its argument, at once.
fn echoing() -> Socket {
    let (ours, theirs) = connection();
    let mut theirs = UnixStream::from(theirs.into_fd());
    let number = ours.as_fd().as_raw_fd();
    let answer = move || {
        let mut call = [0; 200];
        let Ok(length @ 1..) = theirs.read(&mut call) else { return };
        // It fails if the client has closed.
        let _ = theirs.write_all(reply_to(&call[..length]).as_bytes());
    };
    execution().answer(number, Box::new(answer));
    ours
}

/// The reply whose result is the call's argument.
fn reply_to(call: &[u8]) -> String {
    let call = String::from_utf8_lossy(call);
    let arg = call.split_once("\"arg\":").and_then(|(_, rest)| rest.strip_suffix('}'));
    format!("{{\"success\":true,\"err\":\"\",\"result\":{}}}", arg.expect("a call"))
}

/// All that the other end has sent, and whether it has ended the connection. This is no step.
fn received(socket: Socket) -> (String, bool) {
    let mut stream = UnixStream::from(socket.into_fd());
    stream.set_nonblocking(true).unwrap();
    let mut bytes = Vec::new();
    let has_ended = stream.read_to_end(&mut bytes).is_ok();
    (String::from_utf8(bytes).unwrap(), has_ended)
}

/// How many replies there are in a text.
fn count_replies(text: &str) -> usize {
    text.matches("\"success\"").count()
}

/// Receives until the other end has ended the connection.
fn receive_all(client: &Socket) -> String {
    let mut text = String::new();
    loop {
        let mut bytes = [0; 200];
        let (length, _) = client.receive(&mut bytes, 0).unwrap();
        if length == 0 {
            return text;
        }
        text += &String::from_utf8_lossy(&bytes[..length]);
    }
}

/// Waits for a reply.
fn wait_for_reply(client: &Socket) {
    let (length, _) = client.receive(&mut [0; 100], 0).unwrap();
    assert!(length > 0, "the connection has ended without a reply");
}

/// Lets threads wait until it is opened.
#[derive(Clone, Default)]
struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }

    fn pass(&self) {
        let mut is_open = self.0.0.lock().unwrap();
        while !*is_open {
            is_open = self.0.1.wait(is_open).unwrap();
        }
    }
}
