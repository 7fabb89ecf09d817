//! JSON for people: indented, or on one line and shortened.
//!
//! Both use the library's tokens and keep the text of each, so numbers stay unchanged. What a
//! terminal might obey becomes an escape: see [`terminal`]. A byte that is not UTF-8 becomes U+FFFD,
//! as for every peer.

use urpc::json::{Kind, Token, Tokenizer};

use crate::colour;
use crate::outcome::{Failure, Outcome};
use crate::terminal::{self, Style};

/// Deeper levels are not indented further. Ten thousand are allowed, and the spaces would be a
/// hundred times the text.
const DEEPEST_INDENT: usize = 40;

/// How much of a token is escaped at a time, and how much of the output is collected.
const PIECE: usize = 16 * 1024;

/// Where shown text goes, in pieces.
pub type Write<'a> = &'a mut dyn FnMut(&[u8]) -> Outcome;

/// Writes `text` indented by two spaces a level, with a newline at the end, and its keys in colour
/// if `colour`. From the first byte that is not JSON, the text stays unchanged. What it writes is
/// never in memory as a whole.
pub fn write_indented(text: &[u8], colour: bool, write: Write<'_>) -> Outcome {
    let mut out = Out { text: String::new(), write };
    let mut layout = Layout { depth: 0, before: Before::Start, colour };
    let end = each_token(text, |token| layout.add(&mut out, text, token))?;
    out.push_shown(text[end..].trim_ascii_end())?;
    out.end_line()
}

/// Writes `text` on one line, with a newline at the end.
pub fn write_line(text: &[u8], write: Write<'_>) -> Outcome {
    let mut out = Out { text: String::new(), write };
    out.push_shown(text.trim_ascii())?;
    out.end_line()
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
fn each_token(text: &[u8], mut act: impl FnMut(Token) -> Outcome) -> Result<usize, Failure> {
    let mut tokenizer = Tokenizer::new();
    let (mut rest, mut end) = (text, 0);
    loop {
        let token = match tokenizer.next(&mut rest) {
            Ok(Some(token)) => token,
            Ok(None) => match tokenizer.finish() {
                Ok(Some(token)) => token,
                _ => return Ok(end),
            },
            Err(_) => return Ok(end),
        };
        end = token.range().end;
        act(token)?;
        if tokenizer.is_between_values() {
            return Ok(end);
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
    colour: bool,
}

impl Layout {
    fn add(&mut self, out: &mut Out<'_>, text: &[u8], token: Token) -> Outcome {
        let closes = matches!(token.kind, Kind::ObjectEnd | Kind::ArrayEnd);
        self.depth -= usize::from(closes);
        match (self.before, closes) {
            (Before::Start, _) | (Before::Opening, true) => {}
            (Before::Key, _) => out.text.push_str(": "),
            (Before::Value, false) => self.new_line(out, ","),
            (Before::Opening, false) | (Before::Value, true) => self.new_line(out, ""),
        }
        self.before = match token.kind {
            Kind::ObjectStart | Kind::ArrayStart => Before::Opening,
            Kind::Key => Before::Key,
            _ => Before::Value,
        };
        self.depth += usize::from(self.before == Before::Opening);
        let is_coloured = self.colour && token.kind == Kind::Key;
        out.text.push_str(if is_coloured { colour::KEY } else { "" });
        out.push_shown(&text[token.range()])?;
        out.text.push_str(if is_coloured { colour::END } else { "" });
        Ok(())
    }

    fn new_line(&self, out: &mut Out<'_>, after: &str) {
        out.text.push_str(after);
        out.text.push('\n');
        out.text.extend(std::iter::repeat_n("  ", self.depth.min(DEEPEST_INDENT)));
    }
}

/// Collects text and passes it on in pieces.
struct Out<'a> {
    text: String,
    write: Write<'a>,
}

impl Out<'_> {
    /// Appends `text`, which is part of a JSON text or invalid.
    fn push_shown(&mut self, mut text: &[u8]) -> Outcome {
        while !text.is_empty() {
            let (piece, rest) = text.split_at(end_of_piece(text));
            push_shown(&mut self.text, piece);
            text = rest;
            if self.text.len() >= PIECE {
                (self.write)(self.text.as_bytes())?;
                self.text.clear();
            }
        }
        Ok(())
    }

    fn end_line(mut self) -> Outcome {
        self.text.push('\n');
        (self.write)(self.text.as_bytes())
    }
}

/// Where to cut `text`: after [`PIECE`] bytes or a little less, between two characters.
fn end_of_piece(text: &[u8]) -> usize {
    if text.len() <= PIECE {
        return text.len();
    }
    let is_start = |at: &usize| text[*at] & 0xC0 != 0x80;
    (PIECE - 3..=PIECE).rev().find(is_start).unwrap_or(PIECE)
}

/// Appends `text`, which is part of a JSON text or invalid.
fn push_shown(out: &mut String, text: &[u8]) {
    terminal::push(out, text, Style::Json);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn indented(text: &[u8]) -> String {
        let mut out = Vec::new();
        let mut collect = |piece: &[u8]| {
            assert!(piece.len() < 4 * PIECE);
            out.extend_from_slice(piece);
            Ok(())
        };
        write_indented(text, false, &mut collect).unwrap();
        String::from_utf8(out).unwrap()
    }

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
            assert_eq!(indented(format!(" {scalar}").as_bytes()), format!("{scalar}\n"));
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
    fn a_long_token_is_cut_between_characters() {
        for shift in 0..4 {
            let text = format!("\"{}{}\"", "x".repeat(shift), "\u{1f600}".repeat(3 * PIECE));
            assert_eq!(indented(text.as_bytes()), format!("{text}\n"));
        }
        let text = [vec![b'"'], vec![0x80; 3 * PIECE], vec![b'"']].concat();
        assert_eq!(indented(&text).chars().count(), text.len() + 1);
    }

    #[test]
    fn a_long_text_is_cut_between_characters_and_what_is_left_counted() {
        assert_eq!(one_line(&"äöü".as_bytes()[..3], 6), "ä... (4 more bytes)");
        assert_eq!(one_line("ä".as_bytes(), 6), "ä... (4 more bytes)");
        assert_eq!(one_line(b"[1,\n\t2]", 7), "[1,  2]");
        assert_eq!(one_line(b"a\xffb", 3), "a\u{fffd}b");
    }
}
