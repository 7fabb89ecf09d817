//! `urpc methods`: the methods of gVisor's control server, from a table in this program.
//!
//! With an address, [`probe`] finds out which of them the server has, and runs none of them.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use urpc::{Client, Error};

use crate::args::{Parsed, quoted};
use crate::call::time;
use crate::control_methods::{Method, UNKNOWN, names, nearest, table};
use crate::outcome::{Failure, Outcome, print, say};
use crate::timelimit::TimeLimit;
use crate::{address, pretty};

/// How long connecting and all probes may take together by default.
const PROBE_TIME: Duration = Duration::from_secs(30);

/// No method of the table takes a number. gVisor's server decodes the argument before it runs the
/// method, and answers with an error of Go's JSON decoder that begins so.
const UNFIT_ARGUMENT: &[u8] = b"0";
const REFUSED: &str = "json: cannot unmarshal";

/// A method that does nothing but read, and that every build has: the first to be probed.
const HARMLESS: &str = "debug.Stacks";

pub fn run(parsed: &Parsed) -> Outcome {
    let Some(operand) = parsed.operands.first() else { return list(None, None) };
    match table().find(|method| *method.name == **operand) {
        Some(method) => describe(&method),
        None if is_address(operand) => list_known(operand, parsed),
        None => Err(unknown_name(operand)),
    }
}

/// Whether an operand that is no name of the table is meant as an address.
fn is_address(operand: &OsStr) -> bool {
    let text = operand.as_bytes();
    let has_prefix = [&b"@"[..], b"fd:", b"runsc:"].iter().any(|prefix| text.starts_with(prefix));
    has_prefix || text.contains(&b'/') || Path::new(operand).exists()
}

fn unknown_name(operand: &OsStr) -> Failure {
    let nearest = operand.to_str().and_then(nearest);
    let hint = match nearest {
        Some(name) => format!("the nearest is {name}"),
        None => "an address has a slash, or begins with @, fd: or runsc:".to_owned(),
    };
    Failure::Usage(format!("{} is no method of the table; {hint}", quoted(operand)))
}

/// Prints an argument for `method`, so that standard output can be edited and sent as it is.
fn describe(method: &Method) -> Outcome {
    let mut about = format!("{}: since {}", method.name, method.since);
    if method.files != "-" {
        about += &format!("; files: {}", method.files);
    }
    if !method.remark.is_empty() {
        about += &format!("; {}", method.remark);
    }
    say(&about);
    pretty::write_indented(method.argument.as_bytes(), false, &mut |text| print(text))
}

/// Prints the table. With `known` it says of each method whether the server has it.
/// In the arguments, `container` stands for the placeholder.
fn list(known: Option<&[bool]>, container: Option<String>) -> Outcome {
    let container = container.and_then(|id| urpc::json::to_string(&id).ok());
    let width = names().map(str::len).max().unwrap_or(0);
    let mut text = String::new();
    let mut row = |mark: &str, name: &str, since: &str, files: &str, argument: &str| {
        if known.is_some() {
            text += &format!("{mark:<7}");
        }
        text += &format!("{name:<width$} {since:<6} {files:<6} {argument}\n");
    };
    row("SERVER", "METHOD", "SINCE", "FILES", "ARGUMENT");
    for (index, method) in table().enumerate() {
        let mark = known.map_or("", |known| if known[index] { "yes" } else { "no" });
        let files = method.files.split(':').next().unwrap_or_default();
        let argument = match &container {
            Some(id) => method.argument.replace("\"ID\"", id),
            None => method.argument.to_owned(),
        };
        row(mark, method.name, method.since, files, &argument);
    }
    print(text)
}

fn list_known(operand: &OsString, parsed: &Parsed) -> Outcome {
    let limit = time(parsed, "timeout")?.unwrap_or(PROBE_TIME);
    let time = TimeLimit::start(Some(limit));
    let target = address::parse(operand, parsed)?;
    let socket = target.connect(limit, "--timeout", false)?;
    let client = Client::new(socket);
    let has = |method: &str| probe(&client, method, time);
    if !has(HARMLESS)? {
        let text = "the server has no debug.Stacks, so it is no control server of gVisor; no other \
                    method was asked for";
        return Err(Failure::Remote(text.to_owned()));
    }
    let known: Result<Vec<bool>, Failure> = names().map(has).collect();
    // A sandbox waits for idle connections before it exits.
    client.close();
    list(Some(&known?), target.container())
}

/// Whether the server has `method`: it refuses a call with an argument that does not fit in one of
/// two ways, and runs nothing.
fn probe(client: &Client, method: &str, time: TimeLimit) -> Result<bool, Failure> {
    let calls = client.within(time.left().unwrap_or_default());
    let answer = match calls.call_raw(method, UNFIT_ARGUMENT, &[]) {
        Err(Error::Remote(error)) if error.message() == UNKNOWN => return Ok(false),
        Err(Error::Remote(error)) if error.message().starts_with(REFUSED) => return Ok(true),
        Err(Error::Remote(error)) if error.message().is_empty() => "an error without a text".into(),
        Err(Error::Remote(error)) => error.message().to_owned(),
        Err(Error::TimedOut { .. }) => return Err(time.is_over()),
        Err(error) => return Err(error.into()),
        Ok(_) => "it succeeded".to_owned(),
    };
    Err(Failure::Remote(format!(
        "{method} did not refuse the argument 0 as gVisor does, so no other method was asked for: {answer}"
    )))
}
