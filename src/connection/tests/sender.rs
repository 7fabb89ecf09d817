//! Sending with a fake of the kernel: short, interrupted and failed sends, and the clock.

use std::io::{self, ErrorKind};
use std::os::fd::AsFd;
use std::time::Duration;

use super::fake_transport::{FakeTransport, fails, sending};
use crate::connection::Sender;
use crate::connection::transport::Direction;
use crate::control::Rights;
use crate::error::Error;
use crate::limits::{Limit, Limits};
use crate::memory::Lent;
use crate::sys::Blocking;

const MESSAGE: &[u8] = br#"{"method":"A.B","arg":[1,2,3]}"#;
const SECOND: Duration = Duration::from_secs(1);
const TEN_SECONDS: Duration = Duration::from_secs(10);

/// Sends the message with two files.
fn send(fake: &FakeTransport) -> Result<(), Error> {
    let limits = Limits { send_time: Some(TEN_SECONDS), ..Limits::default() };
    let mut sender = Sender::new(fake.clone(), limits, None);
    sender.write_buffer.extend_from_slice(MESSAGE);
    let stdin = io::stdin();
    sender.send(Lent::default(), Rights::new([stdin.as_fd(); 2].into_iter()).as_ref(), None)
}

#[test]
fn files_go_once_with_the_first_byte_however_short_the_sends_are() {
    for (first, others) in (1..=MESSAGE.len()).flat_map(|first| [1, 2, 7].map(|n| (first, n))) {
        let rest = MESSAGE.len() - first;
        let sends = std::iter::once(first)
            .chain(std::iter::repeat_n(others, rest / others))
            .chain((rest % others > 0).then_some(rest % others));
        let fake = sending(sends.map(Ok));
        send(&fake).unwrap();
        let state = fake.state();
        assert_eq!(state.sent, MESSAGE);
        assert_eq!(state.offered[0], (0, 2));
        assert!(state.offered[1..].iter().all(|(_, files)| *files == 0), "{:?}", state.offered);
        let short = state.offered.len() - 1;
        assert_eq!(state.waited.len(), short, "it waited after a send that was not short");
        assert!(!state.is_shut_down);
    }
}

#[test]
fn a_lent_text_is_sent_in_its_place_however_short_the_sends_are() {
    for (at, size) in (0..=4).flat_map(|at| [1, 2, 3, 100].map(|size| (at, size))) {
        let fake = sending((0..7 / size).map(|_| Ok(size)));
        let mut sender = Sender::new(fake.clone(), Limits::default(), None);
        sender.write_buffer.extend_from_slice(b"abcd");
        sender.send(Lent { bytes: b"123", at }, None, None).unwrap();
        let expected = [&b"abcd"[..at], b"123", &b"abcd"[at..]].concat();
        assert_eq!(fake.state().sent, expected, "{at} {size}");
    }
}

#[test]
fn a_send_that_was_interrupted_or_found_no_room_took_no_files() {
    let fake = sending([
        fails(ErrorKind::Interrupted),
        fails(ErrorKind::WouldBlock),
        Ok(1),
        fails(ErrorKind::Interrupted),
        fails(ErrorKind::WouldBlock),
        Ok(2),
    ]);
    send(&fake).unwrap();
    let state = fake.state();
    assert_eq!(state.sent, MESSAGE);
    assert_eq!(state.offered, [(0, 2), (0, 2), (0, 2), (1, 0), (1, 0), (1, 0), (3, 0)]);
    assert!(state.waited.iter().all(|(direction, _)| *direction == Direction::Out));
}

#[test]
fn a_wait_that_is_interrupted_or_finds_nothing_is_made_again_for_the_remaining_time() {
    let fake = sending([fails(ErrorKind::WouldBlock)]);
    fake.state().waits.extend([
        (SECOND, Err(ErrorKind::Interrupted.into())),
        (SECOND, Ok(false)),
        (SECOND, Ok(true)),
    ]);
    send(&fake).unwrap();
    let state = fake.state();
    let limits = [10, 9, 8].map(|left| (Direction::Out, Some(Duration::from_secs(left))));
    assert_eq!((&state.sent[..], &state.waited[..]), (MESSAGE, &limits[..]));
}

#[test]
fn a_wait_that_fails_is_reported_as_poll() {
    let fake = sending([fails(ErrorKind::WouldBlock)]);
    fake.state().waits.push_back((SECOND, Err(ErrorKind::OutOfMemory.into())));
    let error = send(&fake).unwrap_err();
    let Error::Io { doing, .. } = &error else { panic!("{error:?}") };
    assert_eq!((&**doing, fake.state().waited.len()), ("poll", 1));
}

