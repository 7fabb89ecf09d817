//! What a shutdown leaves in a socket's receive queue.

use std::fs::File;
use std::os::fd::AsFd;

use super::{Socket, retry_interrupted};
use crate::sys::tests::with_urgent_file;

#[test]
fn a_connection_is_empty_only_without_a_byte_in_its_queue() {
    let (ours, theirs) = Socket::pair().unwrap();
    assert!(ours.shut_down_empty());
    assert!(theirs.send(b"x", &[]).is_err(), "nothing can be queued any more");
    let (ours, theirs) = Socket::pair().unwrap();
    theirs.send(b"x", &[]).unwrap();
    assert!(!ours.shut_down_empty() && theirs.shut_down_empty());
    // The first receive reports a reset.
    let (ours, theirs) = Socket::pair().unwrap();
    ours.send(b"x", &[]).unwrap();
    drop(theirs);
    assert!(ours.shut_down_empty());
}

#[test]
fn a_file_out_of_band_makes_a_queue_that_is_not_empty() {
    let null = File::open("/dev/null").unwrap();
    let Some((ours, _theirs)) = with_urgent_file(null.as_fd()) else { return };
    assert!(!Socket::from(ours).shut_down_empty());
}

#[test]
fn a_call_is_made_again_while_it_is_interrupted_and_then_returns_what_it_gives() {
    use std::io::ErrorKind::{Interrupted, PermissionDenied};
    for end in [Ok(7), Err(PermissionDenied)] {
        let mut results = [Err(Interrupted), Err(Interrupted), end].into_iter();
        let called = retry_interrupted(|| results.next().unwrap().map_err(std::io::Error::from));
        assert_eq!(called.map_err(|error| error.kind()), end);
    }
}
