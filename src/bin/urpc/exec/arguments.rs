//! What the control server takes: a program to start, to wait for, and to signal.
//!
//! As `runsc exec` does, a program gets the environment, the directory and the capabilities of the
//! container's specification, which the state file contains, and the user 0.

use std::ffi::OsStr;
use std::fmt::Display;
use std::os::unix::ffi::OsStrExt;

use urpc::sandbox::Sandbox;
use urpc::{Files, json};

use crate::args::{Parsed, quoted};
use crate::outcome::Failure;

urpc::record! {
    /// What `containerManager.ExecuteAsync` takes.
    #[derive(Default)]
    pub struct Exec {
        pub container: String => "ContainerID",
        /// Empty: the first of `argv`, as the path in the environment finds it.
        filename: String,
        argv: Vec<String>,
        envv: Vec<String>,
        directory: String => "wd",
        user: u32 => "KUID",
        group: u32 => "KGID",
        capabilities: Capabilities => "Capabilities",
        pub stdio_is_pty: bool => "StdioIsPty",
        /// Which descriptors the files become. Builds of 2022 ignore it and number the files from 0.
        guest_fds: Vec<i32> => "GuestFDs",
        pub files: Files,
    }

    /// Sets of capabilities, one bit each.
    #[derive(Default)]
    struct Capabilities {
        permitted: u64 => "PermittedCaps",
        inheritable: u64 => "InheritableCaps",
        effective: u64 => "EffectiveCaps",
        bounding: u64 => "BoundingCaps",
    }

    /// What `containerManager.WaitPID` takes.
    pub struct WaitProcess {
        pub pid: i32 => "PID",
        pub container: String => "CID",
    }

    /// What `containerManager.Signal` takes.
    pub struct SignalProcess {
        pub container: String => "CID",
        pub number: i32 => "Signo",
        pub pid: i32 => "PID",
        pub mode: i32 => "Mode",
    }

    /// The part of runsc's state file that is used here.
    #[derive(Default)]
    struct State {
        spec: Spec,
    }

    #[derive(Default)]
    struct Spec {
        process: Process,
    }

    /// The process of an OCI runtime specification.
    #[derive(Default)]
    struct Process {
        env: Vec<String>,
        cwd: String,
        capabilities: CapabilityNames,
    }

    #[derive(Default)]
    struct CapabilityNames {
        bounding: Vec<String>,
        effective: Vec<String>,
        inheritable: Vec<String>,
        permitted: Vec<String>,
    }
}

/// What the command line says of the program.
pub struct Options {
    argv: Vec<String>,
    env: Vec<String>,
    directory: Option<String>,
    user: u32,
    group: u32,
}

impl Options {
    pub fn read(parsed: &Parsed) -> Result<Options, Failure> {
        let text = |text: &OsStr| {
            let wrong = || Failure::Usage(format!("{} is not UTF-8", quoted(text)));
            text.to_str().map(str::to_owned).ok_or_else(wrong)
        };
        let argv = parsed.operands[1..].iter().map(|word| text(word));
        let env = parsed.values("env").map(|variable| match variable.as_bytes().contains(&b'=') {
            true => text(variable),
            false => Err(Failure::value("env", variable, "NAME=VALUE")),
        });
        let (user, group) = match parsed.value("user") {
            None => (0, 0),
            Some(value) => user(&text(value)?)
                .ok_or_else(|| Failure::value("user", value, "numbers, UID or UID:GID"))?,
        };
        Ok(Options {
            argv: argv.collect::<Result<_, _>>()?,
            env: env.collect::<Result<_, _>>()?,
            directory: parsed.value("cwd").map(text).transpose()?,
            user,
            group,
        })
    }
}

fn user(text: &str) -> Option<(u32, u32)> {
    let (user, group) = text.split_once(':').unwrap_or((text, "0"));
    Some((user.parse().ok()?, group.parse().ok()?))
}

impl Exec {
    /// What starts the program in the container of `sandbox`.
    pub fn new(options: Options, sandbox: &Sandbox) -> Result<Exec, Failure> {
        let failed = |error: &dyn Display| Failure::local("the container's state", error);
        let state = sandbox.read_state().map_err(|error| failed(&error))?;
        let state: State = json::from_slice(&state).map_err(|error| failed(&error))?;
        let Process { mut env, cwd, capabilities } = state.spec.process;
        for variable in options.env {
            let name = variable.split_inclusive('=').next().unwrap_or_default();
            env.retain(|other| !other.starts_with(name));
            env.push(variable);
        }
        Ok(Exec {
            container: sandbox.container().to_string_lossy().into_owned(),
            argv: options.argv,
            envv: env,
            directory: options.directory.unwrap_or(cwd),
            user: options.user,
            group: options.group,
            capabilities: Capabilities {
                permitted: bits(&capabilities.permitted),
                inheritable: bits(&capabilities.inheritable),
                effective: bits(&capabilities.effective),
                bounding: bits(&capabilities.bounding),
            },
            guest_fds: vec![0, 1, 2],
            ..Exec::default()
        })
    }
}

/// The names of capabilities without `CAP_`, by their numbers (linux/capability.h).
const CAPABILITIES: &str = "\
    CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE \
    NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO \
    SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME \
    SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG \
    WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE";

/// The set of these capabilities. `runsc` leaves CAP_NET_RAW out unless it is told otherwise.
fn bits(names: &[String]) -> u64 {
    let is_given = |name: &str| {
        name != "NET_RAW" && names.iter().any(|given| given.strip_prefix("CAP_") == Some(name))
    };
    let numbered = CAPABILITIES.split(' ').enumerate();
    numbered.filter(|(_, name)| is_given(name)).map(|(number, _)| 1 << number).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_have_the_numbers_of_the_kernel() {
        let names = ["CAP_CHOWN", "CAP_NET_RAW", "CAP_SYS_ADMIN", "CAP_AUDIT_READ", "CAP_NO"];
        assert_eq!(bits(&names.map(str::to_owned)), 1 | 1 << 21 | 1 << 37);
        assert_eq!(CAPABILITIES.split(' ').count(), 41);
    }

    #[test]
    fn a_user_is_one_number_or_two() {
        assert_eq!(user("5"), Some((5, 0)));
        assert_eq!(user("5:6"), Some((5, 6)));
        assert!(["", "root", "5:", ":6", "-1", "5:6:7"].iter().all(|text| user(text).is_none()));
    }
}
