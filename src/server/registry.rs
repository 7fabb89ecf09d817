//! Who is being served, and the waiting for them to go.
//!
//! Every client and every accept loop has a [`Seat`] for as long as a thread works for it. Stop
//! waits until the seats are empty. A stop that is called on a seat's own thread does not wait for
//! that seat, nor for others whose thread is inside stop: they might wait for each other. Whoever
//! has no seat waits for all: those who have one do not wait for it in turn. The lock is held for a
//! few steps at a time and never while code of the user's runs.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};
use std::time::Duration;

use super::state::{ClientState, State};
use crate::error::Error;
use crate::socket::Socket;

#[derive(Default)]
pub(super) struct Registry {
    table: Mutex<Table>,
    changed: Condvar,
    /// Written under the table's lock, so that whoever holds that sees it settled.
    pub(super) stopping: AtomicBool,
}

#[derive(Default)]
struct Table {
    last_id: u64,
    clients: BTreeMap<u64, Arc<Client>>,
    /// What wakes each accept loop when it is shut down.
    loops: BTreeMap<u64, UnixStream>,
    /// The thread that works for a seat.
    threads: BTreeMap<u64, ThreadId>,
    /// The seats whose thread is inside stop; it does not leave them meanwhile.
    in_stop: BTreeSet<u64>,
}

/// What stop must know of a client.
pub(super) struct Client {
    pub(super) socket: Arc<Socket>,
    pub(super) state: ClientState,
    /// Whether the present call has an outcome, which is being told to the peer.
    pub(super) answers: AtomicBool,
}

impl Client {
    pub(super) fn new(socket: Socket) -> Arc<Client> {
        let (state, answers) = (ClientState::default(), AtomicBool::default());
        Arc::new(Client { socket: Arc::new(socket), state, answers })
    }

    /// Whether a method runs for it.
    fn runs(&self) -> bool {
        matches!(self.state.get(), State::Processing | State::CloseRequested)
            && !self.answers.load(Ordering::Acquire)
    }
}

/// What becomes of a client that comes while the server has as many as it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Full {
    Refuses,
    /// It is taken in as soon as there is room. An accept loop has made sure that there is some
    /// before it accepted, but another may have been quicker.
    Waits,
}

impl Drop for Client {
    /// A socket that was inherited, or is shared with another process, ends only by a shutdown.
    fn drop(&mut self) {
        let _ = self.socket.shutdown();
    }
}

/// A place in the registry; dropping it gives it up.
pub(super) struct Seat {
    registry: Arc<Registry>,
    pub(super) id: u64,
}

impl Registry {
    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// Takes a client in.
    ///
    /// # Errors
    /// The server is stopping, or has `limit` clients and is not to wait until one is gone.
    pub(super) fn admit(
        self: &Arc<Self>,
        client: Arc<Client>,
        limit: usize,
        full: Full,
    ) -> Result<Seat, Error> {
        let mut table = if full == Full::Waits { self.lock_with_room(limit) } else { self.lock() };
        if self.is_stopping() {
            return Err(Error::Stopped);
        }
        if table.clients.len() >= limit {
            return Err(Error::TooManyClients { limit });
        }
        let seat = self.new_seat(&mut table);
        table.clients.insert(seat.id, client);
        Ok(seat)
    }

    /// Takes an accept loop in; `wake` is shut down when it is to end.
    pub(super) fn admit_loop(self: &Arc<Self>, wake: UnixStream) -> Result<Seat, Error> {
        let mut table = self.lock();
        if self.is_stopping() {
            return Err(Error::Stopped);
        }
        let seat = self.new_seat(&mut table);
        table.loops.insert(seat.id, wake);
        Ok(seat)
    }

    fn new_seat(self: &Arc<Self>, table: &mut Table) -> Seat {
        table.last_id += 1;
        Seat { registry: Arc::clone(self), id: table.last_id }
    }

    /// Waits until there are fewer than `limit` clients; `false` once the server is stopping.
    pub(super) fn wait_for_room(&self, limit: usize) -> bool {
        drop(self.lock_with_room(limit));
        !self.is_stopping()
    }

