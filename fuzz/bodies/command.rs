//! What the command reads from its command line: options, values, and addresses.
//!
//! Properties:
//! - No argument makes a parser panic.
//! - Each command accepts or refuses a list of arguments. What it accepted means the same with all
//!   options written in their long form.
//! - A value that was accepted is within its bounds.
//! - An address means what a simple reading of its escapes gives. Its text reads back as the same
//!   address. Except for `runsc:ID` it is the library's own text.
//! - The method that is nearest to a name is one of the table, and a name of the table is its own.
//! - A member such as `KEY=TEXT` is no JSON text, and loses no byte.
//! - An error is one line with a text.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::time::Duration;

use urpc::Address;

#[allow(dead_code)]
#[path = "../../src/bin/urpc/address.rs"]
mod address;
#[allow(dead_code)]
#[path = "../../src/bin/urpc/args.rs"]
mod args;
#[allow(dead_code)]
#[path = "../../src/bin/urpc/control_methods.rs"]
mod control_methods;
#[allow(dead_code)]
#[path = "../../src/bin/urpc/call/items.rs"]
mod items;
#[allow(dead_code)]
#[path = "../../src/bin/urpc/outcome.rs"]
mod outcome;
#[allow(dead_code)]
#[path = "../../src/bin/urpc/streams.rs"]
mod streams;
#[allow(dead_code)]
#[path = "../../src/bin/urpc/table.rs"]
mod table;
#[allow(dead_code)]
#[path = "../../src/bin/urpc/terminal.rs"]
pub mod terminal;
#[allow(dead_code)]
#[path = "../../src/bin/urpc/values.rs"]
mod values;

use args::{CommandSpec, Item, Lexer, Opt, Parsed, Takes};
use outcome::Failure;
use terminal::visible;

/// The arguments follow each other, separated by NUL, which no argument can contain.
pub fn run(data: &[u8]) {
    let words: Vec<_> =
        data.split(|byte| *byte == 0).map(|word| OsString::from_vec(word.to_vec())).collect();
    lex(&words, data.len());
    table::COMMANDS.iter().for_each(|word| parse(word, &words));
    for word in &words {
        read_values(word);
        read_address(word);
        read_item(word);
        if let Some(name) = word.to_str().filter(|name| name.len() <= LONGEST_METHOD) {
            find_method(name);
        }
    }
}

/// The longest name that is looked for.
const LONGEST_METHOD: usize = 64;

fn find_method(name: &str) {
    let is_known = |name: &str| control_methods::names().any(|known| known == name);
    let nearest = control_methods::nearest(name);
    assert!(nearest.is_none_or(is_known) && (!is_known(name) || nearest == Some(name)));
    let explained = control_methods::explained(control_methods::UNKNOWN, Some(name));
    assert!(explained.starts_with(control_methods::UNKNOWN));
    assert!(
        is_known(name) || explained.len() > control_methods::UNKNOWN.len() || nearest.is_none()
    );
}

/// Every argument is returned once, or there is an error.
fn lex(words: &[OsString], length: usize) {
    let mut lexer = Lexer::new(words.iter().cloned());
    // An argument has at most as many options as bytes.
    for _ in 0..=length + 1 {
        match lexer.next() {
            Ok(None) => return,
            Ok(Some(Item::Operand(operand))) => assert!(words.contains(&operand)),
            Ok(Some(_)) => {
                let _ = lexer.value("--option", "a value");
            }
            Err(error) => return check_refusal(&error),
        }
    }
    panic!("the arguments do not end");
}

fn parse(command: &CommandSpec, arguments: &[OsString]) {
    let parsed = match args::parse(command, arguments.iter().cloned()) {
        Ok(parsed) => parsed,
        Err(error) => return check_refusal(&error),
    };
    assert!(parsed.has("help") || command.count.contains(&parsed.operands.len()));
    if let Some(arguments) = in_full(command, &parsed) {
        assert_eq!(args::parse(command, arguments), Ok(parsed));
    }
}

/// Arguments with the same meaning, without short forms. `None` if there are none: operands that
/// look like options cannot come before an option that takes all arguments after it.
fn in_full(command: &CommandSpec, parsed: &Parsed) -> Option<Vec<OsString>> {
    let takes = |name: &str| {
        let found = command.options.iter().find(|option| option.name == name);
        found.map(|Opt { takes, .. }| *takes).expect("an option of the command")
    };
    let mut arguments = Vec::new();
    for (name, value) in &parsed.options {
        match takes(name) {
            Takes::Rest(_) => return None,
            Takes::Nothing => arguments.push(format!("--{name}").into()),
            Takes::Optional(_) if value.is_empty() => arguments.push(format!("--{name}").into()),
            Takes::One(_) | Takes::Many(_) | Takes::Optional(_) => {
                arguments.push([format!("--{name}=").into(), value.clone()].into_iter().collect())
            }
        }
    }
    arguments.push("--".into());
    arguments.extend(parsed.operands.iter().cloned());
    Some(arguments)
}

