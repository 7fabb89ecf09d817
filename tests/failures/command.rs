//! The scenarios of the command: a process of it, whose calls fail, and the other side in this process.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{self, Child, ChildStderr, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use urpc::{Client, Error, Files, Limits};

use crate::ground::{Ground, check_text, devices};
use crate::points::{Scenario, check_held, settled};
use crate::supervisor::Whose;
use crate::support::{TIMEOUT, signal};

pub const NAMES: &[&str] = &[
    "urpc serve",
    "urpc call",
    "urpc call files",
    "urpc call large",
    "urpc call --save",
    "urpc serve, stopped",
];

pub fn scenario(name: &str, scratch: &Path) -> Option<Box<dyn Scenario>> {
    let path = scratch.join("s");
    if name.starts_with("urpc serve") {
        let stops = name == "urpc serve, stopped";
        return Some(Box::new(Serve { path, stops, running: None, base: None }));
    }
    let large = format!("\"{}\"", "x".repeat(300_000));
    let arg = scratch.join("arg");
    fs::write(&arg, large).unwrap();
    let (at, saved) = (|path: &Path| path.to_str().unwrap().to_owned(), scratch.join("saved"));
    let words: Vec<String> = match name {
        "urpc call" => {
            ["--timeout", "50", &at(&path), "Peer.Echo", "[1.50]"].map(str::to_owned).into()
        }
        "urpc call files" => {
            ["--file", "/dev/null", "--file", "/dev/null:w", &at(&path), "Peer.Return"]
                .map(str::to_owned)
                .into()
        }
        "urpc call large" => {
            ["--raw", &at(&path), "Peer.Echo", &format!("@{}", at(&arg))].map(str::to_owned).into()
        }
        "urpc call --save" => {
            ["--save", &at(&saved), "--file", &at(&arg), &at(&path), "Peer.Return"]
                .map(str::to_owned)
                .into()
        }
        _ => return None,
    };
    Some(Box::new(Call { words, saved, ground: Ground::open(&path), base: None }))
}

/// What a process of the command has printed and how it ended. If it failed, the last line says why,
/// after one for each file that could not be stored.
fn outcome(status: ExitStatus, out: &str, errors: &str, is_whole: bool) -> Result<(), String> {
    match status.code() {
        Some(0) if is_whole => Ok(()),
        Some(1..=3) if !errors.contains("panicked") => {
            Err(errors.lines().last().unwrap_or_default().to_owned())
        }
        code => Err(format!("\n{code:?} {status}, {out:?}, {errors:?}")),
    }
}

/// One `urpc call`.
struct Call {
    words: Vec<String>,
    saved: PathBuf,
    ground: Ground,
    base: Option<(usize, usize)>,
}

impl Scenario for Call {
    fn whose(&self) -> Whose {
        Whose::Childs
    }

    fn prepare(&mut self) {
        if self.base.is_none() {
            self.ground.serve_the_next().unwrap();
            self.base = Some(settled(process::id()));
        }
    }

    fn act(&mut self) -> Result<(), String> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_urpc"));
        let output = command.arg("call").args(&self.words).stdin(Stdio::null()).output().unwrap();
        let (out, errors) = (text(&output.stdout), text(&output.stderr));
        outcome(output.status, &out, &errors, !out.is_empty())
    }

    fn check(&mut self) -> Result<(), String> {
        let _ = fs::remove_dir_all(&self.saved);
        self.ground.serve_the_next()?;
        let base = self.base.expect("prepared");
        check_held(process::id(), base, || self.ground.serve_the_next())
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// One `urpc serve`, whose calls fail while it starts and serves, or while it stops.
struct Serve {
    path: PathBuf,
    stops: bool,
    running: Option<(Child, BufReader<ChildStderr>)>,
    base: Option<(usize, usize)>,
}

impl Drop for Serve {
    fn drop(&mut self) {
        if let Some((child, _)) = &mut self.running {
            let _ = child.kill().and_then(|()| child.wait().map(drop));
        }
    }
}

impl Serve {
    /// Starts it. `None` if it has ended instead, with its outcome.
    fn start(&mut self) -> Result<(), String> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_urpc"));
        command.arg("serve").arg(&self.path).args(["--replace", "--return-files"]);
        command.args(["--method=Host.Echo=cat", "--method=Host.Lines=wc -l <&3"]);
        command.arg("--method=Host.Give=echo x >$URPC_RETURN/0");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut errors = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        errors.read_line(&mut line).unwrap();
        self.running = Some((child, errors));
        if line.contains("listening on") { Ok(()) } else { self.end(line) }
    }

    /// Its outcome, once it has ended.
    fn end(&mut self, mut said: String) -> Result<(), String> {
        let Some((mut child, mut errors)) = self.running.take() else { return Ok(()) };
        errors.read_to_string(&mut said).unwrap();
        outcome(child.wait().unwrap(), "", &said, true)
    }

    /// Whether it ends without a signal.
    fn has_ended(&mut self) -> bool {
        let Some((child, _)) = &mut self.running else { return true };
        let until = Instant::now() + Duration::from_secs(5);
        while child.try_wait().unwrap().is_none() && Instant::now() < until {
            thread::park_timeout(Duration::from_millis(1));
        }
        child.try_wait().unwrap().is_some()
    }

    fn stop(&mut self) -> Result<(), String> {
        if let Some((child, _)) = &mut self.running {
            if child.try_wait().unwrap().is_none() {
                signal(child.id(), "TERM");
            }
        }
        self.end(String::new())
    }

    fn calls(&self) -> Result<(), Error> {
        let limits = Limits { call_time: Some(TIMEOUT), ..Limits::for_client() };
        let client = Client::builder().limits(limits).connect(&*self.path)?;
        assert_eq!(client.call::<i64>("Host.Echo", &7)?, 7);
        assert_eq!(client.call::<i64>("Host.Lines", &devices(1))?, 0);
        let given: Files = client.call("Host.Give", &())?;
        assert_eq!(given.len(), 1);
        Ok(())
    }
}

impl Scenario for Serve {
    fn whose(&self) -> Whose {
        Whose::Childs
    }

    fn prepare(&mut self) {
        let _ = fs::remove_file(&self.path);
        if self.stops {
            self.start().unwrap();
            self.calls().unwrap();
        }
    }

    fn act(&mut self) -> Result<(), String> {
        if self.stops {
            return self.stop();
        }
        self.start()?;
        self.calls().map_err(|error| error.to_string())
    }

    fn check(&mut self) -> Result<(), String> {
        if self.running.is_none() {
            return Ok(());
        }
        match self.calls() {
            // An error has ended it.
            Err(_) if self.has_ended() => {}
            served => {
                served.map_err(|error| format!("the next client gets: {error}"))?;
                let pid = self.running.as_ref().expect("it runs").0.id();
                let base = *self.base.get_or_insert_with(|| settled(pid));
                check_held(pid, base, || self.calls().map_err(|error| error.to_string()))?;
            }
        }
        self.stop().or_else(|text| check_text(&text))
    }
}
