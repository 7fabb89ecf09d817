//! How much capacity a buffer keeps after a message.

use std::mem;

/// The recent message sizes of one buffer. The buffer keeps a capacity near them, so that not every
/// message allocates. It keeps more than [`Retention::LARGEST`] only while large messages come in a
/// row. `shrink_idle` frees that if no message follows.
#[derive(Debug, Default)]
pub(super) struct Retention {
    recent: usize,
    last: usize,
}

impl Retention {
    /// Buffers up to this size are never shrunk.
    pub(super) const SMALL: usize = 1 << 16;
    /// The largest buffer that an idle connection keeps if more than half of `Limits::total_bytes`
    /// is used. Idle clients must not use up the memory that others need.
    pub(super) const IDLE: usize = 1 << 18;
    /// The largest buffer that is kept after a single large message.
    pub(super) const LARGEST: usize = 1 << 21;

    /// The capacity to which a buffer of capacity `size` should shrink after a message of `used`
    /// bytes. `None` if it should not shrink.
    pub(super) fn shrink_target(&mut self, used: usize, size: usize) -> Option<usize> {
        let repeated = used.min(mem::replace(&mut self.last, used));
        // A buffer that grows by doubling is up to twice as large as its message.
        let largest = repeated.saturating_mul(2).max(Retention::LARGEST);
        self.recent = used.max(self.recent - self.recent / 8);
        let kept = self.recent.clamp(Retention::SMALL, largest);
        (size > largest || size / 4 > kept).then_some(kept)
    }
}
