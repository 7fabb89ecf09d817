//! Reads arguments by GNU's conventions: splits them into options and operands, and checks them
//! against a command's list.
//!
//! It uses only std and has no side effects. [`Lexer`] knows how arguments are spelt: `--long`,
//! `--long=VALUE`, `-s`, `-sVALUE`, `-ab`, and `--` before operands that look like options. `-`
//! alone and negative numbers are operands. [`parse`] knows which options a [`CommandSpec`] has.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::ops::RangeInclusive;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// A command of the program, such as `call`.
pub struct CommandSpec {
    pub name: &'static str,
    /// The operands, as the synopsis shows them, and their number.
    pub operands: &'static str,
    pub count: RangeInclusive<usize>,
    /// One line, then paragraphs.
    pub about: &'static str,
    pub text: &'static str,
    pub options: &'static [Opt],
    /// What an example does, and the command line.
    pub examples: &'static [(&'static str, &'static str)],
}

impl CommandSpec {
    /// Whether `operands` are so many that what follows belongs to another program's command line.
    pub fn takes_command(&self, operands: usize) -> bool {
        self.operands.ends_with("...") && operands >= *self.count.start()
    }
}

/// An option of a command.
pub struct Opt {
    pub name: &'static str,
    pub short: Option<char>,
    pub takes: Takes,
    pub about: &'static str,
}

