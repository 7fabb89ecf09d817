//! The clients that are served and the accept loops that run.
//!
//! Every client and every accept loop has a [`Registration`] for as long as a thread works for it.
//! A stop waits until all registrations are dropped (see `stop`). The lock is held for a few steps
//! at a time, and never while user code runs.
//!
//! Closing a file that a peer sent may block for as long as the peer likes (see `closer`). A
//! receive that has no room for a file may block as well. So no descriptor is closed under the
//! lock. A thread that only closes is known by its `Activity`: a stop waits for it a short time
//! only, and a full server takes its place back.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use super::place::{OVERDUE_AFTER, Place, ServedClient};
use crate::closer;
use crate::error::Error;
use crate::limits::Limits;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::thread::{self, ThreadId};
use crate::sync::{Condvar, Mutex, MutexGuard, shut_down};

#[derive(Default)]
pub(super) struct Registry {
    table: Mutex<Table>,
    /// Signalled when something that a thread may wait for has changed in the table.
    pub(super) changed: Condvar,
    /// Written under the table's lock, so that it cannot change while that is held.
    pub(super) stopping: AtomicBool,
}

#[derive(Default)]
pub(super) struct Table {
    last_id: u64,
    pub(super) clients: BTreeMap<u64, Place>,
    /// The socket of each accept loop whose shutdown wakes the loop.
    pub(super) loops: BTreeMap<u64, UnixStream>,
    /// The thread that works for a registration.
    pub(super) threads: BTreeMap<u64, ThreadId>,
    /// The registrations whose thread is inside a stop: see `stop`.
    pub(super) in_stop: BTreeSet<u64>,
}

impl Table {
    /// Whether another client may be admitted.
    fn has_place(&self, limit: usize) -> bool {
        self.clients.len() < limit || self.clients.len() - self.count_overdue() < limit
    }

    fn count_overdue(&self) -> usize {
        self.clients.values().filter(|place| place.overdue).count()
    }

    /// Marks clients as overdue until `limit` are. Returns whether more may become overdue soon.
    fn mark_overdue(&mut self, limit: usize) -> bool {
        let mut left = limit.saturating_sub(self.count_overdue());
        let mut soon = false;
        for place in self.clients.values_mut().filter(|place| !place.overdue) {
            if left == 0 {
                return false;
            }
            soon |= place.update_overdue();
            left -= usize::from(place.overdue);
        }
        soon
    }

    fn count_of_user(&self, uid: u32) -> usize {
        self.clients.values().filter(|place| place.uid == Some(uid)).count()
    }
}

/// What happens to a client that comes while the server is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WhenFull {
    Reject,
    /// It waits for a place. An accept loop waits for one before it accepts, but another thread may
    /// take it first.
    Wait,
}

/// An entry in the registry. Dropping it removes the entry.
pub(super) struct Registration {
    registry: Arc<Registry>,
    pub(super) id: u64,
}

impl Registry {
    pub(super) fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// Registers a client.
    ///
    /// # Errors
    /// The server is stopping; the client's user has too many clients; or the server is full and
    /// the client is not to wait.
    pub(super) fn admit(
        self: &Arc<Self>,
        client: &Arc<ServedClient>,
        limits: &Limits,
        when_full: WhenFull,
    ) -> Result<Registration, Error> {
        let quota = match limits.clients_per_user {
            Some(limit) => Some((client.socket.credentials()?.uid, limit)),
            None => None,
        };
        let mut table = self.lock_with_place(limits, when_full);
        if self.is_stopping() {
            return Err(Error::Stopped);
        }
        match quota {
            Some((uid, limit)) if table.count_of_user(uid) >= limit => {
                return Err(Error::TooManyClientsOfUser { uid, limit });
            }
            _ if !table.has_place(limits.clients) => {
                return Err(Error::TooManyClients { limit: limits.clients });
            }
            _ => {}
        }
        let registration = self.new_registration(&mut table);
        let place = Place::new(Arc::clone(client), quota.map(|(uid, _)| uid));
        table.clients.insert(registration.id, place);
        Ok(registration)
    }

