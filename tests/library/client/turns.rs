//! Calls of several threads: one at a time, in order.

use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use super::{answered, client, client_with, join};
use crate::support::{read_message, read_to_end, send, success, within_timeout};
use urpc::{Error, Limits};

#[test]
fn a_call_that_does_not_get_its_turn_in_time_sends_nothing_and_leaves_it_usable() {
    // The call that has the turn has an argument whose encoding takes a long time.
    let call_time = Some(Duration::from_secs(1));
    let (client, server) = client_with(Limits { call_time, ..Limits::for_client() });
    let (writes, written) = (mpsc::sync_channel(0), mpsc::sync_channel(0));
    let holder = Arc::clone(&client);
    let arg = SlowArgument(writes.0, std::sync::Mutex::new(written.1));
    let first = thread::spawn(move || holder.call::<i64>("Peer.Any", &arg));
    writes.1.recv().unwrap();
    let waiting = Arc::clone(&client);
    let late = within_timeout(move || waiting.call::<i64>("Peer.Any", &()).unwrap_err());
    assert!(matches!(late, Error::TimedOut { mid_message: false, .. }), "{late:?}");
    assert!(late.is_usable());
    written.0.send(()).unwrap();
    // The first call's time is over too, before a byte of it was sent.
    let late = join(first).unwrap_err();
    assert!(matches!(late, Error::TimedOut { mid_message: false, .. }), "{late:?}");
    assert_eq!(answered::<i64>(&client, &server, &success("1")).unwrap(), 1);
}

#[test]
fn the_wait_for_the_turn_counts_as_part_of_a_call_with_its_own_limit() {
    let (client, server) = client();
    let holder = Arc::clone(&client);
    let first = thread::spawn(move || holder.call::<i64>("Peer.Any", &1));
    read_message(&server);
    let waiting = Arc::clone(&client);
    let time = Duration::from_millis(20);
    let late = within_timeout(move || waiting.call_within::<i64>(time, "Peer.Any", &2));
    let late = late.unwrap_err();
    assert!(matches!(late, Error::TimedOut { mid_message: false, .. }), "{late:?}");
    send(&server, success("1").as_bytes(), &[]);
    assert_eq!(join(first).unwrap(), 1, "the first call has no limit");
    assert_eq!(answered::<i64>(&client, &server, &success("3")).unwrap(), 3);
}

/// An argument whose encoding waits for the test.
struct SlowArgument(mpsc::SyncSender<()>, std::sync::Mutex<mpsc::Receiver<()>>);

impl urpc::json::ToJson for SlowArgument {
    fn encode(&self, encoder: &mut urpc::json::Encoder<'_>) -> Result<(), urpc::json::Aborted> {
        self.0.send(()).unwrap();
        self.1.lock().unwrap().recv().unwrap();
        ().encode(encoder)
    }
}

#[test]
fn calls_of_several_threads_take_turns_and_each_gets_its_own_reply() {
    let (client, server) = client();
    let calls: Vec<_> = (0..8)
        .map(|n| {
            let client = Arc::clone(&client);
            thread::spawn(move || assert_eq!(client.call::<i64>("Peer.Echo", &n).unwrap(), n))
        })
        .collect();
    for _ in 0..8 {
        let call = read_message(&server).0;
        let n = call.strip_prefix(r#"{"method":"Peer.Echo","arg":"#).unwrap();
        send(&server, success(n.strip_suffix('}').unwrap()).as_bytes(), &[]);
    }
    calls.into_iter().for_each(|call| within_timeout(move || call.join().unwrap()));
    client.close();
    assert_eq!(read_to_end(&server).0, b"", "no call was sent before its turn");
}
