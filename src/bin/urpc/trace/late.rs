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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::channel;

    #[test]
    fn each_of_several_calls_needs_its_reply() {
        let ((client, client_peer), (server, _server_peer)) =
            (Socket::pair().unwrap(), Socket::pair().unwrap());
        let (seen, messages) = channel();
        let limit = Duration::from_millis(1);
        [Direction::Call, Direction::Call, Direction::Reply]
            .into_iter()
            .for_each(|message| seen.send(message));
        // It returns although the sender is there: the second call has no reply.
        cut_off_if_late(1, &client, &server, &messages, limit);
        assert_eq!(client_peer.receive(&mut [0], 0).unwrap().0, 0);
    }

    #[test]
    fn what_is_answered_or_not_begun_has_no_limit() {
        let ((client, _client_peer), (server, _server_peer)) =
            (Socket::pair().unwrap(), Socket::pair().unwrap());
        let (seen, messages) = channel();
        [Direction::Reply, Direction::Call, Direction::Reply]
            .into_iter()
            .for_each(|message| seen.send(message));
        drop(seen);
        cut_off_if_late(1, &client, &server, &messages, Duration::MAX);
        assert_eq!(client.send(b"x", &[]).unwrap(), 1);
    }
}
