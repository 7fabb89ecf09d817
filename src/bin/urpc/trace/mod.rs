//! `urpc trace`: a proxy that prints each message.
//!
//! It forwards whatever becomes of what it prints. What a peer can make it hold has limits: threads,
//! texts, files, and methods of the summary.

mod calls;
mod envelope;
mod late;
mod lines;
mod output;
mod summary;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::mem::ManuallyDrop;
use std::os::fd::AsFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::UnixListener;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread;
use std::time::{Duration, Instant};

use urpc::{Address, Listener, Socket, process};

use crate::address::{self, Target};
use crate::args::{Parsed, quoted};
use crate::call;
use crate::channel::channel;
use crate::clients::{self, no_thread, small_thread};
use crate::outcome::{Failure, Outcome, say};
use crate::relay::{Direction, Message, relay};
use crate::{colour, log, values};
use calls::{Calls, Filter, UNKNOWN};
use late::{cut_off_if_late, report_late};
use lines::Answer;
use output::Output;
use summary::Summary;

/// How many bytes are kept of a message that is shown completely.
const COMPLETE: usize = 16 << 20;
/// How many bytes are shown of a message that is shortened.
const SHORT: usize = 200;
/// How many connections there may be at a time by default. Each has two descriptors and up to three
/// threads.
const MOST_CLIENTS: u32 = 256;

pub fn run(parsed: &Parsed) -> Outcome {
    let required = |name: &str| {
        parsed.value(name).ok_or_else(|| Failure::Usage(format!("--{name} ADDRESS is missing")))
    };
    let own = address::parse_own(required("listen")?)?;
    let target = address::parse(required("to")?, parsed)?;
    let places = parsed.value("max-clients").map(|text| {
        let number = values::number(text, 1, 4096);
        number.map_err(|error| Failure::value("max-clients", text, error))
    });
    let places = places.transpose()?.unwrap_or(MOST_CLIENTS);
    let (timeout, filter) = (call::time(parsed, "timeout")?, Filter::new(parsed)?);
    let to_terminal = !parsed.has("output") && io::stdout().is_terminal();
    let is_coloured = colour::is_wanted(parsed, to_terminal)?;
    refuse_loop(&own, &target)?;
    // Before any thread is started, so that all threads block the signals.
    let signals = clients::stop_signals()?;
    let listener = clients::bind(&own, parsed)?;
    refuse_loop(&bound(&listener).unwrap_or_else(|| own.clone()), &target)?;
    let output = open_output(parsed)?;
    let (ended, end) = process::pipe().map_err(|error| Failure::local("pipe", error))?;
    let trace = Arc::new(Trace {
        target,
        timeout,
        shows: Shows::new(parsed),
        as_json: parsed.has("json"),
        is_coloured,
        filter,
        output,
        summary: Mutex::default(),
        connecting: Mutex::default(),
        open: Mutex::default(),
    });
    say(&format!("urpc trace: listening on {own}, forwarding to {}", trace.target));
    clients::spawn(move || {
        let _ = signals.wait();
        // The loop sees the end of the pipe.
        drop(end);
    })?;
    trace.accept(&listener, &ended, places)?;
    trace.finish()
}

/// Once the trace listens. One that cannot start leaves an older recording as it is.
fn open_output(parsed: &Parsed) -> Result<Arc<Output>, Failure> {
    let Some(path) = parsed.value("output") else {
        return Output::start(None, "standard output".to_owned());
    };
    let file = output::open(path, parsed.has("overwrite"))?;
    Output::start(Some(file), quoted(path))
}

/// A proxy to itself would make connections until none is possible.
fn refuse_loop(own: &Address, target: &Target) -> Outcome {
    match target.is_at(own) {
        true => Err(Failure::Usage("--listen and --to name the same socket".to_owned())),
        false => Ok(()),
    }
}

/// The address of an inherited listener. One that we have bound has the address that was given.
fn bound(listener: &Listener) -> Option<Address> {
    let listener = UnixListener::from(listener.as_fd().try_clone_to_owned().ok()?);
    let address = listener.local_addr().ok()?;
    let path = address.as_pathname().map(|path| Address::Path(path.to_owned()));
    path.or_else(|| address.as_abstract_name().map(Address::abstract_name))
}

/// What is shown of messages.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shows {
    Nothing,
    Beginnings,
    Everything,
}

impl Shows {
    fn new(parsed: &Parsed) -> Shows {
        match parsed.has("full") || parsed.has("json") {
            _ if parsed.has("summary-only") => Shows::Nothing,
            true => Shows::Everything,
            false => Shows::Beginnings,
        }
    }

    /// How many bytes of a message are kept.
    fn keep(self) -> usize {
        match self {
            Shows::Everything => COMPLETE,
            Shows::Nothing | Shows::Beginnings => envelope::ENOUGH,
        }
    }

    /// How many bytes of a message are shown as text.
    fn most(self) -> usize {
        if self == Shows::Everything { COMPLETE } else { SHORT }
    }
}

