//! A server to try the program with: the service `Peer`, served with this library.

use std::os::fd::OwnedFd;
use std::path::PathBuf;

use urpc::{Files, Listener};

use crate::connection::Probe;
use crate::peer;

/// Serves until a signal ends the process. Prints `ready` when it listens.
pub fn serve(path: PathBuf) -> Result<(), String> {
    let listener = Listener::bind(path).map_err(|error| error.to_string())?;
    println!("ready");
    peer::server().serve(&listener).map_err(|error| error.to_string())
}

/// Files for a result. Each contains `content` and its index.
pub fn numbered_files(count: usize, content: &str) -> Result<Files, String> {
    let files = (0..count).map(|index| Probe::new(&format!("{content}{index}")));
    let files = files.map(|made| made.map(|(_, file)| file));
    Ok(files.collect::<Result<Vec<OwnedFd>, String>>()?.into())
}
