//! The library and the system: descriptors, paths and file systems, other processes and users, and
//! the system calls. Also the lists of what can go wrong.

mod binding;
mod checklist;
mod descriptors;
mod places;
mod process;
mod sandbox;
mod socket;
mod syscalls;

#[path = "../support/listed_calls.rs"]
mod listed_calls;
#[path = "../support/racing.rs"]
mod racing;
#[path = "../support/mod.rs"]
mod support;
