//! `--timeout` and `--wait`: every wait for a peer has an end.

use std::fs::File;
use std::os::fd::AsFd;
use std::process::Stdio;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use urpc::json::RawJson;
use urpc::{Files, Listener, Service, Socket, process};

use crate::run::{Ran, Running, Served, command, names_in, urpc};
use crate::support::{Scratch, TIMEOUT, fill_queue, read_to_end, send};

/// Calls with a limit of 200 ms, which must end the call. Returns its standard error.
#[track_caller]
fn late(arguments: &[&str]) -> Ran {
    let began = Instant::now();
    let mut call = command(&["call", "--timeout", "200ms"]);
    let ran = Ran::from(call.args(arguments).output().unwrap());
    assert_eq!(ran.status, 3, "{}", ran.err);
    assert!(began.elapsed() >= Duration::from_millis(200) && began.elapsed() < TIMEOUT);
    ran
}

const OVER: &str = "urpc call: timed out after 200ms (raise --timeout to wait longer)\n";

/// Accepts one client and runs `act` with it until the client ends.
fn peer(name: &str, act: impl FnOnce(Socket) + Send + 'static) -> (Scratch, String) {
    let scratch = Scratch::new(name);
    let path = scratch.path("s").into_os_string().into_string().unwrap();
    let listener = Listener::bind(&path).unwrap();
    thread::spawn(move || {
        let waits = [listener.as_fd()];
        process::wait_readable(&waits, Some(TIMEOUT)).unwrap();
        act(listener.accept().unwrap());
    });
    (scratch, path)
}

/// A server that returns a file of the test's and keeps the files that came with the call.
fn giving(name: &str, file: Option<File>) -> Served {
    let (file, kept) = (Mutex::new(file), Mutex::new(Vec::new()));
    let service = Service::new("Host", ()).raw_method("Give", move |(), _, mut files, _| {
        kept.lock().unwrap().extend(files.release_all());
        let file = file.lock().unwrap().take();
        Ok::<_, String>((RawJson::new(*b"1"), file.into_iter().collect::<Files>()))
    });
    Served::new(name, service)
}

#[test]
fn a_full_queue_ends_with_the_timeout_with_and_without_waiting() {
    let scratch = Scratch::new("time-queue");
    let path = scratch.path("s").into_os_string().into_string().unwrap();
    let _busy = Listener::bind(&path).unwrap();
    fill_queue(path.as_ref());
    for wait in ["--wait", "--wait=10m", "--raw"] {
        let said = late(&[wait, &path, "A.B"]).err;
        assert!(said.contains("no server accepted within 200ms (raise --timeout"), "{said}");
        assert!(said.contains(&path), "{said}");
    }
    for options in [&["--wait=50ms"][..], &["--wait=50ms", "--timeout=10m"]] {
        let said = urpc(&[&["call", &path, "A.B"], options].concat()).failure(3);
        assert!(said.contains("no server accepted within 50ms (raise --wait to"), "{said}");
    }
    let bench = urpc(&["bench", "--timeout", "50ms", &path, "A.B"]).failure(3);
    assert!(bench.contains("no server accepted within 50ms"), "{bench}");
}

