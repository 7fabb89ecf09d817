//! Plays the cases of a server, as a client.

use std::io::Read;
use std::os::fd::OwnedFd;
use std::time::Duration;

use urpc::{Address, Files, Socket};

use crate::case::{Case, Methods, Reply, Step, Text, Want, shown, unknown};
use crate::connection::{Came, Connection, MOST_FILES, Probe};
use crate::report::{Outcome, Played};
use crate::{file_cases, json_cases, server_cases};

/// How long a peer is given to do what it should not do.
const MOMENT: Duration = Duration::from_millis(100);

/// The server that is checked.
pub struct Target {
    pub address: Address,
    pub methods: Methods,
    /// How many files it takes with a message.
    pub max_files: usize,
    pub limit: Duration,
}

/// All cases of a server, those last that it may not survive.
pub fn cases() -> Vec<Case> {
    let mut cases = server_cases::all();
    cases.extend(json_cases::all());
    cases.extend(file_cases::all());
    cases.sort_by_key(|case| case.may_end_peer);
    cases
}

/// Plays the cases whose names begin with `only`.
pub fn play_all(target: &Target, only: &str) -> Result<Vec<Played>, String> {
    connect(target)?;
    let cases = cases().into_iter().filter(|case| case.name.starts_with(only));
    Ok(cases.map(|case| Played { outcome: play(&case, target), name: case.name }).collect())
}

fn connect(target: &Target) -> Result<Connection, String> {
    let socket = Socket::connect_within(target.address.clone(), Some(target.limit));
    socket.map(|socket| Connection::new(socket, target.limit)).map_err(|error| error.to_string())
}

fn play(case: &Case, target: &Target) -> Outcome {
    let Some(steps) = case.steps.iter().map(|step| filled(step, &target.methods)).collect() else {
        return Outcome::NotApplicable;
    };
    let mut player = Player { target, connections: vec![], probes: vec![], sent: vec![] };
    match player.play(steps, case.goes_on) {
        Ok(()) => Outcome::Passed,
        Err((expected, came)) => {
            Outcome::Failed { sent: player.sent.join(", then "), expected, came }
        }
    }
}

/// The step with the names of the server's methods. `None` if it lacks one.
fn filled(step: &Step, methods: &Methods) -> Option<Step> {
    Some(match step {
        Step::Send { connection, bytes, files } => Step::Send {
            connection: *connection,
            bytes: methods.fill_in(bytes)?,
            files: files.clone(),
        },
        Step::SendMany { bytes, more } => {
            Step::SendMany { bytes: methods.fill_in(bytes)?, more: *more }
        }
        Step::SendBytewise(bytes) => Step::SendBytewise(methods.fill_in(bytes)?),
        Step::EndSending => Step::EndSending,
        Step::Close(connection) => Step::Close(*connection),
        Step::Pause => Step::Pause,
        Step::Want(wants) => Step::Want(wants.clone()),
    })
}

/// What was expected, and what came.
type Fault = (String, String);

struct Player<'a> {
    target: &'a Target,
    connections: Vec<Option<Connection>>,
    probes: Vec<Probe>,
    sent: Vec<String>,
}

