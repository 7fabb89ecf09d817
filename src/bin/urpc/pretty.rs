//! JSON for people: indented, or on one line and shortened.
//!
//! Both use the library's tokens and keep the text of each, so numbers stay unchanged. What a
//! terminal might obey becomes an escape: see [`terminal`]. A byte that is not UTF-8 becomes U+FFFD,
//! as for every peer.

use urpc::json::{Kind, Token, Tokenizer};

use super::terminal::{self, Style};

/// Deeper levels are not indented further. Ten thousand are allowed, and the spaces would be a
/// hundred times the text.
const DEEPEST_INDENT: usize = 40;

/// Indented by two spaces a level, with a newline at the end. From the first byte that is not JSON,
/// the text stays unchanged.
pub fn indented(text: &[u8]) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    let mut layout = Layout { depth: 0, before: Before::Start };
    let end = each_token(text, |token| layout.add(&mut out, text, token));
    push_shown(&mut out, text[end..].trim_ascii_end());
    out.push('\n');
    out
}

/// On one line. `text` is the beginning of a message of `size` bytes. The number of missing bytes
/// is added.
pub fn one_line(text: &[u8], size: u64) -> String {
    let mut out = String::new();
    let shown = match std::str::from_utf8(text) {
        Err(error) if error.error_len().is_none() => &text[..error.valid_up_to()],
        _ => text,
    };
    push_shown(&mut out, shown);
    if size > text.len() as u64 {
        out.push_str(&format!("... ({} more bytes)", size - shown.len() as u64));
    }
    out
}

/// Passes each token of the first value to `act`. Returns where the value ends or becomes invalid.
fn each_token(text: &[u8], mut act: impl FnMut(Token)) -> usize {
    let mut tokenizer = Tokenizer::new();
    let (mut rest, mut end) = (text, 0);
    loop {
        let token = match tokenizer.next(&mut rest) {
            Ok(Some(token)) => token,
            Ok(None) => match tokenizer.finish() {
                Ok(Some(token)) => token,
                _ => return end,
            },
            Err(_) => return end,
        };
        end = token.range().end;
        act(token);
        if tokenizer.is_between_values() {
            return end;
        }
    }
}

/// What comes before the next token.
#[derive(Clone, Copy, PartialEq)]
enum Before {
    Start,
    Opening,
    Key,
    Value,
}

struct Layout {
    depth: usize,
    before: Before,
}

impl Layout {
    fn add(&mut self, out: &mut String, text: &[u8], token: Token) {
        let closes = matches!(token.kind, Kind::ObjectEnd | Kind::ArrayEnd);
        self.depth -= usize::from(closes);
        match (self.before, closes) {
            (Before::Start, _) | (Before::Opening, true) => {}
            (Before::Key, _) => out.push_str(": "),
            (Before::Value, false) => self.new_line(out, ","),
            (Before::Opening, false) | (Before::Value, true) => self.new_line(out, ""),
        }
        push_shown(out, &text[token.range()]);
        self.before = match token.kind {
            Kind::ObjectStart | Kind::ArrayStart => Before::Opening,
            Kind::Key => Before::Key,
            _ => Before::Value,
        };
        self.depth += usize::from(self.before == Before::Opening);
    }

    fn new_line(&self, out: &mut String, after: &str) {
        out.push_str(after);
        out.push('\n');
        out.extend(std::iter::repeat_n("  ", self.depth.min(DEEPEST_INDENT)));
    }
}

/// Appends `text`, which is part of a JSON text or invalid.
fn push_shown(out: &mut String, text: &[u8]) {
    terminal::push(out, text, Style::Json);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_strings_keep_their_text() {
        let text = br#" {"a":1.50,"b":[1E+05,{}, []],"c":"\u0041\/","d":{"e":null}} "#;
        let expected = r#"{
  "a": 1.50,
  "b": [
    1E+05,
    {},
    []
  ],
  "c": "\u0041\/",
  "d": {
    "e": null
  }
}
"#;
        assert_eq!(indented(text), expected);
        for scalar in ["-0", "1e400", "\"x\"", "true", "null"] {
            assert_eq!(indented(scalar.as_bytes()), format!("{scalar}\n"));
        }
    }

    #[test]
    fn nothing_reaches_a_terminal_that_it_would_obey() {
        assert_eq!(indented("\"\u{9b}2J\u{7f}\"".as_bytes()), "\"\\u009b2J\\u007f\"\n");
        assert_eq!(indented(b"\"\xe2\x82\""), "\"\u{fffd}\u{fffd}\"\n");
    }

    #[test]
    fn the_deepest_value_stays_small() {
        let text = [[b'['; 10_000], [b']'; 10_000]].concat();
        assert!(indented(&text).len() < 2_000_000);
    }

    #[test]
    fn a_long_text_is_cut_between_characters_and_what_is_left_counted() {
        assert_eq!(one_line(&"äöü".as_bytes()[..3], 6), "ä... (4 more bytes)");
        assert_eq!(one_line("ä".as_bytes(), 6), "ä... (4 more bytes)");
        assert_eq!(one_line(b"[1,\n\t2]", 7), "[1,  2]");
    }
}
