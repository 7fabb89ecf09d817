//! Peers that misbehave for a long time.

use std::os::fd::AsFd;

use urpc::Error;

use crate::counts::wait_until;
use crate::subject::{Setup, assert_answers};
use crate::support::{MOST_FILES, Probe, failure, read_message, read_to_end, send, success};

const COUNT: &[u8] = br#"{"method":"Peer.Count","arg":{}}"#;
const BIG: &[u8] = br#"{"method":"Peer.Big","arg":null}"#;

#[test]
fn a_peer_that_trickles_is_answered_and_holds_up_nobody() {
    let server = Setup::default().start("trickle");
    let (socket, (file, probe)) = (server.socket(), Probe::new());
    for _ in 0..3 {
        for (at, byte) in COUNT.iter().enumerate() {
            let files = if at == 0 { &[file.as_fd()][..] } else { &[] };
            send(&socket, &[*byte], files);
            // The server has received it and waits for the next one before another client is
            // served.
            if at % 16 == 0 {
                assert_answers(&server.client());
            }
        }
        assert_eq!(read_message(&socket).0, success("1"));
    }
    drop((file, socket));
    probe.wait_closed();
    server.assert_unharmed("bytes one by one");
    server.finish();
}

#[test]
fn peers_that_never_read_hold_up_nobody_and_are_cut_off() {
    let server = Setup { send_time: Some(300), ..Setup::default() }.start("unread");
    let sockets = [(); 4].map(|()| server.socket());
    sockets.iter().for_each(|socket| send(socket, BIG, &[]));
    assert_answers(&server.client());
    // The peers are still connected and have not read a byte.
    server.assert_unharmed("replies that nobody takes");
    for socket in &sockets {
        assert!(read_to_end(socket).0.len() < 1 << 19, "only a part of the reply arrived");
    }
    server.finish();
}

#[test]
fn as_many_files_as_a_send_carries_are_refused_each_time_and_closed() {
    let server = Setup::default().start("files");
    let (socket, (file, probe)) = (server.socket(), Probe::new());
    for _ in 0..50 {
        send(&socket, COUNT, &[file.as_fd(); MOST_FILES]);
        assert_eq!(read_message(&socket).0, failure("too many files"));
    }
    drop(file);
    probe.wait_closed();
    drop(socket);
    server.assert_unharmed("files beyond the limit");
    server.finish();
}

#[test]
fn where_no_descriptors_are_left_files_are_refused_with_the_reason_and_closed() {
    let setup = Setup { few_files: true, ..Setup::default() };
    let server = setup.start("emfile");
    let (client, (file, probe)) = (server.client(), Probe::new());
    for _ in 0..50 {
        let error = client.call_raw("Peer.Count", b"{}", &[file.as_fd(); 32]).unwrap_err();
        let Error::Remote(error) = error else { panic!("{error}") };
        assert!(error.message().starts_with("control data truncated"), "{error}");
        // The files that fit are received.
        let (count, _) = client.call_raw("Peer.Count", b"{}", &[file.as_fd(); 3]).unwrap();
        assert_eq!(count.as_bytes(), b"3");
    }
    drop((file, client));
    probe.wait_closed();
    server.assert_unharmed("files beyond the descriptors");
    server.finish();
}

#[test]
fn where_no_descriptors_are_left_connections_wait_and_are_served_once_there_are() {
    const EMFILE: i32 = 24;
    let setup = Setup { few_files: true, ..Setup::default() };
    let server = setup.start("accept");
    let mut clients: Vec<_> = (0..40).map(|_| server.client()).collect();
    let waits = || clients[0].call::<Vec<i32>>("Peer.Waits", &()).unwrap();
    let waits = wait_until(|| Some(waits()).filter(|waits| !waits.is_empty()), String::new);
    assert!(waits.iter().all(|error| *error == EMFILE), "{waits:?}");
    // The last of them are not accepted yet. They are accepted as others leave.
    let last = clients.split_off(37);
    drop(clients);
    for client in &last {
        assert_eq!(client.call::<i64>("Peer.Echo", &1).unwrap(), 1);
    }
    drop(last);
    server.assert_unharmed("more clients than descriptors");
    server.finish();
}

#[test]
fn over_the_least_of_buffers_all_that_is_large_arrives_with_its_files() {
    let server = Setup { least_buffer: true, ..Setup::default() }.start("short");
    let socket = server.socket();
    socket.set_send_buffer(1).unwrap();
    let (client, (file, probe)) = (urpc::Client::new(socket), Probe::new());
    let large = format!("\"{}\"", "x".repeat(1 << 17));
    for _ in 0..2 {
        let (echo, files) =
            client.call_raw("Peer.Echo", large.as_bytes(), &[file.as_fd(); 2]).unwrap();
        assert_eq!((echo.as_bytes(), files.len()), (large.as_bytes(), 0));
    }
    let (_, files) = client.call_raw("Peer.Return", b"{}", &[file.as_fd(); 2]).unwrap();
    assert_eq!(files.len(), 2);
    drop((files, file, client));
    probe.wait_closed();
    server.assert_unharmed("short sends");
    server.finish();
}
