//! What large messages took: kept while they follow each other, given up when none does.

#![cfg(test)]

use std::time::Duration;

use super::stand_in::{StandIn, receiving, send};
use super::transport::Direction;
use super::{Receiver, Retention, Sender, rest};
use crate::call::CallReader;
use crate::limits::Limits;

const SOON: (Direction, Option<Duration>) = (Direction::In, Some(Duration::from_millis(100)));

fn large() -> String {
    format!(r#"{{"arg":"{}"}}"#, "x".repeat(5 << 20))
}

/// Both halves of a connection.
struct Both {
    receiver: Receiver<StandIn>,
    sender: Sender<StandIn>,
    stand_in: StandIn,
}

impl Both {
    fn new() -> Both {
        let stand_in = receiving([]);
        Both {
            receiver: Receiver::new(stand_in.clone(), Limits::for_client(), None),
            sender: Sender::new(stand_in.clone(), Limits::for_client(), None),
            stand_in,
        }
    }

    /// Is sent `text`, receives a message, and sends it back.
    fn echo(&mut self, text: &str) {
        self.stand_in.state().incoming.push_back(send(text, Vec::new()));
        let message = self.receiver.receive(&mut CallReader::default(), None).unwrap().unwrap();
        self.sender.outbox.clear();
        self.sender.outbox.extend_from_slice(self.receiver.text(&message.range));
        self.sender.send(None, None).unwrap();
        self.sender.settle();
    }

    /// Rests, and tells which half holds much behind that.
    fn rest(&mut self) -> (bool, bool) {
        rest(&mut self.receiver, &mut self.sender);
        (self.receiver.holds_much(), self.sender.outbox.capacity() > Retention::LARGEST)
    }
}

#[test]
fn the_memory_of_a_single_large_message_does_not_stay() {
    let mut both = Both::new();
    both.echo(&large());
    assert_eq!(both.rest(), (false, false));
    assert_eq!(both.stand_in.state().waited, []);
}

#[test]
fn the_memory_of_large_messages_stays_while_they_follow_each_other() {
    let mut both = Both::new();
    both.echo(&large());
    both.rest();
    for _ in 0..2 {
        both.echo(&large());
        assert_eq!(both.rest(), (true, true));
    }
    assert_eq!(both.stand_in.state().waited, [SOON, SOON]);
    both.echo("{}");
    assert_eq!(both.rest(), (false, false), "behind a small one");
    assert_eq!(both.stand_in.state().waited.len(), 2);
}

#[test]
fn the_memory_of_large_messages_is_given_up_where_none_follows_at_once() {
    let mut both = Both::new();
    both.echo(&large());
    both.rest();
    both.echo(&large());
    both.stand_in.state().waits.push_back((Duration::ZERO, Ok(false)));
    assert_eq!(both.rest(), (false, false));
    assert_eq!(both.stand_in.state().waited, [SOON]);
    both.echo(&large());
    assert_eq!(both.rest(), (false, false), "as if it were the first");
    assert!(matches!(both.receiver.receive(&mut CallReader::default(), None), Ok(None)));
}

#[test]
fn what_came_behind_a_large_message_is_not_given_up_with_it() {
    let mut both = Both::new();
    both.echo(&large());
    both.rest();
    both.echo(&format!("{}{{\"arg\":", large()));
    both.stand_in.state().waits.push_back((Duration::ZERO, Ok(false)));
    both.rest();
    both.echo("1}");
    assert!(both.stand_in.state().sent.ends_with(br#"x"}{"arg":1}"#));
}
