//! The halves of a connection over a fake transport.

mod fake_transport;
mod read_buffer;
mod receiver;
mod retention;
mod sender;
