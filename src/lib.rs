//! gVisor's urpc in Rust, with no dependency but `std`: JSON calls over a Unix socket that also
//! carry open files.
//!
//! A [`Client`] calls a method of a [`Server`] by name. The argument and the result are JSON,
//! exactly as Go's `encoding/json` reads and writes it. Each may carry open files (`SCM_RIGHTS`).
//! The peer may be Go's urpc, for example in a gVisor sandbox: the bytes on the wire are the same.
//!
//! ```
//! use std::io::{Read, Seek, Write};
//! use std::time::Duration;
//! use urpc::{Client, Files, Listener, Server, Service};
//!
//! urpc::record! {
//!     /// The argument of `Sandbox.Exec`.
//!     #[derive(Debug, Default)]
//!     pub struct ExecArgs {
//!         pub argv: Vec<String> => "Argv", // its name on the wire, if it differs
//!         pub files: Files,                // sent with the JSON
//!     }
//! }
//!
//! urpc::record! {
//!     /// The result of `Sandbox.Exec`.
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
//! let serving = server.start_serving(Listener::bind(&path)?)?;
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
//! # The guide
//!
//! Four pages with programs to start from: [files](guide::files), [limits](guide::limits),
//! [a sandbox](guide::sandbox), [an orderly stop](guide::stop). A fifth one is the specification of
//! [the wire](guide::wire).
//!
//! # The modules
//!
//! Each module uses only modules below it in this table. Its file or directory in `src` has its
//! name. The first lines of each file say what the file is for.
//!
//! | module | what it is |
//! | --- | --- |
//! | [`sandbox`] | finds the socket of a gVisor sandbox and checks who answers there |
//! | [`process`] | runs programs with files, and waits for signals that ask it to end |
//! | [`client`](Client), [`server`](Server) | calls, their turns; clients' states, stop |
//! | [`service`](Service) | the methods of one object, typed outside and type-erased inside |
//! | `call` | the members of a call and of a reply, and their meaning |
//! | [`connection`](MessageReader) | receives and sends messages: one JSON object and its files, within limits |
//! | [`socket`] | addresses, sockets, listeners |
//! | [`error`](Error) | all errors, their texts and what to do about them |
//! | [`json`] | tokenizer, decode, encode, values, [`record!`] |
//! | [`files`](Files) | the open files of a message, and checks of them |
//! | `closer` | closes that may block, on separate threads |
//! | `memory` | allocations whose size a peer decides: fallible, and within budgets |
//! | [`limits`](Limits) | all limits on what a peer may use |
//! | `sys` | the libc calls, all of the `unsafe` code |
//! | `errno` | the error numbers that this crate tells apart |
//! | [`socket::control`] | the bytes of control messages, in safe code (`src/control.rs`) |
//!
//! The program `urpc` (`src/bin/urpc`) is a crate of its own. It uses only public items of this
//! one.
//!
//! # The way of one call
//!
//! A small call with one file passes these functions, in this order. On the client:
//!
//! 1. [`Client::call`] calls [`TimedCalls::call`], which makes an empty result and calls
//!    [`TimedCalls::call_into`].
//! 2. `TimedCalls::send_and_receive` counts the files and starts the clock of `Limits::call_time`.
//! 3. `TurnQueue::acquire` waits until no other call uses the connection and gives a `TurnGuard`.
//! 4. `call::write_call` encodes the call into the write buffer. `Rights::new` packs the file's
//!    number into a control message on the stack.
//! 5. `TurnGuard::round_trip` and `Channel::round_trip` call `Sender::send`, which makes one
//!    sendmsg(2), and then wait in `Receiver::receive`.
//!
//! On the server, in the thread of that client:
//!
//! 6. `Session::receive` waits in `Receiver::receive`. `ReadBuffer::fill` calls
//!    `sys::receive_message`, which makes one recvmsg(2). `Ancillary::take_files` turns the
//!    received numbers into `OwnedFd`s before anything else can fail.
//! 7. `ReadBuffer::find_message_end` gives the bytes to the tokenizer, which **finds the message's
//!    end**. The `Envelope` stores the method's name and the argument's position.
//! 8. `ReadBuffer::take_message` gives the message the files that belong to it.
//! 9. `Session::serve_call` finds the method (`MethodCache::look_up`) and holds the files open for
//!    until the call ends (`Files::keep`).
//! 10. `Session::answer` runs the closure that `Service::method` made. It decodes the argument from
//!     the read buffer, moves the files into it and calls the user's function.
//! 11. `Responder::reply_result` encodes the reply (`call::write_success`) and sends it.
//! 12. `Session::mark_idle` ends the call, so that a stop can close the client. `Keeper::close_files`
//!     then **closes the files** that the method did not release, in this thread.
//!     `Session::report_end` tells the observer and runs the after-call callback.
//!
//! On the client again:
//!
//! 13. `Reply::decode` decodes the result and moves the files into it. If the result has no `Files`,
//!     `UnclaimedFiles` has them closed by `closer`.
//! 14. `Reply::outcome` returns the remote error, if the call failed. Dropping the `TurnGuard` lets
//!     the next call begin.
//!
//! If a call runs when the server is stopped: `Shared::stop` first gives all clients the grace
//! time, in which they are served as before. Then `Registry::close_clients` marks those that are
//! left (`ClientState::request_close`). The call is answered. `Session::mark_idle` finds the mark,
//! and the connection is closed. `StopGuard::wait_for_all` waits for that. The method is never
//! interrupted. [`Server::stop_within`] ends the connection of a call that takes too long.
//!
//! # Why
//!
//! **Why two JSON grammars?** The tokenizer takes bytes in pieces of any size, finds the end of a
//! message, and needs no memory. The decoder reads a complete text, and so decodes 1.2 to 1.6 times
//! faster. Tests and fuzz targets compare the two: both must accept the same texts, and refuse all
//! others at the same byte.
//!
//! **Why a thread for each client?** A method may block for as long as it likes, and std has no
//! event loop. A thread of an idle client costs about 18 KiB. A slow client delays no other client.
//!
//! **Why no `pre_exec`?** Between fork and exec, dup2(2) could replace the pipe on which std
//! reports errors. So a helper process, which has one thread, receives the files, places them, and
//! then becomes the program: see [`process::spawn_with_files`].
//!
//! **Why do closes have threads?** The last close of a file may block for as long as the sender of
//! the file decides. A thread that others wait for must not make such a close.
//!
//! **Why is `unsafe` where it is?** std has no call that passes descriptors, waits for several, or
//! sets these socket options. Each such call is made at one place in `sys`, whose functions are
//! safe and use owned and borrowed descriptors. `deny(unsafe_code)` forbids `unsafe` in all other
//! modules.
//!
//! # Where it differs from Go's urpc
//!
//! Only where Go loses something, stops working, or has no limit. [`guide::wire`] lists all of it in
//! its section 9.
//!
//! # Guarantees
//!
//! No input of a peer panics, leaks a descriptor, grows memory beyond [`Limits`], or disturbs
//! another client. Descriptors are close-on-exec from the start and closed by their owner. Nothing
//! raises `SIGPIPE`. Panics of methods and callbacks are caught, unless the program is built to
//! abort on panic. The crate does not provide: encryption, authentication beyond the credentials
//! that the kernel provides, and asynchronous runtimes.

