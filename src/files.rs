//! Owned descriptors that ride beside a message.
//!
//! [`Files`] owns what it holds and closes it when it is dropped. Files that arrived with a call
//! are to stay open until that call has been answered, also when the method has long dropped its
//! argument: for that each connection of a server has a [`Keeper`], to which a list that is dropped
//! leaves what was not released.

use std::fs::File;
use std::mem;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// The open files of one message, in order.
///
/// As a field of a [`record!`](crate::record) it is never part of the JSON: its files ride beside
/// it. Sending lends them, so a `Files` that was sent still owns its files.
///
/// Dropping it closes them. The last close of a file that a peer sent may block for as long as the
/// peer likes: see [`Limits::stuck_closes`](crate::Limits::stuck_closes). A server takes care of
/// what its methods do not release.
///
/// ```
/// use urpc::Files;
///
/// let mut files = Files::new();
/// files.push(std::fs::File::open("/dev/null")?);
/// files.push(std::fs::File::open("/dev/zero")?);
/// assert!(files.release(0).is_some());
/// assert!(files.release(0).is_none() && files.get(1).is_some());
/// assert_eq!(files.len(), 2);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Default)]
pub struct Files {
    slots: Vec<Option<OwnedFd>>,
    keeper: Weak<Keeper>,
    /// The keeper's call that the files belong to.
    call: u64,
}

/// Keeps what is left of the present call's files until the call ends. One serves all calls of a
/// connection, so that a call with files needs no memory for it.
#[derive(Debug, Default)]
pub(crate) struct Keeper(Mutex<HeldFiles>);

#[derive(Debug, Default)]
struct HeldFiles {
    /// The number of the present call.
    call: u64,
    files: Vec<Option<OwnedFd>>,
}

impl Keeper {
    fn lock(&self) -> MutexGuard<'_, HeldFiles> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the present call, and gives what was left of its files.
    pub(crate) fn end_call(&self) -> Vec<Option<OwnedFd>> {
        let mut holder = self.lock();
        holder.call += 1;
        mem::take(&mut holder.files)
    }
}

impl Files {
    /// An empty list.
    pub fn new() -> Files {
        Files::default()
    }

    /// Adds a file at the end and takes ownership of it.
    pub fn push(&mut self, file: impl Into<OwnedFd>) {
        self.slots.push(Some(file.into()));
    }

    /// How many places the list has, those released included.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether the list has no places at all.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// The file at `index`, or `None` outside the list or where it was released.
    pub fn get(&self, index: usize) -> Option<BorrowedFd<'_>> {
        self.slots.get(index)?.as_ref().map(AsFd::as_fd)
    }

    /// The files that were not released, in order.
    pub fn iter(&self) -> impl Iterator<Item = BorrowedFd<'_>> + Clone {
        self.slots.iter().flatten().map(AsFd::as_fd)
    }

    /// Takes the file at `index` out, to own it; the others keep their indexes. `None` outside the
    /// list or if it was released before.
    ///
    /// A received file shares its offset and its flags, `O_NONBLOCK` too, with whoever sent it and
    /// can change them at any time; its type and access mode are what the sender chose. Check what
    /// you rely on.
    pub fn release(&mut self, index: usize) -> Option<OwnedFd> {
        self.slots.get_mut(index)?.take()
    }

    /// Takes all files out that were not released.
    pub fn release_all(&mut self) -> Vec<OwnedFd> {
        mem::take(&mut self.slots).into_iter().flatten().collect()
    }

    /// Makes the files outlive the list until the present call of `keeper` ends; a list that is
    /// dropped later closes them itself.
    pub(crate) fn keep(&mut self, keeper: &Arc<Keeper>) {
        self.call = keeper.lock().call;
        self.keeper = Arc::downgrade(keeper);
    }
}

impl From<Vec<OwnedFd>> for Files {
    fn from(files: Vec<OwnedFd>) -> Files {
        Files::from_iter(files)
    }
}

impl From<OwnedFd> for Files {
    fn from(file: OwnedFd) -> Files {
        Files::from_iter([file])
    }
}

impl From<File> for Files {
    fn from(file: File) -> Files {
        Files::from_iter([file])
    }
}

impl<F: Into<OwnedFd>> FromIterator<F> for Files {
    fn from_iter<I: IntoIterator<Item = F>>(files: I) -> Files {
        Files {
            slots: files.into_iter().map(|file| Some(file.into())).collect(),
            keeper: Weak::new(),
            call: 0,
        }
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        if let Some(keeper) = self.keeper.upgrade() {
            let mut holder = keeper.lock();
            // There is no other list to which this call's files were given.
            if holder.call == self.call {
                holder.files = mem::take(&mut self.slots);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{ErrorKind, Read};
    use std::os::unix::net::UnixStream;

    /// A file in a list, and the other end, which reads the end of the stream once it is closed.
    fn watched() -> (Files, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        (Files::from_iter([theirs]), ours)
    }

    fn is_closed(mut other_end: &UnixStream) -> bool {
        match other_end.read(&mut [0]) {
            Ok(count) => count == 0,
            Err(error) => error.kind() != ErrorKind::WouldBlock,
        }
    }

    #[test]
    fn a_dropped_list_stays_open_until_its_call_ends() {
        let (mut files, other_end) = watched();
        let keeper = Arc::default();
        files.keep(&keeper);
        drop(files);
        assert!(!is_closed(&other_end));
        drop(keeper.end_call());
        assert!(is_closed(&other_end));
    }

    #[test]
    fn a_list_that_outlives_its_call_closes_its_files_itself() {
        let (mut files, other_end) = watched();
        let keeper = Arc::default();
        files.keep(&keeper);
        drop(keeper.end_call());
        assert!(!is_closed(&other_end));
        drop(files);
        assert!(is_closed(&other_end));
    }

    #[test]
    fn a_released_file_is_not_kept() {
        let (mut files, other_end) = watched();
        let keeper = Arc::default();
        files.keep(&keeper);
        let released = files.release(0).unwrap();
        drop(files);
        drop(keeper.end_call());
        assert!(!is_closed(&other_end));
        drop(released);
        assert!(is_closed(&other_end));
    }
}