    /// Waits likewise; the room that there is lasts until the lock is given up.
    fn lock_with_room(&self, limit: usize) -> MutexGuard<'_, Table> {
        let full = |table: &mut Table| !self.is_stopping() && table.clients.len() >= limit;
        self.changed.wait_while(self.lock(), full).unwrap_or_else(PoisonError::into_inner)
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
        for client in self.clients() {
            if client.state.close() {
                let _ = client.socket.shutdown();
            }
        }
    }

    /// Shuts every client's socket down, whatever runs.
    pub(super) fn cut_clients(&self) {
        for client in self.clients() {
            let _ = client.socket.shutdown();
        }
    }

    fn clients(&self) -> Vec<Arc<Client>> {
        self.lock().clients.values().cloned().collect()
    }

    /// Waits while `is_left`, at most `limit`; whether it came to an end. Nothing that is done
    /// under the lock can panic, so it is never found poisoned.
    fn wait(&self, limit: Option<Duration>, is_left: impl Fn(&Table) -> bool) -> bool {
        let limit = limit.unwrap_or(Duration::MAX);
        let waited = self.changed.wait_timeout_while(self.lock(), limit, |table| is_left(table));
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    /// Notes for as long as the value lives that this thread is inside stop, so that no stop that
    /// was called from a call or a loop waits for those that it works for.
    pub(super) fn enter_stop(&self) -> InStop<'_> {
        let mut table = self.lock();
        let here = thread::current().id();
        let works_here = |(id, thread): (&u64, &ThreadId)| (*thread == here).then_some(*id);
        let mut noted: Vec<u64> = table.threads.iter().filter_map(works_here).collect();
        let is_inside = !noted.is_empty();
        // A stop within a stop leaves the note to the outer one.
        noted.retain(|id| table.in_stop.insert(*id));
        drop(table);
        self.changed.notify_all();
        InStop { registry: self, is_inside, noted }
    }
}

impl Seat {
    /// Notes that this thread works for the seat.
    pub(super) fn occupy(&self) {
        self.registry.lock().threads.insert(self.id, thread::current().id());
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut table = self.registry.lock();
        // The socket is closed before the lock is given up: whoever finds the seat empty finds the
        // connection ended.
        table.clients.remove(&self.id);
        table.loops.remove(&self.id);
        table.threads.remove(&self.id);
        drop(table);
        self.registry.changed.notify_all();
    }
}

/// See [`Registry::enter_stop`].
pub(super) struct InStop<'r> {
    registry: &'r Registry,
    /// Whether this thread works for a seat.
    is_inside: bool,
    noted: Vec<u64>,
}

impl InStop<'_> {
    /// Waits until all clients have left, at most `limit`; whether they have.
    pub(super) fn wait_for_clients(&self, limit: Duration) -> bool {
        self.registry.wait(Some(limit), |table| self.awaits_any(table, table.clients.keys()))
    }

    /// Waits until every seat is empty, at most `limit`; whether they are.
    pub(super) fn wait_for_all(&self, limit: Option<Duration>) -> bool {
        self.registry.wait(limit, |table| {
            self.awaits_any(table, table.clients.keys().chain(table.loops.keys()))
        })
    }

    /// How many methods still run, of those that are waited for.
    pub(super) fn running_methods(&self) -> usize {
        let table = self.registry.lock();
        let runs = |(id, client): &(&u64, &Arc<Client>)| self.awaits(&table, id) && client.runs();
        table.clients.iter().filter(runs).count()
    }

    fn awaits_any<'t>(&self, table: &Table, mut seats: impl Iterator<Item = &'t u64>) -> bool {
        seats.any(|id| self.awaits(table, id))
    }

    fn awaits(&self, table: &Table, seat: &u64) -> bool {
        !(self.is_inside && table.in_stop.contains(seat))
    }
}

impl Drop for InStop<'_> {
    fn drop(&mut self) {
        let mut table = self.registry.lock();
        for id in &self.noted {
            table.in_stop.remove(id);
        }
    }
}