#![deny(unsafe_code, missing_docs, missing_debug_implementations)]

#[cfg(not(target_os = "linux"))]
compile_error!("urpc passes files over Unix sockets with Linux's own flags and runs on Linux only");

pub mod guide;
pub mod json;
pub mod process;
pub mod sandbox;
pub mod socket;

mod architecture;
mod call;
mod client;
mod closer;
mod connection;
#[doc(hidden)] // shown as socket::control
pub mod control;
mod errno;
mod error;
mod files;
#[cfg(urpc_interleavings)]
#[path = "../tests/interleavings/mod.rs"]
pub mod interleavings;
mod limits;
mod memory;
mod server;
mod service;
#[cfg_attr(urpc_interleavings, path = "../tests/interleavings/sync.rs")]
mod sync;
#[allow(unsafe_code)]
#[cfg_attr(urpc_interleavings, path = "../tests/interleavings/sys.rs")]
mod sys;
#[cfg(test)]
#[path = "../tests/support/available.rs"]
mod test_available;
#[cfg(test)]
#[path = "../tests/support/limit.rs"]
mod test_limit;
#[cfg(test)]
#[path = "../tests/support/probe.rs"]
mod test_probe;
#[cfg(test)]
use test_limit as limit; // the name under which `test_available` uses it

pub use client::{Client, ClientBuilder, TimedCalls};
pub use connection::MessageReader;
pub use error::{Error, RemoteError};
pub use files::{FileAccess, FileCheck, FileError, FileKind, Files, Seal};
pub use limits::{DEFAULT_MAX_FILES, Limit, Limits};
pub use server::{Event, Server, ServerBuilder};
pub use service::{BadArgument, CallContext, Outcome, Service};
pub use socket::{Address, BindOptions, Credentials, Listener, Socket};

/// The README's code is compiled with the documentation's.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
