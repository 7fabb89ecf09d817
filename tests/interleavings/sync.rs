//! The model of src/sync.rs: locks, condition variables, atomics, channels and threads whose every
//! operation is a step of an execution.

use std::ops::{Deref, DerefMut};
use std::sync::LockResult;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use crate::interleavings::execution::{self, Access, Object, Until, execution, step};

pub(crate) use crate::sys::shut_down;

pub(crate) fn now() -> Instant {
    execution().now()
}

/// Which object of the current execution something is.
#[derive(Debug, Default)]
pub(crate) struct Identity(AtomicU64);

impl Identity {
    const fn new() -> Identity {
        Identity(AtomicU64::new(0))
    }

    fn object(&self) -> Object {
        execution().object(&self.0)
    }

    /// Ends the step, and accesses the object in the next one.
    fn access(&self, what: &'static str, access: Access) {
        let object = self.object();
        step(what, Until::Now, None);
        execution::access(object, access);
    }
}

#[derive(Debug, Default)]
pub(crate) struct Mutex<T> {
    identity: Identity,
    value: std::sync::Mutex<T>,
}

#[derive(Debug)]
pub(crate) struct MutexGuard<'m, T> {
    mutex: &'m Mutex<T>,
    /// Present until it is unlocked.
    guard: Option<std::sync::MutexGuard<'m, T>>,
}

impl<T> Mutex<T> {
    pub(crate) const fn new(value: T) -> Mutex<T> {
        Mutex { identity: Identity::new(), value: std::sync::Mutex::new(value) }
    }

    pub(crate) fn lock(&self) -> LockResult<MutexGuard<'_, T>> {
        step("lock", Until::Unlocked(self.identity.object()), None);
        Ok(self.guard())
    }

    fn guard(&self) -> MutexGuard<'_, T> {
        let guard = self.value.try_lock();
        let guard = guard.unwrap_or_else(|error| match error {
            std::sync::TryLockError::Poisoned(error) => error.into_inner(),
            std::sync::TryLockError::WouldBlock => unreachable!("the model has granted the lock"),
        });
        MutexGuard { mutex: self, guard: Some(guard) }
    }
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        self.guard.as_ref().expect("it is locked")
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.guard.as_mut().expect("it is locked")
    }
}

impl<T> Drop for MutexGuard<'_, T> {
    fn drop(&mut self) {
        if self.guard.take().is_some() {
            let object = self.mutex.identity.object();
            execution().unlock(object);
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Condvar(Identity);

#[derive(Debug, Clone, Copy)]
pub(crate) struct WaitTimeoutResult(bool);

impl WaitTimeoutResult {
    pub(crate) fn timed_out(&self) -> bool {
        self.0
    }
}

impl Condvar {
    pub(crate) fn new() -> Condvar {
        Condvar::default()
    }

    pub(crate) fn notify_all(&self) {
        let object = self.0.object();
        step("notify", Until::Now, None);
        execution().notify_all(object);
    }

    pub(crate) fn notify_one(&self) {
        let object = self.0.object();
        step("notify", Until::Now, None);
        execution().notify_one(object);
    }

    pub(crate) fn wait<'m, T>(&self, guard: MutexGuard<'m, T>) -> LockResult<MutexGuard<'m, T>> {
        self.wait_timeout(guard, Duration::MAX).map(|(guard, _)| guard).map_err(|_| unreachable!())
    }

    pub(crate) fn wait_timeout<'m, T>(
        &self,
        mut guard: MutexGuard<'m, T>,
        limit: Duration,
    ) -> LockResult<(MutexGuard<'m, T>, WaitTimeoutResult)> {
        let (mutex, condvar) = (guard.mutex.identity.object(), self.0.object());
        step("wait", Until::Now, None);
        let model = guard.mutex;
        guard.guard = None;
        let mut now = execution();
        now.unlock(mutex);
        now.enqueue(condvar);
        let deadline = now.deadline(limit);
        drop(now);
        let in_time = step("wake", Until::Notified { condvar, mutex }, deadline);
        Ok((model.guard(), WaitTimeoutResult(!in_time)))
    }

    pub(crate) fn wait_timeout_while<'m, T>(
        &self,
        mut guard: MutexGuard<'m, T>,
        limit: Duration,
        mut condition: impl FnMut(&mut T) -> bool,
    ) -> LockResult<(MutexGuard<'m, T>, WaitTimeoutResult)> {
        let until = now().checked_add(limit);
        while condition(&mut guard) {
            let left = until.map_or(Duration::MAX, |until| until.saturating_duration_since(now()));
            if left.is_zero() {
                return Ok((guard, WaitTimeoutResult(true)));
            }
            (guard, _) = self.wait_timeout(guard, left)?;
        }
        Ok((guard, WaitTimeoutResult(false)))
    }
}

/// Nobody takes a step while holding it, so nobody ever waits for it.
#[derive(Debug, Default)]
pub(crate) struct RwLock<T> {
    identity: Identity,
    value: std::sync::RwLock<T>,
}

impl<T> RwLock<T> {
    pub(crate) fn read(&self) -> LockResult<std::sync::RwLockReadGuard<'_, T>> {
        self.identity.access("read", Access::Read);
        Ok(self.value.try_read().expect("nobody holds it"))
    }

    pub(crate) fn write(&self) -> LockResult<std::sync::RwLockWriteGuard<'_, T>> {
        self.identity.access("write", Access::Write);
        Ok(self.value.try_write().expect("nobody holds it"))
    }
}

/// Atomics, in one order for all threads: memory orderings are not modelled.
pub(crate) mod atomic {
    use super::{Access, Identity};
    pub(crate) use std::sync::atomic::Ordering;

