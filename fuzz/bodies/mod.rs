//! The bodies of the fuzz targets: functions over bytes that panic if a property does not hold. The
//! head of each file states the properties. They use only the public API and std, so the tests can
//! run the seeds with any compiler.

pub mod batch_line;
pub mod both_ends;
pub mod client_session;
pub mod command;
pub mod control;
pub mod decode;
pub mod envelopes;
pub mod files;
pub mod message_reader;
pub mod mutator;
pub mod number;
pub mod sandbox;
pub mod server_session;
pub mod string;
pub mod terminal;
#[allow(dead_code)] // Only the targets use it.
pub mod threads;
pub mod tokenizer;
pub mod value;

mod errors;
mod events;
mod own_types;
mod peer;
mod player;
mod probe;
mod replies;
mod script;
mod stream;

#[path = "../../tests/support/probe.rs"]
mod watched;
