//! Binding: servers that race for one path, and the places where a socket can be bound.

use std::fs::{self, File, Permissions};
use std::io::ErrorKind;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chroot};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use crate::support::{
    Scratch, available, is_alone, leave_stale, output_of, path_of, run_alone, within_timeout,
};
use urpc::{BindOptions, Client, Listener, Server, Service, Socket};

/// The rounds of a race. The soak test runs more.
const ROUNDS: usize = 300;

#[test]
fn of_servers_that_race_to_replace_a_stale_socket_one_succeeds_and_is_reachable() {
    let scratch = Scratch::new("replace");
    crate::racing::race_to_replace(&scratch.path("s"), ROUNDS);
}

#[test]
fn a_server_that_leaves_takes_no_other_one_with_it() {
    let scratch = Scratch::new("leave");
    crate::racing::race_to_bind_and_leave(&scratch.path("s"), ROUNDS);
}

/// Binds in `directory`, connects, and replaces a stale socket. Afterwards only the lock file is
/// left.
fn assert_binds_in(directory: &Path) {
    let path = directory.join("s");
    for mode in [0o600, 0o660, 0o666] {
        let listener = BindOptions::new().mode(mode).bind(&path).unwrap();
        assert_eq!(fs::symlink_metadata(&path).unwrap().mode() & 0o777, mode);
        assert_eq!(names_in(directory), ["s"], "the socket has its final name");
        assert_reaches(&path, &listener);
        let again = Listener::bind(&path).unwrap_err();
        assert_eq!(again.kind(), ErrorKind::AddrInUse);
        drop(listener);
        assert_eq!(names_in(directory), [""; 0]);
    }
    leave_stale(&path);
    let replaced = BindOptions::new().replace_stale(true).bind(&path).unwrap();
    assert_reaches(&path, &replaced);
    drop(replaced);
    assert_eq!(names_in(directory), ["s.lock"]);
    fs::remove_file(directory.join("s.lock")).unwrap();
}

/// Checks that a client of `path` reaches `listener` and sees the peer name that it connected to.
fn assert_reaches(path: &Path, listener: &Listener) {
    let client = UnixStream::from(OwnedFd::from(Socket::connect(path).unwrap()));
    listener.accept().unwrap();
    assert_eq!(client.peer_addr().unwrap().as_pathname(), Some(path));
}

