//! gVisor's urpc in Rust, on nothing but `std`.

#![deny(unsafe_code, missing_docs)]

#[cfg(not(target_os = "linux"))]
compile_error!("urpc passes files over Unix sockets with Linux's own flags and runs on Linux only");

pub mod json;
pub mod process;
pub mod socket;

mod call;
mod client;
mod connection;
#[doc(hidden)] // shown as socket::control
pub mod control;
mod error;
mod files;
mod limits;
mod server;
mod service;
#[allow(unsafe_code)]
mod sys;

pub use client::{Client, ClientBuilder};
pub use error::{Error, RemoteError};
pub use files::Files;
pub use limits::{Limits, MAX_FILES};
pub use server::{Event, Server, ServerBuilder};
pub use service::{CallContext, Outcome, Service};
pub use socket::{Address, AddressError, BindOptions, Credentials, Listener, Socket};
