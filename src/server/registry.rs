//! Who is being served, and the waiting for them to go.
//!
//! Every client and every accept loop has a [`Seat`] for as long as a thread works for it. Stop
//! waits until the seats are empty. A stop that is called on a seat's own thread does not wait for
//! that seat, nor for others whose thread is inside stop: they might wait for each other. The lock
//! is held for a few steps at a time and never while code of the user's runs.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

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
    clients: BTreeMap<u64, Seated<Arc<Client>>>,
    loops: BTreeMap<u64, Seated<Option<UnixStream>>>,
    /// How many of each are inside stop.
    clients_in_stop: usize,
    loops_in_stop: usize,
}

struct Seated<T> {
    what: T,
    /// How many calls of stop its thread is in, one within the other.
    stops: usize,
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

thread_local! {
    /// The seats that this thread works for, by the address of their registry.
    static OCCUPIED: RefCell<Vec<(usize, u64)>> = const { RefCell::new(Vec::new()) };
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
        let id = table.next_id();
        table.clients.insert(id, Seated { what: client, stops: 0 });
        Ok(Seat { registry: Arc::clone(self), id })
    }

    /// Takes an accept loop in; `wake` is dropped when it is to end.
    pub(super) fn admit_loop(self: &Arc<Self>, wake: UnixStream) -> Result<Seat, Error> {
        let mut table = self.lock();
        if self.is_stopping() {
            return Err(Error::Stopped);
        }
        let id = table.next_id();
        table.loops.insert(id, Seated { what: Some(wake), stops: 0 });
        Ok(Seat { registry: Arc::clone(self), id })
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
        let mut table = self.lock();
        self.stopping.store(true, Ordering::Release);
        let wakes: Vec<_> = table.loops.values_mut().filter_map(|seat| seat.what.take()).collect();
        drop(table);
        drop(wakes);
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
        self.lock().clients.values().map(|seat| Arc::clone(&seat.what)).collect()
    }

    /// Waits while somebody is left, at most `limit`; whether nobody is.
    fn wait(&self, limit: Option<Duration>, is_left: impl Fn(&Table) -> bool) -> bool {
        let deadline = limit.and_then(|limit| Instant::now().checked_add(limit));
        let mut table = self.lock();
        while is_left(&table) {
            table = match deadline.map(|at| at.saturating_duration_since(Instant::now())) {
                None => self.changed.wait(table).unwrap_or_else(PoisonError::into_inner),
                Some(Duration::ZERO) => return false,
                Some(left) => {
                    let waited = self.changed.wait_timeout(table, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        true
    }

    /// Notes for as long as the value lives that this thread is inside stop, so that no stop that
    /// was called from a call or a loop waits for those that it works for.
    pub(super) fn enter_stop(&self) -> InStop<'_> {
        let mine = self.occupied_here();
        let mut table = self.lock();
        mine.iter().for_each(|id| table.count_stop(*id, true));
        drop(table);
        self.changed.notify_all();
        InStop { registry: self, mine }
    }

    fn occupied_here(&self) -> Vec<u64> {
        let here = self.address();
        OCCUPIED.with_borrow(|seats| {
            seats.iter().filter(|(registry, _)| *registry == here).map(|(_, id)| *id).collect()
        })
    }

    fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }
}

impl Table {
    fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    fn count_stop(&mut self, id: u64, enters: bool) {
        let (stops, in_stop) = match (self.clients.get_mut(&id), self.loops.get_mut(&id)) {
            (Some(seat), _) => (&mut seat.stops, &mut self.clients_in_stop),
            (_, Some(seat)) => (&mut seat.stops, &mut self.loops_in_stop),
            _ => return,
        };
        if enters {
            *in_stop += usize::from(*stops == 0);
            *stops += 1;
        } else {
            *stops -= 1;
            *in_stop -= usize::from(*stops == 0);
        }
    }
}

impl Seat {
    /// Notes for as long as the value lives that this thread works for the seat.
    pub(super) fn occupy(&self) -> Occupied {
        let place = (self.registry.address(), self.id);
        OCCUPIED.with_borrow_mut(|seats| seats.push(place));
        Occupied(place)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut table = self.registry.lock();
        // The socket is closed before the lock is given up: whoever finds the seat empty finds the
        // connection ended.
        table.clients.remove(&self.id);
        table.loops.remove(&self.id);
        drop(table);
        self.registry.changed.notify_all();
    }
}

/// See [`Seat::occupy`].
pub(super) struct Occupied((usize, u64));

impl Drop for Occupied {
    fn drop(&mut self) {
        OCCUPIED.with_borrow_mut(|seats| seats.retain(|place| *place != self.0));
    }
}

/// See [`Registry::enter_stop`].
pub(super) struct InStop<'r> {
    registry: &'r Registry,
    mine: Vec<u64>,
}

impl InStop<'_> {
    /// Waits until all clients have left, at most `limit`; whether they have.
    pub(super) fn wait_for_clients(&self, limit: Duration) -> bool {
        self.registry
            .wait(Some(limit), |table| table.clients.len() > self.excused(table.clients_in_stop))
    }

    /// Waits until every seat is empty, at most `limit`; whether they are.
    pub(super) fn wait_for_all(&self, limit: Option<Duration>) -> bool {
        self.registry.wait(limit, |table| {
            table.clients.len() > self.excused(table.clients_in_stop)
                || table.loops.len() > self.excused(table.loops_in_stop)
        })
    }

    /// How many methods still run, of those that are waited for.
    pub(super) fn running_methods(&self) -> usize {
        let table = self.registry.lock();
        let running =
            |seat: &&Seated<Arc<Client>>| self.excused(seat.stops) == 0 && seat.what.runs();
        table.clients.values().filter(running).count()
    }

    /// How many of `in_stop` this one must not wait for. Whoever has no seat waits for all: those
    /// who have one do not wait for it in turn.
    fn excused(&self, in_stop: usize) -> usize {
        if self.mine.is_empty() { 0 } else { in_stop }
    }
}

impl Drop for InStop<'_> {
    fn drop(&mut self) {
        let mut table = self.registry.lock();
        self.mine.iter().for_each(|id| table.count_stop(*id, false));
    }
}
