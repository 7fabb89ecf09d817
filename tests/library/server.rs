//! The server: registering, the steps of one call, who may connect, and what a failed call affects.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use crate::support;
use crate::support::{
    COUNTABLE_FILES, Gate, Probe, Scratch, client_of, connect, failure, is_alone, path_of,
    read_message, read_to_end, run_alone, send, success, while_nothing_starts, within_timeout,
};
use urpc::{Client, Error, Event, Files, Limits, Listener, Server, Service, Socket};

fn echo(name: &str) -> Service<()> {
    Service::new(name, ()).method("Echo", |_: &(), n: i64| Ok::<_, String>(n))
}

/// The text of the panic of `register`.
fn panic_of(server: &Server, service: Service<()>) -> String {
    let server = server.clone();
    let panic = thread::spawn(move || server.register(service)).join().unwrap_err();
    panic
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string))
        .unwrap()
}

#[test]
fn registering_a_name_twice_or_an_empty_one_panics_and_changes_nothing() {
    let server = Server::new();
    server.register(echo("Peer"));
    let stops = Arc::new(AtomicUsize::new(0));
    let counting = |service: Service<()>| {
        let stops = Arc::clone(&stops);
        service.on_stop(move |_| {
            stops.fetch_add(1, Ordering::SeqCst);
        })
    };
    let other = |service: Service<()>, name: &str| {
        service.method(name, |_: &(), _: ()| Ok::<_, String>("other"))
    };
    let text = panic_of(&server, counting(other(echo("Peer"), "New")));
    assert!(text.contains("Peer.Echo"), "{text}");
    let text = panic_of(&server, counting(other(other(echo("Twice"), "Same"), "Same")));
    assert!(text.contains("Twice.Same"), "{text}");
    let text = panic_of(&server, counting(other(echo("Empty"), "")));
    assert!(text.contains("Empty."), "{text}");
    panic_of(&server, counting(echo("")));
    panic_of(&server, counting(Service::new("", ())));
    let client = client_of(&server);
    for method in ["Peer.New", "Twice.Echo", "Twice.Same", "Empty.Echo", "Empty.", ".Echo"] {
        let error = client.call::<()>(method, &()).unwrap_err();
        assert_eq!(error.to_string(), format!("{method}: remote error: unknown method"));
    }
    assert_eq!(client.call::<i64>("Peer.Echo", &1).unwrap(), 1);
    drop(client);
    server.stop(Duration::ZERO);
    assert_eq!(stops.load(Ordering::SeqCst), 0, "no stop callback of theirs was kept");
}

#[test]
fn clients_that_are_being_served_can_call_what_is_registered_now() {
    let server = Server::new();
    let client = client_of(&server);
    assert!(client.call::<i64>("Peer.Echo", &1).is_err());
    server.register(echo("Peer"));
    assert_eq!(client.call::<i64>("Peer.Echo", &1).unwrap(), 1);
}

#[test]
fn handle_says_why_the_client_is_gone() {
    let limits = Limits { message_bytes: 64, ..Limits::default() };
    let server = Server::builder().limits(limits).build();
    let handled = |bytes: &[u8]| {
        let (ours, theirs) = Socket::pair().unwrap();
        send(&ours, bytes, &[]);
        drop(ours);
        let server = server.clone();
        within_timeout(move || server.handle(theirs))
    };
    assert!(matches!(handled(b""), Ok(())));
    assert!(matches!(handled(b"  "), Ok(())));
    assert!(matches!(handled(b"{]"), Err(Error::Malformed { .. })));
    assert!(matches!(handled(b"[]"), Err(Error::Malformed { .. })));
    assert!(matches!(handled(b"{"), Err(Error::Disconnected { mid_message: true, .. })));
    let large = "x".repeat(99);
    let large = handled(format!("{{\"{large}").as_bytes());
    assert!(matches!(large, Err(Error::MessageTooLarge { limit: 64, .. })), "{large:?}");
    server.register(echo("Peer"));
    let (client, theirs) = Socket::pair().unwrap();
    let (client, serving) = (Client::new(client), server.clone());
    let handled = thread::spawn(move || serving.handle(theirs));
    assert_eq!(client.call::<i64>("Peer.Echo", &1).unwrap(), 1);
    server.stop(Duration::ZERO);
    let stopped = within_timeout(move || handled.join().unwrap());
    assert!(matches!(stopped, Err(Error::Stopped)), "{stopped:?}");
}

