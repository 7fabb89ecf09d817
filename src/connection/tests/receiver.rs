//! Receiving with a fake of the kernel: reads of every size, the files of each message, refusals,
//! the end of the stream, and the clock.

use std::io::ErrorKind;
use std::mem;
use std::os::fd::OwnedFd;
use std::time::Duration;

use super::fake_transport::{FakeTransport, Incoming, receiving, send, truncated};
use crate::call::CALL;
use crate::connection::transport::{Direction, Transport as _};
use crate::connection::{Deadline, Envelope, Message, Receiver};
use crate::error::Error;
use crate::files::Files;
use crate::limits::{Limit, Limits};
use crate::sys::Blocking;
use crate::test_probe::{Probe, identity};

const SECOND: Duration = Duration::from_secs(1);
const TEN_SECONDS: Duration = Duration::from_secs(10);
const A: Bytes = br#"{"method":"A","arg":[{}]}"#;
const B: Bytes = br#" {"arg":"}","method":"B"}"#;
const C: Bytes = b"{}";

type Bytes = &'static [u8];

/// A receiver, the envelope of its messages, and its fake transport.
struct Peer {
    receiver: Receiver<FakeTransport>,
    envelope: Envelope,
    fake: FakeTransport,
}

impl Peer {
    fn new(incoming: impl IntoIterator<Item = Incoming>) -> Peer {
        Peer::with(Limits { receive_files: 3, ..Limits::for_client() }, incoming)
    }

    fn with(limits: Limits, incoming: impl IntoIterator<Item = Incoming>) -> Peer {
        let fake = receiving(incoming);
        let receiver = Receiver::new(fake.clone(), limits, None);
        Peer { receiver, envelope: Envelope::new(&CALL), fake }
    }

    fn next(&mut self) -> Result<Option<Message>, Error> {
        self.receiver.receive(&mut self.envelope, None)
    }

    /// The next message. Panics if there is none.
    fn message(&mut self) -> Message {
        self.next().unwrap().expect("the stream has ended")
    }

    /// Receives everything. Returns a line for each message, with its text, files and refusal, and
    /// a line that says how the stream ended.
    fn all(&mut self) -> Vec<String> {
        let mut seen = Vec::new();
        loop {
            match self.next() {
                Ok(Some(message)) => {
                    let text = String::from_utf8_lossy(self.receiver.slice(&message.range));
                    let refusal = message.refusal.map(|error| error.to_string());
                    seen.push(format!("{text} {:?} {refusal:?}", identities(&message.files)));
                }
                Ok(None) => seen.push("the end".to_owned()),
                Err(error) => seen.push(error.to_string()),
            }
            if !seen.last().is_some_and(|line| line.starts_with('{')) {
                return seen;
            }
        }
    }
}

fn identities(files: &Files) -> Vec<(u64, u64)> {
    files.iter().map(identity).collect()
}

/// `count` different files, and their identities.
fn files(count: usize) -> (Vec<OwnedFd>, Vec<(u64, u64)>) {
    let files: Vec<OwnedFd> = (0..count).map(|_| Probe::new().0).collect();
    let identities = files.iter().map(identity).collect();
    (files, identities)
}

fn copies(files: &[OwnedFd]) -> Vec<OwnedFd> {
    files.iter().map(|file| file.try_clone().unwrap()).collect()
}

/// `count` copies of one file.
fn times(count: usize, file: &OwnedFd) -> Vec<OwnedFd> {
    (0..count).map(|_| file.try_clone().unwrap()).collect()
}

/// The line of [`Peer::all`] for a message that was not refused.
fn line(text: &[u8], identities: &[(u64, u64)]) -> String {
    format!("{} {identities:?} None", String::from_utf8_lossy(text.trim_ascii()))
}

