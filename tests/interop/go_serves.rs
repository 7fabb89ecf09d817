//! Our client calls a Go server.

use std::os::fd::OwnedFd;
use std::thread;

use urpc::{Error, Files, json};

use crate::exchange::numbered_files;
use crate::go::GoServer;
use crate::peer::{Contents, Count, FdInfo, FuncResult};

urpc::record! {
    #[derive(Default)]
    struct FuncArg {
        string_arg: String => "StringArg",
        int_arg: i64 => "IntArg",
    }

    #[derive(Default)]
    struct MakeFiles {
        count: usize => "Count",
        content: String => "Content",
    }
}

fn read_all(mut files: Files) -> Vec<String> {
    let read = |file: OwnedFd| std::io::read_to_string(std::fs::File::from(file)).unwrap();
    files.release_all().into_iter().map(read).collect()
}

#[test]
fn typed_calls_are_answered() {
    let Some(server) = GoServer::start("go-typed") else { return };
    let client = server.client();
    for int_arg in [0, -1, i64::MAX, i64::MIN] {
        let string_arg = format!("<\u{e9}&\u{2028}\u{1f600}\0> {int_arg}");
        let expected = FuncResult { string_result: string_arg.clone(), int_result: int_arg };
        let arg = FuncArg { string_arg, int_arg };
        assert_eq!(client.call::<FuncResult>("Peer.Func", &arg).unwrap(), expected);
    }
}

#[test]
fn remote_errors_keep_their_text_and_the_client_goes_on() {
    let Some(server) = GoServer::start("go-errors") else { return };
    let client = server.client();
    for (method, text) in [
        ("Peer.Err", "test error"),
        ("Peer.ErrEmpty", ""),
        ("Peer.Nope", "unknown method"),
        ("", "unknown method"),
        ("Peer.TooManyFiles", "too many files"),
    ] {
        let error = client.call::<()>(method, &()).unwrap_err();
        assert_eq!(error.as_remote().expect(method).message(), text);
        assert!(error.is_usable());
    }
    let error = client.call::<()>("Peer.Func", "no record").unwrap_err();
    assert!(error.as_remote().unwrap().message().starts_with("json: cannot unmarshal string"));
    assert_eq!(client.call::<i32>("Peer.Echo", &7).unwrap(), 7);
}

#[test]
fn a_result_that_go_cannot_write_finishes_the_client() {
    let Some(server) = GoServer::start("go-nan") else { return };
    let client = server.client();
    let error = client.call::<()>("Peer.NaN", &()).unwrap_err();
    assert!(matches!(error, Error::Disconnected { mid_message: true, .. }), "{error:?}");
    assert!(matches!(client.call::<()>("Peer.Echo", &()), Err(Error::Finished(_))));
}

#[test]
fn strings_of_a_mebibyte_go_both_ways() {
    let Some(server) = GoServer::start("go-large") else { return };
    let client = server.client();
    for unit in ["x", "\u{20ac}", "<", "\n"] {
        let text = unit.repeat((1 << 20) / unit.len());
        assert_eq!(client.call::<String>("Peer.Echo", &text).unwrap(), text);
    }
}

#[test]
fn files_arrive_in_order_in_both_directions() {
    let Some(server) = GoServer::start("go-files") else { return };
    let client = server.client();
    for count in [0, 1, 2, 32, 128] {
        let sent = numbered_files(count, "to Go ").unwrap();
        let Contents { contents } = client.call("Peer.CatFiles", &sent).unwrap();
        let expected: Vec<String> = (0..count).map(|index| format!("to Go {index}")).collect();
        assert_eq!(contents.unwrap_or_default(), expected);

        let arg = MakeFiles { count, content: "from Go ".into() };
        let received: Files = client.call("Peer.MakeFiles", &arg).unwrap();
        let expected: Vec<String> = (0..count).map(|index| format!("from Go {index}")).collect();
        assert_eq!(read_all(received), expected);
    }
}

#[test]
fn no_files_are_no_files() {
    let Some(server) = GoServer::start("go-no-files") else { return };
    let client = server.client();
    let info: FdInfo = client.call("Peer.FdInfo", &Files::new()).unwrap();
    assert!(info.is_nil);
    let none: Files = client.call("Peer.EmptyFiles", &()).unwrap();
    assert!(none.is_empty());
}

#[test]
fn one_file_too_many_is_refused_before_anything_is_sent() {
    let Some(server) = GoServer::start("go-too-many") else { return };
    let client = server.client();
    let sent = numbered_files(129, "").unwrap();
    let error = client.call::<Count>("Peer.CountFiles", &sent).unwrap_err();
    assert!(matches!(error, Error::TooManyFiles { count: 129, limit: 128, .. }), "{error:?}");
    assert_eq!(client.call::<Count>("Peer.CountFiles", &()).unwrap(), Count { count: 0 });
}

#[test]
fn a_failed_method_sends_no_files() {
    let Some(server) = GoServer::start("go-failed") else { return };
    let client = server.client();
    let mut received = numbered_files(1, "stale").unwrap();
    let sent = numbered_files(2, "").unwrap();
    let error = client.call_into("Peer.ErrFiles", &sent, &mut received).unwrap_err();
    assert_eq!(error.as_remote().unwrap().message(), "test error");
    assert!(received.is_empty());
}

#[test]
fn threads_share_a_client() {
    let Some(server) = GoServer::start("go-threads") else { return };
    let client = server.client();
    thread::scope(|scope| {
        for thread in 0..4 {
            let client = &client;
            scope.spawn(move || {
                for call in 0..200 {
                    let number = thread * 1000 + call;
                    assert_eq!(client.call::<i32>("Peer.Echo", &number).unwrap(), number);
                }
            });
        }
    });
}

#[test]
fn raw_arguments_go_as_they_are() {
    let Some(server) = GoServer::start("go-raw") else { return };
    let client = server.client();
    let (result, files) = client.call_raw("Peer.Echo", b" { \"b\" : 1.50 } ", &[]).unwrap();
    assert_eq!((result.as_bytes(), files.len()), (&br#"{"b":1.50}"#[..], 0));
    let error = client.call_raw("Peer.Echo", b"1 2", &[]).unwrap_err();
    assert!(matches!(error, Error::Argument { source: json::Error::Syntax(_), .. }), "{error:?}");
}
