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
//! # The modules
//!
//! Each module uses only those below it:
//!
//! | module | what it is |
//! | --- | --- |
//! | [`sandbox`] | finds the socket of a gVisor sandbox and checks who answers there |
//! | [`client`](Client), [`server`](Server) | who calls, who answers: turns, clients' states, stop |
//! | [`service`](Service) | the methods of one object, with their types outside and without inside |
//! | `call` | the members of a call and of a reply, and what they mean |
//! | `connection` | receives and sends messages: one JSON object and its files, within limits |
//! | [`error`](Error), [`limits`](Limits) | what can go wrong; what a peer may make us do |
//! | [`json`] | tokenizer, decode, encode, values, [`record!`] |
//! | [`socket`], [`process`] | addresses, sockets, listeners; what crosses an exec |
//! | `closer` | closes that may block, on threads of their own |
//! | [`files`](Files) | owned descriptors beside a message |
//! | `memory` | allocations whose size a peer decides: fallible, and within budgets |
//! | `sys` | the libc calls, all of the `unsafe` code |
//! | [`socket::control`] | the bytes of control messages, in safe code |
//!
//! # The way of one call
//!
//! A small call with one file passes these functions, in this order. On the client:
//!
//! 1. [`Client::call`] makes an empty result and calls [`TimedCalls::call_into`].
//! 2. `TimedCalls::send_and_receive` counts the files and starts the clock of `Limits::call_time`.
//! 3. `TurnQueue::acquire` waits until no other call uses the connection and gives a `TurnGuard`.
//! 4. `call::write_call` encodes the call into the write buffer. `Rights::new` packs the file's
//!    number into a control message on the stack.
//! 5. `TurnGuard::round_trip` and `Channel::round_trip` call `Sender::send`, which makes one
//!    sendmsg(2), and then wait in `Receiver::receive`.
//!
//! On the server, in the thread of that client:
//!
//! 6. `Session::receive` waits in `Receiver::receive`. `ReadBuffer::fill` makes one recvmsg(2).
//!    `sys` turns the received numbers into `OwnedFd`s before anything else can fail.
//! 7. `ReadBuffer::parse` gives the bytes to the tokenizer, which **finds the message's end**. The
//!    `Envelope` notes where the method's name and the argument lie.
//! 8. `ReadBuffer::take_message` gives the message the files that belong to it.
//! 9. `Session::serve_call` finds the method (`MethodCache::look_up`) and holds the files open for
//!    the whole call (`Files::keep`).
//! 10. `Session::answer` runs the method: `Service::method` decodes the argument from the read
//!     buffer, hands the files over and calls the user's function.
//! 11. `Responder::reply_result` encodes the reply (`call::write_success`) and sends it.
//! 12. `Session::end_call` marks the client as idle. `Keeper::end_call` then gives the files that
//!     the method did not release, and **they are closed here**, by the client's own thread.
//!     `Session::report_end` tells the observer and runs the after-call callback.
//!
//! On the client again:
//!
//! 13. `Reply::decode` decodes the result and hands over its files. Files that the result has no
//!     place for are closed by `closer`.
//! 14. `Reply::outcome` gives the remote error, if the call failed. Dropping the `TurnGuard` lets
//!     the next call begin.
//!
//! When a stop meets a running call, `Shared::stop` marks the client, and `Session::end_call` finds
//! the mark: the call is answered, then its connection is closed.
//!
//! # Why
//!
//! **Why two JSON grammars?** The tokenizer takes bytes in any pieces and finds the end of a
//! message; it needs no memory. The decoder reads a text that is there as a whole, and is 1.2 to 1.6
//! times faster for it. Tests and fuzz targets hold the two together: both must accept the same
//! texts and refuse the others at the same byte.
//!
//! **Why a thread for each client?** A method may block for as long as it likes, and std has no
//! event loop. A thread costs an idle client about 18 KiB and keeps a slow client from everybody
//! else.
//!
//! **Why no `pre_exec`?** Between fork and exec, a descriptor that is placed by `dup2` can hit the
//! pipe on which std reports errors. So a program gets its files by a helper process that has one
//! thread and then becomes the program: see [`process`].
//!
//! **Why do closes have threads?** The last close of a file may block for as long as the sender of
//! the file decides. A thread that others wait for must not do it.
//!
//! **Why is `unsafe` where it is?** std has no call that passes descriptors, waits for several, or
//! sets these socket options. Each such call stands once in `sys`, which lets only owned and
//! borrowed descriptors out. Everything above is safe code, and `deny(unsafe_code)` keeps it so.
//!
//! # What it promises
//!
//! No input of a peer panics, leaks a descriptor, grows memory beyond [`Limits`], or disturbs
//! another client. Descriptors are close-on-exec from the start and closed by their owner. Nothing
//! raises `SIGPIPE`. Panics of methods and callbacks are caught (unless the program is built to
//! abort on panic). What it leaves to others: encryption, authentication beyond the credentials
//! that the kernel gives, and asynchronous runtimes.

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

pub use client::{Client, ClientBuilder, TimedCalls};
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
