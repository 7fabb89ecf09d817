//! How a stop waits for the server's clients and accept loops.
//!
//! A stop that is called inside the server, in a method or in a callback, must not wait for its own
//! call. Two such stops must not wait for each other. [`StopGuard`] notes which registrations'
//! threads are inside a stop. The table says whether the caller waits for a registration:
//!
//! | caller's thread works for | registration's thread is inside a stop | is not |
//! | --- | --- | --- |
//! | a registration (client or accept loop) | no | yes |
//! | none | yes | yes |
//!
//! The last row cannot deadlock: a stop inside the server never waits for a thread outside it.
//!
//! A thread that only closes what its client sent is waited for [`CLOSING_GRACE`] only, because
//! such a close may block for as long as the peer likes.

use std::sync::PoisonError;
use std::time::Duration;

use super::place::Place;
use super::registry::{Registry, Table};
use crate::sync::now;
use crate::sync::thread::{self, ThreadId};

/// How long a stop waits for threads that only close. Without a hostile peer that takes
/// microseconds.
const CLOSING_GRACE: Duration = Duration::from_millis(300);
/// How often a stop checks whether the threads that it waits for only close.
const STOP_TICK: Duration = Duration::from_millis(50);

/// What a stop still waits for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Remaining {
    Nothing,
    /// Threads that only close.
    Closing,
    Working,
}

/// Marks this thread as inside a stop for as long as the value lives.
pub(super) struct StopGuard<'r> {
    registry: &'r Registry,
    /// Whether this thread works for a registration.
    is_inside: bool,
    /// The registrations that this guard marked, to be unmarked by it.
    marked: Vec<u64>,
}

impl StopGuard<'_> {
    pub(super) fn enter(registry: &Registry) -> StopGuard<'_> {
        let mut table = registry.lock();
        let this_thread = thread::current().id();
        let works_here = |(id, thread): (&u64, &ThreadId)| (*thread == this_thread).then_some(*id);
        let mut marked: Vec<u64> = table.threads.iter().filter_map(works_here).collect();
        let is_inside = !marked.is_empty();
        // A stop within a stop leaves the mark to the outer one.
        marked.retain(|id| table.in_stop.insert(*id));
        drop(table);
        registry.changed.notify_all();
        StopGuard { registry, is_inside, marked }
    }

    /// Waits until all clients have left or only close, at most `limit`.
    pub(super) fn wait_for_clients(&self, limit: Duration) {
        self.wait(Some(limit), false);
    }

    /// Waits until all clients and accept loops have left or only close, at most `limit`. Returns
    /// `false` if `limit` passed first.
    pub(super) fn wait_for_all(&self, limit: Option<Duration>) -> bool {
        self.wait(limit, true)
    }

    fn wait(&self, limit: Option<Duration>, loops_too: bool) -> bool {
        let until = limit.and_then(|limit| now().checked_add(limit));
        let mut only_closing_since = None;
        let mut table = self.registry.lock();
        loop {
            let now = now();
            match self.remaining(&table, loops_too) {
                Remaining::Nothing => return true,
                Remaining::Closing => {
                    let since = *only_closing_since.get_or_insert(now);
                    if now - since >= CLOSING_GRACE {
                        return true;
                    }
                }
                Remaining::Working => only_closing_since = None,
            }
            let left = until.map_or(STOP_TICK, |until| until.saturating_duration_since(now));
            if left.is_zero() {
                return false;
            }
            let waited = self.registry.changed.wait_timeout(table, left.min(STOP_TICK));
            table = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn remaining(&self, table: &Table, loops_too: bool) -> Remaining {
        if loops_too && table.loops.keys().any(|id| self.waits_for(table, id)) {
            return Remaining::Working;
        }
        let clients = table.clients.iter().filter(|(id, _)| self.waits_for(table, id));
        let mut clients = clients.peekable();
        if clients.peek().is_none() {
            return Remaining::Nothing;
        }
        let all_close = clients.all(|(_, place)| place.only_closes().is_some());
        if all_close { Remaining::Closing } else { Remaining::Working }
    }

    /// How many methods still run, of the clients that this stop waits for.
    pub(super) fn running_methods(&self) -> usize {
        let table = self.registry.lock();
        let runs = |(id, place): &(&u64, &Place)| {
            self.waits_for(&table, id)
                && place.client.as_ref().is_some_and(|client| client.is_running())
        };
        table.clients.iter().filter(runs).count()
    }

    /// The table in the module's documentation.
    fn waits_for(&self, table: &Table, registration: &u64) -> bool {
        !(self.is_inside && table.in_stop.contains(registration))
    }
}

impl Drop for StopGuard<'_> {
    fn drop(&mut self) {
        let mut table = self.registry.lock();
        for id in &self.marked {
            table.in_stop.remove(id);
        }
    }
}
