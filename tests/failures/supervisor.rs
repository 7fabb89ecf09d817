//! What `inject.pl` is told and what it answers, over the standard input and output.

use std::io::{self, BufRead, Write};

/// Whose system calls count.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Whose {
    /// This process.
    Own,
    /// The processes that this one starts.
    Childs,
}

impl Whose {
    fn word(self) -> &'static str {
        match self {
            Whose::Own => "self",
            Whose::Childs => "child",
        }
    }
}

/// What was called between the begin and the end.
pub struct Seen {
    /// The numbers of system calls, and how often each was made.
    pub counts: Vec<(u32, u32)>,
    /// Whether one failed.
    pub has_failed: bool,
}

pub fn count(whose: Whose) {
    ask(&format!("count {}", whose.word()));
}

pub fn fail(whose: Whose, call: u32, nth: u32, error: i32) {
    ask(&format!("fail {} {call} {nth} {error}", whose.word()));
}

pub fn end() -> Seen {
    let answer = ask("end");
    let words = answer.split_whitespace().filter_map(|word| word.split_once('='));
    let counts = words.filter_map(|(call, count)| Some((call.parse().ok()?, count.parse().ok()?)));
    Seen { counts: counts.collect(), has_failed: answer.contains("failed=1") }
}

fn ask(order: &str) -> String {
    let mut out = io::stdout().lock();
    out.write_all(format!("{order}\n").as_bytes()).and_then(|()| out.flush()).unwrap();
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).unwrap();
    answer
}
