//! Sockets: how a path comes and goes, long paths and abstract names, what may be adopted, and what
//! crosses an exec.

mod support;

use std::fs;
use std::io::{ErrorKind, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use support::{
    Scratch, client_of, fill_queue, identity, is_alone, leave_stale, read_message, run_alone, send,
    success, within_timeout,
};
use urpc::{Address, BindOptions, Client, Error, Files, Limits, Listener, Server, Service, Socket};

fn echo() -> Server {
    support::limit::limit_test();
    let server = Server::new();
    server.register(Service::new("Peer", ()).method("Echo", |_: &(), n: i64| Ok::<_, String>(n)));
    server
}

/// Serves one client of `listener` and checks that it is answered.
fn assert_serves(listener: &Listener, address: impl Into<Address>) {
    let server = echo();
    let client = Client::connect(address).unwrap();
    server.start_handling(listener.accept().unwrap()).unwrap();
    assert_eq!(client.call::<i64>("Peer.Echo", &5).unwrap(), 5);
}

fn mode_of(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777
}

/// The names in a directory.
fn names_in(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn the_mode_is_what_was_asked_for_whatever_the_umask() {
    const NAME: &str = "the_mode_is_what_was_asked_for_whatever_the_umask";
    if !is_alone() {
        run_alone(NAME, "umask 000; exec");
        return run_alone(NAME, "umask 077; exec");
    }
    let scratch = Scratch::new("mode");
    let (narrow, wide) = (scratch.path("narrow"), scratch.path("wide"));
    let _narrow = Listener::bind(&narrow).unwrap();
    let _wide = BindOptions::new().mode(0o7666).bind(&wide).unwrap();
    assert_eq!((mode_of(&narrow), mode_of(&wide)), (0o600, 0o666));
    assert_eq!(names_in(&scratch.0).len(), 2, "nothing else is left in the directory");
}

#[test]
fn the_socket_is_never_seen_with_another_mode() {
    let scratch = Scratch::new("race");
    let (path, done) = (scratch.path("s"), Arc::new(AtomicBool::new(false)));
    let (watched, watching) = (path.clone(), Arc::clone(&done));
    let watcher = thread::spawn(move || {
        let mut seen = 0;
        while !watching.load(Ordering::Relaxed) || seen == 0 {
            if let Ok(found) = fs::symlink_metadata(&watched) {
                assert_eq!(found.permissions().mode() & 0o777, 0o600);
                seen += 1;
            }
        }
    });
    for _ in 0..500 {
        drop(Listener::bind(&path).unwrap());
    }
    done.store(true, Ordering::Relaxed);
    let _last = Listener::bind(&path).unwrap();
    within_timeout(move || watcher.join().unwrap());
}

#[test]
fn a_stale_socket_is_replaced_only_on_request_and_a_live_one_never() {
    let scratch = Scratch::new("stale");
    let path = scratch.path("s");
    leave_stale(&path);
    let error = Listener::bind(&path).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
    assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
    let replacing = BindOptions::new().replace_stale(true);
    let live = replacing.bind(&path).unwrap();
    assert_serves(&live, &path);
    assert_eq!(replacing.bind(&path).unwrap_err().kind(), ErrorKind::AddrInUse);
    assert_eq!(live.accept().unwrap_err().kind(), ErrorKind::WouldBlock, "nobody came");
    assert_serves(&live, &path);
}

#[test]
fn where_it_cannot_be_found_out_whether_a_socket_is_stale_the_error_says_why() {
    let scratch = Scratch::new("unknown");
    let path = scratch.path(&"s".repeat(100));
    leave_stale(scratch.path("s"));
    fs::rename(scratch.path("s"), &path).unwrap();
    let error = BindOptions::new().replace_stale(true).bind(&path).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    assert!(error.to_string().contains("too long"), "{error}");
}

#[test]
fn a_server_whose_queue_is_full_is_no_dead_one_and_not_waited_for() {
    let scratch = Scratch::new("full");
    let path = scratch.path("s");
    let busy = Listener::bind(&path).unwrap();
    fill_queue(&path);
    let replacing = BindOptions::new().replace_stale(true);
    let bound = within_timeout({
        let path = path.clone();
        move || replacing.bind(path)
    });
    assert_eq!(bound.unwrap_err().kind(), ErrorKind::AddrInUse);
    drop(busy);
}

#[test]
fn what_is_no_socket_is_never_replaced() {
    let scratch = Scratch::new("nosocket");
    let replacing = BindOptions::new().replace_stale(true);
    fs::write(scratch.path("file"), "kept").unwrap();
    symlink(scratch.path("nowhere"), scratch.path("link")).unwrap();
    fs::create_dir(scratch.path("directory")).unwrap();
    for name in ["file", "link", "directory"] {
        let error = replacing.bind(scratch.path(name)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{name}");
        assert!(Listener::bind(scratch.path(name)).is_err(), "{name}");
    }
    assert_eq!(fs::read(scratch.path("file")).unwrap(), b"kept");
    let mut names = names_in(&scratch.0);
    names.sort();
    assert_eq!(names, ["directory", "file", "link"]);
}

#[test]
fn a_socket_of_another_kind_is_not_taken_for_a_dead_one() {
    let scratch = Scratch::new("datagram");
    let path = scratch.path("s");
    let _alive = UnixDatagram::bind(&path).unwrap();
    assert!(BindOptions::new().replace_stale(true).bind(&path).is_err());
    UnixDatagram::unbound().unwrap().connect(&path).expect("it is there still");
}

#[test]
fn a_path_is_removed_on_drop_only_if_it_is_still_ours() {
    let scratch = Scratch::new("ours");
    let path = scratch.path("s");
    drop(Listener::bind(&path).unwrap());
    assert!(fs::symlink_metadata(&path).is_err());
    let first = Listener::bind(&path).unwrap();
    fs::remove_file(&path).unwrap();
    let second = Listener::bind(&path).unwrap();
    drop(first);
    assert_serves(&second, &path);
    drop(second);
    assert!(names_in(&scratch.0).is_empty());
}

#[test]
fn paths_longer_than_a_socket_address_are_bound_and_reached() {
    let scratch = Scratch::new("long");
    let directory = scratch.path(&"d".repeat(120)).join("e".repeat(120));
    fs::create_dir_all(&directory).unwrap();
    let path = directory.join("s");
    let listener = Listener::bind(&path).unwrap();
    assert_eq!(mode_of(&path), 0o600);
    assert_serves(&listener, &path);
    drop(listener);
    assert!(names_in(&directory).is_empty());
    leave_stale(scratch.path("short"));
    fs::rename(scratch.path("short"), &path).unwrap();
    let replaced = BindOptions::new().replace_stale(true).bind(&path).unwrap();
    assert_serves(&replaced, &path);
}

#[test]
fn abstract_names_take_any_bytes_and_a_trailing_nul_counts() {
    let name = |tail: &[u8]| {
        let pid = std::process::id();
        Address::abstract_name([format!("\0urpc-test-{pid}").as_bytes(), tail].concat())
    };
    let listener = Listener::bind(name(b"\xff\0")).unwrap();
    assert_serves(&listener, name(b"\xff\0"));
    let error = Client::connect(name(b"\xff")).err().unwrap();
    assert!(error.to_string().contains(r"\xff"), "{error}");
    let Error::Io { source, .. } = error else { panic!("{error:?}") };
    assert_eq!(source.kind(), ErrorKind::ConnectionRefused);
}

#[test]
fn accepting_where_nobody_waits_does_not_block() {
    let scratch = Scratch::new("nobody");
    let own = Listener::bind(scratch.path("s")).unwrap();
    let adopted = UnixListener::bind(scratch.path("t")).unwrap();
    let adopted = Listener::from_fd(adopted.into()).unwrap();
    let errors = within_timeout(move || [own, adopted].map(|one| one.accept().unwrap_err()));
    assert_eq!(errors.map(|error| error.kind()), [ErrorKind::WouldBlock; 2]);
}

#[test]
fn a_listener_that_another_holder_makes_blocking_does_not_block_for_long() {
    let scratch = Scratch::new("blocking");
    let listener = Listener::bind(scratch.path("s")).unwrap();
    let shared = UnixListener::from(listener.as_fd().try_clone_to_owned().unwrap());
    shared.set_nonblocking(false).unwrap();
    let error = within_timeout(move || listener.accept().unwrap_err());
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
}

#[test]
fn a_listener_that_somebody_shut_down_gives_what_waits_and_then_says_so() {
    let scratch = Scratch::new("shut");
    for ended in [Shutdown::Both, Shutdown::Read] {
        let listener = Listener::bind(scratch.path("s")).unwrap();
        let _waiting = Socket::connect(scratch.path("s")).unwrap();
        let shared = UnixStream::from(listener.as_fd().try_clone_to_owned().unwrap());
        shared.shutdown(ended).unwrap();
        listener.accept().expect("who came before");
        let error = listener.accept().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    }
}

#[test]
fn connecting_to_a_full_queue_ends_with_the_limit_and_names_it() {
    let scratch = Scratch::new("queue");
    let path = scratch.path("s");
    let busy = Listener::bind(&path).unwrap();
    fill_queue(&path);
    let began = Instant::now();
    let limit = Some(Duration::from_millis(50));
    let error = Socket::connect_within(&path, limit).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
    let limits = Limits { connect_time: limit, ..Limits::for_client() };
    let error = Client::builder().limits(limits).connect(&path).err().unwrap();
    let Error::TimedOut { name: "Limits::connect_time", after, mid_message: false } = error else {
        panic!("{error:?}")
    };
    assert_eq!(Some(after), limit);
    assert!(began.elapsed() >= 2 * after);
    busy.accept().unwrap();
    // The limit was on connecting alone.
    let client = Socket::connect_within(&path, limit).unwrap();
    let stream = UnixStream::from(client.into_fd());
    assert_eq!(stream.write_timeout().unwrap(), None);
}

#[test]
fn a_handle_on_the_peer_is_one_on_the_process_that_connected() {
    let (ours, _theirs) = Socket::pair().unwrap();
    let Some(process) = ours.peer_process() else {
        return support::available::skipped("the kernel has no SO_PEERPIDFD");
    };
    assert!(is_close_on_exec(&process));
    let info = format!("/proc/self/fdinfo/{}", process.as_raw_fd());
    let info = fs::read_to_string(info).unwrap();
    let pid = info.lines().find_map(|line| line.strip_prefix("Pid:")).unwrap();
    assert_eq!(pid.trim(), std::process::id().to_string());
}

#[test]
fn connecting_to_nothing_names_the_address() {
    let scratch = Scratch::new("nothing");
    let error = Socket::connect(scratch.path("s")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("nothing-"), "{error}");
    leave_stale(scratch.path("s"));
    assert_eq!(
        Socket::connect(scratch.path("s")).unwrap_err().kind(),
        ErrorKind::ConnectionRefused
    );
}

#[test]
fn only_a_connected_unix_stream_is_adopted_as_a_socket() {
    let scratch = Scratch::new("adopt");
    let refused = |fd: OwnedFd| Socket::from_fd(fd).unwrap_err();
    let datagram = UnixDatagram::pair().unwrap().0;
    assert_eq!(refused(datagram.into()).kind(), ErrorKind::InvalidInput);
    assert_eq!(
        refused(fs::File::open("/dev/null").unwrap().into()).kind(),
        ErrorKind::InvalidInput
    );
    let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let other_family = std::net::TcpStream::connect(tcp.local_addr().unwrap()).unwrap();
    let error = refused(other_family.into());
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("not a Unix socket"), "{error}");
    let listening = UnixListener::bind(scratch.path("s")).unwrap();
    let error = refused(listening.into());
    assert_eq!(error.kind(), ErrorKind::NotConnected);
    assert!(error.to_string().contains("listening"), "{error}");
    assert!(Listener::from_fd(tcp.into()).is_err());
    assert!(Listener::from_fd(UnixDatagram::unbound().unwrap().into()).is_err());
}

#[test]
fn a_non_blocking_socket_works_on_either_side() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    theirs.set_nonblocking(true).unwrap();
    let server = echo();
    server.start_handling(Socket::from_fd(theirs.into()).unwrap()).unwrap();
    let client = Client::new(Socket::from_fd(ours.into()).unwrap());
    for n in 0..3 {
        assert_eq!(client.call::<i64>("Peer.Echo", &n).unwrap(), n);
    }
}

#[test]
fn a_socket_is_given_up_as_a_descriptor_open_and_connected() {
    let (ours, theirs) = Socket::pair().unwrap();
    let mut stream = UnixStream::from(ours.into_fd());
    stream.write_all(br#"{"method":"Peer.Echo","arg":1}"#).unwrap();
    let server = echo();
    server.start_handling(theirs).unwrap();
    assert_eq!(read_message(&Socket::from(stream)).0, success("1"));
}

#[test]
fn descriptors_that_a_parent_passed_are_served_and_called_by_their_number() {
    const NAME: &str = "descriptors_that_a_parent_passed_are_served_and_called_by_their_number";
    if is_alone() {
        let client = Client::connect(Address::Inherited(0)).unwrap();
        assert_eq!(client.call::<i64>("Peer.Echo", &8).unwrap(), 8);
        // The number itself is no longer passed on, and not taken again.
        assert!(is_close_on_exec(std::io::stdin()));
        let again = Client::connect(Address::Inherited(0)).err().unwrap().to_string();
        assert!(again.contains("taken already"), "{again}");
        assert!(Socket::connect(Address::Inherited(i32::MAX)).is_err());
        return;
    }
    let server = echo();
    let (ours, theirs) = Socket::pair().unwrap();
    server.start_handling(theirs).unwrap();
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", NAME, "--test-threads=1"])
        .env("URPC_TEST_ALONE", "1")
        .stdin(Stdio::from(ours.into_fd()))
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
}

#[test]
fn a_number_that_something_else_in_the_process_opened_is_not_taken() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let number = ours.as_raw_fd();
    for error in [
        Socket::connect(Address::Inherited(number)).unwrap_err(),
        Listener::bind(Address::Inherited(number)).unwrap_err(),
        urpc::process::inherited(number).unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains(&number.to_string()), "{error}");
    }
    drop(theirs);
}

