//! The bytes of control messages, in safe code.
//!
//! A Unix socket carries files in control messages (cmsg(3), unix(7)). A control message is a
//! header (length, level and type) and data, here descriptor numbers in native byte order. It is
//! padded to a multiple of the size of a `usize`. This module writes and reads these bytes. It
//! makes no system call, owns no descriptor, and no bytes make it panic. `sys` turns the numbers
//! that [`walk`] yields into owned descriptors, so its soundness depends on this module.
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

use crate::architecture::LEGACY_SOCKOPTS;

/// The maximum number of files that the kernel accepts with one send (`SCM_MAX_FD`, unix(7)).
pub const SCM_MAX_FD: usize = 253;

pub(crate) const SOL_SOCKET: i32 = if LEGACY_SOCKOPTS { 0xffff } else { 1 };

const SCM_RIGHTS: i32 = 1;
const SCM_PIDFD: i32 = 4;
const FD_BYTES: usize = size_of::<RawFd>();
const HEADER_BYTES: usize = size_of::<usize>() + 2 * size_of::<i32>();

/// The room that a receive needs for other control messages. Options of the socket make the kernel
/// add credentials, a security label, a pidfd and the queue's overflow count. The kernel writes
/// credentials first, so without this room there would be none for some of the files.
const EXTRAS: usize = space(12) + space(256) + 2 * space(4);

/// The size in bytes of a control message with `length` bytes of data, padding included
/// (`CMSG_SPACE` of cmsg(3)).
pub const fn space(length: usize) -> usize {
    HEADER_BYTES + length.next_multiple_of(align_of::<usize>())
}

/// Writes `numbers` as one `SCM_RIGHTS` message to the beginning of `into`. Returns the written
/// bytes, padding included. `None` if the message does not fit. `None` also without numbers,
/// because an empty message is not the same as no message.
///
/// ```
/// use urpc::socket::control;
///
/// let mut bytes = [0; control::space(8)];
/// assert!(control::pack(&[7, 9], &mut bytes).is_some());
/// assert_eq!(control::pack(&[7, 9, 11, 13], &mut bytes), None);
/// ```
pub fn pack<'b>(numbers: &[RawFd], into: &'b mut [u8]) -> Option<&'b [u8]> {
    let length = numbers.len().checked_mul(FD_BYTES)?;
    let packed = into.get_mut(..space(length))?;
    if numbers.is_empty() {
        return None;
    }
    packed.fill(0);
    packed[..size_of::<usize>()].copy_from_slice(&(HEADER_BYTES + length).to_ne_bytes());
    packed[size_of::<usize>()..HEADER_BYTES - 4].copy_from_slice(&SOL_SOCKET.to_ne_bytes());
    packed[HEADER_BYTES - 4..HEADER_BYTES].copy_from_slice(&SCM_RIGHTS.to_ne_bytes());
    for (place, number) in packed[HEADER_BYTES..].chunks_exact_mut(FD_BYTES).zip(numbers) {
        place.copy_from_slice(&number.to_ne_bytes());
    }
    Some(packed)
}

/// A descriptor number in a control message. It is only a number: [`walk`] neither owns nor closes
/// the descriptor.
///
/// ```
/// use std::os::fd::RawFd;
/// use urpc::socket::control::{self, Item};
///
/// /// The peer's files, without a pidfd.
/// fn files(control_data: &[u8]) -> Vec<RawFd> {
///     let items = control::walk(control_data);
///     items.filter_map(|item| if let Item::File(number) = item { Some(number) } else { None }).collect()
/// }
///
/// let mut bytes = [0; control::space(4)];
/// assert_eq!(files(control::pack(&[5], &mut bytes).unwrap()), [5]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Item {
    /// A file that the peer sent.
    File(RawFd),
    /// A handle of the peer's process, which the kernel added (`SO_PASSPIDFD`).
    PidFd(RawFd),
}

/// Yields every descriptor number in received control data, in order. It skips messages of other
/// types and negative numbers. It ends at an invalid header.
pub fn walk(bytes: &[u8]) -> Walk<'_> {
    Walk { rest: bytes, numbers: &[], pidfd: false }
}

