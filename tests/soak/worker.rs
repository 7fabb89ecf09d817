//! A client that makes good calls and every kind of mistake.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use urpc::{Client, Error};

use crate::ground::{Ground, Numbered};
use crate::killed;
use crate::random::Random;
use crate::support::{MOST_FILES, failure, identity, success};
use crate::tally::Counter;

/// Calls up to this length are served, however much memory others hold.
const FREE_BYTES: usize = 16 << 10;

pub struct Worker<'g> {
    ground: &'g Ground,
    number: usize,
    calls: u64,
    client: Option<Client>,
    random: Random,
    null: File,
    large: String,
}

impl Worker<'_> {
    pub fn new(ground: &Ground, number: usize) -> Worker<'_> {
        Worker {
            ground,
            number,
            calls: 0,
            client: None,
            random: Random::new(number),
            null: File::open("/dev/null").unwrap(),
            large: "x".repeat(300_000),
        }
    }

    pub fn work(&mut self) {
        while !self.ground.has_ended() {
            self.act();
        }
    }

    fn act(&mut self) {
        let tally = Arc::clone(&self.ground.tally);
        match self.random.below(100) {
            0..60 => self.call(0, "", &tally.small),
            60..75 => {
                let count = 1 + self.random.below(32);
                self.call(count, "with files", &tally.files);
            }
            75..77 => {
                let large = std::mem::take(&mut self.large);
                self.call(0, &large, &tally.large);
                self.large = large;
            }
            77..82 => self.fail(),
            82..85 => self.garbage(),
            85..88 => self.half_a_message(),
            88..91 => self.leave_the_reply(),
            91..93 => self.trickle(),
            93..95 => self.too_many_files(),
            95 if self.number < 2 => killed::kill_a_client(self.ground),
            _ => {
                self.client = None;
                tally.reconnects.add();
            }
        }
    }

    /// Makes a good call. All that it sent must come back, unless a stop came before the call
    /// began.
    fn call(&mut self, files: usize, text: &str, counter: &Counter) {
        let Some(client) = self.client.take().or_else(|| self.ground.connect().map(Client::new))
        else {
            return;
        };
        self.calls += 1;
        let files = (0..files).map(|_| self.null.try_clone().unwrap()).collect();
        let call = Numbered { client: self.number, number: self.calls, text: text.into(), files };
        match client.call::<Numbered>("Peer.Numbered", &call) {
            Ok(reply) => {
                let sent = (call.client, call.number, &call.text, call.files.len());
                let came = (reply.client, reply.number, &reply.text, reply.files.len());
                assert_eq!(came, sent);
                assert!(reply.files.iter().all(|file| identity(file) == identity(&self.null)));
                counter.add();
                self.client = Some(client);
            }
            Err(Error::Remote(error)) if text.len() > FREE_BYTES => {
                let message = error.message();
                let is_told =
                    message.starts_with("out of memory") || message.contains("raise total_bytes");
                assert!(is_told, "{message}");
                self.ground.tally.no_room.add();
                self.client = Some(client);
            }
            Err(error) => {
                assert!(!error.is_usable(), "{error}");
                let executed = self.ground.executed[self.number].load(Ordering::SeqCst);
                let lost = executed == self.calls;
                if lost {
                    self.ground.tally.lost.add()
                } else {
                    self.ground.tally.ended_by_stop.add()
                }
            }
        }
    }

    /// Makes a call that must fail, one of several kinds, and leave the client usable.
    fn fail(&mut self) {
        let Some(client) = self.client.take() else { return };
        let (method, arg, text) = [
            ("Peer.Fail", "null", "on purpose"),
            ("Peer.Nope", "{}", "unknown method"),
            ("Peer.Numbered", "[]", "arg: expected"),
            ("Peer.Panic", "1", "method panicked"),
        ][self.random.below(4)];
        let error = client.call_raw(method, arg.as_bytes(), &[]).unwrap_err();
        match error.as_remote() {
            Some(remote) => {
                assert!(remote.message().starts_with(text), "{remote}");
                self.ground.tally.failed.add();
                self.client = Some(client);
            }
            None => self.ground.tally.ended_by_stop.add(),
        }
    }

    /// Sends bytes that are not a message, and checks that the connection ends.
    fn garbage(&mut self) {
        let kind = self.random.below(4);
        let noise: Vec<u8> = (0..64).map(|_| self.random.below(256) as u8).collect();
        let kinds: [&[u8]; 4] = [&noise, b"[]", b"{\"method\":1}", b"\x00"];
        let Some(socket) = self.ground.connect() else { return };
        let _ = socket.send(kinds[kind], &[self.null.as_fd()]);
        let _ = socket.shutdown_send();
        while matches!(socket.receive(&mut [0; 4096], 253), Ok((1.., _))) {}
        self.ground.tally.garbage.add();
    }

    fn half_a_message(&mut self) {
        let Some(socket) = self.ground.connect() else { return };
        let half = &br#"{"method":"Peer.Echo","arg":[1,2,{"x":"y"#[..1 + self.random.below(40)];
        let _ = socket.send(half, &[self.null.as_fd(); 3]);
        self.ground.tally.halves.add();
    }

    /// Sends calls, and closes the connection when a part of the replies was read.
    fn leave_the_reply(&mut self) {
        let Some(socket) = self.ground.connect() else { return };
        let length = self.random.below(9999);
        let call = format!(r#"{{"method":"Peer.Echo","arg":"{}"}}"#, &self.large[..length]);
        let _ = socket.send(call.as_bytes(), &[]);
        if self.random.below(2) == 0 {
            let _ = socket.receive(&mut [0; 16], 0);
        }
        self.ground.tally.untaken.add();
    }

    fn trickle(&mut self) {
        let Some(socket) = self.ground.connect() else { return };
        let sent = br#"{"method":"Peer.Echo","arg":7}"#
            .iter()
            .all(|byte| socket.send(&[*byte], &[self.null.as_fd()]).is_ok());
        // 30 files in all, which are within the limit, for a method that takes no files.
        let mut buffer = [0; 64];
        let reply = socket.receive(&mut buffer, 0).map_or(0, |(length, _)| length);
        if sent && reply > 0 {
            assert_eq!(&buffer[..reply], success("7").as_bytes());
        }
        self.ground.tally.trickles.add();
    }

    fn too_many_files(&mut self) {
        let Some(socket) = self.ground.connect() else { return };
        let call = br#"{"method":"Peer.Echo","arg":7}"#;
        let files: [BorrowedFd<'_>; MOST_FILES] = [self.null.as_fd(); MOST_FILES];
        let _ = socket.send(call, &files);
        let mut buffer = [0; 64];
        let reply = socket.receive(&mut buffer, 0).map_or(0, |(length, _)| length);
        if reply > 0 {
            assert_eq!(&buffer[..reply], failure("too many files").as_bytes());
        }
        self.ground.tally.too_many_files.add();
    }
}
