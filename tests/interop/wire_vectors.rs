//! Recorded messages, replayed. Our server and client do with raw bytes what Go's did. What `runsc`
//! and its sandbox sent is read into records and written again without loss. The vectors are the
//! copies in `vectors/`, without their longest lines, those of `../shared/vectors` if it exists,
//! and those in the directory that `URPC_WIRE_VECTORS` names.

use std::path::{Path, PathBuf};

use urpc::json::{self, Bytes, FromJson, RawJson, ToJson, Value};

use crate::peer;
use crate::recorded;
use crate::recorded::{ServerLine, segments};
use crate::replies::{End, Outcome};
use crate::sandbox_records::*;
use crate::support;

macro_rules! lines {
    ($type:ty, $name:literal) => {
        read_lines::<$type>(include_str!(concat!("../vectors/", $name)), $name)
    };
}

/// The lines of the copy, of the full vectors, and of the file `name` in the directory
/// `URPC_WIRE_VECTORS`.
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
    /// What Go's client did with one input.
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
    if !support::available::many_files() {
        return;
    }
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
        let segments = segments(&line.send);
        let (taken, sent) = crate::replies::ours(&segments);
        assert_eq!(taken, expected_of_ours(&line, &segments), "{}", line.label);
        assert_eq!(sent, line.sent, "{}", line.label);
    }
}

/// The outcome of our client. It differs from Go's in two cases: ours loses no files that come
/// late, and takes no reply with too many files.
fn expected_of_ours(line: &ClientLine, segments: &[(Vec<u8>, usize)]) -> Outcome {
    let counts: Vec<usize> = segments.iter().map(|(_, files)| *files).collect();
    let end = match (line.remote, &*line.error) {
        _ if counts.iter().sum::<usize>() > peer::MAX_FILES => End::Broken,
        (true, text) => End::Remote(text.to_owned()),
        (false, "") => End::Success,
        (false, _) => End::Broken,
    };
    let come_late = counts.iter().skip(1).any(|files| *files > 0);
    let counts = if come_late && end != End::Broken { counts } else { vec![line.files] };
    let files = counts.iter().flat_map(|files| (0..*files).map(|index| index.to_string()));
    let files = if end == End::Broken { Vec::new() } else { files.collect() };
    Outcome::new(end, line.result.clone(), files)
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
                let method = calls.get(&line.conn).map_or("", String::as_str);
                result_again(method, &reply, &context);
            }
        }
    }
}

/// Reads the text as a `T`, writes that, reads it again, and compares the two values.
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
        // If no record fits the method, the text is read as any value.
        _ => again_as::<Value>,
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
        _ if reply.result.as_bytes() == b"{}" => again_as::<Nothing>,
        _ => again_as::<Value>,
    };
    again(reply.result.as_bytes(), context);
}
