//! What `urpc call` prints: text, nothing, more, in colour; and each number, escape and order as it
//! came.

use std::os::fd::AsFd;
use std::process::{Command, Stdio};

use urpc::json::RawJson;
use urpc::{Files, Service, process};

use crate::run::{Ran, Running, Served, command, urpc};
use crate::support::{Scratch, available, shell_quoted};

/// A server with methods that return what is written here, byte for byte.
fn host(name: &str) -> Served {
    let service = Service::new("Host", ())
        .raw_method("Text", |(), _, _, _| Ok::<_, String>((RawJson::new(TEXT), Files::new())))
        .raw_method("Odd", |(), _, _, _| Ok::<_, String>((RawJson::new(ODD), Files::new())))
        .raw_method("Echo", |(), arg, mut files, _| {
            let files: Files = files.release_all().into_iter().collect();
            Ok::<_, String>((RawJson::new(arg), files))
        })
        .method("Fail", |(), (): ()| Err::<(), _>("no such box"));
    Served::new(name, service)
}

const TEXT: &str = r#""goroutine 1 [running]:\n\tmain.main()\n\u001b[2Jend""#;

/// A text with everything that a decoder would change.
const ODD: &str =
    r#"{"z":1.50,"a":-0,"é":1E+05,"dup":1,"dup":12345678901234567890123,"e":"\u0041\/\u00e9"}"#;

