//! What a reader must make of a stream of sends: the messages in it, and the files of each.
//!
//! The rule: the files of a read belong to the last message that has a byte in it. White space
//! after a message counts with it. A read of only white space counts with the next message.

use std::ops::Range;

use urpc::json::Tokenizer;

/// One send: where its bytes are, how many files it carried, and of which file they are copies.
struct Send {
    range: Range<usize>,
    count: usize,
    identity: u64,
}

/// What the other side read: complete sends, while it has room for all of them.
#[derive(Default)]
struct Reads {
    /// The number of sends that were read.
    sends: usize,
    /// Where the bytes of each read with files are, and which send carried the files.
    with_files: Vec<(Range<usize>, usize)>,
}

/// The room that a reader has before it read anything. If a stream is not longer than this, a read
/// takes all that the kernel returns.
const LEAST_ROOM: usize = 4096;

/// The stream that was sent so far.
#[derive(Default)]
pub struct Stream {
    bytes: Vec<u8>,
    /// Where the bytes of each complete message are.
    messages: Vec<Range<usize>>,
    /// Where the incomplete message begins, and how far it was read.
    start: usize,
    read: usize,
    tokenizer: Tokenizer,
    /// No further message can come.
    pub is_broken: bool,
    sends: Vec<Send>,
    reads: Reads,
}

impl Stream {
    /// Records a send of `bytes` and of `count` copies of the file with `identity`.
    pub fn send(&mut self, bytes: &[u8], count: usize, identity: u64) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        self.sends.push(Send { range: start..self.bytes.len(), count, identity });
        self.read_on();
    }

    fn read_on(&mut self) {
        while !self.is_broken {
            if self.read == self.start {
                self.start += white_space(&self.bytes[self.start..]);
                self.read = self.start;
            }
            let mut rest = &self.bytes[self.read..];
            let token = self.tokenizer.next(&mut rest);
            self.read = self.bytes.len() - rest.len();
            match token {
                Ok(None) => return,
                Ok(Some(_)) if self.tokenizer.is_between_values() => {
                    self.messages.push(self.start..self.read);
                    self.start = self.read;
                    self.tokenizer.reset();
                }
                Ok(Some(_)) => {}
                Err(_) => self.is_broken = true,
            }
        }
    }

    /// The number of complete messages.
    pub fn len(&self) -> usize {
        self.messages.len()
    }

    pub fn text(&self, message: usize) -> &[u8] {
        &self.bytes[self.messages[message].clone()]
    }

    /// Whether the stream would end within a message if it ended now.
    pub fn is_cut(&self) -> bool {
        self.read > self.start
    }

    /// Whether anything but white space was sent after a message.
    pub fn has_text_after(&self, message: usize) -> bool {
        message + 1 < self.messages.len() || self.start < self.bytes.len()
    }

    /// Whether it was sent in one send with the message's end, and early enough in the stream for
    /// both to come in one read.
    pub fn has_text_after_at_once(&self, message: usize) -> bool {
        let end = self.messages[message].end;
        let mut ends = self.sends.iter().map(|send| send.range.end);
        let sent = ends.find(|sent| *sent >= end).unwrap_or(end);
        let after = &self.bytes[end..sent];
        sent <= LEAST_ROOM && white_space(after) < after.len()
    }

    /// The length of the incomplete message so far.
    pub fn cut_length(&self) -> usize {
        self.bytes.len() - self.start
    }

    /// Records that the other side has read until `message` is complete, or all that was sent. A
    /// read continues across sends into one that carries files, and stops after that one. If the
    /// message is complete already, there is no read.
    pub fn note_read(&mut self, message: usize) {
        let end = self.messages.get(message).map_or(usize::MAX, |message| message.end);
        loop {
            let unread = &self.sends[self.reads.sends..];
            let Some(start) = unread.first().map(|send| send.range.start) else { return };
            if start >= end {
                return;
            }
            let with_files = unread.iter().position(|send| send.count > 0);
            let last = self.reads.sends + with_files.unwrap_or(unread.len() - 1);
            if with_files.is_some() {
                self.reads.with_files.push((start..self.sends[last].range.end, last));
            }
            self.reads.sends = last + 1;
        }
    }

    /// The identities of the files that must come with a message, in order, and of those that may
    /// come.
    pub fn files(&self, message: usize) -> (Vec<u64>, Vec<u64>) {
        if self.bytes.len() <= LEAST_ROOM {
            let files = self.files_read(message);
            return (files.clone(), files);
        }
        let (mut must, mut may) = (Vec::new(), Vec::new());
        for send in &self.sends {
            let (first, last) = self.owners(&send.range);
            if first <= message && message <= last {
                may.extend(send.files());
                must.extend(send.files().filter(|_| first == last));
            }
        }
        (must, may)
    }

    /// The files of a message whose reads are known: those of the reads in which it is the last
    /// that has a byte, and those of the reads of only white space before it.
    fn files_read(&self, message: usize) -> Vec<u64> {
        let reads = self.reads.with_files.iter().filter(|(read, _)| self.owners(read).1 == message);
        reads.flat_map(|(_, send)| self.sends[*send].files()).collect()
    }

    /// The first and last message to which the files of a send over `range` may belong. The kernel
    /// returns the files with the first byte. It decides how much of the rest comes along, and
    /// white space counts with what it is read with. A send within one message leaves no choice. If
    /// the range is all of a read, the files belong to the last message.
    fn owners(&self, range: &Range<usize>) -> (usize, usize) {
        let next = self.messages.partition_point(|message| message.end <= range.start);
        let next_start = self.messages.get(next).map_or(self.start, |message| message.start);
        let first = if next_start <= range.start { next } else { next.saturating_sub(1) };
        let starts = self.messages.iter().map(|message| message.start).chain([self.start]);
        let begun = starts.filter(|start| *start < range.end).count();
        (first, begun.saturating_sub(1).max(next))
    }
}

impl Send {
    fn files(&self) -> impl Iterator<Item = u64> + use<> {
        std::iter::repeat_n(self.identity, self.count)
    }
}

fn white_space(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')).count()
}
