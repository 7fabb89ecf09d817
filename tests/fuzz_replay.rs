//! The committed seeds of the fuzz targets, each run through the body of its target. So what a
//! fuzzer once found keeps being tested, with any compiler and without a fuzzer. Control messages are
//! also tried exhaustively, up to a bound.

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
    batch_line both_ends client_session command control decode envelopes files
    message_reader number sandbox server_session string terminal tokenizer value
}

/// Lengths and headers as they are and just beside it, and numbers of files.
#[test]
fn every_control_buffer_of_up_to_six_words_is_walked_as_cmsg_says() {
    limit::limit_test();
    const HEADER: usize = size_of::<usize>() + 8;
    let pair = |low: i32, high: i32| [low.to_ne_bytes(), high.to_ne_bytes()].concat();
    let lengths = [0, HEADER - 1, HEADER, HEADER + 4, HEADER + 9, usize::MAX];
    let mut words: Vec<Vec<u8>> = lengths.map(|length| length.to_ne_bytes().to_vec()).into();
    // SOL_SOCKET and SCM_RIGHTS, as a word of 64 bits, and two numbers.
    words.extend([pair(1, 1), pair(7, -1)]);
    let mut buffers = vec![Vec::new()];
    let mut count = 0;
    for length in 0..=6 {
        count += buffers.len();
        buffers.iter().for_each(|buffer| bodies::control::walk(buffer));
        if length < 6 {
            let longer = |buffer: &Vec<u8>| {
                words.clone().into_iter().map({
                    let buffer = buffer.clone();
                    move |word| [&buffer[..], &word].concat()
                })
            };
            buffers = buffers.iter().flat_map(longer).collect();
        }
    }
    println!("{count} buffers: all of up to 6 words, of {} different ones", words.len());
}
