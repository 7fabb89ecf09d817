//! The state of one client, and the only moves it can make.
//!
//! Two threads move it: the one that serves the client, and whoever stops the server. Each move is
//! one atomic step, so that a call either begins before the client is closed, and is then finished
//! and answered, or does not begin at all.

use std::sync::atomic::{AtomicU8, Ordering};

/// What a client is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// No call runs and no close was asked for.
    Idle,
    /// A call runs.
    Processing,
    /// A call runs, and the client is to be closed when it is done.
    CloseRequested,
    /// No call will begin any more.
    Closed,
}

const IN_CALL: u8 = 1;
const CLOSING: u8 = 2;

/// A [`State`], as two bits: whether a call runs, and whether a close was asked for. A call begins
/// only where neither is set, and the second is never unset, so the moves are idle → processing or
/// closed, processing → idle or close requested, and close requested → closed.
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

    /// A call begins; `false` if the client was closed meanwhile and the call must be dropped.
    pub(super) fn begin_call(&self) -> bool {
        self.0.compare_exchange(0, IN_CALL, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// The call is done; `false` if the client is to be closed now.
    pub(super) fn end_call(&self) -> bool {
        self.0.fetch_and(!IN_CALL, Ordering::AcqRel) == IN_CALL
    }

    /// Asks for the client to be closed; `true` if no call runs, so that it is closed now.
    pub(super) fn close(&self) -> bool {
        self.0.fetch_or(CLOSING, Ordering::AcqRel) & IN_CALL == 0
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
        assert!(state.close());
        assert_eq!(state.get(), State::Closed);
        assert!(!state.begin_call());
        assert!(state.close());
        assert_eq!(state.get(), State::Closed);
    }

    #[test]
    fn a_processing_client_is_closed_when_its_call_is_done() {
        let state = ClientState::default();
        assert!(state.begin_call());
        assert!(!state.close());
        assert_eq!(state.get(), State::CloseRequested);
        assert!(!state.close());
        assert!(!state.end_call());
        assert_eq!(state.get(), State::Closed);
        assert!(!state.begin_call());
    }
}
