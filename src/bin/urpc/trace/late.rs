//! The time limit of `urpc trace` for replies.

use std::time::{Duration, Instant};

use urpc::Socket;

use crate::channel::{Received, Receiver};
use crate::log;
use crate::relay::Direction;

/// Ends a connection if a reply does not follow its call within `limit`. Returns when no further
/// message can come.
pub fn cut_off_if_late(
    number: u64,
    client: &Socket,
    server: &Socket,
    messages: &Receiver<Direction>,
    limit: Duration,
) {
    let (mut calls, mut since) = (0_u32, Instant::now());
    loop {
        let left = (calls > 0).then(|| limit.saturating_sub(since.elapsed()));
        match messages.receive(left) {
            Received::Value(Direction::Call) if calls > 0 => calls += 1,
            Received::Value(Direction::Call) => (calls, since) = (1, Instant::now()),
            Received::Value(Direction::Reply) => {
                (calls, since) = (calls.saturating_sub(1), Instant::now());
            }
            Received::Ended => return,
            Received::Late => {
                report_late(number, "no reply", limit);
                let _ = (client.shutdown(), server.shutdown());
                return;
            }
        }
    }
}

pub fn report_late(number: u64, missing: &str, limit: Duration) {
    let late = format!("#{number}: {missing} within {limit:?}: the connection is ended");
    log::say("trace", &late);
}
