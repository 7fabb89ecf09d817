//! `urpc call`: files in both directions, and pipes.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::process::{Command, Stdio};

use urpc::json::RawJson;
use urpc::{Files, Service, process};

use crate::run::{
    Ran, Served, command, command_with_a_stray, names_in, silent_input, urpc, urpc_with_input,
};
use crate::support::{Scratch, shell_quoted, signal};

type Answer = Result<(RawJson, Files), String>;

fn text(error: std::io::Error) -> String {
    error.to_string()
}

/// Returns the content of each file.
fn read((): &(), _: &[u8], mut files: Files) -> Answer {
    let mut contents = Vec::new();
    for file in files.release_all() {
        let mut content = String::new();
        File::from(file).read_to_string(&mut content).map_err(text)?;
        contents.push(content);
    }
    Ok((RawJson::new(urpc::json::to_vec(&contents).unwrap()), Files::new()))
}

/// Writes into its only file.
fn write((): &(), _: &[u8], mut files: Files) -> Answer {
    let file = files.release(0).ok_or("no file")?;
    File::from(file).write_all(b"written").map_err(text)?;
    Ok((RawJson::new(*b"null"), Files::new()))
}

/// Returns as many pipes as the argument says, each with its index in it.
fn give((): &(), arg: &[u8], _: Files) -> Answer {
    let count: usize = urpc::json::from_slice(arg).map_err(|error| error.to_string())?;
    let files = (0..count).map(|index| {
        let (from, mut to) = process::pipe()?;
        to.write_all(index.to_string().as_bytes())?;
        Ok(from)
    });
    let files = files.collect::<std::io::Result<Files>>().map_err(text)?;
    Ok((RawJson::new(*b"[1]"), files))
}

/// Writes the first file in upper case into the second, and "done" into the third.
fn shout((): &(), _: &[u8], mut files: Files) -> Answer {
    let mut next = |index| files.release(index).map(File::from).ok_or("three files, please");
    let (mut input, mut output, mut errors) = (next(0)?, next(1)?, next(2)?);
    std::thread::spawn(move || {
        let mut heard = String::new();
        input.read_to_string(&mut heard).unwrap();
        output.write_all(heard.to_uppercase().as_bytes()).unwrap();
        errors.write_all(b"done\n").unwrap();
    });
    Ok((RawJson::new(*b"5"), Files::new()))
}

fn host(name: &str) -> Served {
    let service = Service::new("Host", ())
        .raw_method("Read", |unit, arg, files, _| read(unit, arg, files))
        .raw_method("Write", |unit, arg, files, _| write(unit, arg, files))
        .raw_method("Give", |unit, arg, files, _| give(unit, arg, files))
        .raw_method("Shout", |unit, arg, files, _| shout(unit, arg, files));
    Served::new(name, service)
}

