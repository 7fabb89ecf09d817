//! What the command reads from its command line: options, values, and addresses.
//!
//! Properties: no argument makes a parser panic, whatever its bytes; an address that was read is
//! written to a text that reads back as the same one; a refusal says something.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use urpc::Address;

#[allow(dead_code)]
#[path = "../../src/bin/urpc/args.rs"]
mod args;
#[allow(dead_code)]
#[path = "../../src/bin/urpc/values.rs"]
mod values;

use args::{Item, Lexer};

pub fn run(data: &[u8]) {
    lex(data);
    for word in data.split(|byte| *byte == 0) {
        read_values(OsStr::from_bytes(word));
        if let Ok(text) = std::str::from_utf8(word) {
            address(text);
        }
    }
}

/// Every word comes out once, or an error does.
fn lex(data: &[u8]) {
    let words: Vec<_> =
        data.split(|byte| *byte == 0).map(|word| OsString::from_vec(word.to_vec())).collect();
    let mut lexer = Lexer::new(words);
    // A word holds at most as many options as it has bytes.
    for _ in 0..=data.len() + 1 {
        match lexer.next() {
            Ok(None) => return,
            Ok(Some(Item::Operand(_))) => {}
            Ok(Some(_)) => {
                let _ = lexer.value("--option", "a value");
            }
            Err(error) => return assert!(!error.is_empty()),
        }
    }
    panic!("the words do not end");
}

fn read_values(word: &OsStr) {
    let errors = [
        values::duration(word).err(),
        values::size(word).err(),
        values::number(word, 1, 253).err(),
        values::mode(word).err(),
        values::file_to_send(word).err(),
        values::method(word).err(),
    ];
    assert!(errors.iter().flatten().all(|error| !error.is_empty()));
}

fn address(text: &str) {
    match text.parse::<Address>() {
        Ok(address) => {
            let written = address.to_string();
            assert_eq!(written.parse::<Address>().as_ref(), Ok(&address), "{written:?}");
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}
