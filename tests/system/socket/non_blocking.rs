//! Sends and receives that never wait, and those that wait on any kind of socket: for event loops.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use crate::support::{Probe, limit::limit_test, read_to_end, within_timeout};
use urpc::socket::{Interest, poll};
use urpc::{Files, Socket};

/// What `act` gives, which must not wait on `socket`. If it waits, the socket is shut down, which
/// ends the wait, and the test fails.
fn without_waiting<T>(socket: &Socket, what: &str, act: impl FnOnce() -> T) -> T {
    /// A call that does not wait takes microseconds.
    const LONG: Duration = Duration::from_secs(20);
    limit_test();
    thread::scope(|scope| {
        let (running, ended) = mpsc::channel::<()>();
        let watching = scope.spawn(move || {
            let waits = ended.recv_timeout(LONG) == Err(RecvTimeoutError::Timeout);
            if waits {
                socket.shutdown().unwrap();
            }
            waits
        });
        let outcome = act();
        drop(running);
        assert!(!watching.join().unwrap(), "{what} waits");
        outcome
    })
}

fn try_send(socket: &Socket, bytes: &[u8], files: &[BorrowedFd<'_>]) -> io::Result<usize> {
    without_waiting(socket, "try_send", || socket.try_send(bytes, files))
}

fn try_receive(socket: &Socket, buffer: &mut [u8], files: usize) -> io::Result<(usize, Files)> {
    without_waiting(socket, "try_receive", || socket.try_receive(buffer, files))
}

/// Sends spaces until there is no room, and returns how many.
fn fill(socket: &Socket) -> usize {
    let mut sent = 0;
    loop {
        match try_send(socket, &[b' '; 4096], &[]) {
            Ok(count) => sent += count,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
                return sent;
            }
        }
    }
}

fn is_readable(socket: &Socket) -> bool {
    poll(&mut [Interest::readable(socket.as_fd())], Some(Duration::ZERO)).unwrap()
}

/// Two connected sockets that do not block.
fn non_blocking_pair() -> (Socket, Socket) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    theirs.set_nonblocking(true).unwrap();
    (ours.into(), theirs.into())
}

#[test]
fn what_tries_to_send_or_receive_never_waits_whatever_the_mode_of_the_socket() {
    for pair in [Socket::pair().unwrap(), non_blocking_pair()] {
        let (ours, theirs) = pair;
        assert_eq!(try_receive(&theirs, &mut [0], 0).unwrap_err().kind(), ErrorKind::WouldBlock);
        let sent = fill(&ours);
        assert!(sent > 0);
        drop(ours);
        assert_eq!(read_to_end(&theirs).0.len(), sent);
        assert_eq!(try_receive(&theirs, &mut [0], 0).unwrap().0, 0, "the end of the stream");
    }
}

#[test]
fn a_receive_waits_on_a_non_blocking_socket_too() {
    let (ours, theirs) = non_blocking_pair();
    let echo = thread::spawn(move || {
        let mut byte = [0];
        while let Ok((1, _)) = theirs.receive(&mut byte, 0) {
            theirs.send(&byte, &[]).unwrap();
        }
    });
    within_timeout(move || {
        // The other thread cannot always have answered in time.
        for n in 0..200 {
            let mut byte = [0];
            ours.send(&[n], &[]).unwrap();
            assert_eq!(ours.receive(&mut byte, 0).unwrap().0, 1);
            assert_eq!(byte, [n]);
        }
    });
    within_timeout(move || echo.join().unwrap());
}

#[test]
fn a_send_waits_for_room_on_a_non_blocking_socket_too() {
    let (ours, theirs) = non_blocking_pair();
    let filled = fill(&ours);
    let reader = thread::spawn(move || read_to_end(&theirs).0.len());
    within_timeout(move || {
        let mut left = 1 << 20;
        while left > 0 {
            left -= ours.send(&vec![b' '; left], &[]).unwrap();
        }
    });
    assert_eq!(within_timeout(move || reader.join().unwrap()), filled + (1 << 20));
}

#[test]
fn a_time_limit_of_the_socket_itself_ends_a_wait_but_only_where_the_socket_blocks() {
    let limit = Some(Duration::from_millis(1));
    let (ours, theirs) = UnixStream::pair().unwrap();
    ours.set_read_timeout(limit).unwrap();
    ours.set_write_timeout(limit).unwrap();
    let same = Socket::from(ours.try_clone().unwrap());
    within_timeout(move || {
        let ours = Socket::from(ours);
        assert_eq!(ours.receive(&mut [0], 0).unwrap_err().kind(), ErrorKind::WouldBlock);
        fill(&ours);
        assert_eq!(ours.send(b"x", &[]).unwrap_err().kind(), ErrorKind::WouldBlock);
    });
    // The kernel ignores the timeout of a socket that does not block.
    let same = UnixStream::from(same.into_fd());
    same.set_nonblocking(true).unwrap();
    let waiting = thread::spawn(move || Socket::from(same).receive(&mut [0], 0).unwrap().0);
    assert!(!poll_hung_up(&theirs), "it waits");
    drop(theirs);
    assert_eq!(within_timeout(move || waiting.join().unwrap()), 0);
}

