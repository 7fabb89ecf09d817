//! A client and a server under a seccomp filter made from the README's list. They make no call that
//! the list lacks. There is no test harness, because the first thread that a process starts is part
//! of the test, and a harness starts threads.

#[path = "../support/mod.rs"]
mod support;

#[cfg(target_arch = "x86_64")] // the numbers in watch.pl, and the list, are of one architecture
#[path = "../support/counts.rs"]
mod counts;
#[cfg(target_arch = "x86_64")]
#[path = "../support/listed_calls.rs"]
mod listed_calls;
#[cfg(target_arch = "x86_64")]
mod subject;
#[cfg(target_arch = "x86_64")]
mod watched;

fn main() {
    // As a harness does, it runs nothing if other tests are named.
    let is_other = |name: &String| !name.starts_with('-') && !"seccomp".contains(name.as_str());
    if std::env::args().skip(1).any(|name| is_other(&name)) {
        return;
    }
    #[cfg(target_arch = "x86_64")]
    match std::env::var_os(watched::SOCKET) {
        Some(path) => subject::run(path.as_ref()),
        None => watched::nothing_is_called_that_the_readme_does_not_list(),
    }
    #[cfg(not(target_arch = "x86_64"))]
    support::available::skipped("the list of system calls is that of x86_64");
}
