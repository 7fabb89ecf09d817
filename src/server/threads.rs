//! The threads of a server's clients.
//!
//! Each client has a thread, which ends with it, unless memory is short. glibc keeps the stacks of
//! threads that have ended, up to 40 MiB, for later threads. A limit on the address space counts
//! them, and nothing makes glibc return them or say whether it has one. If what such a limit leaves
//! is too little for a new stack, the next thread could be started only if glibc has one, and that
//! it has none would show too late. So a thread whose client is gone then waits for the next client,
//! which takes no memory. No more wait than have stacks of 40 MiB together: others would lack what
//! a crowd that is gone has left behind.

use std::io;
use std::sync::{Arc, PoisonError};

use crate::memory;
use crate::sync::{Condvar, Mutex, MutexGuard, thread};

/// A new thread's first allocations abort the process if they fail, so there must be room for them
/// as well as the stack.
const BESIDE_STACK: usize = 2 << 20;
/// The most that glibc keeps of the stacks of threads that have ended.
const KEPT_STACKS: usize = 40 << 20;

type Task = Box<dyn FnOnce() + Send>;

/// When it is dropped, the threads that wait end.
#[derive(Default)]
pub(super) struct Threads {
    waiting: Arc<Waiting>,
}

/// The threads that wait for a client.
#[derive(Default)]
struct Waiting {
    table: Mutex<Table>,
    changed: Condvar,
}

#[derive(Default)]
struct Table {
    /// How many threads wait that have no task yet.
    free: usize,
    /// The tasks of threads that were free and have not noticed yet.
    tasks: Vec<Task>,
    is_over: bool,
}

impl Threads {
    /// Runs `task` on a thread that waits, or on a new one with this stack.
    ///
    /// # Errors
    /// There is no memory for a new thread, or the system starts none.
    pub(super) fn start(
        &self,
        stack_bytes: usize,
        task: impl FnOnce() + Send + 'static,
    ) -> io::Result<()> {
        let Some(task) = self.waiting.give(Box::new(task)) else { return Ok(()) };
        let needed = stack_bytes.saturating_add(BESIDE_STACK);
        if !memory::has_room(needed) {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        let waiting = Arc::clone(&self.waiting);
        let most_waiting = most_waiting(stack_bytes);
        let run = move || {
            task();
            while is_short_of(needed) {
                let Some(task) = waiting.next(most_waiting) else { return };
                task();
            }
        };
        let thread = thread::Builder::new().name("urpc-server".to_owned());
        thread.stack_size(stack_bytes).spawn(run).map(drop)
    }

    /// Ends the threads that wait.
    pub(super) fn end_waiting(&self) {
        self.waiting.lock().is_over = true;
        self.waiting.changed.notify_all();
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.end_waiting();
    }
}

/// How many threads with such stacks may wait at once.
fn most_waiting(stack_bytes: usize) -> usize {
    (KEPT_STACKS / stack_bytes.max(1)).max(1)
}

/// Whether stacks that glibc keeps may leave no room for a new thread. musl keeps none.
fn is_short_of(needed: usize) -> bool {
    cfg!(target_env = "gnu") && !memory::has_room(needed.saturating_add(KEPT_STACKS))
}

impl Waiting {
    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives `task` to a thread that waits. If there is none, it is returned.
    fn give(&self, task: Task) -> Option<Task> {
        let mut table = self.lock();
        if table.free == 0 {
            return Some(task);
        }
        table.free -= 1;
        table.tasks.push(task);
        drop(table);
        self.changed.notify_one();
        None
    }

    /// Waits for a task. `None` if there will be no more, or if `most` threads wait already.
    fn next(&self, most: usize) -> Option<Task> {
        let mut table = self.lock();
        if table.free >= most {
            return None;
        }
        table.free += 1;
        while table.tasks.is_empty() && !table.is_over {
            table = self.changed.wait(table).unwrap_or_else(PoisonError::into_inner);
        }
        let task = table.tasks.pop();
        if task.is_none() {
            table.free -= 1;
        }
        task
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_limit::limit_test;
    use std::sync::mpsc;

    #[test]
    fn a_thread_that_waits_takes_the_next_task_and_ends_with_the_server() {
        limit_test();
        let threads = Threads::default();
        let waiting = Arc::clone(&threads.waiting);
        let (done, runs) = mpsc::channel();
        let thread = thread::spawn(move || {
            while let Some(task) = waiting.next(1) {
                task();
            }
        });
        while threads.waiting.lock().free == 0 {
            thread::yield_now();
        }
        let task = move || done.send(thread::current().id()).unwrap();
        assert!(threads.waiting.next(1).is_none(), "two wait");
        threads.start(usize::MAX, task).unwrap();
        assert_eq!(runs.recv(), Ok(thread.thread().id()));
        let waiting = Arc::clone(&threads.waiting);
        drop(threads);
        thread.join().unwrap();
        assert!(waiting.give(Box::new(|| ())).is_some(), "nobody waits");
    }

    #[test]
    fn no_more_threads_wait_than_have_the_stacks_that_glibc_keeps() {
        assert_eq!([1 << 20, 100 << 20, 0].map(most_waiting), [40, 1, 40 << 20]);
    }

    #[test]
    fn without_one_that_waits_a_task_takes_memory_for_a_stack() {
        let error = Threads::default().start(usize::MAX, || ()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::OutOfMemory);
    }
}
