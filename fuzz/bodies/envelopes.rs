//! One message, as a call to a server and as a reply to a client.
//!
//! Properties:
//! - The envelope readers, which get a message's tokens as they arrive, read the same from it as
//!   the typed decoder from the complete text.
//! - What a client sends for a method and an argument is read by a server as that method and
//!   argument.

use std::sync::{Arc, Mutex, PoisonError};

use urpc::json::{self, RawJson};
use urpc::{Client, Error, Event, Files, Server, Service};

use super::client_session;
use super::player;
use super::replies::Call;

/// A size that fits into a socket's buffer without a reader, also if escapes make it six times as
/// long.
const ROOM: usize = 1 << 14;

pub fn run(data: &[u8]) {
    let data = &data[..data.len().min(ROOM)];
    call(data);
    client_session::run(&[b"0", data].concat());
    if let Ok(read) = json::from_slice::<Call>(data) {
        client_call(&read);
    }
}

/// What a server reads from `text`: the method of each call, and the argument if the method is
/// `a.b`.
fn served(text: &[u8]) -> (Vec<String>, Vec<Vec<u8>>, Result<(), Error>) {
    let (methods, args) = (Arc::<Mutex<Vec<_>>>::default(), Arc::<Mutex<Vec<_>>>::default());
    let (begun, got) = (Arc::clone(&methods), Arc::clone(&args));
    let observe = move |event: &Event<'_>| {
        if let Event::CallStarted { method, .. } = event {
            begun.lock().unwrap_or_else(PoisonError::into_inner).push((*method).to_owned());
        }
    };
    let server = Server::builder().observe(observe).build();
    server.register(Service::new("a", ()).raw_method("b", move |_, arg, _, _| {
        got.lock().unwrap_or_else(PoisonError::into_inner).push(arg.to_vec());
        Ok::<_, String>((RawJson::new("1"), Files::new()))
    }));
    let (ours, theirs) = player::pair();
    let sent = ours.try_send(text, &[]).unwrap_or_default();
    assert!(sent == text.len() || text.is_empty(), "the text is short enough for a socket");
    ours.shutdown_send().expect("an end");
    let result = server.handle(theirs);
    drop(server);
    let take = |list: &Mutex<Vec<_>>| {
        std::mem::take(&mut *list.lock().unwrap_or_else(PoisonError::into_inner))
    };
    let args = std::mem::take(&mut *args.lock().unwrap_or_else(PoisonError::into_inner));
    (take(&methods), args, result)
}

/// What an observer gets of a name: all of it if the method is known, otherwise a piece.
fn observed(method: &str) -> String {
    const PIECE: usize = 32;
    if method == "a.b" {
        return method.to_owned();
    }
    let piece = &method.as_bytes()[..method.len().min(PIECE)];
    let rest = if method.len() > PIECE { "..." } else { "" };
    format!("{}{rest}", piece.escape_ascii())
}

fn call(text: &[u8]) {
    let (methods, args, result) = served(text);
    match json::from_slice::<Call>(text) {
        Ok(call) => {
            assert!(result.is_ok(), "{result:?}");
            assert_eq!(methods, [observed(&call.method)]);
            assert!(call.method != "a.b" || args == [call.arg.into_bytes()]);
        }
        // Several messages, or none.
        Err(json::Error::Syntax(_)) | Err(json::Error::UnexpectedEnd) => {}
        Err(_) => assert!(methods.is_empty() && result.is_err(), "{result:?}"),
    }
}

/// Checks what a client makes of a call's method and argument.
fn client_call(call: &Call) {
    let (theirs, ours) = player::pair();
    theirs.try_send(br#"{"success":true,"err":"","result":1}"#, &[]).expect("room for a reply");
    let client = Client::new(ours);
    let outcome = client.call_raw(&call.method, call.arg.as_bytes(), &[]);
    if call.arg.as_bytes().is_empty() {
        return assert!(matches!(outcome, Err(Error::Argument { .. })), "{outcome:?}");
    }
    assert_eq!(outcome.expect("the reply").0.as_bytes(), b"1");
    let (mut text, mut buffer) = (Vec::new(), [0; 4096]);
    while let Ok((count @ 1.., _)) = theirs.try_receive(&mut buffer, 0) {
        text.extend_from_slice(&buffer[..count]);
    }
    let (methods, args, result) = served(&text);
    assert!(result.is_ok(), "{result:?}");
    assert_eq!(methods, [observed(&call.method)]);
    let compact = json::to_vec(&call.arg).expect("an argument that was read");
    assert!(call.method != "a.b" || args == [compact]);
}
