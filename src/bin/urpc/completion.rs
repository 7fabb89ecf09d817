//! `urpc completion`: scripts for shells, generated from the table.

use std::fmt::Write;

use crate::args::{CommandSpec, Opt, Parsed, Takes, quoted};
use crate::outcome::{Failure, Outcome, print};
use crate::table::COMMANDS;

pub fn run(parsed: &Parsed) -> Outcome {
    let shell = &parsed.operands[0];
    match shell.to_str().and_then(completion) {
        Some(script) => print(script),
        None => Err(Failure::Usage(format!("no completion for {}", quoted(shell)))),
    }
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
    choices.extend(words(command).map(str::to_owned));
    choices.join(" ")
}

/// The operands that are words to choose from: those in lower case.
fn words(command: &CommandSpec) -> impl Iterator<Item = &'static str> {
    let is_choice = |word: &&str| word.bytes().all(|byte| byte.is_ascii_lowercase());
    command.operands.split('|').filter(is_choice).filter(|word| !word.is_empty())
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
        let words: Vec<&str> = words(command).collect();
        let rest = match words.is_empty() {
            false => format!("*:operand:({})", words.join(" ")),
            true => "*:operand:_files".to_owned(),
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
        for word in words(command) {
            let _ = writeln!(script, "complete -c urpc {here} -f -a '{word}'");
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
    fn only_known_shells_have_completions() {
        assert!(["bash", "zsh", "fish"].iter().all(|shell| completion(shell).is_some()));
        assert!(completion("csh").is_none());
    }
}
