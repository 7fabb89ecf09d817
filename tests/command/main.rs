//! The command, run as a process: correct and wrong usage, peers that disappear, closed pipes,
//! signals. `tests/interop` runs it with the Go peer and a real sandbox.

mod addresses;
mod batch;
mod bench;
mod bench_bounds;
mod call;
mod call_bounds;
mod call_examples;
mod call_files;
mod completion;
mod demo;
mod examples;
mod exec;
mod explained;
mod host;
mod invalid;
mod items;
mod manual;
mod methods;
mod offline;
mod output;
mod run;
mod save;
mod serve;
mod serve_hostile;
mod serve_return;
mod streams;
mod surroundings;
mod time;
mod trace;
mod trace_hostile;
mod trace_report;
mod usage;

#[path = "../support/counts.rs"]
mod counts;
#[path = "../support/lingering.rs"]
mod lingering;
#[path = "../support/mod.rs"]
mod support;
