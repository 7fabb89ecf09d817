//! Lists of files, and checks of files of many kinds.

use std::fs::File;
use std::net::UdpSocket;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::sys;
use crate::test_probe::{Probe, identity};

/// A list of one file, and the probe of that file.
fn probed() -> (Files, Probe) {
    let (file, probe) = Probe::new();
    (Files::from(file), probe)
}

#[test]
fn files_of_a_dropped_list_stay_open_until_its_call_ends() {
    let (mut files, probe) = probed();
    let keeper = Arc::default();
    files.keep(&keeper);
    drop(files);
    assert!(!probe.is_closed());
    keeper.close_files();
    assert!(probe.is_closed());
}

#[test]
fn a_list_that_outlives_its_call_closes_its_files_itself() {
    let (mut files, probe) = probed();
    let keeper = Arc::default();
    files.keep(&keeper);
    keeper.close_files();
    assert!(!probe.is_closed());
    drop(files);
    assert!(probe.is_closed());
}

#[test]
fn a_released_file_is_not_kept() {
    let (mut files, probe) = probed();
    let keeper = Arc::default();
    files.keep(&keeper);
    let released = files.release(0).unwrap();
    drop(files);
    keeper.close_files();
    assert!(!probe.is_closed());
    drop(released);
    assert!(probe.is_closed());
}

#[test]
fn a_list_is_made_from_taken_as_and_walked_like_an_array() {
    let (first, first_probe) = Probe::new();
    let (second, second_probe) = Probe::new();
    let ids = [identity(&first), identity(&second)];
    let mut files = Files::from([first, second]);
    let copies = files.try_clone().unwrap();
    assert_eq!((&files).into_iter().map(identity).collect::<Vec<_>>(), ids);
    assert_eq!(copies.iter().map(identity).collect::<Vec<_>>(), ids);
    let taken: [OwnedFd; 2] = files.take().unwrap();
    assert!(files.is_empty() && taken.each_ref().map(identity) == ids);
    files.extend(taken);
    assert_eq!(files.into_iter().map(identity).collect::<Vec<_>>(), ids);
    assert!(!first_probe.is_closed(), "the copies are open");
    drop(copies);
    first_probe.wait_closed();
    second_probe.wait_closed();
}

#[test]
fn another_number_of_files_is_an_error_that_names_both_and_the_list_keeps_them() {
    let (mut files, probe) = probed();
    assert_eq!(files.take::<3>().unwrap_err().to_string(), "expected 3 files, 1 came");
    assert_eq!(files.take::<0>().unwrap_err().to_string(), "expected 0 files, 1 came");
    let checks = [FileCheck::new(); 2];
    let error = files.take_checked(&checks).unwrap_err();
    assert_eq!(error.to_string(), "expected 2 files, 1 came");
    assert!(files.get(0).is_some() && !probe.is_closed());
    files.push(File::open("/dev/null").unwrap());
    assert_eq!(files.take::<1>().unwrap_err().to_string(), "expected 1 file, 2 came");
    assert_eq!(files.try_release(7).unwrap_err().to_string(), "file 7 is missing: 2 files came");
    files.try_release(0).unwrap();
    assert_eq!(files.try_release(0).unwrap_err().to_string(), "file 0 was released before");
    let error = files.release_checked(0, &FileCheck::new()).unwrap_err();
    assert_eq!(error.to_string(), "file 0 was released before");
    assert!(files.try_clone().unwrap().get(1).is_some(), "indexes stay");
    let [_second] = files.take().unwrap();
}

/// A file, what it is, and the bits of its seals.
type Case = (OwnedFd, FileKind, FileAccess, u8);

const SEALS: [u8; 3] = [0, 2, 2 | 4 | 8];

