//! What the observer of a server sees: each client comes, makes calls that begin and end, and goes.

use std::sync::{Arc, Condvar, Mutex, PoisonError};

use urpc::{Error, Event, Outcome};

use super::errors;
use super::peer::FAR;

/// The events of a server with one client at a time.
#[derive(Debug, Clone, Default)]
pub struct Events(Arc<(Mutex<Seen>, Condvar)>);

#[derive(Debug, Default)]
struct Seen {
    /// The last client, and whether it is there.
    client: Option<(u64, bool)>,
    /// The method of the call that runs.
    call: Option<String>,
    reasons: Vec<Error>,
    /// An event that cannot follow the one before it. A panic in an observer would not be seen.
    wrong: Option<String>,
}

impl Events {
    pub fn note(&self, event: &Event<'_>) {
        let (seen, changed) = &*self.0;
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        changed.notify_all();
        if !seen.note(event) {
            let text = format!("{event:?} after {:?} and {:?}", seen.client, seen.call);
            seen.wrong.get_or_insert(text);
        }
    }

    /// Checks all events, when the last client has gone. If it was served on another thread, this
    /// waits for that thread.
    pub fn check(&self) {
        let (seen, changed) = &*self.0;
        let is_there = |seen: &mut Seen| seen.client.is_some_and(|(_, is_there)| is_there);
        let seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = changed.wait_timeout_while(seen, FAR, is_there);
        let (seen, waited) = waited.unwrap_or_else(PoisonError::into_inner);
        assert!(!waited.timed_out(), "the last client does not go");
        assert_eq!((&seen.wrong, &seen.call), (&None, &None));
        seen.reasons.iter().for_each(errors::check);
    }
}

impl Seen {
    /// `false` if this event cannot come now.
    fn note(&mut self, event: &Event<'_>) -> bool {
        let here = self.client.filter(|(_, is_there)| *is_there).map(|(client, _)| client);
        match event {
            Event::Accepted { client, credentials } => {
                let is_new = self.client.is_none_or(|(before, _)| before < *client);
                self.client = Some((*client, true));
                is_new && here.is_none() && credentials.pid == std::process::id()
            }
            Event::Refused { reason } => {
                self.reasons.push((*reason).clone());
                true
            }
            Event::Disconnected { client, reason } => {
                self.reasons.extend(reason.cloned());
                self.client = Some((*client, false));
                here == Some(*client) && self.call.is_none()
            }
            Event::CallStarted { client, method } => {
                let was_idle = self.call.replace((*method).to_owned()).is_none();
                here == Some(*client) && was_idle
            }
            Event::MessageRefused { client, reason } => {
                self.reasons.push((*reason).clone());
                here == Some(*client)
            }
            Event::CallEnded { client, method, outcome, .. } => {
                let begun = self.call.take();
                // A call that a stop came before did not begin.
                let is_dropped = begun.is_none() && *outcome == Outcome::Dropped;
                here == Some(*client) && (is_dropped || begun.as_deref() == Some(*method))
            }
            _ => false,
        }
    }
}