/// The flags of an open file, as proc(5) shows them.
fn is_close_on_exec(file: impl AsFd) -> bool {
    let number = file.as_fd().as_raw_fd();
    let info = fs::read_to_string(format!("/proc/self/fdinfo/{number}")).unwrap();
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:")).unwrap();
    u32::from_str_radix(flags.trim(), 8).unwrap() & 0o2_000_000 != 0
}

#[test]
fn every_descriptor_is_close_on_exec_and_a_child_inherits_none() {
    let scratch = Scratch::new("cloexec");
    let listener = Listener::bind(scratch.path("s")).unwrap();
    let connected = Socket::connect(scratch.path("s")).unwrap();
    let accepted = listener.accept().unwrap();
    let (left, right) = Socket::pair().unwrap();
    let passed = fs::File::open("/dev/null").unwrap();
    send(&left, b"x", &[passed.as_fd()]);
    let (_, files) = right.receive(&mut [0], 1).unwrap();
    let received = files.get(0).unwrap();
    let all = [
        listener.as_fd(),
        connected.as_fd(),
        accepted.as_fd(),
        left.as_fd(),
        right.as_fd(),
        received,
    ];
    assert!(all.into_iter().all(is_close_on_exec));
    let listing = Command::new("ls").args(["-l", "/proc/self/fd"]).output().unwrap();
    let listing = String::from_utf8_lossy(&listing.stdout).into_owned();
    assert!(listing.contains("/proc/"), "{listing}");
    for socket in [connected.as_fd(), accepted.as_fd(), left.as_fd(), right.as_fd()] {
        let inode = identity(socket).1;
        assert!(!listing.contains(&format!("socket:[{inode}]")), "{listing}");
    }
}

