//! Closes descriptors on threads that nothing waits for.
//!
//! The last close of a file may block for as long as the file's maker likes. A TCP socket with
//! `SO_LINGER` and unsent data waits for its linger time (`inet_release` of Linux, socket(7)). A
//! file on FUSE waits until the file system's daemon has answered its flush. Closing a connection
//! closes the files in its receive queue, and closing a listening socket closes the connections in
//! its backlog. So a thread that others wait for passes what a peer sent to [`close`], which closes
//! it on a separate thread. A server's client threads need not: nothing waits for them while they
//! only close (see `server`).

use std::collections::VecDeque;
use std::ops::Deref;
use std::sync::PoisonError;
use std::time::Duration;

use crate::memory;
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::mpsc::{self, Receiver};
use crate::sync::{Mutex, MutexGuard, thread};

/// The maximum number of closing threads in a process.
const MAX_CLOSES: usize = 64;

/// How long to wait for a close. A close that does not block takes microseconds, so it is done when
/// the call returns.
const GRACE: Duration = Duration::from_millis(40);

/// A close needs little stack: for a system call and a few drops.
const STACK_BYTES: usize = 64 << 10;

/// How many slots are taken.
static CLOSES: AtomicUsize = AtomicUsize::new(0);

/// The values that wait for a thread. While [`MAX_CLOSES`] closes block, or no thread can be
/// started, this grows until the process has no free descriptor.
static QUEUE: Mutex<VecDeque<Box<dyn Send>>> = Mutex::new(VecDeque::new());

/// The right to be a thread that closes. At most [`MAX_CLOSES`] exist. It belongs to the thread and
/// not to a value: if no thread can be started, the right is free again.
struct Slot(());

impl Slot {
    /// Takes a slot; `None` if all are taken.
    fn take() -> Option<Slot> {
        let more = |count| (count < MAX_CLOSES).then_some(count + 1);
        CLOSES.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).ok().map(|_| Slot(()))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        CLOSES.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Starts a thread that drops what is queued. `false` if all slots are taken, or if no thread can be
/// started.
fn start_thread() -> bool {
    let Some(slot) = Slot::take() else { return false };
    let thread = thread::Builder::new().name("urpc-close".to_owned()).stack_size(STACK_BYTES);
    memory::has_room(STACK_BYTES) && thread.spawn(|| close_queued(slot)).is_ok()
}

/// Drops queued values until the queue is empty.
fn close_queued(slot: Slot) {
    let mut slot = Some(slot);
    while slot.is_some() {
        // A separate statement, so that the lock is released before the value is dropped.
        while let Some(value) = { lock_queue().pop_front() } {
            drop(value);
        }
        drop(slot);
        // Meanwhile a value may have been queued that found no free slot.
        slot = if lock_queue().is_empty() { None } else { Slot::take() };
    }
}

fn lock_queue() -> MutexGuard<'static, VecDeque<Box<dyn Send>>> {
    QUEUE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Drops `value`, which owns descriptors that a peer sent, on a separate thread, and waits for that
/// at most [`GRACE`]. If all slots are taken, the thread whose close ends first drops it later. If no
/// thread can be started, that of a later close does, or of [`close_queued_before`].
pub(crate) fn close(value: impl Send + 'static) {
    if let Some(closed) = begin_close(value) {
        let _ = closed.recv_timeout(GRACE);
    }
}

/// As [`close`], without the wait. An accept loop uses it: a peer can make it close many
/// connections in a row, and [`GRACE`] for each would keep other clients waiting.
pub(crate) fn close_later(value: impl Send + 'static) {
    drop(begin_close(value));
}

/// Starts a thread for values that found none. Whoever ends a connection and needs no thread for it
/// calls this, so that such values do not wait for the next close that may block.
pub(crate) fn close_queued_before() {
    let is_empty = lock_queue().is_empty();
    if !is_empty {
        start_thread();
    }
}

/// The channel ends when the value has been dropped. There is none if no thread was started.
fn begin_close(value: impl Send + 'static) -> Option<Receiver<()>> {
    let (done, closed) = mpsc::channel::<()>();
    // Dropped in this order: the channel ends after the value.
    lock_queue().push_back(Box::new((value, done)));
    start_thread().then_some(closed)
}

/// Owns a value. When it is dropped, the value is dropped by [`close`].
#[derive(Debug)]
pub(crate) struct BackgroundClose<T: Send + 'static>(Option<T>);

impl<T: Send + 'static> BackgroundClose<T> {
    pub(crate) fn new(value: T) -> BackgroundClose<T> {
        BackgroundClose(Some(value))
    }

    /// The value, to be dropped by the caller.
    pub(crate) fn into_inner(mut self) -> T {
        self.0.take().expect(PRESENT)
    }
}

const PRESENT: &str = "the value is there until it is taken or dropped";

impl<T: Send + 'static> Deref for BackgroundClose<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_ref().expect(PRESENT)
    }
}

impl<T: Send + 'static> Drop for BackgroundClose<T> {
    fn drop(&mut self) {
        if let Some(value) = self.0.take() {
            close(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::Sender;

    /// Blocks when it is dropped, until the other end is.
    struct Slow(Receiver<()>);

    impl Drop for Slow {
        fn drop(&mut self) {
            let _ = self.0.recv();
        }
    }

    fn slow() -> (Sender<()>, Slow) {
        let (end, ended) = mpsc::channel();
        (end, Slow(ended))
    }

    #[test]
    fn a_value_that_does_not_block_is_dropped_on_return_and_one_that_does_is_left() {
        let (mark, marked) = mpsc::channel::<()>();
        close(mark);
        assert_eq!(marked.try_recv(), Err(mpsc::TryRecvError::Disconnected));
        let (end, value) = slow();
        close(value);
        drop(end);
    }

    #[test]
    fn a_value_taken_out_is_not_closed() {
        let (mark, marked) = mpsc::channel::<()>();
        let mark = BackgroundClose::new(mark).into_inner();
        assert_eq!(marked.try_recv(), Err(mpsc::TryRecvError::Empty));
        drop(BackgroundClose::new(mark));
        assert_eq!(marked.try_recv(), Err(mpsc::TryRecvError::Disconnected));
    }
}
