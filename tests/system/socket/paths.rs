//! How the path of a socket is made and removed.

use std::io::ErrorKind;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::{fs, thread};

use super::assert_serves;
use crate::support::{
    Scratch, fill_queue, is_alone, leave_stale, path_of, run_alone, within_timeout,
};
use urpc::{BindOptions, Listener, Socket};

fn mode_of(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777
}

/// The names in a directory.
fn names_in(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn the_mode_is_what_was_asked_for_whatever_the_umask() {
    if !is_alone() {
        run_alone(path_of(the_mode_is_what_was_asked_for_whatever_the_umask), "umask 000; exec");
        return run_alone(
            path_of(the_mode_is_what_was_asked_for_whatever_the_umask),
            "umask 077; exec",
        );
    }
    let scratch = Scratch::new("mode");
    let (narrow, wide) = (scratch.path("narrow"), scratch.path("wide"));
    let _narrow = Listener::bind(&narrow).unwrap();
    let _wide = BindOptions::new().mode(0o7666).bind(&wide).unwrap();
    assert_eq!((mode_of(&narrow), mode_of(&wide)), (0o600, 0o666));
    assert_eq!(names_in(&scratch.0).len(), 2, "nothing else is left in the directory");
}

#[test]
fn the_socket_is_never_seen_with_another_mode() {
    let scratch = Scratch::new("race");
    let (path, done) = (scratch.path("s"), Arc::new(AtomicBool::new(false)));
    let (watched, watching) = (path.clone(), Arc::clone(&done));
    let watcher = thread::spawn(move || {
        let mut seen = 0;
        while !watching.load(Ordering::Relaxed) || seen == 0 {
            if let Ok(found) = fs::symlink_metadata(&watched) {
                assert_eq!(found.permissions().mode() & 0o777, 0o600);
                seen += 1;
            }
        }
    });
    for _ in 0..500 {
        drop(Listener::bind(&path).unwrap());
    }
    done.store(true, Ordering::Relaxed);
    let _last = Listener::bind(&path).unwrap();
    within_timeout(move || watcher.join().unwrap());
}

#[test]
fn a_stale_socket_is_replaced_only_on_request_and_a_live_one_never() {
    let scratch = Scratch::new("stale");
    let path = scratch.path("s");
    leave_stale(&path);
    let error = Listener::bind(&path).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
    assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
    let replacing = BindOptions::new().replace_stale(true);
    let live = replacing.bind(&path).unwrap();
    assert_serves(&live, &path);
    assert_eq!(replacing.bind(&path).unwrap_err().kind(), ErrorKind::AddrInUse);
    assert_eq!(live.accept().unwrap_err().kind(), ErrorKind::WouldBlock, "nobody came");
    assert_serves(&live, &path);
}

#[test]
fn where_it_cannot_be_found_out_whether_a_socket_is_stale_the_error_says_why() {
    let scratch = Scratch::new("unknown");
    let path = scratch.path(&"s".repeat(100));
    leave_stale(scratch.path("s"));
    fs::rename(scratch.path("s"), &path).unwrap();
    let error = BindOptions::new().replace_stale(true).bind(&path).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    assert!(error.to_string().contains("too long"), "{error}");
}

#[test]
fn a_server_whose_queue_is_full_is_no_dead_one_and_not_waited_for() {
    let scratch = Scratch::new("full");
    let path = scratch.path("s");
    let busy = Listener::bind(&path).unwrap();
    fill_queue(&path);
    let replacing = BindOptions::new().replace_stale(true);
    let bound = within_timeout({
        let path = path.clone();
        move || replacing.bind(path)
    });
    assert_eq!(bound.unwrap_err().kind(), ErrorKind::AddrInUse);
    drop(busy);
}

#[test]
fn what_is_no_socket_is_never_replaced() {
    let scratch = Scratch::new("nosocket");
    let replacing = BindOptions::new().replace_stale(true);
    fs::write(scratch.path("file"), "kept").unwrap();
    symlink(scratch.path("nowhere"), scratch.path("link")).unwrap();
    fs::create_dir(scratch.path("directory")).unwrap();
    for name in ["file", "link", "directory"] {
        let error = replacing.bind(scratch.path(name)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{name}");
        assert!(Listener::bind(scratch.path(name)).is_err(), "{name}");
    }
    assert_eq!(fs::read(scratch.path("file")).unwrap(), b"kept");
    let mut names = names_in(&scratch.0);
    names.sort();
    assert_eq!(names, ["directory", "file", "link"]);
}

#[test]
fn a_socket_of_another_kind_is_not_taken_for_a_dead_one() {
    let scratch = Scratch::new("datagram");
    let path = scratch.path("s");
    let _alive = UnixDatagram::bind(&path).unwrap();
    assert!(BindOptions::new().replace_stale(true).bind(&path).is_err());
    UnixDatagram::unbound().unwrap().connect(&path).expect("the other socket still exists");
}

#[test]
fn a_path_is_removed_on_drop_only_if_it_is_still_ours() {
    let scratch = Scratch::new("ours");
    let path = scratch.path("s");
    drop(Listener::bind(&path).unwrap());
    assert!(fs::symlink_metadata(&path).is_err());
    let first = Listener::bind(&path).unwrap();
    fs::remove_file(&path).unwrap();
    let second = Listener::bind(&path).unwrap();
    drop(first);
    assert_serves(&second, &path);
    drop(second);
    assert!(names_in(&scratch.0).is_empty());
}

#[test]
fn paths_longer_than_a_socket_address_are_bound_and_reached() {
    let scratch = Scratch::new("long");
    let directory = scratch.path(&"d".repeat(120)).join("e".repeat(120));
    fs::create_dir_all(&directory).unwrap();
    let path = directory.join("s");
    let listener = Listener::bind(&path).unwrap();
    assert_eq!(mode_of(&path), 0o600);
    assert_serves(&listener, &path);
    drop(listener);
    assert!(names_in(&directory).is_empty());
    leave_stale(scratch.path("short"));
    fs::rename(scratch.path("short"), &path).unwrap();
    let replaced = BindOptions::new().replace_stale(true).bind(&path).unwrap();
    assert_serves(&replaced, &path);
}

#[test]
fn nothing_that_is_made_on_the_way_to_a_socket_is_open_to_others() {
    let scratch = Scratch::new("private");
    let done = Arc::new(AtomicBool::new(false));
    let (watched, watching) = (scratch.0.clone(), Arc::clone(&done));
    let watcher = thread::spawn(move || {
        while !watching.load(Ordering::Relaxed) {
            let modes = fs::read_dir(&watched).unwrap().filter_map(|entry| {
                let path = entry.unwrap().path();
                // It may have been removed by now.
                Some((fs::symlink_metadata(&path).ok()?.permissions().mode() & 0o077, path))
            });
            modes.for_each(|(mode, path)| assert_eq!(mode, 0, "{}", path.display()));
        }
    });
    for _ in 0..500 {
        drop(Listener::bind(scratch.path("s")).unwrap());
    }
    done.store(true, Ordering::Relaxed);
    within_timeout(move || watcher.join().unwrap());
}

#[test]
fn a_socket_that_one_may_not_connect_to_is_not_replaced_and_the_error_says_why() {
    let scratch = Scratch::new("forbidden");
    let path = scratch.path("s");
    let _live = BindOptions::new().mode(0).bind(&path).unwrap();
    if UnixStream::connect(&path).is_ok() {
        // The superuser may connect to every socket. Without its capabilities it needs the
        // permission.
        assert!(!is_alone(), "the capabilities are still there");
        return run_alone(
            path_of(a_socket_that_one_may_not_connect_to_is_not_replaced_and_the_error_says_why),
            "exec setpriv --bounding-set=-all --inh-caps=-all",
        );
    }
    let error = BindOptions::new().replace_stale(true).bind(&path).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
    assert_eq!(mode_of(&path), 0, "the socket still exists");
}

#[test]
fn a_path_with_a_nul_is_escaped_in_the_error() {
    let error = Socket::connect("/run/a\0b\n").unwrap_err().to_string();
    assert!(error.starts_with(r"cannot connect to /run/a\u{0}b\n: "), "{error:?}");
}
