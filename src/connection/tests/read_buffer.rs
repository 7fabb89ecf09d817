//! The read buffer: what it keeps, and that the fast prefix changes nothing.

use crate::call::{self, CALL, REPLY};
use crate::connection::read_buffer::ReadBuffer;
use crate::connection::retention::Retention;
use crate::connection::{Envelope, Schema};
use crate::memory::Buffer;

/// Reads the messages in `text`, which comes in pieces of `size` bytes. Returns what `describe`
/// says of each, and then the error of the first wrong byte.
fn read(
    text: &[u8],
    size: usize,
    schema: &'static Schema,
    describe: impl Fn(&Envelope) -> String,
) -> Vec<String> {
    let (mut read_buffer, mut seen) = (ReadBuffer::new(None, 0), Vec::new());
    let mut envelope = Envelope::new(schema);
    let mut pieces = text.chunks(size);
    read_buffer.begin_message();
    loop {
        match read_buffer.find_message_end(&mut envelope, 1 << 20) {
            Ok(true) => {
                seen.push(describe(&envelope));
                envelope.clear();
                read_buffer.begin_message();
                continue;
            }
            Ok(false) => {}
            Err(error) => {
                seen.push(error.to_string());
                return seen;
            }
        }
        let Some(piece) = pieces.next() else { return seen };
        read_buffer.make_room(1 << 20).unwrap();
        read_buffer
            .fill(|room, _| {
                room.extend_from_slice(piece);
                Ok(piece.len())
            })
            .unwrap();
    }
}

#[test]
fn a_message_behind_another_one_is_found_though_it_is_larger_than_the_buffer() {
    for payload in ["a".repeat(20_000), r"\u0041".repeat(4_000)] {
        let text = format!(r#"{{"method":"A.B"}}{{"method":"C.D","arg":"{payload}"}}{{}}"#);
        let seen = read(text.as_bytes(), 4096, &CALL, |envelope| envelope.text.clone());
        assert_eq!(seen, ["A.B", "C.D", ""]);
    }
}

#[test]
fn white_space_after_a_large_message_does_not_hold_its_memory() {
    let (mut read_buffer, mut envelope) = (ReadBuffer::new(None, 0), Envelope::new(&CALL));
    let size = 4 * Retention::LARGEST;
    read_buffer.bytes = Buffer::of(format!("{{\"arg\":\"{}\"}}\n", "a".repeat(size)).into_bytes());
    assert!(read_buffer.find_message_end(&mut envelope, 2 * size).unwrap());
    read_buffer.begin_message();
    assert!(!read_buffer.find_message_end(&mut envelope, 2 * size).unwrap());
    assert!(read_buffer.bytes.capacity() <= Retention::LARGEST, "{}", read_buffer.bytes.capacity());
}

#[test]
fn pushes_that_end_in_the_middle_of_a_message_do_not_grow_the_buffer() {
    let (mut read_buffer, mut envelope) = (ReadBuffer::new(None, 0), Envelope::new(&CALL));
    read_buffer.push(b"{", &mut Vec::new()).unwrap();
    for _ in 0..if cfg!(miri) { 100 } else { 10_000 } {
        read_buffer.push(b"} {", &mut Vec::new()).unwrap();
        assert!(read_buffer.find_message_end(&mut envelope, 64).unwrap());
        read_buffer.take_message();
        envelope.clear();
        read_buffer.begin_message();
        assert!(!read_buffer.find_message_end(&mut envelope, 64).unwrap());
    }
    assert!(read_buffer.bytes.capacity() < 1024, "{}", read_buffer.bytes.capacity());
}

fn assert_same(text: &[u8], schema: &'static Schema, describe: impl Fn(&Envelope) -> String) {
    let whole = read(text, text.len(), schema, &describe);
    // No piece of seven bytes contains the prefix.
    let pieces = read(text, 7, schema, &describe);
    assert_eq!(whole, pieces, "{}", String::from_utf8_lossy(text));
}

#[test]
fn a_call_means_the_same_with_and_without_the_fast_prefix() {
    let prefixes: [&[u8]; 10] = [
        br#"{"method":"a.b","arg":"#,
        br#"{"method":"","arg":"#,
        br#" {"method" : "a.b", "arg": "#,
        br#"{"Method":"a.b","ARG":"#,
        br#"{"method":"a\u002eb","arg":"#,
        br#"{"method":"a\","arg":"#,
        b"{\"method\":\"a\xff\",\"arg\":",
        b"{\"method\":\"a\x01\",\"arg\":",
        b"{\"method\":\"\xc3\xa4\x7f\",\"arg\":",
        br#"{"arg":2,"method":"a.b","arg":"#,
    ];
    let ends = [
        "1}",
        "null}",
        "}",
        "]",
        "1]",
        "1,}",
        "{}}",
        "[{\"arg\":5}]}",
        "\"\\ud800\"}",
        "01}",
        "nul}",
        "1,\"method\":\"c.d\"}",
        "1,\"method\":null}",
        "1,\"method\":3}",
        "1,\"arg\":2}",
        "1,\"\\u0061rg\":[3]}",
        "1,\"Arg\":4}",
        "1,\"other\":{\"arg\":5}}",
        "1:2}",
        "1}{\"method\":\"c.d\",\"arg\":2}",
        "1} \n{\"method\":\"\",\"arg\":2}}",
    ];
    let all = prefixes.iter().flat_map(|prefix| ends.map(|end| (prefix, end)));
    for (prefix, end) in all.step_by(if cfg!(miri) { 13 } else { 1 }) {
        let text = [prefix, end.as_bytes()].concat();
        assert_same(&text, &CALL, |envelope| format!("{:?}", call::read_call(envelope)));
    }
}

#[test]
fn a_reply_means_the_same_with_and_without_the_fast_prefix() {
    for end in [
        "1}",
        "null}",
        "}",
        "]",
        "1]",
        "1,}",
        "{\"err\":\"a\"}}",
        "1,\"success\":false}",
        "1,\"success\":null,\"err\":\"a\"}",
        "1,\"err\":5}",
        "1,\"result\":2}",
        "1,\"Result\":null}",
        "1}{\"success\":true,\"err\":\"\",\"result\":2}",
        "1} {\"success\":false,\"err\":\"a\"}",
    ] {
        let text = format!("{{\"success\":true,\"err\":\"\",\"result\":{end}");
        assert_same(text.as_bytes(), &REPLY, |envelope| {
            let results: Vec<_> = envelope.values().collect();
            format!("{:?} {} {results:?}", envelope.check(), envelope.flag)
        });
    }
}
