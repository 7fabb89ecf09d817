//! Splits what a caller receives into messages with their files. It never waits.

use std::fmt;
use std::io;
use std::os::fd::AsFd;

use super::envelope::{Envelope, Schema};
use super::read_buffer::{Message, ReadBuffer};
use super::transport;
use crate::closer;
use crate::error::Error;
use crate::files::Files;
use crate::limits::Limits;
use crate::socket::{Socket, retry_interrupted};
use crate::sys::{self, Blocking};

/// Any object. The caller reads its members.
const ANY: Schema = Schema { members: &[], prefix: &[] };

/// Splits a stream into messages and gives each its files. It never waits.
///
/// [`Client`](crate::Client) and [`Server`](crate::Server) block, or use a thread for each client.
/// A program with an event loop (poll, epoll, mio, tokio) uses this type instead: it receives when
/// its loop says that there is something, and takes the messages that are complete. The library's
/// own connections use the same code. The example `event_loop` serves several clients in one thread.
///
/// # Which message owns which files
///
/// The kernel splits and joins sends. It delivers the files of a send with the first byte of it that
/// is received. A receive ends after a send that carried files. So:
///
/// - The files of one receive belong to the last message that has a byte in it.
/// - White space after a message belongs to that message. The files of a receive of only white
///   space belong to the next message.
/// - The files of several receives of one message add up.
///
/// If the sender sends the files with the first byte of their message, as [`Socket::try_send`]
/// describes, they are always assigned to the right message.
///
/// # How to use it
///
/// ```
/// use std::io::ErrorKind;
/// use std::os::fd::AsFd;
/// use urpc::socket::{Interest, poll};
/// use urpc::{Limits, MessageReader, Socket};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (peer, socket) = Socket::pair()?;
/// let file = std::fs::File::open("/dev/null")?;
/// peer.send(br#"{"method":"A.B","arg":1} {"method":"#, &[])?;
/// peer.send(br#""A.C","arg":2}"#, &[file.as_fd()])?;
/// drop(peer);
///
/// let mut reader = MessageReader::new(&Limits::default());
/// let mut messages = Vec::new();
/// loop {
///     while let Some((text, files)) = reader.next_message()? {
///         messages.push((String::from_utf8_lossy(text).into_owned(), files.len()));
///     }
///     match reader.receive(&socket) {
///         Ok(0) => break, // the end of the stream
///         Ok(_) => {}
///         Err(error) if error.kind() == ErrorKind::WouldBlock => {
///             poll(&mut [Interest::readable(socket.as_fd())], None)?;
///         }
///         Err(error) => return Err(error.into()),
///     }
/// }
/// assert!(!reader.is_in_message(), "the peer ended in the middle of a message");
/// assert_eq!(messages[0], (r#"{"method":"A.B","arg":1}"#.to_owned(), 0));
/// assert_eq!(messages[1], (r#"{"method":"A.C","arg":2}"#.to_owned(), 1));
/// # Ok(())
/// # }
/// ```
///
/// Dropping it closes the files of messages that were not taken, on another thread if that blocks.
/// The caller closes the files of the messages that it took; the last close of a file may block:
/// see [`Limits::stuck_closes`].
pub struct MessageReader {
    read_buffer: ReadBuffer,
    envelope: Envelope,
    limits: Limits,
    /// Whether the current message was taken.
    is_taken: bool,
    /// Why no further message can come.
    failure: Option<Error>,
}

/// Where it stands in the stream, and nothing of the text.
impl fmt::Debug for MessageReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessageReader")
            .field("is_in_message", &self.is_in_message())
            .field("is_taken", &self.is_taken)
            .field("failure", &self.failure)
            .finish_non_exhaustive()
    }
}

impl MessageReader {
    /// A reader at the start of a stream. It uses two of the `limits`:
    /// [`message_bytes`](Limits::message_bytes) and [`receive_files`](Limits::receive_files). The
    /// caller sets limits of time: see [`MessageReader::is_in_message`].
    pub fn new(limits: &Limits) -> MessageReader {
        let mut read_buffer = ReadBuffer::new(None, limits.receive_files);
        read_buffer.close_files_by(closer::close);
        MessageReader {
            read_buffer,
            envelope: Envelope::new(&ANY),
            limits: limits.clone(),
            is_taken: false,
            failure: None,
        }
    }