#[test]
fn wherever_sends_and_reads_are_cut_files_go_to_the_message_they_came_with() {
    let (files, identities) = files(4);
    let messages = [(A, 0..1), (B, 0..0), (C, 0..0), (A, 1..3), (C, 3..4)];
    let mut expected: Vec<String> =
        messages.iter().map(|(text, range)| line(text, &identities[range.clone()])).collect();
    expected.push("the end".to_owned());
    let sizes = if cfg!(miri) { vec![1, 7, 120] } else { (1..=120).collect() };
    for (send_size, read_size) in
        (1..=A.len()).flat_map(|send| sizes.iter().map(move |read| (send, *read)))
    {
        let mut sends = Vec::new();
        for (text, range) in &messages {
            let mut attached = copies(&files[range.clone()]);
            sends.extend(text.chunks(send_size).map(|piece| send(piece, mem::take(&mut attached))));
        }
        let mut peer = Peer::new(sends);
        peer.fake.state().read_size = read_size;
        assert_eq!(peer.all(), expected, "sent by {send_size}, read by {read_size}");
    }
}

#[test]
fn files_belong_to_the_last_message_that_has_a_byte_in_their_read() {
    let (files, identities) = files(1);
    const ONE_AND_A_HALF: Bytes = br#"{"method":"A","arg":[{}]} {"arg":""#;
    // The sends, the index of the send with the file, and the received messages. The last of them
    // must have the file.
    let cases: [(&[Bytes], usize, &[Bytes]); 6] = [
        // On the beginning of a message that is read together with the end of the previous one.
        (&[&A[..3], &A[3..], &B[..9], &B[9..]], 2, &[A, B]),
        // On a byte that is not a message's first.
        (&[&A[..3], &A[3..]], 1, &[A]),
        // On a complete message and the beginning of the next.
        (&[ONE_AND_A_HALF, &B[9..]], 0, &[A, B]),
        // On white space after a message, read with it.
        (&[A, b" "], 1, &[A]),
        // On white space before a message.
        (&[b" \n", A], 0, &[A]),
        // On the last byte of a message, with white space after it.
        (&[&A[..A.len() - 1], b"} "], 1, &[A]),
    ];
    for (sends, with, messages) in cases {
        let attached = |n| if n == with { copies(&files) } else { Vec::new() };
        let mut peer =
            Peer::new(sends.iter().enumerate().map(|(n, bytes)| send(bytes, attached(n))));
        let (last, others) = messages.split_last().unwrap();
        let mut expected: Vec<_> = others.iter().map(|text| line(text, &[])).collect();
        expected.extend([line(last, &identities), "the end".to_owned()]);
        assert_eq!(peer.all(), expected, "{sends:?}");
    }
}

#[test]
fn files_on_a_read_of_white_space_alone_are_the_next_messages() {
    let (files, expected) = files(2);
    let mut peer = Peer::new([send(A, copies(&files[..1]))]);
    let first = peer.message();
    let more = [send(b"\r\n ", copies(&files[1..])), send(B, Vec::new())];
    peer.fake.state().incoming.extend(more);
    let second = peer.message();
    assert_eq!(
        [identities(&first.files), identities(&second.files)],
        [&expected[..1], &expected[1..]]
    );
}

/// Tries every sequence of four small sends. At most one message begins in each. The size of the
/// reads must not change the messages and their files, and no file may stay open.
#[test]
fn the_outcome_does_not_depend_on_how_the_kernel_cut_the_reads() {
    let words: [(&[u8], usize); 7] =
        [(b"{}", 0), (b"{}", 1), (b"{", 0), (b"{", 1), (b"}", 0), (b"}", 1), (b" ", 0)];
    let (file, probe) = Probe::new();
    let all = words.len().pow(4);
    for sequence in (0..all).step_by(if cfg!(miri) { 97 } else { 1 }) {
        let chosen: Vec<_> =
            (0..4).map(|place| words[sequence / words.len().pow(place) % words.len()]).collect();
        let outcome = |read_size| {
            let sends = chosen.iter().map(|(bytes, count)| send(bytes, times(*count, &file)));
            let mut peer = Peer::new(sends);
            peer.fake.state().read_size = read_size;
            peer.all()
        };
        let whole = outcome(usize::MAX);
        for read_size in [1, 2] {
            assert_eq!(outcome(read_size), whole, "{chosen:?} read by {read_size}");
        }
    }
    drop(file);
    assert!(probe.is_closed());
}

