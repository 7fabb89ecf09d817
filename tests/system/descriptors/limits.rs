//! Extreme limits: no files at all, no time, the deepest value.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::time::Duration;

use super::{Item, peer, peer_with};
use crate::support::limit::limit_test;
use crate::support::{Probe, Scratch, client_of, within_timeout};
use urpc::json::Value;
use urpc::{BindOptions, Client, Error, Limit, Limits, Listener, Service, Socket, process};

#[test]
fn a_receiver_that_takes_no_files_is_named_in_the_error_and_the_client_goes_on() {
    let (ours, theirs) = Socket::pair().unwrap();
    if let Err(error) = theirs.refuse_files() {
        let _ = writeln!(io::stderr(), "skipped: the kernel has no SO_PASSRIGHTS: {error}");
        return;
    }
    let server = peer();
    server.start_handling(theirs).unwrap();
    let (client, (file, probe)) = (Client::new(ours), Probe::new());
    let error = client.call_raw("Peer.Count", b"{}", &[file.as_fd()]).unwrap_err();
    assert!(error.to_string().contains("the receiver takes no files; nothing was sent"), "{error}");
    assert!(error.is_usable());
    assert_eq!(client.call::<usize>("Peer.Count", &()).unwrap(), 0);
    drop(file);
    probe.wait_closed();
}

#[test]
fn a_server_that_takes_no_files_refuses_them_before_it_accepts() {
    let scratch = Scratch::new("no-files");
    let bound = BindOptions::new().refuse_files(true).bind(scratch.path("bound"));
    let bound = match bound {
        Ok(bound) => bound,
        Err(error) => {
            let _ = writeln!(io::stderr(), "skipped: the kernel has no SO_PASSRIGHTS: {error}");
            return;
        }
    };
    let file = File::open("/dev/null").unwrap();
    let send_to = |path: &str| {
        let early = Socket::connect(scratch.path(path)).unwrap();
        early.send(b"x", &[file.as_fd()]).map_err(|error| error.kind())
    };
    assert_eq!(send_to("bound"), Err(io::ErrorKind::PermissionDenied));
    drop(bound);

    let served = Listener::bind(scratch.path("served")).unwrap();
    assert_eq!(send_to("served"), Ok(1));
    let server = peer_with(Limits { receive_files: 0, ..Limits::default() });
    let accepting = server.start_serving(served).unwrap();
    // When one client was served, the loop has begun.
    let client = Client::connect(scratch.path("served")).unwrap();
    assert_eq!(client.call::<usize>("Peer.Count", &()).unwrap(), 0);
    assert_eq!(send_to("served"), Err(io::ErrorKind::PermissionDenied));
    server.stop(Duration::ZERO);
    within_timeout(move || accepting.join().unwrap()).unwrap();
}

#[test]
fn a_limit_of_time_beyond_the_clock_is_none() {
    limit_test();
    let (reader, writer) = process::pipe().unwrap();
    drop(writer);
    let ready = process::wait_readable(&[reader.as_fd()], Some(Duration::MAX));
    assert_eq!(ready.unwrap(), Some(0));
}

#[test]
fn the_shortest_limit_of_silence_is_one_and_no_error() {
    let idle_time = Some(Duration::ZERO);
    let server = peer_with(Limits { idle_time, ..Limits::default() });
    let (_ours, theirs) = Socket::pair().unwrap();
    let error = within_timeout(move || server.handle(theirs)).unwrap_err();
    assert!(matches!(error, Error::TimedOut { name: Limit::IdleTime, .. }), "{error:?}");
}

urpc::record! {
    /// A value that contains another value of its own type.
    #[derive(Debug, Default)]
    pub struct Nested {
        pub inner: Option<Box<Nested>> => "I" omitempty,
    }
}

#[test]
fn values_of_all_the_levels_there_may_be_fit_on_a_client_threads_stack() {
    let server = peer();
    server.register(
        Service::new("Deep", ())
            .method("Typed", |_: &(), value: Nested| Ok::<_, String>(value))
            .method("Value", |_: &(), value: Value| Ok::<_, String>(value))
            .method("Skipped", |_: &(), _: Item| Ok::<_, String>(())),
    );
    let nested =
        |levels: usize| format!("{}{{}}{}", r#"{"I":"#.repeat(levels - 1), "}".repeat(levels - 1));
    let client = client_of(&server);
    for (method, levels) in [("Deep.Typed", 128), ("Deep.Value", 9999)] {
        let text = nested(levels);
        let (result, _) = client.call_raw(method, text.as_bytes(), &[]).unwrap();
        assert!(result.as_bytes() == text.as_bytes(), "{method}");
    }
    client.call_raw("Deep.Skipped", nested(9999).as_bytes(), &[]).unwrap();
    let error = client.call_raw("Deep.Typed", nested(129).as_bytes(), &[]).unwrap_err();
    assert!(
        error.as_remote().is_some_and(|error| error.message().contains("fewer levels")),
        "{error}"
    );
}

#[test]
fn a_server_has_limits_of_time_unless_they_are_lifted_and_a_client_none() {
    let limits = Limits::default();
    assert!(limits.message_time.is_some() && limits.send_time.is_some());
    assert!(limits.idle_time.is_none() && limits.clients < usize::MAX);
    let limits = Limits::for_client();
    assert_eq!((limits.message_time, limits.send_time, limits.call_time), (None, None, None));
}
