//! Calls where descriptors run out, or too many files are in flight.

use std::fs::{self, File};
use std::os::fd::{AsFd, BorrowedFd};
use std::thread;
use std::time::Instant;

use super::{Item, peer};
use crate::support;
use crate::support::{
    COUNTABLE_FILES, Probe, client_of, connect, failure, is_alone, path_of, read_message,
    run_alone, send, success,
};
use urpc::{Client, Socket};

const COUNT: &[u8] = br#"{"method":"Peer.Count","arg":{}}"#;
const TRUNCATED: &str = "control data truncated: not all files of the message could be received \
    (is the receiver's limit of open files reached?)";

/// Opens files until there is no descriptor left.
fn exhaust_descriptors() -> Vec<File> {
    std::iter::from_fn(|| File::open("/dev/null").ok()).collect()
}

/// Waits until `count` descriptors are free. Refused files may be closed a moment later.
fn wait_for_free_descriptors(count: usize) {
    let deadline = Instant::now() + support::TIMEOUT;
    while exhaust_descriptors().len() < count {
        assert!(Instant::now() < deadline, "received files stay open");
        thread::yield_now();
    }
    assert_eq!(exhaust_descriptors().len(), count);
}

#[test]
fn where_descriptors_run_out_a_call_is_refused_with_the_reason_and_the_connection_goes_on() {
    if !is_alone() {
        return run_alone(
            path_of(
                where_descriptors_run_out_a_call_is_refused_with_the_reason_and_the_connection_goes_on,
            ),
            COUNTABLE_FILES,
        );
    }
    let server = peer();
    let socket = connect(&server);
    let count = |files: &[BorrowedFd<'_>]| {
        send(&socket, COUNT, files);
        read_message(&socket).0
    };
    assert_eq!(count(&[]), success("0"));
    for free in [0, 1, 3] {
        let (file, probe) = Probe::new();
        let mut filler = exhaust_descriptors();
        filler.truncate(filler.len() - free);
        // Fewer descriptors are free than files are sent. If none is free, the kernel only sets the
        // flag. If some are free, it delivers as many files.
        assert_eq!(count(&vec![file.as_fd(); free + 1]), failure(TRUNCATED));
        assert_eq!(count(&vec![file.as_fd(); free]), success(&free.to_string()));
        // A call's files close after its reply, and before the next call.
        assert_eq!(count(&[]), success("0"));
        assert_eq!(exhaust_descriptors().len(), free, "received files were closed");
        drop((filler, file));
        probe.wait_closed();
    }
}

#[test]
fn where_descriptors_run_out_a_reply_is_refused_and_the_client_stays_usable() {
    if !is_alone() {
        return run_alone(
            path_of(where_descriptors_run_out_a_reply_is_refused_and_the_client_stays_usable),
            COUNTABLE_FILES,
        );
    }
    let (ours, theirs) = Socket::pair().unwrap();
    let (client, (file, probe)) = (Client::new(ours), Probe::new());
    let mut filler = exhaust_descriptors();
    filler.truncate(filler.len() - 2);
    send(&theirs, success(r#"{"N":1}"#).as_bytes(), &[file.as_fd(); 3]);
    let error = client.call::<Item>("Peer.Item", &()).unwrap_err();
    assert_eq!((error.to_string(), error.is_usable()), (format!("Peer.Item: {TRUNCATED}"), true));
    wait_for_free_descriptors(2);
    send(&theirs, success(r#"{"N":2}"#).as_bytes(), &[file.as_fd(); 2]);
    let item: Item = client.call("Peer.Item", &()).unwrap();
    assert_eq!((item.n, item.files.len()), (2, 2));
    drop((filler, file, item));
    probe.wait_closed();
}

#[test]
fn too_many_files_in_flight_are_named_in_the_error_and_can_be_sent_again_later() {
    if !is_alone() {
        let status = fs::read_to_string("/proc/self/status").unwrap();
        if status.contains("CapEff:\t0000000000000000") {
            return run_alone(
                path_of(
                    too_many_files_in_flight_are_named_in_the_error_and_can_be_sent_again_later,
                ),
                "ulimit -n 1024; exec",
            );
        }
        // A process that may exceed resource limits has no limit here. Another user may not exceed
        // them, and has no other files in flight.
        let other_user = "setpriv --reuid=$((1000000000 + $$)) --clear-groups \
            --inh-caps=-all,+dac_override --ambient-caps=-all,+dac_override";
        return run_alone(
            path_of(too_many_files_in_flight_are_named_in_the_error_and_can_be_sent_again_later),
            &format!("ulimit -n 1024; exec {other_user}"),
        );
    }
    let server = peer();
    let (client, (file, probe)) = (client_of(&server), Probe::new());
    let (ours, theirs) = Socket::pair().unwrap();
    let mut sent = 0;
    while sent < 100 && ours.send(b"x", &[file.as_fd(); 100]).is_ok() {
        sent += 1;
    }
    assert!(sent < 100, "there is no limit on files in flight");
    let send = || client.call_raw("Peer.Count", b"{}", &[file.as_fd()]);
    let error = send().unwrap_err();
    assert!(error.to_string().contains("too many files in flight; nothing was sent"), "{error}");
    assert!(error.is_usable());
    // The error says what to do: let peers receive, then try again. The user's other programs,
    // which may be running these tests as well, have files in flight of their own.
    for _ in 0..sent {
        theirs.receive(&mut [0], 100).unwrap();
    }
    let deadline = Instant::now() + support::TIMEOUT;
    let count = loop {
        match send() {
            Ok((count, _)) => break count,
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
    };
    assert_eq!(count.as_bytes(), b"1");
    drop(file);
    probe.wait_closed();
}

#[test]
fn a_raw_receive_for_which_there_are_too_few_descriptors_is_refused_and_closes_what_came() {
    if !is_alone() {
        return run_alone(path_of(a_raw_receive_for_which_there_are_too_few_descriptors_is_refused_and_closes_what_came), COUNTABLE_FILES);
    }
    let ((ours, theirs), (file, probe)) = (Socket::pair().unwrap(), Probe::new());
    let mut filler = exhaust_descriptors();
    filler.truncate(filler.len() - 2);
    send(&theirs, b"x", &[file.as_fd(); 3]);
    let error = ours.receive(&mut [0], 3).unwrap_err();
    assert_eq!(error.to_string(), TRUNCATED);
    wait_for_free_descriptors(2);
    send(&theirs, b"x", &[file.as_fd(); 2]);
    assert_eq!(ours.receive(&mut [0], 3).unwrap().1.len(), 2);
    drop((filler, file));
    probe.wait_closed();
}
