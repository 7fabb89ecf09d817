//! What a service's object, its methods' errors and its server's handles promise.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use crate::support::{Scratch, client_of, connect, read_to_end, send, success, within_timeout};
use urpc::{
    BadArgument, CallContext, Client, Error, Event, Files, Listener, Outcome, RemoteError, Server,
    Service, json,
};

type AnyError = Box<dyn StdError + Send + Sync>;

/// An error with a text and a source.
#[derive(Debug)]
struct Layer(&'static str, Option<AnyError>);

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl StdError for Layer {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.1.as_deref().map(|source| source as _)
    }
}

/// An error that says it is its own source.
#[derive(Debug)]
struct Circular;

impl fmt::Display for Circular {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("round")
    }
}

impl StdError for Circular {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(self)
    }
}

/// The text that the caller of a method gets that fails with `error`.
fn text_of<E: Into<AnyError> + 'static>(make: impl Fn() -> E + Send + Sync + 'static) -> String {
    let server = Server::new();
    server.register(
        Service::new("Peer", ()).method("Fail", move |_: &(), _: ()| Err::<(), _>(make())),
    );
    let error = client_of(&server).call::<()>("Peer.Fail", &()).unwrap_err();
    error.as_remote().unwrap().message().to_owned()
}

#[test]
fn a_methods_error_reaches_the_caller_with_all_its_sources() {
    assert_eq!(text_of(|| "plain"), "plain");
    assert_eq!(text_of(|| String::from("owned")), "owned");
    let source = || Layer("read the table", Some(io::Error::other("disk gone").into()));
    let outer = move || Layer("start", Some(source().into()));
    assert_eq!(text_of(outer), "start: read the table: disk gone");
    assert_eq!(text_of(move || AnyError::from(outer())), "start: read the table: disk gone");
    assert_eq!(text_of(|| BadArgument::new(Layer("n", Some("odd".into())))), "n: odd");
    assert!(text_of(|| Circular).starts_with("round: round"));
}

#[test]
fn a_further_calls_remote_error_is_passed_on_as_it_came_also_in_a_box() {
    let error = || Error::from(RemoteError::new("no such container"));
    assert_eq!(text_of(error), "no such container");
    assert_eq!(text_of(move || AnyError::from(error())), "no such container");
    assert_eq!(text_of(|| RemoteError::new("gone")), "gone");
}

#[test]
fn a_method_can_say_that_its_argument_is_wrong() {
    let (tell, outcomes) = mpsc::channel();
    let server = Server::builder()
        .observe(move |event| {
            if let Event::CallEnded { outcome, .. } = event {
                tell.send(*outcome).unwrap();
            }
        })
        .build();
    let raw = |_: &(), arg: &[u8], files: Files, _: &CallContext<'_>| {
        let parsed = json::from_slice(arg).map_err(BadArgument::new)?;
        if files.is_empty() { Err(AnyError::from("no file")) } else { Ok((parsed, files)) }
    };
    server.register(
        Service::new("Raw", ())
            .raw_method("Parse", raw)
            .raw_method("Refuse", |_: &(), _: &[u8], _: Files, _: &CallContext<'_>| {
                Err(BadArgument::new("not today"))
            }),
    );
    server.register(Service::new("Typed", ()).method("Even", |_: &(), n: u64| match n % 2 {
        0 => Ok(n),
        _ => Err(BadArgument::new(format!("{n} is odd"))),
    }));
    let client = client_of(&server);
    let outcome_of = |method: &str, arg: u64| {
        let text = client.call::<u64>(method, &arg).map_err(|error| error.to_string());
        (text, outcomes.recv().unwrap())
    };
    let said = |text: &str| Err(text.to_owned());
    let refused = (said("Raw.Refuse: remote error: not today"), Outcome::BadArgument);
    assert_eq!(outcome_of("Raw.Refuse", 1), refused);
    let failed = (said("Raw.Parse: remote error: no file"), Outcome::Failed);
    assert_eq!(outcome_of("Raw.Parse", 1), failed);
    let refused = (said("Typed.Even: remote error: 3 is odd"), Outcome::BadArgument);
    assert_eq!(outcome_of("Typed.Even", 3), refused);
    assert_eq!(outcome_of("Typed.Even", 4), (Ok(4), Outcome::Succeeded));

    let no_argument = connect(&server);
    send(&no_argument, br#"{"method":"Raw.Parse"}"#, &[]);
    no_argument.shutdown_send().unwrap();
    assert_eq!(outcomes.recv().unwrap(), Outcome::BadArgument);
}

