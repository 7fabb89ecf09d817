//! The system calls that the README lists for seccomp filters.

use std::collections::BTreeSet;

/// The names in the README's paragraph that begins with `heading`.
pub fn listed_under(heading: &str) -> BTreeSet<&'static str> {
    let readme = include_str!("../../README.md");
    let (_, after) = readme.split_once(&format!("**{heading}**")).expect(heading);
    let paragraph = after.split("\n\n").next().unwrap_or(after);
    paragraph.split('`').skip(1).step_by(2).collect()
}
