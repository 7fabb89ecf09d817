//! `--help`, generated from the table.

use crate::args::{CommandSpec, Opt, Takes};
use crate::table::{ABOUT, ADDRESSES, COMMANDS, STATUSES};

const COLUMNS: usize = 80;

/// `urpc --help`.
pub fn overview() -> String {
    let mut text = format!("urpc: {ABOUT}\n\nUsage:\n");
    for command in COMMANDS {
        text.push_str(&format!("  {}\n", usage(command)));
    }
    text.push_str("\nCommands:\n");
    for command in COMMANDS {
        item(&mut text, command.name, command.about, 14);
    }
    item(&mut text, "--version", "print the version", 14);
    format!("{text}\n{ADDRESSES}\n\n{STATUSES}\n\n'urpc COMMAND --help' documents every option.\n")
}

/// `urpc COMMAND --help`.
pub fn of_command(command: &CommandSpec) -> String {
    let mut text =
        format!("urpc {}: {}\n\nUsage: {}\n", command.name, command.about, usage(command));
    for paragraph in paragraphs(command) {
        text.push('\n');
        text.push_str(&paragraph);
    }
    text.push_str("\nOptions:\n");
    for option in command.options {
        item(&mut text, &spelling(option), option.about, 22);
    }
    if takes_address(command) {
        text.push_str(&format!("\n{ADDRESSES}\n\n{STATUSES}\n"));
    }
    text.push_str("\nExamples:\n");
    for (what, example) in command.examples {
        text.push_str(&format!("  {what}:\n    {example}\n"));
    }
    text
}

pub fn paragraphs(command: &CommandSpec) -> impl Iterator<Item = String> {
    command.text.split("\n\n").filter(|paragraph| !paragraph.is_empty()).map(wrapped)
}

fn wrapped(text: &str) -> String {
    let mut lines = String::new();
    wrap(&mut lines, text, 0, 0);
    lines
}

fn takes_address(command: &CommandSpec) -> bool {
    command.operands.contains("ADDRESS")
}

pub fn usage(command: &CommandSpec) -> String {
    let options = if command.options.len() > 1 { " [OPTION...]" } else { "" };
    format!("urpc {}{options} {}", command.name, command.operands).trim_end().to_owned()
}

/// `-f, --file FILE`
pub fn spelling(option: &Opt) -> String {
    let short = option.short.map_or("    ".to_owned(), |letter| format!("-{letter}, "));
    format!("{short}--{}{}", option.name, value_of(option, ' '))
}

fn value_of(option: &Opt, before: char) -> String {
    match option.takes {
        Takes::Nothing => String::new(),
        Takes::One(what) | Takes::Many(what) | Takes::Rest(what) => format!("{before}{what}"),
        Takes::Optional(what) => format!("[={what}]"),
    }
}

/// A name, and a text from column `column` on.
fn item(to: &mut String, name: &str, about: &str, column: usize) {
    to.push_str("  ");
    to.push_str(name);
    let at = 2 + name.chars().count();
    if at + 2 > column {
        to.push('\n');
        wrap(to, about, column, 0);
    } else {
        wrap(to, about, column, at);
    }
}

/// Appends `text` in lines of [`COLUMNS`], indented by `indent`. The first line begins at column
/// `at`.
pub fn wrap(to: &mut String, text: &str, indent: usize, at: usize) {
    wrap_to(COLUMNS, to, text, indent, at);
}

/// The same, with lines of `columns`.
pub fn wrap_to(columns: usize, to: &mut String, text: &str, indent: usize, mut at: usize) {
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if at > indent && at + 1 + length > columns {
            to.push('\n');
            at = 0;
        }
        let gap = if at < indent { indent - at } else { usize::from(at > indent) };
        to.extend(std::iter::repeat_n(' ', gap));
        to.push_str(word);
        at += gap + length;
    }
    to.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_filled_up_to_the_last_column_and_never_beyond() {
        let mut text = String::from("ab");
        wrap_to(10, &mut text, "one two three  fourteen and-one-that-is-longer x", 4, 2);
        assert_eq!(
            text,
            "ab  one\n    two\n    three\n    fourteen\n    and-one-that-is-longer\n    x\n"
        );
        text.clear();
        wrap_to(10, &mut text, "abcd efghi jklmnopqrs t uv wxyz1 23", 0, 0);
        assert_eq!(text, "abcd efghi\njklmnopqrs\nt uv wxyz1\n23\n");
        text.clear();
        wrap_to(10, &mut text, "longer-than-a-line x", 0, 0);
        assert_eq!(text, "longer-than-a-line\nx\n");
        text.clear();
        wrap_to(10, &mut text, "ää öö üüü", 2, 0);
        assert_eq!(text, "  ää öö\n  üüü\n");
    }

    #[test]
    fn a_text_stands_beside_its_name_if_two_spaces_fit_between() {
        let shown = |name: &str| {
            let mut text = String::new();
            item(&mut text, name, "about", 8);
            text
        };
        assert_eq!(shown("a"), "  a     about\n");
        assert_eq!(shown("abcd"), "  abcd  about\n");
        assert_eq!(shown("abcde"), "  abcde\n        about\n");
    }

    #[test]
    fn an_option_is_spelt_as_it_is_typed() {
        let spelt = |short, takes| spelling(&Opt { name: "file", short, takes, about: "" });
        assert_eq!(spelt(Some('f'), Takes::Many("FILE")), "-f, --file FILE");
        assert_eq!(spelt(None, Takes::Nothing), "    --file");
        assert_eq!(spelt(None, Takes::Optional("N")), "    --file[=N]");
        assert_eq!(spelt(None, Takes::One("N")), "    --file N");
        assert_eq!(spelt(None, Takes::Rest("CMD")), "    --file CMD");
    }

    #[test]
    fn the_parts_of_help_come_in_order() {
        let command = |operands, text| CommandSpec {
            name: "fly",
            operands,
            count: 0..=1,
            about: "flies",
            text,
            options: &[
                Opt { name: "help", short: Some('h'), takes: Takes::Nothing, about: "print help" },
                Opt { name: "to", short: None, takes: Takes::One("PLACE"), about: "where" },
            ],
            examples: &[("Fly away", "urpc fly"), ("To one", "urpc fly --to one")],
        };
        let help = of_command(&command("[NAME]", "One.\n\n\n\nTwo."));
        let expected = "urpc fly: flies\n\nUsage: urpc fly [OPTION...] [NAME]\n\nOne.\n\nTwo.\n\n\
            Options:\n  -h, --help          print help\n      --to PLACE      where\n\n\
            Examples:\n  Fly away:\n    urpc fly\n  To one:\n    urpc fly --to one\n";
        assert_eq!(help, expected);
        let connects = of_command(&command("ADDRESS", ""));
        assert!(connects.contains(ADDRESSES) && connects.contains(STATUSES), "{connects}");
        let bare = CommandSpec { options: &command("", "").options[..1], ..command("", "") };
        assert_eq!(usage(&bare), "urpc fly");
    }

    #[test]
    fn help_keeps_to_eighty_columns_but_for_what_is_typed() {
        for command in COMMANDS {
            let help = of_command(command);
            let prose = help.split("\nExamples:").next().unwrap();
            for line in prose.lines() {
                assert!(line.chars().count() <= COLUMNS, "{line}");
            }
        }
    }
}
