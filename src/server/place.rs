//! One client and its place in the registry.
//!
//! A client whose peer is gone may lose its place although its thread still runs, because a close
//! blocks the thread.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::state::{Activity, ActivityCell, ClientState, State};
use crate::socket::Socket;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::now;

/// How long a client whose peer is gone keeps its place while its thread only closes. A full server
/// checks for such clients as often.
pub(super) const OVERDUE_AFTER: Duration = Duration::from_millis(100);

/// What the registry and a stop know of a client.
pub(super) struct ServedClient {
    pub(super) socket: Arc<Socket>,
    pub(super) state: ClientState,
    pub(super) activity: ActivityCell,
    /// Whether the current call's method has ended, so that only its reply is still to be sent.
    pub(super) has_outcome: AtomicBool,
}

impl ServedClient {
    pub(super) fn new(socket: Socket) -> Arc<ServedClient> {
        let (state, activity) = (ClientState::default(), ActivityCell::default());
        Arc::new(ServedClient {
            socket: Arc::new(socket),
            state,
            activity,
            has_outcome: AtomicBool::default(),
        })
    }

    /// Begins a call. `false` if the client was closed before, so that the call must be dropped.
    pub(super) fn begin_call(&self) -> bool {
        // Before the call begins: a stop that finds it begun must not see the last call's outcome.
        self.has_outcome.store(false, Ordering::Release);
        self.state.begin_call()
    }

    /// Ends the connection. From here on the client's thread only closes.
    pub(super) fn end(&self) {
        self.activity.set(Activity::Closing);
        self.state.request_close();
        // It fails only if the peer is gone.
        let _ = self.socket.shutdown();
    }

    /// Whether one of its methods runs.
    pub(super) fn is_running(&self) -> bool {
        matches!(self.state.get(), State::Processing | State::CloseRequested)
            && !self.has_outcome.load(Ordering::Acquire)
    }
}

/// A client's place.
pub(super) struct Place {
    /// Taken out when the connection is closed, which is the last thing that its thread does.
    pub(super) client: Option<Arc<ServedClient>>,
    /// The user that it counts for, if clients per user are limited.
    pub(super) uid: Option<u32>,
    /// The activity in which its thread was found closing, and when that was found first.
    closing: Option<(u32, Instant)>,
    /// Whether it counts as one of `Limits::stuck_closes` instead of `Limits::clients`.
    pub(super) overdue: bool,
}

impl Place {
    pub(super) fn new(client: Arc<ServedClient>, uid: Option<u32>) -> Place {
        Place { client: Some(client), uid, closing: None, overdue: false }
    }

    /// If the connection has ended and the thread only closes: the number of that activity.
    pub(super) fn only_closes(&self) -> Option<u32> {
        let Some(client) = &self.client else { return Some(0) };
        let activity = client.activity.closing()?;
        let is_over = match client.state.get() {
            State::Closed => true,
            State::Idle => client.socket.is_peer_gone(),
            State::Processing | State::CloseRequested => false,
        };
        is_over.then_some(activity)
    }

    /// Sets `overdue`. Returns whether it is not yet set but may be soon.
    pub(super) fn update_overdue(&mut self) -> bool {
        let Some(activity) = self.only_closes() else {
            self.closing = None;
            return false;
        };
        let since = match self.closing {
            Some((before, since)) if before == activity => since,
            _ => now(),
        };
        self.closing = Some((activity, since));
        // It is closed as well, so that it runs no call without a place.
        self.overdue = now().saturating_duration_since(since) >= OVERDUE_AFTER
            && self.client.as_ref().is_none_or(|client| client.state.close_idle());
        !self.overdue
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The place of an idle client whose peer is gone, its thread in a receive or a close.
    fn place() -> (Arc<ServedClient>, Place) {
        let client = ServedClient::new(Socket::pair().unwrap().0);
        client.activity.set(Activity::Closing);
        let place = Place::new(Arc::clone(&client), None);
        (client, place)
    }

    /// As if the thread had been found closing `time` earlier.
    fn age(place: &mut Place, time: Duration) {
        let (activity, since) = place.closing.unwrap();
        place.closing = Some((activity, since.checked_sub(time).unwrap()));
    }

    #[test]
    fn a_client_that_is_gone_is_overdue_once_its_thread_has_only_closed_for_a_while() {
        let (client, mut place) = place();
        assert!(place.update_overdue() && place.update_overdue());
        age(&mut place, OVERDUE_AFTER);
        assert!(!place.update_overdue() && place.overdue);
        assert!(!client.state.begin_call(), "it has no place to run a call in");
    }

    #[test]
    fn a_thread_that_came_back_between_two_checks_is_not_overdue() {
        let (client, mut place) = place();
        assert!(place.update_overdue());
        age(&mut place, OVERDUE_AFTER);
        client.activity.set(Activity::Working);
        client.activity.set(Activity::Closing);
        assert!(place.update_overdue() && !place.overdue);
    }

    #[test]
    fn who_is_connected_or_has_a_call_keeps_its_place() {
        let (client, mut busy) = place();
        assert!(client.state.begin_call());
        assert!(!busy.update_overdue() && busy.closing.is_none());
        let (ours, _theirs) = Socket::pair().unwrap();
        let client = ServedClient::new(ours);
        client.activity.set(Activity::Closing);
        let mut idle = Place::new(client, None);
        assert!(!idle.update_overdue() && idle.closing.is_none());
    }
}
