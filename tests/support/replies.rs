//! Raw bytes as the reply to a client's call, and how the client takes them.

use std::os::fd::{AsFd, BorrowedFd};
use std::thread;

use urpc::json::{Aborted, Decoder, FromJson, RawJson};
use urpc::{Client, Error, Files, Socket};

use crate::exchange::{limit_time, numbered_files};
use crate::peer;
use crate::support::read_message;

/// The outcome of a call.
#[derive(Debug, PartialEq)]
pub struct Outcome {
    /// How the call ended.
    pub end: End,
    /// The text of the result. Empty if there was none.
    pub result: String,
    /// The content of the files that the caller got.
    pub contents: Vec<String>,
}

impl Outcome {
    /// A broken call is compared without what had been decoded by then.
    pub fn new(end: End, result: String, contents: Vec<String>) -> Outcome {
        let result = if end == End::Broken { String::new() } else { result };
        Outcome { end, result, contents }
    }
}

/// How a call ended.
#[derive(Debug, PartialEq)]
pub enum End {
    /// It succeeded.
    Success,
    /// The remote method failed with this text.
    Remote(String),
    /// The transport failed, or the message was invalid.
    Broken,
}

/// Answers the one call that comes over `socket` with these segments, each bytes and a number of
/// files, and ends. The client may end first.
pub fn reply(socket: &Socket, segments: &[(Vec<u8>, usize)]) -> String {
    limit_time(socket).unwrap();
    let (call, _) = read_message(socket);
    for (bytes, files) in segments {
        let files = numbered_files(*files, "").unwrap();
        let files: Vec<BorrowedFd<'_>> = files.iter().collect();
        let mut sent = 0;
        while sent < bytes.len() {
            match socket.send(&bytes[sent..], if sent == 0 { &files } else { &[] }) {
                Ok(count) => sent += count,
                Err(_) => return call,
            }
        }
    }
    let _ = socket.shutdown_send();
    call
}

/// The outcome of our client with this reply, and the call that it sent.
pub fn ours(segments: &[(Vec<u8>, usize)]) -> (Outcome, String) {
    crate::support::limit::limit_test();
    let (ours, theirs) = Socket::pair().unwrap();
    thread::scope(|scope| {
        let peer = scope.spawn(move || reply(&theirs, segments));
        let client = Client::builder().limits(peer::client_limits()).build(ours);
        let mut carrier = Carrier::default();
        let end = match client.call_into("Peer.Echo", &1, &mut carrier) {
            Ok(()) => End::Success,
            Err(Error::Remote(error)) => End::Remote(error.message().to_owned()),
            Err(error) => {
                assert!(!error.to_string().is_empty());
                End::Broken
            }
        };
        let taken = Outcome::new(end, carrier.text(), carrier.contents());
        (taken, peer.join().unwrap())
    })
}

/// A result of any text, with files.
#[derive(Default)]
struct Carrier {
    text: RawJson,
    files: Files,
}

impl Carrier {
    fn text(&self) -> String {
        String::from_utf8_lossy(self.text.as_bytes()).into_owned()
    }

    fn contents(&self) -> Vec<String> {
        let read = |file: BorrowedFd<'_>| {
            let file = std::fs::File::from(file.as_fd().try_clone_to_owned().unwrap());
            std::io::read_to_string(file).unwrap()
        };
        self.files.iter().map(read).collect()
    }
}

impl FromJson for Carrier {
    fn decode(&mut self, decoder: &mut Decoder<'_>) -> Result<(), Aborted> {
        self.text.decode(decoder)
    }

    fn files_mut(&mut self) -> Option<&mut Files> {
        Some(&mut self.files)
    }
}