    /// Ends the client of a registration for which no thread could be started, and removes its
    /// place. The session that owns the registration may be closed much later, when there is a
    /// thread to close it on. Neither the peer nor a stop must wait for that.
    pub(super) fn give_up(&self, id: u64) {
        let mut table = self.lock();
        let client = table.clients.remove(&id).and_then(|place| place.client);
        if let Some(client) = &client {
            // It fails only if the peer is gone.
            let _ = client.socket.shutdown();
        }
        drop(table);
        self.changed.notify_all();
        closer::close(client);
    }

    /// Registers an accept loop. A stop shuts `wake` down to end it.
    pub(super) fn admit_loop(self: &Arc<Self>, wake: UnixStream) -> Result<Registration, Error> {
        let mut table = self.lock();
        if self.is_stopping() {
            return Err(Error::Stopped);
        }
        let registration = self.new_registration(&mut table);
        table.loops.insert(registration.id, wake);
        Ok(registration)
    }

    fn new_registration(self: &Arc<Self>, table: &mut Table) -> Registration {
        table.last_id += 1;
        Registration { registry: Arc::clone(self), id: table.last_id }
    }

    /// Waits until there is a place for a client. `false` once the server is stopping.
    pub(super) fn wait_for_place(&self, limits: &Limits) -> bool {
        drop(self.lock_with_place(limits, WhenFull::Wait));
        !self.is_stopping()
    }

    /// Waits until there is a place, or until the server is stopping. It is certain only while
    /// the lock is held. With `WhenFull::Reject` it waits only for the place of a client whose peer
    /// is gone.
    fn lock_with_place(&self, limits: &Limits, when_full: WhenFull) -> MutexGuard<'_, Table> {
        let mut table = self.lock();
        loop {
            if self.is_stopping() || table.has_place(limits.clients) {
                return table;
            }
            let soon = table.mark_overdue(limits.stuck_closes);
            if table.has_place(limits.clients) || (when_full == WhenFull::Reject && !soon) {
                return table;
            }
            let waited = self.changed.wait_timeout(table, OVERDUE_AFTER);
            table = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits for `time`, or until the server is stopping.
    pub(super) fn pause(&self, time: Duration) {
        let goes_on = |_: &mut Table| !self.is_stopping();
        drop(self.changed.wait_timeout_while(self.lock(), time, goes_on));
    }

    /// From here on no client is admitted, and the accept loops end.
    pub(super) fn begin_stop(&self) {
        let table = self.lock();
        self.stopping.store(true, Ordering::Release);
        for wake in table.loops.values() {
            let _ = shut_down(wake, Shutdown::Both);
        }
        drop(table);
        self.changed.notify_all();
    }

    /// Closes every idle client and asks the others to end with their call.
    pub(super) fn close_clients(&self) {
        self.shut_down(|client| client.state.request_close());
    }

    /// Shuts every client's socket down, also if its call runs.
    pub(super) fn shutdown_clients(&self) {
        self.shut_down(|_| true);
    }

    /// Holds the lock throughout, so that this thread is never the last owner of a client, which
    /// would close it.
    fn shut_down(&self, which: impl Fn(&ServedClient) -> bool) {
        for client in self.lock().clients.values().filter_map(|place| place.client.as_ref()) {
            if which(client) {
                let _ = client.socket.shutdown();
            }
        }
    }
}

impl Registration {
    /// Notes that this thread works for the registration.
    pub(super) fn bind_thread(&self) {
        self.registry.lock().threads.insert(self.id, thread::current().id());
    }

    /// Notes that no thread works for the registration any more.
    pub(super) fn unbind_thread(&self) {
        self.registry.lock().threads.remove(&self.id);
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        // The connection is closed before the entry is removed: a stop that finds no entry may rely
        // on that. Closing may block, so the lock is released meanwhile.
        let mut table = self.registry.lock();
        let client = table.clients.get_mut(&self.id).and_then(|place| place.client.take());
        drop(table);
        drop(client);
        let mut table = self.registry.lock();
        table.clients.remove(&self.id);
        let wake = table.loops.remove(&self.id);
        table.threads.remove(&self.id);
        drop(table);
        drop(wake);
        self.registry.changed.notify_all();
    }
}
