//! The open files of a message.
//!
//! [`Files`] owns its files and closes them when it is dropped. The files of a call must stay open
//! until the call has been answered, even if the method drops its argument before. So each
//! connection of a server has a [`Keeper`]. A `Files` that is dropped during its call moves the
//! files that were not released to the keeper.

use std::fs::File;
use std::mem;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// The open files of one message, in order.
///
/// As a field of a [`record!`](crate::record) it is never part of the JSON: its files are sent
/// beside it, as `SCM_RIGHTS`. Sending only borrows them, so a `Files` that was sent still owns its
/// files.
///
/// Dropping it closes the files. The last close of a file that a peer sent may block for as long as
/// the peer likes: see [`Limits::stuck_closes`](crate::Limits::stuck_closes). On a server, the
/// files that a method does not release are closed after its call, and such a close blocks no other
/// client.
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
#[doc(alias = "FilePayload")]
#[derive(Debug, Default)]
pub struct Files {
    slots: Vec<Option<OwnedFd>>,
    keeper: Weak<Keeper>,
    /// The number of the call that the files belong to: see [`HeldFiles::call`].
    call: u64,
}

/// Holds the current call's files that were not released until the call ends. A connection uses one
/// keeper for all its calls, so that a call with files does not have to allocate one.
#[derive(Debug, Default)]
pub(crate) struct Keeper(Mutex<HeldFiles>);

#[derive(Debug, Default)]
struct HeldFiles {
    /// The number of the current call.
    call: u64,
    files: Vec<Option<OwnedFd>>,
}

impl Keeper {
    fn lock(&self) -> MutexGuard<'_, HeldFiles> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes the current call's files that were not released, and ends the call: a list that is
    /// dropped from now on closes its files itself. A close may block.
    pub(crate) fn close_files(&self) {
        let mut held = self.lock();
        held.call += 1;
        let files = mem::take(&mut held.files);
        // The lock must not be held while a close blocks.
        drop(held);
        drop(files);
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

    /// The number of files in the list, including those that were released.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether the list has length 0. Files that were released one by one count in the length.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// The file at `index`. `None` if it was released, or if the list is not that long.
    pub fn get(&self, index: usize) -> Option<BorrowedFd<'_>> {
        self.slots.get(index)?.as_ref().map(AsFd::as_fd)
    }

    /// The files that were not released, in order.
    pub fn iter(&self) -> impl Iterator<Item = BorrowedFd<'_>> + Clone {
        self.slots.iter().flatten().map(AsFd::as_fd)
    }

    /// Takes the file at `index` out of the list. The caller owns it then. The other files keep
    /// their indexes. `None` if the file was released before, or if the list is not that long.
    ///
    /// A received file shares its offset and its flags, also `O_NONBLOCK`, with the sender, who can
    /// change them at any time. The sender also chose its type and its access mode. Check
    /// everything that you rely on.
    #[doc(alias = "ReleaseFD")]
    pub fn release(&mut self, index: usize) -> Option<OwnedFd> {
        self.slots.get_mut(index)?.take()
    }

    /// Takes all files out of the list that were not released. The list is empty then.
    pub fn release_all(&mut self) -> Vec<OwnedFd> {
        mem::take(&mut self.slots).into_iter().flatten().collect()
    }

    /// If this list is dropped before the current call of `keeper` ends, the keeper holds the files
    /// until then. A list that is dropped later closes its files itself.
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
            let mut held = keeper.lock();
            // A call has only one list of files, so this overwrites no other files.
            if held.call == self.call {
                held.files = mem::take(&mut self.slots);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_probe::Probe;

    /// A list of one file, and the probe of that file.
    fn probed() -> (Files, Probe) {
        let (file, probe) = Probe::new();
        (Files::from(file), probe)
    }

    #[test]
    fn files_of_a_dropped_list_stay_open_until_its_call_ends() {
        let (mut files, probe) = probed();
        let keeper = Arc::default();
        files.keep(&keeper);
        drop(files);
        assert!(!probe.is_closed());
        keeper.close_files();
        assert!(probe.is_closed());
    }

    #[test]
    fn a_list_that_outlives_its_call_closes_its_files_itself() {
        let (mut files, probe) = probed();
        let keeper = Arc::default();
        files.keep(&keeper);
        keeper.close_files();
        assert!(!probe.is_closed());
        drop(files);
        assert!(probe.is_closed());
    }

    #[test]
    fn a_released_file_is_not_kept() {
        let (mut files, probe) = probed();
        let keeper = Arc::default();
        files.keep(&keeper);
        let released = files.release(0).unwrap();
        drop(files);
        keeper.close_files();
        assert!(!probe.is_closed());
        drop(released);
        assert!(probe.is_closed());
    }
}
