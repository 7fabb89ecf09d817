//! The state of one client, and the only moves it can make.
//!
//! Two threads move it: the one that serves the client, and whoever stops the server. Each move is
//! one atomic step, so that a call either begins before the client is closed, and is then finished
//! and answered, or does not begin at all.

use std::sync::atomic::{AtomicU8, Ordering};

/// What a client is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
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

/// A [`State`] that moves idle → processing or closed, processing → idle or close requested, and
/// close requested → closed. There is no way to make another move.
#[derive(Debug, Default)]
pub(super) struct ClientState(AtomicU8);

impl ClientState {
    pub(super) fn get(&self) -> State {
        match self.0.load(Ordering::Acquire) {
            0 => State::Idle,
            1 => State::Processing,
            2 => State::CloseRequested,
            _ => State::Closed,
        }
    }

    fn step(&self, from: State, to: State) -> bool {
        self.0.compare_exchange(from as u8, to as u8, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// A call begins; `false` if the client was closed meanwhile and the call must be dropped.
    pub(super) fn begin_call(&self) -> bool {
        self.step(State::Idle, State::Processing)
    }

    /// The call is done; `false` if the client is to be closed now.
    pub(super) fn end_call(&self) -> bool {
        self.step(State::Processing, State::Idle) || {
            self.step(State::CloseRequested, State::Closed);
            false
        }
    }

    /// Asks for the client to be closed; `true` if no call runs, so that it is closed now.
    pub(super) fn close(&self) -> bool {
        loop {
            match self.get() {
                State::Idle if self.step(State::Idle, State::Closed) => return true,
                State::Processing if self.step(State::Processing, State::CloseRequested) => {
                    return false;
                }
                State::CloseRequested => return false,
                State::Closed => return true,
                // The serving thread moved in between: look again.
                State::Idle | State::Processing => {}
            }
        }
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
