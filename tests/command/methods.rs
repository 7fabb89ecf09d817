//! `urpc methods`: the table, an argument to edit, and which methods a server has.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use urpc::json::{RawJson, Value, from_str};
use urpc::{Files, Service};

use crate::run::{Ran, Served, command, urpc};
use crate::support::Scratch;

/// The first words of each line but the first.
fn columns(listed: &str, count: usize) -> Vec<Vec<&str>> {
    let lines = listed.lines().skip(1);
    lines.map(|line| line.split_whitespace().take(count).collect()).collect()
}

#[test]
fn the_table_has_a_line_for_each_method() {
    let listed = urpc(&["methods"]).success();
    assert!(listed.starts_with("METHOD "), "{listed}");
    let lines = columns(&listed, 4);
    assert_eq!(lines.len(), 68);
    for line in [
        ["containerManager.Processes", "2022", "-", "\"ID\""],
        [
            "Fs.Read",
            "2023+",
            "1",
            "{\"container_id\":\"ID\",\"path\":\"/etc/hostname\",\"offset\":0,\"size\":0}",
        ],
        ["Usage.UsageFD", "2022", "2", "back"],
    ] {
        assert!(lines.iter().any(|found| found[..] == line), "{line:?}: {listed}");
    }
}

#[test]
fn the_argument_of_a_method_can_be_sent_as_it_is_printed() {
    let echo = Service::new("containerManager", ())
        .raw_method("Signal", |_, arg, _, _| Ok::<_, String>((RawJson::new(arg), Files::new())));
    let served = Served::new("methods-argument", echo);
    // The example of the help.
    let script = format!(
        "'{}' methods containerManager.Signal >arg && sed -i 's/\"ID\"/\"web\"/' arg &&
         '{0}' call '{}' containerManager.Signal @arg --raw",
        env!("CARGO_BIN_EXE_urpc"),
        served.path
    );
    let scratch = Scratch::new("methods-argument-here");
    let mut shell = std::process::Command::new("sh");
    let ran: Ran =
        shell.args(["-c", &script]).current_dir(scratch.path("")).output().unwrap().into();
    let sent: Value = from_str(&ran.out).unwrap();
    let expected = from_str(r#"{"CID":"web","Signo":15,"PID":0,"Mode":0}"#).unwrap();
    assert_eq!((ran.status, sent), (0, expected));
    assert!(ran.err.starts_with("containerManager.Signal: since 2022; PID 0 is"), "{}", ran.err);
    let of_files = urpc(&["methods", "Fs.Cat"]).err;
    assert_eq!(of_files, "Fs.Cat: since 2023+; files: 1: the output is written to it\n");
}

/// A server with some of gVisor's methods, which count how often they are run. They refuse what does
/// not fit as gVisor does if `refuses`.
fn counting(name: &str, refuses: bool) -> (Served, Arc<AtomicUsize>) {
    let runs = Arc::new(AtomicUsize::new(0));
    let method = |service: Service<()>, name: &str| {
        let runs = runs.clone();
        service.raw_method(name, move |_, arg: &[u8], _, _| match refuses && arg == b"0" {
            true => Err("json: cannot unmarshal number into Go value of type string".to_owned()),
            false => {
                runs.fetch_add(1, Ordering::Relaxed);
                Ok((RawJson::default(), Files::new()))
            }
        })
    };
    let served = Served::new(name, method(Service::new("debug", ()), "Stacks"));
    served.server.register(method(Service::new("Lifecycle", ()), "Shutdown"));
    (served, runs)
}

#[test]
fn with_an_address_it_says_what_the_server_has_and_runs_nothing() {
    let (served, runs) = counting("methods-known", true);
    let listed = urpc(&["methods", &served.path]).success();
    assert!(listed.starts_with("SERVER METHOD "), "{listed}");
    let lines = columns(&listed, 2);
    assert_eq!(lines.len(), 68);
    let known: Vec<&str> =
        lines.iter().filter(|line| line[0] == "yes").map(|line| line[1]).collect();
    assert_eq!(known, ["Lifecycle.Shutdown", "debug.Stacks"]);
    assert!(lines.iter().filter(|line| line[0] == "no").count() == 66, "{listed}");
    assert_eq!(runs.load(Ordering::Relaxed), 0);
}

#[test]
fn a_server_that_takes_any_argument_is_asked_for_the_harmless_method_alone() {
    let (served, runs) = counting("methods-any", false);
    let error = urpc(&["methods", &served.path]).failure(1);
    assert!(error.contains("debug.Stacks did not refuse the argument 0"), "{error}");
    assert_eq!(runs.load(Ordering::Relaxed), 1);

    let fail = |(): &_, _: Value| Err::<(), _>("");
    let empty = Served::new("methods-empty", Service::new("debug", ()).method("Stacks", fail));
    let error = urpc(&["methods", &empty.path]).failure(1);
    assert!(error.ends_with("no other method was asked for: an error without a text\n"), "{error}");

    let fail = |(): &_, _: Value| Err::<(), _>("out of order");
    let broken = Served::new("methods-broken", Service::new("debug", ()).method("Stacks", fail));
    let error = urpc(&["methods", &broken.path]).failure(1);
    assert!(error.ends_with("no other method was asked for: out of order\n"), "{error}");

    let other = Served::new("methods-other", Service::new("Host", ()));
    let error = urpc(&["methods", &other.path]).failure(1);
    assert!(error.contains("no control server of gVisor"), "{error}");
}

#[test]
fn an_operand_is_a_name_of_the_table_or_an_address_or_a_mistake() {
    let scratch = Scratch::new("methods-operand");
    let socket = scratch.path("Proc.Ps");
    let _silent = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let here = |operand: &str| {
        let mut command = command(&["methods", operand, "--timeout=50ms"]);
        Ran::from(command.current_dir(scratch.path("")).output().unwrap())
    };
    assert!(here("Proc.Ps").out.contains("JSON"));
    // Nobody answers.
    assert_eq!(
        here("./Proc.Ps").failure(3),
        "urpc methods: timed out after 50ms (raise --timeout to wait longer)\n"
    );
    std::fs::rename(&socket, scratch.path("a.sock")).unwrap();
    assert!(here("a.sock").failure(3).contains("timed out"));
    assert!(here("./b.sock").failure(3).contains("No such file"));
    assert!(here("runsc:no-such-id").failure(3).contains("no state of 'no-such-id'"));
    assert!(here("Proc.Pss").failure(2).contains("no method of the table; the nearest is Proc.Ps"));
    assert!(here("b.sock").failure(2).contains("an address has a slash"));
}

#[test]
fn an_unknown_method_is_answered_with_the_nearest_name() {
    let served = Served::new("methods-nearest", Service::new("Host", ()));
    let call = |method| urpc(&["call", &served.path, method]).failure(1);
    for (method, hint) in [
        (
            "containerManager.Proceses",
            "; the nearest that gVisor has is containerManager.Processes",
        ),
        ("ps", "; the nearest that gVisor has is Proc.Ps"),
        ("Fs.Cat", "; builds of 2022 do not have it"),
        ("Profile.CPU", "; only with runsc --profile, times in nanoseconds"),
        ("Proc.Ps", ""),
        ("Host.Nope", ""),
    ] {
        assert_eq!(call(method), format!("urpc call: remote error: unknown method{hint}\n"));
    }
}
