//! Which message gets which files, in a `MessageReader`.

use std::fs::File;
use std::io::ErrorKind;
use std::os::fd::{AsFd, OwnedFd};

use crate::support::{
    COUNTABLE_FILES, Probe, identity, is_alone, limit::limit_test, path_of, run_alone, send,
};
use urpc::{Error, Files, Limits, MessageReader, Socket};

const A: &str = r#"{"method":"A.A","arg":[{}]}"#;
const B: &str = r#"{"arg":"}","method":"B.B"}"#;

/// The output of a reader: each message with the identities of its files, or an error.
type Seen = Vec<(String, Vec<(u64, u64)>)>;

fn reader() -> MessageReader {
    limit_test();
    MessageReader::new(&Limits { receive_files: 3, message_bytes: 64, ..Limits::default() })
}

/// Takes a message if one is complete.
fn take_one(reader: &mut MessageReader, seen: &mut Seen) -> bool {
    match reader.next_message() {
        Ok(None) => false,
        Ok(Some((text, files))) => {
            let text = String::from_utf8(text.to_vec()).unwrap();
            seen.push((text, files.iter().map(identity).collect()));
            true
        }
        Err(error) => {
            seen.push((error.to_string(), Vec::new()));
            error.is_usable()
        }
    }
}

/// When messages are taken.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Taking {
    /// All of them, after each receive.
    Early,
    /// One after each receive except the first.
    Lagging,
    AtTheEnd,
}

/// The output for `receives`. Each has bytes and, if its flag is set, the next of `files`.
fn pushed(receives: &[(&str, bool)], files: &[File], taking: Taking) -> Seen {
    let (mut reader, mut seen, mut files) = (reader(), Vec::new(), files.iter());
    for (index, (bytes, has_file)) in receives.iter().enumerate() {
        let file = if *has_file { files.next() } else { None };
        let files = file.map(|file| Files::from(file.try_clone().unwrap())).unwrap_or_default();
        reader.push(bytes.as_bytes(), files).unwrap();
        match taking {
            Taking::Early => while take_one(&mut reader, &mut seen) {},
            Taking::Lagging if index > 0 => _ = take_one(&mut reader, &mut seen),
            _ => {}
        }
    }
    while take_one(&mut reader, &mut seen) {}
    seen
}

