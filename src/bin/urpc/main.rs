//! `urpc`: call, serve and watch urpc from a shell.
//!
//! A separate crate: it uses only the library's public API. Each command has a module. [`table`]
//! lists the commands with their options, [`args`] reads the arguments, and [`outcome`] has the
//! exit statuses.

#![forbid(unsafe_code)]

mod address;
mod args;
mod bench;
mod call;
mod channel;
mod clients;
mod colour;
mod completion;
mod control_methods;
mod demo;
mod exec;
mod filelist;
mod help;
mod histogram;
mod log;
mod man;
mod methods;
mod outcome;
mod pretty;
mod program;
mod relay;
mod save;
mod scratch;
mod serve;
mod streams;
mod table;
mod terminal;
mod timelimit;
mod trace;
mod values;

use std::ffi::OsString;
use std::process::{Command, ExitCode};

use args::quoted;
use completion::COMPLETE;
use outcome::{Failure, Outcome, print};
use program::RUN_WITH_FILES;

/// The package's version. Only Cargo tells it.
const VERSION: &str = match option_env!("CARGO_PKG_VERSION") {
    Some(version) => version,
    None => "(built without Cargo)",
};

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let command = arguments.next().unwrap_or_default();
    let rest: Vec<OsString> = arguments.collect();
    let result = match command.to_str() {
        Some(RUN_WITH_FILES) => become_program(&rest),
        Some(COMPLETE) => completion::complete(&rest),
        Some("help") if rest.len() == 1 => run_command(&rest[0], vec!["--help".into()]),
        Some("-h" | "--help" | "help") => print(help::overview()),
        Some("-V" | "--version") => print(format!("urpc {VERSION}\n")),
        _ => run_command(&command, rest),
    };
    let Err(failure) = result else { return ExitCode::SUCCESS };
    let known = table::COMMANDS.iter().find(|known| *known.name == *command);
    failure.report(known.map_or("", |known| known.name));
    ExitCode::from(failure.status())
}

fn become_program(rest: &[OsString]) -> Outcome {
    match rest {
        [program, arguments @ ..] => {
            urpc::process::run_with_files(Command::new(program).args(arguments))
        }
        [] => Err(Failure::Usage(format!("{RUN_WITH_FILES} is for internal use"))),
    }
}

fn run_command(command: &OsString, arguments: Vec<OsString>) -> Outcome {
    if command.is_empty() {
        return Err(Failure::Usage("no command given".to_owned()));
    }
    let unknown = || Failure::Usage(format!("unknown command {}", quoted(command)));
    let command =
        table::COMMANDS.iter().find(|known| *known.name == **command).ok_or_else(unknown)?;
    let parsed = args::parse(command, arguments).map_err(Failure::Usage)?;
    if parsed.has("help") {
        return print(help::of_command(command));
    }
    match command.name {
        "bench" => bench::run(&parsed),
        "call" => call::run(&parsed),
        "completion" => completion::run(&parsed),
        "exec" => exec::run(&parsed),
        "methods" => methods::run(&parsed),
        "serve" => serve::run(&parsed),
        "trace" => trace::run(&parsed),
        "demo" => demo::run(),
        "man" => print(man::page()),
        _ => Err(unknown()),
    }
}
