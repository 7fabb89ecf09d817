//! See `bodies/message_reader.rs` for what it does and what must hold.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| bodies::threads::run_to_end(bodies::message_reader::run, data));
