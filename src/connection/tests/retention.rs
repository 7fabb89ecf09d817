//! Memory of large messages is kept while they come in a row, and freed when none follows.

use std::sync::Arc;
use std::time::Duration;

use super::fake_transport::{FakeTransport, receiving, send};
use crate::call::CALL;
use crate::connection::retention::Retention;
use crate::connection::transport::Direction;
use crate::connection::{Envelope, Receiver, Sender, shrink_idle};
use crate::limits::Limits;
use crate::memory::{Budget, Lent};

const SOON: (Direction, Option<Duration>) = (Direction::In, Some(Duration::from_secs(1)));

fn large() -> String {
    format!(r#"{{"arg":"{}"}}"#, "x".repeat(5 << 20))
}

/// Both halves of a connection.
struct Both {
    receiver: Receiver<FakeTransport>,
    sender: Sender<FakeTransport>,
    fake: FakeTransport,
}

impl Both {
    fn new() -> Both {
        Both::within(None)
    }

    fn within(budget: Option<Arc<Budget>>) -> Both {
        let fake = receiving([]);
        Both {
            receiver: Receiver::new(fake.clone(), Limits::for_client(), budget.clone()),
            sender: Sender::new(fake.clone(), Limits::for_client(), budget),
            fake,
        }
    }

    /// The peer sends `text`. Receives a message and sends it back.
    fn echo(&mut self, text: &str) {
        self.fake.state().incoming.push_back(send(text, Vec::new()));
        let message = self.receiver.receive(&mut Envelope::new(&CALL), None).unwrap().unwrap();
        self.sender.write_buffer.clear();
        self.sender.write_buffer.extend_from_slice(self.receiver.slice(&message.range));
        self.sender.send(Lent::default(), None, None).unwrap();
        self.sender.shrink();
    }

    /// Calls `shrink_idle`. Returns which half has a large buffer afterwards.
    fn shrink_idle(&mut self) -> (bool, bool) {
        shrink_idle(&mut self.receiver, &mut self.sender);
        (
            self.receiver.holds_large_buffer(),
            self.sender.write_buffer.capacity() > Retention::LARGEST,
        )
    }
}

#[test]
fn the_memory_of_a_single_large_message_does_not_stay() {
    let mut both = Both::new();
    both.echo(&large());
    assert_eq!(both.shrink_idle(), (false, false));
    assert_eq!(both.fake.state().waited, []);
}

#[test]
fn the_memory_of_large_messages_stays_while_they_follow_each_other() {
    let mut both = Both::new();
    both.echo(&large());
    both.shrink_idle();
    for _ in 0..2 {
        both.echo(&large());
        assert_eq!(both.shrink_idle(), (true, true));
    }
    assert_eq!(both.fake.state().waited, [SOON, SOON]);
    both.echo("{}");
    assert_eq!(both.shrink_idle(), (false, false), "after a small one");
    assert_eq!(both.fake.state().waited.len(), 2);
}

#[test]
fn the_memory_of_large_messages_is_freed_if_none_follows_at_once() {
    let mut both = Both::new();
    both.echo(&large());
    both.shrink_idle();
    both.echo(&large());
    both.fake.state().waits.push_back((Duration::ZERO, Ok(false)));
    assert_eq!(both.shrink_idle(), (false, false));
    assert_eq!(both.fake.state().waited, [SOON]);
    both.echo(&large());
    assert_eq!(both.shrink_idle(), (false, false), "as if it were the first");
    assert!(matches!(both.receiver.receive(&mut Envelope::new(&CALL), None), Ok(None)));
}

#[test]
fn the_memory_of_large_messages_is_freed_sooner_where_it_is_scarce() {
    let mut both = Both::within(Some(Arc::new(Budget::new(24 << 20))));
    both.echo(&large());
    both.shrink_idle();
    both.echo(&large());
    both.fake.state().waits.push_back((Duration::ZERO, Ok(false)));
    assert_eq!(both.shrink_idle(), (false, false));
    let (waited, (_, soon)) = (both.fake.state().waited.clone(), SOON);
    assert!(waited.last().is_some_and(|(_, time)| *time < soon), "{waited:?}");
}

#[test]
fn what_came_after_a_large_message_is_not_freed_with_it() {
    let mut both = Both::new();
    both.echo(&large());
    both.shrink_idle();
    both.echo(&format!("{}{{\"arg\":", large()));
    both.fake.state().waits.push_back((Duration::ZERO, Ok(false)));
    both.shrink_idle();
    both.echo("1}");
    assert!(both.fake.state().sent.ends_with(br#"x"}{"arg":1}"#));
}

/// What a buffer of each size shrinks to after messages of these sizes.
#[test]
fn a_buffer_shrinks_when_it_is_far_larger_than_what_was_sent_lately() {
    const SMALL: usize = 64 << 10;
    const LARGEST: usize = 2 << 20;
    let target = |used: &[usize], size| {
        let mut retention = Retention::default();
        used.iter().map(|used| retention.shrink_target(*used, size)).last().unwrap()
    };
    assert_eq!([0, SMALL, 4 * SMALL + 3].map(|size| target(&[0], size)), [None; 3]);
    assert_eq!(target(&[0], 4 * SMALL + 4), Some(SMALL));
    // What is kept after a message decreases by an eighth with each smaller one.
    assert_eq!(target(&[400_000], 1_600_003), None);
    assert_eq!(target(&[400_000], 1_600_004), Some(400_000));
    assert_eq!(target(&[400_000, 0], 1_400_003), None);
    assert_eq!(target(&[400_000, 0], 1_400_004), Some(350_000));
    // More than that is kept for large messages in a row.
    assert_eq!(target(&[LARGEST], LARGEST), None);
    assert_eq!(target(&[2 * LARGEST], LARGEST + 1), Some(LARGEST));
    assert_eq!(target(&[2 * LARGEST, 2 * LARGEST], 4 * LARGEST), None);
    assert_eq!(target(&[2 * LARGEST, 2 * LARGEST], 4 * LARGEST + 1), Some(2 * LARGEST));
    assert_eq!(target(&[2 * LARGEST, 2 * LARGEST, 0], LARGEST + 1), Some(LARGEST));
}
