//! What a peer said, made safe to print.
//!
//! A terminal obeys control characters. Others change what a reader sees without being seen: they
//! turn the direction of the text, end a line, or take no room. [`push`] writes each of them as an
//! escape. Everything that a peer or a peer's program said passes through it, because a file or a
//! pipe may be shown on a terminal later.
//!
//! It uses only std and has no side effects.

/// How the text is laid out, and how an escape is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// One line, with the escapes of Rust: `\n`, `\u{202e}`.
    Line,
    /// Lines: the same, but a newline and a tab stay.
    Lines,
    /// JSON on one line: `\u202e`, which means the same in a string. White space becomes a space.
    Json,
}

/// `text` on one line.
pub fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    push(&mut shown, text.as_bytes(), Style::Line);
    shown
}

/// Appends `text`. Each byte that is not UTF-8 becomes U+FFFD.
pub fn push(out: &mut String, text: &[u8], style: Style) {
    for chunk in text.utf8_chunks() {
        let mut rest = chunk.valid();
        // Most text is ASCII, in which bytes are characters.
        while let Some(at) = rest.bytes().position(|byte| !matches!(byte, b' '..=b'~')) {
            out.push_str(&rest[..at]);
            let mut characters = rest[at..].chars();
            match characters.next() {
                Some(hidden) if is_hidden(hidden) => push_hidden(out, hidden, style),
                character => out.extend(character),
            }
            rest = characters.as_str();
        }
        out.push_str(rest);
        out.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
}

fn push_hidden(out: &mut String, character: char, style: Style) {
    match (style, character) {
        (Style::Lines, '\n' | '\t') => out.push(character),
        (Style::Json, '\0'..' ') => out.push(' '),
        (Style::Json, _) => {
            for unit in character.encode_utf16(&mut [0; 2]) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        }
        (Style::Line | Style::Lines, _) => out.extend(character.escape_default()),
    }
}

/// Whether a terminal obeys `character`, or shows nothing of it: the control and format characters
/// of Unicode, its separators of lines and paragraphs, and those that it ignores by default.
pub fn is_hidden(character: char) -> bool {
    matches!(
        character,
        '\0'..='\u{1f}'
            | '\u{7f}'..='\u{9f}'
            | '\u{ad}'
            | '\u{34f}'
            | '\u{600}'..='\u{605}'
            | '\u{61c}'
            | '\u{6dd}'
            | '\u{70f}'
            | '\u{890}'..='\u{891}'
            | '\u{8e2}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}'
            | '\u{110bd}'
            | '\u{110cd}'
            | '\u{13430}'..='\u{1343f}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

/// Makes a text safe that comes in pieces. A piece may end within a character.
#[derive(Debug, Default)]
pub struct Pieces {
    /// The beginning of a character.
    begun: Vec<u8>,
}

impl Pieces {
    /// The next piece, in [`Style::Lines`].
    pub fn next(&mut self, piece: &[u8]) -> String {
        let mut text = std::mem::take(&mut self.begun);
        text.extend_from_slice(piece);
        self.begun = text.split_off(text.len() - begun_at_end(&text));
        lines(&text)
    }

    /// What is left when the text has ended.
    pub fn finish(self) -> String {
        lines(&self.begun)
    }
}

/// How many bytes at the end of `text` are the beginning of a character. The longest character has
/// four.
fn begun_at_end(text: &[u8]) -> usize {
    let is_begun = |length: &usize| {
        let end = text.len().checked_sub(*length).map(|start| std::str::from_utf8(&text[start..]));
        matches!(end, Some(Err(error)) if error.valid_up_to() == 0 && error.error_len().is_none())
    };
    (1..=3).find(is_begun).unwrap_or(0)
}

/// `text` in [`Style::Lines`].
pub fn lines(text: &[u8]) -> String {
    let mut shown = String::with_capacity(text.len());
    push(&mut shown, text, Style::Lines);
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, style: Style) -> String {
        let mut out = String::new();
        push(&mut out, text.as_bytes(), style);
        out
    }

    #[test]
    fn what_a_terminal_obeys_or_hides_is_an_escape_in_each_style() {
        for (text, line, lines, json) in [
            ("a\u{1b}[2J", "a\\u{1b}[2J", "a\\u{1b}[2J", "a [2J"),
            ("\n\t\r", "\\n\\t\\r", "\n\t\\r", "   "),
            ("\0", "\\u{0}", "\\u{0}", " "),
            ("\u{7f}", "\\u{7f}", "\\u{7f}", "\\u007f"),
            ("\u{9b}2J", "\\u{9b}2J", "\\u{9b}2J", "\\u009b2J"),
            ("\u{ad}", "\\u{ad}", "\\u{ad}", "\\u00ad"),
            ("\u{200b}", "\\u{200b}", "\\u{200b}", "\\u200b"),
            ("\u{2028}", "\\u{2028}", "\\u{2028}", "\\u2028"),
            ("a\u{202e}b", "a\\u{202e}b", "a\\u{202e}b", "a\\u202eb"),
            ("\u{2066}\u{2069}", "\\u{2066}\\u{2069}", "\\u{2066}\\u{2069}", "\\u2066\\u2069"),
            ("\u{feff}", "\\u{feff}", "\\u{feff}", "\\ufeff"),
            ("\u{e0041}", "\\u{e0041}", "\\u{e0041}", "\\udb40\\udc41"),
            ("\\ \"ü漢\u{1f600}", "\\ \"ü漢\u{1f600}", "\\ \"ü漢\u{1f600}", "\\ \"ü漢\u{1f600}"),
        ] {
            assert_eq!(shown(text, Style::Line), line, "{text:?}");
            assert_eq!(shown(text, Style::Lines), lines, "{text:?}");
            assert_eq!(shown(text, Style::Json), json, "{text:?}");
        }
    }

    #[test]
    fn every_control_character_is_hidden_and_no_letter_is() {
        for character in '\0'..=char::MAX {
            assert!(is_hidden(character) || !character.is_control(), "{character:?}");
            assert!(!is_hidden(character) || !character.is_ascii_graphic(), "{character:?}");
        }
    }

    #[test]
    fn pieces_are_the_whole_however_it_is_cut() {
        let text = b"\xe2\x80\xae \xf0\x9f\x98\x80\xff\xe2\x82 a\n\xc3\xa4\xf0\x9f";
        let mut whole = Pieces::default();
        let whole = whole.next(text) + &whole.finish();
        assert_eq!(whole, "\\u{202e} \u{1f600}\u{fffd}\u{fffd}\u{fffd} a\nä\u{fffd}\u{fffd}");
        for size in 1..text.len() {
            let mut pieces = Pieces::default();
            let shown: String = text.chunks(size).map(|piece| pieces.next(piece)).collect();
            assert_eq!(shown + &pieces.finish(), whole, "{size}");
        }
    }
}
