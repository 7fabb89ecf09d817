//! `urpc serve`: commands as methods, who may call, and how it ends.

use std::fs::{self, File};
use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use urpc::json::{self, Value};
use urpc::{Client, process};

use crate::counts::wait_until;
use crate::host::{Host, remote_error};
use crate::run::{Running, command, names_in, urpc};
use crate::support::{Scratch, leave_stale, shell_quoted, within_timeout};

#[test]
fn the_argument_is_the_input_and_the_output_the_result() {
    let host = Host::start("serve-echo", &["--method", "Host.Echo=cat", "--method=Host.None=:"]);
    let client = host.client();
    let (result, _) = client.call_raw("Host.Echo", br#"{"a":1.50}"#, &[]).unwrap();
    assert_eq!(result.as_bytes(), br#"{"a":1.50}"#);
    let big = format!("\"{}\"", "x".repeat(1 << 20));
    assert_eq!(
        client.call_raw("Host.Echo", big.as_bytes(), &[]).unwrap().0.as_bytes().len(),
        big.len()
    );
    assert_eq!(client.call::<Value>("Host.None", &1).unwrap(), Value::Null);
    assert_eq!(remote_error(client.call("Host.No", &1)), "unknown method");
    drop(client);
    assert_eq!(host.stop("TERM"), "");
}

#[test]
fn a_background_process_holds_the_call_only_while_it_holds_an_output() {
    let methods = [
        "--text",
        "--method=Host.Holds=echo now; (cat; echo late) <&3 &",
        "--method=Host.Frees=(cat; echo late) <&3 >/dev/null 2>&1 & echo now",
    ];
    let host = Host::start("serve-background", &methods);
    let call = |method: &str, file: &File| {
        let (result, _) = host.client().call_raw(method, b"1", &[file.as_fd()]).unwrap();
        json::from_slice::<String>(result.as_bytes()).unwrap()
    };
    let (from, to) = process::pipe().unwrap();
    // The background process waits for the end of the pipe. The call does not wait for the process.
    assert_eq!(call("Host.Frees", &from), "now\n");
    drop(to);
    assert_eq!(call("Host.Holds", &from), "now\nlate\n");
}

#[test]
fn text_makes_a_string_of_the_output() {
    let host = Host::start("serve-text", &["--text", "--method", "Host.Say=printf 'a\\n\"b'"]);
    assert_eq!(host.client().call::<String>("Host.Say", &()).unwrap(), "a\n\"b");
    host.stop("INT");
}

#[test]
fn output_that_is_no_text_and_for_which_memory_is_missing_is_an_error() {
    let scratch = Scratch::new("serve-no-memory");
    let path = scratch.path("host.sock").into_os_string().into_string().unwrap();
    let bytes = "--method=Host.Bytes=head -c 15000000 /dev/zero | tr '\\0' '\\377'";
    let mut serve = std::process::Command::new("sh");
    serve.args(["-c", "ulimit -v 60000; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_urpc")]);
    serve.args(["serve", "--text", &path, bytes, "--method=Host.Say=echo so"]);
    let running = Running::start(&mut serve);
    let client = Client::connect(path.as_str()).unwrap();
    assert!(remote_error(client.call("Host.Bytes", &())).contains("memory"));
    assert_eq!(client.call::<String>("Host.Say", &()).unwrap(), "so\n");
    running.signal("TERM");
    assert_eq!(running.wait().0, 0);
}

#[test]
fn a_command_that_fails_is_a_remote_error_with_the_last_line_of_its_errors() {
    let host = Host::start(
        "serve-fail",
        &[
            "--method=Host.Words=echo first >&2; echo last >&2; echo >&2; exit 3",
            "--method=Host.Silent=exit 3",
            "--method=Host.Killed=kill -KILL $$",
            "--method=Host.Words2=echo {",
            "--method=Host.Endless=yes",
            "--max-message=64K",
        ],
    );
    let client = host.client();
    assert_eq!(remote_error(client.call("Host.Words", &())), "last");
    assert!(remote_error(client.call("Host.Silent", &())).contains("exit status: 3"));
    assert!(remote_error(client.call("Host.Killed", &())).contains("signal: 9"));
    assert!(remote_error(client.call("Host.Words2", &())).contains("not JSON"));
    assert!(remote_error(client.call("Host.Endless", &())).contains("larger than 65536 bytes"));
    drop(client);
    assert!(host.stop("TERM").contains("first\nlast\n"));
}

#[test]
fn a_command_gets_the_files_and_no_other_descriptor() {
    let script = "printf '[%s,\"%s\",\"' $URPC_FILES $URPC_METHOD; cat <&3; cat <&4; \
                  printf '\",\"%s\"]' \"$(ls -m /proc/self/fd)\"";
    let host = Host::start("serve-files", &["--method", &format!("Host.Look={script}")]);
    let files: Vec<File> = ["one", "two"]
        .map(|text| {
            fs::write(host.scratch.path("tmp/file"), text).unwrap();
            let file = File::open(host.scratch.path("tmp/file")).unwrap();
            fs::remove_file(host.scratch.path("tmp/file")).unwrap();
            file
        })
        .into();
    let borrowed: Vec<_> = files.iter().map(std::os::fd::AsFd::as_fd).collect();
    let (result, _) = host.client().call_raw("Host.Look", b"1", &borrowed).unwrap();
    let result = String::from_utf8(result.into_bytes()).unwrap();
    // The last descriptor is that of ls itself, from which it reads the directory.
    assert_eq!(result, r#"[2,"Host.Look","onetwo","0, 1, 2, 3, 4, 5"]"#);
    host.stop("TERM");
}

#[test]
fn a_command_sees_nothing_of_what_a_service_manager_said_to_the_server() {
    let variables = ["LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "LISTEN_PIDFDID"];
    let variables = variables.map(|name| (name, "1"));
    let count = ["--method", "Host.Count=env | grep -c ^LISTEN_ || true"];
    let host = Host::start_in("serve-listen", &count, &variables);
    assert_eq!(host.client().call::<i64>("Host.Count", &()).unwrap(), 0);
}

#[test]
fn a_named_pipe_is_not_sent_back() {
    let host =
        Host::start("serve-fifo", &["--return-files", "--method=A.B=mkfifo \"$URPC_RETURN/x\""]);
    assert!(remote_error(host.client().call("A.B", &())).contains("named pipe"));
    host.stop("TERM");
}

#[test]
fn the_mode_of_the_socket_is_what_was_asked_for() {
    for (options, mode) in
        [(&["--method=A.B=cat"][..], 0o600), (&["--method=A.B=cat", "--mode=660"], 0o660)]
    {
        let host = Host::start(&format!("serve-mode-{mode}"), options);
        let found = fs::metadata(&host.path).unwrap().permissions().mode();
        assert_eq!(found & 0o777, mode);
        host.stop("TERM");
    }
}

#[test]
fn a_user_who_is_not_allowed_is_turned_away() {
    let host = Host::start("serve-uid", &["--method=A.B=cat", "--allow-uid=4294967294"]);
    let error = host.client().call::<Value>("A.B", &1).unwrap_err();
    assert!(error.as_remote().is_none(), "{error}");
    assert!(host.stop("TERM").contains("refused"));
}

#[test]
fn limits_are_those_of_its_options() {
    let host = Host::start(
        "serve-limits",
        &["--method=A.B=cat", "--max-clients=1", "--max-files=1", "--max-message=64"],
    );
    let client = host.client();
    let null = File::open("/dev/null").unwrap();
    let null = std::os::fd::AsFd::as_fd(&null);
    let error = client.call_raw("A.B", b"1", &[null, null]).unwrap_err();
    assert_eq!(error.as_remote().unwrap().message(), "too many files");
    let limits = urpc::Limits {
        call_time: Some(std::time::Duration::from_millis(50)),
        ..urpc::Limits::for_client()
    };
    let second = Client::builder().limits(limits).connect(host.path.as_str()).unwrap();
    // While the first client is connected, nobody answers the second.
    let error = second.call::<Value>("A.B", &1).unwrap_err();
    assert!(error.to_string().contains("timed out"), "{error}");
    let long = "x".repeat(100);
    let error = client.call::<Value>("A.B", &long).unwrap_err();
    assert!(error.to_string().contains("message too large"), "{error}");
    host.stop("TERM");
}

#[test]
fn a_connection_that_is_silent_for_too_long_is_ended() {
    let host = Host::start("serve-idle", &["--method=A.B=cat", "--idle-timeout=10ms"]);
    let client = urpc::Socket::connect(host.path.as_str()).unwrap();
    assert!(crate::support::read_to_end(&client).0.is_empty());
    host.stop("TERM");
}

#[test]
fn a_client_who_vanishes_while_its_command_runs_disturbs_nobody() {
    let scratch = Scratch::new("serve-vanish-fifos");
    let host = Host::start("serve-vanish", &[&blocking(&scratch), "--method=A.B=cat"]);
    let client = urpc::Socket::connect(host.path.as_str()).unwrap();
    client.send(br#"{"method":"A.Block","arg":1}"#, &[]).unwrap();
    fs::read(scratch.path("begun")).unwrap();
    drop(client);
    assert_eq!(host.client().call::<i32>("A.B", &5).unwrap(), 5);
    fs::write(scratch.path("end"), "7").unwrap();
    host.stop("TERM");
}

#[test]
fn what_is_there_already_is_left_alone_unless_it_is_dead_and_to_be_replaced() {
    let scratch = Scratch::new("serve-stale");
    let path = scratch.path("host.sock").into_os_string().into_string().unwrap();
    leave_stale(&path);
    let serve = ["serve", &path, "--method=A.B=cat"];
    assert!(urpc(&serve).failure(3).contains(&path));
    let mut replacing = command(&serve);
    let running = Running::start(replacing.arg("--replace"));
    assert_eq!(Client::connect(path.as_str()).unwrap().call::<i32>("A.B", &5).unwrap(), 5);
    assert!(urpc(&["serve", &path, "--method=A.B=cat", "--replace"]).failure(3).contains(&path));
    running.signal("TERM");
    assert_eq!(running.wait().0, 0);
    assert_eq!(names_in(&scratch.path("")), ["host.sock.lock"]);
}

#[test]
fn once_serves_one_client_and_its_socket_is_gone_meanwhile() {
    let host = Host::start("serve-once", &["--once", "--method=A.B=cat"]);
    let client = host.client();
    assert_eq!(client.call::<i32>("A.B", &1).unwrap(), 1);
    assert_eq!(client.call::<i32>("A.B", &2).unwrap(), 2);
    // The socket is removed while the client is still being served.
    wait_until(|| fs::metadata(&host.path).err(), || format!("{} to be gone", host.path));
    drop(client);
    assert_eq!(host.running.wait(), (0, String::new()));
}

#[test]
fn once_can_be_ended_before_anybody_came() {
    let host = Host::start("serve-once-none", &["--once", "--method=A.B=cat"]);
    host.stop("TERM");
}

/// A command that reports on a pipe that it runs, and ends when another pipe is written to.
fn blocking(scratch: &Scratch) -> String {
    let (begun, end) = (scratch.path("begun"), scratch.path("end"));
    for fifo in [&begun, &end] {
        assert!(std::process::Command::new("mkfifo").arg(fifo).status().unwrap().success());
    }
    format!("--method=A.Block=echo > {}; cat {}", shell_quoted(begun), shell_quoted(end))
}

#[test]
fn a_signal_lets_what_runs_end_and_be_answered() {
    let scratch = Scratch::new("serve-graceful-fifos");
    let host = Host::start("serve-graceful", &[&blocking(&scratch)]);
    let client = host.client();
    let call = std::thread::spawn(move || client.call::<i32>("A.Block", &()));
    fs::read(scratch.path("begun")).unwrap();
    host.running.signal("TERM");
    let mut end = File::options().write(true).open(scratch.path("end")).unwrap();
    end.write_all(b"7").unwrap();
    drop(end);
    assert_eq!(call.join().unwrap().unwrap(), 7);
    assert_eq!(host.running.wait(), (0, String::new()));
}

#[test]
fn a_second_signal_waits_for_nothing() {
    let scratch = Scratch::new("serve-hasty-fifos");
    let host = Host::start("serve-hasty", &[&blocking(&scratch)]);
    let client = host.client();
    let call = std::thread::spawn(move || client.call::<i32>("A.Block", &()));
    fs::read(scratch.path("begun")).unwrap();
    host.running.signal("TERM");
    // The second signal is sent after the first one was received. Otherwise the kernel would merge
    // them.
    let gone = || Client::connect(host.path.as_str()).is_err();
    while !gone() {
        std::thread::yield_now();
    }
    host.running.signal("INT");
    assert!(call.join().unwrap().is_err());
    // The command, which holds the standard error that this reads to its end, was killed.
    assert_eq!(host.running.wait().0, 0);
}

#[test]
fn of_several_users_who_are_allowed_each_may_call() {
    let own = fs::metadata("/proc/self").unwrap().uid();
    let (own, other) = (format!("--allow-uid={own}"), "--allow-uid=4294967294".to_owned());
    for (number, users) in [[&own, &other], [&other, &own]].iter().enumerate() {
        let host = Host::start(
            &format!("serve-uids-{number}"),
            &["--method=A.B=cat", users[0].as_str(), users[1].as_str()],
        );
        assert_eq!(host.client().call::<i32>("A.B", &5).unwrap(), 5);
        host.stop("TERM");
    }
}

#[test]
fn a_command_is_in_another_process_group_than_the_server() {
    let host = Host::start("serve-group", &["--method=A.B=cut -d' ' -f5 /proc/self/stat"]);
    let group = host.client().call::<u32>("A.B", &()).unwrap();
    let stat = fs::read_to_string(format!("/proc/{}/stat", host.running.child.id())).unwrap();
    // The fields after the name in parentheses: state, parent, group (proc_pid_stat(5)).
    let servers = stat.rsplit(") ").next().unwrap().split(' ').nth(2).unwrap();
    assert_ne!(group.to_string(), servers);
    host.stop("TERM");
}

#[test]
fn nobody_else_may_enter_the_directory_for_a_commands_files() {
    let look = "--method=A.B=ls -ld \"$URPC_RETURN\" | cut -c 1-10";
    let host = Host::start("serve-private", &["--return-files", "--text", look]);
    assert_eq!(host.client().call::<String>("A.B", &()).unwrap(), "drwx------\n");
    host.stop("TERM");
}

#[test]
fn a_command_that_printed_too_much_is_not_waited_for() {
    let endless = "--method=A.B=head -c 100000 /dev/zero; exec sleep 600 >&- 2>&-";
    let host = Host::start("serve-too-much", &[endless, "--max-message=64K"]);
    let client = host.client();
    let error = within_timeout(move || remote_error(client.call("A.B", &())));
    assert!(error.contains("larger than 65536 bytes"), "{error}");
    host.stop("TERM");
}

#[test]
fn an_output_may_be_as_long_as_the_limit_and_no_longer() {
    let ones = "--method=A.B=head -c $(cat) /dev/zero | tr '\\0' 1";
    let host = Host::start("serve-longest", &[ones, "--max-message=100"]);
    let client = host.client();
    let result: Value = client.call("A.B", &100).unwrap();
    assert_eq!(result.to_string(), "1".repeat(100));
    let error = remote_error(client.call("A.B", &101));
    assert_eq!(error, "the command's output is larger than 100 bytes");
    host.stop("TERM");
}
