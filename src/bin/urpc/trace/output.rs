//! Where the trace is written: standard output or a file.
//!
//! Forwarding does not depend on it. A thread of its own writes. If the output takes nothing for a
//! while, texts are left out and counted. If writing fails, one line says so, and the trace goes on.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::args::quoted;
use crate::clients;
use crate::outcome::{Failure, Outcome};
use crate::{log, streams};

/// How many bytes may wait to be written. One text more than that may wait.
const MOST_WAITING: usize = 4 << 20;
/// How long to wait for an output that takes nothing.
const PATIENCE: Duration = Duration::from_secs(1);
/// So much is written at a time.
const PIECE: usize = 64 * 1024;

/// Opens or creates a file for a trace. One that has something is refused, unless `overwrites`.
pub fn open(path: &OsStr, overwrites: bool) -> Result<File, Failure> {
    let failed = |error: io::Error| Failure::local(quoted(path), error);
    // It gets complete arguments, which may be secret.
    let mut options = File::options();
    options.write(true).create(true).truncate(overwrites).mode(0o600);
    let file = options.open(path).map_err(failed)?;
    let found = file.metadata().map_err(failed)?;
    if found.is_file() && found.len() > 0 {
        let exists = "it is not empty; --overwrite replaces what it has";
        return Err(Failure::Local(format!("{}: {exists}", quoted(path))));
    }
    Ok(file)
}

#[derive(Default)]
struct State {
    waiting: Vec<String>,
    /// The bytes that wait or are being written.
    bytes: usize,
    /// Grows with each piece that was written.
    pieces: u64,
    /// The output has taken nothing for [`PATIENCE`].
    is_stuck: bool,
    left_out: u64,
    /// Nothing may be added any more.
    is_over: bool,
    failed: Option<io::Error>,
}

pub struct Output {
    state: Mutex<State>,
    changed: Condvar,
    name: String,
}

impl Output {
    /// Starts the thread that writes to `file`, or to standard output.
    pub fn start(file: Option<File>, name: String) -> Result<Arc<Output>, Failure> {
        let output = Output { state: Mutex::default(), changed: Condvar::new(), name };
        let output = Arc::new(output);
        let writing = Arc::clone(&output);
        clients::spawn(move || match file {
            Some(mut file) => writing.run(|bytes| streams::write_all(&mut file, bytes)),
            None => writing.run(|bytes| streams::write_all(&mut io::stdout().lock(), bytes)),
        })?;
        Ok(output)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until `condition` holds, or until the output has taken nothing for [`PATIENCE`].
    fn wait_until(&self, condition: impl Fn(&State) -> bool) -> MutexGuard<'_, State> {
        let mut state = self.lock();
        while !condition(&state) && !state.is_stuck {
            let before = state.pieces;
            let wait = self.changed.wait_timeout_while(state, PATIENCE, |state| {
                !condition(state) && state.pieces == before
            });
            let (now, timeout) = wait.unwrap_or_else(PoisonError::into_inner);
            state = now;
            state.is_stuck |= timeout.timed_out();
        }
        state
    }

    /// Adds a text, unless the output is finished.
    pub fn add(&self, text: String) {
        self.add_one(text, false);
    }

    /// After the last text no other is added: a connection may end at the same moment.
    fn add_one(&self, text: String, is_last: bool) {
        let mut state = self.wait_until(|state| state.bytes < MOST_WAITING);
        if state.is_over {
            return;
        }
        state.is_over = is_last;
        if state.bytes >= MOST_WAITING || state.failed.is_some() {
            state.left_out += 1;
            return;
        }
        state.bytes += text.len();
        state.waiting.push(text);
        self.changed.notify_all();
    }

    /// Adds the last text and waits until everything is written, as long as the output takes it.
    pub fn finish(&self, last: String) -> Outcome {
        self.add_one(last, true);
        let mut state = self.wait_until(|state| state.bytes == 0);
        let left_out = state.left_out + u64::from(state.bytes > 0);
        match state.failed.take() {
            Some(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            Some(error) => Err(Failure::local(&self.name, error)),
            None if left_out > 0 => {
                Err(Failure::Local(format!("{} took nothing: the trace is incomplete", self.name)))
            }
            None => Ok(()),
        }
    }

    fn run(&self, mut write: impl FnMut(&[u8]) -> io::Result<()>) {
        loop {
            let state = self.lock();
            let wait = self.changed.wait_while(state, |state| state.waiting.is_empty());
            let texts = std::mem::take(&mut wait.unwrap_or_else(PoisonError::into_inner).waiting);
            for text in texts {
                for piece in text.as_bytes().chunks(PIECE) {
                    self.written(piece.len(), write(piece));
                }
            }
        }
    }

    fn written(&self, length: usize, result: io::Result<()>) {
        let mut state = self.lock();
        state.bytes -= length;
        state.pieces += 1;
        if std::mem::replace(&mut state.is_stuck, false) {
            let lines = state.left_out;
            log::say("trace", &format!("{} took nothing; left out: {lines}", self.name));
        }
        if let Err(error) = result {
            let is_first = state.failed.is_none();
            let goes_on = "; the trace is incomplete, and forwarding goes on";
            if is_first {
                log::say("trace", &format!("{}: {error}{goes_on}", self.name));
            }
            state.failed.get_or_insert(error);
        }
        self.changed.notify_all();
    }
}
