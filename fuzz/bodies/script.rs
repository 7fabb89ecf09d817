//! A peer's script, read from the fuzzer's bytes: what it sends, in which pieces, with how many
//! files, and when it waits or ends.
//!
//! Most bytes stand for themselves. So the text of a message is already a script, and the fuzzer's
//! usual mutations are useful. Nine bytes that JSON never needs are commands:
//!
//! | byte | command |
//! | --- | --- |
//! | `00` | cut: what follows goes in another send |
//! | `01 n` | cut, and the next send carries n (of 0 to 7) files |
//! | `02` | wait until every complete message was handled |
//! | `03` | end the sending direction |
//! | `04` | close |
//! | `05 b` | the byte b |
//! | `06 n b` | the byte b, n * n times |
//! | `07` | stop the other side |
//! | `08 n` | one space in a send of its own, with n (of 0 to 7) files |

/// The greatest byte that is a command.
pub const LAST_COMMAND: u8 = 8;

/// One step.
#[derive(Debug, PartialEq)]
pub enum Step {
    /// One send, never empty.
    Send {
        bytes: Vec<u8>,
        files: usize,
    },
    Wait,
    HalfClose,
    Close,
    Stop,
}

/// The most bytes that one script sends. They must fit into a socket's buffer, because nobody reads
/// while the script is played.
pub const MOST_BYTES: usize = 1 << 16;
const MOST_SENDS: usize = 48;

/// Reads a script. The last step is always an end of the sending direction or a close.
pub fn parse(input: &[u8]) -> Vec<Step> {
    let mut writer = Writer::default();
    let mut input = input.iter().copied();
    while let Some(byte) = input.next() {
        match byte {
            0 => writer.cut(0),
            1 => writer.cut(usize::from(input.next().unwrap_or(0) % 8)),
            2 => writer.step(Step::Wait),
            3 => writer.step(Step::HalfClose),
            4 => writer.step(Step::Close),
            5 => writer.push(input.next().unwrap_or(0), 1),
            6 => {
                let count = usize::from(input.next().unwrap_or(0));
                writer.push(input.next().unwrap_or(b' '), count * count);
            }
            7 => writer.step(Step::Stop),
            8 => {
                writer.cut(usize::from(input.next().unwrap_or(0) % 8));
                writer.push(b' ', 1);
                writer.cut(0);
            }
            byte => writer.push(byte, 1),
        }
    }
    writer.step(Step::HalfClose);
    writer.steps
}

#[derive(Default)]
struct Writer {
    steps: Vec<Step>,
    bytes: Vec<u8>,
    files: usize,
    total: usize,
    sends: usize,
}

impl Writer {
    fn push(&mut self, byte: u8, count: usize) {
        let count = count.min(MOST_BYTES - self.total);
        self.total += count;
        self.bytes.resize(self.bytes.len() + count, byte);
    }

    fn cut(&mut self, files: usize) {
        let bytes = std::mem::take(&mut self.bytes);
        if !bytes.is_empty() && self.sends < MOST_SENDS {
            self.sends += 1;
            self.steps.push(Step::Send { bytes, files: self.files });
            self.files = 0;
        }
        self.files = self.files.max(files);
    }

    fn step(&mut self, step: Step) {
        self.cut(0);
        self.steps.push(step);
    }
}
