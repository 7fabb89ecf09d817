//! `urpc call --batch`: several calls on one connection.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::process::Stdio;
use std::sync::Mutex;

use urpc::json::RawJson;
use urpc::{Files, Listener, Service, process};

use crate::run::{Ran, Running, Served, command, names_in, silent_input, urpc, urpc_with_input};
use crate::support::{COUNTABLE_FILES, Scratch, read_message};

/// Its methods: the argument, the number of the client, the content of the files, the files
/// themselves, and an error.
fn host(name: &str) -> Served {
    let text = |error: std::io::Error| error.to_string();
    let service = Service::new("Host", ())
        .raw_method("Echo", |(), arg, _, _| Ok::<_, String>((RawJson::new(arg), Files::new())))
        .raw_method("Client", |(), _, _, context| {
            Ok::<_, String>((RawJson::new(context.client().to_string()), Files::new()))
        })
        .raw_method("Read", move |(), _, mut files, _| {
            let mut contents = Vec::new();
            for file in files.release_all() {
                let mut content = String::new();
                File::from(file).read_to_string(&mut content).map_err(text)?;
                contents.push(content);
            }
            Ok::<_, String>((RawJson::from_value(&contents).unwrap(), Files::new()))
        })
        .raw_method("Give", |(), _, mut files, _| {
            let files: Files = files.release_all().into_iter().collect();
            Ok::<_, String>((RawJson::new(*b"1"), files))
        })
        .method("Fail", |(), text: String| Err::<(), _>(text));
    Served::new(name, service)
}

/// Runs `lines` as a file, `calls` in its directory.
fn batch(host: &Served, scratch: &Scratch, lines: &str, options: &[&str]) -> Ran {
    fs::write(scratch.path("calls"), lines).unwrap();
    let mut call = command(&[&["call", &host.path, "--batch", "calls"], options].concat());
    call.current_dir(scratch.path("")).output().unwrap().into()
}

