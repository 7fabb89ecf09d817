//! Between a client and a server: forwards bytes and files unchanged, and reports each message
//! before its last byte is forwarded. So a call is always reported before its reply.
//!
//! The relay delays and changes nothing. One case needs care. One read may return the end of a
//! message and the start of the next, to which the files belong (unix(7)). A peer expects files
//! where a message starts, so there the relay splits its send.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use urpc::json::Tokenizer;
use urpc::socket::control::SCM_MAX_FD;
use urpc::{Socket, process};

use crate::clients::small_thread;
use crate::filelist::Description;
use crate::log;
use crate::streams;

const CHUNK: usize = 64 * 1024;
/// How many files of a message are described. No message has more. But any number of files may come
/// between messages, with white space.
const MOST_DESCRIBED: usize = SCM_MAX_FD;
/// How many bytes are kept of all messages under way.
const MOST_KEPT: usize = 256 << 20;
static KEPT: AtomicUsize = AtomicUsize::new(0);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the client to the server.
    Call,
    /// From the server to the client.
    Reply,
}

impl Direction {
    pub fn arrow(self) -> &'static str {
        match self {
            Direction::Call => "->",
            Direction::Reply => "<-",
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Direction::Call => "call",
            Direction::Reply => "reply",
        }
    }
}

/// A message that was forwarded.
#[derive(Debug, Default, PartialEq)]
pub struct Message {
    /// Its first bytes, as many as are kept.
    pub text: Vec<u8>,
    pub size: u64,
    pub files: Vec<Description>,
    /// Files beyond [`MOST_DESCRIBED`].
    pub more_files: u64,
    /// Whether it is complete and was valid JSON.
    pub complete: bool,
}

/// Relays until both sides have ended or one has failed. It keeps `keep` bytes of each message for
/// `report`, which is called from two threads.
///
/// # Errors
/// Why calls could not be forwarded. `TimedOut` if the server has read nothing for `limit`.
pub fn relay(
    client: &Socket,
    server: &Socket,
    keep: usize,
    limit: Option<Duration>,
    report: &(dyn Fn(Direction, Message) + Sync),
) -> io::Result<()> {
    thread::scope(|scope| {
        let replies = move || {
            // The other direction fails as well, or its client has left.
            let _ = one_way(server, client, keep, None, &|m| report(Direction::Reply, m));
        };
        // Without a second thread nothing can be relayed. The client sees the end of the
        // connection.
        if small_thread().spawn_scoped(scope, replies).is_ok() {
            one_way(client, server, keep, limit, &|message| report(Direction::Call, message))
        } else {
            client.shutdown().and(server.shutdown())
        }
    })
}

fn one_way(
    from: &Socket,
    to: &Socket,
    keep: usize,
    limit: Option<Duration>,
    report: &dyn Fn(Message),
) -> io::Result<()> {
    let mut watch = Watch::new(keep);
    let copied = copy(from, to, limit, &mut watch, report);
    watch.finish().into_iter().for_each(report);
    if let Some(error) = copied.as_ref().err().filter(|error| is_loss(error)) {
        log::say("trace", &format!("a connection is ended: {error}"));
    }
    let _ = match copied {
        // A client that has shut down its sending direction still expects the reply.
        Ok(()) => to.shutdown_send(),
        Err(_) => from.shutdown().and(to.shutdown()),
    };
    copied
}

/// Whether files were lost, because too few descriptors were free to receive them.
fn is_loss(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::InvalidData
}

fn copy(
    from: &Socket,
    to: &Socket,
    limit: Option<Duration>,
    watch: &mut Watch,
    report: &dyn Fn(Message),
) -> io::Result<()> {
    let mut buffer = vec![0; CHUNK];
    loop {
        let receive = |from: &mut &Socket| from.receive(&mut buffer, SCM_MAX_FD);
        let (length, files) = streams::when_readable(&mut { from }, receive)?;
        if length == 0 {
            return Ok(());
        }
        let chunk = &buffer[..length];
        let described = files.iter().take(watch.room_for_files()).map(Description::of).collect();
        let seen = watch.see(chunk, described, files.len());
        seen.finished.into_iter().for_each(report);
        if files.is_empty() {
            send_all(to, chunk, &[], limit)?;
        } else {
            send_all(to, &chunk[..seen.files_at], &[], limit)?;
            send_all(to, &chunk[seen.files_at..], &files.iter().collect::<Vec<_>>(), limit)?;
        }
    }
}