#[test]
fn files_of_several_reads_add_up_to_the_limit_and_beyond_it_all_are_closed() {
    for (counts, fits) in
        [([1, 1, 1], true), ([2, 0, 1], true), ([1, 1, 2], false), ([0, 4, 0], false)]
    {
        let (file, probe) = Probe::new();
        let pieces = [&A[..5], &A[5..9], &A[9..]];
        let sends = pieces.iter().zip(counts).map(|(piece, n)| send(piece, times(n, &file)));
        let mut peer = Peer::new(sends.chain([send(B, Vec::new())]).collect::<Vec<_>>());
        drop(file);
        let message = peer.message();
        assert_eq!(message.refusal.is_none(), fits, "{counts:?}");
        assert_eq!(message.files.len(), if fits { 3 } else { 0 });
        assert_eq!(probe.is_closed(), !fits, "{counts:?}");
        assert_eq!(peer.all(), [line(B, &[]), "the end".to_owned()], "the stream is in step");
    }
}

#[test]
fn the_error_of_too_many_files_has_their_number_the_limit_and_its_name() {
    let (file, _probe) = Probe::new();
    let mut peer = Peer::new([send(A, times(5, &file))]);
    match peer.message().refusal {
        Some(Error::TooManyFiles { count: 5, limit: 3, name: Limit::ReceiveFiles, .. }) => {}
        other => panic!("{other:?}"),
    }
}

#[test]
fn truncated_control_data_closes_what_came_and_refuses_that_message_alone() {
    for count in [0, 1, 3] {
        let ((file, probe), (good, identities)) = (Probe::new(), files(1));
        let sends = [
            send(&A[..4], Vec::new()),
            send(&A[4..], Vec::new()),
            // Read together with the end of the previous message.
            truncated(&B[..9], times(count, &file)),
            // Files that come for it later are closed as well.
            send(&B[9..], times(1, &file)),
            send(C, good),
        ];
        drop(file);
        let mut peer = Peer::new(sends);
        assert!(peer.message().refusal.is_none());
        let refused = peer.message();
        assert!(matches!(refused.refusal, Some(Error::ControlTruncated { .. })), "{refused:?}");
        assert!(refused.files.is_empty() && probe.is_closed());
        assert_eq!(peer.all(), [line(C, &identities), "the end".to_owned()]);
    }
}

#[test]
fn nothing_is_read_while_a_complete_message_is_buffered() {
    let mut peer = Peer::new([send([A, B, C, &A[..7]].concat(), Vec::new())]);
    for expected in [A, B, C] {
        let message = peer.message();
        let text = peer.receiver.slice(&message.range).to_vec();
        assert_eq!(text, expected.trim_ascii());
        assert!(peer.receiver.has_more());
        assert_eq!(peer.fake.state().receives, [Blocking::Yes], "more than one read");
    }
}

#[test]
fn files_held_are_at_most_those_of_two_reads() {
    // Those of the current message and of the latest read. The limit is on each of them.
    let (file, probe) = Probe::new();
    let sends = [send(A, times(3, &file)), send(&B[..4], times(3, &file))];
    drop(file);
    let mut peer = Peer::new(sends);
    let message = peer.message();
    assert_eq!(message.files.len(), 3);
    assert_eq!(peer.fake.state().incoming.len(), 1, "the next message was read already");
    drop(message);
    assert!(peer.next().is_err());
    drop(peer);
    assert!(probe.is_closed());
}

