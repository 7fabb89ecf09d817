//! A connection: one JSON object and its files, in and out.
//!
//! [`Receiver::receive`] hands over one message at a time, with the files that belong to it, and
//! keeps what it read behind it. [`Sender::send`] sends the message that stands in its outbox.
//! Both keep to limits of size and time and make no system call more than the kernel needs: a
//! small message is one send and one receive. Which member of a message means what is left to the
//! [`Envelope`], which sees each token as it arrives; what an error means for a client or a server
//! is left to those.

mod deadline;
mod inbox;
mod receiver;
mod receiver_tests;
mod sender;
mod sender_tests;
mod stand_in;
mod transport;

pub(crate) use deadline::Deadline;
pub(crate) use receiver::{Envelope, Message, Receiver};
pub(crate) use sender::Sender;

/// How large a buffer stays when its message is done with. One that is used stays as large as its
/// use of late; one large message neither holds its memory for ever nor has it fetched anew for
/// each of its kind.
#[derive(Debug, Default)]
struct Retention {
    recent: usize,
}

impl Retention {
    /// Buffers up to this size are left alone.
    const SMALL: usize = 1 << 16;
    /// No buffer stays larger than this.
    const LARGEST: usize = 1 << 21;

    /// The size to shrink to, if any, of a buffer of `size` whose message took `used`.
    fn next(&mut self, used: usize, size: usize) -> Option<usize> {
        self.recent = used.max(self.recent - self.recent / 8);
        let kept = self.recent.clamp(Retention::SMALL, Retention::LARGEST);
        (size > Retention::LARGEST || size / 4 > kept).then_some(kept)
    }
}
