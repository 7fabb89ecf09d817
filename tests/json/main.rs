//! JSON through the public API: the rules of Go's `encoding/json`, one behaviour a test.

mod go_tree;
mod go_types;
mod vectors;
