//! Control messages: the walk over arbitrary bytes, and over packed messages.
//!
//! Properties:
//! - The walk ends. It yields what a simple reading of cmsg(3) yields, no negative number, and
//!   never more numbers than the bytes have room for.
//! - What follows a packed message after its padding is walked as well.
//! - Packing fails only if there is no room or no number.

use urpc::socket::control::{self, Item};

pub fn run(data: &[u8]) {
    walk(data);
    let (split, rest) = data.split_first().unwrap_or((&0, &[]));
    let (numbers, room) = rest.split_at(rest.len().min(usize::from(*split)));
    pack(numbers, room);
}

pub fn walk(bytes: &[u8]) {
    let walked: Vec<Item> = control::walk(bytes).collect();
    assert_eq!(walked, expected(bytes), "of {bytes:?}");
    assert!(walked.len() <= bytes.len() / size_of::<i32>());
}

/// The items by cmsg(3), computed with indexes: header after header, each padded to the size of a
/// `usize`.
fn expected(bytes: &[u8]) -> Vec<Item> {
    const WORD: usize = size_of::<usize>();
    const HEADER: usize = WORD + 8;
    let int =
        |at: usize| i32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    let (mut items, mut at) = (Vec::new(), 0usize);
    while at.saturating_add(HEADER) <= bytes.len() {
        let length = usize::from_ne_bytes(bytes[at..at + WORD].try_into().expect("a word"));
        if length < HEADER {
            break;
        }
        let end = at.saturating_add(length).min(bytes.len());
        let places = (at + HEADER..end).step_by(4).filter(|place| place + 4 <= end);
        let numbers = places.map(int).filter(|number| *number >= 0);
        match (int(at + WORD), int(at + WORD + 4)) {
            (found, 1) if found == level() => items.extend(numbers.map(Item::File)),
            (found, 4) if found == level() => items.extend(numbers.map(Item::PidFd)),
            _ => {}
        }
        let Some(next) = length.checked_next_multiple_of(WORD) else { break };
        at = at.saturating_add(next);
    }
    items
}

/// `SOL_SOCKET`, as packing writes it.
fn level() -> i32 {
    let mut bytes = [0; control::space(4)];
    control::pack(&[0], &mut bytes).expect("room for one number");
    let at = size_of::<usize>();
    i32::from_ne_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

fn pack(numbers: &[u8], room: &[u8]) {
    let numbers: Vec<i32> = numbers.iter().map(|byte| i32::from(*byte)).collect();
    let space = control::space(numbers.len() * 4);
    let mut buffer = room.to_vec();
    let Some(packed) = control::pack(&numbers, &mut buffer) else {
        assert!(numbers.is_empty() || buffer.len() < space, "there was room for {numbers:?}");
        return;
    };
    assert_eq!(packed.len(), space);
    let files: Vec<Item> = numbers.iter().copied().map(Item::File).collect();
    assert_eq!(control::walk(packed).collect::<Vec<_>>(), files);
    assert_eq!(buffer[space..], room[space..], "packing wrote beyond its space");
    let after = control::walk(&room[space..]);
    let all: Vec<Item> = files.into_iter().chain(after).collect();
    assert_eq!(control::walk(&buffer).collect::<Vec<_>>(), all);
}
