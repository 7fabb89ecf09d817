//! What a raw client sent to Go's server, Go's answer, and the answer that ours must give.
//!
//! On most lines the two answers are the same. They differ where our server does more than Go's: Go
//! drops what follows a message in the same read, loses files that come late or are too many,
//! closes the connection if JSON cannot carry a result, and waits after a string that is not an
//! envelope. There, ours must answer each message as if it came alone.

use std::ops::Range;

use urpc::Server;
use urpc::json::{self, Tokenizer};

use crate::exchange::{Answer, Exchange, ExpectedEnd};
use crate::peer::MAX_FILES;
use crate::support;

const TOO_MANY_FILES: &[u8] = br#"{"success":false,"err":"too many files","result":null}"#;

urpc::record! {
    /// What Go's server did with one input.
    #[derive(Default)]
    pub struct ServerLine {
        pub id: u32,
        pub label: String,
        pub send: String,
        pub out: String,
        pub early: bool,
        pub replies: usize,
        pub fds: usize,
    }

    #[derive(Default)]
    struct Envelope {
        method: String,
    }

    #[derive(Default)]
    struct Reply {
        success: bool,
        err: String,
    }
}

/// The segments of a line: hex, separated by spaces, `+N` for files.
pub fn segments(text: &str) -> Vec<(Vec<u8>, usize)> {
    let segment = |word: &str| {
        let (digits, files) = word.split_once('+').unwrap_or((word, "0"));
        (unhex(digits), files.parse().unwrap())
    };
    text.split(' ').filter(|word| !word.is_empty()).map(segment).collect()
}

pub fn unhex(digits: &str) -> Vec<u8> {
    let digit = |at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
    (0..digits.len()).step_by(2).map(digit).collect()
}

/// Sends the line's bytes to `server`.
///
/// # Errors
/// A text that says how our server's behaviour is wrong.
pub fn replay(line: &ServerLine, server: &Server) -> Result<(), String> {
    let segments = segments(&line.send);
    let stream = Stream::cut(&segments);
    let (expected_end, expected) = match stream.is_ordinary {
        true => (stream.fate_of_gos(line), Answer { bytes: unhex(&line.out), files: line.fds }),
        false => stream.each_alone(line, server)?,
    };
    let exchange = Exchange { label: line.label.clone(), segments, expected_end };
    let ours = exchange.run(support::connect(server))?;
    if ours.files != expected.files || !same_replies(&ours.replies(), &expected.replies()) {
        return Err(format!("{ours}, not {expected}"));
    }
    Ok(())
}

/// All bytes of a line, split into messages.
struct Stream {
    messages: Vec<Message>,
    rest: Rest,
    /// Whether our server answers as Go does.
    is_ordinary: bool,
}

/// A message, and the number of files of each segment that carries some for it.
struct Message {
    bytes: Vec<u8>,
    files: Vec<usize>,
}

/// What follows the last complete message.
#[derive(Clone, Copy, PartialEq)]
enum Rest {
    Nothing,
    Unfinished,
    Malformed,
}

