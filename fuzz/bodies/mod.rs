//! The bodies of the fuzz targets: functions over bytes that panic if a property does not hold,
//! each stated at the head of its file. They use what the crate offers to everybody and nothing but
//! std, so that the tests replay the seeds through them with any compiler.

pub mod both_ends;
pub mod client_session;
pub mod command;
pub mod control;
pub mod decode;
pub mod envelopes;
pub mod message_reader;
pub mod number;
pub mod server_session;
pub mod string;
pub mod tokenizer;
pub mod value;

mod peer;
mod player;
mod probe;
mod replies;
mod script;
mod stream;

#[path = "../../tests/support/probe.rs"]
mod watched;