impl Player<'_> {
    fn play(&mut self, steps: Vec<Step>, goes_on: bool) -> Result<(), Fault> {
        for step in steps {
            self.step(step)?;
        }
        if goes_on {
            self.send(0, b"{}", vec![])?;
            self.want(&[Want::Replies(vec![unknown()])])?;
        } else {
            self.connections.clear();
        }
        let limit = self.target.limit;
        match self.probes.iter_mut().position(|probe| !probe.is_closed(limit)) {
            Some(index) => {
                Err(("that every file is closed".into(), format!("file {index} is open")))
            }
            None => Ok(()),
        }
    }

    fn step(&mut self, step: Step) -> Result<(), Fault> {
        match step {
            Step::Send { connection, bytes, files } => self.send(connection, &bytes, files),
            Step::SendMany { bytes, more } => {
                let count = self.target.max_files.saturating_add_signed(more).min(MOST_FILES);
                self.send(0, &bytes, vec![String::new(); count])
            }
            Step::SendBytewise(bytes) => {
                bytes.iter().try_for_each(|byte| self.send(0, &[*byte], vec![]))
            }
            Step::EndSending => {
                self.connection(0)?.end_sending();
                self.sent.push("the end of sending".into());
                Ok(())
            }
            Step::Close(number) => {
                self.connection(number)?;
                self.connections[number] = None;
                Ok(())
            }
            Step::Pause => match self.connection(0)?.waits(MOMENT) {
                true => Err(("nothing yet".into(), "something, or the end".into())),
                false => Ok(()),
            },
            Step::Want(wants) => self.want(&wants),
        }
    }

    fn connection(&mut self, number: usize) -> Result<&mut Connection, Fault> {
        while self.connections.len() <= number {
            let made = connect(self.target).map_err(|error| ("a connection".to_owned(), error))?;
            self.connections.push(Some(made));
        }
        self.connections[number].as_mut().ok_or(("a connection".into(), "it is closed".into()))
    }

    fn send(&mut self, number: usize, bytes: &[u8], files: Vec<String>) -> Result<(), Fault> {
        let beside = match files.len() {
            0 => String::new(),
            count => format!(" with {count} file(s)"),
        };
        self.sent.push(shown(bytes) + &beside);
        let mut ours: Vec<OwnedFd> = Vec::new();
        for content in &files {
            let (probe, file) =
                Probe::new(content).map_err(|error| ("a file".to_owned(), error))?;
            self.probes.push(probe);
            ours.push(file);
        }
        let sent = self.connection(number)?.send(bytes, &ours);
        sent.map_err(|error| ("that it is read".into(), error))
    }

    /// Waits until one of `wants` has come.
    fn want(&mut self, wants: &[Want]) -> Result<(), Fault> {
        let connection = self.connection(0)?;
        let mut came: Vec<(Vec<u8>, Vec<String>)> = Vec::new();
        let end = loop {
            // What is complete is waited for only so long that the rest of a longer one may come.
            let is_complete = wants.iter().any(|want| want.has_come(&came, false));
            let most = wants.iter().map(Want::count).max().unwrap_or(0);
            let all_came = came.len() == most && wants.iter().all(Want::goes_on);
            if is_complete && all_came {
                return Ok(());
            }
            let limit = if is_complete || all_came { MOMENT } else { connection.limit() };
            match connection.next(limit) {
                Came::Message(text, files) => came.push((text, contents(files))),
                Came::End => break "the end of the connection".to_owned(),
                Came::Nothing if is_complete => return Ok(()),
                Came::Nothing => break format!("nothing for {limit:?}"),
                Came::Malformed(error) => break error,
            }
            if came.len() > most {
                break "more than expected".to_owned();
            }
        };
        let has_ended = end.starts_with("the end of");
        if has_ended && wants.iter().any(|want| !want.goes_on() && want.has_come(&came, true)) {
            return Ok(());
        }
        let expected = wants.iter().map(Want::to_string).collect::<Vec<_>>().join(", or ");
        let came = came.iter().map(|(text, files)| {
            Reply { text: Text::Exact(text.clone()), files: Some(files.clone()) }.to_string()
        });
        Err((expected, came.chain([end]).collect::<Vec<_>>().join(", ")))
    }
}

impl Want {
    fn goes_on(&self) -> bool {
        matches!(self, Want::Replies(_))
    }

    fn count(&self) -> usize {
        let (Want::Replies(replies) | Want::Closed(replies)) = self;
        replies.len()
    }

    /// Whether the messages are those, and the connection has ended or not as it must.
    fn has_come(&self, came: &[(Vec<u8>, Vec<String>)], has_ended: bool) -> bool {
        let (Want::Replies(replies) | Want::Closed(replies)) = self;
        self.goes_on() != has_ended
            && replies.len() == came.len()
            && replies.iter().zip(came).all(|(reply, (text, files))| reply.fits(text, files))
    }
}

/// What can be read from the files.
fn contents(mut files: Files) -> Vec<String> {
    let read = |file: OwnedFd| {
        let mut text = Vec::new();
        let _ = std::fs::File::from(file).take(1 << 16).read_to_end(&mut text);
        String::from_utf8_lossy(&text).into_owned()
    };
    files.release_all().into_iter().map(read).collect()
}
