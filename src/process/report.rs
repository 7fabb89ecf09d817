//! What the helper of `spawn_with_files` reports to its parent.
//!
//! The report is [`READY`] immediately before the exec, then an error if one occurs. The helper's
//! end of the socket is close-on-exec, so a successful exec ends the stream.

use std::io;

use crate::socket::Socket;

/// The helper has prepared everything and only has to become the program.
pub(super) const READY: [u8; 4] = [0; 4];
/// Stands for the error number if the error has none.
const NO_ERRNO: i32 = -1;

/// Sends `error`: its number, then its text.
pub(super) fn send_error(parent: &Socket, error: &io::Error) {
    let mut report = error.raw_os_error().unwrap_or(NO_ERRNO).to_ne_bytes().to_vec();
    report.extend_from_slice(error.to_string().as_bytes());
    let _ = parent.send(&report, &[]);
}

/// The outcome that a complete report describes. `Ok` is [`READY`] with nothing after it. `None` if
/// the report is incomplete.
pub(super) fn parse(report: &[u8]) -> Option<io::Result<()>> {
    let after_ready = report.strip_prefix(&READY);
    match after_ready.unwrap_or(report).split_first_chunk() {
        Some((number, text)) => Some(Err(match i32::from_ne_bytes(*number) {
            NO_ERRNO => io::Error::other(String::from_utf8_lossy(text)),
            number => io::Error::from_raw_os_error(number),
        })),
        None => after_ready.is_some_and(<[u8]>::is_empty).then_some(Ok(())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::errno::EPERM;

    /// What the parent reads of an error.
    fn sent(error: io::Error) -> io::Error {
        let (ours, theirs) = Socket::pair().unwrap();
        send_error(&ours, &error);
        let mut report = [0; 100];
        let length = theirs.receive(&mut report, 0).unwrap().0;
        parse(&report[..length]).unwrap().unwrap_err()
    }

    #[test]
    fn an_error_is_told_by_its_number_or_without_one_by_its_text() {
        assert_eq!(sent(io::Error::from_raw_os_error(EPERM)).raw_os_error(), Some(EPERM));
        let error = sent(io::Error::other("no place"));
        assert_eq!((error.raw_os_error(), error.to_string().as_str()), (None, "no place"));
    }
}
