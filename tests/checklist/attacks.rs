//! What a hostile peer can try.
//!
//! - A1 A file whose close blocks for as long as its sender likes holds up nobody but the thread
//!   that closes it.
//!   `soak::nothing_is_lost_and_nothing_is_left_behind`