/// What an option takes, and whether it may be given again.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    /// Nothing; it may be given again.
    Nothing,
    /// One value, once.
    One(&'static str),
    /// One value after an equals sign, or nothing; once.
    Optional(&'static str),
    /// One value each time.
    Many(&'static str),
    /// All arguments that follow, at least one.
    Rest(&'static str),
}

/// The options and operands of a command. Options come in the order in which they were typed. Those
/// without a value have an empty one.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Parsed {
    pub options: Vec<(&'static str, OsString)>,
    pub operands: Vec<OsString>,
}

impl Parsed {
    pub fn has(&self, name: &str) -> bool {
        self.options.iter().any(|(given, _)| *given == name)
    }

    /// The value of an option. If there are several, the last one.
    pub fn value(&self, name: &str) -> Option<&OsStr> {
        let given = self.options.iter().rev().find(|(given, _)| *given == name);
        given.map(|(_, value)| value.as_os_str())
    }

    pub fn values(&self, name: &'static str) -> impl Iterator<Item = &OsStr> {
        let given = self.options.iter().filter(move |(given, _)| *given == name);
        given.map(|(_, value)| value.as_os_str())
    }
}

/// Splits and checks `arguments` for `command`. The error is one line.
pub fn parse(
    command: &CommandSpec,
    arguments: impl IntoIterator<Item = OsString>,
) -> Result<Parsed, String> {
    let mut lexer = Lexer::new(arguments);
    let mut parsed = Parsed::default();
    while let Some(item) = lexer.next()? {
        let (spelt, option) = match item {
            Item::Operand(operand) => {
                parsed.operands.push(operand);
                lexer.only_operands |= command.takes_command(parsed.operands.len());
                continue;
            }
            Item::Short(letter) => {
                (format!("-{letter}"), command.options.iter().find(|o| o.short == Some(letter)))
            }
            Item::Long(name) => {
                (format!("--{name}"), command.options.iter().find(|o| o.name == name))
            }
        };
        let option = option.ok_or_else(|| format!("unknown option {spelt}"))?;
        take(option, &spelt, &mut lexer, &mut parsed)?;
    }
    let (given, allowed) = (parsed.operands.len(), &command.count);
    match given {
        _ if parsed.has("help") || allowed.contains(&given) => Ok(parsed),
        _ if given < *allowed.start() => Err(format!("expected {}", command.operands)),
        _ => Err(format!("unexpected {}", quoted(&parsed.operands[*allowed.end()]))),
    }
}

fn take(option: &Opt, spelt: &str, lexer: &mut Lexer, parsed: &mut Parsed) -> Result<(), String> {
    let is_given = parsed.has(option.name);
    let mut add = |value| parsed.options.push((option.name, value));
    match option.takes {
        Takes::Nothing => add(OsString::new()),
        Takes::Many(what) => add(lexer.value(spelt, what)?),
        Takes::Rest(what) => {
            add(lexer.value(spelt, what)?);
            std::iter::from_fn(|| lexer.arguments.pop_front()).for_each(add);
        }
        Takes::One(_) | Takes::Optional(_) if is_given => {
            return Err(format!("{spelt} is given twice"));
        }
        Takes::One(what) => add(lexer.value(spelt, what)?),
        Takes::Optional(what) => match lexer.attached_value() {
            Some(value) if value.is_empty() => return Err(format!("{spelt}= takes {what}")),
            value => add(value.unwrap_or_default()),
        },
    }
    Ok(())
}

/// One piece of a command line.
#[derive(Debug, PartialEq, Eq)]
pub enum Item {
    Short(char),
    Long(String),
    Operand(OsString),
}

/// Splits arguments into pieces.
#[derive(Debug)]
pub struct Lexer {
    arguments: VecDeque<OsString>,
    /// What is left of the argument with the last option.
    left: Left,
    only_operands: bool,
}

#[derive(Debug)]
enum Left {
    Nothing,
    /// `VALUE` of `--option=VALUE`, and the option for the error if nothing takes the value.
    Value(String, OsString),
    /// `bc` of `-abc`: more options, or a value.
    Letters(Vec<u8>),
}

impl Lexer {
    pub fn new(arguments: impl IntoIterator<Item = OsString>) -> Lexer {
        let arguments = arguments.into_iter().collect();
        Lexer { arguments, left: Left::Nothing, only_operands: false }
    }

    /// The next piece, `None` at the end.
    pub fn next(&mut self) -> Result<Option<Item>, String> {
        match std::mem::replace(&mut self.left, Left::Nothing) {
            Left::Value(option, _) => return Err(format!("--{option} takes no value")),
            Left::Letters(letters) => return self.letter(letters).map(Some),
            Left::Nothing => {}
        }
        let Some(argument) = self.arguments.pop_front() else { return Ok(None) };
        match argument.as_bytes() {
            _ if self.only_operands => Ok(Some(Item::Operand(argument))),
            b"--" => {
                self.only_operands = true;
                self.next()
            }
            [b'-', b'-', long @ ..] => self.long(long).map(Some),
            [b'-', first, ..] if !first.is_ascii_digit() => {
                self.letter(argument.as_bytes()[1..].to_vec()).map(Some)
            }
            _ => Ok(Some(Item::Operand(argument))),
        }
    }

    /// The value of the last option: the rest of its argument, or the next one.
    pub fn value(&mut self, spelt: &str, what: &str) -> Result<OsString, String> {
        let value = self.attached_value().or_else(|| self.arguments.pop_front());
        value.ok_or_else(|| format!("{spelt} takes {what}"))
    }

    /// The value of the last option, if it is the rest of its argument.
    pub fn attached_value(&mut self) -> Option<OsString> {
        match std::mem::replace(&mut self.left, Left::Nothing) {
            Left::Value(_, value) => Some(value),
            Left::Letters(letters) => Some(OsString::from_vec(letters)),
            Left::Nothing => None,
        }
    }

    fn long(&mut self, long: &[u8]) -> Result<Item, String> {
        let end = long.iter().position(|byte| *byte == b'=').unwrap_or(long.len());
        let name = String::from_utf8(long[..end].to_vec())
            .map_err(|_| format!("unknown option {}", quoted(OsStr::from_bytes(long))))?;
        if let Some(value) = long.get(end + 1..) {
            self.left = Left::Value(name.clone(), OsStr::from_bytes(value).to_owned());
        }
        Ok(Item::Long(name))
    }

    /// The first of `letters`, which must not be empty. The others are left.
    fn letter(&mut self, letters: Vec<u8>) -> Result<Item, String> {
        let first = letters.utf8_chunks().next().and_then(|chunk| chunk.valid().chars().next());
        let first = first
            .ok_or_else(|| format!("unknown option -{}", quoted(OsStr::from_bytes(&letters))))?;
        if letters.len() > first.len_utf8() {
            self.left = Left::Letters(letters[first.len_utf8()..].to_vec());
        }
        Ok(Item::Short(first))
    }
}

/// `text` in quotation marks, on one line, with control characters escaped.
pub fn quoted(text: &OsStr) -> String {
    format!("'{}'", text.as_bytes().escape_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMAND: CommandSpec = CommandSpec {
        name: "test",
        operands: "ONE [TWO]",
        count: 1..=2,
        about: "",
        text: "",
        options: &[
            Opt { name: "flag", short: Some('f'), takes: Takes::Nothing, about: "" },
            Opt { name: "one", short: Some('o'), takes: Takes::One("N"), about: "" },
            Opt { name: "many", short: None, takes: Takes::Many("N"), about: "" },
            Opt { name: "perhaps", short: Some('p'), takes: Takes::Optional("N"), about: "" },
            Opt { name: "rest", short: None, takes: Takes::Rest("CMD"), about: "" },
        ],
        examples: &[],
    };

    fn parse_all(arguments: &[&str]) -> Result<Parsed, String> {
        parse(&COMMAND, arguments.iter().map(OsString::from))
    }

    fn operands(arguments: &[&str]) -> Vec<OsString> {
        parse_all(arguments).unwrap().operands
    }

    #[test]
    fn a_value_may_be_attached_or_follow() {
        for arguments in [["x", "--one=5", "-f"].as_slice(), &["-fo5", "x"], &["-o", "5", "x"]] {
            let parsed = parse_all(arguments).unwrap();
            assert_eq!(parsed.value("one"), Some(OsStr::new("5")), "{arguments:?}");
            assert_eq!(parsed.operands, ["x"]);
        }
    }

    #[test]
    fn a_value_that_may_be_left_out_is_never_the_next_argument() {
        for (arguments, value) in [
            (["--perhaps", "x"].as_slice(), ""),
            (&["--perhaps=5", "x"], "5"),
            (&["-p", "x"], ""),
            (&["-fp5", "x"], "5"),
        ] {
            let parsed = parse_all(arguments).unwrap();
            assert_eq!(parsed.value("perhaps"), Some(OsStr::new(value)), "{arguments:?}");
            assert_eq!(parsed.operands, ["x"]);
        }
    }

    #[test]
    fn a_dash_negative_numbers_and_what_follows_two_dashes_are_operands() {
        assert_eq!(operands(&["-", "-5.5e3"]), ["-", "-5.5e3"]);
        assert_eq!(operands(&["--", "--flag", "-f"]), ["--flag", "-f"]);
        assert_eq!(operands(&["--", "--"]), ["--"]);
    }

    #[test]
    fn the_rest_belongs_to_the_option_that_takes_it() {
        let parsed = parse_all(&["x", "--rest", "sh", "-c", "--flag", "--"]).unwrap();
        let rest: Vec<_> = parsed.values("rest").collect();
        assert_eq!(rest, ["sh", "-c", "--flag", "--"]);
        assert!(!parsed.has("flag"));
    }

    #[test]
    fn each_mistake_is_named() {
        for (arguments, error) in [
            (&[][..], "expected ONE [TWO]"),
            (&["a", "b", "c"], "unexpected 'c'"),
            (&["a", "--no"], "unknown option --no"),
            (&["a", "-fx"], "unknown option -x"),
            (&["a", "--flag=1"], "--flag takes no value"),
            (&["a", "--one"], "--one takes N"),
            (&["a", "-o1", "--one", "2"], "--one is given twice"),
            (&["a", "--perhaps="], "--perhaps= takes N"),
            (&["a", "-p", "--perhaps=2"], "--perhaps is given twice"),
            (&["a", "--rest"], "--rest takes CMD"),
        ] {
            assert_eq!(parse_all(arguments).unwrap_err(), error, "{arguments:?}");
        }
    }

    #[test]
    fn every_short_sequence_of_a_small_vocabulary_is_read_or_refused_without_loss() {
        const VOCABULARY: [&str; 10] =
            ["a", "-", "--", "-f", "-fo", "--one=", "--many", "-ü", "--rest", "--perhaps=1"];
        for length in 0..=4 {
            for mut index in 0..VOCABULARY.len().pow(length) {
                let mut arguments = Vec::new();
                for _ in 0..length {
                    arguments.push(VOCABULARY[index % VOCABULARY.len()]);
                    index /= VOCABULARY.len();
                }
                if let Ok(parsed) = parse_all(&arguments) {
                    assert!(parsed.operands.len() + parsed.options.len() <= 2 * arguments.len());
                    assert!(COMMAND.count.contains(&parsed.operands.len()));
                }
            }
        }
    }
}
