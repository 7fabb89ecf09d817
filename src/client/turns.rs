//! The turns of calls: each call has the channel to itself. The calls are served in the order in
//! which they came.

use std::collections::VecDeque;
use std::os::fd::AsFd;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use super::channel::Channel;
use crate::closer;
use crate::connection::{Deadline, Message};
use crate::control::Rights;
use crate::error::Error;
use crate::memory::Lent;
use crate::socket::{Socket, retry_interrupted};
use crate::sync::{Condvar, Mutex, MutexGuard, now};
use crate::sys::{self, Interest};

/// Lends the channel to one call at a time.
pub(super) struct TurnQueue {
    turns: Mutex<Turns>,
    changed: Condvar,
}

pub(super) struct Turns {
    /// Absent while a call has the turn, and once the client is finished.
    pub(super) channel: Option<Box<Channel>>,
    /// The socket, for a shutdown from any thread; or why no call is possible any more.
    pub(super) socket: Result<Arc<Socket>, Error>,
    /// The tickets of the calls that wait, in their order.
    pub(super) waiting: VecDeque<u64>,
    last_ticket: u64,
}

impl TurnQueue {
    pub(super) fn new(channel: Channel) -> TurnQueue {
        let turns = Turns {
            socket: Ok(Arc::clone(&channel.socket)),
            channel: Some(Box::new(channel)),
            waiting: VecDeque::new(),
            last_ticket: 0,
        };
        TurnQueue { turns: Mutex::new(turns), changed: Condvar::new() }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Turns> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until it is this call's turn, until `deadline` at most.
    pub(super) fn acquire(&self, deadline: Option<Deadline>) -> Result<TurnGuard<'_>, Error> {
        let mut turns = self.lock();
        let mut ticket = None;
        let channel = loop {
            if let Some(next) = turns.try_acquire(ticket) {
                break next;
            }
            ticket = ticket.or_else(|| Some(turns.enqueue()));
            match deadline.map(|deadline| deadline.remaining(now())).transpose() {
                Ok(left) => {
                    let waited = self.changed.wait_timeout(turns, left.unwrap_or(Duration::MAX));
                    turns = waited.unwrap_or_else(PoisonError::into_inner).0;
                }
                Err(error) => {
                    // Nobody need be notified: if this call was the first of the queue, another one
                    // has the channel, which notifies when it returns it.
                    turns.dequeue(ticket);
                    break Err(error);
                }
            }
        };
        Ok(TurnGuard { queue: self, channel: Some(channel?), failure: None })
    }

    /// Whether the peer can send nothing more, or the client is finished.
    pub(super) fn is_peer_gone(&self) -> bool {
        let turns = self.lock();
        // The lock is held meanwhile. A copy of the socket could become the last one, and dropping
        // it may block.
        let Ok(socket) = &turns.socket else { return true };
        let mut end = [Interest::readable(socket.as_fd())];
        let polled = retry_interrupted(|| sys::wait_for(&mut end, Some(Duration::ZERO)));
        polled.is_ok() && end[0].has_ended()
    }

    /// Ends the connection and makes later calls fail with `reason`. Does nothing if the client is
    /// finished already.
    pub(super) fn finish(&self, reason: Error) {
        let mut turns = self.lock();
        let Ok(socket) = turns.socket.clone() else { return };
        turns.socket = Err(reason);
        let channel = turns.channel.take();
        drop(turns);
        self.changed.notify_all();
        // It fails only if the peer is gone.
        let _ = socket.shutdown();
        if let Some(channel) = channel {
            channel.close();
        }
        // A call on another thread may have dropped the channel in the meantime.
        match Arc::into_inner(socket) {
            Some(last) if !last.shut_down_empty() => closer::close(last),
            _ => closer::close_queued_before(),
        }
    }
}

impl Turns {
    /// The channel, if it is the turn of `ticket`. A call without a ticket has the turn if no call
    /// waits. `Some(Err)` if the client is finished; `None` if the call must wait.
    pub(super) fn try_acquire(
        &mut self,
        ticket: Option<u64>,
    ) -> Option<Result<Box<Channel>, Error>> {
        let next = match &self.socket {
            Err(reason) => Err(reason.clone()),
            Ok(_) if self.waiting.front() == ticket.as_ref() => Ok(self.channel.take()?),
            Ok(_) => return None,
        };
        self.dequeue(ticket);
        Some(next)
    }

    fn enqueue(&mut self) -> u64 {
        self.last_ticket += 1;
        self.waiting.push_back(self.last_ticket);
        self.last_ticket
    }

    pub(super) fn dequeue(&mut self, ticket: Option<u64>) {
        if let Some(ticket) = ticket {
            self.waiting.retain(|waiting| *waiting != ticket);
        }
    }
}

/// The turn of one call. Dropping it gives the channel to the next call, or ends the client if the
/// stream is out of step.
pub(super) struct TurnGuard<'c> {
    queue: &'c TurnQueue,
    /// Present until the guard is dropped.
    channel: Option<Box<Channel>>,
    /// Why the stream is out of step.
    failure: Option<Error>,
}

impl TurnGuard<'_> {
    pub(super) fn channel(&mut self) -> &mut Channel {
        self.channel.as_mut().expect("the channel is held until the turn is dropped")
    }

    /// Sends the call of `method` that is in the write buffer and `lent`, with `files`, and receives
    /// its reply.
    pub(super) fn round_trip(
        &mut self,
        method: &str,
        lent: Lent<'_>,
        files: Option<&Rights<'_>>,
        deadline: Option<Deadline>,
    ) -> Result<Message, Error> {
        self.begin_exchange();
        let received = self.channel().round_trip(lent, files, deadline);
        let received = received.map_err(|error| error.of_call(method));
        self.failure = received.as_ref().err().filter(|error| !error.is_usable()).cloned();
        received.map_err(|error| match &self.queue.lock().socket {
            Ok(_) => error,
            // If another thread closed the client, report that instead of the I/O error it caused.
            Err(reason) => reason.clone(),
        })
    }

    /// From here on the stream is out of step if the guard is dropped, by a panic for instance.
    pub(super) fn begin_exchange(&mut self) {
        self.failure = Some(Error::Closed);
    }
}

impl Drop for TurnGuard<'_> {
    fn drop(&mut self) {
        // The write buffer holds half a call if encoding the argument panicked or failed.
        let channel = self.channel();
        channel.sender.shrink();
        channel.receiver.discard_message();
        if let Some(failure) = self.failure.take() {
            self.queue.finish(Error::Finished(Arc::new(failure)));
        }
        let mut turns = self.queue.lock();
        if turns.socket.is_ok() {
            turns.channel = self.channel.take();
        }
        // Notifying is a system call even if no thread waits.
        let someone_waits = !turns.waiting.is_empty();
        drop(turns);
        if someone_waits {
            self.queue.changed.notify_all();
        }
        // It is still here if the client is finished.
        if let Some(channel) = self.channel.take() {
            channel.close();
        }
    }
}