#[test]
fn files_of_calls_are_close_on_exec_in_methods_and_results() {
    let server = Server::new();
    server.register(Service::new("Peer", ()).method("Check", |_: &(), files: Files| {
        if files.iter().all(is_close_on_exec) { Ok(files) } else { Err("would be inherited") }
    }));
    let client = client_of(&server);
    let file = fs::File::open("/dev/null").unwrap();
    let (_, files) = client.call_raw("Peer.Check", b"{}", &[file.as_fd(); 3]).unwrap();
    assert!(files.len() == 3 && files.iter().all(is_close_on_exec));
}

#[test]
fn writing_to_a_peer_that_is_gone_raises_no_signal() {
    const NAME: &str = "writing_to_a_peer_that_is_gone_raises_no_signal";
    if !is_alone() {
        return run_alone(NAME, "exec env --block-signal=PIPE");
    }
    // The signal is blocked, so once raised it stays pending and can be seen, although Rust's
    // runtime ignores it.
    let thread = thread::spawn(|| {
        for files in [&[][..], &[fs::File::open("/dev/null").unwrap()]] {
            let (ours, theirs) = Socket::pair().unwrap();
            drop(theirs);
            let files: Vec<_> = files.iter().map(AsFd::as_fd).collect();
            assert_eq!(ours.send(b"x", &files).unwrap_err().kind(), ErrorKind::BrokenPipe);
            let client = Client::new(ours);
            let error = client.call_raw("Peer.Any", b"1", &files).unwrap_err();
            assert!(matches!(error, Error::Disconnected { .. }), "{error:?}");
        }
        assert!(!is_pipe_signal_pending());
        let (reader, mut writer) = urpc::process::pipe().unwrap();
        drop(reader);
        assert!(writer.write_all(b"x").is_err());
        assert!(is_pipe_signal_pending(), "a pipe does raise it, which shows that it can be seen");
    });
    thread.join().unwrap();
}