impl Stream {
    fn cut(segments: &[(Vec<u8>, usize)]) -> Stream {
        let bytes = segments.iter().flat_map(|(bytes, _)| bytes).copied().collect::<Vec<_>>();
        let (mut places, rest) = values(&bytes);
        let count = places.len();
        // The bytes that follow may get files too, and so may the message that the client does not
        // send.
        let after = places.last().map_or(0, |place| place.end);
        let after = bytes.len() - bytes[after..].trim_ascii_start().len();
        places.extend((rest != Rest::Nothing).then_some(after..bytes.len()));
        places.push(bytes.len()..usize::MAX);
        let mut files = vec![Vec::new(); places.len()];
        let mut is_ordinary = true;
        let mut start = 0;
        for (segment, count) in segments {
            let end = start + segment.len();
            let touched = |place: &&Range<usize>| place.start < end && place.end > start;
            // Files belong to the last message that has a byte in their read, or else to the next.
            let owner = places.iter().rposition(|place| touched(&place));
            let owner = owner.or_else(|| places.iter().position(|place| place.start >= end));
            let is_followed = places.iter().any(|place| {
                place.end > start
                    && place.end < end
                    && !bytes[place.end..end].trim_ascii().is_empty()
            });
            // Go takes the files that come with the first byte of a message.
            let begins_here = owner.is_some_and(|owner| {
                let read = owner.checked_sub(1).map_or(0, |before| places[before].end);
                read == start && (start..end).contains(&places[owner].start)
            });
            is_ordinary &= !is_followed && (*count == 0 || begins_here && *count <= MAX_FILES);
            if let Some(owner) = owner.filter(|_| *count > 0) {
                files[owner].push(*count);
            }
            start = end;
        }
        let keeps_files = files.pop().is_some_and(|files| !files.is_empty());
        let messages = places.into_iter().zip(files).take(count);
        let messages: Vec<_> = messages
            .map(|(place, files)| Message { bytes: bytes[place].to_vec(), files })
            .collect();
        let goes_on = |index| index + 1 < messages.len() || rest != Rest::Nothing;
        let mut numbered = messages.iter().enumerate();
        is_ordinary &=
            !numbered.any(|(index, message)| message.is_answered_otherwise(goes_on(index)));
        let rest = if keeps_files { Rest::Unfinished } else { rest };
        Stream { messages, rest, is_ordinary }
    }

    /// How our server ends where it does the same as Go.
    fn fate_of_gos(&self, line: &ServerLine) -> ExpectedEnd {
        match self.rest {
            _ if line.early => ExpectedEnd::Closed,
            Rest::Nothing if line.replies > 0 => ExpectedEnd::Answered(line.replies),
            _ => ExpectedEnd::Waiting(line.replies),
        }
    }

    /// The answers to each message alone. If Go lost no files and our server continues to the end,
    /// Go's replies must be among them.
    fn each_alone(
        &self,
        line: &ServerLine,
        server: &Server,
    ) -> Result<(ExpectedEnd, Answer), String> {
        let mut all = Answer::default();
        let mut is_closed = self.rest == Rest::Malformed;
        for message in &self.messages {
            match message.alone(server)? {
                Some(answer) => {
                    all.bytes.extend_from_slice(&answer.bytes);
                    all.files += answer.files;
                }
                None => {
                    is_closed = true;
                    break;
                }
            }
        }
        let replies = all.replies();
        let gos = Answer { bytes: unhex(&line.out), files: line.fds };
        let mut ours = replies.iter();
        let has = |reply: &&[u8]| ours.any(|our| same_reply(our, reply));
        if !is_closed && !line.send.contains('+') && !gos.replies().iter().all(has) {
            return Err(format!("Go answered {gos}, which is not among {all}"));
        }
        let expected_end = match self.rest {
            _ if is_closed => ExpectedEnd::Closed,
            Rest::Nothing if !replies.is_empty() => ExpectedEnd::Answered(replies.len()),
            _ => ExpectedEnd::Waiting(replies.len()),
        };
        Ok((expected_end, all))
    }
}

impl Message {
    /// Whether our server answers this message differently. After a literal or a string Go reads
    /// one byte more. If another message follows, Go loses the next read.
    fn is_answered_otherwise(&self, is_followed: bool) -> bool {
        let is_scalar = match self.bytes.first() {
            Some(b'"' | b't' | b'f') => true,
            Some(b'n') => is_followed,
            _ => false,
        };
        let method = json::from_slice::<Envelope>(&self.bytes).map(|envelope| envelope.method);
        is_scalar || method.is_ok_and(|method| method == "Peer.NaN")
    }

