//! The methods, each as a function.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::ExitStatus;
use std::time::Duration;

use urpc::sandbox::Sandbox;
use urpc::{Client, Error};

use super::records::*;

/// The control server of one container's sandbox.
pub struct Control {
    client: Client,
    container: String,
}

impl Control {
    /// `root` is the directory of runsc's state, and `container` a whole id.
    pub fn connect(root: impl AsRef<Path>, container: &str) -> io::Result<Control> {
        let socket = Sandbox::find(root, container)?.connect(Some(Duration::from_secs(30)))?;
        Ok(Control { client: Client::new(socket), container: container.to_owned() })
    }

    pub fn processes(&self) -> Result<Vec<Process>, Error> {
        self.client.call("containerManager.Processes", &self.container)
    }

    /// Starts a program whose standard streams are `streams`, and gives its number.
    pub fn start(&self, program: &[&str], streams: [OwnedFd; 3]) -> Result<i32, Error> {
        let args = Exec {
            filename: program[0].into(),
            argv: program.iter().map(ToString::to_string).collect(),
            envv: vec!["PATH=/usr/sbin:/usr/bin:/sbin:/bin".into()],
            wd: "/".into(),
            container_id: self.container.clone(),
            guest_fds: vec![0, 1, 2],
            files: streams.into_iter().collect(),
            ..Exec::default()
        };
        self.client.call("containerManager.ExecuteAsync", &args)
    }

    /// Waits until a program that [`Control::start`] started has ended.
    pub fn wait(&self, pid: i32) -> Result<ExitStatus, Error> {
        let args = WaitPid { pid, cid: self.container.clone() };
        let status: u32 = self.client.call("containerManager.WaitPID", &args)?;
        Ok(ExitStatus::from_raw(status as i32)) // the bits of wait(2)
    }

    pub fn signal(&self, pid: i32, signal: i32) -> Result<(), Error> {
        let args = Signal { cid: self.container.clone(), signo: signal, pid, mode: 0 };
        self.client.call("containerManager.Signal", &args)
    }

    /// What the container uses. Builds of 2022 take no argument and refuse an id, and leave it to
    /// the caller to name the container.
    pub fn events(&self) -> Result<Events, Error> {
        let mut events: Events = match self.client.call("containerManager.Event", &self.container) {
            Err(Error::Remote(_)) => self.client.call("containerManager.Event", &())?,
            called => called?,
        };
        events.event.id.clone_from(&self.container);
        Ok(events)
    }

    /// The sandbox's memory.
    pub fn usage(&self) -> Result<MemoryUsage, Error> {
        self.client.call("Usage.Collect", &CollectUsage { full: true })
    }

    pub fn pause(&self) -> Result<(), Error> {
        let args = Container { container_id: self.container.clone() };
        self.client.call("Lifecycle.Pause", &args)
    }

    pub fn resume(&self) -> Result<(), Error> {
        let args = Container { container_id: self.container.clone() };
        self.client.call("Lifecycle.Resume", &args)
    }

    /// The metrics whose names match a regular expression. Builds of 2022 have none.
    pub fn metrics(&self, only: &str) -> Result<Metrics, Error> {
        self.client.call("Metrics.Export", &ExportMetrics { only_metrics: only.to_owned() })
    }

    /// Has a file of the container written into `output`. Builds of 2022 cannot.
    pub fn read_file(&self, path: &str, output: OwnedFd) -> Result<(), Error> {
        let args = ReadFile {
            container_id: self.container.clone(),
            path: path.to_owned(),
            output: output.into(),
            ..ReadFile::default()
        };
        self.client.call("Fs.Read", &args)
    }

    pub fn log(&self, level: u32) -> Result<(), Error> {
        let args = ChangeLogging { set_level: true, level, ..ChangeLogging::default() };
        self.client.call::<i32>("Logging.Change", &args).map(drop)
    }

    pub fn stacks(&self) -> Result<String, Error> {
        self.client.call("debug.Stacks", &())
    }
}
