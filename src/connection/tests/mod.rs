//! The halves of a connection over a fake transport.

mod fake_transport;
mod read_buffer;
mod receiver;
mod retention;
mod sender;

use std::sync::Arc;
use std::time::Duration;

use super::transport::{Direction, Transport};
use crate::socket::Socket;

#[test]
fn a_wait_says_whether_the_time_passed_first() {
    let (ours, theirs) = Socket::pair().unwrap();
    let ours = Arc::new(ours);
    let wait = |direction| ours.wait(direction, Some(Duration::ZERO)).unwrap();
    assert!(wait(Direction::Out) && !wait(Direction::In));
    theirs.send(b"x", &[]).unwrap();
    assert!(wait(Direction::In));
    drop(theirs);
    assert!(wait(Direction::In));
}
