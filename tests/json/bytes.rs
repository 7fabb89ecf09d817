//! Base64 of every length, by a second way to write it.

use urpc::json::{Bytes, RawJson, from_str, to_string};

const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Bytes in which every character of base64 occurs.
fn content(length: usize) -> Vec<u8> {
    (0..length as u32).map(|index| (index.wrapping_mul(0x9e37_79b1) >> 13) as u8).collect()
}

/// The characters, one bit at a time.
fn base64(bytes: &[u8]) -> String {
    let bit = |index: usize| bytes.get(index / 8).map_or(0, |byte| byte >> (7 - index % 8) & 1);
    let character = |at: usize| {
        let value = (at * 6..at * 6 + 6).fold(0, |value, index| value << 1 | bit(index));
        char::from(ALPHABET[usize::from(value)])
    };
    let characters = (bytes.len() * 8).div_ceil(6);
    (0..characters.next_multiple_of(4))
        .map(|at| if at < characters { character(at) } else { '=' })
        .collect()
}

#[test]
fn bytes_of_every_length_are_written_and_read() {
    for length in 0..800 {
        let bytes = content(length);
        let text = format!("\"{}\"", base64(&bytes));
        let bytes = Bytes(bytes);
        assert_eq!(to_string(&bytes).as_ref(), Ok(&text), "{length}");
        assert_eq!(from_str(&text).as_ref(), Ok(&bytes), "{length}");
    }
}

#[test]
fn a_line_break_is_ignored_and_another_byte_refused_wherever_it_stands() {
    let bytes = content(50);
    let text = base64(&bytes);
    for at in 0..text.len() {
        let (before, behind) = text.split_at(at);
        let broken = format!("\"{before}\\r\\n{behind}\"");
        assert_eq!(from_str(&broken), Ok(Bytes(bytes.clone())), "{at}");
        for other in ["-", "_", " ", "é", "\\u0000"] {
            let wrong = format!("\"{before}{other}{}\"", &behind[1..]);
            assert!(from_str::<Bytes>(&wrong).is_err(), "{wrong}");
        }
    }
}

#[test]
fn what_holds_bytes_is_made_of_them_and_gives_them_back() {
    assert_eq!(Bytes::from(vec![1, 2]).to_vec(), [1, 2]);
    assert_eq!(RawJson::new("[1]").into_bytes(), b"[1]");
}
