//! Client processes that are killed in the middle of a call.

use std::env;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::os::fd::AsFd;
use std::process::{Command, Stdio};
use std::time::Instant;

use urpc::Socket;

use crate::ground::Ground;
use crate::support::{TIMEOUT, send, start};

/// Set in the process that is killed: the server's path.
const VICTIM: &str = "URPC_SOAK_VICTIM";

/// Starts a process that makes calls, and kills it in the middle of them.
pub fn kill_a_client(ground: &Ground) {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", "killed::the_victim", "--nocapture", "--test-threads=1"]);
    command.env(VICTIM, &ground.path);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = start(&mut command).unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let has_begun = lines.any(|line| line.is_ok_and(|line| line.ends_with("calling")));
    child.kill().unwrap();
    child.wait().unwrap();
    if has_begun {
        ground.tally.killed.add();
    }
}

/// Not a test: the process that is killed.
#[test]
fn the_victim() {
    let Some(path) = env::var_os(VICTIM) else { return };
    let Ok(socket) = Socket::connect(path.as_os_str()) else { return };
    println!("calling");
    io::stdout().flush().unwrap();
    let (null, until) = (File::open("/dev/null").unwrap(), Instant::now() + TIMEOUT);
    while Instant::now() < until {
        send(&socket, br#"{"method":"Peer.Echo","arg":[1,2,3,4,5,6,7]}"#, &[null.as_fd()]);
        if socket.receive(&mut [0; 16], 0).is_err() {
            return;
        }
    }
}
