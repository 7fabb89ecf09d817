//! The error numbers that this crate tells apart: errno(3), and asm/errno.h of Linux where an
//! architecture has its own.

use crate::control::{MIPS, SPARC};

pub(crate) const EPERM: i32 = 1;
pub(crate) const EBADF: i32 = 9;
pub(crate) const ENOMEM: i32 = 12;
pub(crate) const ENFILE: i32 = 23;
pub(crate) const EMFILE: i32 = 24;
pub(crate) const ENOBUFS: i32 = if MIPS {
    132
} else if SPARC {
    55
} else {
    105
};
pub(crate) const ETOOMANYREFS: i32 = if MIPS {
    144
} else if SPARC {
    59
} else {
    109
};
