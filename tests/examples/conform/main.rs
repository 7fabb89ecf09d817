//! Checks a urpc peer against the specification, `urpc::guide::wire`.
//!
//! `conform server` plays a client: it plays each case against a server at an address. `conform
//! client` plays a server: it starts a program that makes calls, and judges what the program sends
//! and what it makes of the replies. Both print a table by requirement, then each case that did not
//! go as the specification says. `conform --help` has the options.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use urpc::Address;

mod case;
mod client_cases;
mod connection;
mod driver;
mod file_cases;
mod json_cases;
mod play_client;
mod play_server;
mod reference;
mod report;
mod requirements;
mod server_cases;

// The service `Peer`, which the tests of this repository use as well, and what it needs.
#[path = "../../support/peer.rs"]
#[allow(dead_code)] // its members are read by tests
mod peer;
mod exchange {
    pub use crate::reference::numbered_files;
}

const HELP: &str = "\
conform: checks a urpc peer against the specification (urpc::guide::wire)

usage:
  conform server ADDRESS [--service NAME | --echo METHOD] [OPTION...]
  conform client [OPTION...] -- PROGRAM [ARGUMENT...]
  conform list [--json]
  conform peer PATH
  conform caller ADDRESS METHOD TYPE FILES ARG...

conform server connects to ADDRESS (a path, @NAME or fd:N) and plays the cases of a server. Without
a method it plays those that need none.
  --echo METHOD    a method that returns its argument, whatever it is
  --service NAME   a service with the methods of `conform peer`, such as NAME.Echo
  --max-files N    how many files the server takes with a message (128)

conform client starts PROGRAM once for each case, with the arguments of `conform caller` behind its
own, and serves its calls. PROGRAM connects to ADDRESS and makes one call of METHOD for each ARG on
one connection. ARG is JSON text. FILES is the number of files that it sends with each call, of any
kind. TYPE is what it decodes a result to: `any`, or `int` for an integer without files. It prints
one line for each call: {\"outcome\":\"result\",\"text\":TEXT,\"files\":N}, where TEXT is the
result as JSON text and N the number of files that came; or \"outcome\":\"remote\" with the text of
a remote error; or \"outcome\":\"failed\" with the text of any other error.

conform peer and conform caller are such a server and such a program, made with this library.

options of both:
  --only ID        only the cases whose names begin with ID, such as F or C4-
  --timeout SECS   how long an answer may take (5)
  --json           one JSON object a line instead of the table

status: 0 if all requirements that peers share are met, 1 if not, 2 for wrong usage, 3 if the peer
could not be reached. What only this library requires is shown as `differs` and does not count.
";

/// What the command line asks for.
#[derive(Default)]
struct Options {
    service: Option<String>,
    echo: Option<String>,
    max_files: Option<usize>,
    only: String,
    timeout: Option<u64>,
    json: bool,
    words: Vec<String>,
}

impl Options {
    fn read(mut words: impl Iterator<Item = String>) -> Result<Options, String> {
        let mut options = Options::default();
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or(format!("{word} needs a value"));
            match &*word {
                "--service" => options.service = Some(value()?),
                "--echo" => options.echo = Some(value()?),
                "--only" => options.only = value()?,
                "--max-files" => options.max_files = Some(number(&value()?)?),
                "--timeout" => options.timeout = Some(number(&value()?)?),
                "--json" => options.json = true,
                "--" => options.words.extend(words.by_ref()),
                option if option.starts_with("--") => return Err(format!("no option {option}")),
                _ => options.words.push(word),
            }
        }
        Ok(options)
    }

    fn limit(&self) -> Duration {
        Duration::from_secs(self.timeout.unwrap_or(5))
    }
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{text} is not a number"))
}

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let command = words.next().unwrap_or_default();
    // The arguments of a call may look like options.
    if command == "caller" {
        return finish(driver::run(&words.collect::<Vec<_>>()).map(|()| 0));
    }
    match Options::read(words) {
        Ok(options) => finish(run(&command, &options)),
        Err(error) => usage(&error),
    }
}

fn run(command: &str, options: &Options) -> Result<u8, String> {
    match (command, &*options.words) {
        ("server", [address]) => check_server(address, options),
        ("client", [program, arguments @ ..]) => {
            let results =
                play_client::play_all(program, arguments, options.limit(), &options.only)?;
            Ok(report::print(&results, options.json))
        }
        ("list", []) => {
            report::list(options.json);
            Ok(0)
        }
        ("peer", [path]) => reference::serve(PathBuf::from(path)).map(|()| 0),
        ("--help" | "-h" | "help", _) => {
            print!("{HELP}");
            Ok(0)
        }
        _ => Err("usage: conform --help shows it".into()),
    }
}

fn check_server(address: &str, options: &Options) -> Result<u8, String> {
    let address: Address = address.parse().map_err(|error| format!("{address}: {error}"))?;
    let target = play_server::Target {
        address,
        methods: case::Methods::new(options.service.as_deref(), options.echo.as_deref()),
        max_files: options.max_files.unwrap_or(peer::MAX_FILES),
        limit: options.limit(),
    };
    let results = play_server::play_all(&target, &options.only)?;
    Ok(report::print(&results, options.json))
}

fn usage(error: &str) -> ExitCode {
    eprintln!("conform: {error}\n`conform --help` shows the usage");
    ExitCode::from(2)
}

fn finish(done: Result<u8, String>) -> ExitCode {
    match done {
        Ok(status) => ExitCode::from(status),
        Err(error) if error.starts_with("usage: ") => usage(error.trim_start_matches("usage: ")),
        Err(error) => {
            eprintln!("conform: {error}");
            ExitCode::from(3)
        }
    }
}