    macro_rules! atomic {
        ($($name:ident $value:ty;)*) => { $(
            #[derive(Debug, Default)]
            pub(crate) struct $name {
                identity: Identity,
                value: std::sync::atomic::$name,
            }

            #[allow(dead_code)]
            impl $name {
                pub(crate) const fn new(value: $value) -> $name {
                    let value = std::sync::atomic::$name::new(value);
                    $name { identity: Identity::new(), value }
                }

                pub(crate) fn load(&self, ordering: Ordering) -> $value {
                    self.identity.access("load", Access::Read);
                    self.value.load(ordering)
                }

                pub(crate) fn store(&self, value: $value, ordering: Ordering) {
                    self.identity.access("store", Access::Write);
                    self.value.store(value, ordering);
                }

                pub(crate) fn compare_exchange(
                    &self,
                    current: $value,
                    new: $value,
                    success: Ordering,
                    failure: Ordering,
                ) -> Result<$value, $value> {
                    self.identity.access("exchange", Access::Write);
                    self.value.compare_exchange(current, new, success, failure)
                }

                pub(crate) fn fetch_update(
                    &self,
                    set: Ordering,
                    fetch: Ordering,
                    update: impl FnMut($value) -> Option<$value>,
                ) -> Result<$value, $value> {
                    self.identity.access("update", Access::Write);
                    self.value.fetch_update(set, fetch, update)
                }

                pub(crate) fn fetch_or(&self, value: $value, ordering: Ordering) -> $value {
                    self.identity.access("or", Access::Write);
                    self.value.fetch_or(value, ordering)
                }

                pub(crate) fn fetch_and(&self, value: $value, ordering: Ordering) -> $value {
                    self.identity.access("and", Access::Write);
                    self.value.fetch_and(value, ordering)
                }
            }
        )* };
    }

    atomic! { AtomicBool bool; AtomicU8 u8; AtomicU32 u32; AtomicUsize usize; }

    impl AtomicUsize {
        pub(crate) fn fetch_sub(&self, value: usize, ordering: Ordering) -> usize {
            self.identity.access("sub", Access::Write);
            self.value.fetch_sub(value, ordering)
        }
    }
}

/// Channels over which nothing comes but their end.
pub(crate) mod mpsc {
    use super::{Duration, Identity, Until, execution, step};
    use std::marker::PhantomData;
    use std::sync::Arc;
    use std::sync::mpsc::RecvTimeoutError;

    #[derive(Debug)]
    pub(crate) struct Sender<T>(Arc<Identity>, PhantomData<fn(T)>);

    #[derive(Debug)]
    pub(crate) struct Receiver<T>(Arc<Identity>, PhantomData<fn() -> T>);

    pub(crate) fn channel<T>() -> (Sender<T>, Receiver<T>) {
        let identity = Arc::new(Identity::new());
        (Sender(Arc::clone(&identity), PhantomData), Receiver(identity, PhantomData))
    }

    impl<T> Drop for Sender<T> {
        fn drop(&mut self) {
            let object = self.0.object();
            step("hang up", Until::Now, None);
            execution().hang_up(object);
        }
    }

    impl<T> Receiver<T> {
        pub(crate) fn recv_timeout(&self, limit: Duration) -> Result<T, RecvTimeoutError> {
            let object = self.0.object();
            let deadline = execution().deadline(limit);
            match step("receive", Until::Hung(object), deadline) {
                true => Err(RecvTimeoutError::Disconnected),
                false => Err(RecvTimeoutError::Timeout),
            }
        }
    }
}

pub(crate) mod thread {
    use super::{Until, execution, step};
    use crate::interleavings::execution as model;
    use std::io;
    use std::sync::{Arc, Mutex};

    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(crate) struct ThreadId(usize);

    #[derive(Debug)]
    pub(crate) struct Thread(ThreadId);

    impl Thread {
        pub(crate) fn id(&self) -> ThreadId {
            self.0
        }
    }

    pub(crate) fn current() -> Thread {
        Thread(ThreadId(model::this_thread()))
    }

    #[derive(Debug, Default)]
    pub(crate) struct Builder;

    /// A thread and its result.
    #[derive(Debug)]
    pub struct JoinHandle<T>(usize, Arc<Mutex<Option<T>>>);

    impl Builder {
        pub(crate) fn new() -> Builder {
            Builder
        }

        pub(crate) fn name(self, _: String) -> Builder {
            self
        }

        pub(crate) fn stack_size(self, _: usize) -> Builder {
            self
        }

        /// It fails once the scenario's threads are used up.
        pub(crate) fn spawn<T: Send + 'static>(
            self,
            body: impl FnOnce() -> T + Send + 'static,
        ) -> io::Result<JoinHandle<T>> {
            let mut execution = execution();
            if execution.threads_left == 0 {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            execution.threads_left -= 1;
            drop(execution);
            let result = Arc::new(Mutex::new(None));
            let place = Arc::clone(&result);
            let number = model::spawn(Box::new(move || {
                let result = body();
                *place.lock().unwrap() = Some(result);
            }));
            Ok(JoinHandle(number, result))
        }
    }

    pub(crate) fn spawn<T: Send + 'static>(
        body: impl FnOnce() -> T + Send + 'static,
    ) -> JoinHandle<T> {
        Builder::new().spawn(body).expect("a thread for the scenario")
    }

    impl<T> JoinHandle<T> {
        /// Waits for the thread's end.
        pub fn join(self) -> T {
            step("join", Until::Ended(self.0), None);
            self.1.lock().unwrap().take().expect("it has ended")
        }
    }
}
