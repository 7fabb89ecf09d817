//! The text of strings and names, read and written, compared with a simple implementation.
//!
//! Properties:
//! - A string is read the same as a value and as a name, with its escapes resolved and its invalid
//!   bytes replaced. It is refused if an escape or a byte is not allowed.
//! - A text is written with the escapes that Go writes and no others. So is a string that was JSON
//!   already.
//! - Bytes are written in base64 and read as the same.
//! - A member is found by each spelling of its name that Go accepts, and by no other.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use urpc::json::{self, Bytes, RawJson, Text, Value};

urpc::record! {
    /// Members with letters that equal characters beyond ASCII under case folding.
    #[derive(Debug, Default)]
    struct Named {
        success: u8,
        kiosk: u8 => "KiOsK",
        err: u8 => "Err",
    }
}

pub fn run(inner: &[u8]) {
    check_bytes(inner);
    let text = [b"\"", inner, b"\""].concat();
    let expected = read(inner);
    assert_eq!(json::from_slice::<String>(&text).ok(), expected);
    let Some(string) = expected else {
        return assert!(json::from_slice::<Value>(&text).is_err());
    };
    let any = json::from_slice::<Value>(&text);
    assert!(matches!(&any, Ok(Value::String(same)) if *same == string), "{any:?}");
    let object = [b"{", &text[..], b":1}"].concat();
    let map: BTreeMap<String, u8> = json::from_slice(&object).expect("a map");
    assert_eq!(map.keys().collect::<Vec<_>>(), [&string]);
    check_fold(&object, &string);

    assert_eq!(json::to_string(&string), Ok(write(&string)));
    let compact = json::to_vec(&RawJson::new(text.as_slice())).expect("a string is JSON");
    assert_eq!(compact, escape_raw(&text), "what {} becomes as it is", text.escape_ascii());
}

/// Bytes are written in base64. A name of the system and a path are written if they are UTF-8.
fn check_bytes(bytes: &[u8]) {
    let encoded = json::to_vec(&Bytes::from(bytes)).expect("bytes can be written");
    let same: Bytes = json::from_slice(&encoded).expect("what was written is read");
    assert!(same == Bytes::from(bytes.to_vec()) && same.as_ref() == bytes);
    let (name, path) = (OsStr::from_bytes(bytes), Path::new(OsStr::from_bytes(bytes)));
    let written = std::str::from_utf8(bytes).ok().and_then(|text| json::to_vec(text).ok());
    assert_eq!(json::to_vec(name).ok(), written);
    assert_eq!(json::to_vec(path).ok(), written);
    if let Some(first) = std::str::from_utf8(bytes).ok().and_then(|text| text.chars().next()) {
        let text = json::to_vec(&Text::from(first)).expect("a character can be written");
        assert_eq!(json::from_slice(&text), Ok(Text(Some(first))));
    }
}

/// The text of a string from its JSON without quotes, or `None` if it is malformed.
fn read(mut rest: &[u8]) -> Option<String> {
    let mut text = String::new();
    while let Some(&byte) = rest.first() {
        let length = match byte {
            b'"' | ..0x20 => return None,
            b'\\' => {
                let (character, length) = read_escape(rest)?;
                text.push(character);
                length
            }
            _ => {
                let lengths = 1..=rest.len().min(4);
                let first = lengths.filter_map(|length| std::str::from_utf8(&rest[..length]).ok());
                let first = first.into_iter().next();
                text.push_str(first.unwrap_or("\u{fffd}"));
                first.map_or(1, str::len)
            }
        };
        rest = &rest[length..];
    }
    Some(text)
}

/// The character of an escape, and the length of the escape.
fn read_escape(escape: &[u8]) -> Option<(char, usize)> {
    let character = match escape.get(1)? {
        b'b' => '\x08',
        b'f' => '\x0c',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        same @ (b'"' | b'\\' | b'/') => char::from(*same),
        b'u' => {
            let units = [read_unit(escape)?, read_unit(escape.get(6..)?).unwrap_or(0)];
            let first = char::decode_utf16(units).next()?;
            return Some(match first {
                Ok(character) => (character, 6 * character.len_utf16()),
                Err(_) => ('\u{fffd}', 6),
            });
        }
        _ => return None,
    };
    Some((character, 2))
}

/// The number in `\uXXXX`.
fn read_unit(escape: &[u8]) -> Option<u16> {
    let digits = std::str::from_utf8(escape.get(..6)?.strip_prefix(b"\\u")?).ok()?;
    let are_digits = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    u16::from_str_radix(digits, 16).ok().filter(|_| are_digits)
}

/// How Go writes a text.
fn write(text: &str) -> String {
    let mut written = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => written.extend(['\\', character]),
            '\n' => written.push_str("\\n"),
            '\r' => written.push_str("\\r"),
            '\t' => written.push_str("\\t"),
            '\x08' => written.push_str("\\b"),
            '\x0c' => written.push_str("\\f"),
            ..' ' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                written.push_str(&format!("\\u{:04x}", u32::from(character)));
            }
            _ => written.push(character),
        }
    }
    written + "\""
}

/// How Go writes a string that is JSON already.
fn escape_raw(text: &[u8]) -> Vec<u8> {
    let mut written = Vec::new();
    let mut rest = text;
    while let Some(&byte) = rest.first() {
        let (form, length): (&[u8], _) = match rest {
            [b'<', ..] => (b"\\u003c", 1),
            [b'>', ..] => (b"\\u003e", 1),
            [b'&', ..] => (b"\\u0026", 1),
            [0xe2, 0x80, 0xa8, ..] => (b"\\u2028", 3),
            [0xe2, 0x80, 0xa9, ..] => (b"\\u2029", 3),
            _ => (&[byte], 1),
        };
        written.extend_from_slice(form);
        rest = &rest[length..];
    }
    written
}

/// Checks that a name finds a member if and only if the two are equal under case folding.
fn check_fold(object: &[u8], name: &str) {
    let named: Named = json::from_slice(object).expect("a record");
    let folded: String = name
        .chars()
        .map(|character| match character {
            'ſ' => 's',
            '\u{212a}' => 'k',
            _ => character.to_ascii_lowercase(),
        })
        .collect();
    let found = [named.success, named.kiosk, named.err].map(|value| value == 1);
    assert_eq!(found, ["success", "kiosk", "err"].map(|member| folded == member), "{name:?}");
}