    /// The answer on a connection of its own. `None` if the message ends it.
    fn alone(&self, server: &Server) -> Result<Option<Answer>, String> {
        let mut segments: Vec<(Vec<u8>, usize)> = Vec::new();
        let mut rest = &self.bytes[..];
        // Each segment numbered its own files, so each is sent separately.
        for count in self.files.iter().skip(1) {
            let (first, after) = rest.split_at(1);
            segments.push((first.to_vec(), *count));
            rest = after;
        }
        // A number needs a byte after it.
        segments.push(([rest, b" "].concat(), 0));
        let counts = self.files.iter().copied().chain([0]);
        segments.iter_mut().zip(counts).for_each(|(segment, count)| segment.1 = count);
        let exchange = |expected_end| Exchange {
            label: String::new(),
            segments: segments.clone(),
            expected_end,
        };
        match exchange(ExpectedEnd::Answered(1)).run(support::connect(server)) {
            Ok(answer) if self.files.iter().sum::<usize>() > MAX_FILES => {
                let is_refused = answer.bytes == TOO_MANY_FILES;
                if is_refused {
                    Ok(Some(answer))
                } else {
                    Err(format!("{answer} to too many files"))
                }
            }
            Ok(answer) => Ok(Some(answer)),
            Err(error) => match exchange(ExpectedEnd::Closed).run(support::connect(server))? {
                answer if answer.bytes.is_empty() => Ok(None),
                _ => Err(error),
            },
        }
    }
}

/// Where the values of a text lie, and what follows the last.
fn values(bytes: &[u8]) -> (Vec<Range<usize>>, Rest) {
    let mut tokenizer = Tokenizer::new();
    let mut chunk = bytes;
    let (mut places, mut begun) = (Vec::new(), None);
    loop {
        match tokenizer.next(&mut chunk) {
            Ok(Some(token)) => {
                let start = *begun.get_or_insert(token.start as usize);
                if tokenizer.is_between_values() {
                    places.push(start..token.end as usize);
                    begun = None;
                }
            }
            Ok(None) => break,
            Err(_) => return (places, Rest::Malformed),
        }
    }
    let after = places.last().map_or(0, |place| place.end);
    let is_blank = bytes[after..].trim_ascii().is_empty();
    (places, if is_blank { Rest::Nothing } else { Rest::Unfinished })
}

fn same_replies(ours: &[&[u8]], gos: &[&[u8]]) -> bool {
    ours.len() == gos.len() && ours.iter().zip(gos).all(|(ours, gos)| same_reply(ours, gos))
}

/// Whether the replies are the same, except for intended differences: the texts of argument errors,
/// the short escapes that later versions of Go write too, and close-on-exec files.
fn same_reply(ours: &[u8], gos: &[u8]) -> bool {
    let ours = with_short_escapes(ours);
    let gos = with_cloexec(with_short_escapes(gos));
    ours == gos || are_argument_errors(&ours, &gos)
}

fn with_short_escapes(reply: &[u8]) -> String {
    let text = String::from_utf8_lossy(reply);
    text.replace(r"\u0008", r"\b").replace(r"\u000c", r"\f")
}

fn with_cloexec(mut reply: String) -> String {
    const FLAGS: &str = r#""result":{"Cloexec":["#;
    if let Some(start) = reply.find(FLAGS).map(|at| at + FLAGS.len()) {
        let end = start + reply[start..].find(']').unwrap_or(0);
        let flags = reply[start..end].replace("false", "true");
        reply.replace_range(start..end, &flags);
    }
    reply
}

fn are_argument_errors(ours: &str, gos: &str) -> bool {
    const TEXTS: [&str; 5] = ["json: ", "illegal base64", "parsing time", "Time.", "strconv."];
    let error = |reply| json::from_str::<Reply>(reply).ok().filter(|reply| !reply.success);
    match (error(ours), error(gos)) {
        (Some(ours), Some(gos)) => {
            !ours.err.is_empty() && TEXTS.iter().any(|known| gos.err.starts_with(known))
        }
        _ => false,
    }
}
