//! The manual page in the language of man(7), generated from the table.

use std::fmt::Write;

use crate::args::CommandSpec;
use crate::help::{spelling, usage, wrap};
use crate::table::{ABOUT, ADDRESSES, COMMANDS, DATE, ENVIRONMENT, STATUSES};

const DESCRIPTION: &str = "\
urpc is the protocol with which gVisor's runsc controls its sandboxes. A client and a server exchange \
JSON over a Unix socket, and open files with it. This program calls methods, answers them, shows what \
others say, and measures. Each command is described below.";

const SEE_ALSO: &str = "https://gvisor.dev describes runsc. unix(7) and sendmsg(2) describe how files \
are sent over a socket.";

/// `urpc man`.
pub fn page() -> String {
    let mut page = format!(
        ".TH URPC 1 \"{DATE}\" \"urpc {}\" \"User Commands\"\n.SH NAME\nurpc \\- {}\n.SH SYNOPSIS\n",
        crate::VERSION,
        escaped(ABOUT)
    );
    let usages: Vec<_> =
        COMMANDS.iter().map(|command| format!(".B {}\n", escaped(&usage(command)))).collect();
    page.push_str(&usages.join(".br\n"));
    let _ = write!(page, ".SH DESCRIPTION\n{}", filled(DESCRIPTION));
    let _ = write!(page, ".SH ADDRESSES\n{}", as_it_is(ADDRESSES));
    for command in COMMANDS {
        describe(&mut page, command);
    }
    let _ = write!(page, ".SH EXIT STATUS\n{}", as_it_is(STATUSES));
    page.push_str(".SH ENVIRONMENT\n");
    for (name, about) in ENVIRONMENT {
        let _ = write!(page, ".TP\n.B {name}\n{}", filled(about));
    }
    page + ".SH SEE ALSO\n" + &filled(SEE_ALSO)
}

fn describe(page: &mut String, command: &CommandSpec) {
    let _ = writeln!(page, ".SH URPC {}", command.name.to_uppercase());
    page.push_str(&filled(&format!("{}.", command.about)));
    for paragraph in command.text.split("\n\n").filter(|paragraph| !paragraph.is_empty()) {
        let _ = write!(page, ".PP\n{}", filled(paragraph));
    }
    for option in command.options {
        let spelling = spelling(option);
        let _ = write!(page, ".TP\n.B {}\n", escaped(spelling.trim_start()));
        page.push_str(&filled(option.about));
    }
    for (what, example) in command.examples {
        let _ = write!(page, ".PP\n{}.PP\n", filled(&format!("{what}:")));
        page.push_str(&as_it_is(&format!("    {example}")));
    }
}

/// Text that roff fills.
fn filled(text: &str) -> String {
    let mut lines = String::new();
    wrap(&mut lines, &escaped(text), 0, 0);
    guarded(&lines)
}

/// Lines that roff leaves as they are.
fn as_it_is(text: &str) -> String {
    format!(".nf\n{}.fi\n", guarded(&escaped(text)))
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\e").replace('-', "\\-")
}

/// So that no line begins as a request.
fn guarded(text: &str) -> String {
    let guard = |line: &str| if line.starts_with(['.', '\'']) { "\\&" } else { "" };
    text.lines().map(|line| format!("{}{line}\n", guard(line))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_escaped_and_begin_no_request() {
        assert_eq!(filled("a  b\n-c \\d"), "a b \\-c \\ed\n");
        assert_eq!(filled(".a"), "\\&.a\n");
        assert_eq!(as_it_is("'a\n b\n.c"), ".nf\n\\&'a\n b\n\\&.c\n.fi\n");
        let manual = page();
        assert!(manual.contains(&format!(".SH DESCRIPTION\n{}.SH ", filled(DESCRIPTION))));
        assert!(manual.ends_with(&format!(".SH SEE ALSO\n{}", filled(SEE_ALSO))));
        for command in COMMANDS {
            let paragraphs = command.text.split("\n\n").filter(|text| !text.is_empty());
            assert_eq!(paragraphs.count(), manual_part(&manual, command).matches(".PP\n").count());
        }
    }

    /// What is said of a command before its options and examples.
    fn manual_part<'a>(manual: &'a str, command: &CommandSpec) -> &'a str {
        let title = format!(".SH URPC {}\n", command.name.to_uppercase());
        let part = manual.split(&title).nth(1).unwrap();
        part.split(".TP\n").next().unwrap()
    }

    #[test]
    fn the_manual_has_every_option_and_no_stray_request() {
        let manual = page();
        for option in COMMANDS.iter().flat_map(|command| command.options) {
            assert!(manual.contains(&escaped(&format!("--{}", option.name))));
        }
        for line in manual.lines().filter(|line| line.starts_with('.')) {
            let request = line.split(' ').next().unwrap();
            assert!([".TH", ".SH", ".B", ".br", ".nf", ".fi", ".PP", ".TP"].contains(&request));
        }
    }
}