#[test]
fn each_line_is_a_call_on_one_connection_and_each_result_a_line() {
    let (host, scratch) = (host("batch"), Scratch::new("batch-here"));
    let lines = "{\"method\":\"Host.Client\"}\n\n\
                 {\"method\":\"Host.Echo\",\"arg\":{\"z\":1.50, \"a\":[\"\\u0041\"]}}\n\
                 {\"method\":\"Host.Client\"}";
    let printed = batch(&host, &scratch, lines, &[]).success();
    let numbers: Vec<_> = printed.lines().collect();
    assert_eq!((numbers.len(), numbers[0]), (3, numbers[2]), "{printed}");
    assert_eq!(numbers[1], r#"{"z":1.50,"a":["\u0041"]}"#);
    assert_eq!(batch(&host, &scratch, "", &[]).success(), "");
    let texts =
        "{\"method\":\"Host.Echo\",\"arg\":\"a\\tb\"}\n{\"method\":\"Host.Echo\",\"arg\":[1]}\n";
    assert_eq!(batch(&host, &scratch, texts, &["--text"]).success(), "a\tb\n[\n  1\n]\n");
    assert_eq!(batch(&host, &scratch, texts, &["--raw"]).success(), "\"a\\tb\"\n[1]\n");
    assert_eq!(batch(&host, &scratch, texts, &["-q"]).success(), "");
}

#[test]
fn a_program_may_write_calls_one_by_one_and_read_each_result() {
    let host = host("batch-talk");
    let mut call = command(&["call", &host.path, "--batch", "-"]);
    let mut child = call.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut to, mut from) =
        (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
    for number in 0..3 {
        writeln!(to, "{{\"method\":\"Host.Echo\",\"arg\":{number}}}").unwrap();
        let mut line = String::new();
        from.read_line(&mut line).unwrap();
        assert_eq!(line, format!("{number}\n"));
    }
    drop(to);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

const FAILING: &str = "{\"method\":\"Host.Echo\",\"arg\":1}\n\
                       {\"method\":\"Host.Fail\",\"arg\":\"no such box\"}\n\
                       {\"method\"}\n\
                       {\"method\":\"Host.Read\",\"files\":[\"/no/such/file\"]}\n\
                       {\"method\":\"Host.Echo\",\"arg\":2}\n";

#[test]
fn the_first_failure_ends_it_and_its_line_is_named() {
    let (host, scratch) = (host("batch-fail"), Scratch::new("batch-fail-here"));
    let ran = batch(&host, &scratch, FAILING, &[]);
    assert_eq!((ran.status, &*ran.out), (1, "1\n"));
    assert_eq!(ran.err, "urpc call: 'calls', line 2: remote error: no such box\n");
}

#[test]
fn with_keep_going_the_others_are_made_and_a_failure_is_an_empty_line() {
    let (host, scratch) = (host("batch-keep"), Scratch::new("batch-keep-here"));
    let ran = batch(&host, &scratch, FAILING, &["--keep-going"]);
    assert_eq!((ran.status, &*ran.out), (1, "1\n\n\n\n2\n"), "{}", ran.err);
    let said: Vec<_> = ran.err.lines().collect();
    assert_eq!(said[0], "urpc call: 'calls', line 2: remote error: no such box");
    assert_eq!(said[1], "urpc call: 'calls' is not JSON: line 3, column 10: expected ':'");
    assert_eq!(said[2..4], ["  {\"method\"}", "           ^"]);
    assert!(
        said[4].starts_with("urpc call: 'calls', line 4: '/no/such/file': No such"),
        "{}",
        said[4]
    );
    assert_eq!(said.len(), 5);
}

#[test]
fn a_connection_that_is_over_ends_it_whatever_was_asked_for() {
    let scratch = Scratch::new("batch-gone");
    let path = scratch.path("s");
    let listener = Listener::bind(&path).unwrap();
    let peer = std::thread::spawn(move || {
        process::wait_readable(&[std::os::fd::AsFd::as_fd(&listener)], None).unwrap();
        drop(read_message(&listener.accept().unwrap()));
    });
    let lines = "{\"method\":\"A.B\"}\n".repeat(3);
    let ran = urpc_with_input(&["call", "-k", path.to_str().unwrap(), "--batch=-"], &lines);
    peer.join().unwrap();
    let said: Vec<&str> = ran.err.lines().collect();
    assert_eq!((ran.status, said.len()), (3, 2), "{}", ran.err);
    assert!(said[0].starts_with("urpc call: standard input, line 1: "), "{}", ran.err);
    assert!(said[1].starts_with("urpc call: --keep-going ends here: "), "{}", ran.err);
}

#[test]
fn files_are_sent_and_those_that_come_back_are_stored_by_line() {
    let (host, scratch) = (host("batch-files"), Scratch::new("batch-files-here"));
    fs::write(scratch.path("a"), "first").unwrap();
    fs::write(scratch.path("b"), "second").unwrap();
    let lines = "{\"method\":\"Host.Read\",\"files\":[\"b\",\"a\"]}\n\
                 {\"method\":\"Host.Give\",\"files\":[\"a\",\"b\"]}\n\
                 {\"method\":\"Host.Give\",\"files\":[\"b\"]}\n";
    let ran = batch(&host, &scratch, lines, &["--save", "out"]);
    assert_eq!((ran.status, &*ran.out), (0, "[\"second\",\"first\"]\n1\n1\n"), "{}", ran.err);
    assert_eq!(names_in(&scratch.path("out")), ["2", "3"]);
    let content = |path: &str| fs::read_to_string(scratch.path(path)).unwrap();
    assert_eq!((content("out/2/1"), content("out/3/0")), ("second".into(), "second".into()));
    let listed = batch(&host, &scratch, lines, &[]).err;
    assert!(listed.starts_with("line 2: file 0: regular file, mode "), "{listed}");
    assert_eq!(listed.lines().count(), 3);
    // A file that is there already is a failure of its line.
    let again = batch(&host, &scratch, lines, &["-k", "--save", "out"]);
    assert_eq!((again.status, again.out.lines().count()), (2, 5), "{}", again.err);
    assert!(again.err.contains("line 3: 1 of 1 files could not be stored"), "{}", again.err);
}

#[test]
fn many_files_that_come_back_are_closed_as_the_calls_go_on() {
    let host = host("batch-many");
    let lines = "{\"method\":\"Host.Give\",\"files\":[\"/dev/null\",\"/dev/null\"]}\n".repeat(600);
    let script = format!("{COUNTABLE_FILES} \"$0\" call -q \"$1\" --batch -");
    let (stdin, mut to) = process::pipe().unwrap();
    to.write_all(lines.as_bytes()).unwrap();
    drop(to);
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", &script, env!("CARGO_BIN_EXE_urpc"), &host.path]).stdin(stdin);
    assert_eq!(Ran::from(shell.output().unwrap()).success(), "");
}

#[test]
fn the_timeout_is_for_everything_also_for_input_that_does_not_come() {
    let host = host("batch-time");
    let (input, _kept) = silent_input();
    let mut call = command(&["call", "--timeout=50ms", &host.path, "--batch", "-"]);
    let ran = Ran::from(call.stdin(input).output().unwrap());
    let over = "urpc call: timed out after 50ms (raise --timeout to wait longer)\n";
    assert_eq!((ran.status, &*ran.out, &*ran.err), (3, "", over));
}

#[test]
fn a_line_without_an_end_takes_no_memory_without_an_end() {
    let host = host("batch-long");
    let mut call = command(&["call", &host.path, "--batch", "/dev/zero"]);
    let ran = Ran::from(call.output().unwrap());
    assert_eq!((ran.status, &*ran.out), (2, ""));
    let said = "urpc call: '/dev/zero', line 1: a line has at most 17825792 bytes\n";
    assert_eq!(ran.err, said);
}

/// Records the calls of `lines` with `urpc trace --json`, and gives the recording.
fn record(host: &Served, scratch: &Scratch, lines: &str) -> String {
    let traced = scratch.path("traced").into_os_string().into_string().unwrap();
    let recording = File::create(scratch.path("recording")).unwrap();
    let mut trace = command(&["trace", "--json", "--listen", &traced, "--to", &host.path]);
    let trace = Running::start(trace.stdout(recording));
    fs::write(scratch.path("calls"), lines).unwrap();
    let calls = scratch.path("calls").into_os_string().into_string().unwrap();
    let ran = urpc(&["call", "-q", &traced, "--batch", &calls]);
    assert_eq!(ran.status, 0, "{}", ran.err);
    trace.signal("TERM");
    assert_eq!(trace.wait().0, 0);
    fs::read_to_string(scratch.path("recording")).unwrap()
}

#[test]
fn what_trace_has_recorded_is_made_again_and_what_became_of_its_files_is_said() {
    let calls = std::sync::Arc::new(Mutex::new(Vec::new()));
    let (host, scratch) = (host("batch-replay"), Scratch::new("batch-replay-here"));
    let seen = calls.clone();
    host.server.register(Service::new("Log", ()).raw_method("Add", move |(), arg, files, _| {
        let call = (String::from_utf8_lossy(arg).into_owned(), files.len());
        seen.lock().unwrap().push(call);
        Ok::<_, String>((RawJson::new(*b"true"), Files::new()))
    }));
    fs::write(scratch.path("in.txt"), "in").unwrap();
    let file = scratch.path("in.txt");
    let lines = format!(
        "{{\"method\":\"Log.Add\",\"arg\":[1.50]}}\n\
         {{\"method\":\"Host.Read\",\"files\":[{file:?},{file:?}]}}\n\
         {{\"method\":\"Log.Add\",\"arg\":\"x\"}}\n"
    );
    let recording = record(&host, &scratch, &lines);
    let replay = |recording: &str| batch(&host, &scratch, recording, &[]);
    let ran = replay(&recording);
    assert_eq!((ran.status, &*ran.out), (0, "true\n[\"\",\"\"]\ntrue\n"), "{}", ran.err);
    assert_eq!(ran.err, "'calls', line 4: /dev/null instead of 2 recorded files\n");
    let all = [("[1.50]", 0), ("\"x\"", 0)].map(|(arg, files)| (arg.to_owned(), files));
    assert_eq!(*calls.lock().unwrap(), [all.clone(), all].concat());
    // Names may be written there instead of the descriptions.
    let edited = recording.lines().map(|line| match line.find("\"files\":[{") {
        Some(at) => {
            let end = at + line[at..].find(']').unwrap();
            format!("{}\"files\":[{file:?}{}\n", &line[..at], &line[end..])
        }
        None => format!("{line}\n"),
    });
    let ran = replay(&edited.collect::<String>());
    assert_eq!((ran.status, &*ran.out, &*ran.err), (0, "true\n[\"in\"]\ntrue\n", ""));
}

#[test]
fn calls_of_several_connections_and_messages_that_are_not_whole_are_named() {
    let (host, scratch) = (host("batch-odd"), Scratch::new("batch-odd-here"));
    let line = |connection: u32, message: &str| {
        format!(
            "{{\"connection\":{connection},\"event\":\"message\",\"direction\":\"call\",\
             \"files\":[],\"message\":{message}}}\n"
        )
    };
    let echo = r#"{"method":"Host.Echo","arg":1}"#;
    let ran = batch(&host, &scratch, &[line(1, echo), line(2, echo), line(2, echo)].concat(), &[]);
    assert_eq!((ran.status, &*ran.out), (0, "1\n1\n1\n"));
    let said = "'calls', line 2: recorded on another connection than the call before\n";
    assert_eq!(ran.err, said);
    let ran = batch(&host, &scratch, &line(1, "null"), &[]);
    let said = "urpc call: 'calls', line 1: the recording has not all of this message\n";
    assert_eq!((ran.status, &*ran.err), (2, said));
}

#[test]
fn the_answer_to_a_file_that_is_not_there_comes_before_the_connection() {
    let error = urpc(&["call", "/no/such.sock", "--batch", "/no/such/calls"]).failure(2);
    assert!(error.contains("'/no/such/calls': No such file"), "{error}");
}

#[test]
fn a_recording_as_text_is_answered_with_how_to_record() {
    let (host, scratch) = (host("batch-text"), Scratch::new("batch-text-here"));
    let hint = " (record with trace --json)\n";
    let ran = batch(&host, &scratch, "12:00:00.123456 #1 open (uid 0)\n", &[]);
    assert!(ran.status == 2 && ran.err.contains(hint), "{}", ran.err);
    let ran = batch(&host, &scratch, "12 x\n", &[]);
    assert!(ran.status == 2 && !ran.err.contains("--json"), "{}", ran.err);
}
