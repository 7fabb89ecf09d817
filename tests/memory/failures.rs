//! Each allocation of a call fails in turn, on the client's side and on the server's. Nothing
//! aborts, the call succeeds or returns an error that says why, and the next client is served.

use std::collections::HashMap;
use std::fs::File;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use urpc::json::{DecodeOptions, FromJson, ToJson, Value, decode_into};
use urpc::{Client, Error, Event, Files, Server, Service, Socket};

use crate::alloc::{arm, disarm, take_part};
use crate::support::{TIMEOUT, read_to_end, success};

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

/// The numbers of allocations are shared by the whole process.
fn take_turn() -> MutexGuard<'static, ()> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner)
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
        assert!(is_explained(side, &error.to_string()), "{side:?}: {error}");
        if error.is_usable() {
            scenario(&client).expect("a usable client's next call");
        }
    }
    drop(client);
    scenario(&connect(server)).expect("the next client's call");
    made > number
}

/// Whether the error names the cause and blames nobody else, or is what a client sees whose server
/// has not even memory to receive and ends the connection.
fn is_explained(side: Side, error: &str) -> bool {
    let is_named = ["memory", "control data truncated"].iter().any(|cause| error.contains(cause));
    let is_ended = side == Side::Server && error.contains("the peer ");
    (is_named || is_ended) && !error.contains("malformed")
}

fn fail_each(scenario: fn(&Client) -> Result<(), Error>) {
    let _turn = take_turn();
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

/// Allocation after allocation fails in `attempt`, until it makes no more of them. It returns what
/// came of it, which is `whole` or is explained.
fn fail_each_of(side: Side, whole: &str, attempt: impl Fn() -> String) {
    let _turn = take_turn();
    let flag = if side == Side::Client { &CLIENT_FAILS } else { &SERVER_FAILS };
    let mut failed = 0;
    loop {
        flag.store(true, Ordering::SeqCst);
        arm(failed);
        let came = attempt();
        let made = disarm();
        flag.store(false, Ordering::SeqCst);
        assert!(came == whole || made > failed && is_explained(side, &came), "{failed}: {came}");
        if made <= failed {
            assert!(failed > 0, "nothing is allocated");
            return;
        }
        failed += 1;
    }
}

#[test]
fn a_call_in_an_unusual_spelling() {
    const CALL: &[u8] =
        br#"{"m\u0065thod":"None","m\u0065thod":"Peer.T\u0065xt","arg":1,"arg":"a"}"#;
    let server = server();
    fail_each_of(Side::Server, &success("\"a\""), || {
        let (ours, theirs) = Socket::pair().unwrap();
        server.start_handling(theirs).unwrap();
        // A server without memory may have ended the connection.
        let _ = ours.send(CALL, &[]).and_then(|_| ours.shutdown_send());
        match String::from_utf8(read_to_end(&ours).0).unwrap() {
            nothing if nothing.is_empty() => "the peer is gone".to_owned(),
            reply => reply,
        }
    });
    server.stop(TIMEOUT);
}

/// What a call of the client returns whose reply is `reply`.
fn outcome(reply: &'static str) -> String {
    let (ours, theirs) = Socket::pair().unwrap();
    let peer = thread::spawn(move || {
        // A client without memory sends no call, or does not wait for the reply.
        if theirs.receive(&mut [0; 256], 0).unwrap().0 > 0 {
            let _ = theirs.send(reply.as_bytes(), &[]);
        }
        read_to_end(&theirs);
    });
    let client = Client::new(ours);
    let called = call::<HashMap<String, i64>>(&client, "Peer.Map", &());
    let outcome = match called {
        Ok(result) => {
            let mut members: Vec<_> = result.into_iter().collect();
            members.sort();
            format!("{members:?}")
        }
        // There may be no memory for the method's name.
        Err(error) => error.to_string().trim_start_matches("Peer.Map: ").to_owned(),
    };
    drop(client);
    peer.join().unwrap();
    outcome
}

#[test]
fn a_reply_in_an_unusual_spelling() {
    let replies = [
        r#"{"succ\u0065ss":false,"err":"x","err":"out of \"order\""}"#,
        r#"{"success":true,"result":{"a":1},"r\u0065sult":{"b":2},"result":{"c":3}}"#,
    ];
    let outcomes = ["remote error: out of \"order\"", r#"[("a", 1), ("b", 2), ("c", 3)]"#];
    for (reply, whole) in replies.into_iter().zip(outcomes) {
        fail_each_of(Side::Client, whole, || outcome(reply));
    }
}

#[test]
fn once_an_allocation_has_failed_no_more_is_decoded() {
    const TEXT: &[u8] = br#"{"numbers":{"a":1},"name":"comes behind them"}"#;
    let decode = || {
        let mut member = Member::default();
        take_part(true);
        let result = decode_into(&mut member, TEXT, &DecodeOptions::default());
        take_part(false);
        (result, member)
    };
    // Without the turn, a failure meant for another test could meet this one.
    let _turn = take_turn();
    // A record's members are resolved at its first use.
    decode().0.unwrap();
    for failing in 0.. {
        arm(failing);
        let (result, member) = decode();
        if disarm() <= failing {
            assert!(result.is_ok() && failing > 1, "{failing}: {result:?}");
            return;
        }
        assert!(result.is_err() && member.name.is_empty(), "{failing}: {member:?}");
    }
}
