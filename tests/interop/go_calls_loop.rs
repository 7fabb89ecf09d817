//! A Go client calls the example `event_loop`.

use std::os::fd::AsFd;
use std::thread;

use urpc::{Listener, process};

use crate::event_loop;
use crate::go::{GoClient, Order};
use crate::support::{Scratch, within_timeout};

#[test]
fn go_calls_a_server_that_waits_by_poll_alone() {
    let scratch = Scratch::new("go-loop");
    let listener = Listener::bind(scratch.path("s")).unwrap();
    let (ended, stop) = process::pipe().unwrap();
    let serving = thread::spawn(move || event_loop::serve(&listener, ended.as_fd()));
    if let Some(mut go) = GoClient::start(&scratch.path("s")) {
        for count in [0, 1, 32] {
            let echo = Order::new("Loop.Echo", "[1.50,null]").with_files(count, "from Go ");
            let outcome = go.call(&echo);
            let expected: Vec<String> = (0..count).map(|n| format!("from Go {n}")).collect();
            assert_eq!((outcome.success(), &outcome.contents), (&b"[1.50,null]"[..], &expected));
        }
        let text = format!("\"{}\"", "x".repeat(1 << 20));
        let large = go.call(&Order::new("Loop.Echo", text.as_str()).with_files(2, "").connecting());
        assert_eq!((large.success(), large.contents.len()), (text.as_bytes(), 2));
        let over = go.call(&Order::new("Loop.Count", "1").with_files(33, ""));
        assert!(over.remote && over.error.starts_with("too many files"), "{over:?}");
        assert_eq!(go.call(&Order::new("Loop.Count", "1").with_files(3, "")).success(), b"3");
        let unknown = go.call(&Order::new("Loop.Nope", "{}"));
        assert_eq!((&*unknown.error, unknown.remote), ("unknown method", true));
    }
    drop(stop);
    within_timeout(move || serving.join().unwrap()).unwrap();
}
