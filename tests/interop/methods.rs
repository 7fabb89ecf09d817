//! `urpc methods` with a live sandbox.

use std::collections::BTreeSet;

use urpc::json::{RawJson, Value};

use crate::run::urpc;
use crate::sandbox::Sandbox;

/// What a method of the sandbox gives for an argument, as text.
fn ask(sandbox: &Sandbox, method: &str, arg: &str) -> String {
    let (result, _): (RawJson, _) = sandbox.client().call_raw(method, arg.as_bytes(), &[]).unwrap();
    String::from_utf8(result.as_bytes().to_vec()).unwrap()
}

/// What the probes could have changed: the processes, the trace sessions, the limits of the cgroup.
fn state(sandbox: &Sandbox) -> [String; 4] {
    let id = format!("\"{}\"", sandbox.id);
    let processes: Vec<Value> =
        urpc::json::from_str(&ask(sandbox, "containerManager.Processes", &id)).unwrap();
    let names = processes.iter().map(|process| format!("{} {}", process["pid"], process["cmd"]));
    [
        names.collect::<Vec<_>>().join("\n"),
        ask(sandbox, "containerManager.ListTraceSessions", "null"),
        ask(sandbox, "Lifecycle.IsContainerRunning", &format!("{{\"container_id\":{id}}}")),
        ask(
            sandbox,
            "Cgroups.ReadControlFiles",
            r#"{"args":[{"file":{"controller":"cpu","path":"/","name":"cpu.shares"}}]}"#,
        ),
    ]
}

#[test]
fn the_methods_of_a_sandbox_are_found_and_none_of_them_runs() {
    let Some(sandbox) = Sandbox::start() else { return };
    let before = state(&sandbox);
    let root = sandbox.root();
    let address = format!("runsc:{}", sandbox.id);
    let listed = urpc(&["methods", &address, "--root", root.to_str().unwrap()]).success();
    assert_eq!(state(&sandbox), before);

    let lines = listed.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
    let lines: Vec<_> = lines.collect();
    let known: BTreeSet<&str> =
        lines.iter().filter(|line| line[0] == "yes").map(|line| line[1]).collect();
    let is_old = !known.contains("Fs.Cat");
    if is_old {
        let of_2022: BTreeSet<&str> = lines
            .iter()
            .filter(|line| line[2] == "2022" && !line[1].starts_with("Profile."))
            .map(|line| line[1])
            .collect();
        assert_eq!(known, of_2022);
    }
    assert!(listed.contains(&format!("2022   -      \"{}\"\n", sandbox.id)), "{listed}");
    // Each method that the server has refuses a number in the words that the probe expects.
    for name in known {
        let error = sandbox.client().call_raw(name, b"0", &[]).unwrap_err();
        assert!(error.to_string().contains("json: cannot unmarshal number"), "{name}: {error}");
    }
    assert_eq!(state(&sandbox), before);
}

/// The methods that neither end nor stop what the other tests of this file ask.
const SAFE: [&str; 12] = [
    "containerManager.ListTraceSessions",
    "containerManager.Processes",
    "containerManager.ProcfsDump",
    "Cgroups.ReadControlFiles",
    "Cgroups.WriteControlFiles",
    "Lifecycle.IsContainerRunning",
    "Logging.Change",
    "Proc.Ps",
    "Usage.Collect",
    "Usage.GetFileIoStats",
    "Usage.Reduce",
    "debug.Stacks",
];

#[test]
fn arguments_of_the_table_fit_the_methods_of_a_sandbox() {
    let Some(sandbox) = Sandbox::start() else { return };
    for name in SAFE {
        let argument = urpc(&["methods", name]).out.replace("\"ID\"", &format!("{:?}", sandbox.id));
        let answer = sandbox.client().call_raw(name, argument.as_bytes(), &[]);
        assert!(answer.is_ok(), "{name}: {}", answer.unwrap_err());
    }
    // These are refused for another reason.
    for name in ["containerManager.ExecuteAsync", "State.Save", "Network.CreateLinksAndRoutes"] {
        let argument = urpc(&["methods", name]).out;
        let error = sandbox.client().call_raw(name, argument.as_bytes(), &[]).unwrap_err();
        assert!(!error.to_string().contains("json"), "{name}: {error}");
    }
}
