//! A connection: one JSON object and its files, in and out.
//!
//! [`Receiver::receive`] hands over one message at a time, with the files that belong to it, and
//! keeps what it read behind it. [`Sender::send`] sends the message that stands in its write
//! buffer. Both keep to limits of size and time and make no system call more than the kernel needs:
//! a small message is one send and one receive. Which member of a message means what is left to the
//! [`Envelope`], which sees each token as it arrives; what an error means for a client or a server
//! is left to those.

mod deadline;
mod read_buffer;
mod receiver;
mod sender;
mod transport;

#[cfg(test)]
mod tests;

use std::mem;
use std::time::Duration;

use transport::{Direction, Transport};

pub(crate) use deadline::Deadline;
pub(crate) use receiver::{Envelope, Message, Receiver};
pub(crate) use sender::Sender;

/// Before waiting for the next message, which may never come: gives up what large messages took,
/// unless the next follows them at once.
pub(crate) fn shrink_idle<T: Transport>(receiver: &mut Receiver<T>, sender: &mut Sender<T>) {
    const GRACE: Duration = Duration::from_millis(100);
    receiver.discard_message();
    let Receiver { read_buffer, transport, .. } = receiver;
    let much = read_buffer.bytes.capacity().max(sender.write_buffer.capacity());
    let much = much > Retention::LARGEST || much > Retention::IDLE && read_buffer.bytes.is_scarce();
    if much
        && !read_buffer.has_more()
        && !transport.wait(Direction::In, Some(GRACE)).unwrap_or(false)
    {
        // All that came was looked at and is settled, so nothing stands in the read buffer.
        read_buffer.bytes.clear();
        read_buffer.bytes.shrink_to(0);
        sender.write_buffer.clear();
        sender.write_buffer.shrink_to(0);
        (read_buffer.retention, sender.retention) = Default::default();
    }
}

/// How large a buffer stays when its message is done with: as large as its use of late, so that its
/// memory is not fetched anew for each message. A large one stays only where two such messages came
/// in a row, and until the next small one, or until [`rest`] finds that none follows.
#[derive(Debug, Default)]
struct Retention {
    recent: usize,
    last: usize,
}

impl Retention {
    /// Buffers up to this size are left alone.
    const SMALL: usize = 1 << 16;
    /// Buffers larger than this do not stay while nothing comes if half of `Limits::total_bytes` is
    /// used: idle clients must not use up what the others need.
    const IDLE: usize = 1 << 18;
    /// No buffer stays larger than this for a single message.
    const LARGEST: usize = 1 << 21;

    /// The size to shrink to, if any, of a buffer of `size` whose message took `used`.
    fn shrink_target(&mut self, used: usize, size: usize) -> Option<usize> {
        let repeated = used.min(mem::replace(&mut self.last, used));
        // A buffer that grows by doubling is up to twice as large as its message.
        let largest = repeated.saturating_mul(2).max(Retention::LARGEST);
        self.recent = used.max(self.recent - self.recent / 8);
        let kept = self.recent.clamp(Retention::SMALL, largest);
        (size > largest || size / 4 > kept).then_some(kept)
    }
}
