//! JSON through the public API: the rules of Go's `encoding/json`, one behaviour a test.

#[path = "../support/alloc.rs"]
mod alloc;
mod any_value;
mod decode;
mod encode;
mod errors;
mod go_names;
mod go_tree;
mod go_types;
mod limits;
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