    /// Receives from `socket` with one recvmsg(2) that does not wait, whether the socket is
    /// non-blocking or not. Returns the number of bytes. 0 is the end of the stream, also if the
    /// peer has closed with unread data.
    ///
    /// Take all messages first: call [`next_message`](MessageReader::next_message) until it returns
    /// `None`. Then the files that are held are those of one message and one receive. Under an
    /// edge-triggered poller, repeat both until this returns `WouldBlock`.
    ///
    /// # Errors
    /// `WouldBlock` if there is nothing to receive; `InvalidInput` if not all messages were taken, or
    /// if no further message can come, and nothing was received; `OutOfMemory` if there is no memory to receive anything; otherwise
    /// the error of recvmsg(2).
    pub fn receive(&mut self, socket: &Socket) -> io::Result<usize> {
        self.check_usable()?;
        self.begin_message();
        if !self.read_buffer.is_parsed() {
            let text = "take all messages before the next receive";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        let room = self.read_buffer.make_room(self.limits.message_bytes);
        room.map_err(|_| io::ErrorKind::OutOfMemory)?;
        let received = retry_interrupted(|| {
            self.read_buffer.fill(|buffer, ancillary| {
                sys::receive_message(socket.as_fd(), buffer, ancillary, Blocking::No)
            })
        });
        match received {
            Err(error) if transport::is_disconnect(&error) => Ok(0),
            received => received,
        }
    }

    /// Adds what the caller has received by other means: `bytes`, and the files that came with them.
    /// Call it once for each receive, because the files belong to the last message in it. The memory
    /// grows with each call, so take the messages in between.
    ///
    /// # Errors
    /// `OutOfMemory`: nothing was added, so the stream is out of step. `InvalidInput`: no further
    /// message can come. The files were closed, on another thread if that blocks.
    ///
    /// ```
    /// use urpc::{Files, Limits, MessageReader};
    ///
    /// let mut reader = MessageReader::new(&Limits::default());
    /// reader.push(br#"{"method":"A.B","#, Files::new())?;
    /// assert!(reader.next_message()?.is_none() && reader.is_in_message());
    /// reader.push(br#""arg":1}"#, std::fs::File::open("/dev/null")?.into())?;
    /// let (text, files) = reader.next_message()?.expect("a complete message");
    /// assert_eq!((text, files.len()), (&br#"{"method":"A.B","arg":1}"#[..], 1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn push(&mut self, bytes: &[u8], mut files: Files) -> io::Result<()> {
        let mut files = files.release_all();
        self.begin_message();
        let pushed = self.check_usable().and_then(|()| self.read_buffer.push(bytes, &mut files));
        if !files.is_empty() {
            closer::close(files);
        }
        pushed
    }

    /// Takes the next complete message: its text and its files. `None` if there is none: receive
    /// more. The text is valid until the next call of this reader.
    ///
    /// # Errors
    /// If [`Error::is_usable`], only this message is refused and the stream goes on. It is
    /// [`Error::TooManyFiles`], [`Error::ControlTruncated`] or [`Error::OutOfMemory`]. Its files
    /// were closed and its text is dropped. A server answers it with the error's text.
    ///
    /// Otherwise no further message can come, and every further call gives the same error. It is
    /// [`Error::Malformed`] or [`Error::MessageTooLarge`].
    pub fn next_message(&mut self) -> Result<Option<(&[u8], Files)>, Error> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        self.begin_message();
        match self.read_buffer.find_message_end(&mut self.envelope, self.limits.message_bytes) {
            Ok(false) => return Ok(None),
            Ok(true) => {}
            Err(error) => return Err(self.fail(error)),
        }
        let Message { range, files, refusal } = self.read_buffer.take_message();
        self.is_taken = true;
        if let Some(error @ Error::OutOfMemory { .. }) = refusal {
            // The envelope may not have seen all of it.
            return Err(error);
        }
        match self.envelope.check().and(refusal.map_or(Ok(()), Err)) {
            Ok(()) => Ok(Some((self.read_buffer.slice(&range), files))),
            Err(error) => {
                closer::close(files);
                Err(self.fail(error))
            }
        }
    }

    /// After the error that ended the stream nothing is received: it would only take memory.
    fn check_usable(&self) -> io::Result<()> {
        match &self.failure {
            Some(error) => Err(io::Error::new(io::ErrorKind::InvalidInput, error.clone())),
            None => Ok(()),
        }
    }

    /// Stores an error that ends the stream.
    fn fail(&mut self, error: Error) -> Error {
        if !error.is_usable() {
            self.failure = Some(error.clone());
        }
        error
    }

    /// Whether a part of a message is here that was not taken: a byte that is not white space, or a
    /// file. At the end of the stream this means that the peer ended in the middle of a message.
    ///
    /// A peer can hold memory and files as long as this is `true`, so set a time limit from when
    /// it begins: see [`Limits::message_time`].
    pub fn is_in_message(&self) -> bool {
        let is_begun = !self.is_taken && self.read_buffer.has_begun();
        is_begun || self.read_buffer.has_more() || self.read_buffer.has_files()
    }

    /// Drops the message that was taken.
    fn begin_message(&mut self) {
        if self.is_taken {
            self.is_taken = false;
            self.envelope.clear();
            self.read_buffer.begin_message();
        }
    }
}

impl Drop for MessageReader {
    fn drop(&mut self) {
        let files = self.read_buffer.take_files();
        if !files.is_empty() {
            closer::close(files);
        }
    }
}
