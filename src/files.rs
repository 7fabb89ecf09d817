//! The open files of a message.
//!
//! [`Files`] owns its files and closes them when it is dropped. The files of a call must stay open
//! until the call has been answered, even if the method drops its argument before. So each
//! connection of a server has a [`Keeper`]. A `Files` that is dropped during its call moves the
//! files that were not released to the keeper.

mod check;
mod error;
mod property;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::sync::{Arc, PoisonError, Weak};
use std::{fmt, io, mem, net, process, slice, vec};

use crate::sync::{Mutex, MutexGuard};
pub use check::FileCheck;
pub use error::FileError;
pub use property::{FileAccess, FileKind, Seal};

/// The open files of one message, in order.
///
/// As a field of a [`record!`](crate::record) it is never part of the JSON: its files are sent
/// with it, as `SCM_RIGHTS`. Sending only borrows them, so a `Files` that was sent still owns its
/// files.
///
/// A method that knows how many files must come takes them with [`Files::take`], or with
/// [`Files::take_checked`] if it depends on what they are. [`Files::release`] takes single files.
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
#[derive(Default)]
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
        // In this order: the lock must not be held while a close blocks.
        drop((held, files));
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
        self.into_iter()
    }

    /// Takes the file at `index` out of the list. The caller owns it then. The other files keep
    /// their indexes. `None` if the file was released before, or if the list is not that long.
    ///
    /// A received file shares its offset and its flags, also `O_NONBLOCK`, with the sender, who can
    /// change them at any time. The sender also chose its type and its access mode. Check
    /// everything that you rely on: [`Files::release_checked`] does.
    #[doc(alias = "ReleaseFD")]
    pub fn release(&mut self, index: usize) -> Option<OwnedFd> {
        self.slots.get_mut(index)?.take()
    }

    /// As [`Files::release`], but a file that is not there is an error that names the index and how
    /// many files the list has.
    ///
    /// ```
    /// let mut files = urpc::Files::from(std::fs::File::open("/dev/null")?);
    /// let error = files.try_release(2).unwrap_err();
    /// assert_eq!(error.to_string(), "file 2 is missing: 1 file came");
    /// assert!(files.try_release(0).is_ok());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn try_release(&mut self, index: usize) -> Result<OwnedFd, FileError> {
        let count = self.len();
        self.release(index).ok_or(FileError::Missing { index, count })
    }

    /// As [`Files::try_release`], for a file that must pass `check`.
    ///
    /// # Errors
    /// The file is missing, or it does not pass. A wrong file stays in the list and is closed with
    /// it. So on a server it is closed after the call has been answered, and a close that blocks
    /// delays nobody.
    ///
    /// ```
    /// use urpc::{FileAccess, FileCheck, FileKind, Files};
    ///
    /// const OUTPUT: FileCheck = FileCheck::new().kind(FileKind::Pipe).access(FileAccess::Write);
    ///
    /// let mut files = Files::from(std::fs::File::open("/dev/null")?);
    /// let error = files.release_checked(0, &OUTPUT).unwrap_err();
    /// assert_eq!(error.to_string(), "file 0: expected a pipe, found a character device");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn release_checked(
        &mut self,
        index: usize,
        check: &FileCheck,
    ) -> Result<OwnedFd, FileError> {
        if let Some(file) = self.get(index) {
            check.verify(index, file)?;
        }
        self.try_release(index)
    }

    /// Takes all files out of the list that were not released. The list is empty then.
    pub fn release_all(&mut self) -> Vec<OwnedFd> {
        mem::take(&mut self.slots).into_iter().flatten().collect()
    }

    /// Takes exactly `N` files, all that the list has. It is empty then.
    ///
    /// # Errors
    /// The list has more or fewer files. Then it keeps them.
    ///
    /// ```
    /// let mut files = urpc::Files::from(std::fs::File::open("/dev/null")?);
    /// let error = files.take::<3>().unwrap_err();
    /// assert_eq!(error.to_string(), "expected 3 files, 1 came");
    /// let [null] = files.take()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn take<const N: usize>(&mut self) -> Result<[OwnedFd; N], FileError> {
        let count = self.iter().count();
        if count != N {
            return Err(FileError::Count { expected: N, count });
        }
        self.release_all().try_into().map_err(|_| FileError::Count { expected: N, count })
    }

    /// As [`Files::take`], where each file must pass the check at its place.
    ///
    /// # Errors
    /// As of [`Files::take`] and [`Files::release_checked`]. The list keeps all files.
    ///
    /// ```
    /// use urpc::{FileAccess, FileCheck, FileKind, Files};
    ///
    /// fn copy(mut files: Files) -> Result<u64, Box<dyn std::error::Error>> {
    ///     let source = FileCheck::new().kind(FileKind::Regular).access(FileAccess::Read);
    ///     let target = FileCheck::new().access(FileAccess::Write);
    ///     let [source, target] = files.take_checked(&[source, target])?;
    ///     let (mut source, mut target) = (source.into(), target.into());
    ///     Ok(std::io::copy::<std::fs::File, std::fs::File>(&mut source, &mut target)?)
    /// }
    ///
    /// let null = || std::fs::File::options().read(true).write(true).open("/dev/null").unwrap();
    /// let error = copy(Files::from([null(), null()])).unwrap_err();
    /// assert_eq!(error.to_string(), "file 0: expected a regular file, found a character device");
    /// ```
    pub fn take_checked<const N: usize>(
        &mut self,
        checks: &[FileCheck; N],
    ) -> Result<[OwnedFd; N], FileError> {
        let count = self.iter().count();
        if count != N {
            return Err(FileError::Count { expected: N, count });
        }
        let files =
            self.slots.iter().enumerate().filter_map(|(at, file)| Some((at, file.as_ref()?)));
        for ((index, file), check) in files.zip(checks) {
            check.verify(index, file.as_fd())?;
        }
        self.take()
    }

    /// A list of duplicates of the files, at the same indexes. Each shares its offset and its flags
    /// with the original.
    ///
    /// # Errors
    /// The process has no free descriptor.
    pub fn try_clone(&self) -> io::Result<Files> {
        let clone = |file: &Option<OwnedFd>| file.as_ref().map(OwnedFd::try_clone).transpose();
        let mut files = Files::new();
        files.slots = self.slots.iter().map(clone).collect::<io::Result<_>>()?;
        Ok(files)
    }

    /// If this list is dropped before the current call of `keeper` ends, the keeper holds the files
    /// until then. A list that is dropped later closes its files itself.
    pub(crate) fn keep(&mut self, keeper: &Arc<Keeper>) {
        self.call = keeper.lock().call;
        self.keeper = Arc::downgrade(keeper);
    }
}

