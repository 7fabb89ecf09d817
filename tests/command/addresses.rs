//! Addresses: inherited descriptors, abstract names, and sandboxes, which are found by the state
//! that runsc keeps.

use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::Stdio;

use urpc::json::RawJson;
use urpc::{Client, Files, Service};

use crate::run::{Ran, Running, Served, command, urpc};
use crate::support::{Scratch, available, fill_queue, within_timeout};

fn echo(name: &str) -> Served {
    let echo = |(): &(), arg: &[u8]| Ok::<_, String>((RawJson::new(arg), Files::new()));
    Served::new(name, Service::new("Host", ()).raw_method("Echo", move |u, arg, _, _| echo(u, arg)))
}

fn with_input(arguments: &[&str], input: impl Into<OwnedFd>) -> Ran {
    command(arguments).stdin(Stdio::from(input.into())).output().unwrap().into()
}

#[test]
fn an_inherited_descriptor_is_a_connection_to_call_on() {
    let host = echo("fd-call");
    let stream = UnixStream::connect(&host.path).unwrap();
    assert_eq!(with_input(&["call", "fd:0", "Host.Echo", "7"], stream).success(), "7\n");
}

#[test]
fn an_inherited_descriptor_is_a_socket_to_serve_and_to_trace_on_which_is_not_removed() {
    let (host, scratch) = (echo("fd-serve"), Scratch::new("fd-serve"));
    let to = ["trace", "--listen", "fd:0", "--to", &host.path];
    for words in [&["serve", "fd:0", "--method=Host.Echo=cat"][..], &to] {
        let path = scratch.path(words[0]);
        let listener = UnixListener::bind(&path).unwrap();
        let mut run = command(words);
        let running =
            Running::start(run.stdin(Stdio::from(OwnedFd::from(listener))).stdout(Stdio::null()));
        let client = Client::connect(path.as_path()).unwrap();
        assert_eq!(client.call::<i32>("Host.Echo", &7).unwrap(), 7);
        drop(client);
        running.signal("TERM");
        assert_eq!(running.wait(), (0, String::new()));
        assert!(path.exists());
    }
}

#[test]
fn where_somebody_shuts_the_socket_down_that_was_inherited_it_ends_and_says_so() {
    let (host, scratch) = (echo("fd-shut"), Scratch::new("fd-shut"));
    let to = ["trace", "--listen", "fd:0", "--to", &host.path];
    for words in [&["serve", "fd:0", "--method=Host.Echo=cat"][..], &to] {
        let listener = UnixListener::bind(scratch.path(words[0])).unwrap();
        let shared = UnixStream::from(OwnedFd::from(listener.try_clone().unwrap()));
        let mut run = command(words);
        let running =
            Running::start(run.stdin(Stdio::from(OwnedFd::from(listener))).stdout(Stdio::null()));
        shared.shutdown(std::net::Shutdown::Read).unwrap();
        let (status, error) = within_timeout(move || running.wait());
        assert!(status == 3 && error.contains("does not listen"), "{status}: {error}");
    }
}

#[test]
fn a_descriptor_that_is_of_no_use_is_named() {
    let null = || fs::File::open("/dev/null").unwrap();
    let (connected, _peer) = UnixStream::pair().unwrap();
    let scratch = Scratch::new("fd-wrong");
    let listener = UnixListener::bind(scratch.path("socket")).unwrap();
    let serve = ["serve", "fd:0", "--method=A.B=cat"];
    for (error, said) in [
        (with_input(&["call", "fd:0", "A.B"], null()), "cannot use fd:0: the descriptor is not a"),
        (with_input(&["call", "fd:0", "A.B"], listener), "cannot use fd:0: the socket is not"),
        (with_input(&["call", "fd:99", "A.B"], null()), "cannot use fd:99: Bad file"),
        (with_input(&serve, null()), "cannot listen on fd:0: the descriptor is not a socket"),
        (with_input(&serve, connected), "cannot listen on fd:0: the socket is connected"),
    ] {
        let error = error.failure(3);
        assert!(error.contains(said), "{error}");
    }
}

#[test]
fn an_abstract_name_ends_in_a_nul_if_that_is_asked_for() {
    let name = format!("@urpc-command-{}", std::process::id());
    let running =
        Running::start(&mut command(&["serve", &format!("{name}\\0"), "--method=A.B=cat"]));
    assert_eq!(urpc(&["call", &format!("{name}\\x00"), "A.B", "7"]).success(), "7\n");
    assert!(urpc(&["call", &name, "A.B", "7"]).failure(3).contains("refused"));
    running.signal("TERM");
    assert_eq!(running.wait().0, 0);
}

