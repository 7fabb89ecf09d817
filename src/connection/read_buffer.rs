//! The receiving half's buffer: cuts the stream into messages and gives each its files.
//!
//! The kernel's rule (`net/unix/af_unix.c`, unix(7)): files arrive with the first byte read of the
//! send that carried them, a read runs across earlier sends into one that carries files and stops
//! behind that one. So one read may hold the end of a message, whole messages, and the start of
//! the one whose files came with it, and therefore **the files of a read belong to the last
//! message that has a byte in it**. White space behind a message counts with it; a read of nothing
//! but white space counts with the next message. Whoever sends the files with a message's first
//! byte is matched rightly, however its sends are cut or joined on the way.
//!
//! A read's files therefore wait until it is known which message that is. The library reads nothing
//! while a whole message waits, so the files held are those of the message being read and those of
//! the latest read.

use std::io;
use std::iter;
use std::mem;
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use super::envelope::Envelope;
use super::retention::Retention;
use crate::control::SCM_MAX_FD;
use crate::error::Error;
use crate::files::Files;
use crate::json::{self, Tokenizer, count_white_space};
use crate::memory::{Budget, Buffer, Shortage};
use crate::sys::Ancillary;

/// The buffer of a client that has sent nothing yet.
const INITIAL: usize = 4096;

pub(super) struct ReadBuffer {
    /// `start..parsed` is what is known of the present message, what is behind is not yet looked
    /// at.
    pub(super) bytes: Buffer,
    start: usize,
    parsed: usize,
    /// How much of the present message was dropped because there was no memory for all of it. What
    /// else comes of it is looked at and dropped, too, so that the stream stays in step.
    dropped: usize,
    tokenizer: Tokenizer,
    ancillary: Ancillary,
    /// The files of the present message, and those of which it is not known yet whose they are.
    current: PendingFiles,
    arrivals: Vec<Arrival>,
    pub(super) retention: Retention,
    policy: FilePolicy,
}

/// One received message.
#[derive(Debug)]
pub(crate) struct Message {
    /// Where it lies in the buffer: see `Receiver::slice`.
    pub(crate) range: Range<usize>,
    pub(crate) files: Files,
    /// Why it must not be acted on, though the stream is in step.
    pub(crate) refusal: Option<Error>,
}

/// Closes refused files: `drop`, or the `closer` where closing must not block this thread.
type CloseFn = fn(Vec<OwnedFd>);

/// How many files a message may carry, and how refused ones are closed.
#[derive(Clone, Copy)]
struct FilePolicy {
    limit: usize,
    close: CloseFn,
}

/// The files of a message that is not whole yet, or why they are refused. Refused files are closed
/// at once.
#[derive(Default)]
struct PendingFiles {
    files: Vec<OwnedFd>,
    refusal: Option<Error>,
}

/// The files that came with one read, and where its bytes begin and end in the buffer.
struct Arrival {
    start: usize,
    end: usize,
    files: PendingFiles,
}

impl PendingFiles {
    fn is_empty(&self) -> bool {
        self.files.is_empty() && self.refusal.is_none()
    }

    fn refuse(&mut self, error: Error, policy: FilePolicy) {
        if !self.files.is_empty() {
            (policy.close)(mem::take(&mut self.files));
        }
        self.refusal.get_or_insert(error);
    }

    /// Refuses the files if they are too many, or if some were lost.
    fn check(&mut self, is_truncated: bool, policy: FilePolicy) {
        let FilePolicy { limit, .. } = policy;
        let count = self.files.len();
        if count > limit {
            let name = "Limits::receive_files";
            self.refuse(Error::TooManyFiles { count, limit, name }, policy);
        } else if is_truncated {
            self.refuse(Error::ControlTruncated, policy);
        }
    }

    /// Adds what came with a later read.
    fn append(&mut self, mut latest: PendingFiles, policy: FilePolicy) {
        if self.files.is_empty() {
            mem::swap(&mut self.files, &mut latest.files);
        } else if self.files.try_reserve(latest.files.len()).is_ok() {
            self.files.append(&mut latest.files);
        } else {
            latest.refuse(Shortage::System.into(), policy);
        }
        match latest.refusal.or(self.refusal.take()) {
            Some(refusal) => self.refuse(refusal, policy),
            None => self.check(false, policy),
        }
    }
}

impl ReadBuffer {
    /// A message may carry `file_limit` files.
    pub(super) fn new(budget: Option<Arc<Budget>>, file_limit: usize) -> ReadBuffer {
        ReadBuffer {
            bytes: Buffer::new(budget),
            start: 0,
            parsed: 0,
            dropped: 0,
            tokenizer: Tokenizer::new(),
            ancillary: Ancillary::new(file_limit),
            current: PendingFiles::default(),
            arrivals: Vec::new(),
            retention: Retention::default(),
            policy: FilePolicy { limit: file_limit, close: drop },
        }
    }

