//! Errors in JSON that a person wrote: the source, the line and the column, the line itself, and a
//! caret below the place.

use urpc::json::Error;

use crate::outcome::Failure;
use crate::terminal::visible;

/// How much of the line is shown: characters before the place, and in all.
const BEFORE: usize = 40;
const COLUMNS: usize = 72;

/// The failure of `text`, which came from `source`. `first_line` is the number of its first line.
pub fn not_json(source: &str, text: &[u8], first_line: u64, error: &Error) -> Failure {
    if text.trim_ascii().is_empty() {
        return Failure::Local(format!("{source} is empty, which is not JSON"));
    }
    let (offset, reason) = match error {
        Error::Syntax(error) => (error.offset as usize, format!("expected {}", error.expected)),
        _ => (text.trim_ascii_end().len(), "the text ends before its value does".to_owned()),
    };
    let offset = offset.min(text.len());
    let before = &text[..offset];
    let start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let line = first_line + before.iter().filter(|byte| **byte == b'\n').count() as u64;
    let column = String::from_utf8_lossy(&text[start..offset]).chars().count() + 1;
    let hint = hint(text, offset);
    let what = format!("{source} is not JSON: line {line}, column {column}: {reason}{hint}");
    let end = text[offset..].iter().position(|byte| *byte == b'\n');
    let end = end.map_or(text.len(), |length| offset + length);
    Failure::Invalid { what, place: place(&text[start..offset], &text[offset..end]) }
}

/// What else to type, where that is certain.
fn hint(text: &[u8], offset: usize) -> &'static str {
    let is_letter = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-./".contains(byte);
    let start = text.len() - text.trim_ascii_start().len();
    let is_bare = text.get(start).is_some_and(|byte| !byte.is_ascii_digit() && *byte != b'-');
    if text.get(offset) == Some(&b'\'') {
        " (JSON has double quotes)"
    } else if is_bare && start <= offset && text[start..offset].iter().all(is_letter) {
        let word = text[start..].iter().take_while(|byte| is_letter(byte)).count();
        if word > 0 { " (a string needs its own quotes: '\"...\"')" } else { "" }
    } else {
        ""
    }
}

/// The line, cut to [`COLUMNS`], and a caret between `before` and `after`.
fn place(before: &[u8], after: &[u8]) -> String {
    // A character has at most four bytes.
    let near = &before[before.len().saturating_sub(4 * COLUMNS)..];
    let after = &after[..after.len().min(4 * COLUMNS)];
    let (near, after) = (shown(near), shown(after.trim_ascii_end()));
    let cut = near.chars().count().saturating_sub(BEFORE);
    let mut line = String::from(if cut > 0 { "..." } else { "" });
    line.extend(near.chars().skip(cut));
    let caret = line.chars().count();
    line.extend(after.chars().take(COLUMNS - caret));
    line.push_str(if after.chars().count() > COLUMNS - caret { "..." } else { "" });
    format!("  {line}\n  {:caret$}^", "")
}

fn shown(text: &[u8]) -> String {
    visible(&String::from_utf8_lossy(text))
}
