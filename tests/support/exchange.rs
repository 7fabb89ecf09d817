//! Raw bytes and files for a server, and its answers: the same for our server and for Go's.
//!
//! An [`Exchange`] says what is sent and how it must end. [`Exchange::run`] sends it on a connected
//! socket and returns the answer to compare. Nothing here waits for time to pass: what the server
//! does next shows how an exchange ended. Two cases are exceptions. A server that hangs is detected
//! by the socket's timeout, and a server that must stay silent is watched for a moment.

#![allow(dead_code)] // each test program uses its own part

use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use urpc::json::Tokenizer;
use urpc::socket::control::SCM_MAX_FD;
use urpc::{Files, Socket, process};

use crate::support::{MOST_FILES, TIMEOUT};

/// A call that any open connection answers.
const PROBE: &[u8] = br#"{"method":"Peer.Echo","arg":"probe"}"#;
const PROBE_REPLY: &[u8] = br#"{"success":true,"err":"","result":"probe"}"#;

/// What one client sends.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// A short description.
    pub label: String,
    /// The sends, in order: the bytes, and the number of files sent with them.
    pub segments: Vec<(Vec<u8>, usize)>,
    /// The end that is expected.
    pub expected_end: ExpectedEnd,
}

/// How an exchange ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExpectedEnd {
    /// This many replies. The connection stays open.
    Answered(usize),
    /// Any number of replies. Then the server ends the connection, whatever the client does.
    Closed,
    /// This many replies. Then the server waits for more. It ends the connection only when the
    /// client has ended its sending direction.
    Waiting(usize),
}

impl Exchange {
    /// One send without files, answered once.
    pub fn answered(label: &str, bytes: impl Into<Vec<u8>>) -> Exchange {
        Exchange::new(label, bytes, ExpectedEnd::Answered(1))
    }

    /// One send without files.
    pub fn new(label: &str, bytes: impl Into<Vec<u8>>, expected_end: ExpectedEnd) -> Exchange {
        Exchange { label: label.to_owned(), segments: vec![(bytes.into(), 0)], expected_end }
    }

    /// Runs it on `socket` and returns all that came back, except the reply to the probe.
    ///
    /// # Errors
    /// A text that says how the server's behaviour differs from the expected end.
    pub fn run(&self, socket: Socket) -> Result<Answer, String> {
        limit_time(&socket).map_err(|error| error.to_string())?;
        let mut answer = Answer::default();
        let outcome = match self.expected_end {
            ExpectedEnd::Answered(replies) => self.run_answered(&socket, replies, &mut answer),
            ExpectedEnd::Closed => self.run_closed(&socket, &mut answer),
            ExpectedEnd::Waiting(replies) => self.run_waiting(&socket, replies, &mut answer),
        };
        match outcome {
            Ok(()) => Ok(answer),
            Err(error) => Err(format!("{error}, after {answer}")),
        }
    }

    /// Sends all segments, each when the calls before it are answered, and receives as many
    /// replies. A peer that drops what follows a call in its read answers one call a segment.
    fn receive_answers(&self, socket: &Socket, replies: usize, answer: &mut Answer) -> Played {
        let mut tokenizer = Tokenizer::new();
        let mut answered = 0;
        for segment in &self.segments {
            answer.receive_replies(socket, answered.min(replies))?;
            send_segment(socket, segment).map_err(|error| format!("sending: {error}"))?;
            answered += usize::from(ends_a_value(&mut tokenizer, &segment.0));
        }
        answer.receive_replies(socket, replies)
    }

    fn run_answered(&self, socket: &Socket, replies: usize, answer: &mut Answer) -> Played {
        self.receive_answers(socket, replies, answer)?;
        let mut probed = Answer::default();
        send_segment(socket, &(PROBE.to_vec(), 0)).map_err(|error| format!("probing: {error}"))?;
        probed.receive_replies(socket, 1)?;
        if probed.bytes != PROBE_REPLY {
            return Err(format!("the connection did not go on: {probed}"));
        }
        Ok(())
    }

    fn run_closed(&self, socket: &Socket, answer: &mut Answer) -> Played {
        for segment in &self.segments {
            if send_segment(socket, segment).is_err() {
                break; // the connection has ended, as expected
            }
        }
        answer.receive_to_end(socket)
    }

    fn run_waiting(&self, socket: &Socket, replies: usize, answer: &mut Answer) -> Played {
        self.receive_answers(socket, replies, answer)?;
        answer.receive_nothing(socket)?;
        socket.shutdown_send().map_err(|error| format!("half closing: {error}"))?;
        answer.receive_to_end(socket)?;
        match answer.replies().len() {
            count if count == replies => Ok(()),
            count => Err(format!("{count} replies, not {replies}")),
        }
    }
}

