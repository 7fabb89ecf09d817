//! Signals, and the end of child processes.

use std::ffi::c_int;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::ptr;

use super::abi::os_result;
use crate::architecture::{LEGACY_SOCKOPTS, MIPS, by_architecture};

const SIG_BLOCK: c_int = if LEGACY_SOCKOPTS { 1 } else { 0 };
const SIG_UNBLOCK: c_int = if LEGACY_SOCKOPTS { 2 } else { 1 };
/// These have the same numbers on every architecture (signal(7)).
pub(crate) const SIGHUP: c_int = 1;
pub(crate) const SIGINT: c_int = 2;
const SIGKILL: c_int = 9;
pub(crate) const SIGTERM: c_int = 15;
/// SIGCHLD of each architecture (signal(7)).
const SIGCHLD: c_int = by_architecture(17, 18, 20);
const SIG_DFL: usize = 0;
const SIG_IGN: usize = 1;

/// Room for the `struct sigaction` of any libc, which is at most a mask of 128 bytes, or 32 words of
/// four bytes, and four words.
#[repr(C)]
struct SignalAction([usize; 36]);

impl SignalAction {
    /// The index of the word that is the handler. Only glibc's structure for MIPS does not begin
    /// with it.
    const HANDLER: usize = if MIPS { cfg!(target_env = "gnu") as usize } else { 0 };
}

/// The largest `sigset_t` of any libc: 1024 bits.
#[repr(C, align(8))]
struct SignalSet([u8; 128]);

unsafe extern "C" {
    fn sigemptyset(set: *mut SignalSet) -> c_int;
    fn sigaddset(set: *mut SignalSet, signal: c_int) -> c_int;
    fn pthread_sigmask(how: c_int, set: *const SignalSet, old: *mut SignalSet) -> c_int;
    fn sigwait(set: *const SignalSet, signal: *mut c_int) -> c_int;
    fn sigaction(signal: c_int, new: *const SignalAction, old: *mut SignalAction) -> c_int;
    fn signal(signal: c_int, handler: usize) -> usize;
    fn waitpid(process: c_int, status: *mut c_int, options: c_int) -> c_int;
    fn kill(process: c_int, signal: c_int) -> c_int;
}

fn signal_set(signals: &[c_int]) -> SignalSet {
    let mut set = SignalSet([0; 128]);
    // SAFETY: both calls write only to `set`, which is as large as any libc's `sigset_t` on Linux.
    // For a signal number that does not exist, sigaddset changes nothing.
    unsafe {
        sigemptyset(&mut set);
        for signal in signals {
            sigaddset(&mut set, *signal);
        }
    }
    set
}

/// Blocks or unblocks `signals` in this thread and in the threads that it starts later.
pub(crate) fn block_signals(signals: &[c_int], block: bool) -> io::Result<()> {
    let set = signal_set(signals);
    let how = if block { SIG_BLOCK } else { SIG_UNBLOCK };
    // SAFETY: the set is live, and a null pointer means that the old mask is not wanted.
    match unsafe { pthread_sigmask(how, &set, ptr::null_mut()) } {
        0 => Ok(()),
        error => Err(io::Error::from_raw_os_error(error)),
    }
}

/// Waits for one of `signals`, which must be blocked, and returns its number.
pub(crate) fn wait_for_signal(signals: &[c_int]) -> io::Result<c_int> {
    let set = signal_set(signals);
    let mut signal = 0;
    // SAFETY: both pointers point to live variables of the types that sigwait(3) takes.
    match unsafe { sigwait(&set, &mut signal) } {
        0 => Ok(signal),
        error => Err(io::Error::from_raw_os_error(error)),
    }
}

/// Gives SIGCHLD its default action if this process was started with it ignored. Otherwise the
/// kernel would discard the exit statuses of children (waitpid(2)). A handler stays as it is.
pub(crate) fn keep_exit_statuses() -> io::Result<()> {
    let mut old = SignalAction([0; 36]);
    // SAFETY: with a null pointer it changes no action, and `old` has room for any libc's
    // structure.
    os_result(unsafe { sigaction(SIGCHLD, ptr::null(), &mut old) })?;
    if old.0[SignalAction::HANDLER] == SIG_IGN {
        // SAFETY: the default action runs no code of ours.
        unsafe { signal(SIGCHLD, SIG_DFL) };
    }
    Ok(())
}

/// Waits until any child has ended. Returns its process id and its exit status.
pub(crate) fn wait_for_any_child() -> io::Result<(u32, ExitStatus)> {
    let mut status = 0;
    // SAFETY: the kernel writes one integer to a live variable.
    let child = os_result(unsafe { waitpid(-1, &mut status, 0) })?;
    Ok((child.unsigned_abs(), ExitStatus::from_raw(status)))
}

/// Sends `signal` to the child `process`, which nobody has waited for yet.
pub(crate) fn send_signal(process: u32, signal: c_int) -> io::Result<()> {
    let process = c_int::try_from(process).map_err(|_| io::ErrorKind::InvalidInput)?;
    // SAFETY: kill accesses no memory.
    os_result(unsafe { kill(process, signal) }).map(drop)
}

/// Kills the process group that the child `leader` leads, which nobody has waited for yet.
pub(crate) fn kill_group(leader: u32) -> io::Result<()> {
    let all_of_group = match c_int::try_from(leader) {
        // 0 would be this process's own group, and -1 would stand for every process.
        Ok(2..) => -(leader as c_int),
        _ => return Err(io::ErrorKind::InvalidInput.into()),
    };
    // SAFETY: kill accesses no memory.
    os_result(unsafe { kill(all_of_group, SIGKILL) }).map(drop)
}
