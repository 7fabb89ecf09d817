//! The speed of typed JSON decoding and encoding, and of [`Value`], in MB of text a second. It takes
//! the best of many rounds. `cargo bench --bench json` measures all sets; words that follow `--`
//! select those whose name contains one. `-` stands where a set is only read.

mod sets;

use std::env;
use std::hint::black_box;
use std::time::{Duration, Instant};

use urpc::json::{FromJson, ToJson, Value, from_slice, to_vec};

/// The duration of one measurement.
const MEASURE: Duration = Duration::from_millis(300);

fn main() {
    println!(
        "{:<28} {:>9} {:>9} {:>9} {:>9} {:>9}",
        "MB/s", "bytes", "decode", "encode", "Value in", "Value out"
    );
    row("envelope", &sets::envelope());
    row("arguments with lists", &sets::arguments());
    row("500 process records", &sets::processes());
    row("string, few escapes", &sets::few_escapes());
    row("string, many escapes", &sets::many_escapes());
    row("integers", &sets::integers());
    row("floats of 17 digits", &sets::long_floats());
    row("floats of up to 9 digits", &sets::short_floats());
    row("Cyrillic, one string", &sets::cyrillic());
    row("Cyrillic, many strings", &sets::pieces(&sets::cyrillic()));
    row("Chinese, one string", &sets::chinese());
    row("Chinese, many strings", &sets::pieces(&sets::chinese()));
    let escapes = sets::unicode_escapes(&sets::pieces(&sets::cyrillic()));
    read_row::<Vec<String>>("Cyrillic, all escapes", &escapes);
    let records = to_vec(&sets::processes()).expect("the sets can be encoded");
    read_row::<Vec<sets::Seen>>("records, 8 of 12 unknown", &records);
    read_row::<Vec<sets::Process>>("records, members shuffled", &sets::shuffled());
    row("map of 10,000", &sets::map());
    row("bytes as base64", &sets::bytes());
    row("booleans and nulls", &sets::booleans());
    row("records, mostly nulls", &sets::sparse());
}

/// Measures a set that is written and read.
fn row<T: FromJson + ToJson + Default>(name: &str, value: &T) {
    if !is_wanted(name) {
        return;
    }
    let text = to_vec(value).expect("the sets can be encoded");
    let encode = rate(text.len(), || to_vec(black_box(value)).is_ok());
    print_row::<T>(name, &text, &format!("{encode:.0}"));
}

/// Measures a set that is only read.
fn read_row<T: FromJson + Default>(name: &str, text: &[u8]) {
    if is_wanted(name) {
        print_row::<T>(name, text, "-");
    }
}

fn print_row<T: FromJson + Default>(name: &str, text: &[u8], encode: &str) {
    let decode = rate(text.len(), || from_slice::<T>(black_box(text)).is_ok());
    let value_in = rate(text.len(), || from_slice::<Value>(black_box(text)).is_ok());
    let value = from_slice::<Value>(text).expect("the sets are JSON");
    let value_out = rate(text.len(), || to_vec(black_box(&value)).is_ok());
    println!(
        "{name:<28} {:>9} {decode:>9.0} {encode:>9} {value_in:>9.0} {value_out:>9.0}",
        text.len()
    );
}

/// Whether the arguments select this set.
fn is_wanted(name: &str) -> bool {
    let mut words = env::args().skip(1).filter(|word| word != "--bench").peekable();
    words.peek().is_none() || words.any(|word| name.contains(&word))
}

/// MB a second, from the fastest of many rounds.
fn rate(bytes: usize, mut work: impl FnMut() -> bool) -> f64 {
    let repeats = (20_000 / bytes).max(1);
    let mut best = Duration::MAX;
    let start = Instant::now();
    while start.elapsed() < MEASURE {
        let round = Instant::now();
        for _ in 0..repeats {
            assert!(black_box(work()));
        }
        best = best.min(round.elapsed());
    }
    (bytes * repeats) as f64 / best.as_secs_f64() / 1e6
}
