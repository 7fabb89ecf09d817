//! The scenarios of the library: client and server are in this process.

use std::fs;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::Ordering;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use urpc::{BindOptions, Client, Error, Files, Limits, Server, Socket};

use crate::counts::wait_until;
use crate::ground::{self, Ground, LINGERS, answers, devices};
use crate::points::{Scenario, check_held, settled};
use crate::supervisor::Whose;
use crate::support::{TIMEOUT, leave_stale};

pub const NAMES: &[&str] = &[
    "call",
    "files",
    "dropped files",
    "checked files",
    "large call",
    "raw call",
    "limited call",
    "spinning",
    "shared client",
    "unknown method",
    "connect",
    "connect and wait",
    "inherited",
    "bind",
    "accept",
    "refused",
    "stop",
    "stop with a call",
    "session",
];

struct Scene {
    act: fn(&mut Scene) -> Result<(), Error>,
    /// Whether a client is connected before.
    is_connected: bool,
    /// Whether a call runs before.
    lingers: bool,
    ground: Ground,
    /// A second path, for a scenario that binds one.
    other: PathBuf,
    client: Option<Client>,
    server: Option<Server>,
    calling: Option<JoinHandle<()>>,
    files: Files,
    base: Option<(usize, usize)>,
}

pub fn scenario(name: &str, scratch: &Path) -> Option<Box<dyn Scenario>> {
    type Act = fn(&mut Scene) -> Result<(), Error>;
    let (act, is_connected): (Act, bool) = match name {
        "call" => (|scene| scene.client().call("Peer.Echo", "x"), true),
        "files" => (|scene| return_files(scene.client(), &scene.files), true),
        "dropped files" => (|scene| scene.client().call("Peer.Return", &scene.files), true),
        "checked files" => (|scene| scene.client().call("Peer.Check", &scene.files), true),
        "large call" => (|scene| large(scene.client()), true),
        "raw call" => (|scene| raw(scene.client()), true),
        "limited call" => (|scene| limited(scene.client()), true),
        "spinning" => (spinning, false),
        "shared client" => (|scene| shared(scene.client(), &scene.files), true),
        "unknown method" => (unknown_method, true),
        "connect" => (|scene| small(&Client::connect(&*scene.ground.path)?), false),
        "connect and wait" => (|scene| small(&ground::client(&scene.ground.path)?), false),
        "inherited" => (inherited, false),
        "bind" => (bind, false),
        "accept" => (accept, false),
        "refused" => (refused, false),
        "stop" => (|scene| scene.ground.stop(Duration::from_millis(1)), true),
        "stop with a call" => (|scene| scene.ground.stop(Duration::from_millis(20)), true),
        "session" => (session, false),
        _ => return None,
    };
    Some(Box::new(Scene {
        act,
        is_connected,
        lingers: name == "stop with a call",
        ground: Ground::open(&scratch.join("s")),
        other: scratch.join("other"),
        client: None,
        server: None,
        calling: None,
        files: devices(2),
        base: None,
    }))
}

impl Scenario for Scene {
    fn whose(&self) -> Whose {
        Whose::Own
    }

    fn prepare(&mut self) {
        if self.base.is_none() {
            // What exists once, such as the names of a record, is made at first.
            self.ground.serve_the_next().unwrap();
            self.base = Some(settled(process::id()));
        }
        leave_stale(&self.other);
        self.server = Some(ground::server());
        if self.is_connected {
            let client = self.ground.client();
            answers(&client).unwrap();
            self.client = Some(client);
        }
        if self.lingers {
            let client = self.ground.client();
            self.calling = Some(thread::spawn(move || drop(client.call::<()>("Peer.Linger", &()))));
            let lingers = || LINGERS.load(Ordering::SeqCst).then_some(());
            wait_until(lingers, || "the method does not begin".to_owned());
        }
    }

    fn act(&mut self) -> Result<(), String> {
        (self.act)(self).map_err(|error| error.to_string())
    }

    fn check(&mut self) -> Result<(), String> {
        if let Some(client) = self.client.take() {
            if answers(&client).is_err_and(|error| error.is_usable()) {
                return Err("a usable client is not".to_owned());
            }
        }
        if let Some(server) = self.server.take() {
            server.stop(TIMEOUT);
        }
        let _ = fs::remove_file(&self.other);
        self.ground.serve_the_next()?;
        if let Some(calling) = self.calling.take() {
            calling.join().map_err(|_| "the caller panics".to_owned())?;
        }
        let base = self.base.expect("prepared");
        check_held(process::id(), base, || self.ground.serve_the_next())
    }
}

