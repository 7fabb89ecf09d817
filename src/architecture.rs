//! Which of Linux's numbers this architecture has: mips and sparc have their own. It promises nothing
//! else, and the modules that use a number say what it is.

pub(crate) const SPARC: bool = cfg!(any(target_arch = "sparc", target_arch = "sparc64"));
pub(crate) const MIPS: bool = cfg!(any(
    target_arch = "mips",
    target_arch = "mips32r6",
    target_arch = "mips64",
    target_arch = "mips64r6"
));
/// Whether this architecture has its own numbers of socket options (`asm/socket.h` of mips and
/// sparc in Linux).
pub(crate) const LEGACY_SOCKOPTS: bool = MIPS || SPARC;

/// The number that mips and sparc have in Linux, or all others.
pub(crate) const fn by_architecture(others: i32, mips: i32, sparc: i32) -> i32 {
    if MIPS {
        mips
    } else if SPARC {
        sparc
    } else {
        others
    }
}
