//! Sockets that other code has set up: what the kernel adds to their messages, and whether they are
//! close-on-exec.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::thread;
use std::time::{Duration, Instant};

use crate::client::Client;
use crate::files::Files;
use crate::server::Server;
use crate::service::Service;
use crate::socket::{Listener, Socket};
use crate::sys::tests::{inheritable, pass_credentials_and_pidfd, shows_close_on_exec};
use crate::test_available;
use crate::test_limit::limit_test;

/// How many pidfds this process has open.
fn count_pidfds() -> usize {
    let links = fs::read_dir("/proc/self/fd").unwrap().filter_map(|entry| {
        let link = fs::read_link(entry.ok()?.path()).ok()?;
        Some(link.to_string_lossy().contains("pidfd"))
    });
    links.filter(|is_pidfd| *is_pidfd).count()
}

#[test]
fn credentials_and_pidfds_that_were_not_requested_disturb_no_file_and_are_closed() {
    limit_test();
    if !test_available::many_files() {
        return;
    }
    let (ours, theirs) = UnixStream::pair().unwrap();
    let all = [&ours, &theirs].map(|socket| pass_credentials_and_pidfd(socket.as_fd()));
    if all != [true; 2] {
        let _ = writeln!(io::stderr(), "skipped in part: the kernel has no SO_PASSPIDFD");
    }
    let server = Server::new();
    server.register(
        Service::new("Peer", ()).method("Return", |_: &(), files: Files| Ok::<_, String>(files)),
    );
    server.start_handling(Socket::from_fd(theirs.into()).unwrap()).unwrap();
    let client = Client::new(Socket::from_fd(ours.into()).unwrap());
    for count in [0, 1, 31, 32] {
        let files: Files = (0..count).map(|_| File::open("/dev/null").unwrap()).collect();
        let returned: Files = client.call("Peer.Return", &files).unwrap();
        assert_eq!(returned.len(), count);
    }
    client.close();
    server.stop(Duration::ZERO);
    // Tests that run at the same time may have some open for a moment.
    let until = Instant::now() + Duration::from_secs(20);
    while count_pidfds() > 0 {
        assert!(Instant::now() < until, "a pidfd stays open");
        thread::yield_now();
    }
}

#[test]
fn adopting_a_socket_makes_it_close_on_exec() {
    let (ours, _theirs) = UnixStream::pair().unwrap();
    let socket = Socket::from_fd(inheritable(ours)).unwrap();
    assert!(shows_close_on_exec(socket.as_fd()));
    let name = format!("urpc-adopted-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(name).unwrap();
    let listening: OwnedFd = UnixListener::bind_addr(&address).unwrap().into();
    let listener = Listener::from_fd(inheritable(listening)).unwrap();
    assert!(shows_close_on_exec(listener.as_fd()));
}
