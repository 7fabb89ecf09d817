//! The committed seeds of the fuzz targets, each run through the body of its target. So what a
//! fuzzer once found keeps being tested, with any compiler and without a fuzzer.

#[path = "support/available.rs"]
mod available;
#[path = "../fuzz/bodies/mod.rs"]
mod bodies;
#[path = "support/limit.rs"]
mod limit;

use std::fs;
use std::path::Path;

/// Runs `body` over every seed of `target`.
fn replay(target: &str, body: fn(&[u8])) {
    limit::limit_test();
    if !available::many_files() {
        return;
    }
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target);
    let mut count = 0;
    for seed in fs::read_dir(&seeds).expect("a directory of seeds") {
        let path = seed.expect("a seed").path();
        // Only shown if the body panics.
        println!("{}", path.display());
        body(&fs::read(path).expect("a seed's bytes"));
        count += 1;
    }
    assert!(count > 0, "no seed in {}", seeds.display());
}

macro_rules! targets {
    ($($target:ident)*) => { $(
        #[test]
        fn $target() {
            replay(stringify!($target), bodies::$target::run);
        }
    )* };
}

targets! {
    batch_line both_ends client_session command control decode envelopes
    message_reader number server_session string terminal tokenizer value
}
