//! A server's places, its accept loop, and threads that wait for the next client.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::{
    check, connection, count_replies, expect_all_ended, finish, received, settle, wait_for_reply,
};
use crate::interleavings::execution::execution;
use crate::interleavings::{Scenario, Time};
use crate::sync::{Mutex, thread};
use crate::{Address, Error, Limits, Listener, Server, Service, Socket, closer};

pub(super) const ALL: &[Scenario] = &[
    Scenario { name: "a place is free again", time: Time::Stands, run: a_place_is_free_again },
    Scenario { name: "a place of a client that goes", time: Time::Stands, run: a_client_goes },
    Scenario { name: "a place is taken back", time: Time::Runs(2), run: a_place_is_taken_back },
    Scenario { name: "an accept loop and a stop", time: Time::Stands, run: accept_and_stop },
    Scenario { name: "serving begins while a stop does", time: Time::Stands, run: serve_and_stop },
    Scenario { name: "a thread waits for a client", time: Time::Stands, run: a_thread_waits },
    Scenario {
        name: "a thread waits, two clients come",
        time: Time::Stands,
        run: two_clients_come,
    },
    Scenario { name: "two threads wait for clients", time: Time::Stands, run: two_threads_wait },
    Scenario { name: "a task and a stop", time: Time::Stands, run: a_task_and_a_stop },
    Scenario { name: "no thread for a client", time: Time::Stands, run: no_thread },
];

const CALL: &[u8] = br#"{"method":"Peer.Run","arg":{}}"#;

/// A server whose methods check that no more of them run than there are places.
fn server(limits: Limits) -> Server {
    let most = limits.clients;
    let server = Server::builder().limits(limits).build();
    let running = Arc::new(Mutex::new(0));
    server.register(Service::new("Peer", ()).method("Run", move |_: &(), ()| {
        *running.lock().unwrap() += 1;
        let mut running = running.lock().unwrap();
        check(*running <= most, "calls of more clients run than there are places");
        *running -= 1;
        Ok::<_, String>(())
    }));
    server
}

fn limits(clients: usize) -> Limits {
    Limits { clients, ..Limits::default() }
}

/// A listening socket, and `N` clients that have connected.
fn listener<const N: usize>() -> (Listener, [Socket; N]) {
    let address: Address = format!("@urpc-interleavings-{}", std::process::id()).parse().unwrap();
    let listener = Listener::bind(address.clone()).unwrap();
    let clients = [(); N].map(|()| Socket::connect(address.clone()).unwrap());
    (listener, clients)
}

/// The second client is accepted only when the first has left.
fn a_place_is_free_again() {
    let server = server(limits(1));
    let (listener, [first, second]) = listener();
    let accepting = settle(|| server.start_serving(listener).unwrap());
    first.shutdown().unwrap();
    second.send(CALL, &[]).unwrap();
    wait_for_reply(&second);
    finish();
    server.stop(Duration::ZERO);
    accepting.join().unwrap();
    assert_eq!(received(second), (String::new(), true));
}

/// A client that comes while another goes is served or told that there is no place.
fn a_client_goes() {
    let server = server(limits(1));
    let (first, theirs) = connection();
    settle(|| server.start_handling(theirs).unwrap());
    let going = thread::spawn(move || first.shutdown().unwrap());
    let (second, theirs) = connection();
    second.send(CALL, &[]).unwrap();
    match server.start_handling(theirs) {
        Ok(()) => wait_for_reply(&second),
        Err(Error::TooManyClients { .. }) => assert_eq!(received(second), (String::new(), true)),
        Err(error) => panic!("{error:?}"),
    }
    going.join();
    finish();
    server.stop(Duration::ZERO);
}

/// The first client is gone, and its thread is slow. Only one of them has a call at a time.
fn a_place_is_taken_back() {
    let server = server(limits(1));
    let (first, theirs) = connection();
    first.send(CALL, &[]).unwrap();
    first.shutdown().unwrap();
    server.start_handling(theirs).unwrap();
    let (second, theirs) = connection();
    second.send(CALL, &[]).unwrap();
    if server.start_handling(theirs).is_ok() {
        wait_for_reply(&second);
    }
    finish();
    server.stop(Duration::ZERO);
    drop((first, second));
}

