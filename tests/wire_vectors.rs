//! Recorded messages, replayed: what Go's server and client did with raw bytes is what ours do, and
//! what went between `runsc` and its sandbox is read and written as records without loss. The
//! records are the copies in `vectors/`, without their longest lines, those of `../shared/vectors`
//! where that is there, and those in the directory that `URPC_WIRE_VECTORS` names.

use std::path::{Path, PathBuf};

use urpc::json::{self, Bytes, FromJson, RawJson, ToJson, Value};

use recorded::{ServerLine, segments};
use replies::{End, Taken};
use sandbox_records::*;

#[path = "support/exchange.rs"]
mod exchange;
#[path = "support/peer.rs"]
mod peer;
#[path = "support/recorded.rs"]
mod recorded;
#[path = "support/replies.rs"]
mod replies;
#[path = "support/sandbox_records.rs"]
#[allow(dead_code)] // a live sandbox uses more of them
mod sandbox_records;
mod support;

macro_rules! lines {
    ($type:ty, $name:literal) => {
        read_lines::<$type>(include_str!(concat!("vectors/", $name)), $name)
    };
}

/// The lines of the copy, of the record, and of the file of that name where `URPC_WIRE_VECTORS`
/// says.
fn read_lines<T: FromJson + Default>(copy: &str, name: &str) -> Vec<T> {
    let recorded = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/vectors");
    let named = std::env::var_os("URPC_WIRE_VECTORS").map(PathBuf::from);
    let mut text = copy.to_owned();
    for path in [Some(recorded), named].into_iter().flatten().map(|path| path.join(name)) {
        match std::fs::read_to_string(&path) {
            Ok(more) => text.push_str(&more),
            Err(error) => eprintln!("not replayed: {}: {error}", path.display()),
        }
    }
    let read =
        |line| json::from_str(line).unwrap_or_else(|error| panic!("{name}: {error}: {line}"));
    text.lines().map(read).collect()
}

urpc::record! {
    /// A line of what Go's client did.
    #[derive(Default)]
    struct ClientLine {
        label: String,
        send: String,
        sent: String,
        error: String,
        remote: bool,
        result: String,
        files: usize,
    }

    /// A message between `runsc` and a sandbox.
    #[derive(Default)]
    struct SandboxLine {
        op: String,
        dir: String,
        bytes: Bytes,
        conn: u32,
    }

    #[derive(Default)]
    struct Call {
        method: String,
        arg: RawJson,
    }

    #[derive(Default)]
    struct Reply {
        success: bool,
        err: String,
        result: RawJson,
    }
}

#[test]
fn our_server_answers_as_go_s_was_recorded() {
    let server = peer::server();
    let lines = lines!(ServerLine, "go_server.jsonl");
    let replay = |line: &ServerLine| {
        let outcome = recorded::replay(line, &server);
        outcome.err().map(|error| format!("{} {}: {error}", line.id, line.label))
    };
    let failures: Vec<_> = lines.iter().filter_map(replay).collect();
    assert!(failures.is_empty(), "{} lines differ:\n{}", failures.len(), failures.join("\n"));
    println!("{} lines agree", lines.len());
}

#[test]
fn our_client_takes_replies_as_go_s_was_recorded() {
    for line in lines!(ClientLine, "go_client.jsonl") {
        let (bytes, files) = segments(&line.send).pop().unwrap_or_default();
        let end = match (line.remote, &*line.error) {
            (true, text) => End::Remote(text.to_owned()),
            (false, "") => End::Success,
            (false, _) => End::Broken,
        };
        let (taken, sent) = replies::ours(&bytes, files);
        let contents = (0..line.files).map(|index| index.to_string()).collect();
        assert_eq!(taken, Taken::new(end, line.result, contents), "{}", line.label);
        assert_eq!(sent, line.sent);
    }
}

#[test]
fn messages_of_a_sandbox_are_read_and_written_without_loss() {
    let lines = lines!(SandboxLine, "runsc_wire.jsonl");
    let mut calls = std::collections::BTreeMap::new();
    for line in &lines {
        let context = format!("{} {} on {}", line.op, line.dir, line.conn);
        if line.dir == "client" {
            let call: Call = json::from_slice(&line.bytes.0).expect(&context);
            again_as::<Call>(&line.bytes.0, &context);
            argument_again(&call, &context);
            calls.insert(line.conn, call.method);
        } else {
            let reply: Reply = json::from_slice(&line.bytes.0).expect(&context);
            again_as::<Reply>(&line.bytes.0, &context);
            if reply.success {
                result_again(&calls[&line.conn], &reply, &context);
            }
        }
    }
}

/// Reads the text as a `T`, writes that, and finds the same value.
fn again_as<T: FromJson + ToJson + Default>(text: &[u8], context: &str) {
    let value: T = json::from_slice(text).unwrap_or_else(|error| panic!("{context}: {error}"));
    let written = json::to_vec(&value).unwrap();
    let parsed = |text| json::from_slice::<Value>(text).unwrap();
    assert_eq!(parsed(&written), parsed(text), "{context}");
}

fn argument_again(call: &Call, context: &str) {
    let again = match &*call.method {
        "Network.CreateLinksAndRoutes" => again_as::<CreateLinksAndRoutes>,
        "containerManager.StartRoot" | "containerManager.Processes" | "containerManager.Wait" => {
            again_as::<String>
        }
        "containerManager.Signal" => again_as::<Signal>,
        "containerManager.ExecuteAsync" => again_as::<Exec>,
        "containerManager.WaitPID" => again_as::<WaitPid>,
        "containerManager.CreateTraceSession" => again_as::<CreateTraceSession>,
        "containerManager.Event" | "Lifecycle.Pause" => again_as::<()>,
        "Usage.UsageFD" => again_as::<UsageFd>,
        "Cgroups.ReadControlFiles" => again_as::<ReadControlFiles>,
        other => panic!("{context}: no record for {other}"),
    };
    again(call.arg.as_bytes(), context);
}

fn result_again(method: &str, reply: &Reply, context: &str) {
    let again = match method {
        "containerManager.Processes" => again_as::<Vec<Process>>,
        "containerManager.Event" => again_as::<Events>,
        "containerManager.ExecuteAsync" | "containerManager.WaitPID" => again_as::<i32>,
        "containerManager.Wait" => again_as::<u32>,
        "Usage.UsageFD" => again_as::<UsageFiles>,
        "Cgroups.ReadControlFiles" => again_as::<ControlFiles>,
        _ => again_as::<Nothing>,
    };
    again(reply.result.as_bytes(), context);
}