/// Of a connection: the client's user id, and the calls.
type Open = (i64, Arc<Mutex<Calls>>);

struct Trace {
    target: Target,
    /// The time limit for connecting, for each wait until the server reads on, and for each reply.
    timeout: Option<Duration>,
    shows: Shows,
    as_json: bool,
    is_coloured: bool,
    filter: Filter,
    output: Arc<Output>,
    summary: Mutex<Summary>,
    /// Held by whoever takes descriptors: to accept a client, or to connect it to the server.
    connecting: Mutex<()>,
    /// The connections under way.
    open: Mutex<BTreeMap<u64, Open>>,
}

impl Trace {
    /// Accepts clients until `ended` is readable. While `places` of them are connected, others wait
    /// in the listener's queue.
    fn accept(self: &Arc<Self>, listener: &Listener, ended: &File, places: u32) -> Outcome {
        let failed = |error: io::Error| Failure::local("a pipe", error);
        // A byte is a place. A client's thread takes one, and gives it back at its end.
        let (mut free, give_back) = process::pipe().map_err(failed)?;
        (&give_back).write_all(&vec![0; places as usize]).map_err(failed)?;
        let give_back = Arc::new(give_back);
        let mut number = 0;
        while process::wait_readable(&[ended.as_fd(), free.as_fd()], None).map_err(failed)?
            == Some(1)
        {
            free.read_exact(&mut [0]).map_err(failed)?;
            let place = Place(Arc::clone(&give_back));
            let accept = || self.accept_one(listener);
            let Some((client, reserve)) = clients::next("trace", listener, ended, accept)? else {
                break;
            };
            number += 1;
            self.start(Accepted { number, client, reserve: Some(reserve), _place: place }, ended)?;
        }
        Ok(())
    }

    /// Accepts a client once there are descriptors for it and for its connection to the server. Not
    /// while another one connects: this would take the descriptors that it gave up for that.
    fn accept_one(&self, listener: &Listener) -> io::Result<(Socket, Reserve)> {
        let _turn = match self.connecting.try_lock() {
            Ok(turn) => turn,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => {
                thread::sleep(Duration::from_millis(1));
                return Err(io::ErrorKind::WouldBlock.into());
            }
        };
        let reserve = process::pipe()?;
        Ok((listener.accept()?, reserve))
    }

    /// Starts the thread of a client. While there can be no thread, the client waits. Only its own
    /// thread closes it, or the end of the process: a close may block for as long as a peer likes.
    fn start(self: &Arc<Self>, client: Accepted, ended: &File) -> Outcome {
        let place = Arc::new(Mutex::new(ManuallyDrop::new(Some(client))));
        loop {
            let (trace, place) = (Arc::clone(self), Arc::clone(&place));
            let follow = move || {
                let client = lock(&place).take();
                client.into_iter().for_each(|client| trace.follow(client));
            };
            let Err(failure) = clients::spawn(follow) else { return Ok(()) };
            log::report("trace", &failure);
            if pause(ended)? {
                return Ok(());
            }
        }
    }

    /// Connects to the server. While descriptors or memory are missing, it tries again.
    fn connect(&self, number: u64) -> Result<Socket, Failure> {
        let limit = self.timeout.unwrap_or(address::CONNECT_TIME);
        let (began, mut is_paused) = (Instant::now(), false);
        loop {
            let error = match self.target.try_connect(limit, false) {
                Ok(server) => return Ok(server),
                Err(error) => urpc::Error::from(error),
            };
            if began.elapsed() > limit || !clients::is_shortage(error.raw_os_error()) {
                return Err(Failure::not_connected(error.into(), "--timeout"));
            }
            if !std::mem::replace(&mut is_paused, true) {
                log::say("trace", &format!("#{number} waits: {error}"));
            }
            thread::sleep(clients::PAUSE);
        }
    }

    /// Relays one connection from its accept to its end.
    fn follow(&self, mut accepted: Accepted) {
        let (number, client) = (accepted.number, &accepted.client);
        let connected = {
            let _turn = lock(&self.connecting);
            drop(accepted.reserve.take());
            self.connect(number)
        };
        let server = match connected {
            Ok(server) => server,
            Err(failure) => return log::report("trace", &failure),
        };
        let calls = &*self.begin(number, client);
        thread::scope(|scope| {
            // Dropped at the end of the relay. That ends the receiving thread.
            let (seen, messages) = channel();
            let server = &server;
            let watch = self.timeout.map(|limit| {
                let watch = move || cut_off_if_late(number, client, server, &messages, limit);
                small_thread().spawn_scoped(scope, watch)
            });
            if let Some(Err(error)) = watch {
                return log::report("trace", &no_thread(error));
            }
            let keep = self.shows.keep();
            let relayed = relay(client, server, keep, self.timeout, &|direction, message| {
                if self.timeout.is_some() {
                    seen.send(direction);
                }
                self.see(number, calls, direction, message);
            });
            let was_late = relayed.is_err_and(|error| error.kind() == io::ErrorKind::TimedOut);
            if let (true, Some(limit)) = (was_late, self.timeout) {
                report_late(number, "the server has read nothing", limit);
            }
        });
        self.end(number);
    }

