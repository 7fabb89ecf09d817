//! gVisor's urpc in Rust, on nothing but `std`: JSON calls over a Unix socket, with open files
//! riding beside them.
//!
//! A [`Client`] calls a method of a [`Server`] by name. The argument and the result are JSON as
//! Go's `encoding/json` speaks it; open files go with either as `SCM_RIGHTS`. The peer may as well
//! be Go's urpc, in a gVisor sandbox for instance: on the wire there is no difference.
//!
//! ```
//! use std::io::{Read, Seek, Write};
//! use std::time::Duration;
//! use urpc::{Client, Files, Listener, Server, Service};
//!
//! urpc::record! {
//!     /// What `Sandbox.Exec` takes.
//!     #[derive(Debug, Default)]
//!     pub struct ExecArgs {
//!         pub argv: Vec<String> => "Argv", // the name on the wire, where it differs
//!         pub files: Files,                // rides beside the JSON
//!     }
//! }
//!
//! urpc::record! {
//!     /// What it gives.
//!     #[derive(Debug, Default)]
//!     pub struct ExecReply {
//!         pub pid: i32,
//!     }
//! }
//!
//! struct Sandbox;
//!
//! impl Sandbox {
//!     fn exec(&self, mut args: ExecArgs) -> Result<ExecReply, String> {
//!         let stdout = args.files.release(0).ok_or("no file for the standard output")?;
//!         let mut stdout = std::fs::File::from(stdout);
//!         write!(stdout, "ran {:?}", args.argv).map_err(|error| error.to_string())?;
//!         Ok(ExecReply { pid: 7 })
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let directory = std::env::temp_dir().join(format!("urpc-doc-{}", std::process::id()));
//! # std::fs::create_dir(&directory)?;
//! # let path = directory.join("sandbox.sock");
//! let server = Server::new();
//! server.register(Service::new("Sandbox", Sandbox).method("Exec", Sandbox::exec));
//! let listener = Listener::bind(&path)?;
//! let serving = std::thread::spawn({
//!     let server = server.clone();
//!     move || server.serve(&listener)
//! });
//!
//! let mut output = std::fs::File::options()
//!     .create_new(true).read(true).write(true).open(directory.join("output"))?;
//! let client = Client::connect(&path)?;
//! let args = ExecArgs { argv: vec!["true".into()], files: output.try_clone()?.into() };
//! let reply: ExecReply = client.call("Sandbox.Exec", &args)?;
//! assert_eq!(reply.pid, 7);
//!
//! let mut text = String::new();
//! output.rewind()?;
//! output.read_to_string(&mut text)?;
//! assert_eq!(text, r#"ran ["true"]"#);
//!
//! client.close();
//! server.stop(Duration::from_secs(5));
//! serving.join().unwrap()?;
//! # std::fs::remove_dir_all(&directory)?;
//! # Ok(())
//! # }
//! ```
//!
//! # The way of one call
//!
//! Each module uses only those below it:
//!
//! | module | what it is |
//! | --- | --- |
//! | [`sandbox`] | where a gVisor sandbox listens, and that it is the one who answers |
//! | [`client`](Client), [`server`](Server) | who calls, who answers: turns, clients' states, stop |
//! | [`service`](Service) | the methods of one object, typed on the outside, erased inside |
//! | `call` | the two envelopes, call and reply |
//! | `connection` | one JSON value and its files, in and out, within limits |
//! | [`error`](Error), [`limits`](Limits) | what can go wrong; what a peer may make us do |
//! | [`json`] | tokenizer, decode, encode, values, [`record!`] |
//! | [`socket`], [`process`] | addresses, sockets, listeners; what crosses an exec |
//! | [`files`](Files) | owned descriptors beside a message |
//! | `memory` | what a peer may make us allocate: fallibly, and within budgets |
//! | `sys` | the libc shim, all of the `unsafe` code |
//! | [`socket::control`] | the bytes of control messages, in safe code |
//!
//! [`Client::call`] encodes the envelope straight into the connection's buffer and sends it with
//! one `sendmsg`, its files packed into a control buffer on the stack. The other side's one
//! `recvmsg` turns the control data into owned descriptors at once; the tokenizer sees each byte
//! as it arrives and knows where the message ends and where its parts lie; the method's argument
//! is decoded from there. The reply takes the same way back.
//!
//! # What it promises
//!
//! No input of a peer panics, leaks a descriptor, grows memory beyond [`Limits`], or disturbs
//! another client. Descriptors are close-on-exec from birth and closed by whoever owns them.
//! Nothing raises `SIGPIPE`. Panics of methods and callbacks are caught (unless the program is
//! built to abort on panic). What it leaves to others: encryption, authentication beyond the
//! kernel's word on who connected, and asynchronous runtimes.

#![deny(unsafe_code, missing_docs)]

#[cfg(not(target_os = "linux"))]
compile_error!("urpc passes files over Unix sockets with Linux's own flags and runs on Linux only");

pub mod json;
pub mod process;
pub mod sandbox;
pub mod socket;

mod call;
mod client;
mod closer;
mod connection;
#[doc(hidden)] // shown as socket::control
pub mod control;
mod error;
mod files;
mod limits;
mod memory;
mod server;
mod service;
#[allow(unsafe_code)]
mod sys;
#[cfg(test)]
#[path = "../tests/support/available.rs"]
mod test_available;
#[cfg(test)]
#[path = "../tests/support/limit.rs"]
mod test_limit;
#[cfg(test)]
use test_limit as limit; // as the other one knows it

pub use client::{Client, ClientBuilder};
pub use error::{Error, RemoteError};
pub use files::Files;
pub use limits::{DEFAULT_MAX_FILES, Limits};
pub use server::{Event, Server, ServerBuilder};
pub use service::{CallContext, Outcome, Service};
pub use socket::{Address, BindOptions, Credentials, Listener, Socket};

/// The README's code is compiled with the documentation's.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
