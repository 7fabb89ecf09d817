//! The example `gvisor_control` and the replies of gVisor's builds since 2023. A server in this test
//! gives these replies, because the tests have no such build.

#[path = "../examples/gvisor_control/main.rs"]
#[allow(dead_code)] // its `main`, and what a live sandbox is asked
mod example;

use std::fs::{self, File};
use std::io::{Read, Write};

use crate::support::{Scratch, within_timeout};
use example::control::Control;
use example::run;
use urpc::json::RawJson;
use urpc::{Files, Listener, Server, Service, process};

/// A server in the place of a sandbox named `box`, whose state is where `runsc` would keep it.
fn stand_in(name: &str, services: impl IntoIterator<Item = Service<()>>) -> (Scratch, Server) {
    let scratch = Scratch::new(name);
    let socket = scratch.path("runsc-box.sock");
    let server = Server::new();
    services.into_iter().for_each(|service| server.register(service));
    server.start_serving(Listener::bind(&socket).unwrap()).unwrap();
    let state = format!(r#"{{"sandbox":{{"id":"box","controlSocketPath":{socket:?}}}}}"#);
    fs::write(scratch.path("box_sandbox:box.state"), state).unwrap();
    (scratch, server)
}

fn shown(scratch: &Scratch, command: &[&str]) -> String {
    let words = [&["--root", scratch.0.to_str().unwrap(), "box"], command].concat();
    let mut shown = Vec::new();
    assert_eq!(run(&words, &mut shown).unwrap(), 0);
    String::from_utf8(shown).unwrap()
}

/// A method that checks its argument, and gives a result, both as text.
fn fixed(service: Service<()>, name: &str, arg: &'static str, result: &'static str) -> Service<()> {
    service.raw_method(name, move |_, got, _, _| match got == arg.as_bytes() {
        true => Ok((RawJson::new(result), Files::new())),
        false => Err(String::from_utf8_lossy(got).into_owned()),
    })
}

#[test]
fn what_newer_builds_say_is_understood() {
    let events = r#"{"event":{"type":"stats","id":"box","data":{"cpu":{"usage":{}},"memory":{
        "raw":{"a":1}},"pids":{"current":2},"network_interfaces":[{"Name":"eth0","RxBytes":5}]}},
        "containerUsage":{"box":7}}"#;
    let processes = r#"[{"uid":0,"pid":1,"ppid":0,"pgid":1,"threads":[1],"c":0,"tty":"?",
        "stime":"13:16","time":"0s","cmd":"busybox"}]"#;
    let metrics = r#"{"snapshot":{"when":"2026-01-02T03:04:05Z","data":[
        {"metric":{"name":"fs_opens","type":2,"help":"h"},"labels":{"k":"v"},"val":{"int":3}},
        {"metric":{"name":"up","type":1,"help":""},"val":{}}]}}"#;
    let manager = Service::new("containerManager", ());
    let manager = fixed(manager, "Event", r#""box""#, events);
    let manager = fixed(manager, "Processes", r#""box""#, processes);
    let exporter = Service::new("Metrics", ());
    let exporter = fixed(exporter, "Export", r#"{"only_metrics":""}"#, metrics);
    let (scratch, _server) = stand_in("newer", [manager, exporter]);

    let event = shown(&scratch, &["events"]);
    assert!(event.contains(r#""network_interfaces":[{"Name":"eth0","RxBytes":5,"#), "{event}");
    assert!(shown(&scratch, &["ps"]).ends_with("busybox\n"));
    let expected = "fs_opens {\"k\": \"v\"} Some(3.0)\nup {} Some(0.0)\n";
    assert_eq!(shown(&scratch, &["metrics"]), expected);
}

#[test]
fn a_file_of_the_container_is_written_into_the_one_that_is_sent() {
    let fs = Service::new("Fs", ()).raw_method("Read", |_, arg: &[u8], mut files: Files, _| {
        let mut file = File::from(files.release(0).ok_or("no file")?);
        file.write_all(arg).map_err(|error| error.to_string())?;
        Ok::<_, String>((RawJson::default(), Files::new()))
    });
    let (scratch, _server) = stand_in("file", [fs]);
    let (mut reader, writer) = process::pipe().unwrap();
    let control = Control::connect(&scratch.0, "box").unwrap();
    within_timeout(move || control.read_file("/etc/motd", writer.into())).unwrap();
    let mut arg = String::new();
    reader.read_to_string(&mut arg).unwrap();
    let expected = r#"{"container_id":"box","path":"/etc/motd","offset":0,"size":0}"#;
    assert_eq!(arg, expected);
}