fn is_pipe_signal_pending() -> bool {
    const SIGPIPE: u32 = 13;
    let status = fs::read_to_string("/proc/thread-self/status").unwrap();
    let pending = status.lines().find_map(|line| line.strip_prefix("SigPnd:")).unwrap();
    u64::from_str_radix(pending.trim(), 16).unwrap() & 1 << (SIGPIPE - 1) != 0
}

#[test]
fn shutting_a_socket_down_wakes_whoever_is_blocked_on_it() {
    let (ours, _theirs) = Socket::pair().unwrap();
    let ours = Arc::new(ours);
    let blocked = Arc::clone(&ours);
    let reader = thread::spawn(move || blocked.receive(&mut [0], 0).unwrap().0);
    ours.shutdown().unwrap();
    assert_eq!(within_timeout(move || reader.join().unwrap()), 0);
}

#[test]
fn an_inherited_listener_is_shared_and_a_stop_does_not_end_it() {
    let scratch = Scratch::new("shared");
    let original = UnixListener::bind(scratch.path("s")).unwrap();
    let copy = Listener::from_fd(original.try_clone().unwrap().into()).unwrap();
    let server = echo();
    let serving = server.clone();
    let loop_thread = thread::spawn(move || serving.serve(&copy));
    let client = Client::connect(scratch.path("s")).unwrap();
    assert_eq!(client.call::<i64>("Peer.Echo", &1).unwrap(), 1);
    server.stop(Duration::ZERO);
    within_timeout(move || loop_thread.join().unwrap()).unwrap();
    assert!(fs::symlink_metadata(scratch.path("s")).is_ok(), "its path is not ours to remove");
    let again = Listener::from_fd(original.into()).unwrap();
    assert_serves(&again, scratch.path("s"));
}

