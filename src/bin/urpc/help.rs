//! `--help`, the manual page and the completions, generated from the table.

use std::fmt::Write;

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

fn paragraphs(command: &CommandSpec) -> impl Iterator<Item = String> {
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

fn usage(command: &CommandSpec) -> String {
    let options = if command.options.len() > 1 { " [OPTION...]" } else { "" };
    format!("urpc {}{options} {}", command.name, command.operands).trim_end().to_owned()
}

/// `-f, --file FILE`
fn spelling(option: &Opt) -> String {
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
fn wrap(to: &mut String, text: &str, indent: usize, mut at: usize) {
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if at > indent && at + 1 + length > COLUMNS {
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

/// `urpc man`: the page in the language of man(7).
pub fn manual() -> String {
    let mut page = format!(
        ".TH URPC 1 \"\" \"urpc {}\"\n.SH NAME\nurpc \\- {}\n.SH SYNOPSIS\n",
        crate::VERSION,
        roff(ABOUT)
    );
    let usages: Vec<_> =
        COMMANDS.iter().map(|command| format!(".B {}\n", roff(&usage(command)))).collect();
    page.push_str(&usages.join(".br\n"));
    let _ = write!(page, ".SH ADDRESSES\n.nf\n{}\n.fi\n", roff(ADDRESSES));
    for command in COMMANDS {
        manual_of(&mut page, command);
    }
    let _ = write!(page, ".SH EXIT STATUS\n.nf\n{}\n.fi\n", roff(STATUSES));
    page
}

fn manual_of(page: &mut String, command: &CommandSpec) {
    let _ = writeln!(page, ".SH URPC {}\n{}.", command.name.to_uppercase(), roff(command.about));
    for paragraph in paragraphs(command) {
        let _ = writeln!(page, ".PP\n{}", roff(&paragraph));
    }
    for option in command.options {
        let _ = writeln!(page, ".TP\n.B {}", roff(spelling(option).trim_start()));
        let _ = writeln!(page, "{}", roff(&wrapped(option.about)));
    }
    for (what, example) in command.examples {
        let _ = writeln!(page, ".PP\n{}:\n.PP\n.nf\n    {}\n.fi", roff(what), roff(example));
    }
}

/// Escapes text for roff: it has no escapes, and no line begins as a request.
fn roff(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-");
    let lines: Vec<String> = text
        .lines()
        .map(|line| if line.starts_with(['.', '\'']) { format!("\\&{line}") } else { line.into() })
        .collect();
    lines.join("\n")
}

/// `urpc completion SHELL`. `None` for an unknown shell.
pub fn completion(shell: &str) -> Option<String> {
    match shell {
        "bash" => Some(bash()),
        "zsh" => Some(zsh()),
        "fish" => Some(fish()),
        _ => None,
    }
}

fn command_names() -> String {
    COMMANDS.iter().map(|command| command.name).collect::<Vec<_>>().join(" ")
}

/// The options and fixed operands of a command.
fn choices(command: &CommandSpec) -> String {
    let mut choices: Vec<String> =
        command.options.iter().map(|option| format!("--{}", option.name)).collect();
    if command.operands.contains('|') {
        choices.extend(command.operands.split('|').map(str::to_owned));
    }
    choices.join(" ")
}

fn bash() -> String {
    let mut script = String::from("_urpc() {\n    local words\n    case \"${COMP_WORDS[1]}\" in\n");
    for command in COMMANDS {
        let _ = writeln!(script, "        {}) words='{}' ;;", command.name, choices(command));
    }
    let _ = writeln!(script, "        *) words='{} --help --version' ;;", command_names());
    script.push_str("    esac\n    [ \"$COMP_CWORD\" -eq 1 ] && words='");
    script.push_str(&command_names());
    script.push_str(
        " --help --version'\n    COMPREPLY=($(compgen -W \"$words\" -- \"${COMP_WORDS[COMP_CWORD]}\"))\n}\n\
         complete -o default -F _urpc urpc\n",
    );
    script
}

fn zsh() -> String {
    let mut script = String::from("#compdef urpc\n_urpc() {\n    if (( CURRENT == 2 )); then\n");
    script.push_str("        local -a words=(\n");
    for command in COMMANDS {
        let _ = writeln!(
            script,
            "            {}",
            shell_quoted(&format!("{}:{}", command.name, command.about))
        );
    }
    script.push_str("        )\n        _describe word words\n        return\n    fi\n");
    script.push_str("    case ${words[2]} in\n");
    for command in COMMANDS {
        let _ = writeln!(script, "        {}) _arguments -S \\", command.name);
        for option in command.options {
            let _ = writeln!(script, "            {} \\", zsh_option(option));
        }
        let rest = match command.operands.contains('|') {
            true => format!("*:operand:({})", command.operands.replace('|', " ")),
            false => "*:operand:_files".to_owned(),
        };
        let _ = writeln!(script, "            {} ;;", shell_quoted(&rest));
    }
    script.push_str("    esac\n}\n");
    // As a file in $fpath it is the function's body. Otherwise it must register itself.
    script.push_str(
        "if [[ ${funcstack[1]} = _urpc ]]; then _urpc \"$@\"; else compdef _urpc urpc; fi\n",
    );
    script
}

/// An option for zsh's `_arguments`. If it has a short form, both forms in braces.
fn zsh_option(option: &Opt) -> String {
    let about = option.about.replace('[', "(").replace(']', ")").replace(':', "\\:");
    let (again, equals, value) = match option.takes {
        Takes::Nothing => ("", "", String::new()),
        Takes::One(what) => ("", "=", format!(":{what}:_files")),
        Takes::Optional(what) => ("", "=-", format!("::{what}: ")),
        Takes::Many(what) => ("*", "=", format!(":{what}:_files")),
        Takes::Rest(what) => ("", "", format!(":*::{what}:_normal")),
    };
    let (name, about) = (option.name, shell_quoted(&format!("[{about}]{value}")));
    match option.short {
        None => format!("'{again}--{name}{equals}'{about}"),
        Some(short) => format!("{{'{again}-{short}','{again}--{name}{equals}'}}{about}"),
    }
}

fn fish() -> String {
    let mut script = String::new();
    for command in COMMANDS {
        let _ = writeln!(
            script,
            "complete -c urpc -n __fish_use_subcommand -f -a {} -d {}",
            command.name,
            shell_quoted(command.about)
        );
        let here = format!("-n '__fish_seen_subcommand_from {}'", command.name);
        for option in command.options {
            let short = option.short.map_or(String::new(), |letter| format!(" -s {letter}"));
            let value = match option.takes {
                Takes::Nothing | Takes::Optional(_) => "",
                Takes::One(_) | Takes::Many(_) | Takes::Rest(_) => " -r",
            };
            let _ = writeln!(
                script,
                "complete -c urpc {here} -l {}{short}{value} -d {}",
                option.name,
                shell_quoted(option.about)
            );
        }
        if command.operands.is_empty() {
            let _ = writeln!(script, "complete -c urpc {here} -f");
        }
        if command.operands.contains('|') {
            let choices = command.operands.replace('|', " ");
            let _ = writeln!(script, "complete -c urpc {here} -f -a '{choices}'");
        }
    }
    script
}

/// In single quotes, for a POSIX shell and for fish.
fn shell_quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\"'\"'"))
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn the_manual_has_every_option_and_no_stray_request() {
        let manual = manual();
        for option in COMMANDS.iter().flat_map(|command| command.options) {
            assert!(manual.contains(&roff(&format!("--{}", option.name))));
        }
        for line in manual.lines().filter(|line| line.starts_with('.')) {
            let request = line.split(' ').next().unwrap();
            assert!([".TH", ".SH", ".B", ".br", ".nf", ".fi", ".PP", ".TP"].contains(&request));
        }
    }

    #[test]
    fn only_known_shells_have_completions() {
        assert!(["bash", "zsh", "fish"].iter().all(|shell| completion(shell).is_some()));
        assert!(completion("csh").is_none());
    }
}
