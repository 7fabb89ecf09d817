//! The server that the scenarios call, and the check that a next client is served.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use urpc::json::{Bytes, RawJson};
use urpc::{BindOptions, Client, Error, FileCheck, FileKind, Files, Limits, Server, Service};

use crate::support::TIMEOUT;

const DEVICE: FileCheck = FileCheck::new().kind(FileKind::CharacterDevice);

/// Whether a method runs that ends with its client or the server.
pub static LINGERS: AtomicBool = AtomicBool::new(false);

pub fn server() -> Server {
    let server = Server::new();
    server.register(
        Service::new("Peer", ())
            .method("Echo", |_, arg: RawJson| Ok::<_, String>(arg))
            .method("Return", |_, files: Files| Ok::<_, String>(files))
            .method("Big", |_, size: usize| Ok::<_, String>(Bytes(vec![0; size])))
            .method("Check", |_, mut files: Files| files.take_checked(&[DEVICE, DEVICE]).map(drop))
            .method_with_context("Linger", |_, _: (), context| {
                LINGERS.store(true, Ordering::SeqCst);
                while !context.is_client_gone() && !context.is_stopping() {
                    thread::park_timeout(Duration::from_millis(1));
                }
                LINGERS.store(false, Ordering::SeqCst);
                Ok::<_, String>(())
            }),
    );
    server
}

/// Devices to send.
pub fn devices(count: usize) -> Files {
    (0..count).map(|_| File::open("/dev/null").unwrap()).collect()
}

/// A server that listens on a path, in this process.
pub struct Ground {
    pub path: PathBuf,
    pub server: Server,
    serving: Option<JoinHandle<Result<(), Error>>>,
}

impl Ground {
    /// Replaces what a scenario has left at `path`.
    pub fn open(path: &Path) -> Ground {
        let server = server();
        let listener = BindOptions::new().replace_stale(true).bind(path).unwrap();
        let serving = server.clone();
        let serving = Some(thread::spawn(move || serving.serve(&listener)));
        Ground { path: path.to_owned(), server, serving }
    }

    pub fn client(&self) -> Client {
        client(&self.path).unwrap()
    }

    /// Checks that a next client is served. If an error has ended the accept loop, it must be a
    /// clear one, and a new server takes the place.
    pub fn serve_the_next(&mut self) -> Result<(), String> {
        let is_over = self.serving.as_ref().is_none_or(JoinHandle::is_finished);
        if is_over {
            let ended = self.stop(Duration::ZERO);
            *self = Ground::open(&self.path);
            ended.or_else(|error| check_text(&error.to_string()))?;
        }
        answers(&self.client()).map_err(|error| format!("the next client gets: {error}"))
    }

    /// Stops the server. Returns what its accept loop does, unless it was stopped before.
    pub fn stop(&mut self, grace: Duration) -> Result<(), Error> {
        self.server.stop(grace);
        self.serving.take().map_or(Ok(()), |serving| serving.join().expect("it does not panic"))
    }
}

/// A client with a time limit.
pub fn client(path: &Path) -> Result<Client, Error> {
    let limits = Limits { call_time: Some(TIMEOUT), ..Limits::for_client() };
    Client::builder().limits(limits).wait(true).connect(path)
}

/// Makes a small call, and one with files.
pub fn answers(client: &Client) -> Result<(), Error> {
    assert_eq!(client.call::<String>("Peer.Echo", "small")?, "small");
    assert_eq!(client.call::<Files>("Peer.Return", &devices(3))?.len(), 3);
    Ok(())
}

/// Checks that an error says something, in one line.
pub fn check_text(text: &str) -> Result<(), String> {
    let is_clear = (5..400).contains(&text.len()) && !text.trim_end().contains('\n');
    if is_clear { Ok(()) } else { Err(format!("no clear error: {text:?}")) }
}
