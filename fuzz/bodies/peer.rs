//! A server with methods for every kind of argument, result, failure and use of files.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::Duration;

use urpc::json::{Bytes, Number, RawJson, Value};
use urpc::{
    BadArgument, CallContext, FileCheck, FileError, FileKind, Files, Limits, RemoteError, Server,
    Service,
};

use super::events::Events;
use super::probe::{Probe, identity};

/// The number of files that one message may carry, in each direction.
pub const FILE_LIMIT: usize = 4;

urpc::record! {
    /// Files and a number.
    #[derive(Debug, Default)]
    pub struct WithFiles {
        pub n: i64 => omitempty,
        pub files: Files,
    }

    /// What `MakeFiles` takes.
    #[derive(Debug, Default)]
    pub struct Make {
        pub count: usize => "Count",
    }

    /// What `Check` takes.
    #[derive(Debug, Default)]
    pub struct Kind {
        pub unix_socket: bool => "unix",
        pub files: Files,
    }

    /// What `Big` takes.
    #[derive(Debug, Default)]
    pub struct Big {
        pub n: u16 => "N",
    }

    /// The argument and the result of `Types`: members of many types.
    #[derive(Debug, Default)]
    pub struct Types {
        pub base: Base => embedded,
        pub extra: Option<Box<Extra>> => embedded,
        pub small: i8 => "I8",
        pub large: u64 => "U64",
        pub float: f32 => "F32",
        pub text: String => "Str",
        pub bytes: Bytes => "Byt",
        pub fixed: [i64; 3] => "Arr",
        pub list: Option<Vec<i64>> => "Sl",
        pub map: BTreeMap<String, i64> => "MS",
        pub by_number: BTreeMap<i32, String> => "MI",
        pub any: Value => "Any",
        pub raw: RawJson => "Raw" omitempty,
        pub number: Number => "Num" omitempty,
        pub quoted: i64 => "QI" quoted,
        pub quoted_float: f64 => "QF" quoted,
        pub quoted_text: String => "QS" quoted,
        pub time: Duration => "Dur" omitempty,
    }

    /// Embedded in [`Types`].
    #[derive(Debug, Default)]
    pub struct Base {
        pub number: i64 => "EmbInt",
        pub text: String => "emb_str" omitempty,
    }

    /// Embedded in [`Types`] if one of its members is present.
    #[derive(Debug, Default)]
    pub struct Extra {
        pub flag: bool => "Flag",
    }

    /// A type that contains itself.
    #[derive(Debug, Default)]
    pub struct Tree {
        pub value: u32 => "v",
        pub next: Option<Box<Tree>> => "next" omitempty,
        pub kids: Vec<Tree> => "kids" omitempty,
    }
}

/// The object of the methods: the file that `MakeFiles` copies.
pub struct Peer(OwnedFd);

thread_local! {
    /// The server of the run, for the method that stops it. The method cannot hold its own server.
    static RUNNING: RefCell<Option<Server>> = const { RefCell::new(None) };
    /// How often the run's server was stopped.
    static STOPS: Cell<usize> = const { Cell::new(0) };
}

/// A server that its method `Stop` can find while this exists, and what its observer has seen.
pub struct Running(pub Server, pub Events);

impl Running {
    /// `made` is the file that `MakeFiles` copies. All clients are refused unless `welcomes`.
    pub fn new(
        limits: Limits,
        made: &Probe,
        welcomes: bool,
        after_call: impl Fn() + Send + Sync + 'static,
    ) -> Running {
        let events = Events::default();
        let observed = events.clone();
        let builder = Server::builder()
            .limits(limits)
            .after_call(after_call)
            .observe(move |event| observed.note(event))
            .authorize(move |peer| welcomes && peer.pid == std::process::id());
        assert!(format!("{builder:?}").contains("observe: true"));
        let server = builder.build();
        server.register(service(Peer(made.copy())));
        RUNNING.set(Some(server.clone()));
        STOPS.set(0);
        Running(server, events)
    }

    /// How often the server was stopped: once at most, since the second stop has nothing to do.
    pub fn stops(&self) -> usize {
        STOPS.get()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        RUNNING.take();
    }
}

/// A time limit that no run should reach, even on a busy machine. If the script and the other side
/// disagree on what comes next, the run fails after it, before the fuzzer's own timeout.
pub const FAR: Duration = Duration::from_secs(15);

/// The memory for a message in the settings with small budgets, decoded and with all others.
pub const DECODED_BYTES: usize = 2000;
pub const TOTAL_BYTES: usize = 1 << 15;

/// The part of each buffer that does not count for the total.
pub const FREE_BYTES: usize = 16 << 10;

/// `limits` with small budgets.
pub fn small_budgets(limits: Limits) -> Limits {
    Limits { decoded_bytes: DECODED_BYTES, total_bytes: TOTAL_BYTES, ..limits }
}

