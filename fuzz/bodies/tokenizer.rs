//! The tokenizer, on a stream in one piece and in chunks.
//!
//! Properties:
//! - The chunks of a stream make no difference to its tokens, its first error and its end.
//! - The text of a token is that of its kind. Between tokens there is only white space, and the
//!   comma or colon that the grammar wants.
//! - The depth is the number of open brackets and never above the limit. Only a bracket beyond the
//!   limit is refused for its depth.
//! - After an error, the next call gives the same error.

use urpc::json::{Error, Kind, MAX_DEPTH, SyntaxError, Token, Tokenizer};

/// From this first byte on, the text is inside so many arrays that the depth is near its limit.
const DEEP: u8 = 250;
static ARRAYS: [u8; MAX_DEPTH] = [b'['; MAX_DEPTH];

pub fn run(data: &[u8]) {
    let (&cut, text) = data.split_first().unwrap_or((&0, &[]));
    let open = cut.checked_sub(DEEP).map_or(0, |room| MAX_DEPTH - usize::from(room));
    let whole = Outcome::of(open, text, |rest| rest);
    let depth = check(open, text, &whole.tokens);
    let is_for_depth = whole.error.is_some_and(|error| error.expected.contains("10000"));
    assert_eq!(is_for_depth, depth == MAX_DEPTH && is_for_bracket(whole.error));
    assert_eq!(Outcome::of(open, text, |_| 1), whole, "byte by byte");
    assert_eq!(Outcome::of(open, text, |_| 1 + usize::from(cut)), whole, "in equal chunks");
    let mut state = u32::from(cut);
    let random = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        1 + (state >> 24) as usize % 9
    };
    assert_eq!(Outcome::of(open, text, random), whole, "in odd chunks");
}

#[derive(Debug, PartialEq)]
struct Outcome {
    tokens: Vec<(Token, usize)>,
    error: Option<SyntaxError>,
    end: Result<Option<Token>, Error>,
    offset: u64,
}

impl Outcome {
    /// Reads `open` opening brackets and then `text`, in chunks. `length` gives the length of the
    /// next chunk from the number of bytes left.
    fn of(open: usize, text: &[u8], mut length: impl FnMut(usize) -> usize) -> Outcome {
        let mut tokenizer = Tokenizer::new();
        let mut arrays = &ARRAYS[..open];
        while let Ok(Some(_)) = tokenizer.next(&mut arrays) {}
        assert_eq!(tokenizer.depth(), open);
        let (mut tokens, mut error, mut rest) = (Vec::new(), None, text);
        while !rest.is_empty() && error.is_none() {
            let (mut chunk, after) = rest.split_at(length(rest.len()).min(rest.len()));
            rest = after;
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

/// Whether the error is an opening bracket where a value was allowed.
fn is_for_bracket(error: Option<SyntaxError>) -> bool {
    error.is_some_and(|error| {
        let was_due = error.expected.contains("value") || error.expected.contains("10000");
        was_due && matches!(error.found, b'[' | b'{')
    })
}

/// Checks the tokens of a text inside `arrays` arrays. Returns the number of levels open at the
/// end.
fn check(arrays: usize, text: &[u8], tokens: &[(Token, usize)]) -> usize {
    let mut open = vec![Kind::ArrayStart; arrays];
    let (mut last, mut end) = (open.last().copied(), 0);
    for (token, depth) in tokens {
        let range = token.range().start - arrays..token.range().end - arrays;
        let between = text[end..range.start].iter().copied();
        let between: Vec<u8> = between.filter(|byte| !b" \t\r\n".contains(byte)).collect();
        assert_eq!(between, separator(&open, last, token.kind), "before {token:?}");
        assert!(is_of_kind(token, &text[range.clone()]), "{token:?}: {:?}", &text[range.clone()]);
        assert_eq!(last == Some(Kind::Key) || open.last() != Some(&Kind::ObjectStart), {
            !matches!(token.kind, Kind::Key | Kind::ObjectEnd)
        });
        match token.kind {
            Kind::ObjectStart | Kind::ArrayStart => open.push(token.kind),
            Kind::ObjectEnd => assert_eq!(open.pop(), Some(Kind::ObjectStart)),
            Kind::ArrayEnd => assert_eq!(open.pop(), Some(Kind::ArrayStart)),
            _ => {}
        }
        assert_eq!(*depth, open.len());
        assert!(open.len() <= MAX_DEPTH);
        (last, end) = (Some(token.kind), range.end);
    }
    open.len()
}

/// What must be between the token `last` and the token `next`.
fn separator(open: &[Kind], last: Option<Kind>, next: Kind) -> &'static [u8] {
    match (last, next) {
        (Some(Kind::Key), _) => b":",
        (None | Some(Kind::ObjectStart | Kind::ArrayStart), _) => b"",
        (_, Kind::ObjectEnd | Kind::ArrayEnd) => b"",
        _ if open.is_empty() => b"",
        _ => b",",
    }
}

fn is_of_kind(token: &Token, text: &[u8]) -> bool {
    match token.kind {
        Kind::ObjectStart => text == b"{",
        Kind::ObjectEnd => text == b"}",
        Kind::ArrayStart => text == b"[",
        Kind::ArrayEnd => text == b"]",
        Kind::True => text == b"true",
        Kind::False => text == b"false",
        Kind::Null => text == b"null",
        Kind::Number => {
            let is_integer = !text.iter().any(|byte| b".eE".contains(byte));
            matches!(text[0], b'-' | b'0'..=b'9') && token.is_simple == is_integer
        }
        Kind::Key | Kind::String => {
            let is_quoted = text.len() >= 2 && text.starts_with(b"\"") && text.ends_with(b"\"");
            is_quoted && token.is_simple != text.contains(&b'\\')
        }
    }
}
