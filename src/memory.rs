//! Memory whose size a peer decides. A failed allocation is an error and no abort, and budgets
//! limit the memory.
//!
//! A [`Budget`] limits the memory of all clients of a server together. A [`Buffer`] holds a message
//! that is read or written; it updates its budget only when it grows or shrinks. An [`Allowance`]
//! limits what decoding one message may allocate. It is charged before each allocation. The first
//! 64 KiB do not count against the budget. After that it takes from the budget in large pieces.

mod allowance;
#[cfg(test)]
mod tests;

use std::collections::TryReserveError;
use std::fmt::{self, Write};
use std::hint::black_box;
use std::io::IoSlice;
use std::mem;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use crate::limits::Limits;
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sys::Slack;

pub(crate) use allowance::{Allowance, allocated};

/// The bytes of each buffer that do not count, so that a small message can always be read.
const FREE_BUFFER: usize = 16 << 10;
/// Growth of at least this size must leave [`SLACK`] free, if a peer decides it.
const LARGE: usize = 64 << 10;
/// The memory that must stay free for small allocations elsewhere, which abort if they fail.
const SLACK: usize = 1 << 20;

/// The expected value where `decoded_bytes` was reached.
pub(crate) const FEWER_BYTES: &str = "values that take less memory (raise decoded_bytes)";

/// Why memory was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shortage {
    /// The system has no memory.
    System,
    /// All clients together would hold more than `Limits::total_bytes`.
    Total(usize),
    /// Decoding one message would take more than `Limits::decoded_bytes`.
    Decoded(usize),
}

impl Shortage {
    /// The expected value, for a type error.
    pub(crate) fn expected(self) -> &'static str {
        match self {
            Shortage::System => "a value that the system has memory for",
            Shortage::Total(_) => {
                "a value that all clients together have room for (raise total_bytes)"
            }
            Shortage::Decoded(_) => FEWER_BYTES,
        }
    }

    /// The reason, for an encoding error.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Shortage::System => "the system has no memory for the text",
            _ => "all clients together have no room for the text (raise total_bytes)",
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

/// The memory that all clients of a server may hold together.
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

    /// Returns bytes that [`Budget::take`] took. Their memory has been freed.
    fn give(&self, bytes: usize) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// Checks that `bytes` can be allocated. They stay allocated until the result is dropped.
fn probe(bytes: usize) -> Result<Vec<u8>, Shortage> {
    let mut room = Vec::new();
    room.try_reserve_exact(bytes)?;
    // The compiler may remove an allocation that is not used.
    black_box(&mut room);
    Ok(room)
}

/// How much the kernel was found to have beyond [`SLACK`] that was not drawn since.
static FOUND: AtomicUsize = AtomicUsize::new(0);

/// Reserves [`SLACK`] until the result is dropped. Allocate meanwhile.
fn leave_slack() -> Result<Slack, Shortage> {
    FOUND.store(0, Ordering::Relaxed);
    Slack::new(SLACK).ok_or(Shortage::System)
}

/// Whether the kernel has `bytes` and [`SLACK`].
pub(crate) fn has_room(bytes: usize) -> bool {
    FOUND.store(0, Ordering::Relaxed);
    Slack::new(bytes.saturating_add(SLACK)).is_some()
}

/// Like [`has_room`], for what is drawn in small pieces. To ask the kernel takes as long as to copy
/// hundreds of kilobytes. So this asks for more, and then not again until that much was drawn, or a
/// buffer or thread needed memory.
fn has_room_to_draw(bytes: usize) -> bool {
    const AHEAD: usize = SLACK;
    let take = |found: usize| found.checked_sub(bytes);
    if FOUND.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok() {
        return true;
    }
    let has_more = has_room(bytes.saturating_add(AHEAD));
    if has_more {
        FOUND.store(AHEAD, Ordering::Relaxed);
    }
    has_more || has_room(bytes)
}

/// Makes glibc return the free end of this thread's heap to the kernel. glibc has a heap for each
/// of many threads. It keeps up to twice the size of the largest block that was ever unmapped at
/// the end of each (mallopt(3), `M_TRIM_THRESHOLD`). After large messages that is tens of megabytes
/// for each client. glibc checks this when a block at the end is freed. So this allocates and frees
/// enough blocks to exceed the threshold. It writes to one page of each block.
fn trim_heap() {
    const BLOCK: usize = 1 << 20;
    const BLOCKS: usize = 33;
    let mut blocks = [const { Vec::<u8>::new() }; BLOCKS];
    let _ = blocks.iter_mut().try_for_each(|block| block.try_reserve_exact(BLOCK));
    // The compiler may remove an allocation that is not used.
    black_box(&mut blocks);
}

