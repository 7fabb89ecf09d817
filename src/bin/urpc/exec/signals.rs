//! Signals to this process are passed on to the program in the sandbox.

use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use urpc::process::StopSignals;
use urpc::sandbox::Sandbox;

use super::arguments::{Exec, SignalProcess};
use crate::clients;
use crate::outcome::Failure;

/// SIGHUP, SIGQUIT, SIGUSR1 and SIGUSR2, besides SIGINT and SIGTERM. gVisor runs on amd64 and arm64,
/// where these are the numbers.
const PASSED_ON: &[i32] = &[1, 3, 10, 12];
/// With a terminal also SIGTSTP and SIGWINCH.
const OF_TERMINAL: &[i32] = &[1, 3, 10, 12, 20, 28];

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
    pub fn start(sandbox: &Sandbox, exec: &Exec) -> Result<Forwarding, Failure> {
        let (others, mode) = match exec.stdio_is_pty {
            true => (OF_TERMINAL, TO_FOREGROUND_GROUP),
            false => (PASSED_ON, TO_PROCESS),
        };
        let signals = StopSignals::block_with(others);
        let signals = signals.map_err(|error| Failure::local("signals", error))?;
        let pid = Arc::new(AtomicI32::new(0));
        let forwarding = Forwarding { pid: pid.clone() };
        let (sandbox, container) = (sandbox.clone(), exec.container.clone());
        clients::spawn(move || {
            while let Ok(number) = signals.wait() {
                let pid = pid.load(Ordering::Relaxed);
                let signal = SignalProcess { container: container.clone(), number, pid, mode };
                // Before the program runs, the signal is for this process.
                if pid == 0 || !pass_on(&sandbox, &signal) {
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
fn pass_on(sandbox: &Sandbox, signal: &SignalProcess) -> bool {
    let sent = super::connect(sandbox).and_then(|client| {
        client.call::<()>("containerManager.Signal", signal).map_err(Failure::from)
    });
    match sent {
        Ok(()) | Err(Failure::Remote(_)) => true,
        Err(failure) => {
            failure.report("exec");
            false
        }
    }
}
