//! A server of several clients in one thread, with nothing but poll(2). It shows how a program with
//! an event loop of its own uses urpc.
//!
//! ```text
//! event_loop PATH      # serves until its standard input ends
//! ```
//!
//! `Loop.Echo` returns its argument and its files. `Loop.Count` returns how many files came.
//!
//! The same code works under an edge-triggered poller (epoll with `EPOLLET`, mio, tokio's
//! `AsyncFd`), because a client's turn ends only at `WouldBlock` or is taken up again without
//! waiting.

use std::error::Error;
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, BorrowedFd};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use urpc::json::{self, RawJson};
use urpc::socket::{Interest, poll};
use urpc::{Files, Limits, Listener, MessageReader, Socket};

/// More clients wait in the kernel's queue.
const MOST_CLIENTS: usize = 64;
/// The number of steps for one client before the other clients get their turn.
const STEPS_IN_TURN: usize = 32;
/// The time limit for a message that has begun, and for a reply that the client does not read.
const TIME: Duration = Duration::from_secs(30);
/// The pause after a connection could not be accepted, for example because no descriptor was free.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

fn main() -> ExitCode {
    let Some(path) = std::env::args_os().nth(1) else {
        eprintln!("usage: event_loop PATH");
        return ExitCode::from(2);
    };
    let served = Listener::bind(std::path::PathBuf::from(path))
        .and_then(|listener| serve(&listener, io::stdin().as_fd()));
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("event_loop: {error}");
            ExitCode::FAILURE
        }
    }
}

urpc::record! {
    /// A call as it is received.
    #[derive(Default)]
    struct Call {
        method: String,
        arg: RawJson,
    }

    /// A reply. Its members are written in this order.
    #[derive(Default)]
    struct Reply {
        success: bool,
        err: String,
        result: RawJson,
    }
}

