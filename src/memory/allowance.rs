//! The memory that decoding one message may take.

use std::mem;

use super::{Budget, Shortage, has_room, has_room_to_draw, probe};

/// The bytes of each message that do not count against the shared budget.
const FREE_DECODING: usize = 64 << 10;
/// How many bytes are taken from the budget at once.
const PIECE: usize = 128 << 10;

/// The first capacity of a vector that grows, and the number of elements for which growth near the
/// limit leaves room.
const FEW: usize = 4;

/// The memory that decoding one message may take. Each allocation is charged, and stays charged if
/// it is freed, except where [`Allowance::credit`] is called. What was drawn from the shared budget
/// is returned when this is dropped.
#[derive(Debug, Default)]
pub(crate) struct Allowance<'b> {
    /// The bytes that can be charged without drawing.
    left: usize,
    /// The bytes that can still be drawn from the budget.
    undrawn: usize,
    limit: usize,
    budget: Option<&'b Budget>,
    drawn: usize,
    shortage: Option<Shortage>,
    /// While `left` is not less than this, the last probe covers what is allocated. `None` before the
    /// first probe.
    probed_until: Option<usize>,
}

impl<'b> Allowance<'b> {
    /// An allowance that is limited only by the system's memory.
    pub(crate) fn unlimited() -> Allowance<'b> {
        Allowance { left: usize::MAX, limit: usize::MAX, ..Allowance::default() }
    }

    /// An allowance of `limit` bytes. All but the first [`FREE_DECODING`] are taken from `budget`,
    /// if there is one.
    pub(crate) fn new(limit: usize, budget: Option<&'b Budget>) -> Allowance<'b> {
        let left = limit.min(FREE_DECODING);
        Allowance { left, undrawn: limit - left, limit, budget, ..Allowance::default() }
    }

    /// Moves all of the allowance out. [`Allowance::take_back`] must return it.
    pub(crate) fn lend(&mut self) -> Allowance<'b> {
        let budget = self.budget;
        mem::replace(self, Allowance { budget, ..Allowance::default() })
    }

    /// Takes back what remains of a [lent](Allowance::lend) allowance.
    pub(crate) fn take_back(&mut self, mut lent: Allowance<'_>) {
        *self = Allowance {
            left: lent.left,
            undrawn: lent.undrawn,
            limit: lent.limit,
            budget: self.budget,
            drawn: mem::take(&mut lent.drawn),
            shortage: lent.shortage,
            probed_until: lent.probed_until,
        };
    }

    /// Whether an allocation was refused.
    pub(crate) fn is_short(&self) -> bool {
        self.shortage.is_some()
    }

    /// Why an allocation was refused. If the reason is not known, it is the system's lack of
    /// memory.
    pub(crate) fn shortage(&self) -> Shortage {
        self.shortage.unwrap_or(Shortage::System)
    }

    /// Charges `bytes`. `false` if that is refused.
    #[inline(always)]
    pub(crate) fn charge(&mut self, bytes: usize) -> bool {
        if bytes > self.left {
            return self.draw_and_charge(bytes);
        }
        self.left -= bytes;
        true
    }

    /// Returns bytes that were charged for memory that was not used or has been freed.
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
        if !has_room_to_draw(piece) {
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
        self.probed_until = self.probed_until.map(|until| until.saturating_add(piece));
        Ok(())
    }

    /// Refuses this allocation and all later ones.
    #[cold]
    #[inline(never)]
    fn fail(&mut self, shortage: Shortage) {
        (self.left, self.undrawn) = (0, 0);
        self.shortage.get_or_insert(shortage);
    }

    /// Grows `vec` as [`Vec::push`] does. `false` if that is refused.
    #[inline(never)]
    pub(crate) fn grow<T>(&mut self, vec: &mut Vec<T>) -> bool {
        let old = vec.capacity();
        let doubled = old.saturating_mul(2).max(if size_of::<T>() <= 1024 { FEW } else { 1 });
        if doubled.saturating_mul(size_of::<T>()) < self.left / 2 {
            return self.reserve_exact(vec, doubled);
        }
        self.grow_near_limit(vec, doubled)
    }

    /// Grows to less than `doubled` if the allowance does not suffice for that.
    #[cold]
    #[inline(never)]
    fn grow_near_limit<T>(&mut self, vec: &mut Vec<T>, doubled: usize) -> bool {
        let old = vec.capacity();
        let affordable = self.left.saturating_add(self.undrawn) / size_of::<T>().max(1);
        let worthwhile = affordable.saturating_sub(FEW) > old + old / 4;
        let capacity = if worthwhile { doubled.min(affordable - FEW) } else { doubled };
        self.reserve_exact(vec, capacity)
    }

    /// Grows `vec` to `capacity` elements. `false` if that is refused. Old and new memory may exist
    /// at the same time, so both are charged until the old memory has been freed.
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

    /// Pushes `item`. `false` if that is refused.
    #[inline]
    pub(crate) fn push<T>(&mut self, to: &mut Vec<T>, item: T) -> bool {
        let has_room = to.len() < to.capacity() || self.grow(to);
        if has_room {
            to.push(item);
        }
        has_room
    }

    /// Replaces the content of `target` by `text`. `false` if that is refused.
    #[inline]
    pub(crate) fn set(&mut self, target: &mut String, text: &str) -> bool {
        if target.capacity() < text.len() && !self.make_room(target, text.len()) {
            return false;
        }
        target.clear();
        target.push_str(text);
        true
    }

    /// A copy of `text`. `None` if that is refused.
    #[inline]
    pub(crate) fn copy(&mut self, text: &str) -> Option<String> {
        let mut copy = self.string(text.len())?;
        copy.push_str(text);
        Some(copy)
    }

    /// An empty string with this capacity. `None` if that is refused.
    #[inline]
    pub(crate) fn string(&mut self, capacity: usize) -> Option<String> {
        let mut text = String::new();
        self.make_room(&mut text, capacity).then_some(text)
    }

    /// Grows `text` to this capacity. `false` if that is refused.
    #[inline]
    fn make_room(&mut self, text: &mut String, capacity: usize) -> bool {
        if !self.charge(allocated(capacity)) {
            return false;
        }
        if text.try_reserve_exact(capacity - text.len()).is_err() {
            self.fail(Shortage::System);
            return false;
        }
        true
    }

    /// Charges `bytes` that std will allocate without a way to report failure. Probes for the
    /// memory before, by allocating and freeing at least as much. `false` if that is refused.
    #[inline(always)]
    pub(crate) fn expect(&mut self, bytes: usize) -> bool {
        bytes == 0 || self.probe_for(bytes)
    }

    fn probe_for(&mut self, bytes: usize) -> bool {
        let bytes = allocated(bytes);
        if !self.charge(bytes) {
            return false;
        }
        self.probed_until.is_some_and(|until| self.left >= until) || self.probe_ahead(bytes)
    }

    /// Where glibc cannot extend the heap of a thread, it maps a page for each block, however small.
    /// So there must be room for that many pages, except for the little that most messages take.
    #[cold]
    #[inline(never)]
    fn probe_ahead(&mut self, bytes: usize) -> bool {
        const AHEAD: usize = 16 << 10;
        /// The size of a page, for each of the smallest blocks.
        const PAGES: usize = AHEAD / 32 * 4096;
        // No more than the allowance has.
        let rest = self.left.saturating_add(self.undrawn);
        let ahead = bytes.max(AHEAD).min(bytes.saturating_add(rest));
        let has_pages = self.probed_until.is_none() || has_room(ahead.saturating_add(PAGES));
        if !has_pages || probe(ahead).is_err() {
            self.fail(Shortage::System);
            return false;
        }
        self.probed_until = Some(self.left.saturating_sub(ahead - bytes));
        true
    }

    /// Like [`Allowance::expect`], for a total of `bytes` of which small allocations are made, of
    /// `block` bytes each.
    pub(crate) fn expect_blocks(&mut self, bytes: usize, block: usize) -> bool {
        if !self.expect(bytes) {
            return false;
        }
        let mut blocks = Vec::new();
        let has_room = blocks.try_reserve_exact(bytes / block).is_ok()
            && (0..bytes / block)
                .try_for_each(|_| probe(block).map(|block| blocks.push(block)))
                .is_ok();
        if !has_room {
            self.failed();
        }
        has_room
    }

    /// Reports that an allocation failed that was made elsewhere.
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

/// The size of an allocation of `bytes` with the allocator's overhead, as in glibc: 8 bytes more,
/// rounded up to a multiple of 16, and at least 32.
#[inline]
pub(crate) fn allocated(bytes: usize) -> usize {
    match bytes {
        0 => 0,
        _ => (bytes.saturating_add(23) & !15).max(32),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_covers_what_is_charged_until_so_much_was() {
        let mut memory = Allowance::new(1 << 20, None);
        assert!(memory.expect(100));
        assert_eq!(memory.probed_until, Some(memory.left - ((16 << 10) - allocated(100))));
    }
}