    /// A connection was opened. Returns its calls.
    fn begin(&self, number: u64, client: &Socket) -> Arc<Mutex<Calls>> {
        let uid = client.peer_credentials().map_or(-1, |peer| i64::from(peer.uid));
        let calls: Arc<Mutex<Calls>> = Arc::default();
        self.show_event(number, "open", uid);
        lock(&self.open).insert(number, (uid, Arc::clone(&calls)));
        calls
    }

    /// A connection is over, or the trace is. Calls without a reply get none.
    fn end(&self, number: u64) {
        let Some((uid, calls)) = lock(&self.open).remove(&number) else { return };
        let calls = lock(&calls).finish();
        for mut call in calls.filter(|call| self.wants(call, calls::Outcome::None)) {
            lock(&self.summary).add(&call.method, None);
            let line = lines::unanswered(self.as_json, number, &call.method);
            self.show(Some(call.held().unwrap_or_default() + &line));
        }
        self.show_event(number, "close", uid);
    }

    fn show_event(&self, number: u64, event: &str, uid: i64) {
        if self.filter.is_none() {
            self.show(Some(lines::event(self.as_json, number, event, uid)));
        }
    }

    fn show(&self, text: Option<String>) {
        if let (Some(text), true) = (text, self.shows != Shows::Nothing) {
            self.output.add(text);
        }
    }

    /// A message is about to be forwarded.
    fn see(&self, number: u64, calls: &Mutex<Calls>, direction: Direction, message: Message) {
        match direction {
            _ if !message.complete => {
                if self.filter.is_none() {
                    self.show(Some(self.line(number, direction, message, None)));
                }
            }
            Direction::Call => {
                let method = envelope::read(&message.text).method;
                let method = method.unwrap_or_else(|| UNKNOWN.to_owned());
                let wanted = self.filter.wants(&method);
                let line = wanted.then(|| self.line(number, direction, message, None));
                if self.filter.outcome.is_some() {
                    return lock(calls).begin(method, line);
                }
                lock(calls).begin(method, None);
                self.show(line);
            }
            Direction::Reply => self.see_reply(number, lock(calls).end(), message),
        }
    }

    fn see_reply(&self, number: u64, call: Option<calls::Call>, message: Message) {
        let Some(mut call) = call else {
            if self.filter.is_none() {
                self.show(Some(self.line(number, Direction::Reply, message, None)));
            }
            return;
        };
        let (time, success) = (call.time(), envelope::read(&message.text).success == Some(true));
        let outcome = if success { calls::Outcome::Success } else { calls::Outcome::Error };
        if !self.wants(&call, outcome) {
            return;
        }
        lock(&self.summary).add(&call.method, Some((success, time)));
        let answer = Answer { method: &call.method, time };
        let line = self.line(number, Direction::Reply, message, Some(&answer));
        self.show(Some(call.held().unwrap_or_default() + &line));
    }

    fn wants(&self, call: &calls::Call, outcome: calls::Outcome) -> bool {
        self.filter.outcome.is_none_or(|wanted| wanted == outcome)
            && self.filter.wants(&call.method)
    }

    fn line(
        &self,
        number: u64,
        direction: Direction,
        message: Message,
        answer: Option<&Answer<'_>>,
    ) -> String {
        match self.as_json {
            _ if self.shows == Shows::Nothing => String::new(),
            true => lines::as_json(number, direction, message, answer),
            false => {
                let arrow = colour::arrow(direction, self.is_coloured);
                lines::as_text(number, arrow, &message, answer, self.shows.most())
            }
        }
    }

    /// Ends what is open, and writes the summary.
    fn finish(&self) -> Outcome {
        let open: Vec<u64> = lock(&self.open).keys().copied().collect();
        open.into_iter().for_each(|number| self.end(number));
        let summary = lock(&self.summary);
        self.output.finish(match self.as_json {
            _ if summary.is_empty() => String::new(),
            true => summary.lines(&lines::time()),
            false if self.shows == Shows::Nothing => summary.table(),
            false => format!("\n{}", summary.table()),
        })
    }
}

/// Descriptors that are held for a connection to the server.
type Reserve = (File, File);

/// A client that has a place.
struct Accepted {
    number: u64,
    client: Socket,
    /// Descriptors that are closed before connecting to the server. Otherwise clients could use up
    /// all descriptors, and all of them would wait for one.
    reserve: Option<Reserve>,
    _place: Place,
}

/// Waits a moment. Returns whether `ended` is readable.
fn pause(ended: &File) -> Result<bool, Failure> {
    let ready = process::wait_readable(&[ended.as_fd()], Some(clients::PAUSE));
    ready.map(|ready| ready.is_some()).map_err(|error| Failure::local("a pipe", error))
}

/// A client's place. Dropping it gives it back.
struct Place(Arc<File>);

impl Drop for Place {
    fn drop(&mut self) {
        // The pipe has room for all places.
        let _ = (&*self.0).write_all(&[0]);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