/// The iterator that [`walk`] returns. A clone continues from the same place.
///
/// ```
/// use urpc::socket::control::{self, Item, Walk};
///
/// let mut bytes = [0; control::space(8)];
/// let mut walk: Walk<'_> = control::walk(control::pack(&[7, 9], &mut bytes).unwrap());
/// assert_eq!(walk.next(), Some(Item::File(7)));
/// assert_eq!(walk.clone().count(), 1);
/// assert_eq!(walk.next(), Some(Item::File(9)));
/// assert_eq!(walk.next(), None);
/// ```
#[derive(Debug, Clone)]
#[must_use = "an iterator does nothing until it is used"]
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
    /// Goes to the data of the next control message. `None` if there is none.
    fn enter_next_message(&mut self) -> Option<()> {
        let (length, after) = self.rest.split_first_chunk()?;
        let (level, after) = after.split_first_chunk()?;
        let (kind, data) = after.split_first_chunk()?;
        let data_length = usize::from_ne_bytes(*length).checked_sub(HEADER_BYTES)?;
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

/// The control message of one send. It borrows the files in it, so they are open when it is sent.
pub(crate) struct Rights<'f> {
    bytes: Aligned<{ space(SCM_MAX_FD * FD_BYTES) }>,
    length: usize,
    files: PhantomData<BorrowedFd<'f>>,
}

impl<'f> Rights<'f> {
    /// Packs `files`. `None` if there are none. Files beyond [`SCM_MAX_FD`] are left out. The
    /// caller has checked its limit, which is never higher.
    pub(crate) fn new(files: impl Iterator<Item = BorrowedFd<'f>>) -> Option<Rights<'f>> {
        let mut files = files.peekable();
        files.peek()?; // most messages have no files: clear no array for them
        let mut numbers = [0; SCM_MAX_FD];
        let mut count = 0;
        for (place, file) in numbers.iter_mut().zip(files) {
            *place = file.as_raw_fd();
            count += 1;
        }
        let mut bytes = Aligned([0; space(SCM_MAX_FD * FD_BYTES)]);
        let length = pack(&numbers[..count], &mut bytes.0)?.len();
        Some(Rights { bytes, length, files: PhantomData })
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes.0[..self.length]
    }

    /// Any control data, to test how the kernel and a receiver treat it.
    #[cfg(test)]
    pub(crate) fn from_raw_bytes(control: &[u8]) -> Rights<'static> {
        let mut bytes = Aligned([0; space(SCM_MAX_FD * FD_BYTES)]);
        bytes.0[..control.len()].copy_from_slice(control);
        Rights { bytes, length: control.len(), files: PhantomData }
    }
}

/// The buffer for the control data of one receive. It can be reused.
pub(crate) struct ControlBuffer(Aligned<{ space((SCM_MAX_FD + 1) * FD_BYTES) + EXTRAS }>);

impl ControlBuffer {
    pub(crate) const fn new() -> ControlBuffer {
        ControlBuffer(Aligned([0; space((SCM_MAX_FD + 1) * FD_BYTES) + EXTRAS]))
    }

    /// The room for `files` descriptors, one more, and the other messages that the kernel may add.
    /// The extra one lets the caller tell too many files from truncated control data.
    pub(crate) fn room_for(&mut self, files: usize) -> &mut [u8] {
        &mut self.0.0[..space((files.min(SCM_MAX_FD) + 1) * FD_BYTES) + EXTRAS]
    }
}

