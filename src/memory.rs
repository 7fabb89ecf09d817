//! Memory whose size a peer decides: it is taken so that a failure is an error, and within budgets.
//!
//! [`Budget`] bounds what all clients of a server hold together. [`Buffer`] holds a message that is
//! read or written and counts against a budget only where it grows or shrinks. [`Allowance`] is
//! what decoding one message may take: each allocation is charged before it is made, and a shared
//! budget is asked only beyond a first free piece, in pieces.

use std::collections::TryReserveError;
use std::fmt::{self, Write};
use std::hint::black_box;
use std::mem;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::limits::Limits;
use crate::sys::Slack;

/// What every buffer may hold without being counted, so that a small message can always be read.
const FREE_BUFFER: usize = 16 << 10;
/// What decoding a message may take without asking the shared budget.
const FREE_DECODING: usize = 64 << 10;
/// How much decoding draws from a budget at once.
const PIECE: usize = 128 << 10;
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

/// Frees bytes, and where they are many, has the kernel get them back.
fn free(bytes: Vec<u8>) {
    const MUCH: usize = 256 << 10;
    let is_much = bytes.capacity() >= MUCH;
    drop(bytes);
    if is_much && cfg!(target_env = "gnu") {
        cut_heap();
    }
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
            let least = self.bytes.len().saturating_add(additional);
            let doubled = self.bytes.capacity().saturating_mul(2).max(least).max(8);
            let grown = self.set_capacity(doubled).or_else(|_| self.set_capacity(least));
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
        free(mem::take(&mut self.bytes));
        self.give(self.taken);
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

/// What decoding one message may allocate. It charges what is allocated and does not ask what
/// became of it; what it drew from a shared budget is given back when it is dropped.
#[derive(Debug, Default)]
pub(crate) struct Allowance<'b> {
    /// What may be taken at once.
    left: usize,
    /// What may be drawn when that is used up.
    undrawn: usize,
    limit: usize,
    budget: Option<&'b Budget>,
    drawn: usize,
    shortage: Option<Shortage>,
    /// How much of the memory that was last found to be there is not spoken for.
    probed: usize,
}