#[test]
fn a_send_that_takes_nothing_is_an_error_and_no_loop() {
    for sends in [vec![Ok(0)], vec![Ok(5), Ok(0)]] {
        let fake = sending(sends);
        let Err(Error::Io { source, .. }) = send(&fake) else { panic!("it went on") };
        assert_eq!(source.kind(), ErrorKind::WriteZero);
    }
}

#[test]
fn a_failure_after_the_first_byte_shuts_the_connection_down_and_says_so() {
    let kinds = [
        ErrorKind::BrokenPipe,
        ErrorKind::ConnectionReset,
        ErrorKind::OutOfMemory,
        ErrorKind::PermissionDenied,
    ];
    for (sent, kind) in (0..MESSAGE.len()).flat_map(|sent| kinds.map(|kind| (sent, kind))) {
        let before = (sent > 0).then_some(Ok(sent));
        let fake = sending(before.into_iter().chain([fails(kind)]));
        let in_mid_message = match send(&fake) {
            Err(Error::Disconnected { mid_message, .. } | Error::Io { mid_message, .. }) => {
                mid_message
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(in_mid_message, sent > 0, "{kind} after {sent}");
        let state = fake.state();
        assert_eq!(state.is_shut_down, sent > 0, "{kind} after {sent}");
        assert_eq!(state.offered.len(), if sent > 0 { 2 } else { 1 }, "it tried again");
    }
}

#[test]
fn the_limit_is_on_the_whole_message_and_not_on_each_send() {
    // The peer takes one byte every three seconds.
    let fake = sending((0..9).map(|_| Ok(1)));
    fake.state().waits.extend((0..9).map(|_| (3 * SECOND, Ok(true))));
    let error = send(&fake).unwrap_err();
    let expected = Error::timed_out(Limit::SendTime, TEN_SECONDS).in_mid_message();
    assert_eq!(format!("{error:?}"), format!("{expected:?}"));
    let state = fake.state();
    let limits = [10, 7, 4, 1].map(|left| (Direction::Out, Some(Duration::from_secs(left))));
    assert_eq!((state.sent.len(), &state.waited[..]), (4, &limits[..]));
    assert!(state.is_shut_down);
}

#[test]
fn a_limit_of_which_nothing_is_left_makes_no_system_call() {
    let fake = sending([fails(ErrorKind::WouldBlock), Ok(1)]);
    // There is room again one nanosecond before the deadline, and then at the deadline.
    fake.state().waits.push_back((TEN_SECONDS - Duration::from_nanos(1), Ok(true)));
    fake.state().waits.push_back((Duration::from_nanos(1), Ok(true)));
    assert!(matches!(send(&fake), Err(Error::TimedOut { mid_message: true, .. })));
    let state = fake.state();
    assert_eq!(state.waited.len(), 2);
    assert_eq!(state.offered.len(), 2);
}

#[test]
fn without_a_limit_a_send_waits_in_the_kernel_and_for_ever() {
    let fake = sending([fails(ErrorKind::WouldBlock)]);
    let mut sender = Sender::new(fake.clone(), Limits::for_client(), None);
    sender.write_buffer.extend_from_slice(MESSAGE);
    sender.send(Lent::default(), None, None).unwrap();
    // As of a socket that is non-blocking.
    assert_eq!(fake.state().waited, [(Direction::Out, None)]);
    assert_eq!(fake.state().send_blocking, Some(Blocking::Yes));
    let limited = sending([]);
    send(&limited).unwrap();
    assert_eq!(limited.state().send_blocking, Some(Blocking::No));
}

#[test]
fn errors_about_files_have_their_own_text_and_end_no_connection() {
    // errno(3), on most architectures.
    #[cfg(not(any(target_arch = "mips", target_arch = "mips64", target_arch = "sparc64")))]
    for (number, words) in [
        (9, "one of the files is not open; nothing was sent"),
        (1, "the receiver takes no files; nothing was sent"),
        (109, "too many files in flight; nothing was sent: let peers receive"),
    ] {
        let fake = sending([Err(io::Error::from_raw_os_error(number))]);
        let error = send(&fake).unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
        assert!(error.of_call("A.B").is_usable());
        assert!(!fake.state().is_shut_down);
        // Without files the same error means something else.
        let mut sender = Sender::new(
            sending([Err(io::Error::from_raw_os_error(number))]),
            Limits::for_client(),
            None,
        );
        sender.write_buffer.extend_from_slice(MESSAGE);
        let error = sender.send(Lent::default(), None, None).unwrap_err().to_string();
        assert!(!error.contains("nothing was sent"), "{error}");
    }
}