/// Lists of one file, from each type of std that owns a descriptor.
macro_rules! from_each {
    ($($owner:ty),* $(,)?) => { $(
        impl From<$owner> for Files {
            fn from(file: $owner) -> Files {
                Files::from([file])
            }
        }
    )* };
}

from_each!(
    OwnedFd,
    File,
    UnixStream,
    UnixListener,
    UnixDatagram,
    net::TcpStream,
    net::TcpListener,
    net::UdpSocket,
    process::ChildStdin,
    process::ChildStdout,
    process::ChildStderr,
);

impl<F: Into<OwnedFd>> From<Vec<F>> for Files {
    fn from(files: Vec<F>) -> Files {
        files.into_iter().collect()
    }
}

impl<F: Into<OwnedFd>, const N: usize> From<[F; N]> for Files {
    fn from(files: [F; N]) -> Files {
        files.into_iter().collect()
    }
}

impl<F: Into<OwnedFd>> FromIterator<F> for Files {
    fn from_iter<I: IntoIterator<Item = F>>(files: I) -> Files {
        let mut list = Files::new();
        // Collecting what comes from a `Vec` of descriptors uses its memory, so it cannot fail.
        list.slots = files.into_iter().map(|file| Some(file.into())).collect();
        list
    }
}

/// Shows the length of the list, and the descriptor numbers of the files that were not released.
impl fmt::Debug for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let open: Vec<_> = self.iter().map(|file| file.as_raw_fd()).collect();
        f.debug_struct("Files").field("len", &self.len()).field("open", &open).finish()
    }
}

impl<F: Into<OwnedFd>> Extend<F> for Files {
    fn extend<I: IntoIterator<Item = F>>(&mut self, files: I) {
        self.slots.extend(files.into_iter().map(|file| Some(file.into())));
    }
}

impl IntoIterator for Files {
    type Item = OwnedFd;
    type IntoIter = vec::IntoIter<OwnedFd>;

    /// The files that were not released, in order. Each belongs to the caller then.
    fn into_iter(mut self) -> Self::IntoIter {
        self.release_all().into_iter()
    }
}

impl<'a> IntoIterator for &'a Files {
    type Item = BorrowedFd<'a>;
    type IntoIter = Borrowed<'a>;

    /// The files that were not released, in order.
    fn into_iter(self) -> Self::IntoIter {
        self.slots.iter().filter_map(|file| file.as_ref().map(AsFd::as_fd))
    }
}

type Borrowed<'a> = std::iter::FilterMap<
    slice::Iter<'a, Option<OwnedFd>>,
    fn(&'a Option<OwnedFd>) -> Option<BorrowedFd<'a>>,
>;

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
