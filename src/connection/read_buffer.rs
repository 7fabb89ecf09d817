//! The read buffer: splits the stream into messages and assigns files to them.
//!
//! The kernel's rule (`net/unix/af_unix.c`, unix(7)) is: files arrive with the first byte of the
//! send that carried them. A read may cover several sends, and ends with the first of them that
//! carries files. So one read may contain the end of a message, complete messages, and the beginning
//! of the message whose files came with the read. Therefore **the files of a read belong to the
//! last message that has a byte in it**. White space after a message belongs to that message. A
//! read of white space alone belongs to the next message. If a peer sends the files with a
//! message's first byte, they are assigned correctly, however the kernel splits or joins its sends.
//!
//! The files of a read wait until it is known which message that is. The library reads nothing while
//! a complete message is in the buffer. So the files held are those of the current message and
//! those of the latest read.

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
use crate::json::{self, MAX_DEPTH, Tokenizer, count_white_space};
use crate::limits::Limit;
use crate::memory::{Budget, Buffer, Shortage};
use crate::sys::Ancillary;

/// The first capacity of the buffer in bytes.
const INITIAL: usize = 4096;

pub(super) struct ReadBuffer {
    /// `start..parsed` is the parsed part of the current message. The bytes after it are not parsed
    /// yet.
    pub(super) bytes: Buffer,
    start: usize,
    parsed: usize,
    /// How many bytes of the current message were dropped, because there was no memory for all of
    /// it. The rest of it is parsed and dropped, too, so that the next message is found.
    dropped: usize,
    tokenizer: Tokenizer,
    ancillary: Ancillary,
    /// The files that are known to belong to the current message.
    current: PendingFiles,
    /// The files of reads whose message is not known yet.
    arrivals: Vec<Arrival>,
    pub(super) retention: Retention,
    policy: FilePolicy,
}

/// One received message.
#[derive(Debug)]
pub(crate) struct Message {
    /// Its position in the buffer: see `Receiver::slice`.
    pub(crate) range: Range<usize>,
    pub(crate) files: Files,
    /// Why the message is refused. The connection is still usable.
    pub(crate) refusal: Option<Error>,
}

/// Closes refused files: `drop`, or `closer::close` if closing must not block this thread.
type CloseFn = fn(Vec<OwnedFd>);

/// How many files a message may carry, and how refused ones are closed.
#[derive(Clone, Copy)]
struct FilePolicy {
    limit: usize,
    close: CloseFn,
}

/// The files of a message that is not complete yet, or why it is refused. Refused files are closed
/// at once.
#[derive(Default)]
struct PendingFiles {
    files: Vec<OwnedFd>,
    refusal: Option<Error>,
}