#[test]
fn files_belong_to_the_last_message_with_a_byte_in_their_receive_however_late_it_is_taken() {
    let files: Vec<File> = ["/dev/null", "/dev/zero"].map(|path| File::open(path).unwrap()).into();
    let (null, zero) = (identity(&files[0]), identity(&files[1]));
    let (a1, a2) = A.split_at(7);
    let (b1, b2) = B.split_at(3);
    let (end_and_begin, whole_and_begin) = (format!("{a2}{b1}"), format!("{A} {b1}"));
    let with_space = format!("{A} \n");
    // What is received, and the files of A and of B.
    type Case<'c> = (&'c [(&'c str, bool)], &'c [(u64, u64)], &'c [(u64, u64)]);
    let cases: [Case; 12] = [
        (&[(A, true), (B, true)], &[null], &[zero]),
        (&[(a1, true), (a2, false), (B, false)], &[null], &[]),
        (&[(a1, false), (a2, true), (B, false)], &[null], &[]),
        (&[(a1, true), (a2, true), (B, false)], &[null, zero], &[]),
        (&[(a1, false), (&end_and_begin, true), (b2, false)], &[], &[null]),
        (&[(a1, true), (&end_and_begin, true), (b2, false)], &[null], &[zero]),
        (&[(&whole_and_begin, true), (b2, true)], &[], &[null, zero]),
        (&[(&with_space, true), (B, false)], &[null], &[]),
        (&[(A, false), (" \n", true), (B, true)], &[], &[null, zero]),
        (&[(A, false), (" ", true), (" ", true), (B, false)], &[], &[null, zero]),
        (&[(" ", true), (A, false), (B, true)], &[null], &[zero]),
        (&[(A, true), (b1, false), (b2, true)], &[null], &[zero]),
    ];
    for (receives, with_a, with_b) in cases {
        let expected = vec![(A.to_owned(), with_a.to_vec()), (B.to_owned(), with_b.to_vec())];
        for taking in [Taking::Early, Taking::Lagging, Taking::AtTheEnd] {
            assert_eq!(pushed(receives, &files, taking), expected, "{receives:?} {taking:?}");
        }
    }
}

#[test]
fn over_a_socket_files_that_go_with_a_first_byte_arrive_at_their_message() {
    let (ours, theirs) = Socket::pair().unwrap();
    let (null, mut reader) = (File::open("/dev/null").unwrap(), reader());
    let files = [null.as_fd(); 2];
    for (text, count) in [(A, 0), (B, 2), (A, 0), (A, 1), (B, 0)] {
        send(&ours, text.as_bytes(), &files[..count]);
    }
    ours.shutdown_send().unwrap();
    let (mut counts, mut receives) = (Vec::new(), 0);
    loop {
        while let Some((text, files)) = reader.next_message().unwrap() {
            counts.push((String::from_utf8(text.to_vec()).unwrap(), files.len()));
        }
        receives += 1;
        if reader.receive(&theirs).unwrap() == 0 {
            break;
        }
    }
    assert!(!reader.is_in_message());
    let expected = [(A, 0), (B, 2), (A, 0), (A, 1), (B, 0)];
    assert_eq!(counts, expected.map(|(text, count)| (text.to_owned(), count)));
    assert!(receives <= 4, "two that end after files, one after them, and the end: {receives}");
}

#[test]
fn a_receive_with_nothing_there_does_not_wait_and_a_reset_is_the_end() {
    let (ours, theirs) = Socket::pair().unwrap();
    let mut reader = reader();
    assert_eq!(reader.receive(&theirs).unwrap_err().kind(), ErrorKind::WouldBlock);
    send(&theirs, b"unread", &[]);
    send(&ours, A.as_bytes(), &[]);
    drop(ours);
    assert_eq!(reader.receive(&theirs).unwrap(), A.len());
    assert!(reader.next_message().unwrap().is_some());
    assert_eq!(reader.receive(&theirs).unwrap(), 0, "ECONNRESET, after all data was read");
}

#[test]
fn nothing_is_received_while_a_message_waits() {
    let (ours, theirs) = Socket::pair().unwrap();
    let mut reader = reader();
    send(&ours, format!("{A}{B}").as_bytes(), &[]);
    reader.receive(&theirs).unwrap();
    send(&ours, A.as_bytes(), &[]);
    for _ in 0..2 {
        assert_eq!(reader.receive(&theirs).unwrap_err().kind(), ErrorKind::InvalidInput);
        assert!(reader.next_message().unwrap().is_some());
    }
    assert_eq!(reader.receive(&theirs).unwrap(), A.len());
}

#[test]
fn too_many_files_are_closed_and_that_message_alone_is_refused() {
    let (ours, theirs) = Socket::pair().unwrap();
    let ((file, probe), mut reader, mut seen) = (Probe::new(), reader(), Vec::new());
    let files = [file.as_fd(); 4];
    // In one send, and in two sends of two files.
    send(&ours, A.as_bytes(), &files);
    send(&ours, &A.as_bytes()[..4], &files[..2]);
    send(&ours, &A.as_bytes()[4..], &files[..2]);
    send(&ours, B.as_bytes(), &[]);
    while reader.receive(&theirs).is_ok() {
        while take_one(&mut reader, &mut seen) {}
    }
    drop(file);
    probe.wait_closed();
    let texts: Vec<&str> = seen.iter().map(|(text, _)| text.as_str()).collect();
    assert!(texts[0].starts_with("too many files: 4, and the limit is 3"), "{texts:?}");
    assert!(texts[1].starts_with("too many files: 4"), "{texts:?}");
    assert_eq!(texts[2..], [B]);
}

#[test]
fn files_that_come_one_by_one_are_closed_at_the_limit_though_their_message_goes_on() {
    let ((file, probe), mut reader) = (Probe::new(), reader());
    for byte in A.as_bytes()[..4].chunks(1) {
        reader.push(byte, file.try_clone().unwrap().into()).unwrap();
        assert!(reader.next_message().unwrap().is_none());
    }
    drop(file);
    probe.wait_closed();
    reader.push(&A.as_bytes()[4..], Files::new()).unwrap();
    let error = reader.next_message().unwrap_err();
    assert!(matches!(error, Error::TooManyFiles { count: 4, limit: 3, .. }), "{error}");
}

#[test]
fn where_descriptors_run_out_that_message_alone_is_refused() {
    let name = where_descriptors_run_out_that_message_alone_is_refused;
    if !is_alone() {
        return run_alone(path_of(name), COUNTABLE_FILES);
    }
    let (ours, theirs) = Socket::pair().unwrap();
    let ((file, probe), mut reader) = (Probe::new(), reader());
    send(&ours, A.as_bytes(), &[file.as_fd(); 2]);
    send(&ours, B.as_bytes(), &[file.as_fd()]);
    let mut filler: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
    filler.pop();
    reader.receive(&theirs).unwrap();
    let error = reader.next_message().unwrap_err();
    assert!(matches!(error, Error::ControlTruncated { .. }) && error.is_usable(), "{error}");
    assert!(reader.next_message().unwrap().is_none());
    reader.receive(&theirs).unwrap();
    let (text, files) = reader.next_message().unwrap().unwrap();
    assert_eq!((text, files.len()), (B.as_bytes(), 1));
    drop((files, filler, file));
    probe.wait_closed();
}

#[test]
fn what_ends_the_stream_is_reported_each_time_and_nothing_comes_after_it() {
    let long = format!(r#"{{"arg":"{}"}}"#, "x".repeat(64));
    for (text, is_expected) in [
        (r#"{"a":1]"#, (|error| matches!(error, Error::Malformed { .. })) as fn(&Error) -> bool),
        ("[1]", |error| matches!(error, Error::Malformed { .. })),
        ("true", |error| matches!(error, Error::Malformed { .. })),
        (&long, |error| matches!(error, Error::MessageTooLarge { limit: 64, .. })),
    ] {
        let (mut reader, (file, probe)) = (reader(), Probe::new());
        reader.push(A.as_bytes(), Files::new()).unwrap();
        reader.push(text.as_bytes(), file.into()).unwrap();
        reader.push(B.as_bytes(), Files::new()).unwrap();
        assert_eq!(reader.next_message().unwrap().unwrap().0, A.as_bytes());
        for _ in 0..3 {
            let error = reader.next_message().unwrap_err();
            assert!(is_expected(&error) && !error.is_usable(), "{text}: {error}");
        }
        drop(reader);
        probe.wait_closed();
    }
}

#[test]
fn a_reader_says_whether_a_message_has_begun() {
    let mut reader = reader();
    assert!(!reader.is_in_message());
    for (bytes, is_taken, is_begun) in [
        (" \n", false, false),
        (&A[..3], false, true),
        (&A[3..], true, false),
        (" ", false, false),
        (&format!("{A}{}", &B[..1]), true, true),
        (&format!("{} ", &B[1..]), true, false),
    ] {
        reader.push(bytes.as_bytes(), Files::new()).unwrap();
        assert_eq!(reader.next_message().unwrap().is_some(), is_taken, "{bytes}");
        assert_eq!(reader.is_in_message(), is_begun, "{bytes}");
        if is_taken {
            assert!(reader.next_message().unwrap().is_none());
            assert_eq!(reader.is_in_message(), is_begun, "{bytes}, with nothing taken");
        }
    }
    let file: OwnedFd = File::open("/dev/null").unwrap().into();
    reader.push(b" ", file.into()).unwrap();
    assert!(reader.is_in_message(), "a file for the next message came");
}

#[test]
fn a_reader_that_is_dropped_closes_the_files_of_messages_that_were_not_taken() {
    // An incomplete message, and a message that waits.
    for receives in [&[&A[..5]][..], &[A, B], &[" "]] {
        let (mut reader, (file, probe)) = (reader(), Probe::new());
        for bytes in receives {
            reader.push(bytes.as_bytes(), file.try_clone().unwrap().into()).unwrap();
        }
        drop(file);
        if receives.len() == 1 {
            assert!(reader.next_message().unwrap().is_none());
        }
        assert!(!probe.is_closed());
        drop(reader);
        probe.wait_closed();
    }
}

#[test]
fn what_is_printed_of_a_reader_is_its_state() {
    let mut reader = reader();
    assert!(format!("{reader:?}").contains("is_in_message: false"), "{reader:?}");
    reader.push(&A.as_bytes()[..5], Files::new()).unwrap();
    assert!(format!("{reader:?}").contains("is_in_message: true"), "{reader:?}");
}

#[test]
fn nothing_is_received_after_the_error_that_ended_the_stream() {
    limit_test();
    // The buffer is full with one byte more than that.
    let limits = Limits { message_bytes: 4095, ..Limits::default() };
    let mut reader = MessageReader::new(&limits);
    let (ours, theirs) = Socket::pair().unwrap();
    ours.send(format!("{:4096}", "{").as_bytes(), &[]).unwrap();
    assert_eq!(reader.receive(&theirs).unwrap(), 4096);
    assert!(matches!(reader.next_message(), Err(Error::MessageTooLarge { .. })));
    let file = File::open("/dev/null").unwrap();
    ours.send(b"b", &[file.as_fd()]).unwrap();
    for _ in 0..2 {
        let error = reader.receive(&theirs).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
        let error = reader.push(b"b", Files::new()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    }
    assert_eq!(theirs.try_receive(&mut [0; 2], 1).unwrap().1.len(), 1);
}
