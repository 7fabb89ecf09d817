//! JSON through the public API: the rules of Go's `encoding/json`, one behaviour a test.

#[path = "../support/alloc.rs"]
mod alloc;
mod any_value;
#[path = "../support/available.rs"]
mod available;
mod bytes;
mod compile_errors;
mod declared;
mod decode;
mod encode;
mod errors;
mod go_composed;
mod go_names;
mod go_tree;
mod go_types;
#[path = "../support/limit.rs"]
mod limit;
mod limits;
mod long_texts;
mod misbehaving;
mod numbers;
mod quoted;
mod records;
mod std_types;
mod times;
mod tokens;
mod vectors;

#[global_allocator]
static ALLOCATOR: alloc::Counting = alloc::Counting;
