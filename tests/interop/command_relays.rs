//! The command's `serve` and `trace` with Go's and gVisor's peers.

use std::fs;
use std::process::{Command, Stdio};

use crate::go::{GoClient, GoServer, Order};
use crate::run::{Running, command};
use crate::sandbox::Sandbox;
use crate::support::{Scratch, available};

/// A running `urpc` whose output goes to a file, because nobody reads it in the meantime and a full
/// pipe would block it.
struct Shown(Running, std::path::PathBuf);

impl Shown {
    fn start(scratch: &Scratch, arguments: &[&str]) -> Shown {
        let path = scratch.path("shown");
        let file = fs::File::create(&path).unwrap();
        Shown(Running::start(command(arguments).stdout(file)), path)
    }

    /// Ends it by SIGTERM and returns its output.
    fn stop(self) -> String {
        self.0.signal("TERM");
        assert_eq!(self.0.wait().0, 0);
        fs::read_to_string(self.1).unwrap()
    }
}

#[test]
fn a_go_client_is_served_by_commands() {
    let scratch = Scratch::new("go-serve");
    let path = scratch.path("host.sock");
    let give = "--method=Host.Give=printf 1 > $URPC_RETURN/a; printf 2 > $URPC_RETURN/b";
    let cat = "--method=Host.Cat=cat <&3 <&4; printf '%s' $URPC_FILES";
    let serve = Shown::start(
        &scratch,
        &[
            "serve",
            path.to_str().unwrap(),
            "--return-files",
            "--method=Host.Echo=cat",
            "--method=Host.Fail=echo no >&2; exit 1",
            give,
            cat,
        ],
    );
    let Some(mut client) = GoClient::start(&path) else { return };
    assert_eq!(
        client.call(&Order::new("Host.Echo", *br#"{"a":[1.50]}"#)).success(),
        br#"{"a":[1.50]}"#
    );
    let failed = client.call(&Order::new("Host.Fail", *b"1"));
    assert_eq!((&*failed.error, failed.remote), ("no", true));
    assert_eq!(client.call(&Order::new("Host.Give", *b"1")).contents, ["1", "2"]);
    let read = client.call(&Order::new("Host.Cat", *b"1").with_files(2, "7"));
    // Of the two redirections the last one counts.
    assert_eq!(read.success(), b"712");
    drop(client);
    assert_eq!(serve.stop(), "");
}

#[test]
fn a_go_client_and_a_go_server_do_not_notice_the_proxy() {
    let Some(server) = GoServer::start("go-trace") else { return };
    let scratch = Scratch::new("go-trace-proxy");
    let path = scratch.path("trace.sock");
    let to = server.path().to_str().unwrap();
    let trace = Shown::start(
        &scratch,
        &["trace", "--listen", path.to_str().unwrap(), "--to", to, "--json"],
    );
    let orders = [
        Order::new("Peer.Echo", *br#"{"a":[1.50]}"#),
        Order::new("Peer.CatFiles", *b"{}").with_files(32, "there"),
        Order::new("Peer.MakeFiles", *br#"{"Count":32,"Content":"back"}"#),
        Order::new("Peer.Big", *br#"{"N":1000000}"#),
        Order::new("Peer.Err", *b"1"),
        Order::new("Peer.No", *b"1"),
    ];
    let (Some(mut straight), Some(mut traced)) =
        (GoClient::start(server.path()), GoClient::start(&path))
    else {
        return;
    };
    for order in &orders {
        assert_eq!(traced.call(order), straight.call(order), "{order:?}");
    }
    drop((straight, traced));
    let shown = trace.stop();
    let messages = shown.lines().filter(|line| line.contains(r#""event":"message""#));
    assert_eq!(messages.count(), 2 * orders.len());
}

/// `runsc` finds the socket by the sandbox's id in its state file. A state that names another id
/// leads it to the proxy.
#[test]
fn runsc_does_not_notice_the_proxy() {
    let Some(sandbox) = Sandbox::start() else { return };
    let scratch = Scratch::new("runsc-trace");
    let other = format!("{}-traced", sandbox.id);
    for entry in fs::read_dir(sandbox.root()).unwrap() {
        let entry = entry.unwrap();
        let text = fs::read_to_string(entry.path()).unwrap();
        let (own, traced) =
            [&sandbox.id, &other].map(|id| format!(r#""sandbox":{{"id":"{id}""#)).into();
        fs::write(scratch.path(entry.file_name().to_str().unwrap()), text.replace(&own, &traced))
            .unwrap();
    }
    let listen = format!("@runsc-sandbox.{other}\\0");
    let root = sandbox.root();
    let to = format!("runsc:{}", sandbox.id);
    let trace = Shown::start(
        &scratch,
        &["trace", "--listen", &listen, "--to", &to, "--root", root.to_str().unwrap()],
    );
    let output = Command::new("timeout")
        .args(["300", "runsc", "--root"])
        .arg(scratch.path(""))
        .args(["exec", &sandbox.id, "/bin/busybox", "echo", "hello"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), &output.stdout[..]), (Some(0), &b"hello\n"[..]), "{said}");
    let shown = trace.stop();
    assert!(
        shown.contains("containerManager.ExecuteAsync") && shown.contains("file 2: "),
        "{shown}"
    );
}

/// An abstract name belongs to a network namespace. In another one it is free, and a proxy there can
/// have it. The second proxy, outside, connects to the sandbox. The commands are those of the help.
#[test]
fn runsc_does_not_notice_two_proxies_with_a_network_namespace_between() {
    let unshare = Command::new("unshare").args(["--net", "true"]).output();
    let works = unshare.is_ok_and(|output| output.status.success());
    if !available::or_skip("network namespace to be had from unshare", works) {
        return;
    }
    let Some(sandbox) = Sandbox::start() else { return };
    let scratch = Scratch::new("runsc-hops");
    let (hop, root) = (scratch.path("hop.sock"), sandbox.root());
    let (hop, root) = (hop.to_str().unwrap(), root.to_str().unwrap());
    let help = Command::new(env!("CARGO_BIN_EXE_urpc")).args(["trace", "--help"]).output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap().replace("/tmp/hop.sock", hop);
    let mut lines = help.lines().filter(|line| line.starts_with("    ") && line.contains(hop));
    let outer = lines.next().unwrap().replace("runsc:web", &format!("runsc:{}", sandbox.id));
    let inner = lines.next().unwrap().replace("sandbox.web", &format!("sandbox.{}", sandbox.id));
    let exec =
        format!("timeout 300 runsc --root {root} exec {} /bin/busybox echo hello", sandbox.id);
    assert!(inner.contains("runsc exec web ps"), "{inner}");
    let inner = inner.replace("runsc exec web ps", &exec);

    let binary = std::path::Path::new(env!("CARGO_BIN_EXE_urpc")).parent().unwrap();
    let path = format!("PATH=\"{}:$PATH\";", binary.display());
    let mut outer_shell = Command::new("sh");
    outer_shell.args(["-c", &format!("{path} exec {} --root {root}", outer.trim())]);
    let running = Running::start(outer_shell.stdin(Stdio::null()));
    let mut inner_shell = Command::new("sh");
    inner_shell.args(["-c", &format!("{path} {}", inner.trim())]).stdin(Stdio::null());
    let output = inner_shell.output().unwrap();
    let (shown, said) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(shown.contains("hello\n"), "{shown}{said}");
    assert!(
        shown.contains("containerManager.ExecuteAsync") && shown.contains("file 2: "),
        "{shown}"
    );
    running.signal("TERM");
    assert_eq!(running.wait(), (0, String::new()));
}
