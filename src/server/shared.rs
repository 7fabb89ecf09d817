//! The state that all handles, accept loops and client threads of a server share.

use std::collections::HashMap;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use super::observe::Event;
use super::place::ServedClient;
use super::registry::{Registration, Registry, WhenFull};
use super::stop::StopGuard;
use super::threads::Threads;
use crate::closer;
use crate::error::Error;
use crate::limits::Limits;
use crate::memory::Budget;
use crate::service::{Method, StopCallback};
use crate::socket::{Credentials, Socket};
use crate::sync::{Mutex, MutexGuard, RwLock};

type Observer = dyn Fn(&Event<'_>) + Send + Sync;
type Authorizer = dyn Fn(&Credentials) -> bool + Send + Sync;
type AfterCall = dyn Fn() + Send + Sync;

#[derive(Default)]
pub(super) struct Shared {
    pub(super) methods: RwLock<HashMap<String, Arc<Method>>>,
    pub(super) stop_callbacks: Mutex<Vec<Box<StopCallback>>>,
    pub(super) registry: Arc<Registry>,
    pub(super) threads: Threads,
    pub(super) limits: Limits,
    pub(super) budget: Arc<Budget>,
    pub(super) observer: Option<Box<Observer>>,
    pub(super) authorizer: Option<Box<Authorizer>>,
    pub(super) after_call: Option<Box<AfterCall>>,
}

impl Shared {
    pub(super) fn method(&self, name: &str) -> Option<Arc<Method>> {
        self.methods.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    pub(super) fn method_names(&self) -> Vec<String> {
        self.methods.read().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }

    pub(super) fn lock_stop_callbacks(&self) -> MutexGuard<'_, Vec<Box<StopCallback>>> {
        self.stop_callbacks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn emit(&self, event: &Event<'_>) {
        if let Some(observer) = &self.observer {
            catch_panic(|| observer(event));
        }
    }

    /// Registers a client for a socket, or reports why it is refused. A refused socket is closed
    /// here. If that may block, another thread closes it.
    pub(super) fn admit(
        &self,
        socket: Socket,
        when_full: WhenFull,
    ) -> Result<(Arc<ServedClient>, Registration), Error> {
        let client = ServedClient::new(socket);
        match self.registry.admit(&client, &self.limits, when_full) {
            Ok(registration) => Ok((client, registration)),
            Err(error) => {
                if !client.socket.shut_down_empty() {
                    closer::close_later(client);
                }
                Err(self.report_refusal(error))
            }
        }
    }

    pub(super) fn report_refusal(&self, error: Error) -> Error {
        self.emit(&Event::Refused { reason: &error });
        error
    }

    /// Sets the idle limit on the socket, and checks whether its peer may call.
    pub(super) fn authorize_peer(&self, socket: &Socket) -> Result<Credentials, Error> {
        socket
            .set_receive_timeout(self.limits.idle_time)
            .map_err(|error| Error::io("set SO_RCVTIMEO", error))?;
        let credentials = socket.credentials()?;
        match &self.authorizer {
            Some(check) if catch_panic(|| check(&credentials)) != Some(true) => {
                Err(Error::Unauthorized(credentials))
            }
            _ => Ok(credentials),
        }
    }

    /// Stops the server. Returns how many methods still run at the deadline.
    pub(super) fn stop(&self, grace: Duration, deadline: Option<Duration>) -> usize {
        self.registry.begin_stop();
        self.threads.end_waiting();
        let stop_guard = StopGuard::enter(&self.registry);
        // A separate statement, so that the lock is released before the first callback runs.
        let callbacks = mem::take(&mut *self.lock_stop_callbacks());
        for callback in callbacks {
            catch_panic(callback);
        }
        stop_guard.wait_for_clients(grace);
        self.registry.close_clients();
        if stop_guard.wait_for_all(deadline) {
            return 0;
        }
        self.registry.shutdown_clients();
        stop_guard.running_methods()
    }
}

/// Runs user code. Returns `None` if it panicked. The panic's payload is dropped, or leaked if
/// its drop panics as well.
pub(super) fn catch_panic<R>(run: impl FnOnce() -> R) -> Option<R> {
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(value) => Some(value),
        Err(payload) => {
            let dropped = catch_unwind(AssertUnwindSafe(|| drop(payload)));
            dropped.unwrap_or_else(mem::forget);
            None
        }
    }
}
