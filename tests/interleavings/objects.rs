//! What operations do to locks, condition variables, channels and sockets, and what they access.

use std::os::fd::RawFd;
use std::time::{Duration, Instant};

use super::{Access, Answerer, CLOCK, Execution, OTHER_SOCKETS, Object, this_thread};

impl Execution {
    pub(crate) fn new_object(&mut self) -> Object {
        self.objects += 1;
        self.objects - 1
    }

    /// The object of a static or member, which keeps its number in `cell`.
    pub(crate) fn object(&mut self, cell: &std::sync::atomic::AtomicU64) -> Object {
        use std::sync::atomic::Ordering::Relaxed;
        let (number, object) = (cell.load(Relaxed) >> 32, cell.load(Relaxed) & 0xffff_ffff);
        if number == self.number as u64 {
            return object as usize;
        }
        let object = self.new_object();
        cell.store((self.number as u64) << 32 | object as u64, Relaxed);
        object
    }

    pub(crate) fn access(&mut self, object: Object, access: Access) {
        let accesses = &mut self.steps.last_mut().expect("a step runs").accesses;
        if !accesses.contains(&(object, access)) {
            accesses.push((object, access));
        }
    }

    pub(crate) fn now(&mut self) -> Instant {
        self.access(CLOCK, Access::Read);
        self.start + self.clock
    }

    /// The time on the clock after `limit`; `None` if that is never.
    pub(crate) fn deadline(&mut self, limit: Duration) -> Option<Duration> {
        const NEVER: Duration = Duration::from_secs(1 << 30);
        self.access(CLOCK, Access::Read);
        (limit < NEVER).then(|| self.clock + limit)
    }

    pub(crate) fn has_one_thread(&self) -> bool {
        self.threads.iter().filter(|thread| !thread.has_ended).count() == 1
    }

    pub(crate) fn unlock(&mut self, mutex: Object) {
        self.locked.insert(mutex, false);
        self.access(mutex, Access::Order);
    }

    pub(crate) fn enqueue(&mut self, condvar: Object) {
        self.access(condvar, Access::Write);
        self.waiting.entry(condvar).or_default().push(this_thread());
    }

    pub(crate) fn notify_all(&mut self, condvar: Object) {
        self.access(condvar, Access::Read);
        let woken = self.waiting.remove(&condvar).unwrap_or_default();
        self.notified.extend(woken);
    }

    /// Which of the waiting threads is woken is a choice.
    pub(crate) fn notify_one(&mut self, condvar: Object) {
        self.access(condvar, Access::Write);
        let count = self.waiting.get(&condvar).map_or(0, Vec::len);
        if count > 0 {
            let woken = self.orders.choose_value(count);
            let woken = self.waiting.entry(condvar).or_default().remove(woken);
            self.notified.push(woken);
        }
    }

    /// No more comes over the channel.
    pub(crate) fn hang_up(&mut self, channel: Object) {
        self.access(channel, Access::Write);
        self.hung.push(channel);
    }

    pub(crate) fn has_hung_up(&self, channel: Object) -> bool {
        self.hung.contains(&channel)
    }

    pub(crate) fn add_pair(&mut self, ends: [RawFd; 2]) {
        let (there, back) = (self.new_object(), self.new_object());
        self.sockets.insert(ends[0], (there, back));
        self.sockets.insert(ends[1], (back, there));
    }

    /// From now on `answerer` gets what is sent on `socket`, and sends its answer, in the same step.
    pub(crate) fn answer(&mut self, socket: RawFd, answerer: Answerer) {
        self.answerers.insert(socket, answerer);
    }

    pub(crate) fn let_answer(&mut self, socket: RawFd) {
        if let Some(answerer) = self.answerers.get_mut(&socket) {
            answerer();
            let receives = self.directions(socket).0;
            self.access(receives, Access::Write);
        }
    }

    /// What a socket receives, and what it sends.
    pub(crate) fn directions(&self, socket: RawFd) -> (Object, Object) {
        self.sockets.get(&socket).copied().unwrap_or((OTHER_SOCKETS, OTHER_SOCKETS))
    }
}
