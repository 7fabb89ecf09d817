//! A client's calls: turns, time limits, close.

use std::sync::Arc;
use std::time::Duration;

use super::{Gate, connection, echoing, reply_to, settle};
use crate::interleavings::{Scenario, Time};
use crate::json::{Aborted, Encoder, ToJson};
use crate::sync::thread::{self, JoinHandle};
use crate::{Client, Error};

pub(super) const ALL: &[Scenario] = &[
    Scenario { name: "three calls take turns", time: Time::Stands, run: three_calls },
    Scenario { name: "two calls and a close", time: Time::Stands, run: two_calls_and_a_close },
    Scenario { name: "two closes and a call", time: Time::Stands, run: two_closes_and_a_call },
    Scenario {
        name: "calls that get no answer, and a close",
        time: Time::Stands,
        run: unanswered_calls_and_a_close,
    },
    Scenario {
        name: "a close while the turn is held up",
        time: Time::Stands,
        run: a_close_while_the_turn_is_held_up,
    },
    Scenario {
        name: "calls that get no answer, and the peer goes",
        time: Time::Stands,
        run: unanswered_calls_and_the_peer_goes,
    },
    Scenario { name: "time runs out in a queue of calls", time: Time::Runs(1), run: time_runs_out },
    Scenario { name: "an answer comes too late", time: Time::Runs(2), run: a_late_answer },
    Scenario {
        name: "time runs out in a queue of calls, and a close",
        time: Time::Runs(1),
        run: time_runs_out_and_a_close,
    },
];

const LIMIT: Duration = Duration::from_secs(1);

fn call(client: &Arc<Client>, number: i32) -> JoinHandle<Result<i32, Error>> {
    let client = Arc::clone(client);
    thread::spawn(move || client.call("Peer.Echo", &number))
}

fn three_calls() {
    let client = Arc::new(Client::new(echoing()));
    let others = [1, 2].map(|number| call(&client, number));
    assert_eq!(client.call::<i32>("Peer.Echo", &3).unwrap(), 3);
    assert_eq!(others.map(|call| call.join().unwrap()), [1, 2]);
}

fn two_calls_and_a_close() {
    let client = Arc::new(Client::new(echoing()));
    let calls = [1, 2].map(|number| (number, call(&client, number)));
    client.close();
    for (number, call) in calls {
        match call.join() {
            Ok(result) => assert_eq!(result, number),
            Err(error) => assert!(matches!(error, Error::Closed), "{error:?}"),
        }
    }
    assert!(matches!(client.call::<i32>("Peer.Echo", &3), Err(Error::Closed)));
}

fn two_closes_and_a_call() {
    let client = Arc::new(Client::new(echoing()));
    let calling = call(&client, 1);
    let other = Arc::clone(&client);
    let closing = thread::spawn(move || other.close());
    client.close();
    assert!(client.is_peer_gone());
    closing.join();
    assert!(matches!(calling.join(), Ok(1) | Err(Error::Closed)));
}

fn unanswered_calls_and_a_close() {
    let (ours, theirs) = connection();
    let client = Arc::new(Client::new(ours));
    let calls = [1, 2].map(|number| call(&client, number));
    client.close();
    for call in calls {
        assert!(matches!(call.join(), Err(Error::Closed)));
    }
    drop(theirs);
}

/// An argument whose encoding waits.
struct Slow(Gate);

impl ToJson for Slow {
    fn encode(&self, encoder: &mut Encoder<'_>) -> Result<(), Aborted> {
        self.0.pass();
        true.encode(encoder)
    }
}

/// A call that waits for its turn ends although the one that has the turn does not.
fn a_close_while_the_turn_is_held_up() {
    let client = Arc::new(Client::new(echoing()));
    let gate = Gate::default();
    let (holder, slow) = (Arc::clone(&client), Slow(gate.clone()));
    let held_up = settle(|| thread::spawn(move || holder.call::<bool>("Peer.Echo", &slow)));
    let waiting = call(&client, 1);
    client.close();
    assert!(matches!(waiting.join(), Err(Error::Closed)));
    gate.open();
    assert!(matches!(held_up.join(), Err(Error::Closed)));
}

fn unanswered_calls_and_the_peer_goes() {
    let (ours, theirs) = connection();
    let client = Arc::new(Client::new(ours));
    let calls = [1, 2].map(|number| call(&client, number));
    theirs.shutdown().unwrap();
    let errors = calls.map(|call| call.join().unwrap_err());
    for error in errors {
        let is_end = matches!(error, Error::Disconnected { .. } | Error::Finished(_));
        assert!(is_end, "{error:?}");
    }
    // A call that could not be sent leaves the client usable, until one finds out otherwise.
    assert!(client.is_peer_gone());
}

/// What a call within `LIMIT` may end with.
fn check_timed(result: Result<i32, Error>, number: i32, closed: bool) {
    match result {
        Ok(result) => assert_eq!(result, number),
        Err(Error::TimedOut { .. } | Error::Finished(_)) => {}
        Err(Error::Closed) if closed => {}
        Err(error) => panic!("{error:?}"),
    }
}

fn timed_call(client: &Arc<Client>, number: i32) -> JoinHandle<Result<i32, Error>> {
    let client = Arc::clone(client);
    thread::spawn(move || client.call_within(LIMIT, "Peer.Echo", &number))
}

/// One of the calls may run out of time. If it was still waiting for its turn, the others are
/// answered.
fn time_runs_out() {
    let client = Arc::new(Client::new(echoing()));
    let calls = [timed_call(&client, 1), call(&client, 2)];
    check_timed(client.call("Peer.Echo", &3), 3, false);
    for (number, call) in [1, 2].into_iter().zip(calls) {
        check_timed(call.join(), number, false);
    }
    check_timed(client.call("Peer.Echo", &4), 4, false);
}

/// The peer takes its time. Its answer to the first call is not taken for that to the second.
fn a_late_answer() {
    let (ours, theirs) = connection();
    let client = Client::new(ours);
    let answering = thread::spawn(move || {
        loop {
            let mut call = [0; 200];
            match theirs.receive(&mut call, 0).unwrap() {
                (0, _) => return,
                // It fails if the client has closed.
                (length, _) => drop(theirs.send(reply_to(&call[..length]).as_bytes(), &[])),
            }
        }
    });
    for number in [1, 2] {
        check_timed(client.call_within(LIMIT, "Peer.Echo", &number), number, false);
    }
    client.close();
    answering.join();
}

fn time_runs_out_and_a_close() {
    let client = Arc::new(Client::new(echoing()));
    let calls = [timed_call(&client, 1), timed_call(&client, 2)];
    client.close();
    for (number, call) in [1, 2].into_iter().zip(calls) {
        check_timed(call.join(), number, true);
    }
}
