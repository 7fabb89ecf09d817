//! The state of one client, its transitions, and what its thread is doing.
//!
//! Two threads change the state: the one that serves the client and the one that stops the server.
//! Each transition is one atomic step. So a call either begins before the client is closed, and is
//! then finished and answered, or it does not begin.

use crate::sync::atomic::{AtomicU8, AtomicU32, Ordering};

/// What a client is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// No call runs, and no close was requested.
    Idle,
    /// A call runs.
    Processing,
    /// A call runs, and the client will be closed when it ends.
    CloseRequested,
    /// No call will begin.
    Closed,
}

const IN_CALL: u8 = 1;
const CLOSING: u8 = 2;

/// A [`State`] as two bits: whether a call runs, and whether a close was requested. A call begins
/// only if neither is set, and the second is never cleared. So the transitions are: idle →
/// processing or closed, processing → idle or close requested, and close requested → closed.
#[derive(Debug, Default)]
pub(super) struct ClientState(AtomicU8);

impl ClientState {
    pub(super) fn get(&self) -> State {
        match self.0.load(Ordering::Acquire) {
            0 => State::Idle,
            IN_CALL => State::Processing,
            CLOSING => State::Closed,
            _ => State::CloseRequested,
        }
    }

    /// Begins a call. `false` if the client was closed before, so that the call must be dropped.
    pub(super) fn begin_call(&self) -> bool {
        self.0.compare_exchange(0, IN_CALL, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// Ends a call. `false` if the client must be closed now.
    pub(super) fn end_call(&self) -> bool {
        self.0.fetch_and(!IN_CALL, Ordering::AcqRel) == IN_CALL
    }

    /// Requests that the client be closed. `true` if no call runs, so that it is closed now. `false`
    /// if a call runs: [`ClientState::end_call`] then closes it.
    pub(super) fn request_close(&self) -> bool {
        self.0.fetch_or(CLOSING, Ordering::AcqRel) & IN_CALL == 0
    }

    /// Closes the client if no call runs. Returns whether it is closed now.
    pub(super) fn close_idle(&self) -> bool {
        let closed = self.0.compare_exchange(0, CLOSING, Ordering::AcqRel, Ordering::Acquire);
        closed.map_or_else(|found| found == CLOSING, |_| true)
    }
}

/// What a client's thread is doing: whether a hostile peer can block it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Activity {
    /// It runs user code, or something that ends by itself.
    Working,
    /// It receives, or closes files. Closing a file may block for as long as the peer likes. A
    /// receive without room for a file closes it within the kernel.
    Closing,
}

/// The current [`Activity`]. Only the client's own thread writes it. The lowest bit is the
/// activity, the others count the changes, so that a thread that is blocked differs from one that
/// came back.
#[derive(Debug, Default)]
pub(super) struct ActivityCell(AtomicU32);

impl ActivityCell {
    pub(super) fn set(&self, activity: Activity) {
        let changes = self.0.load(Ordering::Relaxed) & !1;
        let closing = u32::from(activity == Activity::Closing);
        self.0.store(changes.wrapping_add(2) | closing, Ordering::Release);
    }

    /// If the thread is closing: the number of that activity. The same number twice means that the
    /// thread did nothing else in between.
    pub(super) fn closing(&self) -> Option<u32> {
        let value = self.0.load(Ordering::Acquire);
        (value & 1 == 1).then_some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_begins_and_ends() {
        let state = ClientState::default();
        assert_eq!(state.get(), State::Idle);
        assert!(state.begin_call());
        assert_eq!(state.get(), State::Processing);
        assert!(state.end_call());
        assert_eq!(state.get(), State::Idle);
    }

    #[test]
    fn an_idle_client_is_closed_at_once_and_begins_no_call() {
        let state = ClientState::default();
        assert!(state.request_close());
        assert_eq!(state.get(), State::Closed);
        assert!(!state.begin_call());
        assert!(state.request_close());
        assert_eq!(state.get(), State::Closed);
    }

    #[test]
    fn only_an_idle_client_is_closed_for_its_place() {
        let state = ClientState::default();
        assert!(state.begin_call());
        assert!(!state.close_idle());
        assert!(state.end_call());
        assert!(state.close_idle() && state.close_idle());
        assert!(!state.begin_call());
    }

    #[test]
    fn two_activities_of_one_kind_differ() {
        let cell = ActivityCell::default();
        assert_eq!(cell.closing(), None);
        cell.set(Activity::Closing);
        let first = cell.closing();
        assert!(first.is_some() && first == cell.closing());
        cell.set(Activity::Working);
        assert_eq!(cell.closing(), None);
        cell.set(Activity::Closing);
        assert!(cell.closing().is_some() && cell.closing() != first);
    }

    #[test]
    fn a_processing_client_is_closed_when_its_call_is_done() {
        let state = ClientState::default();
        assert!(state.begin_call());
        assert!(!state.request_close());
        assert_eq!(state.get(), State::CloseRequested);
        assert!(!state.request_close());
        assert!(!state.end_call());
        assert_eq!(state.get(), State::Closed);
        assert!(!state.begin_call());
    }
}
