//! The reader without I/O, under a client's script: `script` lists what a script can do.
//!
//! Properties:
//! - Over a socket it returns the messages of the stream, each with its files, as the model of the
//!   kernel's reads says.
//! - If receives are pushed, the files of each belong to the last message that has a byte in it, or
//!   to the next one. When messages are taken makes no difference.
//! - A message with too many files is refused alone. Text that is not an object ends the stream,
//!   and from then on every call returns the error.
//! - No descriptor is left open.

use std::ops::Range;

use urpc::json::Tokenizer;
use urpc::{Error, Files, Limits, MessageReader};

use super::player;
use super::probe::{Probe, identity};
use super::script::{self, Step};
use super::stream::Stream;

/// The number of files that one message may carry.
const MOST_FILES: usize = 5;
/// The number of files that a script may send, since all may be open at once.
const ALL_FILES: usize = 100;

/// The result for one message: its text and the identities of its files, or `None` if it had too
/// many.
type Message = Option<(Vec<u8>, Vec<u64>)>;

/// All messages to the end, and whether an error ended them.
#[derive(Debug, Default, PartialEq)]
struct Seen {
    messages: Vec<Message>,
    is_broken: bool,
    is_cut: bool,
}

pub fn run(data: &[u8]) {
    let (&setting, script) = data.split_first().unwrap_or((&b'0', &[]));
    let mut left = ALL_FILES;
    let steps = script::parse(script).into_iter().filter_map(|step| match step {
        Step::Send { bytes, files } => {
            let files = files.min(left);
            left -= files;
            Some((bytes, (0..files).map(|_| Probe::new()).collect::<Vec<_>>()))
        }
        _ => None,
    });
    let receives: Vec<(Vec<u8>, Vec<Probe>)> = steps.collect();
    let expected = expected(&receives);
    assert_eq!(pushed(&receives, |_| usize::MAX), expected, "taken after each receive");
    assert_eq!(pushed(&receives, |_| 0), expected, "taken at the end");
    let chosen = |index: usize| usize::from(setting.rotate_left(index as u32 % 8) & 3);
    assert_eq!(pushed(&receives, chosen), expected, "some taken after some receives");
    over_a_socket(&receives);
    receives.into_iter().flat_map(|(_, probes)| probes).for_each(Probe::check_closed);
}

fn limits() -> Limits {
    Limits { receive_files: MOST_FILES, ..Limits::default() }
}

/// Takes at most `most` messages.
fn take(reader: &mut MessageReader, most: usize, seen: &mut Seen) {
    for _ in 0..most {
        match reader.next_message() {
            Ok(None) => return,
            Ok(Some((text, files))) => {
                assert!(!seen.is_broken, "nothing comes after an error");
                let files = files.iter().map(identity).collect();
                seen.messages.push(Some((text.to_vec(), files)));
            }
            Err(Error::TooManyFiles { count: 6.., limit: MOST_FILES, .. }) if !seen.is_broken => {
                seen.messages.push(None);
            }
            Err(Error::Malformed { .. }) => {
                seen.is_broken = true;
                return;
            }
            Err(error) => panic!("{error:?}"),
        }
    }
}

/// The results of a reader with pushed receives. `most` gives the number of messages that are taken
/// after each receive.
fn pushed(receives: &[(Vec<u8>, Vec<Probe>)], most: impl Fn(usize) -> usize) -> Seen {
    let (mut reader, mut seen) = (MessageReader::new(&limits()), Seen::default());
    for (index, (bytes, probes)) in receives.iter().enumerate() {
        let files: Files = probes.iter().map(Probe::copy).collect();
        reader.push(bytes, files).expect("memory");
        take(&mut reader, most(index), &mut seen);
    }
    take(&mut reader, usize::MAX, &mut seen);
    seen.is_cut = !seen.is_broken && reader.is_in_message();
    seen
}

