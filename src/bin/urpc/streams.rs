//! Reading and writing that waits until it can continue. Another process that shares a standard
//! stream may have made it non-blocking, as Go programs do. So may the sender of a file.

use std::io::{self, Write};
use std::os::fd::AsFd;

use urpc::process;

/// Writes all of `bytes` and flushes.
pub fn write_all(to: &mut (impl Write + AsFd), mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match when_writable(to, |to| to.write(bytes))? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            length => bytes = &bytes[length..],
        }
    }
    when_writable(to, Write::flush)
}

/// Calls `read` until it does not fail with `WouldBlock`. A call that fails so must have lost no
/// data.
pub fn when_readable<F: AsFd, T>(
    file: &mut F,
    mut read: impl FnMut(&mut F) -> io::Result<T>,
) -> io::Result<T> {
    loop {
        match read(file) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                process::wait_readable(&[file.as_fd()], None)?;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// Calls `write` until it does not fail with `WouldBlock`.
pub fn when_writable<F: AsFd, T>(
    file: &mut F,
    mut write: impl FnMut(&mut F) -> io::Result<T>,
) -> io::Result<T> {
    loop {
        match write(file) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                process::wait_writable(file.as_fd(), None)?;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}