/// Takes the bytes and returns whether a value ends among them. After an error none does.
fn ends_a_value(tokenizer: &mut Tokenizer, mut bytes: &[u8]) -> bool {
    let mut ends = false;
    while let Ok(Some(_)) = tokenizer.next(&mut bytes) {
        ends |= tokenizer.is_between_values();
    }
    ends
}

type Played = Result<(), String>;

/// What came back.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The bytes of all replies.
    pub bytes: Vec<u8>,
    /// The number of files that came with them.
    pub files: usize,
}

impl Answer {
    /// Receives until there are `count` replies in all.
    fn receive_replies(&mut self, socket: &Socket, count: usize) -> Played {
        while self.replies().len() < count {
            if !self.receive_some(socket)? {
                return Err(format!("{} replies, not {count}", self.replies().len()));
            }
        }
        Ok(())
    }

    fn receive_to_end(&mut self, socket: &Socket) -> Played {
        while self.receive_some(socket)? {}
        Ok(())
    }

    /// Checks that for a moment nothing comes, not even the end. It does not see what comes later.
    fn receive_nothing(&mut self, socket: &Socket) -> Played {
        const A_MOMENT: Duration = Duration::from_millis(50);
        limit_time_to(socket, A_MOMENT).map_err(|error| error.to_string())?;
        let received = socket.receive(&mut [0; 64], SCM_MAX_FD);
        limit_time(socket).map_err(|error| error.to_string())?;
        match received {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Ok((0, _)) => Err("the server ended before the client did".to_owned()),
            Ok((length, _)) => Err(format!("{length} bytes after the replies")),
            Err(error) => Err(format!("waiting: {error}")),
        }
    }

    /// Receives once. `false` at the end of the stream, which may be a reset if the server left
    /// bytes unread.
    fn receive_some(&mut self, socket: &Socket) -> Result<bool, String> {
        let mut buffer = vec![0; 1 << 16];
        match socket.receive(&mut buffer, SCM_MAX_FD) {
            Ok((0, _)) => Ok(false),
            Ok((length, files)) => {
                self.bytes.extend_from_slice(&buffer[..length]);
                self.files += files.len();
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(false),
            Err(error) => Err(format!("receiving: {error}")),
        }
    }

    /// The complete replies. They are objects, so counting brackets finds where each one ends.
    pub fn replies(&self) -> Vec<&[u8]> {
        let (mut replies, mut start, mut depth) = (Vec::new(), 0, 0_usize);
        let (mut in_string, mut escaped) = (false, false);
        for (at, &byte) in self.bytes.iter().enumerate() {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = in_string,
                b'"' => in_string = !in_string,
                b'{' | b'[' if !in_string => depth += 1,
                b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
                _ => continue,
            }
            if depth == 0 && !in_string && matches!(byte, b'}' | b']') {
                replies.push(&self.bytes[start..=at]);
                start = at + 1;
            }
        }
        replies
    }
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown = &self.bytes[..self.bytes.len().min(400)];
        write!(f, "{} files and {}", self.files, shown.escape_ascii())
    }
}

/// `count` files at their start. Each contains `content` and its own index.
pub fn numbered_files(count: usize, content: &str) -> io::Result<Files> {
    (0..count).map(|index| file_holding(format!("{content}{index}").as_bytes())).collect()
}

/// A file from which `content` can be read once. It must fit into a pipe.
pub fn file_holding(content: &[u8]) -> io::Result<std::fs::File> {
    let (reader, mut writer) = process::pipe()?;
    writer.write_all(content)?;
    Ok(reader)
}

fn send_segment(socket: &Socket, (bytes, count): &(Vec<u8>, usize)) -> io::Result<()> {
    let files = numbered_files((*count).min(MOST_FILES), "")?;
    let files: Vec<BorrowedFd<'_>> = files.iter().collect();
    let mut sent = match bytes.is_empty() {
        true => return Ok(()),
        false => socket.send(bytes, &files)?,
    };
    while sent < bytes.len() {
        sent += socket.send(&bytes[sent..], &[])?;
    }
    Ok(())
}

/// Sets a timeout, so that a test fails if the peer hangs.
pub fn limit_time(socket: &Socket) -> io::Result<()> {
    limit_time_to(socket, TIMEOUT)
}

fn limit_time_to(socket: &Socket, limit: Duration) -> io::Result<()> {
    let stream = UnixStream::from(socket.as_fd().try_clone_to_owned()?);
    stream.set_read_timeout(Some(limit))?;
    stream.set_write_timeout(Some(limit))
}
