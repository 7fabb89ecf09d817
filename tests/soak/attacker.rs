//! A peer that does what a hostile one can do: files whose close blocks, its own end of the
//! connection, floods of files, messages that take much memory. After each attack, another client
//! must be answered soon.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::thread;

use urpc::{Client, Error, Limits, Socket};

use crate::ground::{Ground, SOON};
use crate::lingering::Lingering;
use crate::random::Random;
use crate::support::{MOST_FILES, Probe, failure, success};

const ECHO: &[u8] = br#"{"method":"Peer.Echo","arg":7}"#;

/// The number of large messages that are begun at once: more than all clients together may hold.
const HOARD: usize = 12;

pub struct Attacker<'g> {
    ground: &'g Ground,
    random: Random,
    null: File,
}

/// A way to make the server close a file of the peer's.
type Delivery = fn(&Attacker<'_>, &Socket, &OwnedFd);

const DELIVERIES: [Delivery; 4] = [in_the_queue, with_a_call, without_room, beyond_the_limit];

impl Attacker<'_> {
    pub fn new(ground: &Ground, number: usize) -> Attacker<'_> {
        let null = File::open("/dev/null").unwrap();
        Attacker { ground, random: Random::new(1000 + number), null }
    }

    pub fn attack(&mut self) {
        while let Some(socket) = self.ground.connect() {
            match self.random.below(if self.ground.has_lingering { 6 } else { 5 }) {
                0 => self.send_own_end(socket),
                1 => self.flood_and_call(&socket),
                2 => self.flood_and_leave(&socket),
                3 => self.send_what_takes_much(&socket),
                4 => self.hoard(),
                _ => self.send_lingering_file(socket),
            }
            self.assert_served();
        }
    }

    /// Another client is answered, unless a stop comes in between.
    fn assert_served(&self) {
        let Some(socket) = self.ground.connect() else { return };
        let limits = Limits { call_time: Some(SOON), ..Limits::for_client() };
        let client = Client::builder().limits(limits).build(socket);
        match client.call_raw("Peer.Echo", b"7", &[]) {
            Ok((result, _)) => {
                assert_eq!(result.as_bytes(), b"7");
                self.ground.tally.answered.add();
            }
            Err(Error::TimedOut { .. }) => panic!("no client is answered after an attack"),
            Err(_) => self.ground.tally.ended_by_stop.add(),
        }
    }

    /// Sends its own end of the connection to the server. That keeps the connection open until the
    /// message's time is over.
    fn send_own_end(&self, socket: Socket) {
        let (file, probe) = Probe::new();
        let sent = socket.send(b" ", &[socket.as_fd(), file.as_fd()]).is_ok();
        drop((socket, file));
        probe.wait_closed();
        if sent {
            self.ground.tally.own_ends.add();
        }
    }

    /// The files of all spaces belong to the call, which is refused. The next call is not refused.
    fn flood_and_call(&mut self, socket: &Socket) {
        if self.flood(socket) && has_sent(socket, ECHO, &[]) {
            Self::assert_reply(socket, &failure("too many files"));
            if has_sent(socket, ECHO, &[]) {
                Self::assert_reply(socket, &success("7"));
            }
        }
        self.ground.tally.floods.add();
    }

    fn flood_and_leave(&mut self, socket: &Socket) {
        self.flood(socket);
        self.ground.tally.floods.add();
    }

    /// Spaces with as many files as a send can carry. Returns whether all were sent.
    fn flood(&mut self, socket: &Socket) -> bool {
        let files: [BorrowedFd<'_>; MOST_FILES] = [self.null.as_fd(); MOST_FILES];
        (0..1 + self.random.below(64)).all(|_| has_sent(socket, b" ", &files))
    }

    /// A message of many small values, which take several times its length. It is refused, and the
    /// next one is not.
    fn send_what_takes_much(&self, socket: &Socket) {
        let call =
            [br#"{"method":"Peer.Take","arg":["#, &b"[],".repeat(200_000)[..], b"0]}"].concat();
        if has_sent(socket, &call, &[]) {
            let reply = Self::receive(socket);
            assert!(reply.is_empty() || is_refusal(&reply), "{reply}");
            if !reply.is_empty() && has_sent(socket, ECHO, &[]) {
                Self::assert_reply(socket, &success("7"));
            }
        }
        self.ground.tally.much.add();
    }

    /// Several large incomplete messages, which together are more than all clients may hold. In the
    /// meantime another client is answered.
    fn hoard(&self) {
        let half = [br#"{"method":"Peer.Echo","arg":""#, &b"x".repeat(700_000)[..]].concat();
        let sockets: Vec<_> = (0..HOARD).map_while(|_| self.ground.connect()).collect();
        for socket in &sockets {
            has_sent(socket, &half, &[]);
        }
        self.assert_served();
        for socket in &sockets {
            if has_sent(socket, b"\"}", &[]) && is_refusal(&Self::receive(socket)) {
                self.ground.tally.over_budget.add();
            }
        }
        self.ground.tally.hoards.add();
    }

    /// The beginning of a reply. Empty if the connection has ended.
    fn receive(socket: &Socket) -> String {
        let mut buffer = [0; 1024];
        let count = socket.receive(&mut buffer, 0).map_or(0, |(count, _)| count);
        String::from_utf8_lossy(&buffer[..count]).into_owned()
    }

    /// If a reply comes, it is `expected`.
    fn assert_reply(socket: &Socket, expected: &str) {
        let reply = Self::receive(socket);
        assert!(reply.is_empty() || reply == expected, "{reply}, not {expected}");
    }

    /// A file whose close blocks until its other end is dropped. That happens after the next client
    /// was answered.
    fn send_lingering_file(&mut self, socket: Socket) {
        let lingering = Lingering::new().expect("such a file could be made before");
        let (file, peer_end) = lingering.file();
        DELIVERIES[self.random.below(DELIVERIES.len())](self, &socket, &file);
        drop(socket);
        // If the server was faster, this is the last close and blocks as well.
        let closing = thread::spawn(move || drop(file));
        peer_end.wait_for_close();
        self.assert_served();
        drop(peer_end);
        closing.join().unwrap();
        self.ground.tally.lingering.add();
    }
}

/// Whether a reply says that there is no memory for the call.
fn is_refusal(reply: &str) -> bool {
    let failed = reply.starts_with(r#"{"success":false"#);
    failed
        && ["out of memory", "raise decoded_bytes", "raise total_bytes"]
            .iter()
            .any(|text| reply.contains(text))
}

/// Sends all of it. `false` if the server has ended the connection.
fn has_sent(socket: &Socket, bytes: &[u8], files: &[BorrowedFd<'_>]) -> bool {
    socket.send(bytes, files).is_ok_and(|sent| sent == bytes.len())
}

/// The file stays unread after calls whose replies nobody takes.
fn in_the_queue(attacker: &Attacker<'_>, socket: &Socket, file: &OwnedFd) {
    has_sent(socket, &b"{}".repeat(20_000), &[]);
    has_sent(socket, b" ", &[attacker.null.as_fd()]);
    has_sent(socket, b" ", &[file.as_fd()]);
}

fn with_a_call(_: &Attacker<'_>, socket: &Socket, file: &OwnedFd) {
    has_sent(socket, ECHO, &[file.as_fd()]);
}

/// There is no room for the file, so the kernel closes it in the server's receive.
fn without_room(attacker: &Attacker<'_>, socket: &Socket, file: &OwnedFd) {
    let mut files = [attacker.null.as_fd(); MOST_FILES];
    files[MOST_FILES - 1] = file.as_fd();
    has_sent(socket, b" ", &files);
}

fn beyond_the_limit(_: &Attacker<'_>, socket: &Socket, file: &OwnedFd) {
    has_sent(socket, b" ", &[file.as_fd(); 40]);
}