/// Whether the other end is closed after so long that a limit of 1 ms has passed.
fn poll_hung_up(stream: &UnixStream) -> bool {
    let mut drained = [0; 1 << 16];
    while is_readable_stream(stream) {
        if matches!(std::io::Read::read(&mut { stream }, &mut drained), Ok(0) | Err(_)) {
            return true;
        }
    }
    poll(&mut [Interest::readable(stream.as_fd())], Some(Duration::from_millis(20))).unwrap()
}

fn is_readable_stream(stream: &UnixStream) -> bool {
    poll(&mut [Interest::readable(stream.as_fd())], Some(Duration::ZERO)).unwrap()
}

#[test]
fn files_go_with_the_first_byte_once_however_the_sends_are_cut() {
    let (ours, theirs) = Socket::pair().unwrap();
    limit_test();
    ours.set_send_buffer(1).unwrap();
    let ((file, probe), message) = (Probe::new(), vec![b'x'; 1 << 20]);
    let (mut sent, mut would_block, mut received, mut came) = (0, 0, 0, Vec::new());
    let mut buffer = vec![0; 4096];
    while received < message.len() {
        let files = if sent == 0 { &[file.as_fd()][..] } else { &[] };
        let outcome = if sent < message.len() {
            Some(try_send(&ours, &message[sent..], files))
        } else {
            None
        };
        match outcome {
            Some(Ok(count)) => {
                assert!(count < message.len(), "a send that is cut");
                sent += count;
                continue;
            }
            Some(Err(error)) => {
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
                assert!(sent - received < 32 << 10, "more than a small buffer has room for");
                would_block += 1;
            }
            None => {}
        }
        let (count, mut files) = try_receive(&theirs, &mut buffer, 253).unwrap();
        assert!(received == 0 || files.is_empty(), "files after byte {received}");
        received += count;
        came.extend(files.release_all());
    }
    assert!(would_block > 1);
    assert_eq!(came.len(), 1);
    drop((came, file));
    probe.wait_closed();
}

#[test]
fn where_there_is_no_room_for_the_first_byte_no_file_was_sent() {
    let (ours, theirs) = Socket::pair().unwrap();
    limit_test();
    let (file, probe) = Probe::new();
    fill(&ours);
    let error = try_send(&ours, b"x", &[file.as_fd()]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
    drop(file);
    // No copy is in flight. A child that another test is starting may have one until its exec.
    probe.wait_closed();
    drop(ours);
    assert!(read_to_end(&theirs).1.is_empty());
}

/// An edge-triggered poller reports new data once. That is enough for a program that receives until
/// nothing is left, and not for one that receives once.
#[test]
fn receiving_until_would_block_leaves_nothing_behind_and_receiving_once_does() {
    let (ours, theirs) = Socket::pair().unwrap();
    limit_test();
    let null = File::open("/dev/null").unwrap();
    for round in 0..3 {
        for byte in 0..5 {
            ours.send(&[round, byte], &[null.as_fd()]).unwrap();
        }
        assert!(is_readable(&theirs));
        let (mut bytes, mut files, mut buffer) = (Vec::new(), 0, [0; 64]);
        let mut receives = 0;
        while let Ok((count, came)) = try_receive(&theirs, &mut buffer, 1) {
            bytes.extend_from_slice(&buffer[..count]);
            files += came.len();
            receives += 1;
            assert_eq!(is_readable(&theirs), receives < 5, "after receive {receives}");
        }
        let expected: Vec<u8> = (0..5).flat_map(|byte| [round, byte]).collect();
        assert_eq!((bytes, files), (expected, 5));
        assert!(!is_readable(&theirs));
    }
}

#[test]
fn a_poll_says_which_of_several_are_ready_and_in_which_direction() {
    let ((ours, theirs), (quiet, _kept)) = (Socket::pair().unwrap(), Socket::pair().unwrap());
    limit_test();
    let ready = |wait: Option<Duration>| {
        let mut entries = [
            Interest::readable(theirs.as_fd()),
            Interest::readable(quiet.as_fd()),
            Interest::writable(ours.as_fd()),
        ];
        let any = poll(&mut entries, wait).unwrap();
        let ready = entries.map(|entry| entry.is_ready());
        assert_eq!(any, ready.contains(&true));
        ready
    };
    assert_eq!(ready(None), [false, false, true]);
    fill(&ours);
    assert_eq!(ready(None), [true, false, false]);
    while try_receive(&theirs, &mut [0; 4096], 0).is_ok() {}
    assert_eq!(ready(None), [false, false, true]);
    drop(ours);
    assert!(is_readable(&theirs), "the end can be read");
    assert!(!poll(&mut [], Some(Duration::from_nanos(1))).unwrap());
}
