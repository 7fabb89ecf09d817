//! A connection: one JSON object and its files, in and out.
//!
//! [`Receiver::receive`] hands over one message at a time, with the files that belong to it, and
//! keeps what it read behind it. [`Sender::send`] sends the message that stands in its write
//! buffer. Both keep to limits of size and time and make no system call more than the kernel needs:
//! a small message is one send and one receive. [`MessageReader`] is the part of the receiving half
//! that makes no system call of its own, for those who wait by other means. An [`Envelope`] reads the members of a message as it
//! arrives; its [`Schema`] says which there are. What they mean, and what an error means for a
//! client or a server, is decided above.

mod deadline;
mod envelope;
mod idle;
mod message_reader;
mod read_buffer;
mod receiver;
mod retention;
mod sender;
mod transport;

#[cfg(test)]
mod tests;

pub(crate) use deadline::Deadline;
pub(crate) use envelope::{Envelope, Member, Piece, Schema};
pub(crate) use idle::shrink_idle;
pub use message_reader::MessageReader;
pub(crate) use read_buffer::Message;
pub(crate) use receiver::Receiver;
pub(crate) use sender::Sender;
