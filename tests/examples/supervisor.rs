//! A supervisor and its sandbox, a typical use of urpc. The parent makes a socket pair and starts
//! the child with one end as its standard input. The two call each other and send files.
//!
//! ```text
//! supervisor PROGRAM [ARGUMENT...]    # PROGRAM is `sandboxed`, or `unshare` and it as an argument
//! ```

use std::error::Error;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::process::{Command, ExitCode, Stdio};

use urpc::{Client, Files, Server, Service, Socket, process};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("supervisor: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let program = arguments.next().ok_or("usage: supervisor PROGRAM [ARGUMENT...]")?;
    let (ours, theirs) = Socket::pair()?;
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::from(theirs.into_fd()))
        .env_clear()
        .spawn()?;

    // A connection carries calls in one direction, so the child gets a second one as a file.
    let server = Server::new();
    server.register(Service::new("Host", ()).method("Open", |_, name: String| open(&name)));
    let (served, handed_over) = Socket::pair()?;
    server.start_handling(served)?;

    let sandbox = Client::new(ours);
    let () = sandbox.call("Sandbox.Attach", &Files::from(handed_over.into_fd()))?;
    let text: String = sandbox.call("Sandbox.Read", &Files::from(holding("lent by the host")?))?;
    println!("the sandbox read from a file that it was sent: {text}");
    let text: String = sandbox.call("Sandbox.Fetch", "motd")?;
    println!("the sandbox read from a file that it asked for: {text}");
    let refused = sandbox.call::<String>("Sandbox.Fetch", "/etc/shadow").unwrap_err();
    println!("the sandbox was refused one: {refused}");

    sandbox.close();
    let status = child.wait()?;
    server.stop(std::time::Duration::ZERO);
    if status.success() { Ok(()) } else { Err(format!("the sandbox ended with {status}").into()) }
}

/// The files that the sandbox may have. It cannot choose a path, only one of the host's names.
fn open(name: &str) -> Result<Files, String> {
    match name {
        "motd" => holding("be kind").map(Files::from).map_err(|error| error.to_string()),
        _ => Err(format!("no file named {name}")),
    }
}

/// A file that contains `text`.
fn holding(text: &str) -> io::Result<OwnedFd> {
    let (reader, mut writer) = process::pipe()?;
    writer.write_all(text.as_bytes())?;
    Ok(reader.into())
}
