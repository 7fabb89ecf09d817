//! gVisor's urpc in Rust, on nothing but `std`.

#![deny(unsafe_code, missing_docs)]

#[cfg(not(target_os = "linux"))]
compile_error!("urpc passes files over Unix sockets with Linux's own flags and runs on Linux only");

pub mod json;

mod files;

pub use files::Files;
