//! What decoding one message may allocate.

use std::mem;

use super::{Budget, Shortage, has_room, probe};

/// What decoding a message may take without asking the shared budget.
const FREE_DECODING: usize = 64 << 10;
/// How much decoding draws from a budget at once.
const PIECE: usize = 128 << 10;

/// How many elements a vector that grows has room for at first, and what growth leaves of an
/// allowance.
const FEW: usize = 4;

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
    #[inline(never)]
    pub(crate) fn grow<T>(&mut self, vec: &mut Vec<T>) -> bool {
        let old = vec.capacity();
        let doubled = old.saturating_mul(2).max(if size_of::<T>() <= 1024 { FEW } else { 1 });
        if doubled.saturating_mul(size_of::<T>()) < self.left / 2 {
            return self.reserve_exact(vec, doubled);
        }
        self.grow_near_limit(vec, doubled)
    }

    /// The same where less than twice as much may do, so that a smaller step may be the last.
    #[cold]
    #[inline(never)]
    fn grow_near_limit<T>(&mut self, vec: &mut Vec<T>, doubled: usize) -> bool {
        let old = vec.capacity();
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
