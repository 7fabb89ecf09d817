//! A real sandbox of `runsc` that contains one sleeping program.

use std::fs::{self, File};
use std::iter;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{self, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use urpc::{Address, Client};

use crate::support::available;
use crate::support::limit::limit_test_to;
use crate::support::{signal, temporary_directory};

/// The path of Debian's `busybox-static`.
const BUSYBOX: &str = "/bin/busybox";

/// A running sandbox. Dropping it kills the sandbox, deletes it by its id, and removes its files.
pub struct Sandbox {
    /// The id of the sandbox and of its only container.
    pub id: String,
    dir: PathBuf,
}

impl Sandbox {
    /// Starts one. `None` if `runsc` cannot start it here.
    pub fn start() -> Option<Sandbox> {
        limit_test_to(Duration::from_secs(600));
        let is_root = fs::metadata("/proc/self").is_ok_and(|found| found.uid() == 0);
        let is_there = available::program("runsc") && Path::new(BUSYBOX).exists() && is_root;
        let what = "sandbox (it takes Debian's runsc and busybox-static, and root)";
        if !available::or_skip(what, is_there) || !available::many_files() {
            return None;
        }
        static STARTED: AtomicU32 = AtomicU32::new(0);
        let mut places = iter::repeat_with(|| {
            let number = STARTED.fetch_add(1, Ordering::Relaxed);
            let id = format!("urpc-{}-{number}", process::id());
            (temporary_directory().join(&id), id)
        });
        // A killed process with the same id may have left its directory. The next name is used
        // then.
        let (dir, id) = places.find(|(dir, _)| !dir.exists()).unwrap();
        let sandbox = Sandbox { id, dir };
        sandbox.lay_out_bundle();
        sandbox.run();
        Some(sandbox)
    }

    /// The sandbox's control socket.
    pub fn address(&self) -> Address {
        Address::abstract_name(format!("runsc-sandbox.{}\0", self.id))
    }

    /// The directory in which `runsc` keeps its state.
    pub fn root(&self) -> PathBuf {
        self.dir.join("state")
    }

    /// A client of the sandbox.
    pub fn client(&self) -> Client {
        Client::connect(self.address()).unwrap()
    }

    /// `runsc exec` in the sandbox's only container, not yet started.
    pub fn runsc_exec(&self, words: &[&str]) -> Command {
        let mut command = self.runsc(100);
        command.arg("exec").arg(&self.id).args(words);
        command
    }

    /// Kills the sandbox's process without notice.
    pub fn kill(&self) {
        let pid = fs::read_to_string(self.dir.join("pid")).unwrap();
        signal(pid.trim().parse().unwrap(), "KILL");
    }

    fn lay_out_bundle(&self) {
        let rootfs = self.dir.join("rootfs");
        for name in ["bin", "proc", "tmp"] {
            fs::create_dir_all(rootfs.join(name)).unwrap();
        }
        fs::copy(BUSYBOX, rootfs.join("bin/busybox")).unwrap();
        fs::write(self.dir.join("config.json"), CONFIG).unwrap();
    }

    /// `runsc run --detach` returns when the program in the sandbox runs.
    fn run(&self) {
        let output = |name: &str| Stdio::from(File::create(self.dir.join(name)).unwrap());
        let status = self
            .runsc(300)
            .args(["--platform=ptrace", "--network=none", "--ignore-cgroups"])
            .args(["run", "--detach", "--bundle"])
            .arg(&self.dir)
            .arg("--pid-file")
            .arg(self.dir.join("pid"))
            .arg(&self.id)
            .stdin(Stdio::null())
            .stdout(output("stdout"))
            .stderr(output("stderr"))
            .status()
            .unwrap();
        let said = fs::read_to_string(self.dir.join("stderr")).unwrap();
        assert!(status.success(), "runsc run: {status}: {said}");
    }

    /// A command that runs `runsc` with this sandbox's state, for at most `seconds`.
    fn runsc(&self, seconds: u32) -> Command {
        let mut command = Command::new("timeout");
        command.args(["--kill-after=5", &seconds.to_string(), "runsc", "--root"]);
        command.arg(self.root());
        command
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let deleted = self
            .runsc(100)
            .args(["delete", "--force", &self.id])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        // If deleting failed, the directory stays for inspection.
        if deleted.is_ok_and(|status| status.success()) {
            let _ = fs::remove_dir_all(&self.dir);
        }
    }
}

/// The program ends after a time, whatever happens to the test.
const CONFIG: &str = r#"{
    "ociVersion": "1.0.0",
    "process": {
        "user": {"uid": 0, "gid": 0},
        "args": ["/bin/busybox", "sleep", "600"],
        "env": ["PATH=/bin"],
        "cwd": "/"
    },
    "root": {"path": "rootfs", "readonly": true},
    "hostname": "urpc",
    "mounts": [
        {"destination": "/proc", "type": "proc", "source": "proc"},
        {"destination": "/tmp", "type": "tmpfs", "source": "tmpfs"}
    ],
    "linux": {
        "namespaces": [
            {"type": "pid"}, {"type": "network"}, {"type": "ipc"}, {"type": "uts"}, {"type": "mount"}
        ]
    }
}"#;
