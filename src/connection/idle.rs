//! What a connection frees before it waits.

use std::time::Duration;

use super::receiver::Receiver;
use super::retention::Retention;
use super::sender::Sender;
use super::transport::{Direction, Transport};

/// Call this before the wait for the next message, which may never come. It frees the buffers of
/// large messages unless the next message follows at once.
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
        // Every byte was parsed and its message is done with: nothing in the buffer is needed.
        read_buffer.bytes.clear();
        read_buffer.bytes.shrink_to(0);
        sender.write_buffer.clear();
        sender.write_buffer.shrink_to(0);
        (read_buffer.retention, sender.retention) = Default::default();
    }
}
