//! Files beside messages on a real kernel: which message gets them, what is refused, and what an
//! exhausted kernel or a peer that is gone make of it.

mod support;

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use support::available;
use support::{
    Probe, Scratch, client_of, connect, failure, identity, is_alone, read_message, read_to_end,
    run_alone, send, success, while_nothing_starts, within_timeout,
};
use urpc::json::Value;
use urpc::{BindOptions, Client, Error, Files, Limits, Listener, Server, Service, Socket, process};

urpc::record! {
    /// A number, a text, and files beside them.
    #[derive(Debug, Default)]
    pub struct Item {
        pub n: i64 => "N",
        pub text: String => "Text" omitempty,
        pub files: Files,
    }
}

/// A server that gives back what it gets, or counts the files.
fn peer() -> Server {
    peer_with(Limits::default())
}

fn peer_with(limits: Limits) -> Server {
    let server = Server::builder().limits(limits).build();
    server.register(
        Service::new("Peer", ())
            .method("Item", |_: &(), item: Item| Ok::<_, String>(item))
            .method("Count", |_: &(), files: Files| Ok::<_, String>(files.len())),
    );
    server
}

fn call(n: i64) -> String {
    format!(r#"{{"method":"Peer.Item","arg":{{"N":{n}}}}}"#)
}

const COUNT: &[u8] = br#"{"method":"Peer.Count","arg":{}}"#;
const TOO_MANY: &str = "too many files";
const TRUNCATED: &str = "control data truncated: not all files of the message could be received \
    (is the receiver's limit of open files reached?)";

/// What a peer sends at once, all of it before anything is read: texts, each with so many files on
/// its first byte. Each is sent in one piece and byte by byte. Then the replies, each with its
/// number of files, or `None` where the call is refused for them.
#[track_caller]
fn assert_script(sends: &[(&str, usize)], expected: &[(i64, Option<usize>)]) {
    let ((file, probe), server) = (Probe::new(), peer());
    for byte_by_byte in [false, true] {
        let (ours, theirs) = Socket::pair().unwrap();
        for (text, count) in sends {
            let size = if byte_by_byte { 1 } else { text.len() };
            let mut files = vec![file.as_fd(); *count];
            for piece in text.as_bytes().chunks(size) {
                send(&ours, piece, &files);
                files.clear();
            }
        }
        server.start_handling(theirs).unwrap();
        for (n, count) in expected {
            let reply = match count {
                Some(_) => success(&format!(r#"{{"N":{n}}}"#)),
                None => failure(TOO_MANY),
            };
            let (text, files) = read_message(&ours);
            assert_eq!((text, files.len()), (reply, count.unwrap_or(0)), "{byte_by_byte}");
            assert!(files.iter().all(|received| identity(received) == identity(&file)));
        }
        ours.shutdown_send().unwrap();
        assert_eq!(read_to_end(&ours).0, b"");
    }
    drop(file);
    probe.wait_closed();
}

#[test]
fn files_on_a_byte_that_is_not_the_first_are_the_messages_all_the_same() {
    let call = call(1);
    let (first, rest) = call.split_at(1);
    assert_script(&[(first, 0), (rest, 2)], &[(1, Some(2))]);
}

#[test]
fn a_read_that_ends_one_message_and_begins_another_gives_its_files_to_the_second() {
    let (one, two) = (call(1), call(2));
    let (start, end) = one.split_at(20);
    assert_script(&[(start, 0), (end, 0), (&two, 1)], &[(1, Some(0)), (2, Some(1))]);
    assert_script(&[(&one, 0), (&two[..9], 3), (&two[9..], 0)], &[(1, Some(0)), (2, Some(3))]);
}

#[test]
fn of_four_calls_sent_at_once_each_gets_its_own_files() {
    let calls = [1, 2, 3, 4].map(call);
    let [a, b, c, d] = calls.each_ref().map(String::as_str);
    assert_script(
        &[(a, 0), (b, 2), (c, 0), (d, 1)],
        &[(1, Some(0)), (2, Some(2)), (3, Some(0)), (4, Some(1))],
    );
}

#[test]
fn files_on_white_space_before_a_message_are_its_files() {
    assert_script(&[(" ", 1), (&call(1), 0)], &[(1, Some(1))]);
    assert_script(&[(" ", 1), (&call(1), 2)], &[(1, Some(3))]);
}

#[test]
fn one_file_over_the_limit_is_refused_and_the_call_behind_it_served() {
    if !available::many_files() {
        return;
    }
    assert_script(
        &[(&call(1), 33), (&call(2), 32), (&call(3), 0)],
        &[(1, None), (2, Some(32)), (3, Some(0))],
    );
}

#[test]
fn files_that_add_up_to_more_than_the_limit_are_refused() {
    if !available::many_files() {
        return;
    }
    let call = call(1);
    let (start, end) = call.split_at(9);
    assert_script(&[(start, 16), (end, 16)], &[(1, Some(32))]);
    assert_script(&[(start, 16), (end, 17)], &[(1, None)]);
}

/// For a test that takes most of the descriptors that a process commonly may have: beside others,
/// which a machine of many CPUs runs at the same moment, there would be too few.
const OF_ONES_OWN: &str = "ulimit -n 1024; exec";

#[test]
fn every_number_of_files_arrives_in_order_and_no_stray_one_beside_it() {
    const NAME: &str = "every_number_of_files_arrives_in_order_and_no_stray_one_beside_it";
    if !is_alone() {
        return run_alone(NAME, OF_ONES_OWN);
    }
    let files: Vec<OwnedFd> = (0..support::MOST_FILES).map(|_| Probe::new().0).collect();
    let (ours, theirs) = Socket::pair().unwrap();
    for count in [0, 1, 2, 3, 4, 5, 31, 32, 33, 251, 252, support::MOST_FILES] {
        let riding: Vec<BorrowedFd<'_>> = files[..count].iter().map(AsFd::as_fd).collect();
        send(&ours, b"x", &riding);
        let (_, received) = theirs.receive(&mut [0; 8], count).unwrap();
        let received: Vec<_> = received.iter().map(identity).collect();
        assert_eq!(received, riding.iter().map(identity).collect::<Vec<_>>());
    }
}

#[test]
fn the_kernels_own_limit_can_be_set_and_kept_both_ways() {
    const NAME: &str = "the_kernels_own_limit_can_be_set_and_kept_both_ways";
    if !is_alone() {
        return run_alone(NAME, OF_ONES_OWN);
    }
    let most = support::MOST_FILES;
    let limits = Limits { send_files: 1000, receive_files: 1000, ..Limits::default() };
    let server = peer_with(limits.clone());
    let client = Client::builder().limits(limits).build(connect(&server));
    let (file, probe) = Probe::new();
    let all: Files = (0..most).map(|_| file.try_clone().unwrap()).collect();
    let item = Item { files: all, ..Item::default() };
    let back: Item = client.call("Peer.Item", &item).unwrap();
    assert_eq!(back.files.len(), most);
    // One more than the kernel takes is refused here, in words, and nothing is sent.
    let files = vec![file.as_fd(); 254];
    let error = client.call_raw("Peer.Count", b"{}", &files).unwrap_err();
    let text = "too many files: 254, and the limit is 253 (raise Limits::send_files)";
    assert_eq!(error.to_string(), text);
    let (ours, _theirs) = Socket::pair().unwrap();
    assert_eq!(ours.send(b"x", &files).unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(client.call::<usize>("Peer.Count", &()).unwrap(), 0);
    drop((item, back, file));
    probe.wait_closed();
}

#[test]
fn files_are_not_sent_beside_nothing() {
    let ((ours, theirs), (file, _probe)) = (Socket::pair().unwrap(), Probe::new());
    let error = ours.send(b"", &[file.as_fd()]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    send(&ours, b"x", &[]);
    assert_eq!(theirs.receive(&mut [0; 8], 8).unwrap().1.len(), 0);
}

#[test]
fn a_large_argument_through_a_small_buffer_carries_its_file_at_its_first_byte_once() {
    let (ours, theirs) = Socket::pair().unwrap();
    ours.set_send_buffer(1).unwrap();
    let (file, probe) = Probe::new();
    let sent = identity(&file);
    let caller = thread::spawn(move || {
        let text = "x".repeat(1 << 20);
        let item = Item { n: 1, text, files: file.into() };
        Client::new(ours).call::<usize>("Peer.Item", &item)
    });
    let (mut bytes, mut files, mut buffer) = (Vec::new(), Vec::new(), [0; 1000]);
    while !bytes.ends_with(b"\"}}") {
        let (count, came) = theirs.receive(&mut buffer, 253).unwrap();
        assert!(count > 0);
        files.extend(came.iter().map(|file| (bytes.len(), identity(file))));
        bytes.extend_from_slice(&buffer[..count]);
    }
    assert_eq!(files, [(0, sent)]);
    assert!(bytes.len() > 1 << 20);
    send(&theirs, success("5").as_bytes(), &[]);
    assert_eq!(within_timeout(move || caller.join().unwrap()).unwrap(), 5);
    probe.wait_closed();
}

#[test]
fn a_receiver_that_takes_no_files_is_told_in_words_and_the_client_goes_on() {
    let (ours, theirs) = Socket::pair().unwrap();
    if let Err(error) = theirs.refuse_files() {
        let _ = writeln!(io::stderr(), "skipped: the kernel has no SO_PASSRIGHTS: {error}");
        return;
    }
    let server = peer();
    server.start_handling(theirs).unwrap();
    let (client, (file, probe)) = (Client::new(ours), Probe::new());
    let error = client.call_raw("Peer.Count", b"{}", &[file.as_fd()]).unwrap_err();
    assert!(error.to_string().contains("the receiver takes no files; nothing was sent"), "{error}");
    assert!(error.is_usable());
    assert_eq!(client.call::<usize>("Peer.Count", &()).unwrap(), 0);
    drop(file);
    probe.wait_closed();
}

#[test]
fn what_a_peer_queued_before_it_closed_with_data_unread_is_served_before_the_reset() {
    // A copy elsewhere would keep the socket from being closed, and the reset for later.
    let _closing = while_nothing_starts();
    let ((ours, theirs), (file, probe)) = (Socket::pair().unwrap(), Probe::new());
    let server = Server::new();
    let (ran, runs) = mpsc::channel();
    server.register(Service::new("Peer", ()).method("Run", move |_: &(), files: Files| {
        ran.send(files.len()).unwrap();
        Ok::<_, String>(())
    }));
    send(&theirs, b"unread", &[]);
    send(&ours, br#"{"method":"Peer.Run","arg":null}"#, &[file.as_fd()]);
    drop((ours, file));
    let error = within_timeout(move || server.handle(theirs)).unwrap_err();
    assert!(matches!(error, Error::Disconnected { .. }), "{error:?}");
    assert_eq!(runs.recv().unwrap(), 1);
    probe.wait_closed();
}

#[test]
fn a_reply_that_was_queued_before_a_reset_is_the_result() {
    let ((ours, theirs), (file, probe)) = (Socket::pair().unwrap(), Probe::new());
    let caller = thread::spawn(move || Client::new(ours).call::<Item>("Peer.Item", &()));
    // The call is there, and stays unread.
    process::wait_readable(&[theirs.as_fd()], Some(support::TIMEOUT)).unwrap();
    send(&theirs, success(r#"{"N":3}"#).as_bytes(), &[file.as_fd()]);
    drop((theirs, file));
    let item = within_timeout(move || caller.join().unwrap()).unwrap();
    assert_eq!((item.n, item.files.len()), (3, 1));
    drop(item);
    probe.wait_closed();
}

#[test]
fn files_behind_malformed_json_are_closed() {
    let (server, (file, probe)) = (peer(), Probe::new());
    let (ours, theirs) = Socket::pair().unwrap();
    send(&ours, call(1).as_bytes(), &[]);
    send(&ours, b"{]", &[file.as_fd()]);
    send(&ours, call(2).as_bytes(), &[file.as_fd()]);
    drop(file);
    server.start_handling(theirs).unwrap();
    assert_eq!(String::from_utf8(read_to_end(&ours).0).unwrap(), success(r#"{"N":1}"#));
    probe.wait_closed();
}

/// Opens files until there is no descriptor left.
fn exhaust_descriptors() -> Vec<File> {
    std::iter::from_fn(|| File::open("/dev/null").ok()).collect()
}

/// Waits until so many descriptors are free: what was refused may be closed a moment later.
fn wait_for_free_descriptors(count: usize) {
    let deadline = Instant::now() + support::TIMEOUT;
    while exhaust_descriptors().len() < count {
        assert!(Instant::now() < deadline, "files that came stay open");
        thread::yield_now();
    }
    assert_eq!(exhaust_descriptors().len(), count);
}

#[test]
fn where_descriptors_run_out_a_call_is_refused_in_words_and_the_connection_goes_on() {
    const NAME: &str =
        "where_descriptors_run_out_a_call_is_refused_in_words_and_the_connection_goes_on";
    if !is_alone() {
        return run_alone(NAME, "ulimit -n 64; exec");
    }
    let server = peer();
    let socket = connect(&server);
    let count = |files: &[BorrowedFd<'_>]| {
        send(&socket, COUNT, files);
        read_message(&socket).0
    };
    assert_eq!(count(&[]), success("0"));
    for free in [0, 1, 3] {
        let (file, probe) = Probe::new();
        let mut filler = exhaust_descriptors();
        filler.truncate(filler.len() - free);
        // Free are fewer than are sent: none at all, where the kernel sets the flag alone, or some,
        // which it installs.
        assert_eq!(count(&vec![file.as_fd(); free + 1]), failure(TRUNCATED));
        assert_eq!(count(&vec![file.as_fd(); free]), success(&free.to_string()));
        // A call's files close behind its reply, and before the next call.
        assert_eq!(count(&[]), success("0"));
        assert_eq!(exhaust_descriptors().len(), free, "those that came were closed");
        drop((filler, file));
        probe.wait_closed();
    }
}

#[test]
fn where_descriptors_run_out_a_reply_is_refused_and_the_client_stays_usable() {
    const NAME: &str = "where_descriptors_run_out_a_reply_is_refused_and_the_client_stays_usable";
    if !is_alone() {
        return run_alone(NAME, "ulimit -n 64; exec");
    }
    let (ours, theirs) = Socket::pair().unwrap();
    let (client, (file, probe)) = (Client::new(ours), Probe::new());
    let mut filler = exhaust_descriptors();
    filler.truncate(filler.len() - 2);
    send(&theirs, success(r#"{"N":1}"#).as_bytes(), &[file.as_fd(); 3]);
    let error = client.call::<Item>("Peer.Item", &()).unwrap_err();
    assert_eq!((error.to_string().as_str(), error.is_usable()), (TRUNCATED, true));
    wait_for_free_descriptors(2);
    send(&theirs, success(r#"{"N":2}"#).as_bytes(), &[file.as_fd(); 2]);
    let item: Item = client.call("Peer.Item", &()).unwrap();
    assert_eq!((item.n, item.files.len()), (2, 2));
    drop((filler, file, item));
    probe.wait_closed();
}

#[test]
fn too_many_files_in_flight_are_told_in_words_and_can_be_sent_again_later() {
    const NAME: &str = "too_many_files_in_flight_are_told_in_words_and_can_be_sent_again_later";
    if !is_alone() {
        let status = fs::read_to_string("/proc/self/status").unwrap();
        if status.contains("CapEff:\t0000000000000000") {
            return run_alone(NAME, "ulimit -n 1024; exec");
        }
        // Who may exceed resources has no limit here. A user of its own may not, and has nothing in
        // flight elsewhere.
        let other_user = "setpriv --reuid=$((1000000000 + $$)) --clear-groups \
            --inh-caps=-all,+dac_override --ambient-caps=-all,+dac_override";
        return run_alone(NAME, &format!("ulimit -n 1024; exec {other_user}"));
    }
    let server = peer();
    let (client, (file, probe)) = (client_of(&server), Probe::new());
    let (ours, theirs) = Socket::pair().unwrap();
    let mut sent = 0;
    while sent < 100 && ours.send(b"x", &[file.as_fd(); 100]).is_ok() {
        sent += 1;
    }
    assert!(sent < 100, "there is no limit on files in flight");
    let send = || client.call_raw("Peer.Count", b"{}", &[file.as_fd()]);
    let error = send().unwrap_err();
    assert!(error.to_string().contains("too many files in flight; nothing was sent"), "{error}");
    assert!(error.is_usable());
    // It says what to do: let peers receive, then try again. The user's other programs, which may
    // be running these tests as well, have files in flight of their own.
    for _ in 0..sent {
        theirs.receive(&mut [0], 100).unwrap();
    }
    let deadline = Instant::now() + support::TIMEOUT;
    let count = loop {
        match send() {
            Ok((count, _)) => break count,
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
    };
    assert_eq!(count.as_bytes(), b"1");
    drop(file);
    probe.wait_closed();
}

#[test]
fn sockets_of_a_service_manager_are_duplicated_and_their_numbers_not_passed_on() {
    const NAME: &str =
        "sockets_of_a_service_manager_are_duplicated_and_their_numbers_not_passed_on";
    if !is_alone() {
        let opened = "exec 3</dev/null 4</dev/zero; export LISTEN_FDS=2 LISTEN_PID=$$; exec";
        return run_alone(NAME, opened);
    }
    let files = process::listen_fds().unwrap();
    let expected = ["/dev/null", "/dev/zero"].map(|path| identity(File::open(path).unwrap()));
    assert_eq!(files.iter().map(identity).collect::<Vec<_>>(), expected);
    assert!(process::listen_fds().is_err(), "each is taken once");
    for number in [3, 4] {
        let info = fs::read_to_string(format!("/proc/self/fdinfo/{number}")).unwrap();
        let flags = info.lines().find_map(|line| line.strip_prefix("flags:")).unwrap();
        let flags = u32::from_str_radix(flags.trim(), 8).unwrap();
        assert!(flags & 0o2_000_000 != 0, "{number} would be inherited");
    }
}

/// An inherited number stays open beside its duplicate, so closing that alone ends nothing.
#[test]
fn whatever_ends_a_connection_ends_it_although_a_copy_of_its_socket_is_open() {
    let refuses_all = Server::builder().authorize(|_| false).build();
    let stopped = peer();
    stopped.stop(Duration::ZERO);
    let full = peer_with(Limits { clients: 0, ..Limits::default() });
    let hurried = peer_with(Limits { idle_time: Some(Duration::ZERO), ..Limits::default() });
    let small = peer_with(Limits { message_bytes: 1, ..Limits::default() });
    let no_thread = Server::builder()
        .limits(Limits { stack_bytes: usize::MAX / 8, ..Limits::default() })
        .build();
    for server in [peer(), refuses_all, stopped, full, hurried, small, no_thread] {
        let (ours, theirs) = Socket::pair().unwrap();
        let _copy = theirs.as_fd().try_clone_to_owned().unwrap();
        // A message, or what is none.
        send(&ours, b"{]", &[]);
        let _ = server.start_handling(theirs);
        within_timeout(move || read_to_end(&ours));
    }
}

#[test]
fn an_accept_loop_whose_listener_somebody_shut_down_ends_with_the_error() {
    let scratch = Scratch::new("deaf");
    for ended in [Shutdown::Both, Shutdown::Read] {
        let listener = Listener::bind(scratch.path("s")).unwrap();
        let shared = UnixStream::from(listener.as_fd().try_clone_to_owned().unwrap());
        let waiting = Client::connect(scratch.path("s")).unwrap();
        shared.shutdown(ended).unwrap();
        let server = peer();
        let error = within_timeout(move || server.serve(&listener)).unwrap_err();
        assert!(matches!(error, Error::Io { doing: "accept", .. }), "{error:?}");
        drop(waiting);
    }
}

#[test]
fn a_server_that_takes_no_files_refuses_them_before_it_accepts() {
    let scratch = Scratch::new("no-files");
    let bound = BindOptions::new().refuse_files(true).bind(scratch.path("bound"));
    let bound = match bound {
        Ok(bound) => bound,
        Err(error) => {
            let _ = writeln!(io::stderr(), "skipped: the kernel has no SO_PASSRIGHTS: {error}");
            return;
        }
    };
    let file = File::open("/dev/null").unwrap();
    let send_to = |path: &str| {
        let early = Socket::connect(scratch.path(path)).unwrap();
        early.send(b"x", &[file.as_fd()]).map_err(|error| error.kind())
    };
    assert_eq!(send_to("bound"), Err(io::ErrorKind::PermissionDenied));
    drop(bound);

    let served = Listener::bind(scratch.path("served")).unwrap();
    assert_eq!(send_to("served"), Ok(1));
    let server = peer_with(Limits { receive_files: 0, ..Limits::default() });
    let serving = server.clone();
    let accepting = thread::spawn(move || serving.serve(&served));
    // Once one is served the loop has begun.
    let client = Client::connect(scratch.path("served")).unwrap();
    assert_eq!(client.call::<usize>("Peer.Count", &()).unwrap(), 0);
    assert_eq!(send_to("served"), Err(io::ErrorKind::PermissionDenied));
    server.stop(Duration::ZERO);
    within_timeout(move || accepting.join().unwrap()).unwrap();
}

#[test]
fn a_limit_of_time_beyond_the_clock_is_none() {
    let (reader, writer) = process::pipe().unwrap();
    drop(writer);
    let ready = process::wait_readable(&[reader.as_fd()], Some(Duration::MAX));
    assert_eq!(ready.unwrap(), Some(0));
}

#[test]
fn the_shortest_limit_of_silence_is_one_and_no_error() {
    let idle_time = Some(Duration::ZERO);
    let server = peer_with(Limits { idle_time, ..Limits::default() });
    let (_ours, theirs) = Socket::pair().unwrap();
    let error = within_timeout(move || server.handle(theirs)).unwrap_err();
    assert!(matches!(error, Error::TimedOut { name: "Limits::idle_time", .. }), "{error:?}");
}

urpc::record! {
    /// A value that contains its like.
    #[derive(Debug, Default)]
    pub struct Nested {
        pub inner: Option<Box<Nested>> => "I" omitempty,
    }
}

#[test]
fn values_of_all_the_levels_there_may_be_fit_on_a_client_threads_stack() {
    let server = peer();
    server.register(
        Service::new("Deep", ())
            .method("Typed", |_: &(), value: Nested| Ok::<_, String>(value))
            .method("Value", |_: &(), value: Value| Ok::<_, String>(value))
            .method("Skipped", |_: &(), _: Item| Ok::<_, String>(())),
    );
    let nested =
        |levels: usize| format!("{}{{}}{}", r#"{"I":"#.repeat(levels - 1), "}".repeat(levels - 1));
    let client = client_of(&server);
    for (method, levels) in [("Deep.Typed", 128), ("Deep.Value", 9999)] {
        let text = nested(levels);
        let (result, _) = client.call_raw(method, text.as_bytes(), &[]).unwrap();
        assert!(result.as_bytes() == text.as_bytes(), "{method}");
    }
    client.call_raw("Deep.Skipped", nested(9999).as_bytes(), &[]).unwrap();
    let error = client.call_raw("Deep.Typed", nested(129).as_bytes(), &[]).unwrap_err();
    assert!(
        error.as_remote().is_some_and(|error| error.message().contains("fewer levels")),
        "{error}"
    );
}

#[test]
fn a_server_has_limits_of_time_unless_they_are_lifted_and_a_client_none() {
    let limits = Limits::default();
    assert!(limits.message_time.is_some() && limits.send_time.is_some());
    assert!(limits.idle_time.is_none() && limits.clients < usize::MAX);
    let limits = Limits::for_client();
    assert_eq!((limits.message_time, limits.send_time, limits.call_time), (None, None, None));
}

#[test]
fn a_raw_receive_for_which_there_are_too_few_descriptors_is_refused_and_closes_what_came() {
    const NAME: &str =
        "a_raw_receive_for_which_there_are_too_few_descriptors_is_refused_and_closes_what_came";
    if !is_alone() {
        return run_alone(NAME, "ulimit -n 64; exec");
    }
    let ((ours, theirs), (file, probe)) = (Socket::pair().unwrap(), Probe::new());
    let mut filler = exhaust_descriptors();
    filler.truncate(filler.len() - 2);
    send(&theirs, b"x", &[file.as_fd(); 3]);
    let error = ours.receive(&mut [0], 3).unwrap_err();
    assert_eq!(error.to_string(), "control data truncated");
    wait_for_free_descriptors(2);
    send(&theirs, b"x", &[file.as_fd(); 2]);
    assert_eq!(ours.receive(&mut [0], 3).unwrap().1.len(), 2);
    drop((filler, file));
    probe.wait_closed();
}
