//! Owned descriptors that ride beside a message.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// The open files of one message, in order.
#[derive(Debug, Default)]
pub struct Files {
    slots: Vec<Option<OwnedFd>>,
}

impl Files {
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

    /// Takes the file at `index` out; the others keep their indexes.
    pub fn release(&mut self, index: usize) -> Option<OwnedFd> {
        self.slots.get_mut(index)?.take()
    }
}
