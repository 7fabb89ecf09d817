//! Checks of received files.
//!
//! The sender of a file chose everything about it, and it may lie on a file system of the sender's
//! own (FUSE), whose daemon never answers. So no check here asks a file system: the kernel answers
//! each system call from its own memory.

use std::os::fd::BorrowedFd;

use super::error::FileError;
use super::property::{FileAccess, FileKind, Seal};
use crate::sys;

/// What a method expects of a file: see [`Files::release_checked`](crate::Files::release_checked)
/// and [`Files::take_checked`](crate::Files::take_checked).
///
/// Any check refuses a file that can be neither read nor written ([`FileAccess::Neither`]), unless
/// it names that access. All else is checked only if it is named.
///
/// **What is true afterwards.** The kind and the access of an open file never change, and a seal is
/// never removed. The status flags and the offset are shared with the sender, who can change them
/// at any time. The contents can change too, unless seals prevent that.
///
/// **No check waits for the file.** The kernel answers from its own memory, also where the file lies
/// on FUSE and its daemon hangs, or on NFS and the server is gone (`AT_STATX_DONT_SYNC` of statx(2)).
/// A file system that ignores this, such as 9p, may wait; only root can mount it. *Reading*, writing
/// and `File::metadata` may wait for as long as the sender likes, unless the file is in memory.
///
/// It costs one system call for the flags, one for the kind (Linux 4.11), one more for a socket or a
/// regular file, and one for seals.
///
/// ```
/// use std::fs::File;
/// use urpc::{FileAccess, FileCheck, FileError, FileKind, Files, Seal, Service};
///
/// /// A memfd whose contents nobody can change any more.
/// const IMAGE: FileCheck = FileCheck::new()
///     .kind(FileKind::Memory)
///     .access(FileAccess::Read)
///     .seals(&[Seal::Shrink, Seal::Grow, Seal::Write]);
///
/// fn load(_: &(), mut files: Files) -> Result<u64, FileError> {
///     let image = File::from(files.release_checked(0, &IMAGE)?);
///     Ok(image.metadata().map_or(0, |found| found.len()))
/// }
///
/// let service = Service::new("Loader", ()).method("Load", load);
///
/// let error = load(&(), File::open("/proc/self/exe")?.into()).unwrap_err();
/// assert_eq!(error.to_string(), "file 0: expected a file in memory, found a regular file");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct FileCheck {
    kind: Option<FileKind>,
    access: Option<FileAccess>,
    without_flags: bool,
    /// The bits of the seals.
    seals: u8,
}

impl FileCheck {
    /// A check that any file passes that can be read or written.
    pub const fn new() -> FileCheck {
        FileCheck { kind: None, access: None, without_flags: false, seals: 0 }
    }

    /// Expects a file of this kind.
    pub const fn kind(mut self, kind: FileKind) -> FileCheck {
        self.kind = Some(kind);
        self
    }

    /// Expects a file that is open for this access.
    pub const fn access(mut self, access: FileAccess) -> FileCheck {
        self.access = Some(access);
        self
    }

    /// Expects that neither `O_APPEND` nor `O_NONBLOCK` is set. With the first, each write goes to
    /// the end of the file. With the second, a read of an empty pipe fails instead of waiting.
    ///
    /// The sender can set them again later: use this to find mistakes, not to stop an attack.
    pub const fn without_flags(mut self) -> FileCheck {
        self.without_flags = true;
        self
    }

    /// Expects that all these seals are set. Only a file in memory can have seals, so this implies
    /// [`FileKind::Memory`]. It replaces the seals of an earlier call.
    pub const fn seals(mut self, seals: &[Seal]) -> FileCheck {
        (self.seals, self.kind) = (0, Some(FileKind::Memory));
        let mut at = 0;
        while at < seals.len() {
            self.seals |= seals[at] as u8;
            at += 1;
        }
        self
    }

    /// Checks `file`, which the error calls `index`.
    pub(super) fn verify(&self, index: usize, file: BorrowedFd<'_>) -> Result<(), FileError> {
        let failed = |source| FileError::Io { index, source };
        if let Some(expected) = self.kind {
            let found = FileKind::of(file).map_err(failed)?;
            if !expected.includes(found) {
                return Err(FileError::WrongKind { index, expected, found });
            }
        }
        let flags = sys::status_flags(file).map_err(failed)?;
        let (expected, found) = (self.access, FileAccess::of(flags));
        let has_access = match expected {
            Some(expected) => expected.includes(found),
            None => found != FileAccess::Neither,
        };
        if !has_access {
            return Err(FileError::WrongAccess { index, expected, found });
        }
        let unwanted = [(sys::O_APPEND, "O_APPEND"), (sys::O_NONBLOCK, "O_NONBLOCK")];
        let unwanted = unwanted.into_iter().find(|(flag, _)| flags & flag != 0);
        if let (true, Some((_, flag))) = (self.without_flags, unwanted) {
            return Err(FileError::UnwantedFlag { index, flag });
        }
        if self.seals != 0 {
            let set = sys::seals(file).map_err(failed)?;
            let is_missing = |seal: &Seal| (self.seals & !set) & *seal as u8 != 0;
            if let Some(seal) = Seal::ALL.into_iter().find(is_missing) {
                return Err(FileError::MissingSeal { index, seal });
            }
        }
        Ok(())
    }
}
