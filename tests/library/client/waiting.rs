//! Waiting for a server that does not listen yet.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use crate::support::{Scratch, fill_queue, leave_stale, within_timeout};
use urpc::{Address, BindOptions, Client, Error, Limit, Limits, Listener, Socket, socket};

/// Connects within an hour. `act` runs before the second attempt. Also returns the number of
/// attempts.
fn connect_after<T>(address: &Address, act: impl FnOnce() -> T) -> (io::Result<Socket>, u32) {
    let (mut act, mut kept, mut attempts) = (Some(act), None, 0);
    let connected = socket::connect_when_ready(Some(Duration::from_secs(3600)), |left| {
        attempts += 1;
        if attempts == 2 {
            kept = act.take().map(|act| act());
        }
        Socket::connect_within(address, left)
    });
    drop(kept);
    (connected, attempts)
}

fn waiting(limit: Duration) -> urpc::ClientBuilder {
    Client::builder()
        .limits(Limits { connect_time: Some(limit), ..Limits::for_client() })
        .wait(true)
}

#[test]
fn a_server_that_comes_later_is_waited_for_also_in_a_directory_that_comes_later() {
    let scratch = Scratch::new("wait-later");
    let name = format!("urpc-wait-{}", std::process::id());
    let deep = scratch.path("deep");
    for address in [deep.join("s").into(), scratch.path("s").into(), Address::abstract_name(name)] {
        let bind = || {
            fs::create_dir_all(&deep).unwrap();
            Listener::bind(&address).unwrap()
        };
        let (connected, attempts) = connect_after(&address, bind);
        assert!(connected.is_ok() && attempts == 2, "{address}: {connected:?}, {attempts}");
    }
}

#[test]
fn a_stale_socket_is_waited_for_until_a_server_replaces_it() {
    let scratch = Scratch::new("wait-stale");
    let path = scratch.path("s");
    leave_stale(&path);
    let replace = || BindOptions::new().replace_stale(true).bind(&path).unwrap();
    let (connected, attempts) = connect_after(&(&path).into(), replace);
    assert!(connected.is_ok() && attempts == 2, "{connected:?}, {attempts}");
}

#[test]
fn a_client_waits_for_a_server_that_a_thread_starts() {
    let scratch = Scratch::new("wait-thread");
    let path = scratch.path("s");
    let to = path.clone();
    let connect = move || waiting(Duration::from_secs(3600)).connect(to).map(drop);
    let connecting = thread::spawn(connect);
    let _listener = Listener::bind(&path).unwrap();
    within_timeout(move || connecting.join().unwrap()).unwrap();
}

#[test]
fn a_server_that_never_comes_is_reported_with_the_last_error_and_the_limit() {
    let scratch = Scratch::new("wait-never");
    let (none, stale) = (scratch.path("none"), scratch.path("stale"));
    leave_stale(&stale);
    for (path, kind) in [(&none, ErrorKind::NotFound), (&stale, ErrorKind::ConnectionRefused)] {
        let (began, limit) = (Instant::now(), Duration::from_millis(30));
        let error = waiting(limit).connect(path).err().unwrap();
        assert!(began.elapsed() >= limit);
        let Error::Io { ref source, .. } = error else { panic!("{error:?}") };
        assert_eq!(source.kind(), kind);
        let said = error.to_string();
        assert!(said.contains("; waited 30ms for a server"), "{said}");
        assert!(said.contains(path.to_str().unwrap()), "{said}");
    }
    let error = Client::connect(&none).err().unwrap().to_string();
    assert!(!error.contains("waited"), "it waits only on request: {error}");
}

#[test]
fn no_time_is_one_attempt() {
    let scratch = Scratch::new("wait-zero");
    let _listener = Listener::bind(scratch.path("s")).unwrap();
    waiting(Duration::ZERO).connect(scratch.path("s")).unwrap();
    let error = waiting(Duration::ZERO).connect(scratch.path("none")).err().unwrap();
    assert!(error.to_string().contains("No such file"), "{error}");
}

#[test]
fn a_server_that_does_not_accept_is_waited_for_no_longer_than_the_limit() {
    let scratch = Scratch::new("wait-full");
    let _busy = Listener::bind(scratch.path("s")).unwrap();
    fill_queue(&scratch.path("s"));
    let limit = Duration::from_millis(30);
    let error = waiting(limit).connect(scratch.path("s")).err().unwrap();
    assert!(
        matches!(error, Error::TimedOut { name: Limit::ConnectTime, after, .. } if after == limit),
        "{error:?}"
    );
}

#[test]
fn what_waiting_cannot_fix_is_reported_at_once() {
    let scratch = Scratch::new("wait-wrong");
    let file = scratch.path("file");
    fs::write(&file, "").unwrap();
    let datagrams = scratch.path("datagrams");
    let _datagrams = UnixDatagram::bind(&datagrams).unwrap();
    let long: PathBuf = scratch.path(&"x".repeat(300));
    for (path, said) in [
        (&file, "a regular file, not a Unix socket"),
        (&scratch.0, "a directory, not a Unix socket"),
        (&file.join("s"), "Not a directory"),
        (&datagrams, "Protocol wrong type"),
        (&long, "too long"),
    ] {
        let (connected, attempts) = connect_after(&path.into(), || ());
        let error = connected.unwrap_err().to_string();
        assert!(error.contains(said) && attempts == 1, "{error}, {attempts}");
    }
    let (connected, attempts) = connect_after(&Address::Inherited(i32::MAX), || ());
    assert!(connected.is_err() && attempts == 1, "{connected:?}");
}
