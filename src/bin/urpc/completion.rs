//! `urpc completion`: scripts with which shells complete a command line.
//!
//! A script asks this program, by the hidden command [`COMPLETE`], what can be typed. So the scripts
//! are short, and one function knows the table. The answer's first line says what the shell adds
//! itself ([`Wanted`]), and after a tab the part of the current word that stays as it is. Each
//! further line is a text for the rest of that word, and after a tab what it means.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use urpc::sandbox;

use crate::args::{CommandSpec, Item, Lexer, Opt, Parsed, Takes, quoted};
use crate::control_methods::names;
use crate::outcome::{Failure, Outcome, print};
use crate::table::COMMANDS;

/// The hidden command. Its arguments are the words of the line, but for the first, up to the
/// current one.
pub const COMPLETE: &str = "_complete";

pub fn run(parsed: &Parsed) -> Outcome {
    let shell = &parsed.operands[0];
    match shell.to_str() {
        Some("bash") => print(BASH),
        Some("zsh") => print(ZSH),
        Some("fish") => print(FISH),
        _ => Err(Failure::Usage(format!("no completion for {}", quoted(shell)))),
    }
}

/// Bash splits words at `:`, `=` and `@` too. It replaces only what follows the last `:` or `=`, or
/// what begins with the last `@`.
const BASH: &str = r#"_urpc() {
    local words=() word last=${COMP_WORDS[COMP_CWORD]} line wanted before
    for word in "${COMP_WORDS[@]:1:COMP_CWORD}"; do
        if ((${#words[@]})) && [[ $word == [:=]* || ${words[-1]} == *[:=@] ]]; then
            words[-1]+=$word
        else
            words+=("$word")
        fi
    done
    [[ $last == [:=@]* ]] && last=
    local skip=${words[-1]%"$last"} texts=()
    skip=${skip%@}
    {
        IFS=$'\t' read -r wanted before
        while IFS= read -r line; do texts+=("${line%%$'\t'*}"); done
    } < <("${COMP_WORDS[0]}" _complete "${words[@]}" 2>/dev/null)
    word=${words[-1]#"$before"}
    case $wanted in
        files) mapfile -t texts < <(compgen -f -- "$word") ;;
        directories) mapfile -t texts < <(compgen -d -- "$word") ;;
        programs) mapfile -t texts < <(compgen -c -- "$word") ;;
    esac
    # With this readline quotes file names, and an @ as well. Otherwise they are quoted here.
    local quotes=1
    [[ $wanted == none || $before == *@ ]] || { quotes=; compopt -o filenames 2>/dev/null; }
    COMPREPLY=()
    for word in "${texts[@]}"; do
        [[ $before == *@ && -d $word ]] && word+=/
        [[ $quotes ]] && printf -v word %q "$word"
        word=$before$word
        COMPREPLY+=("${word#"$skip"}")
    done
    [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == */ ]] && compopt -o nospace 2>/dev/null
    return 0
}
complete -F _urpc urpc
"#;

