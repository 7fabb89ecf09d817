//! Exit statuses, and output to a reader that may close its end early.

use std::ffi::OsStr;
use std::fmt::Display;
use std::io;
use std::os::unix::ffi::OsStrExt;

use super::terminal::{self, visible};
use super::{control_methods, streams};
use urpc::Limit;

/// Why the command fails.
#[derive(Debug)]
pub enum Failure {
    /// Wrong usage. The text is printed with a hint at `--help`.
    Usage(String),
    /// A text of the user is not valid. `place` shows where, on lines of its own that are safe to
    /// print.
    Invalid { what: String, place: String },
    /// A local file or program cannot be used.
    Local(String),
    /// The remote method failed.
    Remote(String),
    /// The connection could not be made, or it failed.
    Transport(String),
    /// The reader of our output has closed its end. Nothing is reported.
    Unread,
    /// The exit status of the program that was run.
    Program(u8),
    /// Everything is reported. The exit status.
    Reported(u8),
}

pub type Outcome = Result<(), Failure>;

impl Failure {
    pub fn local(what: impl Display, error: impl Display) -> Failure {
        Failure::Local(format!("{what}: {error}"))
    }

    /// An option with a value that is not valid.
    pub fn value(option: &str, value: &OsStr, expected: impl Display) -> Failure {
        let value = value.as_bytes().escape_ascii();
        Failure::Usage(format!("--{option} takes {expected}, not '{value}'"))
    }

    /// Connecting has failed. Its time limit is raised by the option `option`.
    pub fn not_connected(error: io::Error, option: &str) -> Failure {
        let text = urpc::Error::from(error).to_string();
        Failure::Transport(text.replace(&Limit::ConnectTime.to_string(), option))
    }

    pub fn status(&self) -> u8 {
        match self {
            Failure::Unread => 0,
            Failure::Remote(_) => 1,
            Failure::Usage(_) | Failure::Invalid { .. } | Failure::Local(_) => 2,
            Failure::Transport(_) => 3,
            Failure::Program(status) | Failure::Reported(status) => *status,
        }
    }

    /// Its text on one line, if there is one. For a text that is not valid, also the place.
    pub fn text(&self) -> Option<String> {
        Some(match self {
            Failure::Remote(text) if text.is_empty() => WITHOUT_TEXT.to_owned(),
            Failure::Remote(text) => format!("remote error: {}", shortened(text)),
            Failure::Invalid { what, place } => format!(
                "{}
{place}",
                visible(what)
            ),
            Failure::Usage(text) | Failure::Local(text) | Failure::Transport(text) => {
                shortened(text)
            }
            Failure::Unread | Failure::Program(_) | Failure::Reported(_) => return None,
        })
    }

    /// Prints its text to standard error, if there is one.
    pub fn report(&self, command: &str) {
        self.report_at(command, "");
    }

    /// The same with `place` before the text.
    pub fn report_at(&self, command: &str, place: &str) {
        let Some(text) = self.text() else { return };
        let command = if command.is_empty() { String::new() } else { format!(" {command}") };
        let hint = match self {
            Failure::Usage(_) => format!(" (see 'urpc{command} --help')"),
            _ => String::new(),
        };
        say(&format!("urpc{command}: {place}{text}{hint}"));
    }
}

impl From<urpc::Error> for Failure {
    fn from(error: urpc::Error) -> Failure {
        match error.as_remote() {
            Some(remote) => {
                Failure::Remote(control_methods::explained(remote.message(), error.method()))
            }
            None => Failure::Transport(explained(&error)),
        }
    }
}

/// The text of a remote error that has none.
const WITHOUT_TEXT: &str = "remote error without a text (a reply with neither success nor err counts \
    as one: is this a urpc server?)";

/// `text` on one line. Of a long one, the beginning and the end: a name that comes first may be as
/// long as a peer or a caller likes, and the reason comes last.
fn shortened(text: &str) -> String {
    const FIRST: usize = 3 << 10;
    const LAST: usize = 1 << 10;
    if text.len() <= FIRST + LAST {
        return visible(text);
    }
    let boundary = |at: &usize| text.is_char_boundary(*at);
    let end = (0..=FIRST).rev().find(boundary).unwrap_or(0);
    let start = (text.len() - LAST..=text.len()).find(boundary).unwrap_or(text.len());
    let (first, last) = (visible(&text[..end]), visible(&text[start..]));
    format!("{first} ... {} bytes are left out here ... {last}", start - end)
}

/// The text of the library's error with the limits by the names of their options.
pub fn explained(error: &urpc::Error) -> String {
    const NAMES: [(Limit, &str); 7] = [
        (Limit::CallTime, "--timeout"),
        (Limit::Within, "--timeout"),
        (Limit::IdleTime, "--idle-timeout"),
        (Limit::SendFiles, "--max-files"),
        (Limit::ReceiveFiles, "--max-files"),
        (Limit::MessageBytes, "--max-message"),
        (Limit::Clients, "--max-clients"),
    ];
    let text = error.to_string();
    let mut text =
        NAMES.iter().fold(text, |text, (limit, option)| text.replace(&limit.to_string(), option));
    // No option raises the others. Their names are those of the library.
    while let Some(start) = text.find(" (raise Limits::") {
        let end = text[start..].find(')').map_or(text.len(), |length| start + length + 1);
        text.replace_range(start..end, "");
    }
    text
}

/// Writes all of `bytes` to standard output.
pub fn print(bytes: impl AsRef<[u8]>) -> Outcome {
    streams::write_all(&mut io::stdout().lock(), bytes.as_ref()).map_err(|error| {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Failure::Unread,
            _ => Failure::local("standard output", error),
        }
    })
}

/// Writes a line to standard error. What a terminal would obey is escaped, and newlines are not.
pub fn say(line: &str) {
    let mut shown = String::new();
    terminal::push(&mut shown, line.as_bytes(), terminal::Style::Lines);
    print_error(shown + "\n");
}

/// Writes all of `bytes` to standard error. A failure is ignored: there is nowhere to report it.
pub fn print_error(bytes: impl AsRef<[u8]>) {
    let _ = streams::write_all(&mut io::stderr().lock(), bytes.as_ref());
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_limit_is_named_by_its_option_or_not_at_all() {
        let after = Duration::from_secs(30);
        let text = |name| {
            let doing = "cannot connect".into();
            explained(&urpc::Error::TimedOut {
                method: None,
                doing,
                name,
                after,
                mid_message: false,
            })
        };
        let (with, without) = (text(Limit::Within), text(Limit::ConnectTime));
        assert_eq!(with, "cannot connect: timed out after 30s (raise --timeout to wait longer)");
        assert_eq!(without, "cannot connect: no server accepted within 30s");
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        for length in 4090..4110 {
            let text = "a".repeat(length % 5) + &"\u{fc}".repeat(length / 2);
            let shown = shortened(&text);
            assert!(shown.len() < 4200, "{}", shown.len());
            assert_eq!(shown == text, text.len() <= 4096);
        }
        let shown = shortened(&("a".repeat(3072) + &"b".repeat(904) + &"c".repeat(1024)));
        let (first, last) = ("a".repeat(3072), "c".repeat(1024));
        assert_eq!(shown, format!("{first} ... 904 bytes are left out here ... {last}"));
    }
}
