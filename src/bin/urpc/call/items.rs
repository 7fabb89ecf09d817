//! Arguments without quoting: `KEY=TEXT`, `KEY:=JSON` and `NAME@FILE`.
//!
//! The first `=` or `@` separates. No JSON text is of this form: one that contains `=` or `@` begins
//! with a quotation mark, a bracket or white space. This module has no side effects.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// What may be typed instead of ARG.
pub const FORMS: &str = "KEY=TEXT, KEY:=JSON and NAME@FILE";

/// A member of the argument, or a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Item<'a> {
    pub name: &'a [u8],
    pub value: &'a OsStr,
    pub kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Text,
    Json,
    File,
}

/// Reads an operand. `None` if it is not of this form.
pub fn split(operand: &OsStr) -> Option<Item<'_>> {
    let bytes = operand.as_bytes();
    let is_json = |byte: &u8| b"{[\"@ \t\r\n".contains(byte);
    if bytes.first().is_none_or(is_json) {
        return None;
    }
    let at = bytes.iter().position(|byte| matches!(byte, b'=' | b'@'))?;
    let (name, kind) = match (&bytes[..at], bytes[at]) {
        (name, b'@') => (name, Kind::File),
        ([name @ .., b':'], _) => (name, Kind::Json),
        (name, _) => (name, Kind::Text),
    };
    let value = OsStr::from_bytes(&bytes[at + 1..]);
    (!name.is_empty()).then_some(Item { name, value, kind })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_separator_counts_and_json_is_no_item() {
        for (operand, name, value, kind) in [
            ("a=b", "a", "b", Kind::Text),
            ("a=b=c@d", "a", "b=c@d", Kind::Text),
            ("a:b=c", "a:b", "c", Kind::Text),
            ("a=", "a", "", Kind::Text),
            ("1=x", "1", "x", Kind::Text),
            ("a:=[1]", "a", "[1]", Kind::Json),
            ("a@b=c", "a", "b=c", Kind::File),
            ("true=@x", "true", "@x", Kind::Text),
        ] {
            let item = Item { name: name.as_bytes(), value: OsStr::new(value), kind };
            assert_eq!(split(OsStr::new(operand)), Some(item), "{operand}");
        }
        for operand in ["", "a", "-", "=a", ":=1", "@a=b", "\"a=b\"", "{\"a\":\"=\"}", " [\"@\"]"] {
            assert_eq!(split(OsStr::new(operand)), None, "{operand}");
        }
    }
}
