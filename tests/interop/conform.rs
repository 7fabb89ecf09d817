//! The example `conform`, which checks peers against the specification of the wire: our server and
//! client, Go's, a sandbox, and peers with faults.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use urpc::json;

use crate::go::{self, GoServer};
use crate::sandbox::Sandbox;
use crate::support::{Scratch, available};

const SPECIFICATION: &str = include_str!("../../src/guide/wire.md");

/// What only this library does, or where Go ends: the cases in which a server of Go differs.
const GO_DIFFERS: [&str; 9] = [
    "X4-second-byte",
    "X4-middle",
    "X4-both-parts",
    "X5-end-and-begin-in-one-send",
    "X9-one-more",
    "X14-close-on-exec",
    "X15-as-many-as-the-kernel-takes",
    "E4-panic",
    "E4-goes-on",
];

urpc::record! {
    #[derive(Debug, Default)]
    struct Line {
        case: String,
        requirement: String,
        outcome: String,
        sent: String,
        expected: String,
        came: String,
    }
}

/// The program, which `cargo test` builds.
fn program() -> Option<PathBuf> {
    let path = std::env::current_exe().unwrap().parent().unwrap().join("../examples/conform");
    available::or_skip("example conform (cargo build --examples)", path.exists()).then_some(path)
}

/// Runs the program. Returns its status and its lines.
fn conform<S: AsRef<std::ffi::OsStr>>(words: impl IntoIterator<Item = S>) -> (i32, Vec<Line>) {
    let output = Command::new(program().unwrap()).args(words).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let lines = text.lines().map(|line| json::from_str(line).unwrap()).collect();
    (output.status.code().unwrap_or_else(|| panic!("{:?}", output.stderr)), lines)
}

/// The names of the cases with this outcome.
fn names<'a>(lines: &'a [Line], outcome: &str) -> Vec<&'a str> {
    lines.iter().filter(|line| line.outcome == outcome).map(|line| &*line.case).collect()
}

fn assert_all_pass((status, lines): (i32, Vec<Line>), least: usize) {
    let others: Vec<_> = lines.iter().filter(|line| line.outcome != "passed").collect();
    assert!(status == 0 && others.is_empty(), "{others:#?}");
    assert!(lines.len() >= least, "{} cases", lines.len());
}

#[test]
fn every_requirement_has_a_case_and_every_case_a_requirement() {
    let _limit = Scratch::new("conform-list");
    let Some(_) = program() else { return };
    let ids = SPECIFICATION.split("\n- **").skip(1).filter_map(|item| item.split_once("** "));
    let ids: BTreeSet<&str> = ids.map(|(id, _)| id).collect();
    let (status, cases) = conform(["list", "--json"]);
    assert_eq!(status, 0);
    let covered: BTreeSet<&str> = cases.iter().map(|line| &*line.requirement).collect();
    assert_eq!(ids, covered);
    let unique: BTreeSet<&str> = cases.iter().map(|line| &*line.case).collect();
    assert_eq!(unique.len(), cases.len(), "two cases have one name");
}

#[test]
fn our_server_meets_every_requirement() {
    let scratch = Scratch::new("conform-server");
    let Some(program) = program() else { return };
    let path = scratch.path("s");
    let mut peer = Command::new(program)
        .arg("peer")
        .arg(&path)
        .stdout(Stdio::piped())
        .stderr(Stdio::null()) // a method panics
        .spawn()
        .unwrap();
    let mut said = String::new();
    BufReader::new(peer.stdout.take().unwrap()).read_line(&mut said).unwrap();
    // The largest case takes a while on a slow and busy machine.
    let words = ["--service", "Peer", "--json", "--timeout", "60"].map(Path::new);
    let outcome = conform([&[Path::new("server"), &path], &words[..]].concat());
    peer.kill().unwrap();
    peer.wait().unwrap();
    assert_all_pass(outcome, 380);
}

#[test]
fn our_client_meets_every_requirement() {
    let _limit = Scratch::new("conform-client");
    let Some(program) = program() else { return };
    let caller = ["client", "--json", "--", program.to_str().unwrap(), "caller"];
    assert_all_pass(conform(caller), 100);
}