#[test]
fn a_server_that_never_answers_or_that_sends_a_byte_at_a_time_ends_with_the_timeout() {
    let (_scratch, path) = peer("time-silent", |socket| drop(read_to_end(&socket)));
    assert_eq!(late(&[&path, "A.B"]).err, OVER);
    let (_scratch, path) = peer("time-trickle", |socket| {
        let (silent, _kept) = process::pipe().unwrap();
        send(&socket, br#"{"success":true,"err":""#, &[]);
        let pause = || process::wait_readable(&[silent.as_fd()], Some(Duration::from_millis(1)));
        while pause().is_ok() && socket.send(b"x", &[]).is_ok() {}
    });
    assert_eq!(late(&[&path, "A.B"]).err, OVER);
}

#[test]
fn a_saved_file_without_an_end_ends_with_the_timeout_and_nothing_is_left() {
    let scratch = Scratch::new("time-save");
    let directory = scratch.path("out");
    let save = ["--save", directory.to_str().unwrap()];
    let (reader, _writer) = process::pipe().unwrap();
    let (stream, _far) = Socket::pair().unwrap();
    for file in [reader, File::from(stream.into_fd())] {
        let host = giving("time-save", Some(file));
        let ran = late(&[&host.path, "Host.Give", save[0], save[1]]);
        // The result arrived, so it is printed.
        assert_eq!((&*ran.out, &*ran.err), ("1\n", OVER));
        assert!(names_in(&directory).is_empty());
    }
}

#[test]
fn pipes_that_the_far_side_neither_reads_nor_closes_end_with_the_timeout() {
    for pipe in ["--pipe-in", "--pipe-out", "--pipe-err"] {
        let host = giving("time-pipe", None);
        let mut call = command(&["call", "--timeout=200ms", pipe, &host.path, "Host.Give"]);
        // More than a pipe holds: the copying thread itself blocks.
        call.stdin(Stdio::from(File::open("/dev/zero").unwrap()));
        let ran = Ran::from(call.output().unwrap());
        assert_eq!((ran.status, &*ran.out, &*ran.err), (3, "", OVER), "{pipe}");
    }
}

#[test]
fn what_is_done_in_time_is_not_disturbed_by_a_limit() {
    let scratch = Scratch::new("time-done");
    let directory = scratch.path("out");
    let (reader, mut writer) = process::pipe().unwrap();
    std::io::Write::write_all(&mut writer, b"whole").unwrap();
    drop(writer);
    let host = giving("time-done", Some(reader));
    let save = ["--save", directory.to_str().unwrap(), "--timeout=2m", "--wait"];
    let ran = urpc(&[&["call", "-r", &host.path, "Host.Give"][..], &save].concat());
    assert_eq!((ran.status, &*ran.out), (0, "1"), "{}", ran.err);
    assert_eq!(std::fs::read_to_string(directory.join("0")).unwrap(), "whole");
}

#[test]
fn wait_waits_for_a_server_and_says_what_for_if_none_comes() {
    let scratch = Scratch::new("time-wait");
    let path = scratch.path("s").into_os_string().into_string().unwrap();
    for options in [&["--wait=30ms"][..], &["--wait", "--timeout", "30ms"]] {
        let call = [&["call"][..], options, &[&path, "A.B"]].concat();
        let said = urpc(&call).failure(3);
        let whole = said.contains("No such file") && said.contains("; waited 30ms for a server");
        assert!(whole && said.contains(&path), "{said}");
    }
    let to = path.clone();
    let call = thread::spawn(move || urpc(&["call", "--wait=2m", &to, "Host.Echo", "7"]));
    let _running = Running::start(&mut command(&["serve", &path, "--method=Host.Echo=cat"]));
    assert_eq!(call.join().unwrap().success(), "7\n");
}

#[test]
fn wait_waits_for_the_state_of_a_sandbox_too() {
    let host = giving("time-sandbox", None);
    let (scratch, root) = (Scratch::new("time-root"), Scratch::new("time-roots"));
    let root = root.path("later");
    let call = ["call", "runsc:box", "Host.Give", "--root", root.to_str().unwrap()];
    let said = urpc(&[&call[..], &["--wait=30ms"]].concat()).failure(3);
    assert!(said.contains("no state of 'box'") && said.contains("waited 30ms"), "{said}");
    let mut waiting = command(&[&call[..], &["--wait=2m"]].concat());
    let waiting = waiting.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let pod = format!(r#"{{"id":"pod","controlSocketPath":"{}"}}"#, host.path);
    let state = format!(r#"{{"id":"box","sandbox":{pod}}}"#);
    std::fs::write(scratch.path("box_sandbox:pod.state"), state).unwrap();
    std::os::unix::fs::symlink(scratch.path(""), &root).unwrap();
    assert_eq!(Ran::from(waiting.wait_with_output().unwrap()).success(), "1\n");
}

#[test]
fn a_call_of_bench_that_is_not_answered_ends_it() {
    let (_scratch, path) = peer("time-bench", |socket| drop(read_to_end(&socket)));
    let said = urpc(&["bench", "--timeout=50ms", "--seconds=600", &path, "A.B"]).failure(3);
    assert_eq!(said, "urpc bench: A.B: timed out after 50ms (raise --timeout to wait longer)\n");
}

#[test]
fn trace_ends_a_connection_whose_call_is_not_answered_and_goes_on() {
    let scratch = Scratch::new("time-trace");
    let path = |name| scratch.path(name).into_os_string().into_string().unwrap();
    let (silent, traced) = (path("silent"), path("traced"));
    let listener = Listener::bind(&silent).unwrap();
    let mut trace = command(&["trace", "--timeout=50ms", "--listen", &traced, "--to", &silent]);
    let mut running = Running::start(trace.stdout(Stdio::null()));
    let connect = || {
        let client = Socket::connect(&traced).unwrap();
        process::wait_readable(&[listener.as_fd()], Some(TIMEOUT)).unwrap();
        (client, listener.accept().unwrap())
    };
    for number in 1..=2 {
        let (client, server) = connect();
        let call = br#"{"method":"A.B","arg":1}"#;
        send(&client, call, &[]);
        assert_eq!(read_to_end(&client).0, b"");
        assert_eq!(read_to_end(&server).0, call);
        let said = running.line();
        assert!(said.contains(&format!("#{number}: no reply within 50ms")), "{said}");
    }
    // More than the queues hold, so the server never has all of the call.
    let (client, _server) = connect();
    let sent = client.send(&vec![b' '; 8 << 20], &[]);
    assert!(sent.map_or(true, |sent| sent < 8 << 20), "the trace has not ended the connection");
    let said = running.line();
    assert!(said.contains("#3: the server has read nothing within 50ms"), "{said}");
    running.signal("TERM");
    assert_eq!(running.wait(), (0, String::new()));
}