/// Eight kinds of files, with each access that they can have and, in memory, with seals.
fn cases() -> Vec<Case> {
    use FileAccess::{Neither, ReadOnly, ReadWrite, WriteOnly};
    let mut cases = Vec::new();
    let mut add = |file, kind, access, seals| cases.push((file, kind, access, seals));
    let opened = |path: &Path| {
        let open = |access, read, write| {
            let file = File::options().read(read).write(write).open(path);
            (OwnedFd::from(file.unwrap()), access)
        };
        [open(ReadOnly, true, false), open(WriteOnly, false, true), open(ReadWrite, true, true)]
    };
    let (reader, writer) = sys::new_pipe().unwrap();
    let again = |file: &OwnedFd| format!("/proc/self/fd/{}", file.as_raw_fd());
    let pipe = again(&reader);
    for (path, kind) in [
        ("/proc/self/comm", FileKind::Regular), // never in memory
        ("/dev/null", FileKind::CharacterDevice),
        (&pipe, FileKind::Pipe),
    ] {
        opened(Path::new(path)).into_iter().for_each(|(file, access)| add(file, kind, access, 0));
    }
    add(writer, FileKind::Pipe, WriteOnly, 0);
    for seals in SEALS {
        let memory = sys::new_memory_file(seals).unwrap();
        let files = opened(Path::new(&again(&memory))).into_iter();
        files.for_each(|(file, access)| add(file, FileKind::Memory, access, seals));
    }
    let (ours, _theirs) = UnixStream::pair().unwrap();
    add(ours.into(), FileKind::UnixSocket, ReadWrite, 0);
    let internet = UdpSocket::bind("127.0.0.1:0").unwrap();
    add(internet.into(), FileKind::InternetSocket, ReadWrite, 0);
    add(File::open("/").unwrap().into(), FileKind::Directory, ReadOnly, 0);
    let path = |path: &str, flags| OwnedFd::from(sys::open_path(path.as_ref(), flags).unwrap());
    add(path("/", 0), FileKind::Directory, Neither, 0);
    let link = path("/proc/self", sys::O_NOFOLLOW);
    add(link, FileKind::SymbolicLink, Neither, 0);
    cases
}

/// What the check of a file that is `found` must say, without the index.
fn expected_of(
    check: (Option<FileKind>, Option<FileAccess>, u8),
    found: &Case,
) -> Result<(), String> {
    use FileAccess::{Neither, Read, ReadOnly, ReadWrite, Write, WriteOnly};
    let (kind, access, seals) = check;
    let kinds = [
        (FileKind::Regular, FileKind::Memory),
        (FileKind::Socket, FileKind::UnixSocket),
        (FileKind::Socket, FileKind::InternetSocket),
    ];
    if let Some(kind) = kind.filter(|kind| *kind != found.1 && !kinds.contains(&(*kind, found.1))) {
        return Err(format!("expected {kind}, found {}", found.1));
    }
    let accesses = [(Read, ReadOnly), (Read, ReadWrite), (Write, WriteOnly), (Write, ReadWrite)];
    let passes = match access {
        None => found.2 != Neither,
        Some(access) => access == found.2 || accesses.contains(&(access, found.2)),
    };
    if !passes {
        let text = access.map_or("read or write".to_owned(), |access| access.to_string());
        return Err(format!("expected {text} access, found {} access", found.2));
    }
    let names = [(2, "F_SEAL_SHRINK"), (4, "F_SEAL_GROW"), (8, "F_SEAL_WRITE")];
    match names.into_iter().find(|(bit, _)| seals & !found.3 & bit != 0) {
        Some((_, name)) => Err(format!("expected the seal {name}, but it is not set")),
        None => Ok(()),
    }
}

#[test]
fn each_check_accepts_the_files_that_it_names_and_tells_what_else_came() {
    use FileAccess::{Neither, Read, ReadOnly, ReadWrite, Write, WriteOnly};
    let cases = cases();
    let kinds = cases.iter().map(|case| case.1).chain([
        FileKind::Socket,
        FileKind::BlockDevice,
        FileKind::Anonymous,
    ]);
    let kinds: Vec<_> = kinds.map(Some).chain([None]).collect();
    let accesses = [Read, Write, ReadOnly, WriteOnly, ReadWrite, Neither].map(Some);
    let mut passed = 0;
    for case in &cases {
        for (kind, access) in
            kinds.iter().flat_map(|kind| accesses.iter().map(move |a| (*kind, *a)))
        {
            for (access, seals) in [(access, 0), (None, 0), (access, 2), (access, 2 | 4 | 8)] {
                let mut check = FileCheck::new();
                // Seals can only be had in memory, so they decide the kind.
                let kind = if seals == 0 { kind } else { Some(FileKind::Memory) };
                if let Some(kind) = kind {
                    check = check.kind(kind);
                }
                if let Some(access) = access {
                    check = check.access(access);
                }
                match seals {
                    0 => {}
                    2 => check = check.seals(&[Seal::Shrink]),
                    _ => check = check.seals(&[Seal::Write, Seal::Shrink, Seal::Grow]),
                }
                let said = check.verify(7, case.0.as_fd()).map_err(|error| error.to_string());
                let expected = expected_of((kind, access, seals), case);
                passed += usize::from(expected.is_ok());
                assert_eq!(said, expected.map_err(|text| format!("file 7: {text}")), "{check:?}");
            }
        }
    }
    assert!(passed > cases.len());
}