#[test]
fn nothing_that_is_made_on_the_way_to_a_socket_is_open_to_others() {
    let scratch = Scratch::new("private");
    let done = Arc::new(AtomicBool::new(false));
    let (watched, watching) = (scratch.0.clone(), Arc::clone(&done));
    let watcher = thread::spawn(move || {
        while !watching.load(Ordering::Relaxed) {
            let modes = fs::read_dir(&watched).unwrap().filter_map(|entry| {
                let path = entry.unwrap().path();
                // It may be gone by now.
                Some((fs::symlink_metadata(&path).ok()?.permissions().mode() & 0o077, path))
            });
            modes.for_each(|(mode, path)| assert_eq!(mode, 0, "{}", path.display()));
        }
    });
    for _ in 0..500 {
        drop(Listener::bind(scratch.path("s")).unwrap());
    }
    done.store(true, Ordering::Relaxed);
    within_timeout(move || watcher.join().unwrap());
}

#[test]
fn a_socket_that_one_may_not_connect_to_is_not_replaced_and_the_error_says_why() {
    const NAME: &str =
        "a_socket_that_one_may_not_connect_to_is_not_replaced_and_the_error_says_why";
    let scratch = Scratch::new("forbidden");
    let path = scratch.path("s");
    let _live = BindOptions::new().mode(0).bind(&path).unwrap();
    if UnixStream::connect(&path).is_ok() {
        // The superuser may connect to all; without its capabilities it has to be allowed to.
        assert!(!is_alone(), "the capabilities are still there");
        return run_alone(NAME, "exec setpriv --bounding-set=-all --inh-caps=-all");
    }
    let error = BindOptions::new().replace_stale(true).bind(&path).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
    assert_eq!(mode_of(&path), 0, "it is there still");
}

#[test]
fn a_path_with_a_nul_is_escaped_in_the_error() {
    let error = Socket::connect("/run/a\0b\n").unwrap_err().to_string();
    assert!(error.starts_with(r"cannot connect to /run/a\u{0}b\n: "), "{error:?}");
}
