//! The command, run as a process: correct and wrong usage, peers that disappear, closed pipes,
//! signals. `tests/interop` runs it with the Go peer and a real sandbox.

mod addresses;
mod batch;
mod bench;
mod call;
mod call_files;
mod demo;
mod examples;
mod exec;
mod explained;
mod invalid;
mod items;
mod methods;
mod offline;
mod output;
mod run;
mod save;
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