#[test]
fn an_access_is_named_in_words() {
    use FileAccess::{Neither, Read, ReadOnly, ReadWrite, Write, WriteOnly};
    let texts = [Read, Write, ReadOnly, WriteOnly, ReadWrite, Neither].map(|one| one.to_string());
    let expected =
        ["read", "write", "read-only", "write-only", "read-write", "neither read nor write"];
    assert_eq!(texts, expected);
}

#[test]
fn a_block_device_is_one() {
    let entries = std::fs::read_dir("/dev").unwrap().flatten();
    let is_block = |entry: &std::fs::DirEntry| {
        entry.file_type().is_ok_and(|kind| FileTypeExt::is_block_device(&kind))
    };
    let Some(device) = entries.into_iter().find(is_block) else {
        return println!("skipped: there is no block device");
    };
    let file = sys::open_path(&device.path(), 0).unwrap();
    assert_eq!(FileKind::of(file.as_fd()).unwrap(), FileKind::BlockDevice);
}

#[test]
fn a_file_behind_the_last_is_missing_and_one_that_was_released_is_said_to_be() {
    let mut files = probed().0;
    let check = FileCheck::new();
    let mut said = |index| files.release_checked(index, &check).map_err(|error| error.to_string());
    assert_eq!(said(1).unwrap_err(), "file 1 is missing: 1 file came");
    said(0).unwrap();
    assert_eq!(said(0).unwrap_err(), "file 0 was released before");
}

#[test]
fn a_check_without_flags_names_the_flag_that_is_set() {
    let (ours, _theirs) = UnixStream::pair().unwrap();
    let check = FileCheck::new().without_flags();
    let said = |file: &dyn AsFd| check.verify(0, file.as_fd()).map_err(|error| error.to_string());
    assert_eq!(said(&ours), Ok(()));
    ours.set_nonblocking(true).unwrap();
    assert_eq!(said(&ours), Err("file 0: expected no O_NONBLOCK, but it is set".to_owned()));
    let null = File::options().append(true).open("/dev/null").unwrap();
    assert_eq!(said(&null), Err("file 0: expected no O_APPEND, but it is set".to_owned()));
    assert!(FileCheck::new().verify(0, null.as_fd()).is_ok());
}

#[test]
fn a_wrong_file_stays_in_its_list_and_takes_no_other_with_it() {
    const PIPE: FileCheck = FileCheck::new().kind(FileKind::Pipe);
    let (mut files, probe) = probed();
    files.push(sys::new_pipe().unwrap().0);
    let error = files.take_checked(&[PIPE, PIPE]).unwrap_err();
    assert_eq!(error.to_string(), "file 0: expected a pipe, found a Unix socket");
    let any_and_directory = [FileCheck::new(), FileCheck::new().kind(FileKind::Directory)];
    let error = files.take_checked(&any_and_directory).unwrap_err();
    assert_eq!(error.to_string(), "file 1: expected a directory, found a pipe");
    assert!(files.release_checked(0, &PIPE).is_err());
    assert!(files.release_checked(1, &PIPE).is_ok());
    assert!(files.get(0).is_some() && !probe.is_closed());
    drop(files);
    probe.wait_closed();
}

#[test]
fn debug_shows_the_length_and_the_numbers_of_the_open_files() {
    let (file, _probe) = Probe::new();
    let number = file.as_raw_fd();
    let mut files = Files::from_iter([Probe::new().0, file]);
    drop(files.release(0));
    assert_eq!(format!("{files:?}"), format!("Files {{ len: 2, open: [{number}] }}"));
    assert_eq!(format!("{:?}", Files::new()), "Files { len: 0, open: [] }");
}
