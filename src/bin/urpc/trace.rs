//! `urpc trace`: a proxy that prints each message.

use std::io::Write;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use std::{fs::File, io};

use urpc::Socket;
use urpc::json::Number;
use urpc::process::{self, StopSignals};

use crate::address::{self, Target};
use crate::args::Parsed;
use crate::call;
use crate::clients::{self, no_thread, small_thread};
use crate::filelist::Description;
use crate::outcome::{Failure, Outcome, print, say};
use crate::pretty;
use crate::relay::{Direction, Message, relay};

/// How many bytes are kept of a message that is shown completely, and of one that is shortened.
const COMPLETE: usize = 16 << 20;
const SHORT: usize = 200;

pub fn run(parsed: &Parsed) -> Outcome {
    let required = |name: &str| {
        parsed.value(name).ok_or_else(|| Failure::Usage(format!("--{name} ADDRESS is missing")))
    };
    let own = address::parse_own(required("listen")?)?;
    let target = address::parse(required("to")?, parsed)?;
    // Before any thread is started, so that all threads block the signals.
    let signals = StopSignals::block().map_err(|error| Failure::local("signals", error))?;
    let listener = address::bind(&own, parsed)?;
    let (ended, end) = process::pipe().map_err(|error| Failure::local("pipe", error))?;
    let is_complete = parsed.has("full") || parsed.has("json");
    let trace = Arc::new(Trace {
        target,
        timeout: call::time(parsed, "timeout")?,
        keep: if is_complete { COMPLETE } else { SHORT },
        as_json: parsed.has("json"),
        end,
        outcome: Mutex::new(Ok(())),
    });
    say(&format!("urpc trace: listening on {own}, forwarding to {}", trace.target));
    let for_signals = Arc::clone(&trace);
    clients::spawn(move || for_signals.end_with(signals.wait().map(drop).map_err(lost)))?;
    let mut number = 0;
    while let Some(client) = clients::next(&listener, &ended)? {
        number += 1;
        let trace = Arc::clone(&trace);
        if let Err(failure) = clients::spawn(move || trace.follow(number, &client)) {
            failure.report("trace");
        }
    }
    std::mem::replace(&mut *trace.lock_outcome(), Ok(()))
}

fn lost(error: io::Error) -> Failure {
    Failure::local("signals", error)
}

struct Trace {
    target: Target,
    /// The time limit for connecting, for each wait until the server reads on, and for each reply.
    timeout: Option<Duration>,
    keep: usize,
    as_json: bool,
    /// Written to when the trace ends.
    end: File,
    outcome: Mutex<Outcome>,
}

impl Trace {
    fn lock_outcome(&self) -> std::sync::MutexGuard<'_, Outcome> {
        self.outcome.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end_with(&self, outcome: Outcome) {
        *self.lock_outcome() = outcome;
        let _ = (&self.end).write_all(b"e");
    }

    /// Relays one connection from its accept to its end.
    fn follow(&self, number: u64, client: &Socket) {
        let limit = self.timeout.unwrap_or(address::CONNECT_TIME);
        let server = match self.target.connect(limit, "--timeout", false) {
            Ok(server) => server,
            Err(failure) => return failure.report("trace"),
        };
        self.show(self.event(number, "open", client));
        thread::scope(|scope| {
            // Dropped at the end of the relay. That ends the receiving thread.
            let (seen, messages) = mpsc::channel();
            let server = &server;
            let watch = self.timeout.map(|limit| {
                let watch = move || cut_off_if_late(number, client, server, &messages, limit);
                small_thread().spawn_scoped(scope, watch)
            });
            if let Some(Err(error)) = watch {
                return no_thread(error).report("trace");
            }
            let relayed = relay(client, server, self.keep, self.timeout, &|direction, message| {
                // There is no receiver without a time limit.
                let _ = seen.send(direction);
                self.show(match self.as_json {
                    true => as_json(number, direction, message),
                    false => as_text(number, direction, &message),
                });
            });
            let was_late = relayed.is_err_and(|error| error.kind() == io::ErrorKind::TimedOut);
            if let (true, Some(limit)) = (was_late, self.timeout) {
                report_late(number, "the server has read nothing", limit);
            }
        });
        self.show(self.event(number, "close", client));
    }

