//! Tests of `sys` on a real kernel: unusual control data, what options of a socket add, and what a
//! failed call leaves.

use super::*;
use crate::architecture::{LEGACY_SOCKOPTS, SPARC};
use crate::control::pack;
use crate::test_probe::identity;
use std::fs::{self, File};
use std::io::Write;
use std::mem;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

const SO_PASSCRED: c_int = match (SPARC, LEGACY_SOCKOPTS, POWERPC) {
    (true, ..) => 0x2,
    (_, true, _) => 17,
    (.., true) => 20,
    _ => 16,
};
const SO_PASSPIDFD: c_int = if SPARC { 0x55 } else { 76 };

/// Makes the kernel add the sender's credentials and a handle of its process (Linux 6.5) to each
/// message that `socket` receives. Returns whether it can add the handle.
pub(crate) fn pass_credentials_and_pidfd(socket: BorrowedFd<'_>) -> bool {
    set_option(socket, SO_PASSCRED, 1).unwrap();
    set_option(socket, SO_PASSPIDFD, 1).is_ok()
}

/// A descriptor that is not close-on-exec.
pub(crate) fn inheritable(file: impl Into<OwnedFd>) -> OwnedFd {
    let file = file.into();
    clear_close_on_exec(file.as_fd()).unwrap();
    assert!(!shows_close_on_exec(file.as_fd()));
    file
}

pub(crate) fn shows_close_on_exec(file: BorrowedFd<'_>) -> bool {
    let info = fs::read_to_string(format!("/proc/self/fdinfo/{}", file.as_raw_fd())).unwrap();
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:")).unwrap();
    c_int::from_str_radix(flags.trim(), 8).unwrap() & O_CLOEXEC != 0
}

fn null() -> OwnedFd {
    File::open("/dev/null").unwrap().into()
}

fn send(socket: &UnixStream, bytes: &[u8], control: &[u8]) -> io::Result<usize> {
    send_message(
        socket.as_fd(),
        &[IoSlice::new(bytes)],
        Some(&Rights::from_raw_bytes(control)),
        Blocking::No,
    )
}

fn packed(numbers: &[RawFd]) -> Vec<u8> {
    let mut room = [0; control::space(64)];
    pack(numbers, &mut room).unwrap().to_vec()
}

/// An `SCM_RIGHTS` message without files.
fn empty() -> Vec<u8> {
    let mut bytes = packed(&[0])[..control::space(0)].to_vec();
    bytes[..size_of::<usize>()].copy_from_slice(&control::space(0).to_ne_bytes());
    bytes
}

/// Receives once. Returns the error, if there was one, the number of bytes, and the files.
fn receive_some(
    socket: &UnixStream,
    size: usize,
    ancillary: &mut Ancillary,
) -> (Option<io::ErrorKind>, usize, Vec<OwnedFd>) {
    let mut buffer = Vec::with_capacity(size);
    let received = receive_message(socket.as_fd(), &mut buffer, ancillary, Blocking::No);
    assert!(!ancillary.is_truncated);
    let files = mem::take(&mut ancillary.files);
    match received {
        Ok(count) => (None, count, files),
        Err(error) => (Some(error.kind()), 0, files),
    }
}

fn receive(socket: &UnixStream) -> (usize, Vec<(u64, u64)>) {
    let (error, bytes, files) = receive_some(socket, 64, &mut Ancillary::new(32));
    assert_eq!(error, None);
    (bytes, files.iter().map(identity).collect())
}

/// Credentials that the kernel did not write would read as root's.
#[test]
fn an_option_that_the_kernel_does_not_fill_is_an_error() {
    let (ours, _theirs) = UnixStream::pair().unwrap();
    assert_eq!(option(ours.as_fd(), SO_TYPE, [0; 1]).unwrap(), [SOCK_STREAM]);
    let error = option(ours.as_fd(), SO_TYPE, [0; 3]).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
}

#[test]
fn nothing_is_parsed_where_a_receive_failed() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let mut ancillary = Ancillary::new(32);
    let file = null();
    send(&ours, b"x", &packed(&[file.as_raw_fd()])).unwrap();
    let (_, bytes, first) = receive_some(&theirs, 1, &mut ancillary);
    assert_eq!((bytes, first.len()), (1, 1));
    // The control data of the first receive is still in the buffer, and `first` owns its number.
    let (error, _, files) = receive_some(&theirs, 1, &mut ancillary);
    assert_eq!((error, files.len()), (Some(io::ErrorKind::WouldBlock), 0));
}