/// The names in a directory, sorted.
fn names_in(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_socket_is_bound_in_plain_sticky_and_setgid_directories() {
    for mode in [0o755, 0o1777, 0o2775] {
        let scratch = Scratch::new("directory");
        fs::set_permissions(&scratch.0, Permissions::from_mode(mode)).unwrap();
        assert_binds_in(&scratch.0);
    }
}

/// A FUSE file system that shows one directory in another, mounted until this is dropped.
struct Mount(PathBuf);

impl Mount {
    fn new(shown: &Path, at: PathBuf) -> Result<Mount, String> {
        let run = |command: &mut Command| match output_of(command) {
            Ok(output) if output.status.success() => Ok(()),
            Ok(output) => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
            Err(error) => Err(error.to_string()),
        };
        run(Command::new("bindfs").arg(shown).arg(&at)).map(|()| Mount(at))
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // Unmounts lazily, since a child that another test starts may have a file open there.
        let _ = output_of(Command::new("fusermount3").args(["-u", "-z"]).arg(&self.0));
    }
}

#[test]
fn a_socket_is_bound_and_reached_on_fuse() {
    if !available::or_skip("bindfs", available::program("bindfs")) {
        return;
    }
    let scratch = Scratch::new("fuse");
    let (shown, at) = (scratch.path("shown"), scratch.path("at"));
    fs::create_dir(&shown).and_then(|()| fs::create_dir(&at)).unwrap();
    match Mount::new(&shown, at) {
        Ok(mount) => assert_binds_in(&mount.0),
        Err(error) => available::skipped(format_args!("bindfs cannot mount: {error}")),
    }
}

/// Mounts an overlay, on a file system in memory, as not every one can be its upper layer, and goes
/// on in it with what follows.
const ON_AN_OVERLAY: &str = r#"exec unshare --mount sh -c '
    mount -t tmpfs tmpfs "$0" && cd "$0" && mkdir lower upper work at &&
    mount -t overlay overlay -o lowerdir=lower,upperdir=upper,workdir=work at &&
    cd at && exec "$@"'"#;

#[test]
fn a_socket_is_bound_and_a_call_answered_on_an_overlay() {
    let test = path_of(a_socket_is_bound_and_a_call_answered_on_an_overlay);
    if !is_alone() {
        let scratch = Scratch::new("overlay");
        let setup = format!("{ON_AN_OVERLAY} '{}'", scratch.0.display());
        let tried = output_of(Command::new("sh").args(["-c", &format!("{setup} true")]));
        if !tried.is_ok_and(|output| output.status.success()) {
            return available::skipped("an overlay cannot be mounted");
        }
        return run_alone(test, &setup);
    }
    let here = std::env::current_dir().unwrap();
    assert_binds_in(&here);
    let server = Server::new();
    server.register(Service::new("Peer", ()).method("Echo", |(), n: i64| Ok::<_, String>(n)));
    let path = here.join("s");
    let listener = Listener::bind(&path).unwrap();
    thread::scope(|scope| {
        let serves = scope.spawn(|| server.serve(&listener));
        let reply = within_timeout(move || Client::connect(path)?.call::<i64>("Peer.Echo", &7));
        server.stop(Duration::ZERO);
        serves.join().unwrap().unwrap();
        assert_eq!(reply.unwrap(), 7);
    });
}

/// Forbids to link and rename from one directory to another, and allows all else, for the program
/// that it becomes: a ruleset of Landlock's first version, which knows of no `REFER`, over `/`
/// (landlock(7)).
#[cfg(target_arch = "x86_64")]
const UNDER_LANDLOCK: &str = r#"
    my $all = 0x1fff;
    my $rules = syscall(444, pack("Q", $all), 8, 0);
    exit 77 if $rules < 0;
    open(my $root, "<", "/") or exit 77;
    syscall(445, $rules, 1, pack("Ql", $all, fileno($root)), 0) == 0 or exit 77;
    syscall(157, 38, 1, 0, 0, 0) == 0 or exit 77; # prctl(PR_SET_NO_NEW_PRIVS)
    syscall(446, $rules, 0) == 0 or exit 77;
    exec @ARGV;
"#;

#[cfg(target_arch = "x86_64")]
#[test]
fn a_socket_is_bound_under_landlock() {
    let scratch = Scratch::new("landlock");
    if is_alone() {
        fs::create_dir(scratch.path("other")).unwrap();
        File::create(scratch.path("file")).unwrap();
        fs::hard_link(scratch.path("file"), scratch.path("other/link")).unwrap_err();
        let directory = scratch.path("directory");
        fs::create_dir(&directory).unwrap();
        return assert_binds_in(&directory);
    }
    let mut known = Command::new("perl");
    let status =
        known.args(["-e", UNDER_LANDLOCK, "true"]).stderr(std::process::Stdio::null()).status();
    if !status.is_ok_and(|status| status.success()) {
        return available::skipped("there is no perl, or the kernel has no Landlock");
    }
    run_alone(
        path_of(a_socket_is_bound_under_landlock),
        &format!("exec perl -e '{UNDER_LANDLOCK}'"),
    );
}

/// In `until`, a call fails while the server that is starting does not listen yet.
#[cfg(target_arch = "x86_64")]
const COMMANDS: &str = r#"
    "$0" demo >demo || exit 1
    "$0" serve ./s --once --method A.B=cat &
    until "$0" call --raw ./s A.B 7 2>/dev/null; do :; done
    wait
"#;

#[cfg(target_arch = "x86_64")]
#[test]
fn the_command_works_under_landlock() {
    let scratch = Scratch::new("landlocked");
    let mut known = Command::new("perl");
    let status =
        known.args(["-e", UNDER_LANDLOCK, "true"]).stderr(std::process::Stdio::null()).status();
    if !status.is_ok_and(|status| status.success()) {
        return available::skipped("there is no perl, or the kernel has no Landlock");
    }
    let mut all = Command::new("timeout");
    all.args(["100", "perl", "-e", UNDER_LANDLOCK, "sh", "-c", COMMANDS]);
    all.arg(env!("CARGO_BIN_EXE_urpc")).current_dir(&scratch.0).env("TMPDIR", &scratch.0);
    let output = output_of(&mut all).unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "7", "{errors}");
    assert_eq!(names_in(&scratch.0), ["demo"]);
}

#[test]
fn a_socket_is_bound_without_proc_as_long_as_its_path_and_mode_need_none() {
    if !is_alone() {
        for umask in ["000", "077"] {
            let scratch = Scratch::new("chroot");
            let setup = format!("umask {umask}; cd '{}'; exec", scratch.0.display());
            run_alone(
                path_of(a_socket_is_bound_without_proc_as_long_as_its_path_and_mode_need_none),
                &setup,
            );
        }
        return;
    }
    let is_narrow = File::create("file").unwrap().metadata().unwrap().mode() & 0o777 == 0o600;
    fs::create_dir("root").unwrap();
    if let Err(error) = chroot("root") {
        return available::skipped(format_args!("there is no chroot: {error}"));
    }
    let longest = PathBuf::from(format!("/{}", "s".repeat(106)));
    let listener = Listener::bind(&longest).unwrap();
    assert_reaches(&longest, &listener);
    drop(listener);
    let wide = BindOptions::new().mode(0o666).bind("/wide");
    if is_narrow {
        let error = wide.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().contains("umask"), "{error}");
    } else {
        assert_eq!(fs::metadata("/wide").unwrap().mode() & 0o777, 0o666);
        drop(wide.unwrap());
    }
    assert_eq!(names_in(Path::new("/")), [""; 0]);
}