#[test]
fn from_another_network_namespace_no_hint_says_that_the_sandbox_has_ended() {
    let name = format!("urpc-pod-{}", std::process::id());
    let address = urpc::Address::abstract_name(format!("runsc-sandbox.{name}\0"));
    let _sandbox = urpc::Listener::bind(address).unwrap();
    let state = format!(r#"{{"id":"{name}","pid":{}}}"#, std::process::id());
    let scratch = root("runsc-netns", &state);
    let mut call = std::process::Command::new("unshare");
    call.args(["--net", env!("CARGO_BIN_EXE_urpc"), "call", "runsc:box", "A.B", "--root"]);
    let Ok(ran) = call.arg(scratch.path("")).stdin(Stdio::null()).output() else {
        return available::skipped("there is no unshare(1)");
    };
    let error = String::from_utf8(ran.stderr).unwrap();
    if error.contains("unshare failed") {
        return available::skipped(format_args!("no network namespace can be made: {error}"));
    }
    assert!(error.contains("refused") && error.contains("network namespace"), "{error}");
    assert!(!error.contains("ended"), "{error}");
}

#[test]
fn a_sandbox_that_was_killed_has_ended_also_if_nobody_has_waited_for_it() {
    let mut child = std::process::Command::new("true").stdout(Stdio::piped()).spawn().unwrap();
    let pid = child.id();
    // It has no end of the pipe any more only when it is gone.
    std::io::Read::read_to_end(child.stdout.as_mut().unwrap(), &mut Vec::new()).unwrap();
    let state = || fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    while !state().contains(") Z ") {
        std::thread::yield_now();
    }
    let scratch = root("runsc-zombie", &format!(r#"{{"id":"urpc-no-pod","pid":{pid}}}"#));
    let root = scratch.path("").display().to_string();
    let error = urpc(&["call", "runsc:box", "A.B", "--root", &root]).failure(3);
    assert!(error.contains(&format!("process {pid} has ended")), "{error}");
    child.wait().unwrap();
}

#[test]
fn connecting_to_a_server_that_does_not_accept_ends_with_the_timeout() {
    let scratch = Scratch::new("call-queue");
    let path = scratch.path("s").into_os_string().into_string().unwrap();
    let _busy = urpc::Listener::bind(&path).unwrap();
    fill_queue(path.as_ref());
    let error = urpc(&["call", &path, "A.B", "--timeout", "100ms"]).failure(3);
    assert!(error.contains("no server accepted within 100ms") && error.contains(&path), "{error}");
}

/// A directory as runsc writes it, with the state of the container `box` in the sandbox `pod`.
fn root(name: &str, sandbox: &str) -> Scratch {
    let scratch = Scratch::new(name);
    let state = format!(r#"{{"id":"box","sandbox":{sandbox},"status":3}}"#);
    fs::write(scratch.path("box_sandbox:pod.state"), state).unwrap();
    fs::write(scratch.path("box2_sandbox:pod2.state"), "{").unwrap();
    fs::write(scratch.path("box_sandbox:pod.lock"), "").unwrap();
    scratch
}

#[test]
fn a_sandbox_is_found_by_the_socket_that_its_state_names() {
    let host = echo("runsc-path");
    let sandbox = format!(r#"{{"id":"pod","controlSocketPath":"{}"}}"#, host.path);
    let scratch = root("runsc-path-root", &sandbox);
    let root = scratch.path("").into_os_string().into_string().unwrap();
    let call = ["call", "runsc:box", "Host.Echo", "7", "--root", &root];
    assert_eq!(urpc(&call).success(), "7\n");
    let unknown = urpc(&["call", "runsc:box", "Host.No", "--root", &root]).failure(1);
    assert_eq!(unknown, "urpc call: remote error: unknown method; see 'urpc methods'\n");
    for words in [&["methods", "runsc:no"][..], &["call", "runsc:no", "A.B"]] {
        let error = urpc(&[words, &["--root", &root]].concat()).failure(3);
        assert!(error.contains("no state of 'no'"), "{error}");
        assert!(error.ends_with(": give runsc's --root DIR here too\n"), "{error}");
    }

    let directory = Scratch::new("runsc-xdg");
    std::os::unix::fs::symlink(&root, directory.path("runsc")).unwrap();
    let mut call = command(&["call", "runsc:box", "Host.Echo", "7"]);
    let ran = call.env("XDG_RUNTIME_DIR", directory.path("")).output().unwrap();
    assert_eq!(Ran::from(ran).success(), "7\n");
}

#[test]
fn a_sandbox_whose_state_names_no_socket_has_an_abstract_name() {
    let scratch = root("runsc-name", r#"{"id":"urpc-no-pod","pid":1}"#);
    let root = scratch.path("").into_os_string().into_string().unwrap();
    let error = urpc(&["call", "runsc:box", "A.B", "--root", &root]).failure(3);
    assert!(error.contains("@runsc-sandbox.urpc-no-pod\\0: Connection refused"), "{error}");
    // The process that the state names, 1, exists.
    assert!(error.contains("process 1 is there") && !error.contains("has ended"), "{error}");
    // The state file is found, although a container may run in a sandbox of another name.
    assert!(!error.contains("no state"), "{error}");
    let error = urpc(&["call", "runsc:box2", "A.B", "--root", &root]).failure(2);
    assert!(error.contains("box2_sandbox:pod2.state"), "{error}");
}
