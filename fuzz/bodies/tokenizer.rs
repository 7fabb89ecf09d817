//! The tokenizer, whole and in chunks.
//!
//! Properties: however a stream is cut, the tokens, the first error and the verdict on its end are
//! the same; tokens follow each other, begin and end as their kind does, and only white space,
//! commas and colons lie between them; an error stays what it is.

use urpc::json::{Kind, SyntaxError, Token, Tokenizer, UnexpectedEnd};

pub fn run(data: &[u8]) {
    let (&cut, text) = data.split_first().unwrap_or((&0, &[]));
    let whole = Outcome::of(text, |rest| rest);
    check(text, &whole.tokens);
    assert_eq!(Outcome::of(text, |_| 1), whole, "byte by byte");
    assert_eq!(Outcome::of(text, |_| 1 + usize::from(cut)), whole, "in equal chunks");
    let mut state = u32::from(cut);
    let random = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        1 + (state >> 24) as usize % 9
    };
    assert_eq!(Outcome::of(text, random), whole, "in odd chunks");
}

#[derive(Debug, PartialEq)]
struct Outcome {
    tokens: Vec<(Token, usize)>,
    error: Option<SyntaxError>,
    end: Result<Option<Token>, UnexpectedEnd>,
    offset: u64,
}

impl Outcome {
    /// Reads `text` in chunks of the lengths that `length` gives, who is told how much is left.
    fn of(text: &[u8], mut length: impl FnMut(usize) -> usize) -> Outcome {
        let mut tokenizer = Tokenizer::new();
        let (mut tokens, mut error, mut rest) = (Vec::new(), None, text);
        while !rest.is_empty() && error.is_none() {
            let (mut chunk, behind) = rest.split_at(length(rest.len()).min(rest.len()));
            rest = behind;
            loop {
                match tokenizer.next(&mut chunk) {
                    Ok(Some(token)) => tokens.push((token, tokenizer.depth())),
                    Ok(None) => break,
                    Err(wrong) => {
                        assert_eq!(tokenizer.next(&mut chunk), Err(wrong), "an error stays");
                        error = Some(wrong);
                        break;
                    }
                }
            }
        }
        let offset = tokenizer.offset();
        let end = if error.is_none() { tokenizer.finish() } else { Ok(None) };
        Outcome { tokens, error, end, offset }
    }
}

fn check(text: &[u8], tokens: &[(Token, usize)]) {
    let mut end = 0;
    for (token, _) in tokens {
        let between = &text[end..token.range().start];
        assert!(between.iter().all(|byte| b" \t\r\n,:".contains(byte)), "{between:?}");
        end = token.range().end;
        let text = &text[token.range()];
        assert!(is_of_kind(token, text), "{token:?}: {text:?}");
    }
}

fn is_of_kind(token: &Token, text: &[u8]) -> bool {
    match token.kind {
        Kind::ObjectStart => text == b"{",
        Kind::ObjectEnd => text == b"}",
        Kind::ListStart => text == b"[",
        Kind::ListEnd => text == b"]",
        Kind::True => text == b"true",
        Kind::False => text == b"false",
        Kind::Null => text == b"null",
        Kind::Number => {
            let is_integer = !text.iter().any(|byte| b".eE".contains(byte));
            matches!(text[0], b'-' | b'0'..=b'9') && token.plain == is_integer
        }
        Kind::Key | Kind::String => {
            let is_quoted = text.len() >= 2 && text.starts_with(b"\"") && text.ends_with(b"\"");
            is_quoted && token.plain != text.contains(&b'\\')
        }
    }
}
