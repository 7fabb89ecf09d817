//! How much memory a buffer keeps after its message.

use std::mem;

/// The recent message sizes of one buffer. The capacity is kept near them, so that not every message
/// allocates anew. More than [`Retention::LARGEST`] stays only while large messages follow each
/// other; `shrink_idle` frees that as well when none follows.
#[derive(Debug, Default)]
pub(super) struct Retention {
    recent: usize,
    last: usize,
}

impl Retention {
    /// Buffers up to this size are left alone.
    pub(super) const SMALL: usize = 1 << 16;
    /// Buffers larger than this do not stay while nothing comes if half of `Limits::total_bytes` is
    /// used: idle clients must not use up what the others need.
    pub(super) const IDLE: usize = 1 << 18;
    /// No buffer stays larger than this for a single message.
    pub(super) const LARGEST: usize = 1 << 21;

    /// The size to shrink to, if any, of a buffer of `size` whose message took `used`.
    pub(super) fn shrink_target(&mut self, used: usize, size: usize) -> Option<usize> {
        let repeated = used.min(mem::replace(&mut self.last, used));
        // A buffer that grows by doubling is up to twice as large as its message.
        let largest = repeated.saturating_mul(2).max(Retention::LARGEST);
        self.recent = used.max(self.recent - self.recent / 8);
        let kept = self.recent.clamp(Retention::SMALL, largest);
        (size > largest || size / 4 > kept).then_some(kept)
    }
}
