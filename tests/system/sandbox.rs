//! Sandboxes: how the state that runsc keeps leads to one, and which process is accepted as a
//! sandbox.

use std::env;
use std::fs;
use std::io::{self, BufRead, BufReader, ErrorKind, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{chown, symlink};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::support::{Scratch, TIMEOUT, available, path_of, within_timeout};
use urpc::sandbox::{Sandbox, containers};
use urpc::{Address, Listener, process};

/// The user id of "nobody".
const NOBODY: u32 = 65534;
/// Set in the process that has taken a sandbox's name. It contains the address.
const IMPOSTOR: &str = "URPC_IMPOSTOR";

/// Writes the state of `container` in the sandbox `id`.
fn note(root: &Scratch, container: &str, id: &str, pid: u32, socket: &str) {
    let sandbox = format!(r#"{{"id":"{id}","pid":{pid},"controlSocketPath":"{socket}"}}"#);
    let state = format!(r#"{{"id":"{container}","sandbox":{sandbox},"status":3}}"#);
    fs::write(state_of(root, container, id), state).unwrap();
}

fn state_of(root: &Scratch, container: &str, id: &str) -> PathBuf {
    root.path(&format!("{container}_sandbox:{id}.state"))
}

fn address_of(root: &Scratch, id: &str) -> Result<Address, ErrorKind> {
    let found = Sandbox::find(&root.0, id);
    found.map(|sandbox| sandbox.address().clone()).map_err(|error| error.kind())
}

fn abstract_name(id: &str) -> Address {
    Address::abstract_name(format!("runsc-sandbox.{id}\0"))
}

#[test]
fn a_sandbox_is_found_as_runsc_finds_it() {
    let root = Scratch::new("sandbox-found");
    fs::write(root.path("noted"), "").unwrap();
    let noted = root.path("noted").into_os_string().into_string().unwrap();
    note(&root, "noted", "noted", 1, &noted);
    note(&root, "moved", "moved", 1, "/nowhere/moved.sock");
    fs::write(root.path("runsc-moved.sock"), "").unwrap();
    note(&root, "ended", "ended", 1, "/nowhere/ended.sock");
    note(&root, "old", "old", 1, "");
    note(&root, "sub", "old", 1, "");
    fs::write(root.path("noted_sandbox:noted.lock"), "").unwrap();

    assert_eq!(address_of(&root, "noted"), Ok(root.path("noted").into()));
    assert_eq!(address_of(&root, "moved"), Ok(root.path("runsc-moved.sock").into()));
    assert_eq!(address_of(&root, "ended"), Ok("/nowhere/ended.sock".into()));
    assert_eq!(address_of(&root, "old"), Ok(abstract_name("old")));
    assert_eq!(address_of(&root, "sub"), Ok(abstract_name("old")), "its sandbox's");
    let gone = Sandbox::find(&root.0, "ended").unwrap().connect(None).unwrap_err().to_string();
    assert!(gone.contains("/nowhere/ended.sock") && gone.contains("runsc-ended.sock"), "{gone}");
}

#[test]
fn a_sandbox_knows_the_whole_id_of_its_container_and_reads_its_state() {
    let root = Scratch::new("sandbox-container");
    note(&root, "container-1", "pod", 1, "");
    let sandbox = Sandbox::find(&root.0, "cont").unwrap();
    assert_eq!(sandbox.container(), "container-1");
    note(&root, "another", "pod", 1, "");
    fs::write(root.path("another_sandbox:pod.lock"), "").unwrap();
    let mut found = containers(&root.0).unwrap();
    found.sort();
    assert_eq!(found, ["another", "container-1"]);
    let state = fs::read(state_of(&root, "container-1", "pod")).unwrap();
    assert_eq!(sandbox.read_state().unwrap(), state);
    // The file is not trusted later either.
    fs::remove_file(state_of(&root, "container-1", "pod")).unwrap();
    fs::create_dir(state_of(&root, "container-1", "pod")).unwrap();
    assert_eq!(sandbox.read_state().unwrap_err().kind(), ErrorKind::InvalidData);
}

#[test]
fn what_is_no_state_file_is_refused_and_neither_waited_for_nor_read_whole() {
    let root = Scratch::new("sandbox-hostile");
    let state = state_of(&root, "odd", "odd");
    let assert_refused = |what: &str| {
        let root = root.0.clone();
        let found = within_timeout(move || Sandbox::find(root, "odd").map(drop));
        assert_eq!(found.unwrap_err().kind(), ErrorKind::InvalidData, "{what}");
        fs::remove_file(&state).unwrap();
    };
    let made = Command::new("mkfifo").arg(&state).status();
    if available::or_skip("mkfifo", made.is_ok_and(|status| status.success())) {
        assert_refused("a pipe");
    }
    symlink("/dev/zero", &state).unwrap();
    assert_refused("endless");
    fs::File::create(&state).unwrap().set_len(1 << 40).unwrap();
    assert_refused("a terabyte of nothing");
    // The largest state that is read, and one byte more.
    note(&root, "odd", "odd", 1, "");
    let mut large = fs::read(&state).unwrap();
    large.resize(16 << 20, b' ');
    fs::write(&state, &large).unwrap();
    assert_eq!(address_of(&root, "odd"), Ok(abstract_name("odd")));
    large.push(b' ');
    fs::write(&state, &large).unwrap();
    assert_refused("too large by a byte");
}

#[test]
fn the_first_letters_of_an_id_are_enough_where_no_other_begins_so() {
    let root = Scratch::new("sandbox-short");
    for id in ["web", "web2", "db_sandbox"] {
        note(&root, id, id, 1, "");
    }
    assert_eq!(address_of(&root, "db"), Ok(abstract_name("db_sandbox")));
    assert_eq!(address_of(&root, "web2"), Ok(abstract_name("web2")));
    assert_eq!(address_of(&root, "web"), Ok(abstract_name("web")), "the whole id of one");
    assert_eq!(address_of(&root, "we"), Err(ErrorKind::InvalidInput));
    note(&root, "twice", "one", 1, "");
    note(&root, "twice", "other", 1, "");
    assert_eq!(address_of(&root, "twice"), Err(ErrorKind::InvalidInput), "as runsc");
    assert_eq!(address_of(&root, "cache"), Err(ErrorKind::NotFound));
    assert_eq!(address_of(&root, "eb"), Err(ErrorKind::NotFound));
    for broken in ["{", "{}", r#"{"sandbox":null}"#, r#"{"sandbox":{"id":7}}"#] {
        fs::write(state_of(&root, "odd", "odd"), broken).unwrap();
        assert_eq!(address_of(&root, "odd"), Err(ErrorKind::InvalidData), "{broken}");
    }
    let nowhere = Sandbox::find(root.path("nowhere"), "web").unwrap_err();
    assert!(nowhere.to_string().contains("no state of 'web' in "), "{nowhere}");
}

#[test]
fn on_an_abstract_name_the_sandboxs_process_and_the_states_owner_are_believed() {
    let root = Scratch::new("sandbox-believed");
    let id = format!("urpc-believed-{}", std::process::id());
    let _sandbox = Listener::bind(abstract_name(&id)).unwrap();
    note(&root, "box", &id, 1, "");
    let find = || Sandbox::find(&root.0, "box").unwrap();
    find().connect(Some(TIMEOUT)).expect("of the state's owner");
    if chown(state_of(&root, "box", &id), Some(NOBODY), None).is_err() {
        return available::skipped("a file cannot be given to another user");
    }
    assert_eq!(find().connect(None).unwrap_err().kind(), ErrorKind::PermissionDenied);
    note(&root, "box", &id, std::process::id(), "");
    find().connect(Some(TIMEOUT)).expect("the process that the state names");
}

#[test]
fn on_a_path_every_peer_is_believed_if_the_socket_belongs_to_the_states_owner() {
    let root = Scratch::new("sandbox-path");
    let path = root.path("socket");
    let _sandbox = Listener::bind(&path).unwrap();
    note(&root, "box", "box", 1, path.to_str().unwrap());
    let connect = || Sandbox::find(&root.0, "box").unwrap().connect(Some(TIMEOUT));
    if chown(state_of(&root, "box", "box"), Some(NOBODY), None).is_err() {
        return available::skipped("a file cannot be given to another user");
    }
    assert_eq!(connect().unwrap_err().kind(), ErrorKind::PermissionDenied);
    chown(&path, Some(NOBODY), None).unwrap();
    connect().expect("the socket is the owner's");
}

#[test]
fn if_nobody_answers_it_is_said_what_is_seen_of_the_sandboxs_process() {
    let root = Scratch::new("sandbox-hint");
    let hint = |pid: u32, socket: &str| {
        note(&root, "gone", "urpc-nobody-answers", pid, socket);
        Sandbox::find(&root.0, "gone").unwrap().connect(None).unwrap_err().to_string()
    };
    let own = std::process::id();
    let there = hint(own, "");
    assert!(there.contains(&format!("process {own} is there: such a name")), "{there}");
    let there = hint(own, "/nowhere/socket");
    assert!(there.ends_with(&format!("process {own} is there")), "{there}");
    let unseen = hint(u32::MAX >> 1, "");
    assert!(unseen.contains("is not seen"), "{unseen}");
    let mut child = Command::new("true").spawn().unwrap();
    let stat = format!("/proc/{}/stat", child.id());
    while !fs::read_to_string(&stat).unwrap().contains(") Z ") {
        std::thread::yield_now();
    }
    let ended = hint(child.id(), "");
    assert!(ended.contains("has ended"), "{ended}");
    child.wait().unwrap();
}

#[test]
fn whoever_else_has_a_sandboxs_name_is_told_apart_before_a_byte_is_sent() {
    let root = Scratch::new("sandbox-impostor");
    let id = format!("urpc-squatted-{}", std::process::id());
    note(&root, "web", &id, 1, "");
    let mut impostor = Command::new("/proc/self/exe");
    impostor.args(["--exact", path_of(the_impostor), "--nocapture"]).env(IMPOSTOR, &id).uid(NOBODY);
    let spawned = impostor.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
    let Ok(mut impostor) = spawned else {
        return available::skipped("no process of another user can be started");
    };
    let mut said = BufReader::new(impostor.stdout.take().unwrap()).lines().map(Result::unwrap);
    // The test program prints other lines as well.
    let mut said_of = move |what: &'static str| {
        said.find_map(|line| line.split_once(what).map(|(_, rest)| rest.to_owned()))
    };
    let (mut said_of, ready) = within_timeout(move || {
        let ready = said_of("squatting");
        (said_of, ready)
    });
    ready.expect("the impostor listens");
    let error = Sandbox::find(&root.0, "web").unwrap().connect(Some(TIMEOUT)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    let who = format!("process {} of uid {NOBODY} answers", impostor.id());
    assert!(error.to_string().contains(&who), "{error}");
    let (_said_of, got) = within_timeout(move || {
        let got = said_of("bytes: ");
        (said_of, got)
    });
    assert_eq!(got.as_deref(), Some("0"));
    impostor.wait().unwrap();
}

/// Not a test: takes a sandbox's name and prints what the first client sends.
#[test]
fn the_impostor() {
    let Some(id) = env::var_os(IMPOSTOR) else { return };
    let listener = Listener::bind(abstract_name(id.to_str().unwrap())).unwrap();
    writeln!(io::stdout(), "squatting").unwrap();
    let waited = process::wait_readable(&[listener.as_fd()], Some(TIMEOUT));
    assert_eq!(waited.unwrap(), Some(0));
    let client = listener.accept().unwrap();
    let (bytes, _) = client.receive(&mut [0; 64], 0).unwrap_or_default();
    writeln!(io::stdout(), "bytes: {bytes}").unwrap();
}