#[test]
fn a_string_is_printed_as_text_if_that_is_wanted_and_all_else_as_json() {
    let host = host("output-text");
    let call = |method: &str| urpc(&["call", "--text", &host.path, method]).success();
    assert_eq!(call("Host.Text"), "goroutine 1 [running]:\n\tmain.main()\n\u{1b}[2Jend\n");
    assert!(call("Host.Odd").starts_with("{\n  \"z\": 1.50,\n"));
    let echo = |arg: &str| urpc(&["call", "-t", &host.path, "Host.Echo", arg]).success();
    assert_eq!(echo(r#""whole\n""#), "whole\n");
    assert_eq!(echo(r#""""#), "\n");
    assert_eq!(echo("[1]"), "[\n  1\n]\n");
}

#[test]
fn numbers_escapes_and_the_order_of_members_stay_in_every_form() {
    let host = host("output-exact");
    for options in [&["--raw"][..], &[], &["--text"], &["--color=always"]] {
        let printed = urpc(&[&["call", &host.path, "Host.Odd"], options].concat()).success();
        let plain = printed.replace("\u{1b}[1;34m", "").replace("\u{1b}[0m", "");
        let without_space: String = plain.chars().filter(|c| !c.is_whitespace()).collect();
        assert_eq!(without_space, ODD, "{options:?}");
    }
}

#[test]
fn quiet_prints_errors_only() {
    let host = host("output-quiet");
    let call = ["call", "-q", &host.path, "Host.Echo", "1", "--file=/dev/null"];
    assert_eq!(urpc(&call).success(), "");
    let scratch = Scratch::new("output-quiet-save");
    let directory = scratch.path("out").into_os_string().into_string().unwrap();
    assert_eq!(urpc(&[&call[..], &["--save", &directory]].concat()).success(), "");
    assert!(scratch.path("out/0").exists());
    let error = urpc(&["call", "--quiet", &host.path, "Host.Fail"]).failure(1);
    assert_eq!(error, "urpc call: remote error: no such box\n");
}

#[test]
fn verbose_names_the_peer_the_sizes_the_times_and_the_files() {
    let host = host("output-verbose");
    let call = ["call", "-v", &host.path, "Host.Echo", "[1]", "--file=/dev/null"];
    let ran = urpc(&call);
    assert_eq!((ran.status, &*ran.out), (0, "[\n  1\n]\n"));
    let lines: Vec<_> = ran.err.lines().collect();
    let connected = format!("urpc call: connected to {} in ", host.path);
    let peer = format!(": pid {}, uid ", std::process::id());
    assert!(lines[0].starts_with(&connected) && lines[0].contains(&peer), "{}", ran.err);
    assert_eq!(lines[1], "urpc call: call Host.Echo with an argument of 3 bytes and 1 file");
    let file = "character device, mode 0666, read-only";
    assert_eq!(lines[2], format!("urpc call:   file 0 sent: {file}"));
    let took = lines[3].strip_prefix("urpc call: a result of 3 bytes and 1 file after ").unwrap();
    let is_time =
        |text: &str| text.starts_with(|c: char| c.is_ascii_digit()) && text.ends_with('s');
    assert!(is_time(took), "{}", ran.err);
    assert_eq!(lines[4..], [format!("file 0: {file}")]);
    let failed = urpc(&["call", "-v", &host.path, "Host.Fail"]);
    assert!(failed.status == 1 && failed.err.contains("no result after "), "{}", failed.err);
}

#[test]
fn keys_are_in_colour_if_that_is_wanted_and_nothing_is_off_a_terminal() {
    let host = host("output-colour");
    let call = |options: &[&str]| {
        let arg = r#"{"a":"b"}"#;
        urpc(&[&["call", &host.path, "Host.Echo", arg], options].concat())
    };
    assert_eq!(call(&[]).success(), "{\n  \"a\": \"b\"\n}\n");
    let coloured = "{\n  \u{1b}[1;34m\"a\"\u{1b}[0m: \"b\"\n}\n";
    assert_eq!(call(&["--color", "always"]).success(), coloured);
    assert_eq!(call(&["--color=never"]).success(), call(&["--color=auto"]).success());
    let error = call(&["--color=blue"]).failure(2);
    assert!(error.contains("--color takes auto, always or never, not 'blue'"), "{error}");
}

/// What the command writes to a terminal.
fn on_a_terminal(arguments: &[&str], variables: &[(&str, &str)]) -> String {
    let words: Vec<_> = arguments.iter().map(shell_quoted).collect();
    let line = format!("{} {}", shell_quoted(env!("CARGO_BIN_EXE_urpc")), words.join(" "));
    let mut script = Command::new("script");
    script.args(["-qec", &line, "/dev/null"]).stdin(Stdio::null());
    script.env("TERM", "xterm").env_remove("NO_COLOR").envs(variables.iter().copied());
    String::from_utf8(script.output().unwrap().stdout).unwrap().replace("\r\n", "\n")
}

#[test]
fn a_terminal_gets_colours_unless_no_color_is_set_and_no_control_character_of_a_peer() {
    if !available::terminal() {
        return;
    }
    let host = host("output-terminal");
    let call = |variables: &[(&str, &str)]| {
        on_a_terminal(&["call", &host.path, "Host.Echo", r#"{"a":1}"#], variables)
    };
    let plain = "{\n  \"a\": 1\n}\n";
    assert_eq!(call(&[]), "{\n  \u{1b}[1;34m\"a\"\u{1b}[0m: 1\n}\n");
    for variable in [("NO_COLOR", "1"), ("TERM", "dumb")] {
        assert_eq!(call(&[variable]), plain, "{variable:?}");
    }
    let text = on_a_terminal(&["call", "--text", &host.path, "Host.Text"], &[]);
    assert_eq!(text, "goroutine 1 [running]:\n\tmain.main()\n\\u{1b}[2Jend\n");
}

/// Runs the command with little memory. It prints far more than that.
#[test]
fn indented_output_takes_no_memory_of_its_own() {
    let result = format!("[{}]", vec!["[[[[[[0]]]]]]"; 100_000].join(","));
    let host = Served::new(
        "output-memory",
        Service::new("Host", ()).raw_method("Large", move |(), _, _, _| {
            Ok::<_, String>((RawJson::new(result.clone()), Files::new()))
        }),
    );
    let urpc = shell_quoted(env!("CARGO_BIN_EXE_urpc"));
    let script = format!("ulimit -v 20000; {urpc} call \"$0\" Host.Large");
    let mut shell = Command::new("sh");
    let ran = Ran::from(shell.args(["-c", &script, &host.path]).output().unwrap());
    let printed = ran.success();
    assert!(printed.len() > 10_000_000 && printed.ends_with("]\n"), "{}", printed.len());
}

#[test]
fn with_a_pipe_to_read_from_the_result_is_on_standard_error_in_every_form() {
    let service = Service::new("Host", ()).raw_method("Say", |(), _, mut files, _| {
        let mut pipe = files.release(0).map(std::fs::File::from).ok_or("a file, please")?;
        std::io::Write::write_all(&mut pipe, b"out").map_err(|error| error.to_string())?;
        Ok::<_, String>((RawJson::new(*b"\"said\""), Files::new()))
    });
    let host = Served::new("output-pipe", service);
    for (options, said) in [("-r", "\"said\"\n"), ("-t", "said\n"), ("-q", "")] {
        let ran = urpc(&["call", options, "--pipe-out", &host.path, "Host.Say"]);
        assert_eq!((ran.status, &*ran.out, &*ran.err), (0, "out", said), "{options}");
    }
}

#[test]
fn a_reader_that_leaves_within_a_long_result_is_no_error() {
    let host = host("output-head");
    let (mut from, to) = process::pipe().unwrap();
    let scratch = Scratch::new("output-head-arg");
    let arg = scratch.path("arg");
    std::fs::write(&arg, format!("[{}0]", "0,".repeat(200_000))).unwrap();
    let call = ["call", &host.path, "Host.Echo", &format!("@{}", arg.display())];
    let mut call = command(&call);
    let child = call.stdout(to).stderr(Stdio::piped()).spawn().unwrap();
    drop(call);
    process::wait_readable(&[from.as_fd()], None).unwrap();
    assert!(std::io::Read::read(&mut from, &mut [0; 10]).unwrap() > 0);
    drop(from);
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), &output.stderr[..]), (Some(0), &b""[..]));
}

#[test]
fn the_arrows_of_a_trace_are_in_colour_if_that_is_wanted() {
    let host = host("output-trace");
    for (color, call, reply) in
        [("always", " \u{1b}[32m->\u{1b}[0m ", " \u{1b}[36m<-\u{1b}[0m "), ("auto", " -> ", " <- ")]
    {
        let scratch = Scratch::new("output-trace-socket");
        let path = scratch.path("traced").into_os_string().into_string().unwrap();
        let trace = ["trace", "--color", color, "--listen", &path, "--to", &host.path];
        let mut running = Running::start(command(&trace).stdout(Stdio::piped()));
        assert_eq!(urpc(&["call", &path, "Host.Echo", "1"]).success(), "1\n");
        running.signal("TERM");
        let mut traced = String::new();
        let mut stdout = running.child.stdout.take().unwrap();
        std::io::Read::read_to_string(&mut stdout, &mut traced).unwrap();
        assert!(traced.contains(call) && traced.contains(reply), "{traced}");
        assert_eq!(running.wait().0, 0);
    }
}
