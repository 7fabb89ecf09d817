//! Files whose close blocks for a minute: nobody waits for it but the thread that closes.

mod support;

#[path = "support/lingering.rs"]
mod lingering;
#[path = "support/mute_files.rs"]
mod mute_files;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use lingering::{FarEnd, Lingering};
use mute_files::MuteFiles;
use support::{
    Gate, Probe, Scratch, connect, is_alone, read_message, read_to_end, run_alone, send, success,
};
use urpc::{Client, Error, Event, Files, Limits, Listener, Server, ServerBuilder, Service, Socket};

/// How long on a busy machine what takes a moment may take. A close that is waited for takes 60 s.
const SOON: Duration = Duration::from_secs(5);

const COUNT: &[u8] = br#"{"method":"Peer.Count","arg":{}}"#;

/// What `act` gives, and it must give it soon.
#[track_caller]
fn soon<T: Send + 'static>(act: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, result) = mpsc::channel();
    thread::spawn(move || done.send(act()));
    result.recv_timeout(SOON).expect("it waits for a close, or it panicked")
}

fn peer(limits: Limits) -> Server {
    peer_of(Server::builder().limits(limits))
}

fn peer_of(builder: ServerBuilder) -> Server {
    let server = builder.build();
    server.register(
        Service::new("Peer", ())
            .method("Count", |_: &(), files: Files| Ok::<_, String>(files.len()))
            .method("Wait", wait_at_door),
    );
    server
}

fn with_clients(clients: usize) -> Limits {
    Limits { clients, ..Limits::default() }
}

/// A server behind a listener.
struct Host {
    server: Server,
    scratch: Scratch,
    serving: Option<thread::JoinHandle<()>>,
}

impl Host {
    fn start(limits: Limits) -> Host {
        Host::of(peer(limits))
    }

    fn of(server: Server) -> Host {
        let scratch = Scratch::new("closes");
        let listener = Listener::bind(scratch.path("s")).unwrap();
        let serves = server.clone();
        let serving = Some(thread::spawn(move || serves.serve(&listener).unwrap()));
        Host { server, scratch, serving }
    }

    fn connect(&self) -> Socket {
        Socket::connect(self.scratch.path("s")).unwrap()
    }

    /// A new client is served soon.
    #[track_caller]
    fn serves(&self) {
        let path = self.scratch.path("s");
        soon(move || {
            let client = Client::connect(path).unwrap();
            assert_eq!(client.call::<usize>("Peer.Count", &Files::new()).unwrap(), 0);
        });
    }

    /// Both stops return soon.
    #[track_caller]
    fn stops(mut self) {
        let server = self.server.clone();
        soon(move || server.stop(Duration::ZERO));
        let server = self.server.clone();
        let hour = Duration::from_secs(3600);
        assert_eq!(soon(move || server.stop_within(hour, hour)), 0, "no method runs");
        let serving = self.serving.take().unwrap();
        soon(move || serving.join().unwrap());
    }
}

/// How a hostile client makes the server close a file. Its own copy is closed before that.
type Attack = fn(Socket, OwnedFd);

/// It stands unread in the queue when the server closes the connection.
fn in_the_queue(socket: Socket, file: OwnedFd) {
    send(&socket, "{}".repeat(20_000).as_bytes(), &[]);
    let null = File::open("/dev/null").unwrap();
    send(&socket, b" ", &[null.as_fd()]);
    send(&socket, b" ", &[file.as_fd()]);
}

/// It comes with a call.
fn beside_a_call(socket: Socket, file: OwnedFd) {
    call_with(&socket, file);
}

fn call_with(socket: &Socket, file: OwnedFd) {
    let (begin, end) = COUNT.split_at(1);
    send(socket, begin, &[file.as_fd()]);
    drop(file);
    send(socket, end, &[]);
    assert_eq!(read_message(socket).0, success("1"));
}

