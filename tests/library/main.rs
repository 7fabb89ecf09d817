//! The library through its public API, over socket pairs and sockets: what a client and a server
//! promise each other and the program. No test here starts a process while another one watches
//! which files are open, see `support`.

mod calls;
mod client;
mod errors;
mod event_loop;
mod gvisor_control;
mod long_texts;
mod observe;
mod server;
mod service;
mod spinning;
mod stop;
mod wire;

#[path = "../support/counts.rs"]
mod counts;
#[path = "../support/mod.rs"]
mod support;
