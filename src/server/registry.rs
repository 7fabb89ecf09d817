//! Who is being served, and the waiting for them to go.
//!
//! Every client and every accept loop has a [`Registration`] for as long as a thread works for it.
//! Stop waits until all registrations are dropped. A stop that is called on a registration's own
//! thread does not wait for that registration, nor for others whose thread is inside stop: they
//! might wait for each other. Whoever has no registration waits for all: those who have one do not
//! wait for it in turn. The lock is held for a few steps at a time and never while code of the
//! user's runs.
//!
//! Closing what a peer sent may block for as long as the peer likes (see `closer`), and so may a
//! receive that has no room for a file. So no descriptor is closed under the lock, and whoever
//! waits here tells a thread that only closes by its `Activity`: stop waits for such threads a
//! moment only, and a full server takes places back from them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};
use std::time::Duration;

use super::place::{OVERDUE_AFTER, Place, ServedClient};
use crate::closer;
use crate::error::Error;
use crate::limits::Limits;

#[derive(Default)]
pub(super) struct Registry {
    table: Mutex<Table>,
    /// Signalled when something that a thread may wait for has changed in the table.
    pub(super) changed: Condvar,
    /// Written under the table's lock, so that whoever holds that sees it settled.
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
    /// Whether another client may come.
    fn has_room(&self, limit: usize) -> bool {
        self.clients.len() < limit || self.clients.len() - self.count_overdue() < limit
    }

    fn count_overdue(&self) -> usize {
        self.clients.values().filter(|place| place.overdue).count()
    }

    /// Looks for clients that are overdue, so that there are at most `limit`; whether there may be
    /// more of them soon.
    fn find_overdue(&mut self, limit: usize) -> bool {
        let mut room = limit.saturating_sub(self.count_overdue());
        let mut soon = false;
        for place in self.clients.values_mut().filter(|place| !place.overdue) {
            if room == 0 {
                return false;
            }
            soon |= place.look();
            room -= usize::from(place.overdue);
        }
        soon
    }

    fn count_of_user(&self, uid: u32) -> usize {
        self.clients.values().filter(|place| place.uid == Some(uid)).count()
    }
}

/// What becomes of a client that comes while the server has as many as it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WhenFull {
    Reject,
    /// It is taken in as soon as there is room. An accept loop has made sure that there is some
    /// before it accepted, but another may have been quicker.
    Wait,
}

/// A place in the registry; dropping it gives it up.
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

    /// Takes a client in.
    ///
    /// # Errors
    /// The server is stopping, the client's user has as many clients as it may, or there is no room
    /// and the client is not to wait until there is.
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
        let mut table = self.lock_with_room(limits, when_full);
        if self.is_stopping() {
            return Err(Error::Stopped);
        }
        match quota {
            Some((uid, limit)) if table.count_of_user(uid) >= limit => {
                return Err(Error::TooManyClientsOfUser { uid, limit });
            }
            _ if !table.has_room(limits.clients) => {
                return Err(Error::TooManyClients { limit: limits.clients });
            }
            _ => {}
        }
        let registration = self.new_registration(&mut table);
        let place = Place::new(Arc::clone(client), quota.map(|(uid, _)| uid));
        table.clients.insert(registration.id, place);
        Ok(registration)
    }

    /// Ends the client of a registration that gets no thread, and empties the registration. The
    /// session that owns the registration may have to wait until there is a thread to close it on;
    /// neither the peer nor a stop is to wait for that.
    pub(super) fn give_up(&self, id: u64) {
        let mut table = self.lock();
        let client = table.clients.remove(&id).and_then(|place| place.client);
        if let Some(client) = &client {
            // It fails only where the peer is gone, which is as good.
            let _ = client.socket.shutdown();
        }
        drop(table);
        self.changed.notify_all();
        closer::close(client);
    }

    /// Takes an accept loop in; `wake` is shut down when it is to end.
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

    /// Waits until there is room for a client; `false` once the server is stopping.
    pub(super) fn wait_for_room(&self, limits: &Limits) -> bool {
        drop(self.lock_with_room(limits, WhenFull::Wait));
        !self.is_stopping()
    }

    /// Waits until there is room, which lasts until the lock is given up, or until the server is
    /// stopping. A client that is not to wait does so only for one whose peer is gone already.
    fn lock_with_room(&self, limits: &Limits, when_full: WhenFull) -> MutexGuard<'_, Table> {
        let mut table = self.lock();
        loop {
            if self.is_stopping() || table.has_room(limits.clients) {
                return table;
            }
            let soon = table.find_overdue(limits.stuck_closes);
            if table.has_room(limits.clients) || (when_full == WhenFull::Reject && !soon) {
                return table;
            }
            let waited = self.changed.wait_timeout(table, OVERDUE_AFTER);
            table = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits for `time`, or until the server is stopping.
    pub(super) fn pause(&self, time: Duration) {
        self.wait(Some(time), |_| !self.is_stopping());
    }

    /// From here on nobody is admitted, and the accept loops end.
    pub(super) fn begin_stop(&self) {
        let table = self.lock();
        self.stopping.store(true, Ordering::Release);
        for wake in table.loops.values() {
            let _ = wake.shutdown(Shutdown::Both);
        }
        drop(table);
        self.changed.notify_all();
    }

    /// Closes every idle client and asks the others to end with their call.
    pub(super) fn close_clients(&self) {
        self.shut_down(|client| client.state.close());
    }

    /// Shuts every client's socket down, whatever runs.
    pub(super) fn shutdown_clients(&self) {
        self.shut_down(|_| true);
    }

    /// Under the lock, so that nobody here is the last to hold a client and closes it.
    fn shut_down(&self, which: impl Fn(&ServedClient) -> bool) {
        for client in self.lock().clients.values().filter_map(|place| place.client.as_ref()) {
            if which(client) {
                let _ = client.socket.shutdown();
            }
        }
    }

    /// Waits while `is_left`, at most `limit`; whether it came to an end. Nothing that is done
    /// under the lock can panic, so it is never found poisoned.
    fn wait(&self, limit: Option<Duration>, is_left: impl Fn(&Table) -> bool) -> bool {
        let limit = limit.unwrap_or(Duration::MAX);
        let waited = self.changed.wait_timeout_while(self.lock(), limit, |table| is_left(table));
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
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
        // Whoever finds the registration gone finds the connection ended, so it is closed first.
        // That may block, so the lock is given up meanwhile.
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