/// As a file in `$fpath` it is the function's body. Otherwise it must register itself.
const ZSH: &str = r#"#compdef urpc
_urpc() {
    local line text first
    local -a answer texts places
    answer=("${(@f)$(${(Q)words[1]} _complete "${(@Q)words[2,CURRENT]}" 2>/dev/null)}")
    first=${answer[1]}
    [[ -n ${first#*$'\t'} ]] && compset -P "${(b)first#*$'\t'}"
    for line in "${(@)answer[2,-1]}"; do
        text=${line%%$'\t'*}
        if [[ $text == */ ]]; then
            places+=("$text")
        else
            texts+=("${text//:/\\:}:${line#*$'\t'}")
        fi
    done
    case ${first%%$'\t'*} in
        files) _files ;;
        directories) _files -/ ;;
        programs) _command_names -e ;;
    esac
    (($#places)) && compadd -S '' -- "${places[@]}"
    (($#texts)) && _describe word texts
}
if [[ ${funcstack[1]} = _urpc ]]; then _urpc "$@"; else compdef _urpc urpc; fi
"#;

const FISH: &str = r#"function __urpc_complete
    set -l words (commandline -opc)
    set -l word (commandline -ct)
    set -l answer (command $words[1] _complete $words[2..] "$word" 2>/dev/null)
    set -l first (string split \t -- $answer[1])
    set -l rest (string sub -s (math 1 + (string length -- "$first[2]")) -- "$word")
    switch "$first[1]"
        case files
            set answer $answer[1] (__fish_complete_path "$rest")
        case directories
            set answer $answer[1] (__fish_complete_directories "$rest" '')
        case programs
            set answer $answer[1] (complete -C "$rest")
    end
    for line in $answer[2..]
        echo -- "$first[2]$line"
    end
end
complete -c urpc -f -a '(__urpc_complete)'
"#;

/// What a shell adds to the texts of an answer.
#[derive(Clone, Copy)]
enum Wanted {
    None,
    Files,
    Directories,
    Programs,
}

/// The hidden command: what the last of `words` can become.
pub fn complete(words: &[OsString]) -> Outcome {
    let Some((current, earlier)) = words.split_last() else { return Ok(()) };
    let mut answer = Answer { wanted: Wanted::None, current: current.as_bytes(), lines: vec![] };
    match earlier {
        [] => answer.commands(),
        [word] if word == "help" => answer.commands(),
        [word, arguments @ ..] => {
            if let Some(command) = COMMANDS.iter().find(|known| *known.name == **word) {
                answer.argument(command, arguments);
            }
        }
    }
    answer.print(current.as_bytes())
}

struct Answer<'w> {
    wanted: Wanted,
    /// The rest of the current word, to be completed.
    current: &'w [u8],
    lines: Vec<Vec<u8>>,
}

impl<'w> Answer<'w> {
    fn print(self, word: &[u8]) -> Outcome {
        let wanted = match self.wanted {
            Wanted::None => "none",
            Wanted::Files => "files",
            Wanted::Directories => "directories",
            Wanted::Programs => "programs",
        };
        let before = &word[..word.len() - self.current.len()];
        let mut text = [wanted.as_bytes(), b"\t", before, b"\n"].concat();
        for line in self.lines {
            text.extend_from_slice(&line);
            text.push(b'\n');
        }
        print(text)
    }

    /// Adds a text if the current word is its beginning. One with a control character is left out:
    /// no shell could tell its lines apart.
    fn add(&mut self, text: impl AsRef<[u8]>, about: &str) {
        let text = text.as_ref();
        if text.starts_with(self.current) && !text.iter().any(u8::is_ascii_control) {
            self.lines.push([text, b"\t", about.as_bytes()].concat());
        }
    }

    fn commands(&mut self) {
        COMMANDS.iter().for_each(|command| self.add(command.name, command.about));
        if self.current.starts_with(b"-") {
            self.add("--help", "print help");
            self.add("--version", "print the version");
        }
    }

    /// What can follow the `earlier` arguments of `command`.
    fn argument(&mut self, command: &CommandSpec, earlier: &[OsString]) {
        let mut lexer = Lexer::new(earlier.iter().cloned());
        let (mut given, mut operands) = (Parsed::default(), 0);
        while let Ok(Some(item)) = lexer.next() {
            let option = match &item {
                Item::Operand(_) => {
                    operands += 1;
                    if command.takes_command(operands) {
                        return;
                    }
                    continue;
                }
                Item::Long(name) => command.options.iter().find(|option| option.name == name),
                Item::Short(letter) => command.options.iter().find(|o| o.short == Some(*letter)),
            };
            let Some(option) = option else { return };
            let value = match option.takes {
                Takes::Nothing => OsString::new(),
                Takes::Optional(_) => lexer.attached_value().unwrap_or_default(),
                Takes::One(what) | Takes::Many(what) => match lexer.value("", what) {
                    Ok(value) => value,
                    Err(_) => return self.value(command, option, &given),
                },
                Takes::Rest(_) => {
                    self.wanted = match lexer.value("", "") {
                        Ok(_) => Wanted::Files,
                        Err(_) => Wanted::Programs,
                    };
                    return;
                }
            };
            given.options.push((option.name, value));
        }
        match self.current.starts_with(b"-") && !earlier.iter().any(|word| word == "--") {
            true => self.option(command, &given),
            false => self.operand(command, operands, &given),
        }
    }

    /// The name of an option, or after `=` its value.
    fn option(&mut self, command: &CommandSpec, given: &Parsed) {
        if let Some(at) = self.current.iter().position(|byte| *byte == b'=') {
            let (name, value) = (&self.current[2.min(at)..at], &self.current[at + 1..]);
            let option = command.options.iter().find(|option| option.name.as_bytes() == name);
            self.current = value;
            return option.map_or((), |option| self.value(command, option, given));
        }
        for option in command.options {
            let is_once = matches!(option.takes, Takes::One(_) | Takes::Optional(_));
            if !(is_once && given.has(option.name)) {
                self.add(format!("--{}", option.name), option.about);
            }
        }
    }

    fn value(&mut self, command: &CommandSpec, option: &Opt, given: &Parsed) {
        let (Takes::One(what) | Takes::Many(what) | Takes::Optional(what)) = option.takes else {
            return;
        };
        match what {
            "FILE" => self.wanted = Wanted::Files,
            "DIR" => self.wanted = Wanted::Directories,
            "ADDRESS" => self.address(command, option.name != "listen", given),
            _ => {}
        }
    }

    /// The operand with this index. The synopsis says what it is.
    fn operand(&mut self, command: &CommandSpec, index: usize, given: &Parsed) {
        if index >= *command.count.end() {
            return;
        }
        let synopsis = command.operands.replace(" | ", "|").replace(['[', ']'], "");
        let mut operands = synopsis.split_whitespace().filter(|word| *word != "or");
        let last = operands.clone().next_back().filter(|word| word.ends_with("..."));
        let Some(what) = operands.nth(index).or(last) else { return };
        let is_choice = what.contains('|');
        for what in what.split('|') {
            match what {
                "ADDRESS" => self.address(command, true, given),
                "runsc:ID" => self.containers(given),
                "METHOD" | "NAME" => names().for_each(|name| self.add(name, "")),
                "ARG" | "KEY=VALUE..." => self.argument_file(),
                word if is_choice => self.add(word, ""),
                _ => {}
            }
        }
    }

    /// An argument is JSON, or a file after `@`. Before it may be a name.
    fn argument_file(&mut self) {
        let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-.".contains(byte);
        if let Some(at) = self.current.iter().position(|byte| !is_name(byte)) {
            if self.current[at] == b'@' {
                (self.current, self.wanted) = (&self.current[at + 1..], Wanted::Files);
            }
        }
    }

    /// A socket's path, or what leads to one. If it is one to connect to, also a container.
    fn address(&mut self, command: &CommandSpec, connects: bool, given: &Parsed) {
        if connects && command.options.iter().any(|option| option.name == "root") {
            self.containers(given);
        }
        let end = self.current.iter().rposition(|byte| *byte == b'/').map_or(0, |at| at + 1);
        let (directory, name) = self.current.split_at(end);
        let place = if directory.is_empty() { b"." } else { directory };
        let Ok(entries) = fs::read_dir(Path::new(OsStr::from_bytes(place))) else { return };
        for entry in entries.flatten() {
            let entry_name = entry.file_name();
            let is_hidden = entry_name.as_bytes().starts_with(b".") && !name.starts_with(b".");
            let end: &[u8] = match fs::metadata(entry.path()).map(|found| found.file_type()) {
                _ if is_hidden => continue,
                Ok(kind) if kind.is_socket() => b"",
                Ok(kind) if kind.is_dir() => b"/",
                _ => continue,
            };
            self.add([directory, entry_name.as_bytes(), end].concat(), "");
        }
    }

    /// The containers that have a state, by `--root` if it was given before.
    fn containers(&mut self, given: &Parsed) {
        let root = given.value("root").map_or_else(sandbox::default_root, Into::into);
        for id in sandbox::containers(root).unwrap_or_default() {
            self.add([b"runsc:", id.as_bytes()].concat(), "");
        }
    }
}