    fn event(&self, number: u64, event: &str, client: &Socket) -> String {
        let uid = client.peer_credentials().map_or(-1, |peer| i64::from(peer.uid));
        match self.as_json {
            true => format!(
                "{{\"time\":{},\"connection\":{number},\"event\":\"{event}\",\"uid\":{uid}}}\n",
                seconds()
            ),
            false => format!("{} #{number} {event} (uid {uid})\n", time_of_day()),
        }
    }

    /// Ends the trace if the reader of its output has closed it.
    fn show(&self, text: String) {
        if let Err(failure) = print(text) {
            self.end_with(Err(failure));
        }
    }
}

/// Ends a connection if a reply does not follow its call within `limit`. Returns when no further
/// message can come.
fn cut_off_if_late(
    number: u64,
    client: &Socket,
    server: &Socket,
    messages: &Receiver<Direction>,
    limit: Duration,
) {
    let (mut calls, mut since) = (0_u32, Instant::now());
    loop {
        let seen = match calls {
            0 => messages.recv().map_err(RecvTimeoutError::from),
            _ => messages.recv_timeout(limit.saturating_sub(since.elapsed())),
        };
        match seen {
            Ok(Direction::Call) if calls > 0 => calls += 1,
            Ok(Direction::Call) => (calls, since) = (1, Instant::now()),
            Ok(Direction::Reply) => (calls, since) = (calls.saturating_sub(1), Instant::now()),
            Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) => {
                report_late(number, "no reply", limit);
                let _ = (client.shutdown(), server.shutdown());
                return;
            }
        }
    }
}

fn report_late(number: u64, missing: &str, limit: Duration) {
    let late = format!("#{number}: {missing} within {limit:?}: the connection is ended");
    Failure::Transport(late).report("trace");
}

fn as_text(number: u64, direction: Direction, message: &Message) -> String {
    let broken = if message.complete { "" } else { " (incomplete message)" };
    let mut text = format!(
        "{} #{number} {} {} bytes{broken} {}\n",
        time_of_day(),
        direction.arrow(),
        message.size,
        pretty::one_line(&message.text, message.size),
    );
    for (index, file) in message.files.iter().enumerate() {
        text.push_str(&format!("{:20}file {index}: {}\n", "", file.line()));
    }
    text
}

urpc::record! {
    /// A line of `--json`, without the message itself.
    #[derive(Debug, Default)]
    struct Line {
        time: Number,
        connection: u64,
        event: String,
        direction: String,
        size: u64,
        files: Vec<Description>,
        /// The bytes of an incomplete message.
        text: String => omitempty,
    }
}

/// The message is last. It keeps its text except for white space, because it must be one line. The
/// library would write it as Go does, with its own escapes.
fn as_json(number: u64, direction: Direction, message: Message) -> String {
    let is_complete = message.complete && message.size == message.text.len() as u64;
    let (raw, text) = match is_complete {
        true => (pretty::one_line(&message.text, message.size), String::new()),
        false => ("null".to_owned(), String::from_utf8_lossy(&message.text).into_owned()),
    };
    let line = Line {
        time: seconds().parse().unwrap_or_default(),
        connection: number,
        event: "message".to_owned(),
        direction: direction.name().to_owned(),
        size: message.size,
        files: message.files,
        text,
    };
    // Text and numbers can always be encoded.
    let line = urpc::json::to_string(&line).unwrap_or_default();
    format!("{},\"message\":{raw}}}\n", line.strip_suffix('}').unwrap_or("{"))
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// The time since 1970, with microseconds.
fn seconds() -> String {
    let now = now();
    format!("{}.{:06}", now.as_secs(), now.subsec_micros())
}

/// `12:34:56.123456`, UTC.
fn time_of_day() -> String {
    let now = now();
    let second = now.as_secs() % 86_400;
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{hour:02}:{minute:02}:{second:02}.{:06}", now.subsec_micros())
}
