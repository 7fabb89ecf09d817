//! Memory whose size a peer decides: each allocation of a call may fail, decoding keeps to its
//! budget, all clients together keep to theirs, and a process under a small limit keeps running.

mod budgets;
mod failures;
mod limited;

#[path = "../support/alloc.rs"]
mod alloc;
#[path = "../support/counts.rs"]
mod counts;
#[path = "../support/mod.rs"]
mod support;

#[global_allocator]
static ALLOCATOR: alloc::Counting = alloc::Counting;