fn accept_and_stop() {
    let server = server(limits(2));
    let (listener, [client]) = listener();
    let accepting = settle(|| server.start_serving(listener).unwrap());
    client.send(CALL, &[]).unwrap();
    server.stop(Duration::ZERO);
    accepting.join().unwrap();
    let (text, _) = received(client);
    assert!(count_replies(&text) <= 1);
}

/// The loop ends by the stop, or does not begin.
fn serve_and_stop() {
    let server = server(limits(2));
    let (listener, []) = listener();
    let other = server.clone();
    let serving = thread::spawn(move || other.serve(&listener));
    server.stop(Duration::ZERO);
    assert!(matches!(serving.join(), Ok(()) | Err(Error::Stopped)));
}

/// A server where memory is so short that threads wait, so many at most.
fn short_of_memory(threads: usize) -> Server {
    let stack_bytes = (40 << 20) / threads;
    execution().memory = stack_bytes + (4 << 20);
    server(Limits { stack_bytes, ..limits(4) })
}

/// A client whose call is answered.
fn come(server: &Server) -> Result<Socket, Error> {
    let (ours, theirs) = connection();
    ours.send(CALL, &[]).unwrap();
    server.start_handling(theirs)?;
    wait_for_reply(&ours);
    Ok(ours)
}

/// The client also leaves.
fn come_and_go(server: &Server) -> Result<(), Error> {
    come(server)?.shutdown().unwrap();
    Ok(())
}

/// The thread of the first client serves the second if it waits already.
fn a_thread_waits() {
    let server = short_of_memory(1);
    come_and_go(&server).unwrap();
    execution().memory = 0;
    match come_and_go(&server) {
        Ok(()) => {}
        Err(Error::Io { source, .. }) => assert_eq!(source.kind(), io::ErrorKind::OutOfMemory),
        Err(error) => panic!("{error:?}"),
    }
    server.stop(Duration::ZERO);
    expect_all_ended();
    execution().memory = usize::MAX;
    closer::close_queued_before();
}

/// One client gets the thread that waits, and the other a new one. Both stay connected.
fn two_clients_come() {
    let server = short_of_memory(1);
    settle(|| come_and_go(&server).unwrap());
    let other = server.clone();
    let coming = thread::spawn(move || come(&other).unwrap());
    let clients = [come(&server).unwrap(), coming.join()];
    finish();
    server.stop(Duration::ZERO);
    drop(clients);
}

/// Two tasks are given to two threads that wait, and a stop comes.
fn two_threads_wait() {
    let server = short_of_memory(2);
    settle(|| [(); 2].map(|()| come_and_go(&server).unwrap()));
    let other = server.clone();
    let coming = thread::spawn(move || drop(come_and_go(&other)));
    drop(come_and_go(&server));
    coming.join();
    finish();
    server.stop(Duration::ZERO);
}

/// A task is given to one of two threads that wait, while a stop ends them.
fn a_task_and_a_stop() {
    let server = short_of_memory(2);
    settle(|| [(); 2].map(|()| come_and_go(&server).unwrap()));
    let other = server.clone();
    let coming = thread::spawn(move || {
        let (ours, theirs) = connection();
        (other.start_handling(theirs).is_ok(), ours)
    });
    server.stop(Duration::ZERO);
    let (_, client) = coming.join();
    expect_all_ended();
    assert_eq!(received(client), (String::new(), true));
}

/// The client is refused, and its connection is closed as soon as there are threads again.
fn no_thread() {
    let server = server(limits(2));
    let (client, theirs) = connection();
    client.send(CALL, &[]).unwrap();
    let other = server.clone();
    let stopping = thread::spawn(move || other.stop(Duration::ZERO));
    execution().threads_left = 0;
    let refused = server.start_handling(theirs);
    assert!(matches!(refused, Err(Error::Io { .. } | Error::Stopped)), "{refused:?}");
    stopping.join();
    execution().threads_left = usize::MAX;
    closer::close_queued_before();
    assert_eq!(received(client).0, "");
}
