//! Faults, caused on purpose, in a server in a process of its own: interrupted system calls,
//! missing resources, peers that are killed in the middle of a call, and misbehaving peers. After
//! each fault the server answers another client, and has as many descriptors and threads as before.

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