#[test]
fn the_after_call_callback_runs_once_last_of_all_whatever_the_outcome() {
    let watched: Arc<Mutex<Option<Probe>>> = Arc::default();
    let (calls, called) = mpsc::channel();
    let probe = Arc::clone(&watched);
    let server = Server::builder()
        .after_call(move || {
            // The call's file is closed before its reply arrives, not later.
            probe.lock().unwrap().take().unwrap().wait_closed();
            calls.send(()).unwrap();
        })
        .build();
    server.register(
        echo("Peer")
            .method("Take", |_: &(), files: Files| Ok::<_, String>(files.len()))
            .method("Fail", |_: &(), _: Files| Err::<(), _>("no"))
            .method("Panic", |_: &(), files: Files| match files.len() {
                1 => panic!("on purpose"),
                _ => Ok::<_, String>(()),
            }),
    );
    let socket = connect(&server);
    for method in ["Peer.Take", "Peer.Fail", "Peer.Panic", "Peer.Echo", "No.No"] {
        let (file, probe) = Probe::new();
        *watched.lock().unwrap() = Some(probe);
        let call = format!(r#"{{"method":"{method}","arg":{{}}}}"#);
        send(&socket, call.as_bytes(), &[file.as_fd()]);
        drop(file);
        read_message(&socket);
        assert!(called.recv_timeout(2 * support::TIMEOUT).is_ok(), "{method}");
    }
    drop(socket);
    server.stop(Duration::ZERO);
    assert!(called.try_recv().is_err(), "the callback ran once for each call");
}

#[test]
fn a_panicking_method_is_answered_without_the_panics_text_and_its_files_are_closed() {
    let server = Server::new();
    server.register(echo("Peer").method("Panic", |_: &(), files: Files| {
        assert_eq!(files.len(), 0, "secret");
        Ok::<_, String>(())
    }));
    let socket = connect(&server);
    let (file, probe) = Probe::new();
    send(&socket, br#"{"method":"Peer.Panic","arg":{}}"#, &[file.as_fd()]);
    drop(file);
    assert_eq!(read_message(&socket).0, failure("method panicked"));
    probe.wait_closed();
    send(&socket, br#"{"method":"Peer.Echo","arg":1}"#, &[]);
    assert_eq!(read_message(&socket).0, success("1"));
}

#[test]
fn panics_in_callbacks_are_caught_like_a_methods() {
    let server = Server::builder()
        .after_call(|| panic!("on purpose"))
        .observe(|_| panic!("on purpose"))
        .build();
    server.register(echo("Peer"));
    let client = client_of(&server);
    for n in 0..3 {
        assert_eq!(client.call::<i64>("Peer.Echo", &n).unwrap(), n);
    }
    let refusing = Server::builder().authorize(|_| panic!("on purpose")).build();
    assert_eq!(read_to_end(&connect(&refusing)).0, b"", "a check that panics refuses the client");
}

#[test]
fn request_files_stay_open_until_the_reply_is_out_also_when_the_argument_is_long_gone() {
    let server = Server::new();
    let (dropped, was_dropped) = mpsc::sync_channel(1);
    server.register(Service::new("Peer", ()).method("Big", move |_: &(), files: Files| {
        drop(files);
        dropped.send(()).unwrap();
        Ok::<_, String>("x".repeat(1 << 20))
    }));
    let socket = connect(&server);
    let (file, probe) = Probe::new();
    send(&socket, br#"{"method":"Peer.Big","arg":{}}"#, &[file.as_fd()]);
    drop(file);
    was_dropped.recv().unwrap();
    // The reply does not fit into the socket's buffer, so it cannot have been sent completely.
    assert!(!probe.is_closed());
    read_message_in_large_pieces(&socket, 1 << 20);
    probe.wait_closed();
}

fn read_message_in_large_pieces(socket: &Socket, at_least: usize) {
    let (mut count, mut buffer) = (0, vec![0; 1 << 16]);
    while count < at_least || buffer[..1] != *b"}" {
        let (more, _) = socket.receive(&mut buffer, 0).unwrap();
        count += more;
        buffer[0] = buffer[more - 1];
    }
}

#[test]
fn a_released_file_outlives_its_call_and_what_stays_behind_does_not() {
    let stash: Arc<Mutex<Vec<OwnedFd>>> = Arc::default();
    let server = Server::new();
    let kept = Arc::clone(&stash);
    server.register(Service::new("Peer", ()).method("Keep", move |_: &(), mut files: Files| {
        kept.lock().unwrap().extend(files.release(1));
        Ok::<_, String>(files.release(1).is_some() || files.release(9).is_some())
    }));
    let socket = connect(&server);
    let ((one, first), (two, second)) = (Probe::new(), Probe::new());
    send(&socket, br#"{"method":"Peer.Keep","arg":{}}"#, &[one.as_fd(), two.as_fd()]);
    drop((one, two));
    assert_eq!(read_message(&socket).0, success("false"));
    first.wait_closed();
    drop(socket);
    server.stop(Duration::ZERO);
    assert!(!second.is_closed());
    stash.lock().unwrap().clear();
    second.wait_closed();
}

#[test]
fn beyond_the_cap_a_socket_is_refused_and_its_place_frees_up() {
    let server = Server::builder().limits(Limits { clients: 2, ..Limits::default() }).build();
    server.register(echo("Peer"));
    let clients = [client_of(&server), client_of(&server)];
    for handle in [Server::handle, Server::start_handling] {
        let (ours, theirs) = Socket::pair().unwrap();
        // Another process may have the socket as well. The peer sees the end all the same.
        let _copy = theirs.as_fd().try_clone_to_owned().unwrap();
        let error = handle(&server, theirs).unwrap_err();
        let text = "too many clients: the limit is 2 (raise Limits::clients)";
        assert_eq!(error.to_string(), text);
        assert_eq!(read_to_end(&ours).0, b"");
    }
    assert_eq!(clients[1].call::<i64>("Peer.Echo", &1).unwrap(), 1);
    drop(clients);
    server.stop(Duration::ZERO);
}

#[test]
fn at_the_cap_connections_wait_in_the_queue_until_a_client_has_gone() {
    let scratch = Scratch::new("cap");
    let listener = Listener::bind(scratch.path("s")).unwrap();
    let refused = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&refused);
    let server = Server::builder()
        .limits(Limits { clients: 1, ..Limits::default() })
        .observe(move |event| {
            if let Event::Refused { .. } = event {
                counted.fetch_add(1, Ordering::SeqCst);
            }
        })
        .build();
    server.register(echo("Peer"));
    let loop_thread = server.start_serving(listener).unwrap();
    let first = Client::connect(scratch.path("s")).unwrap();
    assert_eq!(first.call::<i64>("Peer.Echo", &1).unwrap(), 1);
    let second = Client::connect(scratch.path("s")).unwrap();
    let call = thread::spawn(move || second.call::<i64>("Peer.Echo", &2));
    assert_eq!(first.call::<i64>("Peer.Echo", &3).unwrap(), 3);
    first.close();
    assert_eq!(within_timeout(move || call.join().unwrap()).unwrap(), 2);
    server.stop(Duration::ZERO);
    within_timeout(move || loop_thread.join().unwrap()).unwrap();
    assert_eq!(refused.load(Ordering::SeqCst), 0);
}

#[test]
fn several_accept_loops_at_the_cap_refuse_nobody() {
    let scratch = Scratch::new("loops");
    let listener = Arc::new(Listener::bind(scratch.path("s")).unwrap());
    let server = Server::builder().limits(Limits { clients: 1, ..Limits::default() }).build();
    server.register(echo("Peer"));
    let loops = [(); 3].map(|()| {
        let (serving, listener) = (server.clone(), Arc::clone(&listener));
        thread::spawn(move || serving.serve(&listener))
    });
    let callers = [(); 4].map(|()| {
        let path = scratch.path("s");
        thread::spawn(move || {
            for n in 0..100 {
                let client = Client::connect(&path).unwrap();
                assert_eq!(client.call::<i64>("Peer.Echo", &n).unwrap(), n);
            }
        })
    });
    callers.into_iter().for_each(|caller| within_timeout(move || caller.join().unwrap()));
    server.stop(Duration::ZERO);
    loops.into_iter().for_each(|one| within_timeout(move || one.join().unwrap()).unwrap());
}

// In a smaller address space, any stack that can be requested may fit.
#[cfg(target_pointer_width = "64")]
#[test]
fn a_thread_that_cannot_be_made_costs_one_connection() {
    let server = Server::builder()
        .limits(Limits { stack_bytes: usize::MAX / 8, clients: 1, ..Limits::default() })
        .build();
    server.register(echo("Peer"));
    for _ in 0..3 {
        let (ours, theirs) = Socket::pair().unwrap();
        assert!(matches!(server.start_handling(theirs), Err(Error::Io { .. })));
        assert_eq!(read_to_end(&ours).0, b"");
    }
    // Its place is free again. The caller's own thread serves this one.
    let (ours, theirs) = Socket::pair().unwrap();
    send(&ours, br#"{"method":"Peer.Echo","arg":1}"#, &[]);
    ours.shutdown_send().unwrap();
    within_timeout(move || server.handle(theirs)).unwrap();
    assert_eq!(String::from_utf8(read_to_end(&ours).0).unwrap(), success("1"));
}

#[test]
fn a_client_that_the_check_refuses_is_closed_without_a_reply() {
    let ran = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&ran);
    let own_pid = std::process::id();
    let server = Server::builder().authorize(move |peer| peer.pid != own_pid).build();
    server.register(Service::new("Peer", ()).method("Run", move |_: &(), _: ()| {
        counted.fetch_add(1, Ordering::SeqCst);
        Ok::<_, String>(())
    }));
    let (ours, theirs) = Socket::pair().unwrap();
    send(&ours, br#"{"method":"Peer.Run","arg":null}"#, &[]);
    let error = server.handle(theirs).unwrap_err();
    assert!(matches!(error, Error::Unauthorized(peer) if peer.pid == own_pid), "{error:?}");
    assert_eq!(read_to_end(&ours).0, b"");
    assert_eq!(ran.load(Ordering::SeqCst), 0);
}

#[test]
fn a_method_learns_who_calls_and_whether_anybody_still_waits() {
    let server = Server::new();
    let (gate, (answers, answer)) = (Gate::new(), mpsc::channel());
    let inner = gate.clone();
    server.register(Service::new("Peer", ()).method_with_context(
        "Ask",
        move |_: &(), _: (), context| {
            inner.pass();
            let peer = context.credentials();
            assert_eq!(peer.pid, std::process::id());
            assert_eq!(context.method(), "Peer.Ask");
            let facts = (context.client(), context.is_client_gone(), context.is_stopping());
            answers.send(facts).unwrap();
            Ok::<_, String>(())
        },
    ));
    const ASK: &[u8] = br#"{"method":"Peer.Ask","arg":null}"#;
    let there = connect(&server);
    send(&there, ASK, &[]);
    // A half-closed client still waits for its reply.
    let half = connect(&server);
    send(&half, ASK, &[]);
    half.shutdown_send().unwrap();
    let gone = connect(&server);
    send(&gone, ASK, &[]);
    gate.wait_for(3);
    // A child with a copy of the socket would keep the connection open.
    let closing = while_nothing_starts();
    drop(gone);
    gate.open();
    let mut facts: Vec<_> = (0..3).map(|_| answer.recv().unwrap()).collect();
    drop(closing);
    facts.sort_unstable();
    assert_eq!(facts, [(1, false, false), (2, false, false), (3, true, false)]);
    assert_eq!(read_message(&there).0, success("null"));
    assert_eq!(String::from_utf8(read_to_end(&half).0).unwrap(), success("null"));
}

#[test]
fn a_method_learns_that_the_server_is_stopping() {
    let (server, gate, (answers, answer)) = (Server::new(), Gate::new(), mpsc::channel());
    let inner = gate.clone();
    server.register(Service::new("Peer", ()).method_with_context(
        "Ask",
        move |_: &(), _: (), context| {
            answers.send(context.is_stopping()).unwrap();
            inner.pass();
            answers.send(context.is_stopping()).unwrap();
            Ok::<_, String>(())
        },
    ));
    let busy = connect(&server);
    send(&busy, br#"{"method":"Peer.Ask","arg":null}"#, &[]);
    assert!(!answer.recv().unwrap());
    let idle = connect(&server);
    let stopping = server.clone();
    let stop = thread::spawn(move || stopping.stop(Duration::ZERO));
    assert_eq!(read_to_end(&idle).0, b"");
    gate.open();
    assert!(answer.recv().unwrap());
    within_timeout(move || stop.join().unwrap());
}

#[test]
fn the_accept_loop_outlives_a_want_of_descriptors_and_goes_on() {
    if !is_alone() {
        return run_alone(
            path_of(the_accept_loop_outlives_a_want_of_descriptors_and_goes_on),
            COUNTABLE_FILES,
        );
    }
    let scratch = Scratch::new("emfile");
    let listener = Listener::bind(scratch.path("s")).unwrap();
    let (waits, waiting) = mpsc::channel();
    let server = Server::builder()
        .observe(move |event| {
            if let Event::AcceptPaused { reason } = event {
                waits.send(reason.raw_os_error()).unwrap();
            }
        })
        .build();
    server.register(echo("Peer"));
    let loop_thread = server.start_serving(listener).unwrap();
    // One client is served first, so that whatever threads need is open.
    let first = Client::connect(scratch.path("s")).unwrap();
    assert_eq!(first.call::<i64>("Peer.Echo", &1).unwrap(), 1);
    let mut filler = Vec::new();
    let socket = loop {
        // All descriptors but one are used. That one is for the client's own end.
        match std::fs::File::open("/dev/null") {
            Ok(file) => filler.push(file),
            Err(_) => {
                filler.pop();
                break Socket::connect(scratch.path("s")).unwrap();
            }
        }
    };
    const EMFILE: i32 = 24;
    assert_eq!(waiting.recv_timeout(support::TIMEOUT).unwrap(), Some(EMFILE));
    assert_eq!(first.call::<i64>("Peer.Echo", &2).unwrap(), 2, "a connected client is served");
    // The loop tries several times in that time. On a slow machine this checks less, but it never
    // fails wrongly.
    assert!(waiting.recv_timeout(Duration::from_millis(50)).is_err(), "the pause is reported once");
    drop(filler);
    let second = Client::new(socket);
    assert_eq!(second.call::<i64>("Peer.Echo", &3).unwrap(), 3);
    server.stop(Duration::ZERO);
    within_timeout(move || loop_thread.join().unwrap()).unwrap();
}
