//! What the program is started with.
//!
//! As `runsc exec` does, a program gets the environment, the directory and the capabilities of the
//! container's specification, which the state file contains, and the user 0. The JSON is written
//! here: records of each call would make the smallest binary 20 KB larger.

use std::ffi::OsStr;

use urpc::json::{self, Kind, Tokenizer};

use crate::args::{Parsed, quoted};
use crate::outcome::Failure;

/// What the command line says of the program.
pub struct Options {
    argv: Vec<String>,
    env: Vec<String>,
    directory: Option<String>,
    user: u32,
    group: u32,
    pub is_terminal: bool,
}

impl Options {
    pub fn read(parsed: &Parsed) -> Result<Options, Failure> {
        let env = parsed.values("env").map(|variable| match text(variable)? {
            variable if variable.find('=').is_some_and(|at| at > 0) => Ok(variable),
            _ => Err(Failure::value("env", variable, "NAME=VALUE")),
        });
        let (user, group) = match parsed.value("user") {
            None => (0, 0),
            Some(value) => user(&text(value)?)
                .ok_or_else(|| Failure::value("user", value, "numbers, UID or UID:GID"))?,
        };
        Ok(Options {
            argv: parsed.operands[1..].iter().map(|word| text(word)).collect::<Result<_, _>>()?,
            env: env.collect::<Result<_, _>>()?,
            directory: parsed.value("cwd").map(absolute).transpose()?,
            user,
            group,
            is_terminal: parsed.has("tty"),
        })
    }

    /// The argument of `containerManager.ExecuteAsync`. The path in the environment finds the
    /// program, because no file name is given. Builds of 2022 ignore `GuestFDs`, and number the
    /// files from 0.
    ///
    /// `container` is a JSON string, and `state` the container's state.
    pub fn argument(&self, container: &str, state: &[u8]) -> String {
        let of_process = |name| strings(state, &["spec", "process", name]);
        let mut env = of_process("env");
        for variable in &self.env {
            let name = variable.split_inclusive('=').next().unwrap_or_default();
            env.retain(|other| !other.starts_with(name));
        }
        env.extend(self.env.iter().cloned());
        let directory = self.directory.clone().or_else(|| of_process("cwd").pop());
        let set = |name| bits(&strings(state, &["spec", "process", "capabilities", name]));
        format!(
            r#"{{"ContainerID":{container},"argv":{},"envv":{},"wd":{},"KUID":{},"KGID":{},"Capabilities":{{"PermittedCaps":{},"InheritableCaps":{},"EffectiveCaps":{},"BoundingCaps":{}}},"StdioIsPty":{},"GuestFDs":[0,1,2]}}"#,
            array(&self.argv),
            array(&env),
            string(&directory.unwrap_or_default()),
            self.user,
            self.group,
            set("permitted"),
            set("inheritable"),
            set("effective"),
            set("bounding"),
            self.is_terminal
        )
    }
}

fn text(text: &OsStr) -> Result<String, Failure> {
    let wrong = || Failure::Usage(format!("{} is not UTF-8", quoted(text)));
    text.to_str().map(str::to_owned).ok_or_else(wrong)
}

fn absolute(directory: &OsStr) -> Result<String, Failure> {
    match text(directory)? {
        directory if directory.starts_with('/') => Ok(directory),
        _ => Err(Failure::value(
            "cwd",
            directory,
            "a directory of the container from its root, such as /tmp",
        )),
    }
}

fn user(text: &str) -> Option<(u32, u32)> {
    let (user, group) = text.split_once(':').unwrap_or((text, "0"));
    Some((user.parse().ok()?, group.parse().ok()?))
}

/// `text` as a JSON string.
pub fn string(text: &str) -> String {
    // Only memory could be missing.
    json::to_string(text).unwrap_or_else(|_| "\"\"".to_owned())
}

fn array(texts: &[String]) -> String {
    let texts: Vec<String> = texts.iter().map(|text| string(text)).collect();
    format!("[{}]", texts.join(","))
}

/// The string to which the members of `path` lead in the JSON `text`, or the strings of the array,
/// up to the first object in it.
fn strings(text: &[u8], path: &[&str]) -> Vec<String> {
    let (mut tokenizer, mut rest) = (Tokenizer::new(), text);
    // How many members of the path the current place is in, and the depth of the last member.
    let (mut within, mut last, mut found) = (0, 0, Vec::new());
    while let Ok(Some(token)) = tokenizer.next(&mut rest) {
        let depth = tokenizer.depth();
        let read = || json::from_slice::<String>(&text[token.range()]).unwrap_or_default();
        match token.kind {
            Kind::Key => {
                within = within.min(depth - 1);
                let is_next = within == depth - 1 && path.get(within) == Some(&&*read());
                within += usize::from(is_next);
                last = depth;
            }
            Kind::String if within == path.len() && last == within && depth <= within + 1 => {
                found.push(read());
            }
            _ => {}
        }
    }
    found
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

    #[test]
    fn strings_are_those_at_the_path_and_no_others() {
        let text = br#"{"b":["no"],"a":{"c":"no","b":["x","\u0079",{"b":"no"},["no"],null],"d":{"b":"no"}},
            "e":"z","a":{"b":"last"}}"#;
        assert_eq!(strings(text, &["a", "b"]), ["x", "y", "last"]);
        assert_eq!(strings(text, &["e"]), ["z"]);
        assert!(strings(text, &["a"]).is_empty() && strings(text, &["a", "e"]).is_empty());
        assert!(strings(b"", &["a"]).is_empty() && strings(b"[{\"a\":\"no\"}]", &["a"]).is_empty());
    }
}