    /// From now on `close` closes all refused files. The kernel closes none of them itself, since
    /// there is room for all that it can send.
    pub(super) fn close_files_by(&mut self, close: CloseFn) {
        self.policy.close = close;
        self.ancillary.room = SCM_MAX_FD;
    }

    /// The text of a message that was taken, until the next one begins.
    pub(super) fn slice(&self, range: &Range<usize>) -> &[u8] {
        &self.bytes[range.clone()]
    }

    /// Turns to the next message, if this one was begun; its text is gone.
    pub(super) fn begin_message(&mut self) {
        if !self.has_begun() {
            return;
        }
        let used = self.parsed - self.start;
        // A line's end behind each message must not keep the buffer from being emptied.
        self.parsed += count_white_space(&self.bytes[self.parsed..]);
        self.start = self.parsed;
        self.dropped = 0;
        self.tokenizer.reset();
        if self.start == self.bytes.len() {
            self.bytes.clear();
            (self.start, self.parsed) = (0, 0);
            // What came with white space alone.
            self.claim(usize::MAX, usize::MAX);
            if let Some(capacity) = self.retention.shrink_target(used, self.bytes.capacity()) {
                self.bytes.shrink_to(capacity);
            }
        }
    }

    /// Whether a byte of the present message has been seen.
    pub(super) fn has_begun(&self) -> bool {
        self.parsed > self.start || self.dropped > 0
    }

    /// Whether files came that belong to no message yet, or came and were refused.
    pub(super) fn has_files(&self) -> bool {
        !self.current.is_empty() || !self.arrivals.is_empty()
    }

