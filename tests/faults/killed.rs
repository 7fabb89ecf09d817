//! Peers that are killed with SIGKILL at each stage of a call: first the client's process, then the
//! server's.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Stdio};
use std::{env, thread};

use urpc::{Client, Error, Socket};

use crate::subject::{Setup, Subject, rerun};
use crate::support::{Probe, read_to_end, send, within_timeout};

/// Set in the process that is killed: the server's path, and the stage.
const SOCKET: &str = "URPC_VICTIM_SOCKET";
const STAGE: &str = "URPC_VICTIM_STAGE";

const CALL: &[u8] = br#"{"method":"Peer.Return","arg":{}}"#;
const LINGER: &[u8] = br#"{"method":"Peer.Linger","arg":null}"#;
const BIG: &[u8] = br#"{"method":"Peer.Big","arg":null}"#;

/// The stages. Each says what the victim has done when it is killed.
const STAGES: [&str; 8] = [
    "connected",
    "sent half a call with a file",
    "sent a call with a file after one that runs",
    "waits for a reply",
    "waits for a reply through a client",
    "has a reply with a file that it did not take",
    "has received half a reply",
    "has ended its sending direction",
];

#[test]
fn a_client_that_is_killed_at_any_stage_of_a_call_leaves_nothing_behind() {
    let server = Setup::default().start("killed");
    for stage in STAGES {
        let (file, probe) = Probe::new();
        let mut victim = victim(&server, stage, file);
        victim.kill().unwrap();
        victim.wait().unwrap();
        probe.wait_closed();
        server.assert_unharmed(stage);
    }
    server.finish();
}

#[test]
fn many_clients_that_are_killed_at_once_leave_nothing_behind() {
    let server = Setup::default().start("massacre");
    let (probes, mut victims) = STAGES
        .map(|stage| {
            let (file, probe) = Probe::new();
            (probe, victim(&server, stage, file))
        })
        .into_iter()
        .unzip::<_, _, Vec<_>, Vec<_>>();
    victims.iter_mut().for_each(|victim| victim.kill().unwrap());
    victims.iter_mut().for_each(|victim| assert!(!victim.wait().unwrap().success()));
    probes.iter().for_each(Probe::wait_closed);
    server.assert_unharmed("all stages at once");
    server.finish();
}

/// Starts a client with `file` as its standard input, and waits until it is at `stage`.
fn victim(server: &Subject, stage: &str, file: OwnedFd) -> Child {
    let mut command = rerun("killed::the_victim", "");
    command.env(SOCKET, server.scratch.path("s")).env(STAGE, stage);
    let mut child = command.stdin(Stdio::from(file)).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().ends_with("at its stage")), "{stage}");
    child
}

/// Not a test: the client that is killed.
#[test]
fn the_victim() {
    let (Some(path), Ok(stage)) = (env::var_os(SOCKET), env::var(STAGE)) else { return };
    let (socket, mut stdin) = (Socket::connect(path.as_os_str()).unwrap(), io::stdin());
    let file = || [stdin.as_fd()];
    let wait_for_bytes = |count: usize| {
        (0..count).for_each(|_| assert_eq!(socket.receive(&mut [0], 0).unwrap().0, 1));
    };
    match STAGES.iter().position(|known| *known == stage) {
        Some(0) => {}
        Some(1) => send(&socket, &CALL[..20], &file()),
        Some(2) => {
            send(&socket, LINGER, &[]);
            send(&socket, CALL, &file());
        }
        Some(3) => send(&socket, LINGER, &file()),
        Some(4) => {
            let client = Client::new(Socket::connect(path.as_os_str()).unwrap());
            thread::spawn(move || client.call::<()>("Peer.Linger", &()));
        }
        // The first byte comes without the file, which stays in the queue with the rest.
        Some(5) => {
            send(&socket, br#"{"method":"Peer.Echo","arg":7}"#, &[]);
            wait_for_bytes(1);
            send(&socket, CALL, &file());
        }
        Some(6) => {
            send(&socket, BIG, &file());
            wait_for_bytes(1000);
        }
        Some(7) => {
            send(&socket, LINGER, &file());
            socket.shutdown_send().unwrap();
        }
        _ => panic!("{stage}"),
    }
    println!("at its stage");
    io::stdout().flush().unwrap();
    // Blocks until the process is killed: nothing ever comes.
    let _ = stdin.read(&mut [0]);
}

#[test]
fn a_server_that_is_killed_while_a_method_runs_finishes_its_clients() {
    let server = Setup::default().start("server-killed");
    let (client, raw) = (server.client(), server.socket());
    send(&raw, br#"{"method":"Peer.Linger"#, &[]);
    let call = thread::spawn(move || (client.call::<()>("Peer.Linger", &()), client));
    // First it answers another client. Then the server dies with three clients.
    server.client().call::<i64>("Peer.Echo", &1).unwrap();
    server.signal("KILL");
    let (outcome, client) = within_timeout(move || call.join().unwrap());
    assert!(matches!(outcome, Err(Error::Disconnected { .. })), "{outcome:?}");
    assert!(matches!(client.call::<()>("Peer.Echo", &()), Err(Error::Finished(_))));
    assert_eq!(read_to_end(&raw).0, b"");
    assert!(!server.end().status.success());
}
