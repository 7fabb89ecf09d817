//! The system calls that the README lists for seccomp filters.

use std::collections::BTreeSet;

/// The names in the README's paragraph that begins with `heading`.
pub fn listed_under(heading: &str) -> BTreeSet<&'static str> {
    let readme = include_str!("../../README.md");
    let (_, behind) = readme.split_once(&format!("**{heading}**")).expect(heading);
    let paragraph = behind.split("\n\n").next().unwrap_or(behind);
    paragraph.split('`').skip(1).step_by(2).collect()
}
