//! Files on FUSE whose flush is never answered, so that every close(2) of them blocks, and so does
//! every fstat(2) (fuse(4); `fs/fuse/file.c` and `include/uapi/linux/fuse.h` of Linux).

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;
use std::time::Duration;

use urpc::Socket;

use crate::support::{Scratch, available};

/// The test that runs the daemon in a process of its own.
pub const DAEMON: &str = "command::the_daemon_of_a_file_system";
/// Set in the daemon's process.
const IS_DAEMON: &str = "URPC_TEST_FUSE_DAEMON";
/// The daemon ends after this time, whatever happens to the test.
const LIFE: Duration = Duration::from_secs(90);

/// A mounted file system with one such file. Do not start a process while a file is open: the
/// process would close its copy before its exec.
pub struct MuteFiles {
    daemon: Child,
    said: BufReader<ChildStdout>,
    scratch: Scratch,
}

impl MuteFiles {
    /// `None`, with a message, if the machine has no FUSE.
    pub fn mount() -> Option<MuteFiles> {
        let is_there = Path::new("/dev/fuse").exists() && available::program("fusermount3");
        if !available::or_skip("/dev/fuse and fusermount3", is_there) {
            return None;
        }
        let scratch = Scratch::new("fuse");
        // fusermount3 opens the device, mounts it, and sends the device over the socket (libfuse,
        // `util/fusermount.c`).
        let (ours, theirs) = Socket::pair().unwrap();
        let mut mount = Command::new("fusermount3");
        mount.args(["-o", "rw", "--"]).arg(&scratch.0).env("_FUSE_COMMFD", "0");
        let output = mount.stdin(Stdio::from(OwnedFd::from(theirs))).output().unwrap();
        // The command holds a copy of the other end. Without it, a mount that failed ends the wait.
        drop(mount);
        let device = ours.receive(&mut [0], 1).ok().and_then(|(_, mut files)| files.release(0));
        let said = String::from_utf8_lossy(&output.stderr);
        let device = match device {
            Some(device) => device,
            None => {
                available::or_skip(&format!("right to mount ({})", said.trim()), false);
                return None;
            }
        };
        let mut daemon = Command::new(std::env::current_exe().unwrap());
        daemon.args(["--exact", DAEMON, "--nocapture"]).env(IS_DAEMON, "1");
        let mut daemon = daemon.stdin(device).stdout(Stdio::piped()).spawn().unwrap();
        let said = BufReader::new(daemon.stdout.take().unwrap());
        Some(MuteFiles { daemon, said, scratch })
    }

    /// Waits until somebody closes a file once more than last time.
    pub fn wait_for_flush(&mut self) {
        let mut lines = self.said.by_ref().lines();
        // The test harness prints on the same line.
        assert!(lines.any(|line| line.unwrap().ends_with("flush")), "nobody closes the file");
    }

    pub fn file(&self) -> OwnedFd {
        File::open(self.scratch.path("file")).unwrap().into()
    }
}

impl Drop for MuteFiles {
    /// Without its daemon the file system fails every request, so all closes return.
    fn drop(&mut self) {
        let _ = self.daemon.kill().and_then(|()| self.daemon.wait());
        let _ = Command::new("fusermount3").args(["-u", "-z", "--"]).arg(&self.scratch.0).status();
    }
}

// include/uapi/linux/fuse.h
const LOOKUP: u32 = 1;
const FORGET: u32 = 2;
const GETATTR: u32 = 3;
const OPEN: u32 = 14;
const FLUSH: u32 = 25;
const INIT: u32 = 26;
const INTERRUPT: u32 = 36;
const BATCH_FORGET: u32 = 42;
const ENOSYS: i32 = -38;

/// What the daemon's test does: answers requests that come on standard input, but no flush,
/// and none for the attributes of the file.
pub fn run_daemon() {
    if std::env::var_os(IS_DAEMON).is_none() {
        return;
    }
    thread::spawn(|| {
        thread::park_timeout(LIFE);
        std::process::exit(1);
    });
    let mut device = File::from(io::stdin().as_fd().try_clone_to_owned().unwrap());
    let mut request = vec![0; 1 << 17];
    // The read fails when the file system is unmounted.
    while let Ok(length) = device.read(&mut request) {
        assert!(length >= 40);
        let word = |at: usize| u32::from_ne_bytes(request[at..at + 4].try_into().unwrap());
        let answer = match word(4) {
            FLUSH => {
                println!("flush");
                continue;
            }
            FORGET | INTERRUPT | BATCH_FORGET => continue,
            INIT => Ok(init(word(44))),
            // The kernel may look the name up again after a minute, and the attributes at once.
            LOOKUP => Ok([words64(&[2, 0, 60, 0]), words(&[0, 0]), attributes(2)].concat()),
            GETATTR => {
                let node = u64::from_ne_bytes(request[16..24].try_into().unwrap());
                if node == 2 {
                    continue;
                }
                Ok([words64(&[60]), words(&[0, 0]), attributes(node)].concat())
            }
            OPEN => Ok(vec![0; 16]),
            _ => Err(ENOSYS),
        };
        let (error, body) = answer.map_or_else(|error| (error, Vec::new()), |body| (0, body));
        let mut reply = (16 + body.len() as u32).to_ne_bytes().to_vec();
        reply.extend(error.to_ne_bytes());
        reply.extend(&request[8..16]);
        reply.extend(body);
        // An interrupted request takes no answer.
        let _ = device.write(&reply);
    }
}

/// `struct fuse_init_out` of version 7.31, or of `minor` if the kernel's is older.
fn init(minor: u32) -> Vec<u8> {
    let mut out = words(&[7, minor.min(31), 0, 0, 12 << 16 | 16, 4096, 1]);
    out.resize(64, 0);
    out
}

/// `struct fuse_attr`: the root is a directory, the other node an empty file.
fn attributes(node: u64) -> Vec<u8> {
    let mode = if node == 1 { 0o040_755 } else { 0o100_644 };
    let (uid, gid) = owner();
    [words64(&[node, 0, 0, 0, 0, 0]), words(&[0, 0, 0, mode, 1, uid, gid, 0, 4096, 0])].concat()
}

fn owner() -> (u32, u32) {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").map_or((0, 0), |found| (found.uid(), found.gid()))
}

fn words(values: &[u32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_ne_bytes()).collect()
}

fn words64(values: &[u64]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_ne_bytes()).collect()
}
