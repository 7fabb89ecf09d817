//! Faults tried on purpose, against a server in a process of its own: system calls that are
//! interrupted or lack something, peers that are killed in the middle of a call, and peers that do
//! what no good one does. After each the server answers another client, and its descriptors and
//! threads are as many as before.

#[cfg(all(target_arch = "x86_64", target_env = "gnu"))] // it names the system calls of one libc
mod injected;
mod killed;
mod peers;
mod signals;
mod subject;

#[path = "../support/counts.rs"]
mod counts;
#[path = "../support/mod.rs"]
mod support;
