//! How many clients a server takes, and when a client's place is free again.

use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;
use std::{fs, thread};

use crate::support::{
    Scratch, available, connect, failure, read_message, read_to_end, send, within_timeout,
};
use urpc::{BindOptions, Client, Error, Event, Limit, Limits, Listener, Server, Service, Socket};

const LIMIT: Duration = Duration::from_millis(50);

fn peer(limits: Limits) -> Server {
    let server = Server::builder().limits(limits).build();
    server.register(Service::new("Peer", ()).method("Echo", |_: &(), n: i64| Ok::<_, String>(n)));
    server
}

#[test]
fn a_peer_that_sent_its_own_end_on_white_space_and_died_loses_its_place() {
    let server = peer(Limits { clients: 1, message_time: Some(LIMIT), ..Limits::default() });
    let scratch = Scratch::new("own-end");
    let listener = Listener::bind(scratch.path("s")).unwrap();
    let serves = server.start_serving(listener).unwrap();
    let attacker = Socket::connect(scratch.path("s")).unwrap();
    send(&attacker, b" ", &[attacker.as_fd()]);
    drop(attacker);
    let path = scratch.path("s");
    let reply = within_timeout(move || Client::connect(path).unwrap().call::<i64>("Peer.Echo", &7));
    assert_eq!(reply.unwrap(), 7);
    server.stop(Duration::ZERO);
    serves.join().unwrap().unwrap();
}

#[test]
fn the_time_of_a_message_runs_from_its_first_file_and_not_from_white_space() {
    let server = peer(Limits { message_time: Some(LIMIT), ..Limits::default() });
    let null = fs::File::open("/dev/null").unwrap();
    let (ours, theirs) = Socket::pair().unwrap();
    let handling = server.clone();
    let handled = thread::spawn(move || handling.handle(theirs));
    send(&ours, b" \n", &[null.as_fd()]);
    let error = within_timeout(move || handled.join().unwrap()).unwrap_err();
    assert!(
        matches!(error, Error::TimedOut { name: Limit::MessageTime, mid_message: true, .. }),
        "{error:?}"
    );
    // White space alone is not a message: another client, which connected later, times out first.
    let silent = connect(&server);
    send(&silent, b" \n", &[]);
    let with_file = connect(&server);
    send(&with_file, b" ", &[null.as_fd()]);
    within_timeout(move || read_to_end(&with_file));
    send(&silent, br#"{"method":"No"}"#, &[]);
    assert_eq!(read_message(&silent).0, failure("unknown method"));
}

#[test]
fn files_beyond_the_limit_on_white_space_refuse_the_message_after_it() {
    let server = peer(Limits::default());
    let null = fs::File::open("/dev/null").unwrap();
    let socket = connect(&server);
    for _ in 0..40 {
        send(&socket, b" ", &[null.as_fd()]);
    }
    send(&socket, br#"{"method":"Peer.Echo","arg":7}"#, &[]);
    assert_eq!(read_message(&socket).0, failure("too many files"));
}

/// A process of another user. It is killed when this is dropped.
struct Stranger(Child);

impl Drop for Stranger {
    fn drop(&mut self) {
        let _ = self.0.kill().and_then(|()| self.0.wait());
    }
}

/// A process that makes `count` connections to `path` and waits.
fn stranger(path: &Path, count: usize) -> Option<Stranger> {
    if !available::or_skip("perl", available::program("perl")) {
        return None;
    }
    let mut program = Command::new("perl");
    let script = "use Socket; my @all; for (1..$ARGV[1]) { socket(my $s, AF_UNIX, SOCK_STREAM, 0) \
        or die; connect($s, pack_sockaddr_un($ARGV[0])) or die; push @all, $s; } sleep 100;";
    program.args(["-e", script]).arg(path).arg(count.to_string());
    let started = program.uid(65534).stdin(Stdio::null()).spawn();
    available::or_skip("right to change the user", started.is_ok())
        .then(|| Stranger(started.unwrap()))
}

#[test]
fn one_user_cannot_take_the_places_of_others() {
    let (refused, refusals) = mpsc::channel();
    let limits = Limits { clients: 8, clients_per_user: Some(2), ..Limits::default() };
    let server = Server::builder()
        .limits(limits)
        .observe(move |event| {
            if let Event::Refused { reason: Error::TooManyClientsOfUser { uid, limit } } = event {
                refused.send((*uid, *limit)).unwrap();
            }
        })
        .build();
    server.register(Service::new("Peer", ()).method("Echo", |_: &(), n: i64| Ok::<_, String>(n)));
    let scratch = Scratch::new("users");
    fs::set_permissions(&scratch.0, fs::Permissions::from_mode(0o755)).unwrap();
    let path = scratch.path("s");
    let listener = BindOptions::new().mode(0o666).bind(&path).unwrap();
    let serves = server.start_serving(listener).unwrap();
    let Some(stranger) = stranger(&path, 20) else {
        server.stop(Duration::ZERO);
        return serves.join().unwrap().unwrap();
    };
    let refusals =
        within_timeout(move || (0..18).map(|_| refusals.recv().unwrap()).collect::<Vec<_>>());
    assert_eq!(refusals, [(65534, 2); 18]);
    let client = Client::connect(path).unwrap();
    assert_eq!(within_timeout(move || client.call::<i64>("Peer.Echo", &7)).unwrap(), 7);
    drop(stranger);
    server.stop(Duration::ZERO);
    serves.join().unwrap().unwrap();
}

#[test]
fn a_users_place_is_free_again_when_a_client_has_gone() {
    let server = peer(Limits { clients_per_user: Some(1), ..Limits::default() });
    let first = connect(&server);
    let (_ours, theirs) = Socket::pair().unwrap();
    let error = server.start_handling(theirs).unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, Error::TooManyClientsOfUser { limit: 1, .. }), "{text}");
    assert!(text.ends_with("the limit is 1 (raise Limits::clients_per_user)"), "{text}");
    drop(first);
    within_timeout(move || {
        while server.start_handling(Socket::pair().unwrap().1).is_err() {
            thread::yield_now();
        }
    });
}
