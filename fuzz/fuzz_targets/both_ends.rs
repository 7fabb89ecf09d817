//! See `bodies/both_ends.rs` for what it does and what must hold.
#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};

fuzz_target!(|data: &[u8]| bodies::threads::run_to_end(bodies::both_ends::run, data));

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    bodies::mutator::mutate(data, size, max_size, seed, fuzzer_mutate)
});