#[test]
fn files_ride_in_the_order_of_their_options() {
    let (host, scratch) = (host("files-order"), Scratch::new("call-files-order"));
    for name in ["a", "b"] {
        fs::write(scratch.path(name), name).unwrap();
    }
    let (a, b) = (scratch.path("a").display().to_string(), scratch.path("b").display().to_string());
    let call = ["call", "-r", &host.path, "Host.Read", "-f", &b, &format!("--file={a}"), "-f", &b];
    assert_eq!(urpc(&call).success(), r#"["b","a","b"]"#);
}

#[test]
fn a_file_to_write_is_made_and_an_inherited_number_is_passed_on() {
    let (host, scratch) = (host("files-write"), Scratch::new("call-files-write"));
    let path = scratch.path("new").display().to_string();
    urpc(&["call", &host.path, "Host.Write", "--file", &format!("{path}:w")]).success();
    assert_eq!(fs::read_to_string(&path).unwrap(), "written");

    let (file, socket) = (shell_quoted(&path), shell_quoted(&host.path));
    let script = format!("exec 7<{file}; \"$0\" call -r {socket} Host.Read --file fd:7");
    let mut shell = Command::new("sh");
    shell.args(["-c", &script, env!("CARGO_BIN_EXE_urpc")]);
    assert_eq!(Ran::from(shell.output().unwrap()).success(), r#"["written"]"#);
}

#[test]
fn more_files_than_the_limit_are_refused_and_the_option_named() {
    let host = host("files-limit");
    let call = ["call", &host.path, "Host.Read", "--max-files=0", "--file", "/dev/null"];
    let error = urpc(&call).failure(3);
    assert!(error.contains("too many files") && error.contains("--max-files"), "{error}");
}

#[test]
fn files_that_come_back_are_listed() {
    let host = host("files-list");
    let ran = urpc(&["call", "-r", &host.path, "Host.Give", "2"]);
    assert_eq!((ran.status, &*ran.out), (0, "[1]"));
    let listed = "pipe, mode 0600, read-only";
    assert_eq!(ran.err, format!("file 0: {listed}\nfile 1: {listed}\n"));
}

#[test]
fn each_kind_of_file_and_access_is_named() {
    let scratch = Scratch::new("call-files-kinds");
    let path = scratch.path("regular");
    fs::write(&path, "twelve bytes").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let service = Service::new("Host", ()).raw_method("Give", move |(), _, _, _| {
        let (socket, _) = urpc::Socket::pair().map_err(text)?;
        let open = |path: &Path, read, write| {
            File::options().read(read).write(write).open(path).map(OwnedFd::from).map_err(text)
        };
        let null = Path::new("/dev/null");
        let files = [
            open(&path, true, false)?,
            open(Path::new("/"), true, false)?,
            open(null, false, true)?,
            open(null, true, true)?,
            OwnedFd::from(socket),
            // On musl std opens nothing with O_PATH.
            #[cfg(not(target_env = "musl"))]
            File::options().read(true).custom_flags(0o10_000_000).open(null).map_err(text)?.into(),
        ];
        Ok::<_, String>((RawJson::new(*b"1"), files.into_iter().collect()))
    });
    let host = Served::new("files-kinds", service);
    let ran = urpc(&["call", &host.path, "Host.Give"]);
    let modeless = |line: &str| {
        let (kind, rest) = line.split_once(", mode ").unwrap();
        format!("{kind}{}", &rest[4..])
    };
    assert!(ran.err.contains("\nfile 2: character device, mode 0666, write-only\n"), "{}", ran.err);
    assert!(ran.err.starts_with("file 0: regular file, mode 0640, read-only, 12 bytes\n"));
    assert_eq!(
        ran.err.lines().map(modeless).collect::<Vec<_>>()[1..],
        [
            "file 1: directory, read-only",
            "file 2: character device, write-only",
            "file 3: character device, read-write",
            "file 4: socket, read-write",
            #[cfg(not(target_env = "musl"))]
            "file 5: character device, path only",
        ]
    );
}

#[test]
fn files_that_come_back_are_stored_and_none_is_overwritten() {
    let (host, scratch) = (host("files-save"), Scratch::new("call-files-save"));
    let directory = scratch.path("new/deep");
    let call = ["call", "-r", &host.path, "Host.Give", "2", "--save", directory.to_str().unwrap()];
    let ran = urpc(&call);
    assert_eq!((ran.status, &*ran.out), (0, "[1]"), "{}", ran.err);
    assert_eq!(names_in(&directory), ["0", "1"]);
    assert_eq!(fs::read_to_string(directory.join("1")).unwrap(), "1");
    let again = urpc(&call);
    assert!(again.status == 2 && again.err.contains("File exists"), "{}", again.err);
    assert_eq!(fs::read_to_string(directory.join("0")).unwrap(), "0");
}

#[test]
fn a_program_gets_the_files_the_result_and_nothing_else() {
    let host = host("files-exec");
    let script = "cat; cat <&3 <&4; echo \" $URPC_FILES\"; ls -m /proc/self/fd; exit 7";
    // A descriptor that the command inherited by accident is not passed on.
    let call = ["call", &host.path, "Host.Give", "2", "--exec", "sh", "-c", script];
    let ran = Ran::from(command_with_a_stray(&call).output().unwrap());
    // The last descriptor is that of ls itself, from which it reads the directory.
    assert_eq!(ran.out, "[1]1 2\n0, 1, 2, 3, 4, 5\n");
    assert_eq!((ran.status, &*ran.err), (7, ""));
}

#[test]
fn a_program_that_cannot_be_run_is_status_2() {
    let host = host("files-noexec");
    let mut call = command(&["call", &host.path, "Host.Give", "1", "--exec", "no-such"]);
    // A directory without search permission would give another reason.
    let error = Ran::from(call.env("PATH", "/bin").output().unwrap()).failure(2);
    assert!(error.contains("no-such") && error.contains("No such file"), "{error}");
}

#[test]
fn a_program_that_is_not_there_is_reported_before_the_call_is_made() {
    let call = ["call", "/no/such.sock", "A.B", "--exec", "/no/such/program"];
    let error = urpc(&call).failure(2);
    assert!(error.contains("/no/such/program") && error.contains("No such file"), "{error}");
}

#[test]
fn all_files_that_can_be_stored_are_stored_and_the_others_named() {
    let service = Service::new("Host", ()).raw_method("Give", |(), _, _, _| {
        let (from, mut to) = process::pipe().map_err(text)?;
        to.write_all(b"last").map_err(text)?;
        let directory = File::open("/").map_err(text)?;
        Ok::<_, String>((RawJson::new(*b"1"), [directory, from].into_iter().collect()))
    });
    let (host, scratch) = (Served::new("files-some", service), Scratch::new("call-files-some"));
    let directory = scratch.path("out");
    let ran = urpc(&["call", "--save", directory.to_str().unwrap(), &host.path, "Host.Give"]);
    assert_eq!((ran.status, &*ran.out), (2, "1\n"));
    assert_eq!(names_in(&directory), ["1"]);
    assert_eq!(fs::read_to_string(directory.join("1")).unwrap(), "last");
    assert!(
        ran.err.contains("file 0: not in ") && ran.err.contains("Is a directory"),
        "{}",
        ran.err
    );
    assert!(ran.err.ends_with("urpc call: 1 of 2 files could not be stored\n"), "{}", ran.err);
}

#[test]
fn a_reader_who_leaves_ends_a_far_program_as_it_would_one_here() {
    let (host, (input, _kept_open)) = (host("pipes-unread"), silent_input());
    let service = Service::new("Far", ()).raw_method("Yes", |(), _, mut files, _| {
        let mut output = files.release(0).map(File::from).ok_or("a file, please")?;
        std::thread::spawn(move || while output.write_all(b"y\n").is_ok() {});
        Ok::<_, String>((RawJson::new(*b"1"), Files::new()))
    });
    host.server.register(service);
    let mut call = command(&["call", "--pipe-out", "--pipe-in", &host.path, "Far.Yes"]);
    let ran = Ran::from(call.stdin(input).stdout(crate::run::unread_pipe()).output().unwrap());
    assert_eq!((ran.status, ran.out), (0, String::new()));
}

#[test]
fn a_signal_ends_it_and_its_pipes() {
    let (taken, input) = std::sync::mpsc::channel();
    let host = Served::new(
        "pipes-signal",
        Service::new("Host", ()).raw_method("Take", move |(), _, mut files, _| {
            taken.send(files.release(0)).map_err(|error| error.to_string())?;
            Ok::<_, String>((RawJson::new(*b"1"), Files::new()))
        }),
    );
    let (silent, _kept_open) = silent_input();
    let mut call = command(&["call", "--pipe-in", &host.path, "Host.Take"]);
    call.stdin(silent).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = call.spawn().unwrap();
    let mut input = File::from(input.recv().unwrap().unwrap());
    // Not SIGINT, which is ignored if the tests were started in the background.
    signal(child.id(), "TERM");
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&child.wait().unwrap()), Some(15));
    assert_eq!(input.read(&mut [0]).unwrap(), 0);
}

