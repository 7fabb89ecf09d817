//! What can be tested of it within one process.

use super::*;

#[test]
fn sockets_of_a_service_manager_are_taken_only_if_they_are_meant_for_us() {
    let count =
        |count: &str, pid: &str| listen_count(Some(OsStr::new(count)), Some(OsStr::new(pid)), 42);
    assert_eq!(count("2", "42"), 2);
    assert_eq!(count("2", "43"), 0);
    assert_eq!(count("-1", "42"), 0);
    assert_eq!(count("", "42"), 0);
    assert_eq!(count("4294967295", "42"), RawFd::MAX);
    assert_eq!(listen_count(None, None, 42), 0);
}

#[test]
fn a_helper_that_says_nothing_is_not_waited_for_without_end() {
    let (ours, _silent) = Socket::pair().unwrap();
    let (stdin, _writer) = pipe().unwrap();
    let limit = Duration::from_millis(1);
    assert!(!send_to_helper(ours, stdin.as_fd(), &[], limit).unwrap());
}

#[test]
fn a_number_that_is_not_open_is_refused_with_its_number() {
    let error = inherited(RawFd::MAX).unwrap_err().to_string();
    assert!(error.contains("2147483647"), "{error}");
}
