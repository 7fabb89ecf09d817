//! Both sides with serde's types, and what goes wrong between them.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::fd::AsFd;
use std::sync::mpsc;

use anyhow::Context;
use serde::{Deserialize, Serialize};
use serde_bridge::{CallError, call_serde, call_serde_files, method_serde};
use urpc::{Client, Event, Files, Outcome, Server, Service, Socket};

#[derive(Debug, Serialize, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase")]
enum Mode {
    ReadOnly,
    All { names: Vec<String> },
}

#[derive(Debug, Serialize, Deserialize, PartialEq)]
struct Job {
    mode: Mode,
    #[serde(default)]
    labels: BTreeMap<String, Option<f64>>,
}

#[derive(Debug, thiserror::Error)]
#[error("there is no job {0}")]
struct NoJob(u32);

fn read_all(_: &(), limit: u64, mut files: Files) -> anyhow::Result<String> {
    let file = files.release(0).context("a file is missing")?;
    let mut text = String::new();
    File::from(file).take(limit).read_to_string(&mut text).context("read the file")?;
    Ok(text)
}

fn client() -> (Client, mpsc::Receiver<Outcome>) {
    let (tell, outcomes) = mpsc::channel();
    let observer = move |event: &Event<'_>| {
        if let Event::CallEnded { outcome, .. } = event {
            tell.send(*outcome).unwrap();
        }
    };
    let server = Server::builder().observe(observer).build();
    let service = Service::new("Jobs", ());
    let service = method_serde(service, "Echo", |_, job: Job, _| anyhow::Ok(job));
    let service = method_serde(service, "Find", |_, n: u32, _| Err::<(), _>(NoJob(n)));
    server.register(method_serde(service, "Read", read_all));
    let (ours, theirs) = Socket::pair().unwrap();
    std::thread::spawn(move || server.handle(theirs));
    (Client::new(ours), outcomes)
}

#[test]
fn serdes_types_go_there_and_back() {
    let (client, outcomes) = client();
    let names = vec!["<a>".to_owned(), "\u{2028}".to_owned()];
    let labels = BTreeMap::from([("x".to_owned(), Some(1.5)), ("y".to_owned(), None)]);
    for job in [
        Job { mode: Mode::ReadOnly, labels },
        Job { mode: Mode::All { names }, labels: BTreeMap::new() },
    ] {
        assert_eq!(call_serde::<_, Job>(&client, "Jobs.Echo", &job).unwrap(), job);
        assert_eq!(outcomes.recv().unwrap(), Outcome::Succeeded);
    }
}

#[test]
fn files_ride_beside_them() {
    let (client, _outcomes) = client();
    let path = std::env::temp_dir().join(format!("serde-bridge-{}", std::process::id()));
    let mut file = File::options().create_new(true).read(true).write(true).open(&path).unwrap();
    std::fs::remove_file(path).unwrap();
    file.write_all(b"hello").unwrap();
    file.rewind().unwrap();
    let (text, files) =
        call_serde_files::<_, String>(&client, "Jobs.Read", &4, &[file.as_fd()]).unwrap();
    assert_eq!((text.as_str(), files.len()), ("hell", 0));
}

#[test]
fn errors_arrive_with_their_sources_and_a_wrong_argument_is_told_as_such() {
    let (client, outcomes) = client();
    let text = |method: &str, arg: &dyn Fn() -> serde_json::Value| {
        let error = call_serde::<_, ()>(&client, method, &arg()).unwrap_err();
        let error = format!("{:#}", anyhow::Error::from(error));
        (error, outcomes.recv().unwrap())
    };
    let (error, outcome) = text("Jobs.Find", &|| 7.into());
    assert_eq!((&*error, outcome), ("Jobs.Find: remote error: there is no job 7", Outcome::Failed));
    let (error, outcome) = text("Jobs.Read", &|| 7.into());
    assert_eq!((&*error, outcome), ("Jobs.Read: remote error: a file is missing", Outcome::Failed));
    let directory = File::open("/").unwrap();
    let sent = call_serde_files::<_, String>(&client, "Jobs.Read", &4, &[directory.as_fd()]);
    let error = sent.unwrap_err().to_string();
    assert_eq!(error, "Jobs.Read: remote error: read the file: Is a directory (os error 21)");
    assert_eq!(outcomes.recv().unwrap(), Outcome::Failed);
    let (error, outcome) = text("Jobs.Echo", &|| serde_json::json!({"mode": "none"}));
    assert!(error.contains("unknown variant `none`"), "{error}");
    assert_eq!(outcome, Outcome::BadArgument);
}

#[test]
fn what_does_not_fit_on_this_side_leaves_the_client_usable() {
    let (client, _outcomes) = client();
    let job = Job { mode: Mode::ReadOnly, labels: BTreeMap::new() };
    let error = call_serde::<_, u32>(&client, "Jobs.Echo", &job).unwrap_err();
    assert!(matches!(error, CallError::Result(..)), "{error:?}");
    let no_json = BTreeMap::from([(vec![1], 2)]);
    let error = call_serde::<_, u32>(&client, "Jobs.Echo", &no_json).unwrap_err();
    assert!(matches!(error, CallError::Argument(..)), "{error:?}");
    assert_eq!(call_serde::<_, Job>(&client, "Jobs.Echo", &job).unwrap(), job);
}
