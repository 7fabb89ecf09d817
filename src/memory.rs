//! Memory whose size a peer decides: it is taken so that a failure is an error, and within budgets.
//!
//! [`Budget`] bounds what all clients of a server hold together. [`Buffer`] holds a message that is
//! read or written and counts against a budget only where it grows or shrinks. [`Allowance`] is
//! what decoding one message may take: each allocation is charged before it is made, and a shared
//! budget is asked only beyond a first free piece, in pieces.

mod allowance;

use std::collections::TryReserveError;
use std::fmt::{self, Write};
use std::hint::black_box;
use std::mem;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::limits::Limits;
use crate::sys::Slack;

pub(crate) use allowance::{Allowance, allocated};

/// What every buffer may hold without being counted, so that a small message can always be read.
const FREE_BUFFER: usize = 16 << 10;
/// From this size on, growth that a peer decides has to leave [`SLACK`] for others.
const LARGE: usize = 64 << 10;
/// What must be left for small allocations elsewhere, which cannot fail without aborting.
const SLACK: usize = 1 << 20;

/// Why memory was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shortage {
    /// The system has none.
    System,
    /// All clients together hold as much as `Limits::total_bytes` allows.
    Total(usize),
    /// One message takes more than `Limits::decoded_bytes` when it is decoded.
    Decoded(usize),
}

impl Shortage {
    /// What a type error says was expected.
    pub(crate) fn expected(self) -> &'static str {
        match self {
            Shortage::System => "a value that the system has memory for",
            Shortage::Total(_) => {
                "a value that there is room for beside those of other clients (raise total_bytes)"
            }
            Shortage::Decoded(_) => "values that take less memory (raise decoded_bytes)",
        }
    }

    /// What an error of encoding gives as its reason.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Shortage::System => "the system has no memory for the text",
            _ => "the text has no room beside those of other clients (raise total_bytes)",
        }
    }

    /// The limit in bytes, if one was reached.
    pub(crate) fn limit(self) -> Option<usize> {
        match self {
            Shortage::System => None,
            Shortage::Total(limit) | Shortage::Decoded(limit) => Some(limit),
        }
    }
}

impl From<TryReserveError> for Shortage {
    fn from(_: TryReserveError) -> Shortage {
        Shortage::System
    }
}

/// What all clients of a server may hold together.
#[derive(Debug)]
pub(crate) struct Budget {
    used: AtomicUsize,
    limit: usize,
}

impl Default for Budget {
    fn default() -> Budget {
        Budget::new(Limits::default().total_bytes)
    }
}

impl Budget {
    pub(crate) fn new(limit: usize) -> Budget {
        Budget { used: AtomicUsize::new(0), limit }
    }

    fn take(&self, bytes: usize) -> Result<(), Shortage> {
        let add = |used: usize| used.checked_add(bytes).filter(|sum| *sum <= self.limit);
        let taken = self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
        taken.map(drop).map_err(|_| Shortage::Total(self.limit))
    }

    /// Gives back what was taken for memory that has been freed.
    fn give(&self, bytes: usize) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// Allocates so many bytes and gives them back when dropped.
fn probe(bytes: usize) -> Result<Vec<u8>, Shortage> {
    let mut room = Vec::new();
    room.try_reserve_exact(bytes)?;
    // An allocation that nobody looks at may be left out by the compiler.
    black_box(&mut room);
    Ok(room)
}

/// Makes sure that [`SLACK`] is left beside what is taken while the result is held.
fn leave_slack() -> Result<Slack, Shortage> {
    Slack::new(SLACK).ok_or(Shortage::System)
}

/// Tells whether the kernel has so many bytes and [`SLACK`] beside them.
pub(crate) fn has_room(bytes: usize) -> bool {
    Slack::new(bytes.saturating_add(SLACK)).is_some()
}

/// An empty vector with room for exactly so many bytes; `None` if there is no memory.
#[inline]
pub(crate) fn try_with_capacity(capacity: usize) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(capacity).ok()?;
    Some(bytes)
}

/// Makes glibc cut the heap of this thread. It has one for each of many threads, and keeps at the
/// end of each twice as much as the largest block that was ever unmapped (mallopt(3),
/// `M_TRIM_THRESHOLD`): tens of megabytes for each client once there were large messages. It looks
/// at the end when a block is freed there, so for a moment that is made long enough; no page is
/// touched but one for each block.
fn cut_heap() {
    const BLOCK: usize = 1 << 20;
    const BLOCKS: usize = 33;
    let mut blocks = [const { Vec::<u8>::new() }; BLOCKS];
    let _ = blocks.iter_mut().try_for_each(|block| block.try_reserve_exact(BLOCK));
    // An allocation that nobody looks at may be left out by the compiler.
    black_box(&mut blocks);
}

/// A short text for an error; what there is no memory for is left out.
pub(crate) fn short_text(text: fmt::Arguments<'_>) -> String {
    struct Short(String);
    impl fmt::Write for Short {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            self.0.try_reserve(text.len()).map_err(|_| fmt::Error)?;
            self.0.push_str(text);
            Ok(())
        }
    }
    let mut short = Short(String::new());
    let _ = short.write_fmt(text);
    short.0
}

/// Bytes that are read or written. What cannot be appended for want of memory is left out and
/// remembered: see [`Buffer::check`].
#[derive(Debug, Default)]
pub(crate) struct Buffer {
    bytes: Vec<u8>,
    shortage: Option<Shortage>,
    budget: Option<Arc<Budget>>,
    /// What of the capacity was taken from the budget.
    taken: usize,
    /// Whether a peer decides its size, so that growth has to leave [`SLACK`] for others.
    leaves_slack: bool,
}

