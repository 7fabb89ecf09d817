//! gVisor's urpc in Rust, on nothing but `std`.

#![deny(unsafe_code, missing_docs)]

#[cfg(not(target_os = "linux"))]
compile_error!("urpc passes files over Unix sockets with Linux's own flags and runs on Linux only");

pub mod json;
pub mod process;
pub mod socket;

#[doc(hidden)] // shown as socket::control
pub mod control;
mod files;
#[allow(unsafe_code)]
mod sys;

pub use files::Files;
pub use socket::{Address, AddressError, BindOptions, Listener, Socket};
