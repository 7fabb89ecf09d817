//! The message reader, under a client's script: see `script` for what a script can do.
//!
//! Properties:
//! - Over a socket it gives the messages of the stream, each with its files, as the model of the
//!   kernel's reads says.
//! - If the receives are pushed, the files of each belong to the last message that has a byte in it,
//!   or to the next one. It makes no difference when the messages are taken.
//! - A message with too many files is refused alone. What is no object ends the stream, and the
//!   error is then given again.
//! - Nothing is received before all messages were taken. A peer that closes without reading is an
//!   end of the stream.
//! - Whatever happened, no descriptor is left open.
//!
//! Each answer of the reader is compared when it is given. So a faulty reader that repeats an answer
//! fails at once, and no loop here depends on it.

use std::io::{self, ErrorKind};
use std::ops::Range;
use std::os::fd::AsFd;
use std::time::Duration;

use urpc::json::Tokenizer;
use urpc::socket::{Interest, poll};
use urpc::{Error, Files, Limits, MessageReader, Socket};

use super::player;
use super::probe::{Probe, identity};
use super::script::{self, Step};
use super::stream::Stream;

/// How many files one message may carry.
const MOST_FILES: usize = 5;
/// How many a script sends at most, since all may be open at once.
const ALL_FILES: usize = 100;

/// One message: its text and the identities of its files, or `None` if it has too many.
type Message = Option<(Vec<u8>, Vec<u64>)>;

/// What a reader must give for a stream.
#[derive(Debug, Default)]
struct Expected {
    messages: Vec<Message>,
    /// Whether an error follows them.
    is_broken: bool,
    /// Whether the stream then ends in the middle of a message.
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
    check_pushed(&receives, &expected, |_| usize::MAX);
    check_pushed(&receives, &expected, |_| 0);
    let chosen = |index: usize| usize::from(setting.rotate_left(index as u32 % 8) & 3);
    check_pushed(&receives, &expected, chosen);
    over_a_socket(&receives);
    receives.into_iter().flat_map(|(_, probes)| probes).for_each(Probe::check_closed);
}

fn limits() -> Limits {
    Limits { receive_files: MOST_FILES, ..Limits::default() }
}

/// Takes messages that are complete, `most` at most, and compares each. `count` says how many were
/// taken before. `true` if an error ended the stream.
fn take(reader: &mut MessageReader, most: usize, expected: &Expected, count: &mut usize) -> bool {
    for _ in 0..most {
        let message = match reader.next_message() {
            Ok(None) => return false,
            Ok(Some((text, files))) => Some((text.to_vec(), files.iter().map(identity).collect())),
            Err(Error::TooManyFiles { count: 6.., limit: MOST_FILES, .. }) => None,
            Err(Error::Malformed { .. }) => {
                assert_eq!((*count, true), (expected.messages.len(), expected.is_broken));
                assert!(matches!(reader.next_message(), Err(Error::Malformed { .. })));
                return true;
            }
            Err(error) => panic!("{error:?}"),
        };
        assert_eq!(Some(&message), expected.messages.get(*count), "message {count}");
        *count += 1;
    }
    false
}

/// Pushes the receives, and takes messages after each: as many as `most` says of its index. Takes
/// the others at the end.
fn check_pushed(
    receives: &[(Vec<u8>, Vec<Probe>)],
    expected: &Expected,
    most: impl Fn(usize) -> usize,
) {
    let (mut reader, mut count, mut has_ended) = (MessageReader::new(&limits()), 0, false);
    let (_peer, quiet) = player::pair();
    for (index, (bytes, probes)) in receives.iter().enumerate() {
        let files: Files = probes.iter().map(Probe::copy).collect();
        match reader.push(bytes, files) {
            Ok(()) => assert!(!has_ended, "it takes what comes after the end"),
            Err(error) => assert!(expected.is_broken && error.kind() == ErrorKind::InvalidInput),
        }
        has_ended |= take(&mut reader, most(index), expected, &mut count);
        let early = reader.receive(&quiet).map_err(|error| error.kind());
        let is_refused = early == Err(ErrorKind::InvalidInput);
        assert!(is_refused || early == Err(ErrorKind::WouldBlock), "{early:?}");
        assert!(is_refused == has_ended || most(index) != usize::MAX);
    }
    let is_broken = take(&mut reader, usize::MAX, expected, &mut count);
    assert_eq!((count, is_broken), (expected.messages.len(), expected.is_broken));
    assert_eq!(!is_broken && reader.is_in_message(), expected.is_cut);
}