/// Bytes that are aligned for a control message's header.
#[repr(C, align(8))]
struct Aligned<const N: usize>([u8; N]);

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    const WORD: usize = size_of::<usize>();
    const SCM_CREDENTIALS: i32 = 2;

    /// A control message as `CMSG_LEN` and `CMSG_SPACE` (cmsg(3)) lay it out.
    fn message(level: i32, kind: i32, data: &[u8]) -> Vec<u8> {
        let mut bytes = (HEADER_BYTES + data.len()).to_ne_bytes().to_vec();
        bytes.extend(level.to_ne_bytes());
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(data);
        bytes.resize(bytes.len().next_multiple_of(WORD), 0);
        bytes
    }

    fn numbers(numbers: &[RawFd]) -> Vec<u8> {
        numbers.iter().flat_map(|number| number.to_ne_bytes()).collect()
    }

    fn rights(files: &[RawFd]) -> Vec<u8> {
        message(SOL_SOCKET, SCM_RIGHTS, &numbers(files))
    }

    /// The same bytes with a false length in the header.
    fn with_length(mut bytes: Vec<u8>, length: usize) -> Vec<u8> {
        bytes[..WORD].copy_from_slice(&length.to_ne_bytes());
        bytes
    }

    fn walked(bytes: &[u8]) -> Vec<Item> {
        walk(bytes).collect()
    }

    #[test]
    fn packing_says_the_length_of_the_data_and_takes_the_space_of_its_padding() {
        let mut into = [0xaa; 64];
        for count in 1..=5 {
            let files = &[3, 4, 5, 6, 7][..count];
            let packed = pack(files, &mut into).unwrap();
            assert_eq!(packed, rights(files));
            assert_eq!(packed[..WORD], (HEADER_BYTES + count * 4).to_ne_bytes());
            assert_eq!(packed.len(), space(count * 4));
            assert_eq!(packed.len() % WORD, 0);
        }
    }

    #[test]
    fn nothing_is_packed_for_no_files_or_where_they_do_not_fit() {
        assert_eq!(pack(&[], &mut [0; 64]), None);
        let room = space(8);
        assert!(pack(&[1, 2], &mut vec![0; room]).is_some());
        assert_eq!(pack(&[1, 2], &mut vec![0; room - 1]), None);
        assert!(Rights::new([].into_iter()).is_none());
    }

    #[test]
    fn the_most_files_fit_into_what_musl_copies_and_more_are_left_out() {
        let stdin = std::io::stdin();
        for count in [252, 253, 254, 1000] {
            let rights = Rights::new((0..count).map(|_| stdin.as_fd())).unwrap();
            assert_eq!(walked(rights.bytes()), vec![Item::File(0); count.min(SCM_MAX_FD)]);
            assert!(rights.bytes().len() <= 1056);
        }
    }

    #[test]
    fn the_buffers_begin_where_a_header_may() {
        // The type guarantees it; the addresses below could be right by chance.
        assert!(align_of::<Aligned<1>>() >= align_of::<usize>());
        let stdin = std::io::stdin();
        let rights = Rights::new([stdin.as_fd()].into_iter()).unwrap();
        assert_eq!(rights.bytes().as_ptr().addr() % align_of::<usize>(), 0);
        let mut buffer = ControlBuffer::new();
        assert_eq!(buffer.room_for(1).as_ptr().addr() % align_of::<usize>(), 0);
    }

    #[test]
    fn there_is_room_for_one_file_more_and_for_all_that_options_of_the_socket_add() {
        let mut buffer = ControlBuffer::new();
        for limit in [0, 1, 2, 31, 32, 252, 253] {
            let least = space((limit + 1) * 4) + space(12) + space(256) + space(4) + space(4);
            assert_eq!(buffer.room_for(limit).len(), least, "{limit}");
        }
        assert_eq!(buffer.room_for(253).len(), buffer.room_for(usize::MAX).len());
    }

    #[test]
    fn all_messages_are_walked_and_those_of_other_types_skipped() {
        let pidfd = message(SOL_SOCKET, SCM_PIDFD, &numbers(&[8]));
        let credentials = message(SOL_SOCKET, SCM_CREDENTIALS, &numbers(&[1, 2, 3]));
        let other_level = message(SOL_SOCKET + 1, SCM_RIGHTS, &numbers(&[4]));
        let empty = rights(&[]);
        let bytes = [credentials, rights(&[5]), other_level, empty, pidfd, rights(&[6, 7])];
        let expected = [Item::File(5), Item::PidFd(8), Item::File(6), Item::File(7)];
        assert_eq!(walked(&bytes.concat()), expected);
    }

    #[test]
    fn the_next_message_is_found_after_the_padding_of_the_last() {
        let bytes = [rights(&[5]), rights(&[6, 7, 8]), rights(&[9])].concat();
        assert_eq!(walked(&bytes), [5, 6, 7, 8, 9].map(Item::File));
    }

    #[test]
    fn the_last_message_needs_no_padding() {
        let bytes = [rights(&[5]), rights(&[6])].concat();
        assert_eq!(walked(&bytes[..space(4) + HEADER_BYTES + 4]), [5, 6].map(Item::File));
    }

    #[test]
    fn a_header_that_is_cut_or_too_short_ends_the_walk() {
        let whole = [rights(&[5]), rights(&[6])].concat();
        for cut in space(4)..space(4) + HEADER_BYTES {
            assert_eq!(walked(&whole[..cut]), [Item::File(5)], "{cut}");
        }
        for length in 0..HEADER_BYTES {
            for cut in [rights(&[6]), rights(&[])] {
                let bytes = [rights(&[5]), with_length(cut, length), rights(&[7])].concat();
                assert_eq!(walked(&bytes), [Item::File(5)], "{length}");
            }
        }
    }

    #[test]
    fn a_length_beyond_the_end_is_taken_for_what_is_there() {
        for length in [HEADER_BYTES + 9, 4096, usize::MAX - WORD, usize::MAX - 1, usize::MAX] {
            assert_eq!(walked(&with_length(rights(&[5, 6]), length)), [5, 6].map(Item::File));
        }
    }

    #[test]
    fn a_tail_that_is_no_whole_number_is_ignored() {
        let whole = rights(&[5, 6]);
        for cut in 1..4 {
            assert_eq!(
                walked(&with_length(whole.clone(), HEADER_BYTES + 8 - cut)),
                [Item::File(5)]
            );
            assert_eq!(walked(&whole[..HEADER_BYTES + 8 - cut]), [Item::File(5)]);
        }
    }

    #[test]
    fn negative_numbers_are_skipped() {
        let pidfd = message(SOL_SOCKET, SCM_PIDFD, &numbers(&[-24]));
        let bytes = [rights(&[-1, 5, RawFd::MIN, 6]), pidfd].concat();
        assert_eq!(walked(&bytes), [5, 6].map(Item::File));
    }

    /// Tries every sequence of three messages from a small set of good and bad ones, cut at every
    /// byte. The walk must not panic, must yield no number that is not there, and must find the
    /// first message if it is good and whole.
    #[test]
    fn no_bytes_can_make_the_walk_panic_or_invent_a_descriptor() {
        let good = [rights(&[5]), rights(&[6, 7]), message(0, 0, b"abc")];
        let mut messages = good.to_vec();
        // Miri is about a thousand times slower.
        let (lengths, step): (&[usize], usize) = match cfg!(miri) {
            true => (&[usize::MAX], 37),
            false => (
                &[
                    0,
                    1,
                    HEADER_BYTES - 1,
                    HEADER_BYTES,
                    HEADER_BYTES + 1,
                    HEADER_BYTES + 7,
                    64,
                    usize::MAX,
                ],
                1,
            ),
        };
        messages.extend(lengths.iter().map(|length| with_length(rights(&[5, 6]), *length)));
        for (first, second, third) in triples(&messages) {
            let bytes = [first.as_slice(), second, third].concat();
            for cut in (0..=bytes.len()).step_by(step) {
                let items = walked(&bytes[..cut]);
                assert!(items.len() <= cut / 4);
                assert!(items.iter().all(|item| is_in(&bytes[..cut], *item)));
                if good.contains(first) && cut >= first.len() {
                    assert!(items.starts_with(&walked(first)));
                }
            }
        }
    }

    fn triples(messages: &[Vec<u8>]) -> impl Iterator<Item = (&Vec<u8>, &Vec<u8>, &Vec<u8>)> {
        messages.iter().flat_map(move |first| {
            messages
                .iter()
                .flat_map(move |second| messages.iter().map(move |third| (first, second, third)))
        })
    }

    fn is_in(bytes: &[u8], item: Item) -> bool {
        let (Item::File(number) | Item::PidFd(number)) = item;
        bytes.windows(4).any(|window| window == number.to_ne_bytes())
    }
}
