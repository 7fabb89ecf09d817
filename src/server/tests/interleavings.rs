//! Tests every order of the steps of two clients and a stop.
//!
//! The registry and the clients' states take one step at a time, and so does a simple model of the
//! protocol. After each step both must agree, and so must what the peers see. Every transition of a
//! state is one atomic step, so these orders are all that there are.

use std::io::{ErrorKind, Read};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use crate::limits::Limits;
use crate::server::place::ServedClient;
use crate::server::registry::{Registration, Registry, WhenFull};
use crate::server::state::State;
use crate::server::stop::StopGuard;
use crate::socket::Socket;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Comes(usize),
    CallBegins(usize),
    CallEnds(usize),
    IsClosed(usize),
    Stop,
}

use Step::{CallBegins, CallEnds, Comes, IsClosed, Stop};

const STEPS: [Step; 9] = [
    Comes(0),
    CallBegins(0),
    CallEnds(0),
    IsClosed(0),
    Comes(1),
    CallBegins(1),
    CallEnds(1),
    IsClosed(1),
    Stop,
];

/// The step that must come before `step`.
fn needed_before(step: Step) -> Option<Step> {
    match step {
        Comes(_) | Stop => None,
        CallBegins(of) | IsClosed(of) => Some(Comes(of)),
        CallEnds(of) => Some(CallBegins(of)),
    }
}

/// Calls `try_out` with every possible order of all steps.
fn each_order(done: &mut Vec<Step>, try_out: &mut impl FnMut(&[Step])) {
    if done.len() == STEPS.len() {
        return try_out(done);
    }
    for step in STEPS {
        if !done.contains(&step) && needed_before(step).is_none_or(|other| done.contains(&other)) {
            done.push(step);
            each_order(done, try_out);
            done.pop();
        }
    }
}

/// A client, the peer's end of its connection, and the model of its state.
struct Party {
    client: Arc<ServedClient>,
    peer: UnixStream,
    /// Dropped when the client's thread would end.
    registration: Option<Registration>,
    model: State,
}

impl Party {
    fn come(registry: &Arc<Registry>) -> Option<Party> {
        let (ours, peer) = UnixStream::pair().unwrap();
        peer.set_nonblocking(true).unwrap();
        let client = ServedClient::new(Socket::from(ours));
        let limits = Limits { clients: 2, ..Limits::default() };
        let registration = registry.admit(&client, &limits, WhenFull::Reject).ok()?;
        Some(Party { client, peer, registration: Some(registration), model: State::Idle })
    }

    fn begin_call(&mut self) {
        let begins = self.client.state.begin_call();
        assert_eq!(begins, self.model == State::Idle);
        match begins {
            true => self.model = State::Processing,
            false => self.registration = None,
        }
    }

    fn end_call(&mut self) {
        if self.registration.is_none() {
            return;
        }
        let goes_on = self.client.state.end_call();
        assert_eq!(goes_on, self.model == State::Processing);
        self.model = if goes_on { State::Idle } else { State::Closed };
        if !goes_on {
            let _ = self.client.socket.shutdown();
            self.registration = None;
        }
    }

    fn close(&mut self) {
        let at_once = self.client.state.request_close();
        assert_eq!(at_once, matches!(self.model, State::Idle | State::Closed));
        if at_once {
            let _ = self.client.socket.shutdown();
        }
        self.model_close();
    }

    fn model_close(&mut self) {
        self.model = match self.model {
            State::Idle | State::Closed => State::Closed,
            State::Processing | State::CloseRequested => State::CloseRequested,
        };
    }

    fn check(&mut self) {
        assert_eq!(self.client.state.get(), self.model);
        let sees_the_end = match self.peer.read(&mut [0]) {
            Ok(count) => count == 0,
            Err(error) => error.kind() != ErrorKind::WouldBlock,
        };
        assert_eq!(sees_the_end, self.model == State::Closed);
    }
}

fn try_out(order: &[Step]) {
    let registry: Arc<Registry> = Arc::default();
    let mut parties: [Option<Party>; 2] = [None, None];
    let mut stopped = false;
    for step in order {
        match *step {
            Comes(who) => {
                parties[who] = Party::come(&registry);
                assert_eq!(parties[who].is_some(), !stopped);
            }
            CallBegins(who) => parties[who].iter_mut().for_each(Party::begin_call),
            CallEnds(who) => parties[who].iter_mut().for_each(Party::end_call),
            IsClosed(who) => parties[who].iter_mut().for_each(Party::close),
            Stop => {
                registry.begin_stop();
                registry.close_clients();
                stopped = true;
                let registered = |party: &&mut Party| party.registration.is_some();
                parties.iter_mut().flatten().filter(registered).for_each(Party::model_close);
            }
        }
        parties.iter_mut().flatten().for_each(Party::check);
    }
    // All calls have ended, so all clients are closed and their threads see the end.
    for party in parties.iter_mut().flatten() {
        assert_eq!(party.model, State::Closed);
        party.registration = None;
    }
    assert!(StopGuard::enter(&registry).wait_for_all(Some(Duration::ZERO)));
}

#[test]
fn every_order_of_two_clients_and_a_stop_agrees_with_the_model() {
    let mut orders = 0;
    each_order(&mut Vec::new(), &mut |order| {
        orders += 1;
        let outcome = std::panic::catch_unwind(|| try_out(order));
        assert!(outcome.is_ok(), "{order:?}");
    });
    assert_eq!(orders, 5670);
}