/// What a reader must give, by the documented rule.
fn expected(receives: &[(Vec<u8>, Vec<Probe>)]) -> Expected {
    let stream: Vec<u8> = receives.iter().flat_map(|(bytes, _)| bytes.clone()).collect();
    let (complete, rest) = split(&stream);
    let starts: Vec<usize> = complete.iter().map(|range| range.start).chain([rest.start]).collect();
    let mut files = vec![Vec::new(); starts.len()];
    let mut begin = 0;
    for (bytes, probes) in receives {
        let range = begin..begin + bytes.len();
        begin = range.end;
        // The last message that begins before the end of the receive, unless it ended before its
        // beginning: then the next one.
        let begun = starts.iter().filter(|start| **start < range.end).count();
        let ended = complete.iter().filter(|message| message.end <= range.start).count();
        let owner = begun.saturating_sub(1).max(ended).min(files.len() - 1);
        files[owner].extend(probes.iter().map(|probe| probe.identity));
    }
    let mut expected = Expected::default();
    for (range, files) in complete.into_iter().zip(&files) {
        let text = stream[range].to_vec();
        if !is_object(&text) {
            expected.is_broken = true;
            return expected;
        }
        expected.messages.push((files.len() <= MOST_FILES).then(|| (text, files.clone())));
    }
    expected.is_broken = is_wrong(&stream[rest.clone()]);
    let has_files = files.last().is_some_and(|files| !files.is_empty());
    expected.is_cut = !expected.is_broken && (!rest.is_empty() || has_files);
    expected
}

/// A message, as the reader sees it.
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

/// The ranges of the complete values, and of what follows them, without the white space around.
fn split(stream: &[u8]) -> (Vec<Range<usize>>, Range<usize>) {
    let (mut complete, mut start) = (Vec::new(), 0);
    loop {
        let is_blank = |byte: &&u8| b" \t\r\n".contains(byte);
        start += stream[start..].iter().take_while(is_blank).count();
        let (mut tokenizer, mut rest) = (Tokenizer::new(), &stream[start..]);
        loop {
            match tokenizer.next(&mut rest) {
                Ok(Some(_)) if !tokenizer.is_between_values() => {}
                Ok(Some(_)) => break,
                Ok(None) | Err(_) => return (complete, start..stream.len()),
            }
        }
        let end = stream.len() - rest.len();
        complete.push(start..end);
        start = end;
    }
}

/// Sends what fits into the socket, and returns it.
fn send_all(socket: &Socket, sends: &[(Vec<u8>, Vec<Probe>)]) -> Stream {
    let mut sent = Stream::default();
    for (bytes, probes) in sends {
        // The model knows of one file to a send, in any number of copies.
        let files: Vec<_> = probes.iter().map(|_| probes[0].file()).collect();
        if let Ok(count) = socket.try_send(bytes, &files) {
            let identity = probes.first().map_or(0, |probe| probe.identity);
            sent.send(&bytes[..count], files.len(), identity);
        }
    }
    socket.shutdown_send().expect("an end");
    sent
}

/// The same sends over a socket, where the kernel decides what comes in one receive.
fn over_a_socket(sends: &[(Vec<u8>, Vec<Probe>)]) {
    let (ours, theirs) = player::pair();
    let mut sent = send_all(&ours, sends);
    let mut reader = MessageReader::new(&limits());
    let (mut count, mut received) = (0, 0);
    loop {
        match reader.next_message() {
            Ok(Some((text, files))) => {
                sent.note_read(count);
                assert_eq!(text, sent.text(count));
                check_files(files.iter().map(identity).collect(), sent.files(count));
                count += 1;
            }
            Err(Error::TooManyFiles { .. }) => {
                assert!(count < sent.len(), "more messages than were sent");
                sent.note_read(count);
                assert!(sent.files(count).1.len() > MOST_FILES);
                count += 1;
            }
            Err(Error::Malformed { .. }) => {
                assert!(sent.is_broken || !is_object(sent.text(count)));
                let refused = reader.receive(&theirs).map_err(|error| error.kind());
                assert_eq!(refused, Err(ErrorKind::InvalidInput));
                assert!(format!("{reader:?}").contains("failure: Some(Malformed"));
                return;
            }
            Err(error) => panic!("{error:?}"),
            Ok(None) => match receive(&mut reader, &theirs) {
                Ok(0) => break,
                Ok(bytes) => {
                    received += bytes;
                    assert!(received <= script::MOST_BYTES, "more bytes than were sent");
                }
                Err(error) => panic!("{error}"),
            },
        }
    }
    assert_eq!(count, sent.len());
    assert!(!sent.is_broken && (reader.is_in_message() || !sent.is_cut()));
    theirs.try_send(b"unread", &[]).expect("room for a text");
    drop(ours);
    assert_eq!(reader.receive(&theirs).ok(), Some(0));
}

/// Receives from a socket whose peer has ended, so that there is always something.
fn receive(reader: &mut MessageReader, socket: &Socket) -> io::Result<usize> {
    let mut interests = [Interest::readable(socket.as_fd())];
    assert!(poll(&mut interests, Some(Duration::ZERO))? && interests[0].is_ready());
    reader.receive(socket)
}

/// Checks the files of a message against those that must come and those that may come.
fn check_files(files: Vec<u64>, (must, may): (Vec<u64>, Vec<u64>)) {
    assert!(must.iter().all(|file| files.contains(file)), "{files:?}: {must:?}");
    assert!(files.iter().all(|file| may.contains(file)), "{files:?}: {may:?}");
    assert!(must != may || files == must, "{files:?}, not {must:?}");
}