/// Serves until `stop` is readable or has ended.
pub fn serve(listener: &Listener, stop: BorrowedFd<'_>) -> io::Result<()> {
    let mut clients: Vec<Client> = Vec::new();
    let mut may_accept = true;
    loop {
        let mut entries = vec![Interest::readable(stop)];
        entries.extend(clients.iter().map(Client::interest));
        if may_accept && clients.len() < MOST_CLIENTS {
            entries.push(Interest::readable(listener.as_fd()));
        }
        let pause = (!may_accept).then_some(ACCEPT_PAUSE);
        let timeout = clients.iter().filter_map(Client::timeout).chain(pause).min();
        poll(&mut entries, timeout)?;
        let mut ready = entries.iter().map(Interest::is_ready).collect::<Vec<_>>().into_iter();
        if ready.next() == Some(true) {
            return Ok(());
        }
        // A client that failed ends alone. Dropping it closes its socket and its files. A close may
        // block if the sender of a file is hostile (see `Limits::stuck_closes`): a server of
        // strangers drops its clients on another thread.
        clients.retain_mut(|client| {
            let is_ready = ready.next() == Some(true) || client.wants == Wants::Turn;
            let goes_on = if is_ready { client.take_turn() } else { Ok(true) };
            goes_on.unwrap_or_else(|error| {
                eprintln!("event_loop: dropped a client: {error}");
                false
            }) && !client.is_late()
        });
        may_accept = true;
        while clients.len() < MOST_CLIENTS {
            match listener.accept() {
                Ok(socket) => clients.push(Client::new(socket)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => {
                    may_accept = false;
                    break;
                }
            }
        }
    }
}

/// What must happen before a client can continue.
#[derive(Clone, Copy, PartialEq)]
enum Wants {
    /// Data must arrive.
    Bytes,
    /// There must be room for the rest of the reply.
    Room,
    /// Nothing: the other clients get their turn. The reader may already hold the next call, so the
    /// socket need not be readable.
    Turn,
}

struct Client {
    socket: Socket,
    reader: MessageReader,
    wants: Wants,
    /// The reply that is being sent, the number of bytes that were sent, and its files.
    reply: Vec<u8>,
    sent: usize,
    files: Files,
    /// The deadline for the current message or reply.
    late: Option<Instant>,
}

impl Client {
    fn new(socket: Socket) -> Client {
        Client {
            socket,
            reader: MessageReader::new(&Limits::default()),
            wants: Wants::Bytes,
            reply: Vec::new(),
            sent: 0,
            files: Files::new(),
            late: None,
        }
    }

    fn interest(&self) -> Interest<'_> {
        match self.wants {
            // While the client does not read its reply, nothing more is read from it.
            Wants::Room => Interest::writable(self.socket.as_fd()),
            Wants::Bytes | Wants::Turn => Interest::readable(self.socket.as_fd()),
        }
    }

    /// How long this client may wait.
    fn timeout(&self) -> Option<Duration> {
        match self.wants {
            Wants::Turn => Some(Duration::ZERO),
            _ => self.late.map(|late| late.saturating_duration_since(Instant::now())),
        }
    }

    fn is_late(&self) -> bool {
        self.late.is_some_and(|late| late <= Instant::now())
    }

    /// Does what can be done without waiting. `false` if the client has left.
    fn take_turn(&mut self) -> Result<bool, Box<dyn Error>> {
        for _ in 0..STEPS_IN_TURN {
            if !self.send_reply()? {
                return Ok(self.wait_for(Wants::Room));
            }
            if self.take_call()? {
                continue;
            }
            match self.reader.receive(&self.socket) {
                Ok(0) if self.reader.is_in_message() => {
                    return Err("it left in the middle of a call".into());
                }
                Ok(0) => return Ok(false),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    return Ok(self.wait_for(Wants::Bytes));
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(self.wait_for(Wants::Turn))
    }

    /// Sets what to wait for, and the deadline.
    fn wait_for(&mut self, wants: Wants) -> bool {
        self.wants = wants;
        if wants == Wants::Room || self.reader.is_in_message() {
            self.late.get_or_insert_with(|| Instant::now() + TIME);
        }
        true
    }

    /// Sends the rest of the reply. `false` if there is no more room.
    fn send_reply(&mut self) -> io::Result<bool> {
        while self.sent < self.reply.len() {
            // The files go with the first byte, and only once.
            let files = if self.sent == 0 { self.files.iter().collect() } else { Vec::new() };
            match self.socket.try_send(&self.reply[self.sent..], &files) {
                Ok(count) => self.sent += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        if self.sent > 0 {
            self.sent = 0;
            self.reply.clear();
            self.files = Files::new();
            self.late = None;
        }
        Ok(true)
    }

    /// Takes a complete call and makes its reply. `false` if there is none.
    fn take_call(&mut self) -> Result<bool, Box<dyn Error>> {
        let reply = match self.reader.next_message() {
            Ok(None) => return Ok(false),
            Ok(Some((text, files))) => answer(json::from_slice(text)?, files),
            // Only this call is refused.
            Err(error) if error.is_usable() => Err(error.to_string()),
            Err(error) => return Err(error.into()),
        };
        let (reply, files) = match reply {
            Ok((result, files)) => (Reply { success: true, err: String::new(), result }, files),
            Err(err) => (Reply { success: false, err, result: RawJson::new("null") }, Files::new()),
        };
        self.reply = json::to_vec(&reply)?;
        self.files = files;
        self.late = None;
        Ok(true)
    }
}

/// The methods.
fn answer(call: Call, files: Files) -> Result<(RawJson, Files), String> {
    match call.method.as_str() {
        "Loop.Echo" if call.arg.as_bytes().is_empty() => Err("there is no argument".to_owned()),
        "Loop.Echo" => Ok((call.arg, files)),
        "Loop.Count" => Ok((RawJson::new(files.len().to_string()), Files::new())),
        _ => Err("unknown method".to_owned()),
    }
}