#[test]
fn the_end_of_the_stream_is_clean_between_messages_and_unexpected_within_one() {
    for end in [None, Some(ErrorKind::ConnectionReset), Some(ErrorKind::BrokenPipe)] {
        let (file, probe) = Probe::new();
        // The queued bytes come before the error.
        let sends = [send(A, Vec::new()), send(b" ", Vec::new())];
        let mut peer = Peer::new(sends.into_iter().chain(end.map(Incoming::Fails)));
        assert_eq!(peer.all(), [line(A, &[]), "the end".to_owned()], "{end:?}");
        let sends = [send(A, Vec::new()), send(&B[..5], times(1, &file))];
        drop(file);
        let mut peer = Peer::new(sends.into_iter().chain(end.map(Incoming::Fails)));
        assert!(peer.message().refusal.is_none());
        let error = peer.next().unwrap_err();
        assert!(matches!(error, Error::Disconnected { mid_message: true, .. }), "{error:?}");
        drop(peer);
        assert!(probe.is_closed());
    }
}

#[test]
fn malformed_json_ends_the_stream_and_the_files_after_it_are_closed() {
    let (file, probe) = Probe::new();
    let sends =
        [send(A, Vec::new()), send(b"{]", times(1, &file)), send([B, C].concat(), times(1, &file))];
    drop(file);
    let mut peer = Peer::new(sends);
    assert!(peer.message().refusal.is_none());
    assert!(matches!(peer.next(), Err(Error::Malformed { .. })));
    drop(peer);
    assert!(probe.is_closed());
}

#[test]
fn an_interrupted_receive_is_made_again_once_there_is_something_to_read() {
    let mut peer = Peer::new([
        Incoming::Fails(ErrorKind::Interrupted),
        Incoming::Fails(ErrorKind::WouldBlock),
        send(&A[..5], Vec::new()),
        Incoming::Fails(ErrorKind::Interrupted),
        send(&A[5..], Vec::new()),
    ]);
    peer.fake.state().waits.extend([
        (SECOND, Err(ErrorKind::Interrupted.into())),
        (SECOND, Ok(false)),
        (SECOND, Ok(true)),
    ]);
    assert_eq!(peer.all(), [line(A, &[]), "the end".to_owned()]);
    assert!(peer.fake.state().waited.iter().all(|wait| *wait == (Direction::In, None)));
}

#[test]
fn another_failure_is_reported_as_what_it_is() {
    let mut peer = Peer::new([send(A, Vec::new()), Incoming::Fails(ErrorKind::OutOfMemory)]);
    peer.message();
    assert!(matches!(peer.next(), Err(Error::Io { mid_message: false, .. })));
    let mut peer = Peer::new([send(&A[..3], Vec::new()), Incoming::Fails(ErrorKind::OutOfMemory)]);
    assert!(matches!(peer.next(), Err(Error::Io { mid_message: true, .. })));
}

#[test]
fn the_limit_is_on_the_whole_message_and_not_on_each_read() {
    let limits = Limits { message_time: Some(TEN_SECONDS), ..Limits::for_client() };
    let mut peer = Peer::with(limits, [send(A, Vec::new())]);
    peer.fake.state().read_size = 1;
    peer.fake.state().waits.extend((0..9).map(|_| (3 * SECOND, Ok(true))));
    match peer.next() {
        Err(Error::TimedOut { name: Limit::MessageTime, mid_message: true, .. }) => {}
        other => panic!("{other:?}"),
    }
    let state = peer.fake.state();
    // The read itself waited for the first byte, before the time began.
    let limits = [10, 7, 4, 1].map(|left| (Direction::In, Some(Duration::from_secs(left))));
    assert_eq!((state.receives.len(), &state.waited[..]), (4, &limits[..]));
}

