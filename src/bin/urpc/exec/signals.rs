//! Signals to this process are passed on to the program in the sandbox.

use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use super::Container;
use crate::clients;
use crate::outcome::Failure;

/// SIGHUP, SIGQUIT, SIGUSR1 and SIGUSR2, besides SIGINT and SIGTERM. gVisor runs on amd64 and arm64,
/// where these are the numbers.
const PASSED_ON: &[i32] = &[1, 3, 10, 12];
/// With a terminal also SIGTSTP and SIGWINCH.
const OF_TERMINAL: &[i32] = &[1, 3, 10, 12, 20, 28];

/// How long the sandbox may take to answer. A sandbox that is frozen never does.
const PATIENCE: Duration = Duration::from_secs(5);

/// To which processes a signal goes: the mode of `containerManager.Signal`.
const TO_PROCESS: i32 = 0;
const TO_FOREGROUND_GROUP: i32 = 2;

/// A thread that passes signals on, to the end of this process.
pub struct Forwarding {
    /// The program's number in the sandbox. 0 until it runs.
    pid: Arc<AtomicI32>,
}

impl Forwarding {
    /// Blocks the signals in all threads, so it is called before any other thread is started.
    pub fn start(container: &Container, is_terminal: bool) -> Result<Forwarding, Failure> {
        let (others, mode) = match is_terminal {
            true => (OF_TERMINAL, TO_FOREGROUND_GROUP),
            false => (PASSED_ON, TO_PROCESS),
        };
        let signals = clients::block_signals(others)?;
        let pid = Arc::new(AtomicI32::new(0));
        let (forwarding, container) = (Forwarding { pid: pid.clone() }, container.clone());
        clients::spawn(move || {
            while let Ok(number) = signals.wait() {
                // Before the program runs, the signal is for this process.
                let pid = pid.load(Ordering::Relaxed);
                if pid == 0 || !pass_on(&container, number, pid, mode) {
                    process::exit(128 + number);
                }
            }
        })?;
        Ok(forwarding)
    }

    /// From now on signals go to the process `pid` of the sandbox.
    pub fn begin(&self, pid: i32) {
        self.pid.store(pid, Ordering::Relaxed);
    }
}

/// `false` if the sandbox does not answer. If it refuses, the program has most likely just ended.
fn pass_on(container: &Container, number: i32, pid: i32, mode: i32) -> bool {
    let id = &container.id;
    let signal = format!(r#"{{"CID":{id},"Signo":{number},"PID":{pid},"Mode":{mode}}}"#);
    let sent = container.connect().and_then(|client| {
        let calls = client.within(PATIENCE);
        Ok(calls.call_raw("containerManager.Signal", signal.as_bytes(), &[])?)
    });
    match sent {
        Ok(_) | Err(Failure::Remote(_)) => true,
        Err(failure) => {
            failure.report("exec");
            false
        }
    }
}
