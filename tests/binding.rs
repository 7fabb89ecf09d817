//! Binding: servers that race for one path, and the places where a socket can be bound.

mod support;

#[path = "support/racing.rs"]
mod racing;

use support::Scratch;

/// How many rounds a race takes here; the soak takes more.
const ROUNDS: usize = 300;

#[test]
fn of_servers_that_race_to_replace_a_stale_socket_one_succeeds_and_is_reachable() {
    let scratch = Scratch::new("replace");
    racing::race_to_replace(&scratch.path("s"), ROUNDS);
}

#[test]
fn a_server_that_leaves_takes_no_other_one_with_it() {
    let scratch = Scratch::new("leave");
    racing::race_to_bind_and_leave(&scratch.path("s"), ROUNDS);
}
