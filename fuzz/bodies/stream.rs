//! What a reader must make of a stream of sends: the messages in it, and to which each file may go.

use std::ops::Range;

use urpc::json::Tokenizer;

/// The stream as it was sent so far.
#[derive(Default)]
pub struct Stream {
    bytes: Vec<u8>,
    /// Where the bytes of each whole message lie.
    messages: Vec<Range<usize>>,
    /// Where the message begins that is not whole yet, and how far it was read.
    start: usize,
    read: usize,
    tokenizer: Tokenizer,
    /// No message can come any more.
    pub is_broken: bool,
    /// Where each send with files lies, how many they were, and which.
    sends: Vec<(Range<usize>, usize, u64)>,
    /// Where each send ends.
    ends: Vec<usize>,
}

impl Stream {
    /// Notes a send of `bytes` and of `count` copies of the file that `identity` names.
    pub fn send(&mut self, bytes: &[u8], count: usize, identity: u64) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        if count > 0 {
            self.sends.push((start..self.bytes.len(), count, identity));
        }
        self.ends.push(self.bytes.len());
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

    /// How many messages are whole.
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

    /// Whether anything but white space was sent behind a message.
    pub fn has_behind(&self, message: usize) -> bool {
        message + 1 < self.messages.len() || self.start < self.bytes.len()
    }

    /// Whether it was sent in one with the message's end, and early enough in the stream for a read
    /// that brings the one to bring the other.
    pub fn has_behind_at_once(&self, message: usize) -> bool {
        const LEAST_ROOM: usize = 4096;
        let end = self.messages[message].end;
        let sent = self.ends.iter().find(|sent| **sent >= end).map_or(end, |sent| *sent);
        let behind = &self.bytes[end..sent];
        sent <= LEAST_ROOM && white_space(behind) < behind.len()
    }

    /// How much is known of the message that is not whole.
    pub fn cut_length(&self) -> usize {
        self.bytes.len() - self.start
    }

    /// The identities of the files that must come with a message, in order, and of those that may.
    pub fn files(&self, message: usize) -> (Vec<u64>, Vec<u64>) {
        let (mut must, mut may) = (Vec::new(), Vec::new());
        for (range, count, identity) in &self.sends {
            let (first, last) = self.owners(range);
            if first <= message && message <= last {
                let copies = std::iter::repeat_n(*identity, *count);
                may.extend(copies.clone());
                must.extend(copies.filter(|_| first == last));
            }
        }
        (must, may)
    }

    /// The first and last message that the files of a send over `range` may belong to. The kernel
    /// hands them over with the first byte; how much of the rest comes along is its affair, and
    /// white space goes with what it is read with. A send within one message leaves no choice.
    fn owners(&self, range: &Range<usize>) -> (usize, usize) {
        let next = self.messages.partition_point(|message| message.end <= range.start);
        let next_start = self.messages.get(next).map_or(self.start, |message| message.start);
        let first = if next_start <= range.start { next } else { next.saturating_sub(1) };
        let starts = self.messages.iter().map(|message| message.start).chain([self.start]);
        let begun = starts.filter(|start| *start < range.end).count();
        (first, begun.saturating_sub(1).max(next))
    }
}

fn white_space(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')).count()
}
