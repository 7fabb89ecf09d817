//! `urpc serve`: a server whose methods are commands.

mod command;
mod exchange;
mod returned;
mod running;

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use urpc::process::{self, StopSignals};
use urpc::{Error, Event, Limits, Listener, Server, Service};

use crate::args::Parsed;
use crate::channel::{Sender, channel};
use crate::outcome::{self, Failure, Outcome, explained, say};
use crate::scratch::Scratch;
use crate::{address, call, clients, log, program, values};
use command::{SHELL, ShellCommand};

pub fn run(parsed: &Parsed) -> Outcome {
    let address = address::parse_own(&parsed.operands[0])?;
    program::check(SHELL.as_ref())?;
    // Created at the start: if it cannot be created, no call can succeed. It is removed at the end.
    let returns_files = parsed.has("return-files") || parsed.has("return-any");
    let scratch = returns_files.then(Scratch::new).transpose();
    let scratch = scratch.map_err(|error| Failure::Local(format!("--return-files: {error}")))?;
    let server = server(parsed, scratch.as_ref().map(Scratch::path))?;
    // Before any thread is started, so that all threads block the signals.
    let signals = clients::stop_signals()?;
    if std::process::id() == 1 {
        return program::run_below_init(signals);
    }
    let listener = clients::bind(&address, parsed)?;
    let (ended, end) = process::pipe().map_err(|error| Failure::local("pipe", error))?;
    let (done, ends) = channel();
    let (stopping, stopped) = (server.clone(), done.clone());
    clients::spawn(move || stop_on_signals(&signals, stopping, stopped, end))?;
    say(&format!("urpc serve: listening on {address}"));
    match parsed.has("once") {
        true => serve_one(&server, &listener, &ended, done)?,
        false => match server.serve(&listener) {
            // A signal came first.
            Err(Error::Stopped) => {}
            served => served?,
        },
    }
    // From here on clients find no socket, instead of a stale one.
    drop(listener);
    let outcome = ends.iter().next().unwrap_or(Ok(()));
    // After a second signal some may still run. They would write into the directory that is removed.
    running::kill_all();
    outcome
}

/// Takes the first client, unless a signal comes first, and serves it on a thread.
fn serve_one(server: &Server, listener: &Listener, ended: &File, done: Sender<Outcome>) -> Outcome {
    let Some(client) = clients::next("serve", listener, ended, || listener.accept())? else {
        return Ok(());
    };
    let server = server.clone();
    clients::spawn(move || {
        let outcome = match server.handle(client) {
            Ok(()) | Err(Error::Stopped | Error::Closed) => Ok(()),
            Err(error) => Err(error.into()),
        };
        // The receiver is dropped only after a second signal.
        done.send(outcome);
    })
}

/// The first signal stops the server and waits for running calls. The second signal waits for
/// nothing.
fn stop_on_signals(signals: &StopSignals, server: Server, done: Sender<Outcome>, end: File) {
    if signals.wait().is_err() {
        return;
    }
    drop(end);
    let (stopping, stopped) = (server.clone(), done.clone());
    let spawned = clients::spawn(move || {
        stopping.stop(Duration::ZERO);
        // The receiver is dropped only after the second signal.
        stopped.send(Ok(()));
    });
    if spawned.is_err() || signals.wait().is_ok() {
        server.stop_within(Duration::ZERO, Duration::ZERO);
        done.send(Ok(()));
    }
}

/// A server with the methods of the options. Commands put the files to return below `directory`, if
/// there is one.
fn server(parsed: &Parsed, directory: Option<&Path>) -> Result<Server, Failure> {
    let limits = limits(parsed)?;
    if limits.message_bytes == 0 {
        let zero = "--max-message takes a size above 0: no call would fit".to_owned();
        return Err(Failure::Usage(zero));
    }
    let calls = parsed.has("verbose");
    let mut builder =
        Server::builder().limits(limits.clone()).observe(move |event| report(event, calls));
    let uids = parsed.values("allow-uid").map(|text| {
        let uid = values::number(text, 0, u32::MAX);
        uid.map_err(|error| Failure::value("allow-uid", text, error))
    });
    let uids = uids.collect::<Result<Vec<_>, _>>()?;
    if !uids.is_empty() {
        builder = builder.authorize(move |peer| uids.contains(&peer.uid));
    }
    let server = builder.build();
    let mut names = Vec::new();
    for text in parsed.values("method") {
        let spec = values::method(text).map_err(|error| Failure::value("method", text, error))?;
        let name = format!("{}.{}", spec.type_name, spec.method);
        if names.contains(&name) {
            return Err(Failure::Usage(format!("--method {name} is given twice")));
        }
        names.push(name);
        let command = ShellCommand {
            command: spec.command,
            as_text: parsed.has("text"),
            explains: calls,
            returns_files_below: directory.map(Path::to_owned),
            returns_any: parsed.has("return-any"),
            most_output: limits.message_bytes,
        };
        let service = Service::new(spec.type_name, command);
        server.register(service.raw_method(spec.method, ShellCommand::answer));
    }
    match names.is_empty() {
        true => Err(Failure::Usage("--method T.M=CMD is missing".to_owned())),
        false => Ok(server),
    }
}

fn limits(parsed: &Parsed) -> Result<Limits, Failure> {
    let mut limits = call::with_options(Limits::default(), parsed)?;
    limits.idle_time = call::time(parsed, "idle-timeout")?;
    if let Some(text) = parsed.value("max-clients") {
        let number = values::number(text, 1, u32::MAX);
        let number = number.map_err(|error| Failure::value("max-clients", text, error))?;
        limits.clients = number as usize;
    }
    Ok(limits)
}

/// Reports to standard error what an operator may have to check, and with `calls` each call.
fn report(event: &Event<'_>, calls: bool) {
    let say = |line: String| log::say("serve", &line);
    match event {
        Event::Refused { reason } => say(format!("refused a client: {}", explained(reason))),
        Event::Disconnected { reason: Some(Error::Stopped | Error::Closed), .. } => {}
        Event::Disconnected { client, reason: Some(reason) } => {
            say(format!("client {client}: {}", explained(reason)));
        }
        Event::MessageRefused { client, reason } => {
            say(format!("client {client}: refused a message: {}", explained(reason)));
        }
        Event::AcceptPaused { reason } => say(format!("accepting is paused: {reason}")),
        Event::CallEnded { client, method, outcome, time } if calls => {
            let outcome = match outcome {
                urpc::Outcome::Succeeded => "succeeded",
                urpc::Outcome::UnknownMethod => "is unknown",
                _ => "failed",
            };
            outcome::say(&format!(
                "urpc serve: client {client}: {method} {outcome} after {time:.1?}"
            ));
        }
        _ => {}
    }
}
