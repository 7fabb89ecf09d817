//! Each allocation of a call fails in turn, on the client's side and on the server's. Nothing
//! aborts, the call succeeds or returns an error, and the next client is served.

use std::collections::HashMap;
use std::fs::File;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use urpc::json::{FromJson, ToJson, Value};
use urpc::{Client, Error, Event, Files, Server, Service, Socket};

use crate::alloc::{arm, disarm, take_part};
use crate::support::TIMEOUT;

urpc::record! {
    #[derive(Debug, Default, Clone, PartialEq)]
    pub struct Member {
        pub name: String,
        pub count: u64,
        pub tags: Vec<String>,
        pub numbers: HashMap<String, i64>,
        pub note: Option<String>,
    }

    #[derive(Debug, Default)]
    pub struct WithFiles {
        pub name: String,
        pub files: Files,
    }
}

/// The side whose allocations fail.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Side {
    Client,
    Server,
}

static CLIENT_FAILS: AtomicBool = AtomicBool::new(false);
static SERVER_FAILS: AtomicBool = AtomicBool::new(false);

fn on_the_clients_side<T>(work: impl FnOnce() -> T) -> T {
    take_part(CLIENT_FAILS.load(Ordering::SeqCst));
    let result = work();
    take_part(false);
    result
}

fn call<R: FromJson + Default>(
    client: &Client,
    method: &str,
    arg: &impl ToJson,
) -> Result<R, Error> {
    on_the_clients_side(|| client.call(method, arg))
}

fn small(client: &Client) -> Result<(), Error> {
    let text: String = call(client, "Peer.Text", &"a \"small\" one")?;
    assert_eq!(text, "a \"small\" one");
    Ok(())
}

fn large(client: &Client) -> Result<(), Error> {
    // Larger than the buffers that a connection keeps. It has few escapes, because encoding those
    // is slow.
    let sent = "sixteen letters\n".repeat(8_000);
    let text: String = call(client, "Peer.Text", &sent)?;
    assert_eq!(text, sent);
    Ok(())
}

fn many_members(client: &Client) -> Result<(), Error> {
    let member = |index: u64| Member {
        name: format!("member {index}"),
        count: index,
        tags: vec!["a".to_owned(), "b\n".to_owned()],
        numbers: (0..3).map(|number| (number.to_string(), number)).collect(),
        note: (index % 2 == 0).then(|| "even".to_owned()),
    };
    let sent: Vec<Member> = (0..8).map(member).collect();
    let members: Vec<Member> = call(client, "Peer.Members", &sent)?;
    assert_eq!(members, sent);
    Ok(())
}

fn files(client: &Client) -> Result<(), Error> {
    let null = || File::open("/dev/null").expect("/dev/null");
    let arg = WithFiles { name: "some".to_owned(), files: (0..8).map(|_| null()).collect() };
    let reply: WithFiles = call(client, "Peer.Files", &arg)?;
    assert_eq!((reply.name.as_str(), reply.files.len()), ("some", 8));
    Ok(())
}

fn reply(client: &Client) -> Result<(), Error> {
    let text: String = call(client, "Peer.Reply", &200_000)?;
    assert_eq!(text.len(), 200_000);
    Ok(())
}

fn any_value(client: &Client) -> Result<(), Error> {
    let text = r#"{"b":[1,2.5,[[],{}],"x\ny"],"a":{"b":null,"a":true},"a":"\u00e4"}"#;
    let called = on_the_clients_side(|| client.call_raw("Peer.Value", text.as_bytes(), &[]));
    let (value, _) = called?;
    assert_eq!(value.as_bytes(), "{\"a\":\"ä\",\"b\":[1,2.5,[[],{}],\"x\\ny\"]}".as_bytes());
    Ok(())
}

fn typed_value(client: &Client) -> Result<(), Error> {
    let value: Value = call(client, "Peer.Value", &[Some([1, 2]), None])?;
    assert_eq!(value.to_string(), "[[1,2],null]");
    Ok(())
}

/// The allocations of the method itself are not the library's.
fn make_text(size: usize) -> String {
    take_part(false);
    let text = "x".repeat(size);
    take_part(SERVER_FAILS.load(Ordering::SeqCst));
    text
}

fn server() -> Server {
    let server = Server::builder()
        .observe(|event| match event {
            Event::Accepted { .. } => take_part(SERVER_FAILS.load(Ordering::SeqCst)),
            Event::Disconnected { .. } => take_part(false),
            _ => {}
        })
        .build();
    let service = Service::new("Peer", ())
        .method("Text", |_: &(), text: String| Ok::<_, String>(text))
        .method("Members", |_: &(), members: Vec<Member>| Ok::<_, String>(members))
        .method("Files", |_: &(), arg: WithFiles| Ok::<_, String>(arg))
        .method("Reply", |_: &(), size: usize| Ok::<_, String>(make_text(size)))
        .method("Value", |_: &(), value: Value| Ok::<_, String>(value));
    server.register(service);
    server
}

fn connect(server: &Server) -> Client {
    let (ours, theirs) = Socket::pair().unwrap();
    server.start_handling(theirs).unwrap();
    Client::new(ours)
}

/// Makes the call with allocation number `failing` failing. Returns whether the call got so far.
fn fail_one(
    server: &Server,
    side: Side,
    number: usize,
    scenario: fn(&Client) -> Result<(), Error>,
) -> bool {
    CLIENT_FAILS.store(side == Side::Client, Ordering::SeqCst);
    SERVER_FAILS.store(side == Side::Server, Ordering::SeqCst);
    arm(number);
    let client = connect(server);
    let result = scenario(&client);
    let made = disarm();
    CLIENT_FAILS.store(false, Ordering::SeqCst);
    SERVER_FAILS.store(false, Ordering::SeqCst);
    if let Err(error) = result {
        assert!(made > number, "nothing failed, but {error}");
        if error.is_usable() {
            scenario(&client).expect("a usable client's next call");
        }
    }
    drop(client);
    scenario(&connect(server)).expect("the next client's call");
    made > number
}

fn fail_each(scenario: fn(&Client) -> Result<(), Error>) {
    // The numbers of allocations are shared by the whole process.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let server = server();
    // A record's members are resolved at its first use.
    scenario(&connect(&server)).unwrap();
    for side in [Side::Client, Side::Server] {
        let mut failed = 0;
        while fail_one(&server, side, failed, scenario) {
            failed += 1;
            assert!(failed < 10_000, "{side:?}: allocations fail without end");
        }
        assert!(failed > 0, "{side:?} allocates nothing");
        println!("{side:?}: {failed} allocations failed in turn");
    }
    server.stop(TIMEOUT);
}

#[test]
fn a_small_call() {
    fail_each(small);
}

#[test]
fn a_large_call() {
    fail_each(large);
}

#[test]
fn many_small_members() {
    fail_each(many_members);
}

#[test]
fn a_call_with_files() {
    fail_each(files);
}

#[test]
fn a_large_reply() {
    fail_each(reply);
}

#[test]
fn a_value_as_argument() {
    fail_each(any_value);
}

#[test]
fn a_value_as_result() {
    fail_each(typed_value);
}
