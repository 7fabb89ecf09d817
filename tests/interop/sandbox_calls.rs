//! A live sandbox of `runsc`: its methods, with their results as records, and its files.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::sync::mpsc;
use std::thread;

use urpc::json::Value;
use urpc::{Client, Error, Files, process};

use crate::counts::wait_until;
use crate::sandbox::Sandbox;
use crate::sandbox_records::*;

/// The arguments that run `argv` in the sandbox with `files` as its first descriptors.
fn exec(sandbox: &Sandbox, argv: &[&str], files: Vec<OwnedFd>) -> Exec {
    Exec {
        filename: "/bin/busybox".into(),
        argv: argv.iter().map(|&word| word.into()).collect(),
        envv: vec!["PATH=/bin".into()],
        wd: "/".into(),
        container_id: sandbox.id.clone(),
        guest_fds: (0..files.len() as i32).collect(),
        files: files.into_iter().collect(),
        ..Exec::default()
    }
}

/// A program in the sandbox, and our ends of its standard streams.
struct Running {
    pid: i32,
    stdin: File,
    stdout: File,
    stderr: File,
}

impl Running {
    fn start(sandbox: &Sandbox, client: &Client, argv: &[&str]) -> Running {
        let (theirs, stdin) = process::pipe().unwrap();
        let (stdout, output) = process::pipe().unwrap();
        let (stderr, errors) = process::pipe().unwrap();
        let args = exec(sandbox, argv, vec![theirs.into(), output.into(), errors.into()]);
        let pid = client.call("containerManager.ExecuteAsync", &args).unwrap();
        Running { pid, stdin, stdout, stderr }
    }

    fn wait(&self, sandbox: &Sandbox, client: &Client) -> i32 {
        let args = WaitPid { pid: self.pid, cid: sandbox.id.clone() };
        client.call("containerManager.WaitPID", &args).unwrap()
    }
}

