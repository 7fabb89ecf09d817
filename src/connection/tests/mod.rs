//! The halves of a connection over a fake transport.

mod fake_transport;
mod receiver;
mod retention;
mod sender;
