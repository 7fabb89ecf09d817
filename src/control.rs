//! The bytes of control messages, in safe code.
//!
//! Files cross a Unix socket in control messages (cmsg(3), unix(7)): a header of a length, a level
//! and a type, then descriptor numbers in the machine's own byte order, the whole padded to the
//! size of a `usize`. This module packs that form and walks it, over plain bytes: it makes no
//! system call, owns no descriptor and cannot panic, whatever the bytes say. It stands below
//! [`sys`](crate) because that floor turns what the walk yields into owned descriptors, so its
//! soundness rests on what is written here.
//!
//! ```
//! use urpc::socket::control::{self, Item};
//!
//! let mut bytes = [0; control::space(8)];
//! let packed = control::pack(&[7, 9], &mut bytes).unwrap();
//! let items: Vec<Item> = control::walk(packed).collect();
//! assert_eq!(items, [Item::File(7), Item::File(9)]);
//! ```

use std::marker::PhantomData;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};

/// The most files that the kernel lets ride with one send (`SCM_MAX_FD`, unix(7)).
pub const MAX_FILES: usize = 253;

pub(crate) const SOL_SOCKET: i32 = if SOCKET_NUMBERS_OF_OLD { 0xffff } else { 1 };

/// Whether this architecture numbers its socket options as its first Unix did
/// (`asm/socket.h` of mips and sparc in Linux).
pub(crate) const SOCKET_NUMBERS_OF_OLD: bool = cfg!(any(
    target_arch = "mips",
    target_arch = "mips32r6",
    target_arch = "mips64",
    target_arch = "mips64r6",
    target_arch = "sparc",
    target_arch = "sparc64"
));

const SCM_RIGHTS: i32 = 1;
const SCM_PIDFD: i32 = 4;
const NUMBER: usize = size_of::<RawFd>();
const HEADER: usize = size_of::<usize>() + 2 * size_of::<i32>();

/// What a receive must have room for beside the files: credentials, a security label, a pidfd and
/// the queue's overflow count, each of which some option of the socket lets the kernel add. The
/// kernel places credentials first, so without this room they would push files out.
const EXTRAS: usize = space(12) + space(256) + 2 * space(4);

/// `CMSG_SPACE`: the bytes that a control message of `length` bytes of data takes up in a buffer.
pub const fn space(length: usize) -> usize {
    HEADER + length.next_multiple_of(align_of::<usize>())
}

/// Packs `numbers` as one `SCM_RIGHTS` message at the start of `into` and returns the bytes used,
/// padding included. `None` if they do not fit or if there are none: an empty message is not the
/// same as no message.
pub fn pack<'b>(numbers: &[RawFd], into: &'b mut [u8]) -> Option<&'b [u8]> {
    let length = numbers.len().checked_mul(NUMBER)?;
    let packed = into.get_mut(..space(length))?;
    if numbers.is_empty() {
        return None;
    }
    packed.fill(0);
    packed[..size_of::<usize>()].copy_from_slice(&(HEADER + length).to_ne_bytes());
    packed[size_of::<usize>()..HEADER - 4].copy_from_slice(&SOL_SOCKET.to_ne_bytes());
    packed[HEADER - 4..HEADER].copy_from_slice(&SCM_RIGHTS.to_ne_bytes());
    for (place, number) in packed[HEADER..].chunks_exact_mut(NUMBER).zip(numbers) {
        place.copy_from_slice(&number.to_ne_bytes());
    }
    Some(packed)
}

/// One descriptor that a control message installed in this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Item {
    /// A file that the peer sent.
    File(RawFd),
    /// A handle on the peer's process that the kernel added (`SO_PASSPIDFD`).
    PidFd(RawFd),
}

/// Walks received control data and yields every descriptor in it, in order. Messages of other
/// kinds are passed over, a broken header ends the walk, negative numbers are skipped.
pub fn walk(bytes: &[u8]) -> Walk<'_> {
    Walk { rest: bytes, numbers: &[], pidfd: false }
}

/// The iterator that [`walk`] returns.
#[derive(Debug, Clone)]
pub struct Walk<'b> {
    rest: &'b [u8],
    numbers: &'b [u8],
    pidfd: bool,
}

impl Iterator for Walk<'_> {
    type Item = Item;

    fn next(&mut self) -> Option<Item> {
        loop {
            while let Some((number, rest)) = self.numbers.split_first_chunk() {
                self.numbers = rest;
                match RawFd::from_ne_bytes(*number) {
                    ..0 => continue,
                    number if self.pidfd => return Some(Item::PidFd(number)),
                    number => return Some(Item::File(number)),
                }
            }
            self.enter_next_message()?;
        }
    }
}

impl Walk<'_> {
    /// Steps to the data of the next control message; `None` where there is none.
    fn enter_next_message(&mut self) -> Option<()> {
        let (length, after) = self.rest.split_first_chunk()?;
        let (level, after) = after.split_first_chunk()?;
        let (kind, data) = after.split_first_chunk()?;
        let data_length = usize::from_ne_bytes(*length).checked_sub(HEADER)?;
        let taken = data_length.checked_next_multiple_of(align_of::<usize>());
        self.rest = taken.and_then(|taken| data.get(taken..)).unwrap_or(&[]);
        let kind = (i32::from_ne_bytes(*level), i32::from_ne_bytes(*kind));
        self.pidfd = kind == (SOL_SOCKET, SCM_PIDFD);
        self.numbers = match kind {
            (SOL_SOCKET, SCM_RIGHTS | SCM_PIDFD) => &data[..data_length.min(data.len())],
            _ => &[],
        };
        Some(())
    }
}

/// Files packed for one send. It lives no longer than the borrows it was made from, so the numbers
/// in it are open whenever it is sent.
pub(crate) struct Rights<'f> {
    bytes: Aligned<{ space(MAX_FILES * NUMBER) }>,
    length: usize,
    files: PhantomData<BorrowedFd<'f>>,
}

impl<'f> Rights<'f> {
    /// Packs `files`; `None` if there are none. Beyond [`MAX_FILES`] the rest is left out: the
    /// caller has checked its limit, which is never higher.
    pub(crate) fn new(files: impl Iterator<Item = BorrowedFd<'f>>) -> Option<Rights<'f>> {
        let mut numbers = [0; MAX_FILES];
        let mut count = 0;
        for (place, file) in numbers.iter_mut().zip(files) {
            *place = file.as_raw_fd();
            count += 1;
        }
        let mut bytes = Aligned([0; space(MAX_FILES * NUMBER)]);
        let length = pack(&numbers[..count], &mut bytes.0)?.len();
        Some(Rights { bytes, length, files: PhantomData })
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes.0[..self.length]
    }
}

/// Room for the control data of one receive, reused from read to read.
pub(crate) struct ControlBuffer(Aligned<{ space((MAX_FILES + 1) * NUMBER) + EXTRAS }>);

impl ControlBuffer {
    pub(crate) const fn new() -> ControlBuffer {
        ControlBuffer(Aligned([0; space((MAX_FILES + 1) * NUMBER) + EXTRAS]))
    }

    /// The part that takes `files` descriptors and one more (so that one too many is seen as such
    /// and not as cut short), and whatever else the kernel may add.
    pub(crate) fn room_for(&mut self, files: usize) -> &mut [u8] {
        &mut self.0.0[..space((files.min(MAX_FILES) + 1) * NUMBER) + EXTRAS]
    }
}

/// Bytes that begin where a control header may.
#[repr(C, align(8))]
struct Aligned<const N: usize>([u8; N]);