#[test]
fn the_object_of_a_service_can_be_kept_by_the_caller() {
    let count = Arc::new(AtomicU64::new(1));
    let server = Server::new();
    server.register(
        Service::shared("Counter", Arc::clone(&count)).method("Add", |count, n: u64| {
            Ok::<_, String>(count.fetch_add(n, Ordering::SeqCst) + n)
        }),
    );
    let client = client_of(&server);
    assert_eq!(client.call::<u64>("Counter.Add", &2).unwrap(), 3);
    count.store(10, Ordering::SeqCst);
    assert_eq!(client.call::<u64>("Counter.Add", &2).unwrap(), 12);
    assert_eq!(count.load(Ordering::SeqCst), 12);
}

fn echo() -> Server {
    let server = Server::new();
    server.register(Service::new("Peer", ()).method("Echo", |_: &(), n: u64| Ok::<_, String>(n)));
    server
}

#[test]
fn serving_that_was_started_ends_with_a_stop_which_finds_the_path_removed() {
    let scratch = Scratch::new("started");
    let path = scratch.path("s");
    for _ in 0..20 {
        let server = echo();
        let serving = server.start_serving(Listener::bind(&path).unwrap()).unwrap();
        // A stop at once, before the thread may have begun, waits for it all the same.
        within_timeout(move || server.stop(Duration::ZERO));
        assert!(!path.exists());
        within_timeout(move || serving.join().unwrap()).unwrap();
    }
    let server = echo();
    server.start_serving(Listener::bind(&path).unwrap()).unwrap();
    assert_eq!(Client::connect(&path).unwrap().call::<u64>("Peer.Echo", &5).unwrap(), 5);
    within_timeout(move || server.stop(Duration::ZERO));
}

#[test]
fn the_thread_that_serves_keeps_no_server_alive() {
    let scratch = Scratch::new("dropped");
    let server = echo();
    let serving = server.start_serving(Listener::bind(scratch.path("s")).unwrap()).unwrap();
    drop(server);
    within_timeout(move || serving.join().unwrap()).unwrap();
}

#[test]
fn a_method_stops_its_own_server_and_keeps_no_handle_of_it() {
    let scratch = Scratch::new("itself");
    let object = Arc::new(());
    let server = Server::new();
    server.register(Service::shared("Daemon", Arc::clone(&object)).method_with_context(
        "Shutdown",
        |_: &(), _: (), call: &CallContext<'_>| {
            call.stop_server(Duration::ZERO);
            Ok::<_, String>(call.is_stopping())
        },
    ));
    let serving = server.start_serving(Listener::bind(scratch.path("s")).unwrap()).unwrap();
    let (caller, idle) = (connect(&server), connect(&server));
    send(&caller, br#"{"method":"Daemon.Shutdown","arg":null}"#, &[]);
    assert_eq!(String::from_utf8(read_to_end(&caller).0).unwrap(), success("true"));
    assert_eq!(read_to_end(&idle).0, b"");
    within_timeout(move || serving.join().unwrap()).unwrap();
    within_timeout(move || {
        server.stop(Duration::ZERO);
        drop(server);
    });
    assert_eq!(Arc::strong_count(&object), 1, "the server is gone, and the service with it");
}