/// A short text for an error. Parts for which there is no memory are left out.
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

/// A part of a message that is sent from where it lies: a copy of a long text takes as long as the
/// kernel's own. `bytes` belong before the byte `at` of the buffer with the rest.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Lent<'m> {
    pub(crate) bytes: &'m [u8],
    pub(crate) at: usize,
}

impl Lent<'_> {
    /// A shorter text is copied, so that one send(2) of one piece is enough.
    pub(crate) const SHORTEST: usize = 8 << 10;
}

/// Bytes that are read or written. If there is no memory to append something, it is left out, and
/// [`Buffer::check`] returns the error.
#[derive(Debug, Default)]
pub(crate) struct Buffer {
    bytes: Vec<u8>,
    shortage: Option<Shortage>,
    budget: Option<Arc<Budget>>,
    /// The bytes that were taken from the budget.
    taken: usize,
    /// Whether a peer decides its size, so that large growth must leave [`SLACK`] free.
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

    /// Takes the bytes out of a buffer that has no budget.
    #[inline]
    pub(crate) fn take_bytes(&mut self) -> Vec<u8> {
        mem::take(&mut self.bytes)
    }

    pub(crate) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Whether more than half of the budget is used, by all its buffers together.
    pub(crate) fn is_scarce(&self) -> bool {
        let is_scarce =
            |budget: &Arc<Budget>| budget.used.load(Ordering::Relaxed) > budget.limit / 2;
        self.budget.as_ref().is_some_and(is_scarce)
    }

    /// The bytes. The caller must not grow their capacity.
    pub(crate) fn bytes_mut(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// The message that is made of these bytes and `lent`.
    pub(crate) fn with<'m>(&'m self, lent: Lent<'m>) -> [IoSlice<'m>; 3] {
        let (before, behind) = self.bytes.split_at(lent.at.min(self.bytes.len()));
        [before, lent.bytes, behind].map(IoSlice::new)
    }

    /// An error if something was left out since the buffer was cleared.
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

    /// Appends the first `length` of `bytes`. It copies all of them, which is faster than a copy of a
    /// length that varies.
    #[inline(always)]
    pub(crate) fn extend_from_wide<const N: usize>(&mut self, bytes: &[u8; N], length: usize) {
        if self.reserve(N) {
            let end = self.bytes.len() + length.min(N);
            self.bytes.extend_from_slice(bytes);
            self.bytes.truncate(end);
        }
    }

    /// Removes `count` bytes from the end.
    #[inline(always)]
    pub(crate) fn cut(&mut self, count: usize) {
        self.bytes.truncate(self.bytes.len().saturating_sub(count));
    }

    /// Makes room for `additional` bytes. `false` if there is no memory.
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
            // Near the limit there may be room for a smaller step. It is at least a sixteenth of
            // the capacity, because each step may copy all bytes.
            let smaller = least.max(old.saturating_add(old / 16));
            let grown = self.set_capacity(doubled).or_else(|_| self.set_capacity(smaller));
            self.shortage = grown.err();
        }
        self.shortage.is_none()
    }

    /// Grows to this capacity, if it is larger than the current one.
    ///
    /// # Errors
    /// The budget or the system has no memory. Nothing has changed.
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

    /// Shrinks an empty buffer to this capacity, or to none if there is no memory for it.
    pub(crate) fn shrink_to(&mut self, capacity: usize) {
        if capacity < self.bytes.capacity() {
            self.release();
            // If it fails, the buffer grows again when it is used.
            let _ = self.set_capacity(capacity);
        }
    }

    #[inline(never)]
    fn release(&mut self) {
        // To trim a heap takes about a millisecond, more than to read a smaller message.
        const LARGE_BUFFER: usize = 2 << 20;
        const LARGE_IF_SCARCE: usize = 256 << 10;
        let large = if self.is_scarce() { LARGE_IF_SCARCE } else { LARGE_BUFFER };
        let is_large = self.bytes.capacity() > large;
        drop(mem::take(&mut self.bytes));
        self.give(self.taken);
        if is_large && cfg!(target_env = "gnu") {
            trim_heap();
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
        if self.bytes.capacity() > 0 {
            self.release();
        }
    }
}