#[test]
fn white_space_does_not_restart_the_idle_time() {
    let limits = Limits { idle_time: Some(TEN_SECONDS), ..Limits::for_client() };
    let mut peer = Peer::with(limits, [send(b"    ", Vec::new())]);
    peer.fake.state().read_size = 1;
    peer.fake.state().waits.extend((0..4).map(|_| (6 * SECOND, Ok(true))));
    match peer.next() {
        Err(Error::TimedOut { name: Limit::IdleTime, mid_message: false, .. }) => {}
        other => panic!("{other:?}"),
    }
    let limits = [10, 4].map(|left| (Direction::In, Some(Duration::from_secs(left))));
    assert_eq!(peer.fake.state().waited, limits);
}

#[test]
fn a_deadline_in_the_past_makes_no_system_call() {
    let mut peer = Peer::new([send(A, Vec::new())]);
    let deadline = Deadline::new(peer.fake.now(), Limit::CallTime, Some(Duration::ZERO));
    let error = peer.receiver.receive(&mut peer.envelope, deadline).unwrap_err();
    assert!(matches!(error, Error::TimedOut { name: Limit::CallTime, .. }), "{error:?}");
    let state = peer.fake.state();
    assert_eq!((state.receives.len(), state.waited.len()), (0, 0));
}

/// A peer with a spin time of 3 s. Each receive takes 1 s. The first `misses` find nothing, then a
/// message comes.
fn spinning(misses: usize) -> Peer {
    let nothing = (0..misses).map(|_| Incoming::Fails(ErrorKind::WouldBlock));
    let limits = Limits { spin_time: 3 * SECOND, ..Limits::for_client() };
    let peer = Peer::with(limits, nothing.chain([send(A, Vec::new())]));
    peer.fake.state().read_time = SECOND;
    peer
}

#[test]
fn busy_polling_receives_again_and_again_and_does_not_wait() {
    let mut peer = spinning(2);
    peer.message();
    assert_eq!(peer.fake.state().receives, [Blocking::No; 3]);
    assert_eq!(peer.fake.state().waited, []);
}

#[test]
fn busy_polling_ends_after_its_time_and_then_waits_like_any_other() {
    let mut peer = spinning(3);
    peer.message();
    assert_eq!(peer.fake.state().receives, [Blocking::No; 4]);
    assert_eq!(peer.fake.state().waited, [(Direction::In, None)]);
}

#[test]
fn busy_polling_keeps_to_a_calls_limit() {
    let mut peer = spinning(9);
    let deadline = Deadline::new(peer.fake.now(), Limit::CallTime, Some(2 * SECOND));
    let outcome = peer.receiver.receive(&mut peer.envelope, deadline);
    assert!(matches!(outcome, Err(Error::TimedOut { name: Limit::CallTime, .. })));
    assert_eq!(peer.fake.state().receives, [Blocking::No; 2]);
}

#[test]
fn busy_polling_keeps_the_message_time() {
    let limits =
        Limits { spin_time: 3 * SECOND, message_time: Some(TEN_SECONDS), ..Limits::for_client() };
    let mut peer = Peer::with(limits, [send(A, Vec::new())]);
    // One byte per second, so that every receive finds something.
    peer.fake.state().read_size = 1;
    peer.fake.state().read_time = SECOND;
    let outcome = peer.next();
    assert!(matches!(outcome, Err(Error::TimedOut { name: Limit::MessageTime, .. })));
    assert_eq!(peer.fake.state().receives.len(), 11);
}

#[test]
fn the_buffer_grows_to_one_byte_beyond_the_limit_and_no_further() {
    let limits: &[usize] = if cfg!(miri) { &[5000] } else { &[5000, 100_000, 1 << 20] };
    for limit in limits.iter().copied() {
        let limits = Limits { message_bytes: limit, ..Limits::for_client() };
        let text = format!("{{\"arg\":\"{}", "a".repeat(3 * limit));
        let mut peer = Peer::with(limits, [send(text, Vec::new())]);
        let error = peer.next().unwrap_err();
        assert!(matches!(error, Error::MessageTooLarge { .. }), "{error}");
        let capacity = peer.receiver.read_buffer.bytes.capacity();
        assert!(capacity <= limit + 1, "{capacity} bytes for a limit of {limit}");
    }
}