#[test]
fn a_receive_into_no_room_is_refused_and_loses_no_file() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let file = null();
    send(&ours, b"x", &packed(&[file.as_raw_fd()])).unwrap();
    let (error, ..) = receive_some(&theirs, 0, &mut Ancillary::new(32));
    assert_eq!(error, Some(io::ErrorKind::InvalidInput));
    assert_eq!(receive(&theirs), (1, vec![identity(&file)]));
}

#[test]
fn files_of_several_control_messages_arrive_in_order_and_an_empty_one_is_none() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let files: Vec<OwnedFd> = (0..3).map(|_| UnixStream::pair().unwrap().0.into()).collect();
    let [a, b, c] = [0, 1, 2].map(|n: usize| files[n].as_raw_fd());
    let identities: Vec<(u64, u64)> = files.iter().map(identity).collect();
    send(&ours, b"two", &[packed(&[a]), packed(&[b, c])].concat()).unwrap();
    assert_eq!(receive(&theirs), (3, identities));
    send(&ours, b"empty", &empty()).unwrap();
    assert_eq!(receive(&theirs), (5, vec![]));
    send(&ours, b"both", &[empty(), packed(&[c]), empty()].concat()).unwrap();
    assert_eq!(receive(&theirs), (4, vec![identity(&files[2])]));
}

#[test]
fn a_number_that_is_not_open_is_refused_by_the_kernel_and_nothing_is_sent() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let file = null();
    let error = send(&ours, b"x", &packed(&[file.as_raw_fd(), RawFd::MAX])).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(9), "EBADF");
    let (error, _, files) = receive_some(&theirs, 8, &mut Ancillary::new(32));
    assert_eq!((error, files.len()), (Some(io::ErrorKind::WouldBlock), 0));
}

#[test]
fn files_are_refused_if_the_option_for_that_reads_back() {
    let (ours, _theirs) = UnixStream::pair().unwrap();
    let is_refused = refuse_files(ours.as_fd()).is_ok();
    let is_set = option(ours.as_fd(), SO_PASSRIGHTS, 1).is_ok_and(|passes| passes == 0);
    assert_eq!(is_refused, is_set);
}

#[test]
fn the_type_of_a_file_that_is_not_open_is_an_error() {
    // SAFETY: nothing is open under this number, and only the kernel looks it up.
    let none = unsafe { BorrowedFd::borrow_raw(RawFd::MAX) };
    assert_eq!(file_type(none).unwrap_err().raw_os_error(), Some(9), "EBADF");
}

/// The reason why a `Socket` refuses to send files without a byte.
#[test]
fn without_bytes_the_kernel_silently_drops_files() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let (file, number) = (null(), null());
    assert_eq!(send(&ours, b"", &packed(&[number.as_raw_fd()])).unwrap(), 0);
    send(&ours, b"x", &packed(&[file.as_raw_fd()])).unwrap();
    assert_eq!(receive(&theirs), (1, vec![identity(&file)]));
}

#[test]
fn what_options_of_the_socket_add_pushes_no_file_out_and_is_closed() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let knows_pidfds = pass_credentials_and_pidfd(theirs.as_fd());
    let file = null();
    for count in [0, 1, 2, 31, 32, 33] {
        let numbers = vec![file.as_raw_fd(); count];
        let mut room = [0; control::space(4 * 33)];
        let control = pack(&numbers, &mut room).unwrap_or_default().to_vec();
        send(&ours, b"x", &control).unwrap();
        assert_eq!(receive(&theirs), (1, vec![identity(&file); count]));
    }
    if !knows_pidfds {
        let _ = writeln!(io::stderr(), "skipped in part: the kernel has no SO_PASSPIDFD");
    }
}

/// A socket whose peer sent an out-of-band byte with `file`. `None` if the kernel does not support
/// such bytes on Unix sockets (Linux 5.15, `CONFIG_AF_UNIX_OOB`).
pub(crate) fn with_urgent_file(file: BorrowedFd<'_>) -> Option<(UnixStream, UnixStream)> {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let rights = Rights::new([file].into_iter()).unwrap();
    match send_out_of_band(theirs.as_fd(), &rights) {
        Ok(count) => {
            assert_eq!(count, 1);
            Some((ours, theirs))
        }
        Err(_) => {
            let _ = writeln!(io::stderr(), "skipped in part: no bytes out of band here");
            None
        }
    }
}