/// Sends white space with `files` while the server is busy with a call, and ends that when the
/// files here are closed.
fn behind_a_call(socket: &Socket, files: &[BorrowedFd<'_>], file: OwnedFd) {
    static KEYS: AtomicUsize = AtomicUsize::new(0);
    let key = KEYS.fetch_add(1, Ordering::Relaxed);
    let gate = Gate::new();
    DOORS.lock().unwrap().insert(key, gate.clone());
    send(socket, format!(r#"{{"method":"Peer.Wait","arg":{key}}}"#).as_bytes(), &[]);
    gate.wait_for(1);
    let mut files = files.to_vec();
    files.push(file.as_fd());
    send(socket, b" ", &files);
    drop(files);
    drop(file);
    gate.open();
    assert_eq!(read_message(socket).0, success("null"));
}

/// The doors that calls of `Peer.Wait` stand at.
static DOORS: Mutex<BTreeMap<usize, Gate>> = Mutex::new(BTreeMap::new());

fn wait_at_door(_: &(), key: usize) -> Result<(), String> {
    let gate = DOORS.lock().unwrap()[&key].clone();
    gate.pass();
    Ok(())
}

/// There is no room for it, so the kernel closes it within the server's recvmsg(2).
fn without_room(socket: Socket, file: OwnedFd) {
    let null = File::open("/dev/null").unwrap();
    behind_a_call(&socket, &vec![null.as_fd(); support::MOST_FILES - 1], file);
}

/// It is one too many, on white space.
fn beyond_the_limit(socket: Socket, file: OwnedFd) {
    let null = File::open("/dev/null").unwrap();
    behind_a_call(&socket, &[null.as_fd(); 32], file);
}

/// Makes the attack and ends its connection; the server's close of the file blocks then.
fn strike(attack: Attack, socket: Socket, lingering: &Lingering) -> FarEnd {
    let (file, far) = lingering.file();
    attack(socket, file);
    far.wait_for_close();
    far
}

/// A server with room for one client and the attacker's, one with room for only one: both go on.
#[track_caller]
fn assert_harmless(attack: Attack) {
    let Some(lingering) = Lingering::new() else { return };
    let host = Host::start(Limits::default());
    let other = Client::new(host.connect());
    let _far = strike(attack, host.connect(), &lingering);
    host.serves();
    assert_eq!(other.call::<usize>("Peer.Count", &Files::new()).unwrap(), 0);
    host.stops();
    let host = Host::start(with_clients(1));
    let _far = strike(attack, host.connect(), &lingering);
    host.serves();
    host.serves();
    host.stops();
}

#[test]
fn a_file_in_the_queue_of_a_closed_connection_holds_up_nobody() {
    assert_harmless(in_the_queue);
}

#[test]
fn a_file_beside_a_call_holds_up_nobody() {
    assert_harmless(beside_a_call);
}

#[test]
fn a_file_that_the_kernel_closes_for_want_of_room_holds_up_nobody() {
    assert_harmless(without_room);
}

#[test]
fn a_file_beyond_the_limit_holds_up_nobody() {
    assert_harmless(beyond_the_limit);
}

#[test]
fn a_client_that_stays_sees_the_end_when_a_stop_comes_while_its_file_is_closed() {
    let Some(lingering) = Lingering::new() else { return };
    let server = peer(Limits::default());
    let socket = connect(&server);
    let (file, far) = lingering.file();
    call_with(&socket, file);
    far.wait_for_close();
    let stops = server.clone();
    soon(move || stops.stop(Duration::ZERO));
    assert_eq!(soon(move || read_to_end(&socket).0), b"");
    soon(move || drop(server));
}

#[test]
fn a_stop_that_gives_clients_time_does_not_give_it_to_those_that_are_gone() {
    let Some(lingering) = Lingering::new() else { return };
    let server = peer(Limits::default());
    let _far = strike(beside_a_call, connect(&server), &lingering);
    soon(move || server.stop(Duration::from_secs(3600)));
}

#[test]
fn beyond_so_many_closes_that_block_a_client_that_is_gone_keeps_its_place() {
    let Some(lingering) = Lingering::new() else { return };
    let server = peer(Limits { stuck_closes: 2, ..with_clients(1) });
    let strike_once = || strike(beside_a_call, connect(&server), &lingering);
    let mut far_ends: Vec<FarEnd> = (0..3).map(|_| strike_once()).collect();
    let (_ours, theirs) = Socket::pair().unwrap();
    let error = server.start_handling(theirs).unwrap_err();
    assert!(matches!(error, Error::TooManyClients { limit: 1 }), "{error:?}");
    // One close ends, and there is a place.
    drop(far_ends.remove(0));
    let client = soon(move || {
        let (ours, theirs) = loop {
            let (ours, theirs) = Socket::pair().unwrap();
            if server.start_handling(theirs).is_ok() {
                break (ours, server);
            }
        };
        (Client::new(ours), theirs)
    });
    assert_eq!(client.0.call::<usize>("Peer.Count", &Files::new()).unwrap(), 0);
}

#[test]
fn serving_on_ones_own_thread_ends_although_a_file_is_in_the_queue() {
    let Some(lingering) = Lingering::new() else { return };
    let server = peer(Limits::default());
    let (ours, theirs) = Socket::pair().unwrap();
    let (file, far) = lingering.file();
    in_the_queue(ours, file);
    soon(move || server.handle(theirs).unwrap_err());
    far.wait_for_close();
}

#[test]
fn refusing_a_connection_with_a_file_in_its_queue_takes_no_time() {
    let Some(lingering) = Lingering::new() else { return };
    let stopped = peer(Limits::default());
    stopped.stop(Duration::ZERO);
    let refuses_all = Server::builder().authorize(|_| false).build();
    let no_thread = peer(Limits { stack_bytes: usize::MAX / 8, ..Limits::default() });
    let no_user = peer(Limits { clients_per_user: Some(0), ..Limits::default() });
    for server in [stopped, refuses_all, no_thread, no_user, peer(with_clients(0))] {
        let (ours, theirs) = Socket::pair().unwrap();
        let (file, far) = lingering.file();
        in_the_queue(ours, file);
        soon(move || {
            let _ = server.start_handling(theirs);
            server.stop(Duration::ZERO);
        });
        far.wait_for_close();
    }
}

#[test]
fn dropping_a_listener_does_not_wait_for_files_in_its_backlog() {
    let Some(lingering) = Lingering::new() else { return };
    let scratch = Scratch::new("backlog");
    let listener = Listener::bind(scratch.path("s")).unwrap();
    let socket = Socket::connect(scratch.path("s")).unwrap();
    let (file, far) = lingering.file();
    send(&socket, b" ", &[file.as_fd()]);
    drop(file);
    soon(move || drop(listener));
    far.wait_for_close();
}

/// A client, and the server's end of its connection.
fn client_with(limits: Limits) -> (Client, Socket) {
    let (ours, theirs) = Socket::pair().unwrap();
    (Client::builder().limits(limits).build(ours), theirs)
}

/// What a call with a limit of time gives where `reply` comes with `count` files, the last of which
/// lingers.
#[track_caller]
fn reply_with(reply: &str, count: usize, lingering: &Lingering) -> Result<usize, Error> {
    let call_time = Some(Duration::from_millis(500));
    let (client, theirs) = client_with(Limits { call_time, ..Limits::for_client() });
    let null = File::open("/dev/null").unwrap();
    let (file, far) = lingering.file();
    let mut files = vec![null.as_fd(); count];
    files[count - 1] = file.as_fd();
    send(&theirs, reply.as_bytes(), &files);
    drop(files);
    drop(file);
    let result = soon(move || client.call::<usize>("Peer.Any", &()));
    far.wait_for_close();
    result
}

#[test]
fn a_call_does_not_wait_for_files_of_its_reply_that_nobody_takes() {
    let Some(lingering) = Lingering::new() else { return };
    assert_eq!(reply_with(&success("7"), 1, &lingering).unwrap(), 7);
    let remote = reply_with(&support::failure("no"), 2, &lingering);
    assert!(matches!(remote, Err(Error::Remote(_))), "{remote:?}");
    let type_error = reply_with(&success("[]"), 1, &lingering);
    assert!(matches!(type_error, Err(Error::Result(_))), "{type_error:?}");
    let malformed = reply_with("[]", 1, &lingering);
    assert!(matches!(malformed, Err(Error::Malformed(_))), "{malformed:?}");
    let syntax = reply_with("]", 1, &lingering);
    assert!(matches!(syntax, Err(Error::Malformed(_))), "{syntax:?}");
    let late = reply_with("{", 1, &lingering);
    assert!(matches!(late, Err(Error::TimedOut { .. })), "{late:?}");
    // Refused, and the last one would not be delivered if there were room for 32 only.
    for count in [33, support::MOST_FILES] {
        let refused = reply_with(&success("7"), count, &lingering);
        assert!(matches!(refused, Err(Error::TooManyFiles { .. })), "{refused:?}");
    }
}

#[test]
fn a_call_does_not_wait_for_files_of_an_earlier_reply_in_the_same_value() {
    let Some(lingering) = Lingering::new() else { return };
    let (client, theirs) = client_with(Limits::for_client());
    let (file, far) = lingering.file();
    let mut files = Files::from(file);
    send(&theirs, success("{}").as_bytes(), &[]);
    soon(move || client.call_into("Peer.Any", &(), &mut files).unwrap());
    far.wait_for_close();
}

#[test]
fn ending_a_client_does_not_wait_for_files_in_its_queue() {
    let Some(lingering) = Lingering::new() else { return };
    let ends: [fn(Client); 2] = [drop, |client| client.close()];
    for end in ends {
        let (client, theirs) = client_with(Limits::for_client());
        let (file, far) = lingering.file();
        send(&theirs, b" ", &[file.as_fd()]);
        drop(file);
        soon(move || end(client));
        far.wait_for_close();
    }
}

#[test]
fn closes_that_do_not_block_have_happened_when_a_client_or_a_listener_is_dropped() {
    let (client, theirs) = client_with(Limits::for_client());
    let (file, probe) = Probe::new();
    send(&theirs, b" ", &[file.as_fd()]);
    drop((file, client));
    probe.wait_closed();
    assert_eq!(read_to_end(&theirs).0, b"");
    let name = format!("@urpc-closes-{}", std::process::id());
    let name: urpc::Address = name.parse().unwrap();
    drop(Listener::bind(name.clone()).unwrap());
    drop(Listener::bind(name).unwrap());
}

#[test]
fn an_accept_loop_accepts_nobody_while_as_many_closes_block_as_may() {
    const NAME: &str = "an_accept_loop_accepts_nobody_while_as_many_closes_block_as_may";
    if !is_alone() {
        return run_alone(NAME, "exec");
    }
    let Some(lingering) = Lingering::new() else { return };
    let (waits, waiting) = mpsc::channel();
    let host = Host::of(peer_of(Server::builder().observe(move |event| {
        if let Event::AcceptPaused { reason } = event {
            waits.send(reason.to_string()).unwrap();
        }
    })));
    let before = Client::new(host.connect());
    assert_eq!(before.call::<usize>("Peer.Count", &Files::new()).unwrap(), 0);
    let mut far_ends: Vec<FarEnd> = (0..64)
        .map(|_| {
            let (client, theirs) = client_with(Limits::for_client());
            let (file, far) = lingering.file();
            send(&theirs, b" ", &[file.as_fd()]);
            drop(file);
            soon(move || drop(client));
            far.wait_for_close();
            far
        })
        .collect();
    let late = host.connect();
    send(&late, COUNT, &[]);
    let reason = soon(move || waiting.recv().unwrap());
    assert_eq!(reason, "too many closes of files block");
    // Who was there before is served all the while.
    assert_eq!(before.call::<usize>("Peer.Count", &Files::new()).unwrap(), 0);
    far_ends.pop();
    assert_eq!(soon(move || read_message(&late).0), success("0"));
    host.stops();
}

#[test]
fn a_signal_ends_the_command_at_once_while_a_close_blocks() {
    const NAME: &str = "a_signal_ends_the_command_at_once_while_a_close_blocks";
    if !is_alone() {
        return run_alone(NAME, "exec");
    }
    let Some(lingering) = Lingering::new() else { return };
    let scratch = Scratch::new("closes-serve");
    let path = scratch.path("s");
    for (attack, options) in [(in_the_queue as Attack, ""), (beside_a_call, "--once")] {
        let mut serve = Command::new(env!("CARGO_BIN_EXE_urpc"));
        serve.arg("serve").arg(&path).args(["--method", "Peer.Count=echo 1"]);
        serve.args(options.split_whitespace()).stderr(Stdio::piped());
        let mut serve = Started(serve.spawn().unwrap());
        let mut said = BufReader::new(serve.0.stderr.take().unwrap());
        said.read_line(&mut String::new()).unwrap();
        let _far = strike(attack, Socket::connect(&*path).unwrap(), &lingering);
        let kill = format!("kill -TERM {}", serve.0.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
        assert_ends(serve);
    }
}

/// Waits for a process that must end soon, and well.
#[track_caller]
fn assert_ends(mut process: Started) {
    let deadline = Instant::now() + SOON;
    let status = loop {
        if let Some(status) = process.0.try_wait().unwrap() {
            break status;
        }
        assert!(Instant::now() < deadline, "it waits for a close");
        thread::yield_now();
    };
    assert!(status.success(), "{status:?}");
}

#[test]
fn a_call_of_the_command_ends_although_its_reply_carries_such_a_file() {
    const NAME: &str = "a_call_of_the_command_ends_although_its_reply_carries_such_a_file";
    if !is_alone() {
        return run_alone(NAME, "exec");
    }
    let Some(lingering) = Lingering::new() else { return };
    let scratch = Scratch::new("closes-call");
    let listener = UnixListener::bind(scratch.path("s")).unwrap();
    let mut call = Command::new(env!("CARGO_BIN_EXE_urpc"));
    call.args(["call", "--timeout", "100"]).arg(scratch.path("s")).arg("Peer.Any");
    let call = Started(call.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    let (stream, _) = soon(move || listener.accept().unwrap());
    let socket = Socket::from(stream);
    read_message(&socket);
    let (file, _far) = lingering.file();
    let reply = success("7");
    send(&socket, &reply.as_bytes()[..1], &[file.as_fd()]);
    drop(file);
    send(&socket, &reply.as_bytes()[1..], &[]);
    assert_ends(call);
}

/// A process that does not outlive its test.
struct Started(Child);

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.0.kill().and_then(|()| self.0.wait());
    }
}

#[test]
fn files_on_a_file_system_that_answers_no_flush_hold_up_nobody() {
    const NAME: &str = "files_on_a_file_system_that_answers_no_flush_hold_up_nobody";
    if !is_alone() {
        return run_alone(NAME, "exec");
    }
    let Some(mut files) = MuteFiles::mount() else { return };
    // Closing it blocks here as well, so it stays open to the end of the process.
    let file = ManuallyDrop::new(files.file());
    let host = Host::start(with_clients(1));
    let socket = host.connect();
    send(&socket, COUNT, &[file.as_fd()]);
    assert_eq!(read_message(&socket).0, success("1"));
    files.wait_for_flush();
    drop(socket);
    host.serves();
    let socket = host.connect();
    send(&socket, b" ", &[file.as_fd(); 33]);
    files.wait_for_flush();
    drop(socket);
    host.serves();

    let call_time = Some(Duration::from_millis(500));
    let (client, theirs) = client_with(Limits { call_time, ..Limits::for_client() });
    send(&theirs, success("7").as_bytes(), &[file.as_fd()]);
    assert_eq!(soon(move || client.call::<usize>("Peer.Any", &())).unwrap(), 7);
    files.wait_for_flush();
    host.stops();
    drop(files);
}

/// Not a test of its own: the daemon of the one above.
#[test]
fn the_daemon_of_a_file_system() {
    mute_files::run_daemon();
}
