//! What a peer said, as the command prints it.
//!
//! Properties:
//! - No character that a terminal obeys or hides is printed. Only in lines a newline and a tab are.
//! - A text without such characters stays as it is. So what was printed can be printed again.
//! - JSON keeps its value.
//! - A text that comes in pieces is printed as the whole, and with as many lines.

use urpc::json::{self, Value};

use super::command::terminal::{self, Pieces, Style, is_hidden};

/// The first byte is the length of the pieces.
pub fn run(data: &[u8]) {
    let Some((length, text)) = data.split_first() else { return };
    for style in [Style::Line, Style::Lines, Style::Json] {
        let shown = push(text, style);
        let stays = |character: char| style == Style::Lines && matches!(character, '\n' | '\t');
        let is_left = |character: char| is_hidden(character) && !stays(character);
        assert!(!shown.contains(is_left), "{shown:?}");
        assert_eq!(push(shown.as_bytes(), style), shown);
        match std::str::from_utf8(text) {
            Ok(text) if !text.contains(is_left) => assert_eq!(shown, text),
            Ok(text) if style == Style::Line => assert_eq!(shown, terminal::visible(text)),
            _ => {}
        }
    }
    if let Ok(value) = json::from_slice::<Value>(text) {
        let shown = push(text, Style::Json);
        assert_eq!(json::from_str::<Value>(&shown).as_ref(), Ok(&value), "{shown:?}");
    }
    let lines = push(text, Style::Lines);
    let newlines = |text: &[u8]| text.iter().filter(|byte| **byte == b'\n').count();
    assert_eq!(newlines(lines.as_bytes()), newlines(text));
    let mut pieces = Pieces::default();
    let pieces_of = text.chunks(usize::from(*length).max(1));
    let shown: String = pieces_of.map(|piece| pieces.next(piece)).collect();
    assert_eq!(shown + &pieces.finish(), lines);
}

fn push(text: &[u8], style: Style) -> String {
    let mut out = String::new();
    terminal::push(&mut out, text, style);
    out
}