    /// What has come of the present message, and what is behind it.
    pub(super) fn beginning(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    /// Whether something came behind the message that was taken last.
    pub(super) fn has_more(&self) -> bool {
        let rest = &self.bytes[self.parsed..];
        count_white_space(rest) < rest.len()
    }

    /// Looks at what came and tells whether the message is whole.
    pub(super) fn parse(&mut self, envelope: &mut Envelope, limit: usize) -> Result<bool, Error> {
        if !self.has_begun() {
            self.start += count_white_space(&self.bytes[self.start..]);
            self.parsed = self.start;
            if let Some(known) = envelope.try_fast_prefix(&self.bytes[self.start..]) {
                self.tokenizer.enter_member(known);
                self.parsed += known;
            }
        }
        let text = &self.bytes[self.start..];
        let mut rest = &self.bytes[self.parsed..];
        let mut whole = false;
        while !whole {
            let token = self.tokenizer.next(&mut rest).map_err(json::Error::Syntax);
            let Some(token) = token.map_err(Error::Malformed)? else { break };
            // A token's place is counted from the message's beginning, which must be there.
            if self.dropped == 0 {
                envelope.token(&token, self.tokenizer.depth(), text);
            }
            whole = self.tokenizer.is_between_values();
        }
        self.parsed = self.bytes.len() - rest.len();
        if !whole {
            // All that came is of this message, or white space before it.
            self.claim(usize::MAX, usize::MAX);
        }
        if self.dropped + self.parsed - self.start > limit {
            return Err(Error::MessageTooLarge { limit });
        }
        Ok(whole)
    }

    /// Hands over the message that [`ReadBuffer::parse`] found to be whole.
    pub(super) fn take_message(&mut self) -> Message {
        let behind = self.parsed + count_white_space(&self.bytes[self.parsed..]);
        self.claim(self.parsed, behind);
        let PendingFiles { files, refusal } = mem::take(&mut self.current);
        Message { range: self.start..self.parsed, files: files.into(), refusal }
    }

    /// Gives the present message the files of the reads that begin before `end` and end at `behind`
    /// or before: it has a byte in them, and no later one has.
    fn claim(&mut self, end: usize, behind: usize) {
        let is_owned = |arrival: &&Arrival| arrival.start < end && arrival.end <= behind;
        let count = self.arrivals.iter().take_while(is_owned).count();
        for arrival in self.arrivals.drain(..count) {
            self.current.append(arrival.files, self.policy);
        }
    }

    /// Makes room for a read of a message of at most `limit` bytes. Where there is no memory for a
    /// message that has begun, that one is refused, and there is room to read it to its end.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`]: there is no memory to read anything at all.
    pub(super) fn make_room(&mut self, limit: usize) -> Result<(), Error> {
        if self.dropped > 0 {
            self.drop_text();
        }
        let capacity = self.bytes.capacity();
        if self.bytes.len() < capacity {
            return Ok(());
        }
        self.bytes.bytes_mut().drain(..self.start);
        self.parsed -= self.start;
        self.start = 0;
        if self.bytes.len() > capacity / 2 || capacity == 0 {
            let factor = if capacity < 1 << 16 { 4 } else { 2 };
            let wanted = capacity.saturating_mul(factor).min(limit.saturating_add(1)).max(INITIAL);
            let grown = self.bytes.set_capacity(wanted);
            return grown.or_else(|shortage| self.refuse_text(shortage));
        }
        Ok(())
    }

    /// Goes on where there is no memory for more of the message.
    fn refuse_text(&mut self, shortage: Shortage) -> Result<(), Error> {
        match self.bytes.capacity() {
            0 => return Err(shortage.into()),
            capacity if self.bytes.len() < capacity => return Ok(()),
            _ => {}
        }
        self.current.refuse(shortage.into(), self.policy);
        self.drop_text();
        self.bytes.shrink_to(Retention::SMALL);
        match self.bytes.capacity() {
            0 => Err(shortage.into()),
            _ => Ok(()),
        }
    }

    /// Drops what came of a message that is refused: all of it was looked at.
    fn drop_text(&mut self) {
        self.dropped += self.parsed - self.start;
        self.bytes.clear();
        (self.start, self.parsed) = (0, 0);
    }

    /// Takes what somebody else has read.
    ///
    /// # Errors
    /// There is no memory for it, and nothing has changed.
    pub(super) fn push(&mut self, bytes: &[u8], files: Vec<OwnedFd>) -> io::Result<()> {
        if !self.bytes.reserve(bytes.len()) {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        self.fill(|room, ancillary| {
            room.extend_from_slice(bytes);
            (ancillary.files, ancillary.is_truncated) = (files, false);
            Ok(bytes.len())
        })
        .map(drop)
    }

    /// The files of which no message was handed over.
    pub(super) fn take_files(&mut self) -> Vec<OwnedFd> {
        let arrived = self.arrivals.drain(..).map(|arrival| arrival.files);
        let pending = iter::once(mem::take(&mut self.current)).chain(arrived);
        pending.flat_map(|pending| pending.files).collect()
    }

    /// Whether all that came was looked at.
    pub(super) fn is_looked_at(&self) -> bool {
        self.parsed == self.bytes.len()
    }

    /// Lets `receive` read into the room; tells how many bytes came.
    pub(super) fn fill(
        &mut self,
        receive: impl FnOnce(&mut Vec<u8>, &mut Ancillary) -> io::Result<usize>,
    ) -> io::Result<usize> {
        // There must be a place for the files before they come.
        self.arrivals.try_reserve_exact(1).map_err(|_| io::ErrorKind::OutOfMemory)?;
        let start = self.bytes.len();
        let count = receive(self.bytes.bytes_mut(), &mut self.ancillary)?;
        let mut files = PendingFiles::default();
        files.files = mem::take(&mut self.ancillary.files);
        files.check(self.ancillary.is_truncated, self.policy);
        if !files.is_empty() {
            self.arrivals.push(Arrival { start, end: self.bytes.len(), files });
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::{self, CALL, REPLY};
    use crate::connection::Schema;

    /// What `envelope` makes of the messages in `text`, which comes in pieces of `size` bytes:
    /// what `look` tells of each, and at the end what the first wrong byte gave.
    fn read(
        text: &[u8],
        size: usize,
        schema: &'static Schema,
        look: impl Fn(&Envelope) -> String,
    ) -> Vec<String> {
        let (mut read_buffer, mut seen) = (ReadBuffer::new(None, 0), Vec::new());
        let mut envelope = Envelope::new(schema);
        let mut pieces = text.chunks(size);
        read_buffer.begin_message();
        loop {
            match read_buffer.parse(&mut envelope, 1 << 20) {
                Ok(true) => {
                    seen.push(look(&envelope));
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
    fn white_space_behind_a_large_message_does_not_hold_its_memory() {
        let (mut read_buffer, mut reader) = (ReadBuffer::new(None, 0), Envelope::new(&CALL));
        let size = 4 * Retention::LARGEST;
        read_buffer.bytes =
            Buffer::of(format!("{{\"arg\":\"{}\"}}\n", "a".repeat(size)).into_bytes());
        assert!(read_buffer.parse(&mut reader, 2 * size).unwrap());
        read_buffer.begin_message();
        assert!(!read_buffer.parse(&mut reader, 2 * size).unwrap());
        assert!(
            read_buffer.bytes.capacity() <= Retention::LARGEST,
            "{}",
            read_buffer.bytes.capacity()
        );
    }

    fn assert_same(text: &[u8], schema: &'static Schema, look: impl Fn(&Envelope) -> String) {
        let whole = read(text, text.len(), schema, &look);
        // No piece of seven bytes holds an opening.
        let pieces = read(text, 7, schema, &look);
        assert_eq!(whole, pieces, "{}", String::from_utf8_lossy(text));
    }

    #[test]
    fn a_call_means_the_same_whether_its_opening_was_taken_in_one_look() {
        let openings: [&[u8]; 10] = [
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
        for (opening, end) in openings.iter().flat_map(|opening| ends.map(|end| (opening, end))) {
            let text = [opening, end.as_bytes()].concat();
            assert_same(&text, &CALL, |envelope| format!("{:?}", call::read_call(envelope)));
        }
    }

    #[test]
    fn a_reply_means_the_same_whether_its_opening_was_taken_in_one_look() {
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
}
