//! The command, run as a process: good use and bad, vanished peers, readers who leave, signals.
//! Against the Go peer and a real sandbox it is run by `tests/interop`.

mod addresses;
mod bench;
mod call;
mod call_files;
mod demo;
mod explained;
mod run;
mod serve;
mod streams;
mod surroundings;
mod time;
mod trace;
mod usage;

#[path = "../support/counts.rs"]
mod counts;
#[path = "../support/lingering.rs"]
mod lingering;
#[path = "../support/mod.rs"]
mod support;
