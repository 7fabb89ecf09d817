//! Plays the cases of a client, as a server: starts the program, answers its calls, and compares
//! what it prints.

use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use urpc::socket::{Interest, poll};
use urpc::{Listener, json};

use crate::case::shown;
use crate::client_cases::{self, Call, ClientCase, Expected, Part};
use crate::connection::{Came, Connection, Probe};
use crate::driver;
use crate::report::{Outcome, Played};

const METHOD: &str = "Conform.Call";
/// How long a client is given to do what it should not do.
const MOMENT: Duration = Duration::from_millis(100);

/// Plays the cases whose names begin with `only`, with a new process of the program for each.
pub fn play_all(
    program: &str,
    arguments: &[String],
    limit: Duration,
    only: &str,
) -> Result<Vec<Played>, String> {
    let directory = Directory::new().map_err(|error| error.to_string())?;
    let path = directory.0.join("s");
    let listener = Listener::bind(&*path).map_err(|error| error.to_string())?;
    let played = |case: ClientCase| {
        let mut child = Command::new(program)
            .args(arguments)
            .arg(&path)
            .args([METHOD, case.kind, &case.files.to_string()])
            .args(case.calls.iter().map(|call| &call.arg))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("cannot start {program}: {error}"))?;
        let outcome = play(&case, &listener, &mut child, limit);
        let _ = child.kill();
        let _ = child.wait();
        Ok(Played { name: case.name, outcome })
    };
    let cases = client_cases::all().into_iter().filter(|case| case.name.starts_with(only));
    cases.map(played).collect()
}

/// A directory of one's own, removed at the end.
struct Directory(PathBuf);

impl Directory {
    fn new() -> io::Result<Directory> {
        let path = std::env::temp_dir().join(format!("conform-{}", std::process::id()));
        std::fs::create_dir(&path)?;
        Ok(Directory(path))
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn play(case: &ClientCase, listener: &Listener, child: &mut Child, limit: Duration) -> Outcome {
    let mut player = Player { connection: None, listener, limit, probes: vec![], sent: vec![] };
    let served = case.calls.iter().try_for_each(|call| player.serve(call, case.files));
    let result = served.and_then(|()| player.compare(case, child));
    match result {
        Ok(()) => Outcome::Passed,
        Err((expected, came)) => {
            Outcome::Failed { sent: player.sent.join(", then "), expected, came }
        }
    }
}

/// What was expected, and what came.
type Fault = (String, String);

struct Player<'a> {
    connection: Option<Connection>,
    listener: &'a Listener,
    limit: Duration,
    probes: Vec<Probe>,
    sent: Vec<String>,
}

impl Player<'_> {
    /// Receives one call and answers it. A client whose connection has ended need not call.
    fn serve(&mut self, call: &Call, files: usize) -> Result<(), Fault> {
        let is_reset = matches!(call.reply[..], [Part::Reset]);
        if self.connection.is_none() {
            if !self.sent.is_empty() {
                return Ok(());
            }
            self.accept()?;
        }
        if !is_reset && !self.receive(call, files)? {
            return Ok(());
        }
        for part in &call.reply {
            self.reply(part)?;
        }
        Ok(())
    }

    fn accept(&mut self) -> Result<(), Fault> {
        use std::os::fd::AsFd;
        let mut interest = [Interest::readable(self.listener.as_fd())];
        let came = || ("a connection".to_owned(), "none".to_owned());
        match poll(&mut interest, Some(self.limit)) {
            Ok(true) => {}
            _ => return Err(came()),
        }
        let socket = self.listener.accept().map_err(|error| (came().0, error.to_string()))?;
        self.connection = Some(Connection::new(socket, self.limit));
        Ok(())
    }

    /// Receives a call. `false` if the client makes no call any more.
    fn receive(&mut self, call: &Call, files: usize) -> Result<bool, Fault> {
        let is_first = self.sent.is_empty();
        let limit = self.limit;
        let connection = self.connection.as_mut().expect("it is accepted");
        let with_first_byte = match files {
            0 => 0,
            _ => connection.first_byte().map_err(|came| ("a call".to_owned(), came))?,
        };
        let written = format!("{{\"method\":\"{METHOD}\",\"arg\":{}}}", call.written);
        let came = match connection.next(limit) {
            Came::Message(text, _) if text == written.as_bytes() => {
                let closed = self.probes.drain(..).all(|mut probe| probe.is_closed(limit));
                return match closed && with_first_byte == files {
                    true => Ok(true),
                    false if closed => Err((
                        format!("{files} file(s) with the first byte"),
                        format!("{with_first_byte}"),
                    )),
                    false => {
                        Err(("that every file of a reply is closed".into(), "one is open".into()))
                    }
                };
            }
            Came::Message(text, _) => shown(&text),
            Came::End if !is_first => return Ok(false),
            Came::End => "the end of the connection".into(),
            Came::Nothing => "nothing".into(),
            Came::Malformed(error) => error,
        };
        Err((shown(written.as_bytes()), came))
    }