impl<'b> Allowance<'b> {
    /// As much as there is.
    pub(crate) fn unlimited() -> Allowance<'b> {
        Allowance { left: usize::MAX, limit: usize::MAX, ..Allowance::default() }
    }

    /// At most `limit` bytes, which are taken from `budget` if there is one.
    pub(crate) fn new(limit: usize, budget: Option<&'b Budget>) -> Allowance<'b> {
        let left = limit.min(FREE_DECODING);
        Allowance { left, undrawn: limit - left, limit, budget, ..Allowance::default() }
    }

    /// Everything, to be [taken back](Allowance::take_back) after a part of the work.
    pub(crate) fn lend(&mut self) -> Allowance<'b> {
        let budget = self.budget;
        mem::replace(self, Allowance { budget, ..Allowance::default() })
    }

    /// Takes back what was lent and is left.
    pub(crate) fn take_back(&mut self, mut lent: Allowance<'_>) {
        *self = Allowance {
            left: lent.left,
            undrawn: lent.undrawn,
            limit: lent.limit,
            budget: self.budget,
            drawn: mem::take(&mut lent.drawn),
            shortage: lent.shortage,
            probed: lent.probed,
        };
    }

    /// Whether an allocation was refused.
    pub(crate) fn is_short(&self) -> bool {
        self.shortage.is_some()
    }

    /// Why an allocation was refused; the system's want of memory where nothing else is known.
    pub(crate) fn shortage(&self) -> Shortage {
        self.shortage.unwrap_or(Shortage::System)
    }

    /// Takes so many bytes; `false` if they are too many.
    #[inline(always)]
    pub(crate) fn charge(&mut self, bytes: usize) -> bool {
        if bytes > self.left {
            return self.draw_and_charge(bytes);
        }
        self.left -= bytes;
        true
    }

    /// Gives back what was taken for memory that was not or is no longer used.
    #[inline]
    pub(crate) fn credit(&mut self, bytes: usize) {
        self.left = self.left.saturating_add(bytes);
    }

    #[cold]
    #[inline(never)]
    fn draw_and_charge(&mut self, bytes: usize) -> bool {
        if self.shortage.is_some() {
            return false;
        }
        match self.draw(bytes - self.left) {
            Ok(()) => self.left -= bytes,
            Err(shortage) => self.fail(shortage),
        }
        self.shortage.is_none()
    }

    fn draw(&mut self, missing: usize) -> Result<(), Shortage> {
        if missing > self.undrawn {
            return Err(Shortage::Decoded(self.limit));
        }
        let mut piece = missing.max(PIECE).min(self.undrawn);
        if !has_room(piece) {
            return Err(Shortage::System);
        }
        if let Some(budget) = self.budget {
            if budget.take(piece).is_err() {
                piece = missing;
                budget.take(piece)?;
            }
            self.drawn += piece;
        }
        self.undrawn -= piece;
        self.left += piece;
        Ok(())
    }

    /// From here on nothing is left.
    #[cold]
    #[inline(never)]
    fn fail(&mut self, shortage: Shortage) {
        (self.left, self.undrawn) = (0, 0);
        self.shortage.get_or_insert(shortage);
    }

    /// Grows `vec` as one that is pushed to grows; `false` if that is refused.
    #[cold]
    #[inline(never)]
    pub(crate) fn grow<T>(&mut self, vec: &mut Vec<T>) -> bool {
        const FEW: usize = 4;
        let old = vec.capacity();
        let doubled = old.saturating_mul(2).max(if size_of::<T>() <= 1024 { FEW } else { 1 });
        // Near the limit a smaller step may do.
        let affordable = self.left.saturating_add(self.undrawn) / size_of::<T>().max(1);
        let worthwhile = affordable.saturating_sub(FEW) > old + old / 4;
        let capacity = if worthwhile { doubled.min(affordable - FEW) } else { doubled };
        self.reserve_exact(vec, capacity.max(old + 1))
    }

    /// Gives `vec` that capacity, in elements; `false` if that is refused. Old and new memory may
    /// exist side by side, so both are charged until the old one is gone.
    #[inline]
    pub(crate) fn reserve_exact<T>(&mut self, vec: &mut Vec<T>, capacity: usize) -> bool {
        let old = vec.capacity();
        if capacity <= old {
            return true;
        }
        if !self.charge(allocated(capacity.saturating_mul(size_of::<T>()))) {
            return false;
        }
        if vec.try_reserve_exact(capacity - vec.len()).is_err() {
            self.fail(Shortage::System);
            return false;
        }
        self.credit(allocated(old * size_of::<T>()));
        true
    }

    /// Pushes an item, if that may be.
    #[inline]
    pub(crate) fn push<T>(&mut self, to: &mut Vec<T>, item: T) -> bool {
        let has_room = to.len() < to.capacity() || self.grow(to);
        if has_room {
            to.push(item);
        }
        has_room
    }

    /// Puts `text` into `target`, if that may be.
    #[inline]
    pub(crate) fn set(&mut self, target: &mut String, text: &str) -> bool {
        if target.capacity() < text.len() {
            let Some(empty) = self.string(text.len()) else { return false };
            *target = empty;
        }
        target.clear();
        target.push_str(text);
        true
    }

    /// A copy of `text`, if that may be.
    #[inline]
    pub(crate) fn copy(&mut self, text: &str) -> Option<String> {
        let mut copy = self.string(text.len())?;
        copy.push_str(text);
        Some(copy)
    }

    /// An empty string with so much room, if that may be.
    #[inline]
    pub(crate) fn string(&mut self, capacity: usize) -> Option<String> {
        if !self.charge(allocated(capacity)) {
            return None;
        }
        let mut text = String::new();
        if text.try_reserve_exact(capacity).is_err() {
            self.fail(Shortage::System);
            return None;
        }
        Some(text)
    }

    /// Charges for so many bytes that std will allocate in a way that cannot fail, and makes sure
    /// as well as can be that they are there: some more are allocated and freed.
    #[inline(always)]
    pub(crate) fn expect(&mut self, bytes: usize) -> bool {
        bytes == 0 || self.look_for(bytes)
    }

    fn look_for(&mut self, bytes: usize) -> bool {
        const AHEAD: usize = 16 << 10;
        let bytes = allocated(bytes);
        if !self.charge(bytes) {
            return false;
        }
        if bytes > self.probed {
            let ahead = bytes.max(AHEAD);
            if let Err(shortage) = probe(ahead) {
                self.fail(shortage);
                return false;
            }
            self.probed = ahead;
        }
        self.probed -= bytes;
        true
    }

    /// Notes that an allocation failed that was made elsewhere.
    pub(crate) fn failed(&mut self) {
        self.fail(Shortage::System);
    }
}

impl Drop for Allowance<'_> {
    fn drop(&mut self) {
        match self.budget {
            Some(budget) if self.drawn > 0 => budget.give(self.drawn),
            _ => {}
        }
    }
}

/// What an allocation of so many bytes takes with the allocator's own part, as glibc has it:
/// 8 bytes more, in steps of 16, at least 32.
#[inline]
pub(crate) fn allocated(bytes: usize) -> usize {
    match bytes {
        0 => 0,
        _ => (bytes.saturating_add(23) & !15).max(32),
    }
}
