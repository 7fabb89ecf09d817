//! A connection: receives and sends messages. A message is one JSON object and its files.
//!
//! [`Receiver::receive`] returns one message at a time, with its files. It keeps bytes that were
//! read after the message. [`Sender::send`] sends the message in its write buffer. Both keep the
//! limits of size and time, and make no unnecessary system call: a small message takes one send and
//! one receive. [`MessageReader`] reads messages without waiting, for event loops: it shares the
//! read buffer with [`Receiver`]. An [`Envelope`] reads the members of a message while it arrives,
//! and a [`Schema`] says which members to read. The modules above know what these members mean, and
//! what an error means for a client or a server.

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
