//! The system calls that fail, and their errors.

use std::collections::BTreeSet;

use crate::listed_calls::listed_under;

/// A system call: its name, its number on x86_64, and errors that it can give (errno(3)).
pub struct Call {
    pub name: &'static str,
    pub number: u32,
    pub errors: &'static [Errno],
}

/// A name and a number.
pub type Errno = (&'static str, i32);

const EPERM: Errno = ("EPERM", 1);
const EINTR: Errno = ("EINTR", 4);
const EIO: Errno = ("EIO", 5);
const EAGAIN: Errno = ("EAGAIN", 11);
const ENOMEM: Errno = ("ENOMEM", 12);
const EACCES: Errno = ("EACCES", 13);
const EBUSY: Errno = ("EBUSY", 16);
const EINVAL: Errno = ("EINVAL", 22);
const ENFILE: Errno = ("ENFILE", 23);
const EMFILE: Errno = ("EMFILE", 24);
const ENOSPC: Errno = ("ENOSPC", 28);
const EROFS: Errno = ("EROFS", 30);
const EPIPE: Errno = ("EPIPE", 32);
const ENOLCK: Errno = ("ENOLCK", 37);
const ENOSYS: Errno = ("ENOSYS", 38);
const ENOPROTOOPT: Errno = ("ENOPROTOOPT", 92);
const EADDRINUSE: Errno = ("EADDRINUSE", 98);
const ECONNABORTED: Errno = ("ECONNABORTED", 103);
const ECONNRESET: Errno = ("ECONNRESET", 104);
const ENOBUFS: Errno = ("ENOBUFS", 105);
const ENOTCONN: Errno = ("ENOTCONN", 107);
const ETOOMANYREFS: Errno = ("ETOOMANYREFS", 109);
const ECONNREFUSED: Errno = ("ECONNREFUSED", 111);

const fn call(name: &'static str, number: u32, errors: &'static [Errno]) -> Call {
    Call { name, number, errors }
}

/// Those of the README's list, and behind them what the command makes besides.
pub const CALLS: &[Call] = &[
    call("recvmsg", 47, &[EINTR, ECONNRESET, ENOMEM]),
    call("sendto", 44, &[EINTR, EPIPE, ENOBUFS]),
    call("sendmsg", 46, &[EINTR, ETOOMANYREFS, ENOMEM]),
    call("poll", 7, &[EINTR, ENOMEM]),
    call("futex", 202, &[EINTR, EAGAIN]),
    call("brk", 12, &[ENOMEM]),
    call("mmap", 9, &[ENOMEM, EAGAIN, EPERM]),
    call("munmap", 11, &[ENOMEM, EINVAL, EPERM]),
    call("mremap", 25, &[ENOMEM, EAGAIN, EINVAL]),
    call("madvise", 28, &[ENOMEM, EAGAIN, EINVAL]),
    call("mprotect", 10, &[ENOMEM, EACCES, EINVAL]),
    call("openat", 257, &[EMFILE, EACCES, ENOMEM]),
    call("read", 0, &[EINTR, EIO, EAGAIN]),
    call("fcntl", 72, &[EINVAL, EMFILE, EPERM]),
    call("statx", 332, &[EACCES, ENOMEM, EIO]),
    call("socket", 41, &[EMFILE, ENFILE, ENOBUFS]),
    call("socketpair", 53, &[EMFILE, ENFILE, ENOMEM]),
    call("connect", 42, &[EINTR, EAGAIN, ECONNREFUSED]),
    call("bind", 49, &[EADDRINUSE, EACCES, ENOMEM]),
    call("listen", 50, &[EADDRINUSE, EACCES, EINVAL]),
    call("accept4", 288, &[EINTR, EMFILE, ECONNABORTED]),
    call("getsockopt", 55, &[ENOPROTOOPT, EINVAL, ENOMEM]),
    call("setsockopt", 54, &[ENOPROTOOPT, EINVAL, ENOMEM]),
    call("getsockname", 51, &[ENOBUFS, EINVAL, EACCES]),
    call("getpeername", 52, &[ENOTCONN, ENOBUFS, EACCES]),
    call("ioctl", 16, &[EINVAL, EPERM, EACCES]),
    call("getrandom", 318, &[EINTR]),
    call("fchmod", 91, &[EPERM, EROFS, EIO]),
    call("chmod", 90, &[EPERM, EROFS, EIO]),
    call("unlink", 87, &[EPERM, EBUSY, EIO]),
    call("flock", 73, &[EAGAIN, ENOLCK, EINTR]),
    call("clock_nanosleep", 230, &[EINTR]),
    call("clone3", 435, &[EAGAIN, ENOMEM, ENOSYS]),
    call("pipe2", 293, &[EMFILE, ENFILE, ENOMEM]),
    call("write", 1, &[EINTR, EIO, ENOSPC]),
    call("dup2", 33, &[EMFILE, EINTR, EBUSY]),
    call("linkat", 265, &[EPERM, EIO, ENOSPC]),
    call("mkdir", 83, &[EACCES, ENOSPC, EROFS]),
    call("rename", 82, &[EACCES, ENOSPC, EIO]),
    call("readlink", 89, &[EACCES, EIO, ENOMEM]),
    call("getdents64", 217, &[EIO, EACCES, ENOMEM]),
    call("unlinkat", 263, &[EACCES, EBUSY, EIO]),
    call("wait4", 61, &[EINTR]),
    call("execve", 59, &[EACCES, ENOMEM, EAGAIN]),
];

/// Those of the list that never fail here, and why.
pub const LEFT_OUT: &[(&str, &str)] = &[
    ("close", "Linux closes the descriptor whatever close(2) reports, a failed call would not"),
    ("shutdown", "has no error for a Unix socket on Linux; it is what wakes a thread for a stop"),
    ("exit", "has no error"),
    ("sched_yield", "has no error"),
    ("gettid", "has no error"),
    ("restart_syscall", "the kernel makes it, no program does"),
    ("rt_sigprocmask", "has no error for these arguments"),
    ("rt_sigaction", "has no error for these arguments"),
    ("set_robust_list", "only the C library's start of a thread makes it"),
    ("rseq", "only the C library's start of a thread makes it, and ends the process if it fails"),
    ("sigaltstack", "only std's start of a thread makes it"),
    ("sched_getaffinity", "only std's start of a thread makes it"),
    ("prctl", "only std's start of a thread makes it"),
];

/// Checks that each call of the README's list fails here or is left out with a reason.
pub fn assert_complete() {
    let mut listed = listed_under("While calls are made");
    listed.extend(listed_under("Where a method checks files"));
    listed.extend(listed_under("Before and after"));
    let fails = CALLS.iter().map(|call| call.name);
    let known: BTreeSet<&str> = fails.chain(LEFT_OUT.iter().map(|(name, _)| *name)).collect();
    // The paragraphs name a limit and a type as well.
    let others = ["spin_time", "FileCheck"];
    let missing: Vec<_> =
        listed.iter().filter(|name| !known.contains(*name) && !others.contains(*name)).collect();
    assert!(missing.is_empty(), "listed in the README, and never fails: {missing:?}");
}
