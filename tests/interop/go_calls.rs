//! A Go client calls our server.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use urpc::{Error, Listener, Server};

use crate::go::{GoClient, Order};
use crate::peer;
use crate::support::Scratch;

/// Our server with the service `Peer`, on a path of its own and on a thread of its own.
pub struct OurServer {
    pub server: Server,
    pub path: PathBuf,
    pub calls: Arc<AtomicUsize>,
    accepting: Option<JoinHandle<Result<(), Error>>>,
    _scratch: Scratch,
}

impl OurServer {
    pub fn start(name: &str) -> OurServer {
        let calls = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&calls);
        let server = Server::builder()
            .limits(peer::server_limits())
            .after_call(move || {
                counter.fetch_add(1, Ordering::SeqCst);
            })
            .build();
        server.register(peer::service());
        let scratch = Scratch::new(name);
        let path = scratch.path("ours.sock");
        let listener = Listener::bind(path.as_path()).unwrap();
        let accepting = server.start_serving(listener).unwrap();
        OurServer { server, path, calls, accepting: Some(accepting), _scratch: scratch }
    }
}

impl Drop for OurServer {
    fn drop(&mut self) {
        self.server.stop(Duration::ZERO);
        let accepted = self.accepting.take().map(JoinHandle::join);
        if !thread::panicking() {
            accepted.unwrap().unwrap().unwrap();
        }
    }
}

#[test]
fn go_gets_results_and_errors() {
    let server = OurServer::start("ours-small");
    let Some(mut go) = GoClient::start(&server.path) else { return };
    let func = Order::new("Peer.Func", r#"{"StringArg":"<a>","IntArg":-7}"#);
    let expected = br#"{"StringResult":"\u003ca\u003e","IntResult":-7}"#;
    assert_eq!(go.call(&func).success(), expected);
    for (method, text) in [
        ("Peer.Err", "test error"),
        ("Peer.ErrEmpty", ""),
        ("Peer.Nope", "unknown method"),
        ("Peer.TooManyFiles", "too many files"),
    ] {
        let outcome = go.call(&Order::new(method, "{}"));
        assert_eq!((&*outcome.error, outcome.remote), (text, true));
    }
    let type_error = go.call(&Order::new("Peer.Func", r#"{"IntArg":"x"}"#));
    assert!(type_error.remote && type_error.error.starts_with("arg.IntArg: "), "{type_error:?}");
    let nan = go.call(&Order::new("Peer.NaN", "null"));
    assert!(nan.remote && !nan.error.is_empty(), "{nan:?}");
    assert_eq!(go.call(&Order::new("Peer.Echo", "[1.50,null]")).success(), b"[1.50,null]");
}

#[test]
fn go_gets_strings_of_a_mebibyte() {
    let server = OurServer::start("ours-large");
    let Some(mut go) = GoClient::start(&server.path) else { return };
    for unit in ["x", "\u{20ac}", "\u{1f600}", "\\n"] {
        let text = format!("\"{}\"", unit.repeat((1 << 20) / unit.len()));
        assert_eq!(go.call(&Order::new("Peer.Echo", text.as_str())).success(), text.as_bytes());
    }
    let big = go.call(&Order::new("Peer.Big", r#"{"N":1048576}"#));
    assert_eq!(big.success().len(), r#"{"Data":""}"#.len() + (1 << 20));
}

#[test]
fn files_arrive_in_order_in_both_directions() {
    let server = OurServer::start("ours-files");
    let Some(mut go) = GoClient::start(&server.path) else { return };
    for count in [0, 1, 2, 32, 128] {
        let cat = Order::new("Peer.CatFiles", "{}").with_files(count, "from Go ");
        let quoted: Vec<String> = (0..count).map(|n| format!("\"from Go {n}\"")).collect();
        let expected = match count {
            0 => r#"{"Contents":null}"#.to_owned(),
            _ => format!(r#"{{"Contents":[{}]}}"#, quoted.join(",")),
        };
        assert_eq!(go.call(&cat).success(), expected.as_bytes());

        let make = format!(r#"{{"Count":{count},"Content":"to Go "}}"#);
        let outcome = go.call(&Order::new("Peer.MakeFiles", make));
        let expected: Vec<String> = (0..count).map(|index| format!("to Go {index}")).collect();
        assert_eq!((outcome.success(), &outcome.contents), (&b"{}"[..], &expected));
    }
    let over = go.call(&Order::new("Peer.CountFiles", "{}").with_files(129, ""));
    assert_eq!((&*over.error, over.remote), ("too many files", false));
    let none = go.call(&Order::new("Peer.MakeFiles", r#"{"Count":129,"Content":""}"#));
    assert_eq!((&*none.error, none.remote), ("too many files", true));
}

#[test]
fn our_files_come_close_on_exec_and_a_failed_method_sends_none() {
    let server = OurServer::start("ours-info");
    let Some(mut go) = GoClient::start(&server.path) else { return };
    let info = go.call(&Order::new("Peer.FdInfo", "{}").with_files(2, ""));
    let expected = r#"{"Cloexec":[true,true],"Nonblock":[false,false],"IsNil":false}"#;
    assert_eq!(info.success(), expected.as_bytes());
    let failed = go.call(&Order::new("Peer.ErrFiles", "{}").with_files(2, ""));
    assert_eq!((failed.remote, failed.contents.len()), (true, 0));
    let plain = go.call(&Order::new("Peer.Echo", "1").with_files(3, ""));
    assert_eq!((plain.success(), plain.contents.len()), (&b"1"[..], 0));
}

#[test]
fn clients_come_and_go() {
    let server = OurServer::start("ours-many");
    let Some(mut go) = GoClient::start(&server.path) else { return };
    for number in 0..100 {
        let order = Order::new("Peer.Echo", number.to_string()).connecting();
        assert_eq!(go.call(&order).success(), number.to_string().as_bytes());
    }
    drop(go);
    server.server.stop(crate::support::TIMEOUT);
    assert_eq!(server.calls.load(Ordering::SeqCst), 100);
}

#[test]
fn a_stopped_server_leaves_go_an_error() {
    let server = OurServer::start("ours-stopped");
    let Some(mut go) = GoClient::start(&server.path) else { return };
    assert_eq!(go.call(&Order::new("Peer.Echo", "1")).success(), b"1");
    server.server.stop(Duration::ZERO);
    let outcome = go.call(&Order::new("Peer.Echo", "2"));
    assert!(!outcome.remote && !outcome.error.is_empty(), "{outcome:?}");
}