fn read_values(word: &OsStr) {
    let text = word.to_str().unwrap_or_default();
    match values::duration(word) {
        Ok(time) => assert!(!time.is_zero() && time <= Duration::from_secs(366 * 86400)),
        Err(error) => check_refusal(&error),
    }
    match values::size(word) {
        Ok(size) => assert!(text.parse().map_or(size % 1024 == 0, |plain: usize| plain == size)),
        Err(error) => check_refusal(&error),
    }
    match values::number(word, 1, 253) {
        Ok(number) => assert!((1..=253).contains(&number) && text.parse() == Ok(number)),
        Err(error) => check_refusal(&error),
    }
    match values::mode(word) {
        Ok(mode) => assert!(mode <= 0o777 && format!("{mode:o}") == shortest(text)),
        Err(error) => check_refusal(&error),
    }
    match values::method(word) {
        Ok(spec) => {
            let name = format!("{}.{}=", spec.type_name, spec.method);
            let whole: OsString = [OsString::from(name), spec.command].into_iter().collect();
            assert_eq!(whole, word);
        }
        Err(error) => check_refusal(&error),
    }
    if let Err(error) = values::file_to_send(word) {
        check_refusal(&error);
    }
}

fn read_item(word: &OsStr) {
    let Some(items::Item { name, value, kind }) = items::split(word) else { return };
    let separator: &[u8] = match kind {
        items::Kind::Text => b"=",
        items::Kind::Json => b":=",
        items::Kind::File => b"@",
    };
    assert!(!name.is_empty());
    assert_eq!([name, separator, value.as_bytes()].concat(), word.as_bytes());
    assert!(urpc::json::from_slice::<urpc::json::RawJson>(word.as_bytes()).is_err());
}

/// A number's digits without leading zeros.
fn shortest(digits: &str) -> &str {
    match digits.trim_start_matches('0') {
        "" => "0",
        digits => digits,
    }
}

fn read_address(word: &OsStr) {
    let own = word.to_str().map(str::parse::<Address>);
    // The directory does not exist, so a container has no state.
    let root = Parsed { options: vec![("root", "/tmp/none/such".into())], operands: Vec::new() };
    match address::parse(word, &root) {
        Ok(address::Target::Address(address)) => {
            let written = address.to_string();
            if let Some(Ok(own)) = own {
                assert_eq!(own, address);
                assert_eq!(written.parse().ok().as_ref(), Some(&own), "{written:?}");
            }
        }
        Ok(_) => panic!("there is no state of {word:?}"),
        Err(Failure::Usage(error)) => {
            check_refusal(&error);
            let is_runsc = word.as_bytes().starts_with(b"runsc:");
            assert!(is_runsc || own.is_none_or(|own| own.is_err()), "{error}");
        }
        Err(Failure::Transport(error)) => {
            check_refusal(&error);
            assert!(
                word.as_bytes().starts_with(b"runsc:") && error.contains("no state of"),
                "{error}"
            );
        }
        Err(error) => panic!("{error:?}"),
    }
    if let Some(name) = word.to_str().and_then(|text| text.strip_prefix('@')) {
        let read = format!("@{name}").parse().ok();
        assert_eq!(read, unescape(name).map(Address::Abstract), "{name:?}");
    }
}

/// The bytes of an abstract name.
fn unescape(name: &str) -> Option<Vec<u8>> {
    let (mut bytes, mut characters) = (Vec::new(), name.chars());
    while let Some(character) = characters.next() {
        if character != '\\' {
            bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            continue;
        }
        bytes.push(match characters.next()? {
            '0' => 0,
            '\\' => b'\\',
            'x' => {
                let digits = [characters.next()?.to_digit(16)?, characters.next()?.to_digit(16)?];
                u8::try_from(digits[0] * 16 + digits[1]).ok()?
            }
            _ => return None,
        });
    }
    Some(bytes)
}

fn check_refusal(error: &str) {
    let shown = visible(error);
    assert!(!shown.is_empty() && !shown.contains(terminal::is_hidden), "{error:?}");
}
