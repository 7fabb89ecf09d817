//! The error numbers that this crate tells apart: errno(3), and asm/errno.h of Linux where an
//! architecture has its own.

use crate::architecture::by_architecture;

pub(crate) const EPERM: i32 = 1;
pub(crate) const EBADF: i32 = 9;
pub(crate) const ENOMEM: i32 = 12;
pub(crate) const ENFILE: i32 = 23;
pub(crate) const EMFILE: i32 = 24;
pub(crate) const ENOBUFS: i32 = by_architecture(105, 132, 55);
pub(crate) const ETOOMANYREFS: i32 = by_architecture(109, 144, 59);