/// The limits of a session.
pub fn limits(message_bytes: usize, message_time: Option<Duration>) -> Limits {
    Limits {
        message_bytes,
        message_time,
        send_files: FILE_LIMIT,
        receive_files: FILE_LIMIT,
        idle_time: Some(FAR),
        send_time: Some(Duration::ZERO),
        typed_depth: 20,
        ..Limits::default()
    }
}

fn service(peer: Peer) -> Service<Peer> {
    let service = Service::new("Peer", peer)
        .method("Echo", |_, any: Value| Ok::<_, String>(any))
        .method("Text", |_, text: String| Ok::<_, String>(text))
        .method("Null", |_, (): ()| Ok::<_, String>(()))
        .method("Types", |_, types: Types| Ok::<_, String>(types))
        .method("Tree", |_, tree: Tree| Ok::<_, String>(tree))
        .method("Err", |_, text: String| Err::<(), _>(text))
        .method("ErrFiles", |_, _: WithFiles| Err::<WithFiles, _>("with files"))
        .method("CountFiles", |_, arg: WithFiles| Ok::<_, String>(arg.files.len()))
        .method("FdInfo", |_, files: Rc<Files>| Ok::<_, String>(identities(&files)))
        .method("Return", |_, arg: WithFiles| Ok::<_, String>(arg))
        .method("Release", release)
        .method("MakeFiles", make_files)
        .method("Big", |_, arg: Big| Ok::<_, String>("x".repeat(arg.n.into())))
        .method("NaN", |_, (): ()| Ok::<_, String>([0.0, f64::NAN]))
        .method("Stop", stop)
        // Without the panic hook, because the fuzzer's hook would report a crash.
        .method("Panic", |_, _: Value| -> Result<(), String> {
            std::panic::resume_unwind(Box::new("a method's panic"))
        })
        .method("BadArgument", |_, text: String| Err::<(), _>(BadArgument::new(text)))
        .method("Relayed", |_, text: String| {
            Err::<(), _>(urpc::Error::from(RemoteError::new(text)))
        })
        .method("Caused", |_, text: String| Err::<(), _>(Caused(text.into())))
        .method("Check", check)
        .method_with_context("End", |_, (): (), context: &CallContext<'_>| {
            context.stop_server(Duration::ZERO);
            Ok::<_, String>(())
        })
        .method_with_context("Who", who)
        .raw_method("Raw", |_, arg, files, _| {
            if arg.is_empty() { Err("nothing") } else { Ok((RawJson::new(arg), files)) }
        })
        .on_stop(|_| STOPS.set(STOPS.get() + 1));
    assert!(format!("{service:?}").contains("FdInfo"));
    service
}

/// An error with a cause.
#[derive(Debug)]
struct Caused(Box<dyn std::error::Error + Send + Sync>);

impl fmt::Display for Caused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("caused")
    }
}

impl std::error::Error for Caused {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.0)
    }
}

/// The name of the method, if all else that is said of the call is true.
fn who(_: &Peer, (): (), context: &CallContext<'_>) -> Result<String, String> {
    let text = format!("{context:?}");
    let parts = [
        format!("method: {:?}, client: {}, ", context.method(), context.client()),
        format!("client_gone: {}, stopping: {}", context.is_client_gone(), context.is_stopping()),
    ];
    let is_true = parts.iter().all(|part| text.contains(part.as_str()))
        && context.credentials().pid == std::process::id();
    if is_true { Ok(context.method().to_owned()) } else { Err(text) }
}

/// The number of the call's files, all of which are sockets, that pass a check.
fn check(_: &Peer, mut arg: Kind) -> Result<usize, FileError> {
    let kind = if arg.unix_socket { FileKind::UnixSocket } else { FileKind::Pipe };
    let check = FileCheck::new().kind(kind);
    let mut passed = 0;
    for index in 0..arg.files.len() {
        match arg.files.release_checked(index, &check) {
            Ok(_) => passed += 1,
            Err(FileError::WrongKind { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(passed)
}

/// The identities of the files.
pub fn identities(files: &Files) -> Vec<u64> {
    files.iter().map(identity).collect()
}

/// Takes some files out and closes them at once. The others stay open until the reply was sent.
fn release(_: &Peer, mut arg: WithFiles) -> Result<usize, String> {
    let released = [0, 1, 9].map(|index| arg.files.release(index));
    Ok(released.iter().flatten().count())
}

fn make_files(peer: &Peer, arg: Make) -> Result<WithFiles, String> {
    let copies = (0..arg.count.min(FILE_LIMIT + 1)).map(|_| peer.0.try_clone());
    let files = copies.collect::<Result<Files, _>>().map_err(|error| error.to_string())?;
    Ok(WithFiles { n: 1, files })
}

fn stop(_: &Peer, (): ()) -> Result<(), String> {
    let server = RUNNING.with_borrow(Clone::clone);
    server.ok_or("no server")?.stop_within(Duration::ZERO, Duration::ZERO);
    Ok(())
}