impl Scene {
    fn client(&self) -> &Client {
        self.client.as_ref().expect("a scenario with a client")
    }
}

fn small(client: &Client) -> Result<(), Error> {
    client.call("Peer.Echo", "x")
}

fn return_files(client: &Client, files: &Files) -> Result<(), Error> {
    let returned: Files = client.call("Peer.Return", files)?;
    assert_eq!(returned.len(), files.len());
    Ok(())
}

fn large(client: &Client) -> Result<(), Error> {
    let text = "x".repeat(400_000);
    assert_eq!(client.call::<String>("Peer.Echo", &text)?, text);
    Ok(())
}

fn raw(client: &Client) -> Result<(), Error> {
    client.call_raw("Peer.Echo", br#"{"a":[1,2,{"b":null}]}"#, &[]).map(drop)
}

fn limited(client: &Client) -> Result<(), Error> {
    client.call_within(TIMEOUT, "Peer.Echo", "x")
}

fn spinning(scene: &mut Scene) -> Result<(), Error> {
    let spin_time = Duration::from_micros(50);
    let limits = Limits { spin_time, call_time: Some(TIMEOUT), ..Limits::for_client() };
    small(&Client::builder().limits(limits).connect(&*scene.ground.path)?)
}

/// Two threads call.
fn shared(client: &Client, files: &Files) -> Result<(), Error> {
    thread::scope(|both| {
        let other = thread::Builder::new().spawn_scoped(both, || return_files(client, files));
        let own = return_files(client, files);
        other?.join().expect("a caller").and(own)
    })
}

fn unknown_method(scene: &mut Scene) -> Result<(), Error> {
    match scene.client().call::<()>("Peer.Nope", &()) {
        Err(Error::Remote(_)) => Ok(()),
        result => result,
    }
}

fn inherited(scene: &mut Scene) -> Result<(), Error> {
    let socket = Socket::connect(&*scene.ground.path)?;
    small(&Client::new(Socket::from_fd(socket.into_fd())?))
}

fn bind(scene: &mut Scene) -> Result<(), Error> {
    let options = BindOptions::new().mode(0o666).replace_stale(true);
    drop(options.bind(&*scene.other)?);
    Ok(())
}

/// One connection is in the queue when the accept loop begins.
fn accept(scene: &mut Scene) -> Result<(), Error> {
    let listener = BindOptions::new().replace_stale(true).bind(&*scene.other)?;
    let server = scene.server.as_ref().expect("prepared");
    let client = ground::client(&scene.other)?;
    let serving = server.start_serving(listener)?;
    let called = small(&client);
    drop(client);
    server.stop(TIMEOUT);
    serving.join().expect("the accept loop").and(called)
}

/// The server serves one client, and that one is there.
fn refused(scene: &mut Scene) -> Result<(), Error> {
    let limits = Limits { clients: 1, ..Limits::default() };
    let server = Server::builder().limits(limits).build();
    let (_first, theirs) = Socket::pair()?;
    server.start_handling(theirs)?;
    let (_second, theirs) = Socket::pair()?;
    let outcome = server.start_handling(theirs);
    server.stop(Duration::ZERO);
    scene.server = Some(server);
    match outcome {
        Err(Error::Io { .. }) => outcome,
        _ => Ok(()),
    }
}

/// All of it, from bind to stop, with a peer's credentials checked.
fn session(scene: &mut Scene) -> Result<(), Error> {
    let server = Server::builder().authorize(|peer| peer.uid != u32::MAX).build();
    let listener = BindOptions::new().refuse_files(true).replace_stale(true).bind(&*scene.other);
    let listener =
        listener.or_else(|_| BindOptions::new().replace_stale(true).bind(&*scene.other))?;
    scene.server = Some(server.clone());
    let serving = server.start_serving(listener)?;
    let called = Client::connect(&*scene.other).and_then(|client| {
        match client.call::<()>("Peer.Nope", &()) {
            Err(Error::Remote(_)) => Ok(()),
            result => result,
        }
    });
    server.stop(TIMEOUT);
    serving.join().expect("the accept loop").and(called)
}
