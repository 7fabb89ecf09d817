//! Frees large buffers of a connection before it waits.

use std::time::Duration;

use super::receiver::Receiver;
use super::retention::Retention;
use super::sender::Sender;
use super::transport::{Direction, Transport};

/// How long to wait for the next message before large buffers are freed: where memory is needed, and
/// elsewhere. To free them costs a millisecond or two for each large message that follows.
const GRACE_IF_SCARCE: Duration = Duration::from_millis(100);
const GRACE: Duration = Duration::from_secs(1);

/// Frees the buffers of large messages, unless the next message arrives within [`GRACE`]. Call this
/// before the wait for the next message, which may never come.
pub(crate) fn shrink_idle<T: Transport>(receiver: &mut Receiver<T>, sender: &mut Sender<T>) {
    receiver.discard_message();
    let Receiver { read_buffer, transport, .. } = receiver;
    let largest = read_buffer.bytes.capacity().max(sender.write_buffer.capacity());
    let (kept, grace) = match read_buffer.bytes.is_scarce() {
        true => (Retention::IDLE, GRACE_IF_SCARCE),
        false => (Retention::LARGEST, GRACE),
    };
    if largest > kept
        && !read_buffer.has_more()
        && !transport.wait(Direction::In, Some(grace)).unwrap_or(false)
    {
        // All bytes belong to messages that have been handled, so the buffer is not needed.
        read_buffer.bytes.clear();
        read_buffer.bytes.shrink_to(0);
        sender.write_buffer.clear();
        sender.write_buffer.shrink_to(0);
        (read_buffer.retention, sender.retention) = Default::default();
    }
}
