//! Tokens that are passed over: the others and the errors stay what they are.

use super::*;

/// The tokens after which at most `depth` levels are open, and the first error. If `passes`, the
/// tokenizer passes over all others itself.
fn read(text: &[u8], chunk: usize, depth: usize, passes: bool) -> (Vec<Token>, Option<String>) {
    let (mut tokenizer, mut tokens) = (Tokenizer::new(), Vec::new());
    for mut bytes in text.chunks(chunk) {
        loop {
            match tokenizer.next_at(if passes { depth } else { MAX_DEPTH }, &mut bytes) {
                Ok(Some(token)) if tokenizer.depth() <= depth => tokens.push(token),
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(error) => return (tokens, Some(error.to_string())),
            }
        }
    }
    (tokens, tokenizer.finish().err().map(|error| error.to_string()))
}

#[test]
fn to_pass_over_tokens_changes_no_other_token_and_no_error() {
    const PIECES: [&[u8]; 17] = [
        b"{",
        b"}",
        b"[",
        b"]",
        b":",
        b",",
        b" ",
        b"\"",
        b"\"a\"",
        b"\"\\n\"",
        b"\"\x01\"",
        b"0",
        b"-1.5e2",
        b"1.",
        b"true",
        b"nul",
        b"{\"a\":1,\"b\":",
    ];
    let count = PIECES.len();
    for number in (0..count.pow(4)).step_by(if cfg!(miri) { 1_009 } else { 1 }) {
        let picked = (0..4).map(|place| PIECES[number / count.pow(place) % count]);
        let text = [&b"[[1,"[..], b"{\"a\":\"b\","].map(|start| {
            let pieces: Vec<u8> = picked.clone().flatten().copied().collect();
            [start, &pieces, b"]]"].concat()
        });
        for (text, chunk) in text.iter().flat_map(|text| [3, usize::MAX].map(|n| (text, n))) {
            let passed = read(text, chunk, 1, true);
            assert_eq!(passed, read(text, chunk, 1, false), "{}", text.escape_ascii());
        }
    }
}
