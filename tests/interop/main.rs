//! Tests with other implementations: gVisor's own urpc in a Go program, as a server and as a
//! client, Go's JSON, and a real sandbox of `runsc`; and what they sent once, recorded. If something is missing on the machine, the
//! test is skipped with a message, or fails if `URPC_REQUIRE_INTEROP` is set.

mod command_calls;
mod command_relays;
mod conform;
mod differences;
mod exec;
mod go;
mod go_calls;
mod go_calls_loop;
mod go_serves;
mod methods;
mod operator;
mod raw_arguments;
mod raw_inputs;
mod raw_replies;
mod same_answers;
mod sandbox;
mod sandbox_calls;
mod wire_vectors;

#[path = "../support/counts.rs"]
mod counts;
#[path = "../examples/event_loop.rs"]
#[allow(dead_code)] // its `main`
mod event_loop;
#[path = "../support/exchange.rs"]
mod exchange;
#[path = "../examples/gvisor_control/main.rs"]
#[allow(dead_code)] // its `main`
mod gvisor_control;
#[path = "../support/peer.rs"]
mod peer;
#[path = "../support/recorded.rs"]
mod recorded;
#[path = "../support/replies.rs"]
mod replies;
#[path = "../command/run.rs"]
#[allow(dead_code)] // for the tests of the command
mod run;
#[path = "../support/sandbox_records.rs"]
#[allow(dead_code)] // the captured messages use more of them
mod sandbox_records;
#[path = "../support/mod.rs"]
mod support;