impl Buffer {
    pub(crate) fn new(budget: Option<Arc<Budget>>) -> Buffer {
        Buffer { bytes: Vec::new(), shortage: None, budget, taken: 0, leaves_slack: true }
    }

    /// A buffer with these bytes and no budget.
    pub(crate) fn of(bytes: Vec<u8>) -> Buffer {
        Buffer { bytes, shortage: None, budget: None, taken: 0, leaves_slack: false }
    }

    /// The bytes of a buffer without a budget.
    #[inline]
    pub(crate) fn take_bytes(&mut self) -> Vec<u8> {
        mem::take(&mut self.bytes)
    }

    pub(crate) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Whether more than half of the budget is used, by whomever.
    pub(crate) fn is_scarce(&self) -> bool {
        let is_scarce =
            |budget: &Arc<Budget>| budget.used.load(Ordering::Relaxed) > budget.limit / 2;
        self.budget.as_ref().is_some_and(is_scarce)
    }

    /// The bytes themselves, for whoever keeps within their capacity.
    pub(crate) fn bytes_mut(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Whether everything was appended since it was cleared.
    #[inline]
    pub(crate) fn check(&self) -> Result<(), Shortage> {
        self.shortage.map_or(Ok(()), Err)
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.shortage = None;
    }

    #[inline(always)]
    pub(crate) fn push(&mut self, byte: u8) {
        if self.reserve(1) {
            self.bytes.push(byte);
        }
    }

    #[inline(always)]
    pub(crate) fn extend_from_slice(&mut self, bytes: &[u8]) {
        if self.reserve(bytes.len()) {
            self.bytes.extend_from_slice(bytes);
        }
    }

    /// Takes so many bytes off the end.
    #[inline(always)]
    pub(crate) fn cut(&mut self, count: usize) {
        self.bytes.truncate(self.bytes.len().saturating_sub(count));
    }

    /// Makes room for so many bytes more; `false` if there is no memory.
    #[inline(always)]
    pub(crate) fn reserve(&mut self, additional: usize) -> bool {
        additional <= self.bytes.capacity() - self.bytes.len() || self.grow(additional)
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self, additional: usize) -> bool {
        if self.shortage.is_none() {
            let (least, old) = (self.bytes.len().saturating_add(additional), self.bytes.capacity());
            let doubled = old.saturating_mul(2).max(least).max(8);
            // Near the limit a smaller step may do. No step is smaller than a part of what is
            // there: each may copy all of it.
            let smaller = least.max(old.saturating_add(old / 16));
            let grown = self.set_capacity(doubled).or_else(|_| self.set_capacity(smaller));
            self.shortage = grown.err();
        }
        self.shortage.is_none()
    }

    /// Grows to that capacity.
    ///
    /// # Errors
    /// Nothing has changed: the budget or the system refuses.
    pub(crate) fn set_capacity(&mut self, capacity: usize) -> Result<(), Shortage> {
        if capacity <= self.bytes.capacity() {
            return Ok(());
        }
        let more = capacity.saturating_sub(FREE_BUFFER).saturating_sub(self.taken);
        self.take(more)?;
        self.reserve_exact(capacity).inspect_err(|_| self.give(more))
    }

    fn reserve_exact(&mut self, capacity: usize) -> Result<(), Shortage> {
        let growth = capacity - self.bytes.capacity();
        let is_large = growth >= LARGE && self.leaves_slack;
        let slack = if is_large { Some(leave_slack()?) } else { None };
        self.bytes.try_reserve_exact(capacity - self.bytes.len())?;
        drop(slack);
        Ok(())
    }

    /// Gives up the memory of an empty buffer, but for so many bytes where they can be had.
    pub(crate) fn shrink_to(&mut self, capacity: usize) {
        if capacity < self.bytes.capacity() {
            self.release();
            // Where that fails the buffer grows again when it is used.
            let _ = self.set_capacity(capacity);
        }
    }

    #[cold]
    fn release(&mut self) {
        // To cut a heap takes about a millisecond, more than to read a smaller message.
        const LARGE_BUFFER: usize = 2 << 20;
        const LARGE_IF_SCARCE: usize = 256 << 10;
        let much = if self.is_scarce() { LARGE_IF_SCARCE } else { LARGE_BUFFER };
        let is_much = self.bytes.capacity() > much;
        drop(mem::take(&mut self.bytes));
        self.give(self.taken);
        if is_much && cfg!(target_env = "gnu") {
            cut_heap();
        }
    }

    fn take(&mut self, bytes: usize) -> Result<(), Shortage> {
        match &self.budget {
            Some(budget) if bytes > 0 => budget.take(bytes)?,
            _ => {}
        }
        self.taken += bytes;
        Ok(())
    }

    fn give(&mut self, bytes: usize) {
        self.taken -= bytes;
        match &self.budget {
            Some(budget) if bytes > 0 => budget.give(bytes),
            _ => {}
        }
    }
}

impl Deref for Buffer {
    type Target = [u8];

    #[inline(always)]
    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl DerefMut for Buffer {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }
}

impl Drop for Buffer {
    #[inline]
    fn drop(&mut self) {
        if self.bytes.capacity() >= LARGE || self.taken > 0 {
            self.release();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_near_its_limit_grows_in_few_steps() {
        let limit = 1 << 20;
        let mut buffer = Buffer::new(Some(Arc::new(Budget::new(limit))));
        let (mut steps, mut capacity) = (0, 0);
        while buffer.check().is_ok() {
            buffer.extend_from_slice(b"\\u003c");
            steps += usize::from(buffer.capacity() != capacity);
            capacity = buffer.capacity();
        }
        assert!(steps < 64, "{steps}");
        assert!(capacity > limit - limit / 8, "{capacity}");
    }
}
