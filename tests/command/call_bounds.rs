//! `urpc call`: arguments without end, calls that a server refuses for their size, and what is
//! checked before anything is called.

use std::fs;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use urpc::json::RawJson;
use urpc::{Files, Service, process};

use crate::host::Host;
use crate::run::{Ran, Served, command, names_in, silent_input, urpc};
use crate::support::{Scratch, signal, within_timeout};

const OVER: &str = "urpc call: timed out after 50ms (raise --timeout to wait longer)\n";

#[test]
fn an_argument_without_end_is_refused_at_the_limit() {
    let error = urpc(&["call", "/no/such.sock", "A.B", "@/dev/zero"]).failure(2);
    let said = "'/dev/zero': more than 17825792 bytes, too much for ARG (raise --max-message)";
    assert_eq!(error, format!("urpc call: {said}\n"));
    let more = ["call", "/no/such.sock", "A.B", "@/dev/zero", "--max-message", "18M"];
    assert!(urpc(&more).failure(2).contains("more than 18874368 bytes"));
    let bench = urpc(&["bench", "/no/such.sock", "A.B", "@/dev/zero"]).failure(2);
    assert!(bench.contains("more than 17825792 bytes"), "{bench}");
}

#[test]
fn the_timeout_includes_the_wait_for_an_argument() {
    let scratch = Scratch::new("bounds-fifo");
    let fifo = scratch.path("fifo").display().to_string();
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    // The second has no writer, so that opening it does not end.
    for arg in ["-", &format!("@{fifo}")] {
        let (silent, _kept) = silent_input();
        let mut call = command(&["call", "--timeout=50ms", "/no/such.sock", "A.B", arg]);
        assert_eq!(Ran::from(call.stdin(silent).output().unwrap()).failure(3), OVER, "{arg}");
    }
    let batch = ["call", "--timeout=50ms", "/no/such.sock", "--batch", &fifo];
    assert_eq!(urpc(&batch).failure(3), OVER);
}

#[test]
fn a_call_above_the_servers_limit_is_answered_with_that() {
    let host = Host::start("bounds-large", &["--method=Host.Echo=cat", "--max-message=4M"]);
    let arg = host.scratch.path("tmp").join("arg");
    fs::write(&arg, format!("\"{}\"", "x".repeat(12 << 20))).unwrap();
    let arg = format!("@{}", arg.display());
    let error = urpc(&["call", &host.path, "Host.Echo", &arg]).failure(1);
    assert!(error.contains("remote error: message too large: the limit is 4194304"), "{error}");
}

#[test]
fn a_peer_that_reads_no_more_of_a_large_call_most_likely_has_a_limit() {
    let scratch = Scratch::new("bounds-cut");
    let path = scratch.path("s").display().to_string();
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let peer = std::thread::spawn(move || {
        let mut peer = listener.accept().unwrap().0;
        std::io::Read::read_exact(&mut peer, &mut [0; 100]).unwrap();
    });
    let arg = scratch.path("arg").display().to_string();
    fs::write(&arg, format!("\"{}\"", "x".repeat(4 << 20))).unwrap();
    let error = urpc(&["call", &path, "A.B", &format!("@{arg}")]).failure(3);
    peer.join().unwrap();
    assert!(error.contains("an argument of 4194306 bytes is over the server's limit"), "{error}");
}

#[test]
fn only_above_one_mib_the_size_of_an_argument_is_named_as_a_reason() {
    let scratch = Scratch::new("bounds-mib");
    let (path, arg) = (scratch.path("s"), scratch.path("arg"));
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    for size in [1 << 20, (1 << 20) + 1] {
        fs::write(&arg, format!("\"{}\"", "x".repeat(size - 2))).unwrap();
        let arg = format!("@{}", arg.display());
        let call = command(&["call", path.to_str().unwrap(), "A.B", &arg]);
        let call = { call }.stderr(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        drop(listener.accept().unwrap());
        let error = Ran::from(call.wait_with_output().unwrap()).failure(3);
        assert_eq!(error.contains("perhaps a call with an argument of"), size > 1 << 20, "{error}");
    }
}

/// A server whose method returns a silent pipe and counts its runs.
fn silent(name: &str) -> (Served, Arc<AtomicUsize>, fs::File) {
    let (silent, writer) = process::pipe().unwrap();
    let runs = Arc::new(AtomicUsize::new(0));
    let count = runs.clone();
    let service = Service::new("Host", ()).raw_method("Give", move |(), _, _, _| {
        count.fetch_add(1, Ordering::Relaxed);
        let file = silent.try_clone().map_err(|error| error.to_string())?;
        Ok::<_, String>((RawJson::new(*b"1"), Files::from(file)))
    });
    (Served::new(name, service), runs, writer)
}

#[test]
fn a_place_where_nothing_can_be_saved_is_refused_before_the_call() {
    let (host, runs, _writer) = silent("bounds-place");
    let scratch = Scratch::new("bounds-place-out");
    let file = scratch.path("in.txt").display().to_string();
    fs::write(&file, "").unwrap();
    for (place, said) in [
        (&*file, "it is a regular file, not a directory; nothing was called"),
        (&format!("{file}/below"), "Not a directory (os error 20); nothing was called"),
        ("/dev/null", "it is not a directory; nothing was called"),
        ("", "--save takes a directory, not ''"),
    ] {
        let error = urpc(&["call", &host.path, "Host.Give", "--save", place]).failure(2);
        assert!(error.contains("--save ") && error.contains(said), "{error}");
    }
    assert_eq!(runs.load(Ordering::Relaxed), 0);
}

#[test]
fn a_signal_leaves_no_half_of_a_file() {
    let (host, _runs, _writer) = silent("bounds-signal");
    for (name, status) in [("INT", 130), ("TERM", 143)] {
        let scratch = Scratch::new("bounds-signal-out");
        let directory = scratch.path("out");
        let mut call = command(&["call", "-q", &host.path, "Host.Give", "--save"]);
        let mut call = call.arg(&directory).stderr(Stdio::piped()).spawn().unwrap();
        while !directory.join("0").exists() {
            std::thread::yield_now();
        }
        signal(call.id(), name);
        let ended = within_timeout(move || call.wait().unwrap());
        assert_eq!(ended.code(), Some(status));
        assert!(names_in(&directory).is_empty());
    }
}
