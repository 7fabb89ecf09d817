//! The error numbers that this crate tells apart: errno(3), and asm/errno.h of Linux where an
//! architecture has its own.

use crate::control::LEGACY_SOCKOPTS;

const SPARC: bool = cfg!(any(target_arch = "sparc", target_arch = "sparc64"));
const MIPS: bool = LEGACY_SOCKOPTS && !SPARC;

pub(crate) const EPERM: i32 = 1;
pub(crate) const EBADF: i32 = 9;
pub(crate) const ENOMEM: i32 = 12;
pub(crate) const ENFILE: i32 = 23;
pub(crate) const EMFILE: i32 = 24;
pub(crate) const ENOBUFS: i32 = by_architecture(105, 132, 55);
pub(crate) const ETOOMANYREFS: i32 = by_architecture(109, 144, 59);

const fn by_architecture(most: i32, mips: i32, sparc: i32) -> i32 {
    match (MIPS, SPARC) {
        (true, _) => mips,
        (_, true) => sparc,
        _ => most,
    }
}
