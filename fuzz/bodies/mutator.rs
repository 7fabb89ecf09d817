//! Changes of a session's script for the fuzzer to try: whole messages and commands are moved,
//! repeated and removed, and commands and calls are put between them and into them. The fuzzer's own
//! changes are of bytes, which mostly make an invalid message of a valid one. It makes every second
//! change.

use super::script::LAST_COMMAND;

const COMMANDS: [&[u8]; 14] = [
    &[0],
    &[1, 0],
    &[1, 1],
    &[1, 2],
    &[1, 7],
    &[2],
    &[3],
    &[4],
    &[5, 0],
    &[6, 64, b' '],
    &[6, 255, b'a'],
    &[7],
    &[8, 1],
    &[8, 3],
];

/// Calls of the server's methods, and replies.
const CALLS: [&[u8]; 20] = [
    br#"{"method":"Peer.Echo","arg":[1,{"a":"b"}]}"#,
    br#"{"method":"Peer.Text","arg":"x"}"#,
    br#"{"method":"Peer.Types","arg":{}}"#,
    br#"{"method":"Peer.Tree","arg":{}}"#,
    br#"{"method":"Peer.Err","arg":"x"}"#,
    br#"{"method":"Peer.ErrFiles","arg":{}}"#,
    br#"{"method":"Peer.CountFiles","arg":{}}"#,
    br#"{"method":"Peer.FdInfo","arg":{}}"#,
    br#"{"method":"Peer.Return","arg":{}}"#,
    br#"{"method":"Peer.Release","arg":{}}"#,
    br#"{"method":"Peer.MakeFiles","arg":{"n":2}}"#,
    br#"{"method":"Peer.Big","arg":{"n":300}}"#,
    br#"{"method":"Peer.NaN","arg":null}"#,
    br#"{"method":"Peer.Stop","arg":null}"#,
    br#"{"method":"Peer.Panic","arg":0}"#,
    br#"{"method":"Peer.Who","arg":null}"#,
    br#"{"method":"Peer.Raw","arg":[0]}"#,
    br#"{"success":true,"err":"","result":"x"}"#,
    br#"{"success":false,"err":"x","result":null}"#,
    br#"{"success":true,"err":"","result":{}}"#,
];

/// Changes the first `size` bytes of `data` and returns the new size, which is at most `max_size`.
/// `of_bytes` is the fuzzer's own function for this.
pub fn mutate(
    data: &mut [u8],
    size: usize,
    max_size: usize,
    seed: u32,
    of_bytes: fn(&mut [u8], usize, usize) -> usize,
) -> usize {
    let mut random = Random(seed.into());
    if random.below(2) == 0 {
        return of_bytes(data, size, max_size);
    }
    let mut made = mutate_parts(&data[..size], &mut random);
    made.truncate(max_size);
    data[..made.len()].copy_from_slice(&made);
    made.len()
}

/// Changes one place of a script, and sometimes its setting, the first byte.
fn mutate_parts(script: &[u8], random: &mut Random) -> Vec<u8> {
    let (setting, script) = script.split_at(script.len().min(1));
    let mut parts = split(script);
    let (at, other) = (random.below(parts.len() + 1), random.below(parts.len() + 1));
    let command = COMMANDS[random.below(COMMANDS.len())];
    match random.below(6) {
        0 if at < parts.len() => _ = parts.remove(at),
        1 if other < parts.len() => parts.insert(at, parts[other]),
        2 if at < parts.len() && other < parts.len() => parts.swap(at, other),
        3 if at < parts.len() => {
            let (before, after) = parts[at].split_at(random.below(parts[at].len() + 1));
            parts.splice(at..=at, [before, command, after]);
        }
        4 => parts.insert(at, CALLS[random.below(CALLS.len())]),
        _ => parts.insert(at, command),
    }
    let setting = match random.below(8) {
        0 => vec![random.below(256) as u8],
        _ => setting.to_vec(),
    };
    [setting, parts.concat()].concat()
}

/// A generator of numbers that look random (Knuth's, of 64 bits).
struct Random(u64);

impl Random {
    /// A number below `limit`, which is not 0.
    fn below(&mut self, limit: usize) -> usize {
        let Random(state) = self;
        *state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (*state >> 33) as usize % limit
    }
}

/// The parts of a script: commands with their arguments, messages, and what is between them.
fn split(script: &[u8]) -> Vec<&[u8]> {
    let (mut parts, mut rest, mut depth, mut in_string) = (Vec::new(), script, 0_usize, false);
    let mut at = 0;
    while let Some(byte) = rest.get(at) {
        let mut ends = false;
        let length = match byte {
            0 | 2 | 3 | 4 | 7 => 1,
            1 | 5 | 8 => 2,
            6 => 3,
            b'\\' if in_string => 2,
            _ => 1,
        };
        match byte {
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => depth += 1,
            b'}' | b']' if !in_string => {
                depth = depth.saturating_sub(1);
                ends = depth == 0;
            }
            _ => {}
        }
        let end = rest.len().min(at + length);
        let start = if *byte <= LAST_COMMAND { at } else { end };
        if ends || start < end {
            parts.extend([&rest[..start], &rest[start..end]]);
            (rest, at) = (&rest[end..], 0);
        } else {
            at = end;
        }
    }
    parts.push(rest);
    parts.retain(|part| !part.is_empty());
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_and_messages_are_parts_and_none_is_lost() {
        let script = b"[1,{\"a\":\"]\\\"}\"}] \x01\x03{}\x06 x\"\x00{";
        let parts = split(script);
        let message: &[u8] = b"[1,{\"a\":\"]\\\"}\"}]";
        assert_eq!(parts, [message, b" ", b"\x01\x03", b"{}", b"\x06 x", b"\"", b"\x00", b"{"]);
        assert_eq!(parts.concat(), script);
        assert_eq!(split(b"{\x05"), [&b"{"[..], b"\x05"]);
    }

    #[test]
    fn each_kind_of_change_is_made() {
        let mut made = std::collections::BTreeSet::new();
        for seed in 0..20_000 {
            let mut data = [0; 200];
            data[..6].copy_from_slice(b"0{}\x02[]");
            let size = mutate(&mut data, 6, 100, seed, |_, _, _| 0);
            made.insert(data[..size].to_vec());
        }
        let expected: [&[u8]; 5] =
            [b"0{}[]", b"0{}\x02[]\x02", b"0\x02{}[]", b"0{\x04}\x02[]", b"0{}\x02[]\x03"];
        for script in expected {
            assert!(made.contains(script), "{}", script.escape_ascii());
        }
        assert!(made.iter().any(|script| script.first().is_some_and(|setting| *setting != b'0')));
        let called = [&b"0{}\x02[]"[..], CALLS[1]].concat();
        assert!(made.contains(&called) && made.contains(&b""[..]), "a call, and the fuzzer's");
    }
}
