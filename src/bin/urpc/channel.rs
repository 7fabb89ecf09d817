//! A channel between threads. std's has three kinds of queues for speed, which made up a tenth of the
//! program. This one is a list behind a lock.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

struct State<T> {
    values: VecDeque<T>,
    senders: usize,
}

struct Shared<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub struct Sender<T>(Arc<Shared<T>>);

pub struct Receiver<T>(Arc<Shared<T>>);

pub enum Received<T> {
    Value(T),
    /// No sender is left, and no value.
    Ended,
    /// Nothing came within the limit.
    Late,
}

pub fn channel<T>() -> (Sender<T>, Receiver<T>) {
    let state = Mutex::new(State { values: VecDeque::new(), senders: 1 });
    let shared = Arc::new(Shared { state, changed: Condvar::new() });
    (Sender(Arc::clone(&shared)), Receiver(shared))
}

impl<T> Sender<T> {
    /// If the receiver is gone, nobody gets the value.
    pub fn send(&self, value: T) {
        self.0.lock().values.push_back(value);
        self.0.changed.notify_one();
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Sender<T> {
        self.0.lock().senders += 1;
        Sender(Arc::clone(&self.0))
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.0.lock().senders -= 1;
        self.0.changed.notify_one();
    }
}

impl<T> Receiver<T> {
    /// The next value. It waits for it within `limit`, if there is one.
    pub fn receive(&self, limit: Option<Duration>) -> Received<T> {
        let waits = |state: &mut State<T>| state.values.is_empty() && state.senders > 0;
        let (state, changed) = (self.0.lock(), &self.0.changed);
        let mut state = match limit {
            None => changed.wait_while(state, waits).unwrap_or_else(PoisonError::into_inner),
            Some(limit) => {
                let waited = changed.wait_timeout_while(state, limit, waits);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
        };
        match state.values.pop_front() {
            Some(value) => Received::Value(value),
            None if state.senders == 0 => Received::Ended,
            None => Received::Late,
        }
    }

    /// The values until no sender is left.
    pub fn iter(&self) -> impl Iterator<Item = T> {
        std::iter::from_fn(|| match self.receive(None) {
            Received::Value(value) => Some(value),
            Received::Ended | Received::Late => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_in_order_until_the_last_sender_is_gone() {
        let (sender, receiver) = channel();
        let other = sender.clone();
        (0..3).for_each(|number| sender.send(number));
        drop(sender);
        assert!((0..3).eq(receiver.iter().take(3)));
        assert!(matches!(receiver.receive(Some(Duration::from_millis(1))), Received::Late));
        std::thread::spawn(move || other.send(3));
        assert!([3].into_iter().eq(receiver.iter()));
        assert!(matches!(receiver.receive(None), Received::Ended));
    }
}
