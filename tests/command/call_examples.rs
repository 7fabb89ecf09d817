//! The examples of `urpc call --help`, run as they stand there.

use std::fs;
use std::process::{Command, Stdio};

use urpc::json::{RawJson, Value};
use urpc::{Files, Service};

use crate::run::{Ran, Served, urpc};
use crate::support::Scratch;

/// A directory with a server at `./a.sock`, which is also the sandbox `web`.
struct Place {
    _host: Served,
    scratch: Scratch,
}

impl Place {
    fn new(name: &str) -> Place {
        let host = Served::new(
            name,
            Service::new("Store", ()).method("Count", |(), (): ()| Ok::<_, String>(7)).raw_method(
                "Put",
                |(), arg, files, _| {
                    let text = format!("{} {}", String::from_utf8_lossy(arg), files.len());
                    Ok::<_, String>((RawJson::from_value(&text).unwrap(), Files::new()))
                },
            ),
        );
        let stacks = Service::new("debug", ())
            .method("Stacks", |(), _: Value| Ok::<_, String>("goroutine 1:\n\tmain.main()\n"));
        host.server.register(stacks);
        let ps = |(): &_, arg: Value| Ok::<_, String>(format!("PID {arg}\n"));
        host.server.register(Service::new("Proc", ()).method("Ps", ps));
        let scratch = Scratch::new(&format!("{name}-here"));
        std::os::unix::fs::symlink(&host.path, scratch.path("a.sock")).unwrap();
        fs::write(scratch.path("in.txt"), "in").unwrap();
        fs::create_dir(scratch.path("runsc")).unwrap();
        let path = &host.path;
        let state =
            format!(r#"{{"id":"web","sandbox":{{"id":"web","controlSocketPath":"{path}"}}}}"#);
        fs::write(scratch.path("runsc/web_sandbox:web.state"), state).unwrap();
        Place { _host: host, scratch }
    }

    /// Runs an example, which the help must have, and gives its standard output.
    #[track_caller]
    fn run(&self, example: &str) -> String {
        let help = urpc(&["call", "--help"]).success();
        assert!(help.contains(&format!(":\n    {example}\n")), "{example}");
        let urpc = std::path::Path::new(env!("CARGO_BIN_EXE_urpc"));
        let path = format!("{}:{}", urpc.parent().unwrap().display(), env!("PATH"));
        let mut shell = Command::new("sh");
        shell.args(["-c", example]).current_dir(self.scratch.path("")).stdin(Stdio::null());
        shell.env("PATH", path).env("XDG_RUNTIME_DIR", self.scratch.path(""));
        Ran::from(shell.output().unwrap()).success()
    }
}

#[test]
fn an_object_without_quotes_and_a_file() {
    let place = Place::new("examples-items");
    let printed = place.run("urpc call ./a.sock Store.Put Name=today Copies:=2 data@in.txt");
    assert_eq!(printed, "\"{\\\"Name\\\":\\\"today\\\",\\\"Copies\\\":2} 1\"\n");
}

#[test]
fn the_stacks_of_a_sandbox_as_text() {
    let place = Place::new("examples-text");
    let printed = place.run("urpc call --text runsc:web debug.Stacks");
    assert_eq!(printed, "goroutine 1:\n\tmain.main()\n");
}

#[test]
fn the_processes_of_a_sandbox_as_text() {
    let place = Place::new("examples-processes");
    let printed = place.run("urpc call --text runsc:web Proc.Ps '{\"JSON\":false}'");
    assert_eq!(printed, "PID {\"JSON\":false}\n");
}

#[test]
fn a_server_that_is_awaited() {
    let place = Place::new("examples-wait");
    assert_eq!(place.run("urpc call --wait --timeout 5 ./a.sock Store.Count"), "7\n");
}

#[test]
fn several_calls_on_one_connection() {
    let place = Place::new("examples-batch");
    let calls = "{\"method\":\"Store.Count\"}\n{\"method\":\"Store.Put\",\"files\":[\"in.txt\"]}\n";
    fs::write(place.scratch.path("calls.jsonl"), calls).unwrap();
    assert_eq!(place.run("urpc call ./a.sock --batch calls.jsonl"), "7\n\"null 1\"\n");
}