/// The expected results, by a simple reading of the rule.
fn expected(receives: &[(Vec<u8>, Vec<Probe>)]) -> Seen {
    let stream: Vec<u8> = receives.iter().flat_map(|(bytes, _)| bytes.clone()).collect();
    let (whole, rest) = split(&stream);
    let starts: Vec<usize> = whole.iter().map(|range| range.start).chain([rest.start]).collect();
    let mut files = vec![Vec::new(); starts.len()];
    let mut begin = 0;
    for (bytes, probes) in receives {
        let range = begin..begin + bytes.len();
        begin = range.end;
        // The last message that begins before the end of the receive. If it ended before the
        // receive began, the next message.
        let begun = starts.iter().filter(|start| **start < range.end).count();
        let ended = whole.iter().filter(|whole| whole.end <= range.start).count();
        let owner = begun.saturating_sub(1).max(ended).min(files.len() - 1);
        files[owner].extend(probes.iter().map(|probe| probe.identity));
    }
    let mut seen = Seen::default();
    for (range, files) in whole.into_iter().zip(&files) {
        let text = stream[range].to_vec();
        if !is_object(&text) {
            seen.is_broken = true;
            return seen;
        }
        seen.messages.push((files.len() <= MOST_FILES).then(|| (text, files.clone())));
    }
    seen.is_broken = is_wrong(&stream[rest.clone()]);
    let has_files = files.last().is_some_and(|files| !files.is_empty());
    seen.is_cut = !seen.is_broken && (!rest.is_empty() || has_files);
    seen
}

/// Whether the reader accepts the text as a message.
fn is_object(text: &[u8]) -> bool {
    text.starts_with(b"{") || text == b"null"
}

fn is_wrong(text: &[u8]) -> bool {
    let (mut tokenizer, mut rest) = (Tokenizer::new(), text);
    loop {
        match tokenizer.next(&mut rest) {
            Ok(Some(_)) => {}
            Ok(None) => return false,
            Err(_) => return true,
        }
    }
}

/// Where the complete values are, and what follows them, without the white space between them.
fn split(stream: &[u8]) -> (Vec<Range<usize>>, Range<usize>) {
    let (mut whole, mut start) = (Vec::new(), 0);
    loop {
        let is_blank = |byte: &&u8| b" \t\r\n".contains(byte);
        start += stream[start..].iter().take_while(is_blank).count();
        let (mut tokenizer, mut rest) = (Tokenizer::new(), &stream[start..]);
        loop {
            match tokenizer.next(&mut rest) {
                Ok(Some(_)) if !tokenizer.is_between_values() => {}
                Ok(Some(_)) => break,
                Ok(None) | Err(_) => return (whole, start..stream.len()),
            }
        }
        let end = stream.len() - rest.len();
        whole.push(start..end);
        start = end;
    }
}

/// The same sends over a socket, where the kernel decides what one receive returns.
fn over_a_socket(sends: &[(Vec<u8>, Vec<Probe>)]) {
    let (ours, theirs) = player::pair();
    let mut sent = Stream::default();
    for (bytes, probes) in sends {
        // The model knows one file a send, in any number of copies.
        let files: Vec<_> = probes.iter().map(|_| probes[0].file()).collect();
        if let Ok(count) = ours.try_send(bytes, &files) {
            let identity = probes.first().map_or(0, |probe| probe.identity);
            sent.send(&bytes[..count], files.len(), identity);
        }
    }
    ours.shutdown_send().expect("an end");
    let mut reader = MessageReader::new(&limits());
    let mut count = 0;
    loop {
        match reader.next_message() {
            Ok(Some((text, files))) => {
                sent.note_read(count);
                assert_eq!(text, sent.text(count));
                let files: Vec<u64> = files.iter().map(identity).collect();
                let (must, may) = sent.files(count);
                assert!(must.iter().all(|file| files.contains(file)), "{files:?}: {must:?}");
                assert!(files.iter().all(|file| may.contains(file)), "{files:?}: {may:?}");
                assert!(must != may || files == must, "{files:?}, not {must:?}");
                count += 1;
            }
            Err(Error::TooManyFiles { .. }) => {
                sent.note_read(count);
                assert!(sent.files(count).1.len() > MOST_FILES);
                count += 1;
            }
            Err(Error::Malformed { .. }) => {
                assert!(sent.is_broken || !is_object(sent.text(count)));
                return;
            }
            Err(error) => panic!("{error:?}"),
            Ok(None) => match reader.receive(&theirs) {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) => panic!("{error}"),
            },
        }
    }
    assert_eq!(count, sent.len());
    assert!(!sent.is_broken && (reader.is_in_message() || !sent.is_cut()));
}