/// The files of one read, and where its bytes begin and end in the buffer.
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

    /// Refuses the files if there are too many, or if some were lost.
    fn check(&mut self, is_truncated: bool, policy: FilePolicy) {
        let FilePolicy { limit, .. } = policy;
        let count = self.files.len();
        if count > limit {
            let name = Limit::ReceiveFiles;
            self.refuse(Error::TooManyFiles { method: None, count, limit, name }, policy);
        } else if is_truncated {
            self.refuse(Error::ControlTruncated { method: None }, policy);
        }
    }

    /// Adds the files of a later read.
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
    /// A message may have at most `file_limit` files.
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

    /// From now on `close` closes all refused files. The kernel closes none, because there is room
    /// for as many files as it can deliver.
    pub(super) fn close_files_by(&mut self, close: CloseFn) {
        self.policy.close = close;
        self.ancillary.room = SCM_MAX_FD;
    }

    /// The text of the message that was taken last, until the next one begins.
    pub(super) fn slice(&self, range: &Range<usize>) -> &[u8] {
        &self.bytes[range.clone()]
    }

    /// Ends the current message, if it has begun. Its text is dropped.
    pub(super) fn begin_message(&mut self) {
        if !self.has_begun() {
            return;
        }
        let used = self.parsed - self.start;
        // A line break after each message must not prevent that the buffer becomes empty.
        self.parsed += count_white_space(&self.bytes[self.parsed..]);
        self.start = self.parsed;
        self.dropped = 0;
        self.tokenizer.reset();
        if self.start == self.bytes.len() {
            self.bytes.clear();
            (self.start, self.parsed) = (0, 0);
            // These files came with white space alone, so they belong to the next message.
            self.claim(usize::MAX, usize::MAX);
            if let Some(capacity) = self.retention.shrink_target(used, self.bytes.capacity()) {
                self.bytes.shrink_to(capacity);
            }
        }
    }

    /// Whether a byte of the current message was parsed.
    pub(super) fn has_begun(&self) -> bool {
        self.parsed > self.start || self.dropped > 0
    }

    /// Whether files came for a message that is not complete. They may have been refused.
    pub(super) fn has_files(&self) -> bool {
        !self.current.is_empty() || !self.arrivals.is_empty()
    }

    /// The current message as far as it has come, and everything after it.
    pub(super) fn beginning(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    /// Whether the buffer contains the beginning of another message.
    pub(super) fn has_more(&self) -> bool {
        let rest = &self.bytes[self.parsed..];
        count_white_space(rest) < rest.len()
    }

    /// Parses the new bytes, but none after the current message's end. `true` if that end was
    /// found: the message is complete. `false` if more must be received.
    ///
    /// # Errors
    /// [`Error::Malformed`] or [`Error::MessageTooLarge`]: the end of the message is not known.
    pub(super) fn find_message_end(
        &mut self,
        envelope: &mut Envelope,
        limit: usize,
    ) -> Result<bool, Error> {
        // So it is before the first read for a message.
        if self.is_parsed() && self.arrivals.is_empty() {
            return Ok(false);
        }
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
        let mut is_complete = false;
        while !is_complete {
            // Within a member's value only its end matters.
            let depth = if self.tokenizer.depth() > 1 { 1 } else { MAX_DEPTH };
            let token = self.tokenizer.next_at(depth, &mut rest).map_err(json::Error::Syntax);
            let Some(token) = token.map_err(Error::malformed)? else { break };
            // A token's position is relative to the message's beginning, which must not be dropped.
            if self.dropped == 0 {
                envelope.token(&token, self.tokenizer.depth(), text);
            }
            is_complete = self.tokenizer.is_between_values();
        }
        self.parsed = self.bytes.len() - rest.len();
        if !is_complete {
            // All that came belongs to this message, or is white space before it.
            self.claim(usize::MAX, usize::MAX);
        }
        if self.dropped + self.parsed - self.start > limit {
            return Err(Error::MessageTooLarge { method: None, limit });
        }
        Ok(is_complete)
    }

    /// Takes the complete message that [`ReadBuffer::find_message_end`] found, with its files.
    pub(super) fn take_message(&mut self) -> Message {
        let white_space_end = self.parsed + count_white_space(&self.bytes[self.parsed..]);
        self.claim(self.parsed, white_space_end);
        let PendingFiles { files, refusal } = mem::take(&mut self.current);
        Message { range: self.start..self.parsed, files: files.into(), refusal }
    }

    /// Assigns to the current message the files of reads that begin before `end`, the message's
    /// end, and end at or before `white_space_end`. No later message has a byte in these.
    fn claim(&mut self, end: usize, white_space_end: usize) {
        // Most messages have no files.
        if self.arrivals.is_empty() {
            return;
        }
        let is_owned = |arrival: &&Arrival| arrival.start < end && arrival.end <= white_space_end;
        let count = self.arrivals.iter().take_while(is_owned).count();
        for arrival in self.arrivals.drain(..count) {
            self.current.append(arrival.files, self.policy);
        }
    }

    /// Makes room for the next read. A message has at most `limit` bytes. If there is no memory for
    /// more of the current message, it is refused, and the room is for the rest of it.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`]: there is no memory to read anything.
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

    /// Refuses the current message if there is no memory for more of it.
    fn refuse_text(&mut self, shortage: Shortage) -> Result<(), Error> {
        match self.bytes.capacity() {
            0 => return Err(shortage.into()),
            capacity if self.bytes.len() < capacity => return Ok(()),
            _ => {}
        }
        self.current.refuse(shortage.into(), self.policy);
        self.drop_text();
        self.bytes.shrink_to(Retention::SMALL);
        if self.bytes.capacity() == 0 { Err(shortage.into()) } else { Ok(()) }
    }

    /// Drops the text of a refused message, which begins the buffer. All of it has been parsed.
    fn drop_text(&mut self) {
        self.dropped += self.parsed;
        self.bytes.clear();
        self.parsed = 0;
    }

    /// Adds what the caller has received.
    ///
    /// # Errors
    /// There is no memory for it. Nothing was added, and `files` still has all of them.
    pub(super) fn push(&mut self, bytes: &[u8], files: &mut Vec<OwnedFd>) -> io::Result<()> {
        self.drop_taken();
        if !self.bytes.reserve(bytes.len()) {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        self.fill(|room, ancillary| {
            room.extend_from_slice(bytes);
            (ancillary.files, ancillary.is_truncated) = (mem::take(files), false);
            Ok(bytes.len())
        })
        .map(drop)
    }

    /// Drops the text before the current message where that is most of the buffer, so that each byte
    /// is moved once at the most.
    fn drop_taken(&mut self) {
        let taken = self.start;
        if taken <= self.bytes.len() / 2 {
            return;
        }
        self.bytes.bytes_mut().drain(..taken);
        (self.start, self.parsed) = (0, self.parsed - taken);
        for arrival in &mut self.arrivals {
            arrival.start = arrival.start.saturating_sub(taken);
            arrival.end = arrival.end.saturating_sub(taken);
        }
    }

    /// Takes the files of all messages that were not taken.
    pub(super) fn take_files(&mut self) -> Vec<OwnedFd> {
        let arrived = self.arrivals.drain(..).map(|arrival| arrival.files);
        let pending = iter::once(mem::take(&mut self.current)).chain(arrived);
        pending.flat_map(|pending| pending.files).collect()
    }

    /// Whether all bytes were parsed.
    pub(super) fn is_parsed(&self) -> bool {
        self.parsed == self.bytes.len()
    }

    /// Calls `receive` to read into the buffer. Returns how many bytes it read.
    pub(super) fn fill(
        &mut self,
        receive: impl FnOnce(&mut Vec<u8>, &mut Ancillary) -> io::Result<usize>,
    ) -> io::Result<usize> {
        // Reserved first: once the files have come, there must be a place for them.
        self.arrivals.try_reserve_exact(1).map_err(|_| io::ErrorKind::OutOfMemory)?;
        let start = self.bytes.len();
        let count = receive(self.bytes.bytes_mut(), &mut self.ancillary)?;
        if self.ancillary.files.is_empty() && !self.ancillary.is_truncated {
            return Ok(count);
        }
        let mut files = PendingFiles::default();
        files.files = mem::take(&mut self.ancillary.files);
        files.check(self.ancillary.is_truncated, self.policy);
        self.arrivals.push(Arrival { start, end: self.bytes.len(), files });
        Ok(count)
    }
}