fn read_to_end(mut pipe: &File) -> String {
    let mut text = String::new();
    pipe.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn methods_that_describe_the_sandbox_give_records() {
    let Some(sandbox) = Sandbox::start() else { return };
    let client = sandbox.client();

    let processes: Vec<Process> = client.call("containerManager.Processes", &sandbox.id).unwrap();
    assert_eq!((processes.len(), processes[0].pid, processes[0].ppid), (1, 1, 0));
    assert_eq!((&*processes[0].cmd, &processes[0].threads), ("busybox", &vec![1]));

    let events: Events = client.call("containerManager.Event", &()).unwrap();
    assert_eq!((&*events.event.r#type, events.event.data.pids.current), ("stats", 1));
    assert!(events.event.data.memory.usage.usage > 0 && events.usage.contains_key(&sandbox.id));

    let memory: MemoryUsage = client.call("Usage.Collect", &CollectUsage { full: true }).unwrap();
    assert!(memory.total >= memory.anonymous && memory.anonymous > 0, "{memory:?}");

    let table: String = client.call("Proc.Ps", &()).unwrap();
    assert!(table.starts_with("UID") && table.ends_with("busybox"), "{table}");

    let stacks: String = client.call("debug.Stacks", &()).unwrap();
    assert!(stacks.contains("handleOne"), "{stacks}");

    let dump: Vec<Procfs> = client.call("containerManager.ProcfsDump", &()).unwrap();
    assert_eq!((&*dump[0].exe, &*dump[0].args[1]), ("/bin/busybox", "sleep"));
    assert_eq!((dump[0].status.pid, dump[0].fdlist.len(), &*dump[0].root), (1, 3, "/"));
    assert!(dump[0].maps.iter().all(|mapping| mapping.address.start < mapping.address.end));
    assert!(dump[0].maps.iter().any(|mapping| mapping.address.end > u64::MAX / 2));

    let running: bool = client.call("Lifecycle.IsContainerRunning", &()).unwrap();
    assert!(!running); // asks for a container without a name, which there is not

    let file = ControlFile {
        controller: "memory".into(),
        path: "/".into(),
        name: "memory.usage_in_bytes".into(),
    };
    let args = ReadControlFiles { args: vec![ReadControlFile { file }] };
    let read: ControlFiles = client.call("Cgroups.ReadControlFiles", &args).unwrap();
    assert_eq!(read.results.len(), 1);
    let _: Value = client.call("Cgroups.WriteControlFiles", &ReadControlFiles::default()).unwrap();
}

#[test]
fn methods_that_change_the_sandbox_succeed() {
    let Some(sandbox) = Sandbox::start() else { return };
    let client = sandbox.client();

    let logging = ChangeLogging { set_level: true, level: 2, ..ChangeLogging::default() };
    assert_eq!(client.call::<i32>("Logging.Change", &logging).unwrap(), 0);
    let _: Nothing = client.call("Usage.Reduce", &ReduceUsage { wait: false }).unwrap();

    let listed: Vec<TraceSession> = client.call("containerManager.ListTraceSessions", &()).unwrap();
    assert!(listed.is_empty());
    let config = TraceSession { name: "Default".into(), ..TraceSession::default() };
    let create = CreateTraceSession { config, ..CreateTraceSession::default() };
    let _: Nothing = client.call("containerManager.CreateTraceSession", &create).unwrap();
    let listed: Vec<TraceSession> = client.call("containerManager.ListTraceSessions", &()).unwrap();
    assert_eq!((listed.len(), &*listed[0].name), (1, "Default"));
    let _: Nothing = client.call("containerManager.DeleteTraceSession", "Default").unwrap();

    let links = CreateLinksAndRoutes::default();
    let _: Nothing = client.call("Network.CreateLinksAndRoutes", &links).unwrap();
    let alive = Signal { cid: sandbox.id.clone(), ..Signal::default() };
    let _: Nothing = client.call("containerManager.Signal", &alive).unwrap();
}

#[test]
fn errors_of_the_sandbox_are_remote() {
    let Some(sandbox) = Sandbox::start() else { return };
    let client = sandbox.client();
    let nowhere = Exec {
        filename: "/no/such/file".into(),
        ..exec(&sandbox, &["/no/such/file"], null_files(3))
    };
    for (error, text) in [
        (client.call::<()>("containerManager.Nope", &()), "unknown method"),
        (client.call("containerManager.ExecuteAsync", &nowhere), "no such file or directory"),
        (client.call("containerManager.DestroySubcontainer", "nope"), "not found"),
        (client.call("State.Save", &Nothing {}), "one file must be provided"),
    ] {
        let error = error.unwrap_err();
        assert!(error.as_remote().unwrap().message().contains(text), "{error}");
    }
    let processes: Vec<Process> = client.call("containerManager.Processes", &sandbox.id).unwrap();
    assert_eq!(processes.len(), 1);
}

fn null_files(count: usize) -> Vec<OwnedFd> {
    (0..count)
        .map(|_| File::options().read(true).write(true).open("/dev/null").unwrap().into())
        .collect()
}

#[test]
fn a_program_runs_with_pipes_and_its_status_comes_back() {
    let Some(sandbox) = Sandbox::start() else { return };
    let client = sandbox.client();
    let hello = Running::start(&sandbox, &client, &["/bin/busybox", "echo", "hello"]);
    assert_eq!(read_to_end(&hello.stdout), "hello\n");
    assert_eq!(hello.wait(&sandbox, &client), 0);

    let script = "cat; echo to standard error >&2; exit 7";
    let mut cat = Running::start(&sandbox, &client, &["/bin/busybox", "sh", "-c", script]);
    cat.stdin.write_all(b"there and back").unwrap();
    drop(cat.stdin);
    assert_eq!(read_to_end(&cat.stdout), "there and back");
    assert_eq!(read_to_end(&cat.stderr), "to standard error\n");
    let args = WaitPid { pid: cat.pid, cid: sandbox.id.clone() };
    assert_eq!(client.call::<i32>("containerManager.WaitPID", &args).unwrap(), 7 << 8);
}

#[test]
fn a_program_is_waited_for_where_it_is_run() {
    let Some(sandbox) = Sandbox::start() else { return };
    let client = sandbox.client();
    let mut args = exec(&sandbox, &["/bin/busybox", "sh", "-c", "exit 3"], null_files(3));
    args.container_id.clear();
    assert_eq!(client.call::<i32>("Proc.Exec", &args).unwrap(), 3 << 8);
}

#[test]
fn a_signal_ends_a_program() {
    let Some(sandbox) = Sandbox::start() else { return };
    let client = sandbox.client();
    let cat = Running::start(&sandbox, &client, &["/bin/busybox", "cat"]);
    let kill = Signal { cid: sandbox.id.clone(), signo: 9, pid: cat.pid, ..Signal::default() };
    let _: Nothing = client.call("containerManager.Signal", &kill).unwrap();
    assert_eq!(cat.wait(&sandbox, &client), 9);
}

#[test]
fn a_paused_program_goes_on_when_it_is_resumed() {
    let Some(sandbox) = Sandbox::start() else { return };
    let client = sandbox.client();
    let mut cat = Running::start(&sandbox, &client, &["/bin/busybox", "cat"]);
    let mut echo = |byte: u8, between: &dyn Fn()| {
        cat.stdin.write_all(&[byte]).unwrap();
        between();
        let mut echoed = [0];
        (&cat.stdout).read_exact(&mut echoed).unwrap();
        assert_eq!(echoed, [byte]);
    };
    echo(b'1', &|| ());
    let _: Nothing = client.call("Lifecycle.Pause", &()).unwrap();
    echo(b'2', &|| {
        let _: Nothing = client.call("Lifecycle.Resume", &()).unwrap();
    });
    drop(cat.stdin);
    let args = WaitPid { pid: cat.pid, cid: sandbox.id.clone() };
    assert_eq!(client.call::<i32>("containerManager.WaitPID", &args).unwrap(), 0);
}

#[test]
fn usage_comes_as_two_files() {
    let Some(sandbox) = Sandbox::start() else { return };
    let client = sandbox.client();
    let mut usage: UsageFiles = client.call("Usage.UsageFD", &UsageFd { version: 1 }).unwrap();
    assert_eq!(usage.files.len(), 2);
    let counters = File::from(usage.files.release(0).unwrap());
    let memory = File::from(usage.files.release(1).unwrap());
    assert!(counters.metadata().unwrap().len() >= 8);
    assert!(memory.metadata().unwrap().len() > 1 << 20);
    // The result has no member for files, so they are closed.
    let _: Nothing = client.call("Usage.UsageFD", &UsageFd { version: 1 }).unwrap();
    let (_, files): (_, Files) =
        client.call_raw("Usage.UsageFD", br#"{"Version":1}"#, &[]).unwrap();
    assert_eq!(files.len(), 2);
}

#[test]
fn the_end_of_the_sandbox_s_program_is_waited_for() {
    let Some(sandbox) = Sandbox::start() else { return };
    let client = sandbox.client();
    let waiting = thread::spawn({
        let (client, id) = (sandbox.client(), sandbox.id.clone());
        move || client.call::<u32>("containerManager.Wait", &id)
    });
    let kill = Signal { cid: sandbox.id.clone(), signo: 9, ..Signal::default() };
    let _: Nothing = client.call("containerManager.Signal", &kill).unwrap();
    client.close();
    assert_eq!(waiting.join().unwrap().unwrap(), 9);
}

#[test]
fn a_sandbox_killed_in_mid_call_is_a_clear_error() {
    let Some(sandbox) = Sandbox::start() else { return };
    let (begun, begins) = mpsc::channel();
    let waiting = thread::spawn({
        let (client, id) = (sandbox.client(), sandbox.id.clone());
        move || {
            begun.send(()).unwrap();
            let error = client.call::<u32>("containerManager.Wait", &id).unwrap_err();
            (error, client.call::<u32>("containerManager.Wait", &id).unwrap_err())
        }
    });
    begins.recv().unwrap();
    // A complete call of another client. The waiting call has most likely been received by then.
    let _: Vec<Process> = sandbox.client().call("containerManager.Processes", &sandbox.id).unwrap();
    sandbox.kill();
    let (error, next) = waiting.join().unwrap();
    assert!(!error.is_usable() && error.as_remote().is_none(), "{error:?}");
    assert!(matches!(next, Error::Finished(_)), "{next:?}");
    // A process that ends closes its connections and its listening socket in any order.
    let refused = || Client::connect(sandbox.address()).err();
    let error = wait_until(refused, || "nobody to listen".to_owned());
    assert!(matches!(error, Error::Io { .. }), "{error:?}");
}
