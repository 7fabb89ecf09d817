//! Which message gets the files, and how many one can carry.

use std::io::ErrorKind;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::thread;

use super::{Item, call, peer, peer_with};
use crate::support;
use crate::support::{
    Probe, available, connect, failure, identity, is_alone, path_of, read_message, read_to_end,
    run_alone, send, success, within_timeout,
};
use urpc::{Client, Files, Limits, Socket};

/// The calls of a peer, all sent before anything is read: texts, each with a number of files on its
/// first byte. They are sent in one piece and byte by byte. Then the replies, each with its number
/// of files, or `None` if the call is refused for its files.
#[track_caller]
fn assert_script(sends: &[(&str, usize)], expected: &[(i64, Option<usize>)]) {
    let ((file, probe), server) = (Probe::new(), peer());
    for byte_by_byte in [false, true] {
        let (ours, theirs) = Socket::pair().unwrap();
        for (text, count) in sends {
            let size = if byte_by_byte { 1 } else { text.len() };
            let mut files = vec![file.as_fd(); *count];
            for piece in text.as_bytes().chunks(size) {
                send(&ours, piece, &files);
                files.clear();
            }
        }
        server.start_handling(theirs).unwrap();
        for (n, count) in expected {
            let reply = match count {
                Some(_) => success(&format!(r#"{{"N":{n}}}"#)),
                None => failure("too many files"),
            };
            let (text, files) = read_message(&ours);
            assert_eq!((text, files.len()), (reply, count.unwrap_or(0)), "{byte_by_byte}");
            assert!(files.iter().all(|received| identity(received) == identity(&file)));
        }
        ours.shutdown_send().unwrap();
        assert_eq!(read_to_end(&ours).0, b"");
    }
    drop(file);
    probe.wait_closed();
}

#[test]
fn files_on_a_byte_that_is_not_the_first_are_the_messages_all_the_same() {
    let call = call(1);
    let (first, rest) = call.split_at(1);
    assert_script(&[(first, 0), (rest, 2)], &[(1, Some(2))]);
}

#[test]
fn a_read_that_ends_one_message_and_begins_another_gives_its_files_to_the_second() {
    let (one, two) = (call(1), call(2));
    let (start, end) = one.split_at(20);
    assert_script(&[(start, 0), (end, 0), (&two, 1)], &[(1, Some(0)), (2, Some(1))]);
    assert_script(&[(&one, 0), (&two[..9], 3), (&two[9..], 0)], &[(1, Some(0)), (2, Some(3))]);
}

#[test]
fn of_four_calls_sent_at_once_each_gets_its_own_files() {
    let calls = [1, 2, 3, 4].map(call);
    let [a, b, c, d] = calls.each_ref().map(String::as_str);
    assert_script(
        &[(a, 0), (b, 2), (c, 0), (d, 1)],
        &[(1, Some(0)), (2, Some(2)), (3, Some(0)), (4, Some(1))],
    );
}

#[test]
fn files_on_white_space_before_a_message_are_its_files() {
    assert_script(&[(" ", 1), (&call(1), 0)], &[(1, Some(1))]);
    assert_script(&[(" ", 1), (&call(1), 2)], &[(1, Some(3))]);
}

#[test]
fn one_file_over_the_limit_is_refused_and_the_call_after_it_served() {
    if !available::many_files() {
        return;
    }
    assert_script(
        &[(&call(1), 33), (&call(2), 32), (&call(3), 0)],
        &[(1, None), (2, Some(32)), (3, Some(0))],
    );
}

#[test]
fn files_that_add_up_to_more_than_the_limit_are_refused() {
    if !available::many_files() {
        return;
    }
    let call = call(1);
    let (start, end) = call.split_at(9);
    assert_script(&[(start, 16), (end, 16)], &[(1, Some(32))]);
    assert_script(&[(start, 16), (end, 17)], &[(1, None)]);
}

/// For a test that needs most of the descriptors that a process usually may have. With other tests
/// in parallel there would be too few.
const OF_ONES_OWN: &str = "ulimit -n 1024; exec";

#[test]
fn every_number_of_files_arrives_in_order_and_no_other_with_it() {
    if !is_alone() {
        return run_alone(
            path_of(every_number_of_files_arrives_in_order_and_no_other_with_it),
            OF_ONES_OWN,
        );
    }
    let files: Vec<OwnedFd> = (0..support::MOST_FILES).map(|_| Probe::new().0).collect();
    let (ours, theirs) = Socket::pair().unwrap();
    for count in [0, 1, 2, 3, 4, 5, 31, 32, 33, 251, 252, support::MOST_FILES] {
        let sent: Vec<BorrowedFd<'_>> = files[..count].iter().map(AsFd::as_fd).collect();
        send(&ours, b"x", &sent);
        let (_, received) = theirs.receive(&mut [0; 8], count).unwrap();
        let received: Vec<_> = received.iter().map(identity).collect();
        assert_eq!(received, sent.iter().map(identity).collect::<Vec<_>>());
    }
}

#[test]
fn the_kernels_own_limit_can_be_set_and_kept_both_ways() {
    if !is_alone() {
        return run_alone(
            path_of(the_kernels_own_limit_can_be_set_and_kept_both_ways),
            OF_ONES_OWN,
        );
    }
    let most = support::MOST_FILES;
    let limits = Limits { send_files: 1000, receive_files: 1000, ..Limits::default() };
    let server = peer_with(limits.clone());
    let client = Client::builder().limits(limits).build(connect(&server));
    let (file, probe) = Probe::new();
    let all: Files = (0..most).map(|_| file.try_clone().unwrap()).collect();
    let item = Item { files: all, ..Item::default() };
    let back: Item = client.call("Peer.Item", &item).unwrap();
    assert_eq!(back.files.len(), most);
    // One more than the kernel takes is refused here with a message, and nothing is sent.
    let files = vec![file.as_fd(); 254];
    let error = client.call_raw("Peer.Count", b"{}", &files).unwrap_err();
    let text = "Peer.Count: too many files: 254, and the limit is 253 (raise Limits::send_files)";
    assert_eq!(error.to_string(), text);
    let (ours, _theirs) = Socket::pair().unwrap();
    assert_eq!(ours.send(b"x", &files).unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(client.call::<usize>("Peer.Count", &()).unwrap(), 0);
    drop((item, back, file));
    probe.wait_closed();
}

#[test]
fn files_are_not_sent_without_a_byte() {
    let ((ours, theirs), (file, _probe)) = (Socket::pair().unwrap(), Probe::new());
    let error = ours.send(b"", &[file.as_fd()]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    send(&ours, b"x", &[]);
    assert_eq!(theirs.receive(&mut [0; 8], 8).unwrap().1.len(), 0);
}

#[test]
fn a_large_argument_through_a_small_buffer_carries_its_file_at_its_first_byte_once() {
    let (ours, theirs) = Socket::pair().unwrap();
    ours.set_send_buffer(1).unwrap();
    let (file, probe) = Probe::new();
    let sent = identity(&file);
    let caller = thread::spawn(move || {
        let text = "x".repeat(1 << 20);
        let item = Item { n: 1, text, files: file.into() };
        Client::new(ours).call::<usize>("Peer.Item", &item)
    });
    let (mut bytes, mut files, mut buffer) = (Vec::new(), Vec::new(), [0; 1000]);
    while !bytes.ends_with(b"\"}}") {
        let (count, came) = theirs.receive(&mut buffer, 253).unwrap();
        assert!(count > 0);
        files.extend(came.iter().map(|file| (bytes.len(), identity(file))));
        bytes.extend_from_slice(&buffer[..count]);
    }
    assert_eq!(files, [(0, sent)]);
    assert!(bytes.len() > 1 << 20);
    send(&theirs, success("5").as_bytes(), &[]);
    assert_eq!(within_timeout(move || caller.join().unwrap()).unwrap(), 5);
    probe.wait_closed();
}

#[test]
fn files_after_malformed_json_are_closed() {
    let (server, (file, probe)) = (peer(), Probe::new());
    let (ours, theirs) = Socket::pair().unwrap();
    send(&ours, call(1).as_bytes(), &[]);
    send(&ours, b"{]", &[file.as_fd()]);
    send(&ours, call(2).as_bytes(), &[file.as_fd()]);
    drop(file);
    server.start_handling(theirs).unwrap();
    assert_eq!(String::from_utf8(read_to_end(&ours).0).unwrap(), success(r#"{"N":1}"#));
    probe.wait_closed();
}