#[test]
fn a_server_of_go_differs_only_where_the_specification_says_so() {
    let (Some(_), Some(server)) = (program(), GoServer::start("conform-go")) else { return };
    let path = server.path().to_str().unwrap();
    let (status, lines) = conform(["server", path, "--service", "Peer", "--json"]);
    assert_eq!((status, names(&lines, "failed")), (0, vec![]), "{lines:#?}");
    // Whether Go reads the two messages of this case at once is a race.
    let differs = names(&lines, "differs").into_iter().filter(|name| *name != "X5-next-message");
    assert_eq!(differs.collect::<Vec<_>>(), GO_DIFFERS, "{lines:#?}");
    assert_eq!(names(&lines, "not applicable"), [""; 0]);
}

#[test]
fn a_client_of_go_meets_every_requirement() {
    let _limit = Scratch::new("conform-go-client");
    let (Some(_), Some(peer)) = (program(), go::program()) else { return };
    let caller = ["client", "--json", "--", peer.to_str().unwrap(), "caller"];
    assert_all_pass(conform(caller), 100);
}

#[test]
fn a_sandbox_fails_none_of_the_cases_that_need_no_method() {
    let (Some(_), Some(sandbox)) = (program(), Sandbox::start()) else { return };
    let address = format!("@runsc-sandbox.{}\\0", sandbox.id);
    let (status, lines) = conform(["server", &address, "--json"]);
    assert_eq!((status, names(&lines, "failed")), (0, vec![]), "{lines:#?}");
    assert_eq!(names(&lines, "differs"), [""; 0], "{lines:#?}");
    assert!(names(&lines, "passed").len() >= 150, "{lines:#?}");
}

/// A server that answers the first read of each connection with `reply`, and the rest not at all.
fn serve_always(path: &Path, reply: &'static [u8]) {
    let listener = UnixListener::bind(path).unwrap();
    thread::spawn(move || {
        for client in listener.incoming() {
            let mut client = client.unwrap();
            let _ = client.read(&mut [0; 1 << 16]);
            let _ = client.write_all(reply);
        }
    });
}

#[test]
fn a_server_with_a_fault_fails_with_what_was_sent_expected_and_came() {
    let scratch = Scratch::new("conform-fault");
    let Some(_) = program() else { return };
    let path = scratch.path("s");
    serve_always(&path, b"{\"success\": false,\"err\":\"unknown method\",\"result\":null}\n");
    let words = ["server", path.to_str().unwrap(), "--only", "E1", "--json", "--timeout", "5"];
    let (status, lines) = conform(words);
    assert_eq!((status, names(&lines, "failed")), (1, vec!["E1-unknown-type"]));
    assert_eq!(names(&lines, "not applicable"), ["E1-unknown-method"]);
    let [failed, _] = &lines[..] else { panic!("{lines:#?}") };
    assert_eq!(failed.sent, r#"{"method":"conform.None","arg":null}"#);
    assert_eq!(failed.expected, r#"{"success":false,"err":"unknown method","result":null}"#);
    assert!(failed.came.starts_with(r#"{"success": false,"err""#), "{}", failed.came);
}

#[test]
fn a_client_with_a_fault_fails() {
    let _limit = Scratch::new("conform-faulty-client");
    let Some(_) = program() else { return };
    // It says that every call succeeded, and calls nothing.
    let lie = r#"echo '{"outcome":"result","text":"1","files":0}'"#;
    let (status, lines) =
        conform(["client", "--only", "E1", "--timeout", "1", "--json", "--", "sh", "-c", lie]);
    assert_eq!((status, names(&lines, "failed")), (1, vec!["E1-told"]));
    assert_eq!((&*lines[0].expected, &*lines[0].came), ("a connection", "none"));
}

#[test]
fn a_peer_that_is_not_there_is_told_apart_from_one_that_fails() {
    let scratch = Scratch::new("conform-nobody");
    let Some(_) = program() else { return };
    let path = scratch.path("s");
    assert_eq!(conform([Path::new("server"), &path]).0, 3);
    assert_eq!(conform(["server"]).0, 2);
    assert_eq!(conform(["--no-such-option"]).0, 2);
}