/// Fails with `TimedOut` if nothing could be sent for `limit`.
fn send_all(
    to: &Socket,
    mut bytes: &[u8],
    mut files: &[BorrowedFd<'_>],
    limit: Option<Duration>,
) -> io::Result<()> {
    while !bytes.is_empty() {
        match to.try_send(bytes, files) {
            Ok(sent) => (bytes, files) = (&bytes[sent..], &[]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
            Err(_) if process::wait_writable(to.as_fd(), limit)? => {}
            Err(_) => return Err(io::ErrorKind::TimedOut.into()),
        }
    }
    Ok(())
}

/// Follows the stream of one direction and splits it into messages.
struct Watch {
    tokenizer: Box<Tokenizer>,
    keep: usize,
    /// The number of bytes of the stream before the current chunk.
    before: u64,
    /// The current message, or the files for the next one.
    message: Message,
    under_way: bool,
    /// The stream is invalid. The rest of it counts as one message without an end.
    broken: bool,
}

/// What was found in a chunk.
struct Seen {
    finished: Vec<Message>,
    /// Where the chunk's last message starts. 0 if it started earlier.
    files_at: usize,
}

impl Watch {
    fn new(keep: usize) -> Watch {
        Watch {
            tokenizer: Box::new(Tokenizer::new()),
            keep,
            before: 0,
            message: Message::default(),
            under_way: false,
            broken: false,
        }
    }

    /// How many files may still be described.
    fn room_for_files(&self) -> usize {
        MOST_DESCRIBED.saturating_sub(self.message.files.len())
    }

    /// Takes a chunk that came with `count` files, of which `files` are described.
    fn see(&mut self, chunk: &[u8], files: Vec<Description>, count: usize) -> Seen {
        let mut seen = Seen { finished: Vec::new(), files_at: 0 };
        let mut at = 0;
        let mut rest = chunk;
        while !self.broken {
            let token = match self.tokenizer.next(&mut rest) {
                Ok(Some(token)) => token,
                Ok(None) => break,
                Err(_) => {
                    self.broken = true;
                    self.under_way = true;
                    break;
                }
            };
            let place = |offset: u64| usize::try_from(offset.saturating_sub(self.before));
            if !self.under_way {
                at = place(token.start).unwrap_or(0);
                seen.files_at = at;
                self.under_way = true;
            }
            if self.tokenizer.is_between_values() {
                let end = place(token.end).unwrap_or(chunk.len());
                self.append(&chunk[at..end]);
                at = end;
                self.under_way = false;
                let message = self.take();
                seen.finished.push(Message { complete: true, ..message });
            }
        }
        if self.under_way {
            self.append(&chunk[at..]);
        }
        self.before += chunk.len() as u64;
        let message = match seen.finished.last_mut() {
            Some(last) if !self.under_way => last,
            _ => &mut self.message,
        };
        message.more_files += (count - files.len()) as u64;
        message.files.extend(files);
        seen
    }

    /// Keeps as much as there is room for. What is kept is always the beginning.
    fn append(&mut self, bytes: &[u8]) {
        let Message { text, size, .. } = &mut self.message;
        let is_beginning = *size == text.len() as u64;
        *size += bytes.len() as u64;
        let wanted = self.keep.saturating_sub(text.len()).min(bytes.len());
        if !is_beginning || text.try_reserve(wanted).is_err() {
            return;
        }
        if KEPT.fetch_add(wanted, Ordering::Relaxed) + wanted > MOST_KEPT {
            KEPT.fetch_sub(wanted, Ordering::Relaxed);
            return;
        }
        text.extend_from_slice(&bytes[..wanted]);
    }

    /// The message, which is no longer kept.
    fn take(&mut self) -> Message {
        let message = std::mem::take(&mut self.message);
        KEPT.fetch_sub(message.text.len(), Ordering::Relaxed);
        message
    }

    /// The message that is incomplete at the end of the stream.
    fn finish(&mut self) -> Option<Message> {
        let message = self.take();
        (self.under_way || !message.files.is_empty()).then_some(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str) -> Vec<Description> {
        vec![Description { kind: name.to_owned(), ..Description::default() }]
    }

    fn texts(seen: &Seen) -> Vec<&str> {
        seen.finished.iter().map(|message| std::str::from_utf8(&message.text).unwrap()).collect()
    }

    #[test]
    fn messages_are_cut_whatever_the_chunks() {
        let stream = br#" {"a":[1]} {"b":"}"}{}"#;
        for size in 1..=stream.len() {
            let mut watch = Watch::new(100);
            let seen: Vec<_> = stream.chunks(size).map(|c| watch.see(c, Vec::new(), 0)).collect();
            let all: Vec<_> = seen.iter().flat_map(texts).collect();
            assert_eq!(all, [r#"{"a":[1]}"#, r#"{"b":"}"}"#, "{}"], "{size}");
            assert_eq!(watch.finish(), None);
        }
    }

    #[test]
    fn files_go_where_the_last_message_of_their_read_starts() {
        let mut watch = Watch::new(100);
        watch.see(b"{\"a\":", Vec::new(), 0);
        let seen = watch.see(b"1} {\"b\":2} ", file("b's"), 1);
        assert_eq!(seen.files_at, 3);
        assert_eq!(seen.finished[0].files, []);
        assert_eq!(seen.finished[1].files, file("b's"));
    }

    #[test]
    fn files_of_a_read_that_ends_within_a_message_are_not_those_of_the_one_before() {
        let mut watch = Watch::new(100);
        let seen = watch.see(b"{\"a\":1} {\"b\":", file("b's"), 1);
        assert_eq!((seen.files_at, &seen.finished[0].files[..]), (8, &[][..]));
        assert_eq!(watch.see(b"2}", Vec::new(), 0).finished[0].files, file("b's"));
    }

    #[test]
    fn files_of_a_message_that_is_not_whole_yet_and_of_white_space_wait_for_it() {
        let mut watch = Watch::new(100);
        assert_eq!(watch.see(b" ", file("first"), 1).files_at, 0);
        assert_eq!(watch.see(b"{\"a\":", file("second"), 1).files_at, 0);
        let seen = watch.see(b"1}", Vec::new(), 0);
        assert_eq!(seen.finished[0].files, [file("first"), file("second")].concat());
    }

    #[test]
    fn files_on_white_space_are_counted_and_not_kept_without_end() {
        let mut watch = Watch::new(100);
        for _ in 0..1000 {
            let files = file("blank's").into_iter().take(watch.room_for_files()).collect();
            watch.see(b" ", files, 1);
        }
        let message = watch.finish().unwrap();
        assert_eq!((message.files.len(), message.more_files), (MOST_DESCRIBED, 1000 - 253));
    }

    #[test]
    fn a_long_message_is_counted_and_its_start_kept() {
        let mut watch = Watch::new(4);
        let seen = watch.see(b"{\"abc\":12345}", Vec::new(), 0);
        assert_eq!(seen.finished[0].text, b"{\"ab");
        assert_eq!(seen.finished[0].size, 13);
    }

    #[test]
    fn what_is_no_json_is_reported_at_the_end() {
        let mut watch = Watch::new(100);
        assert_eq!(texts(&watch.see(b"{} {]", Vec::new(), 0)), ["{}"]);
        watch.see(b"more", Vec::new(), 0);
        let last = watch.finish().unwrap();
        assert_eq!((&last.text[..], last.complete), (&b"{]more"[..], false));
    }
}
