//! The example `event_loop`: a server in one thread, which waits only in poll(2). The tests call it
//! with the library's client and with raw peers.

#[path = "../examples/event_loop.rs"]
#[allow(dead_code)] // its `main`
mod example;

use std::fs::File;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::thread::{self, JoinHandle};

use crate::support::{
    Probe, Scratch, available, failure, identity, read_message, read_to_end, send, success,
    within_timeout,
};
use urpc::json::RawJson;
use urpc::{Client, Error, Files, Listener, Socket, process};

/// The server, in a thread.
struct Served {
    path: PathBuf,
    stop: Option<File>,
    thread: Option<JoinHandle<std::io::Result<()>>>,
    _scratch: Scratch,
}

impl Served {
    fn start(name: &str) -> Served {
        let scratch = Scratch::new(name);
        let path = scratch.path("s");
        let listener = Listener::bind(path.as_path()).unwrap();
        let (ended, stop) = process::pipe().unwrap();
        let thread = thread::spawn(move || example::serve(&listener, ended.as_fd()));
        Served { path, stop: Some(stop), thread: Some(thread), _scratch: scratch }
    }

    fn client(&self) -> Client {
        Client::connect(self.path.as_path()).unwrap()
    }

    fn connect(&self) -> Socket {
        Socket::connect(self.path.as_path()).unwrap()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        drop(self.stop.take());
        let ended = self.thread.take().map(|thread| within_timeout(move || thread.join()));
        if !thread::panicking() {
            ended.unwrap().unwrap().unwrap();
        }
    }
}

fn echo(client: &Client, arg: &str, files: &[&File]) -> (String, Vec<(u64, u64)>) {
    let files: Vec<_> = files.iter().map(AsFd::as_fd).collect();
    let (result, came) = client.call_raw("Loop.Echo", arg.as_bytes(), &files).unwrap();
    (String::from_utf8(result.into_bytes()).unwrap(), came.iter().map(identity).collect())
}

#[test]
fn clients_get_their_own_bytes_and_files_back_in_turn_and_at_once() {
    let served = Served::start("loop-clients");
    let files = ["/dev/null", "/dev/zero"].map(|path| File::open(path).unwrap());
    let threads: Vec<_> = (0..8)
        .map(|number| {
            let client = served.client();
            let files = files.each_ref().map(|file| file.try_clone().unwrap());
            thread::spawn(move || {
                for call in 0..50 {
                    let file = &files[(number + call) % 2];
                    let arg = format!("[{number},{call}]");
                    assert_eq!(echo(&client, &arg, &[file]), (arg, vec![identity(file)]));
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| within_timeout(move || thread.join().unwrap()));
}

#[test]
fn a_message_of_many_receives_and_a_reply_of_many_sends_keep_their_files() {
    let served = Served::start("loop-large");
    let (client, null) = (served.client(), File::open("/dev/null").unwrap());
    let arg = format!("\"{}\"", "x".repeat(4 << 20));
    for _ in 0..2 {
        assert!(echo(&client, &arg, &[&null, &null]) == (arg.clone(), vec![identity(&null); 2]));
    }
}

#[test]
fn errors_are_answered_and_the_connection_goes_on() {
    let served = Served::start("loop-errors");
    let (client, (file, probe)) = (served.client(), Probe::new());
    let remote = |outcome: Result<(RawJson, Files), Error>| match outcome.unwrap_err() {
        Error::Remote(error) => error.message().to_owned(),
        error => panic!("{error:?}"),
    };
    assert_eq!(remote(client.call_raw("Loop.Nope", b"1", &[file.as_fd()])), "unknown method");
    let socket = served.connect();
    send(&socket, br#"{"method":"Loop.Count"}"#, &[file.as_fd(); 33]);
    assert!(read_message(&socket).0.contains(r#""err":"too many files: 33"#));
    send(&socket, br#"{"method":"Loop.Echo"}"#, &[]);
    assert_eq!(read_message(&socket).0, failure("there is no argument"));
    send(&socket, br#"{"method":"Loop.Count"}"#, &[file.as_fd(); 32]);
    assert_eq!(read_message(&socket).0, success("32"));
    assert_eq!(echo(&client, "[1.50]", &[]).0, "[1.50]");
    drop(file);
    probe.wait_closed();
}

#[test]
fn calls_that_come_at_once_are_answered_one_after_another_each_with_its_files() {
    let served = Served::start("loop-pipelined");
    let (socket, null) = (served.connect(), File::open("/dev/null").unwrap());
    // More than the steps of one turn, in a single send, and then with files.
    let calls: String =
        (0..100).map(|n| format!("{{\"method\":\"Loop.Echo\",\"arg\":{n}}}\n")).collect();
    send(&socket, calls.as_bytes(), &[]);
    for n in 0..100 {
        assert_eq!(read_message(&socket).0, success(&n.to_string()));
    }
    for count in [0, 2, 0, 1, 3, 0] {
        send(&socket, br#"{"method":"Loop.Count","arg":null}"#, &vec![null.as_fd(); count]);
    }
    socket.shutdown_send().unwrap();
    let replies = String::from_utf8(read_to_end(&socket).0).unwrap();
    assert_eq!(replies, ["0", "2", "0", "1", "3", "0"].map(success).concat());
}

#[test]
fn a_client_that_is_silent_within_a_call_or_does_not_read_holds_nobody_up() {
    let served = Served::start("loop-slow");
    let (silent, deaf, (file, probe)) = (served.connect(), served.connect(), Probe::new());
    send(&silent, br#"{"method":"#, &[file.as_fd()]);
    let long = format!(r#"{{"method":"Loop.Echo","arg":"{}"}}"#, "x".repeat(1 << 20));
    // Its reply does not fit into the socket.
    send(&deaf, long.as_bytes(), &[file.as_fd()]);
    let client = served.client();
    for n in 0..20 {
        assert_eq!(echo(&client, &n.to_string(), &[]).0, n.to_string());
    }
    // The rest of the message is accepted once it is sent.
    send(&silent, br#""Loop.Count","arg":1}"#, &[]);
    assert_eq!(read_message(&silent).0, success("1"));
    deaf.shutdown_send().unwrap();
    let (bytes, files) = read_to_end(&deaf);
    assert_eq!((bytes.len(), files.len()), (success(&"x".repeat((1 << 20) + 2)).len(), 1));
    drop((file, files));
    probe.wait_closed();
}

#[test]
fn what_is_no_call_ends_that_connection_alone_and_its_files_are_closed() {
    let served = Served::start("loop-garbage");
    let (client, (file, probe)) = (served.client(), Probe::new());
    for text in ["{]", "[1]", r#"{"method":5}"#, r#"{"method":"Loop.Count""#] {
        let socket = served.connect();
        send(&socket, text.as_bytes(), &[file.as_fd()]);
        socket.shutdown_send().unwrap();
        assert_eq!(read_to_end(&socket).0, b"", "{text}");
        assert_eq!(echo(&client, "1", &[]).0, "1");
    }
    drop(file);
    probe.wait_closed();
}

#[test]
fn more_clients_than_it_takes_wait_until_one_has_left() {
    if !available::many_files() {
        return;
    }
    let served = Served::start("loop-full");
    let first = served.client();
    assert_eq!(echo(&first, "0", &[]).0, "0");
    let others: Vec<_> = (1..64).map(|_| served.connect()).collect();
    let waiting = served.client();
    let call = thread::spawn(move || echo(&waiting, "64", &[]).0);
    assert_eq!(echo(&first, "1", &[]).0, "1");
    drop(others);
    assert_eq!(within_timeout(move || call.join().unwrap()), "64");
}
