//! One client and its place in the registry, and when it loses that although its thread still runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::state::{Activity, ActivityCell, ClientState, State};
use crate::socket::Socket;

/// How long a client that is gone keeps its place while its thread only closes, and how often a
/// full server looks for such clients.
pub(super) const OVERDUE_AFTER: Duration = Duration::from_millis(100);

/// What stop must know of a client.
pub(super) struct ServedClient {
    pub(super) socket: Arc<Socket>,
    pub(super) state: ClientState,
    pub(super) activity: ActivityCell,
    /// Whether the present call has an outcome, which is being told to the peer.
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
        let begins = self.state.begin_call();
        if begins {
            self.has_outcome.store(false, Ordering::Release);
        }
        begins
    }

    /// Ends the connection. From here on the client's thread only closes.
    pub(super) fn end(&self) {
        self.activity.set(Activity::Closing);
        self.state.close();
        // It fails only where the peer is gone, which is as good.
        let _ = self.socket.shutdown();
    }

    /// Whether a method runs for it.
    pub(super) fn is_running(&self) -> bool {
        matches!(self.state.get(), State::Processing | State::CloseRequested)
            && !self.has_outcome.load(Ordering::Acquire)
    }
}

impl Drop for ServedClient {
    /// A socket that was inherited, or is shared with another process, ends only by a shutdown.
    fn drop(&mut self) {
        let _ = self.socket.shutdown();
    }
}

/// A client's place.
pub(super) struct Place {
    /// Taken out when the connection is closed, as the last thing that its thread does.
    pub(super) client: Option<Arc<ServedClient>>,
    /// The user that it counts for, where that is limited.
    pub(super) uid: Option<u32>,
    /// Since when, and in which activity, its thread has only closed while a place was looked for.
    closing: Option<(u32, Instant)>,
    /// Whether it no longer counts as one of `Limits::clients`.
    pub(super) overdue: bool,
}

impl Place {
    pub(super) fn new(client: Arc<ServedClient>, uid: Option<u32>) -> Place {
        Place { client: Some(client), uid, closing: None, overdue: false }
    }

    /// Which activity its thread is in, if the connection is over and the thread only closes.
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

    /// Notes whether it is overdue; whether it may become so soon.
    pub(super) fn look(&mut self) -> bool {
        let Some(activity) = self.only_closes() else {
            self.closing = None;
            return false;
        };
        let since = match self.closing {
            Some((before, since)) if before == activity => since,
            _ => Instant::now(),
        };
        self.closing = Some((activity, since));
        // It is closed, so that it runs no call beside those of the clients that have a place.
        self.overdue = since.elapsed() >= OVERDUE_AFTER
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

    /// As if the last look had been so long ago.
    fn age(place: &mut Place, time: Duration) {
        let (activity, since) = place.closing.unwrap();
        place.closing = Some((activity, since.checked_sub(time).unwrap()));
    }

    #[test]
    fn a_client_that_is_gone_is_overdue_once_its_thread_has_only_closed_for_a_while() {
        let (client, mut place) = place();
        assert!(place.look() && place.look());
        age(&mut place, OVERDUE_AFTER);
        assert!(!place.look() && place.overdue);
        assert!(!client.state.begin_call(), "it has no place to run a call in");
    }

    #[test]
    fn a_thread_that_came_back_between_two_looks_is_not_overdue() {
        let (client, mut place) = place();
        assert!(place.look());
        age(&mut place, OVERDUE_AFTER);
        client.activity.set(Activity::Working);
        client.activity.set(Activity::Closing);
        assert!(place.look() && !place.overdue);
    }

    #[test]
    fn who_is_connected_or_has_a_call_keeps_its_place() {
        let (client, mut busy) = place();
        assert!(client.state.begin_call());
        assert!(!busy.look() && busy.closing.is_none());
        let (ours, _theirs) = Socket::pair().unwrap();
        let client = ServedClient::new(ours);
        client.activity.set(Activity::Closing);
        let mut idle = Place::new(client, None);
        assert!(!idle.look() && idle.closing.is_none());
    }
}