    fn reply(&mut self, part: &Part) -> Result<(), Fault> {
        let Some(connection) = &self.connection else { return Ok(()) };
        let sent = match part {
            Part::Bytes(bytes) => {
                self.sent.push(shown(bytes));
                connection.send(bytes, &[])
            }
            Part::Files(bytes, count) => {
                let made = (0..*count).map(|_| Probe::new("")).collect::<Result<Vec<_>, _>>();
                let made = made.map_err(|error| ("a file".to_owned(), error))?;
                let (probes, files): (Vec<Probe>, Vec<OwnedFd>) = made.into_iter().unzip();
                self.probes.extend(probes);
                self.sent.push(format!("{} with {count} file(s)", shown(bytes)));
                connection.send(bytes, &files)
            }
            Part::Silence => match connection.waits(MOMENT) {
                true => return Err(("nothing before the reply".into(), "something".into())),
                false => Ok(()),
            },
            Part::Close | Part::Reset => {
                self.sent.push("the end of the connection".into());
                // A call that was not read makes the end a reset.
                if matches!(part, Part::Reset) && !connection.waits(self.limit) {
                    return Err(("a call".into(), "nothing".into()));
                }
                self.connection = None;
                Ok(())
            }
        };
        sent.map_err(|error| ("that the reply is read".into(), error))
    }

    /// Compares what the program has printed.
    fn compare(&mut self, case: &ClientCase, child: &mut Child) -> Result<(), Fault> {
        let text = self.output(child)?;
        let mut lines = text.lines().map(json::from_str::<driver::Outcome>);
        for call in &case.calls {
            let expected = call.outcomes.iter().map(Expected::to_string).collect::<Vec<_>>();
            let expected = expected.join(", or ");
            let outcome = match lines.next() {
                Some(Ok(outcome)) => outcome,
                Some(Err(error)) => return Err((expected, error.to_string())),
                None => return Err((expected, "the program printed no line".into())),
            };
            if !call.outcomes.iter().any(|expected| expected.fits(&outcome)) {
                let driver::Outcome { outcome, text, files } = outcome;
                let came = format!("{outcome} {} with {files} file(s)", shown(text.as_bytes()));
                return Err((expected, came));
            }
        }
        match self.probes.drain(..).all(|mut probe| probe.is_closed(self.limit)) {
            true => Ok(()),
            false => Err(("that every file of a reply is closed".into(), "one is open".into())),
        }
    }

    /// What the program prints until it ends.
    fn output(&self, child: &mut Child) -> Result<String, Fault> {
        use std::os::fd::AsFd;
        let mut output = child.stdout.take().expect("it is a pipe");
        let (until, mut text) = (Instant::now() + self.limit, Vec::new());
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let is_ready = poll(&mut [Interest::readable(output.as_fd())], Some(left));
            if left.is_zero() || !is_ready.unwrap_or(false) {
                return Err(("that the program ends".into(), "it still runs".into()));
            }
            let mut piece = [0; 1 << 16];
            match output.read(&mut piece) {
                Ok(0) => return Ok(String::from_utf8_lossy(&text).into_owned()),
                Ok(count) => text.extend_from_slice(&piece[..count]),
                Err(error) => return Err(("what the program prints".into(), error.to_string())),
            }
        }
    }
}

impl Expected {
    fn fits(&self, outcome: &driver::Outcome) -> bool {
        match self {
            Expected::Result(text, files) => {
                outcome.outcome == "result" && outcome.text == *text && outcome.files == *files
            }
            Expected::Remote(text) => outcome.outcome == "remote" && outcome.text == *text,
            Expected::Failed => outcome.outcome == "failed",
        }
    }
}

impl std::fmt::Display for Expected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Expected::Result(text, files) => {
                write!(f, "the result {} with {files} file(s)", shown(text.as_bytes()))
            }
            Expected::Remote(text) => write!(f, "the remote error {}", shown(text.as_bytes())),
            Expected::Failed => write!(f, "an error that is no remote error"),
        }
    }
}