#[test]
fn a_program_that_a_signal_ends_has_the_status_of_a_shell() {
    let host = host("files-killed");
    let kill = ["call", &host.path, "Host.Give", "0", "--exec", "sh", "-c", "kill -KILL $$"];
    assert_eq!(urpc(&kill).status, 128 + 9);
}

#[test]
fn pipes_make_a_far_program_look_like_one_that_runs_here() {
    let host = host("pipes");
    let call = ["call", "--pipe-in", "--pipe-out", "--pipe-err", &host.path, "Host.Shout"];
    let ran = urpc_with_input(&call, "hello");
    // The result must not be mixed with the remote program's output.
    assert_eq!((ran.status, &*ran.out), (0, "HELLO"));
    assert!(ran.err.contains("done\n") && ran.err.contains("5\n"), "{}", ran.err);
}

#[test]
fn input_that_stays_silent_does_not_outlast_the_far_side() {
    let host = Served::new(
        "pipes-silent",
        Service::new("Host", ()).raw_method("Close", |(), _, _, _| {
            Ok::<_, String>((RawJson::new(*b"1"), Files::new()))
        }),
    );
    let (input, _kept_open) = silent_input();
    let mut call = command(&["call", "-r", "--pipe-in", &host.path, "Host.Close"]);
    let ran = Ran::from(call.stdin(input).stderr(Stdio::piped()).output().unwrap());
    assert_eq!(ran.success(), "1");
}

#[test]
fn a_program_that_gets_files_is_not_deaf_to_the_signals_that_its_parent_has_blocked() {
    // For this thread and the processes that it starts. A shell in between might unblock the
    // signals.
    process::StopSignals::block().unwrap();
    let mut helper = command(&["_run-with-files", "cat", "/proc/self/status"]);
    helper.stdout(Stdio::piped());
    let stdin = File::open("/dev/null").unwrap();
    let child = process::spawn_with_files(&mut helper, stdin.as_fd(), &[]).unwrap();
    let status = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
    let blocked = status.lines().find_map(|line| line.strip_prefix("SigBlk:")).unwrap();
    let blocked = u64::from_str_radix(blocked.trim(), 16).unwrap();
    let [sigint, sigterm] = [2, 15].map(|signal| blocked >> (signal - 1) & 1);
    assert_eq!((sigint, sigterm), (0, 0), "{blocked:x}");
}
