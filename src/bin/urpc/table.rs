//! The table of commands and options. The parser, `--help`, the manual page and the completions use
//! it.

#[path = "table/gvisor.rs"] // the fuzz targets include this file by its path, too
mod gvisor;
#[path = "table/watching.rs"]
mod watching;

use super::args::{CommandSpec, Opt, Takes};
use gvisor::{EXEC, METHODS};
use watching::{BENCH, TRACE};

pub const ABOUT: &str = "call, serve and watch gVisor's urpc: JSON over a Unix socket, with files";

/// Shown once, below all commands.
pub const ADDRESSES: &str = "\
ADDRESS is one of:
  PATH       a socket in the file system, of any length
  @NAME      an abstract name; \\0, \\\\ and \\xNN are bytes; a trailing NUL is kept
  fd:N       an inherited descriptor: connected, or listening (serve, trace)
  runsc:ID   the sandbox of the runsc container ID (to connect to; see --root)";

pub const STATUSES: &str = "\
Exit status:
  0  success
  1  the remote method failed; its error text is on standard error
  2  usage, or a file or program on this side that cannot be used
  3  transport: cannot listen or connect, a broken connection, time out";

/// The date of the manual page: when the text here was last changed.
pub const DATE: &str = "2026-11-27";

/// What the commands read from the environment, and what they set for the programs that they run.
pub const ENVIRONMENT: &[(&str, &str)] = &[
    ("XDG_RUNTIME_DIR", "the directory of runsc's state, unless --root names another"),
    ("TMPDIR", "where serve --return-files and demo make their directories; default /tmp"),
    ("COLUMNS", "the width of the report of bench, if it is no terminal; default 80"),
    ("URPC_FILES", "set for a command of serve and a program of call --exec: the number of files"),
    ("URPC_METHOD", "set for a command of serve: the name of the method"),
    (
        "URPC_RETURN",
        "set for a command of serve --return-files: the directory for the files to send back",
    ),
];

const HELP: Opt = flag("help", Some('h'), "print this help and exit");

const ROOT: Opt = option(
    "root",
    Takes::One("DIR"),
    "where runsc keeps its state, for runsc:ID; default $XDG_RUNTIME_DIR/runsc, else /var/run/runsc",
);

const MAX_FILES: Opt = option(
    "max-files",
    Takes::One("N"),
    "the maximum number of files in a message sent and in one received, up to 253; default 128 and 253",
);

const MAX_MESSAGE: Opt = option(
    "max-message",
    Takes::One("SIZE"),
    "the maximum size of a received message; default 16M",
);

const COLOR: Opt = option(
    "color",
    Takes::One("WHEN"),
    "auto, always or never; default auto: on a terminal, unless NO_COLOR is set",
);

const fn flag(name: &'static str, short: Option<char>, about: &'static str) -> Opt {
    Opt { name, short, takes: Takes::Nothing, about }
}

const fn option(name: &'static str, takes: Takes, about: &'static str) -> Opt {
    Opt { name, short: None, takes, about }
}

pub const COMMANDS: &[CommandSpec] =
    &[CALL, EXEC, METHODS, SERVE, TRACE, BENCH, DEMO, COMPLETION, MAN];

const CALL: CommandSpec = CommandSpec {
    name: "call",
    operands: "ADDRESS METHOD [ARG or KEY=VALUE...]",
    // With --batch the method is missing.
    count: 1..=usize::MAX,
    about: "call a method and print its result",
    text: "\
ARG is JSON, @FILE to read it from a file, or - to read it from standard input; without it the \
argument is null. The result is printed as indented JSON; numbers are printed exactly as they came. \
Files that come back are listed on standard error, stored, or handed to a program.

Instead of ARG, the members of an object can be given without JSON's quotes: KEY=TEXT is a string, \
KEY:=JSON is any value, and NAME@FILE sends a file, as --file does; NAME is only for the reader. So \
ContainerID=web n:=3 argv:='[\"sh\"]' log@out.txt is {\"ContainerID\":\"web\",\"n\":3,\"argv\":[\"sh\"]} \
with the file out.txt. They cannot be mixed with ARG. \
Strings in ARG, files and lines may have bytes that are not UTF-8, as JSON of Go may, and are sent as \
they are; METHOD, KEY and TEXT must be UTF-8.

With --batch, one connection carries several calls: each line is a call such as \
{\"method\":\"T.M\",\"arg\":1,\"files\":[\"in.txt\"]}, and each result is one line. What trace --json has \
recorded is such a file: its calls are made again, with /dev/null instead of the files that were \
sent, unless file names are written there. The first failure ends it, and its status is that of urpc.

Files and pipes are sent in the order of their options. The connection is closed as soon as the \
reply has arrived; pipes are copied until the remote program closes them. With --pipe-out, stdout \
carries only the remote program's output, and the result goes to standard error.

A Go program makes each pipe, socket or terminal that it receives non-blocking, for all processes \
that share it. So do not pass a standard stream with --file fd:0, fd:1 or fd:2. Use the --pipe \
options: they pass new pipes and copy.",
    options: &[
        Opt {
            name: "file",
            short: Some('f'),
            takes: Takes::Many("FILE"),
            about: "send a file: PATH for reading, PATH:w for writing (it is created or truncated), fd:N \
                    for an inherited descriptor",
        },
        flag("pipe-in", None, "send a pipe to read from, and copy standard input into it"),
        flag("pipe-out", None, "send a pipe to write to, and copy it to standard output"),
        flag("pipe-err", None, "send a pipe to write to, and copy it to standard error"),
        option(
            "save",
            Takes::One("DIR"),
            "store the files that come back as DIR/0, DIR/1 and so on; DIR is made with its parents; \
             existing files are not overwritten",
        ),
        option(
            "max-save",
            Takes::One("SIZE"),
            "the maximum size of a file that --save stores; default 1G",
        ),
        option(
            "exec",
            Takes::Rest("CMD..."),
            "run a program: the files that came back are its descriptors 3 and up, URPC_FILES is \
             their number, the result is its standard input; urpc exits with its status",
        ),
        option(
            "batch",
            Takes::One("FILE"),
            "make the calls of FILE's lines, or of standard input's if FILE is -; --save stores the \
             files of line N in DIR/N",
        ),
        flag(
            "keep-going",
            Some('k'),
            "with --batch: go on after a failure, and print an empty line instead of its result; a \
             connection that failed, or --timeout, still ends it",
        ),
        flag(
            "offline",
            None,
            "print the bytes and list the files that would be sent; nothing is connected to, opened or \
             created",
        ),
        option(
            "timeout",
            Takes::One("TIME"),
            "give up after TIME: 5, 1.5s, 200ms, 2m; reading ARG, connecting, the call, --save and the --pipe \
             options together must be done by then, and a program of --exec is not limited; \
             default: no limit, and 30s for connecting",
        ),
        option(
            "wait",
            Takes::Optional("TIME"),
            "wait for a server that is not there yet, for TIME at most; default: as long as \
             connecting may take",
        ),
        MAX_FILES,
        option(
            "max-message",
            Takes::One("SIZE"),
            "the maximum size of a received message, default 16M, and if it is larger, also of an ARG \
             that is read from a file or standard input, default 17M",
        ),
        flag("raw", Some('r'), "print the result unchanged, byte for byte"),
        flag("text", Some('t'), "print a result that is a JSON string as text"),
        flag("quiet", Some('q'), "print neither the result nor the files, only errors"),
        flag(
            "verbose",
            Some('v'),
            "print the server's process and user, the sizes, the times and the files that are sent",
        ),
        COLOR,
        ROOT,
        HELP,
    ],
    examples: &[
        ("The processes of a sandbox", "urpc call runsc:web containerManager.Processes '\"web\"'"),
        (
            "A command in a sandbox, as if it ran here",
            "urpc call --pipe-in --pipe-out --pipe-err runsc:web containerManager.ExecuteAsync \
             '{\"ContainerID\":\"web\",\"filename\":\"/bin/sh\",\"argv\":[\"sh\"],\"GuestFDs\":[0,1,2]}'",
        ),
        (
            "As soon as the server is there, and within 5 seconds",
            "urpc call --wait --timeout 5 ./a.sock Store.Count",
        ),
        (
            "An object without JSON's quotes, and a file",
            "urpc call ./a.sock Store.Put Name=today Copies:=2 data@in.txt",
        ),
        ("Several calls on one connection", "urpc call ./a.sock --batch calls.jsonl"),
        (
            "What a call would send",
            "urpc call --offline ./a.sock Store.Put Name=today data@in.txt",
        ),
        (
            "The processes as text",
            "urpc call --text runsc:web Proc.Ps '{\"JSON\":false}'",
        ),
        ("The stacks of a sandbox, as text", "urpc call --text runsc:web debug.Stacks"),
        (
            "Send a file, store those that come back",
            "urpc call --file in.txt --save out ./a.sock Store.Put",
        ),
        (
            "Run a program on a file that came back",
            "urpc call ./a.sock Log.Open '{\"Name\":\"today\"}' --exec sh -c 'tail -n 3 <&3'",
        ),
    ],
};

const SERVE: CommandSpec = CommandSpec {
    name: "serve",
    operands: "ADDRESS",
    count: 1..=1,
    about: "serve methods that shell commands answer",
    text: "\
A shell command answers each method. Its standard input is the argument's JSON, and its standard \
output is the result (JSON; no output means null). Files that came with the call are its \
descriptors 3 and up; it inherits no others. URPC_FILES is their number, URPC_METHOD the method's \
name. If the command exits with a status other than 0, the call fails: the last line of its standard \
error is the error text.

A call ends when its command has ended and no process holds the command's output open. A process \
that the command leaves in the background keeps the call open unless both its outputs go \
elsewhere: 'sleep 60 >/dev/null 2>&1 &'.

As process 1 of a container, serve also waits for orphaned processes, as an init does.

A command whose client is gone is killed, with all that it has started, if that is still in its \
process group. So is a command that prints more than --max-message.

SIGTERM, SIGINT and SIGHUP stop the server: it waits for the commands that run and answers their \
calls. A second signal kills the commands. The socket is removed.",
    options: &[
        option("method", Takes::Many("T.M=CMD"), "answer the method T.M with the command CMD"),
        flag("text", Some('t'), "a command's output is text, and the result is that text as a JSON string"),
        flag(
            "return-files",
            None,
            "give each command an empty directory, URPC_RETURN; the regular files that it makes \
             there are sent back, in the order of their names: numbers first, by their value",
        ),
        flag(
            "return-any",
            None,
            "the same, but also send back directories, and whatever links in URPC_RETURN name; do \
             not use it if a client can decide which links a command makes, as with tar",
        ),
        flag(
            "verbose",
            Some('v'),
            "print a line on standard error for each call, and why it failed",
        ),
        option("mode", Takes::One("MODE"), "permission bits of the socket; default 0600"),
        flag(
            "replace",
            None,
            "replace a stale socket at ADDRESS; creates the file ADDRESS.lock and keeps it",
        ),
        option(
            "allow-uid",
            Takes::Many("UID"),
            "serve only clients of this user id; 65534 stands for all users whom a user namespace does \
             not map, and in gVisor every client has the user id of the server",
        ),
        option("max-clients", Takes::One("N"), "the maximum number of clients at a time; default 1024"),
        MAX_FILES,
        MAX_MESSAGE,
        option(
            "idle-timeout",
            Takes::One("TIME"),
            "close a connection on which nothing arrives for TIME; default: never",
        ),
        flag("once", None, "serve one client, then end"),
        HELP,
    ],
    examples: &[
        ("Echo", "urpc serve ./a.sock --method Host.Echo=cat"),
        (
            "Count the lines of the file that is sent",
            "urpc serve ./a.sock --method 'Host.Lines=wc -l <&3'",
        ),
        (
            "Send a file back",
            "urpc serve ./a.sock --return-files --method 'Host.Date=date > \"$URPC_RETURN/0\"'",
        ),
    ],
};

const DEMO: CommandSpec = CommandSpec {
    name: "demo",
    operands: "",
    count: 0..=0,
    about: "run a server and a client, and print what they send",
    text: "\
Starts a server and a client on a socket in a new directory, makes a few calls, and prints each \
message as it is sent. It needs no setup and leaves nothing behind.",
    options: &[HELP],
    examples: &[("One screen to begin with", "urpc demo")],
};

const COMPLETION: CommandSpec = CommandSpec {
    name: "completion",
    operands: "bash|zsh|fish",
    count: 1..=1,
    about: "print a completion script for a shell",
    text: "\
The script runs urpc to find out what can be typed: commands, options, methods of gVisor, containers \
of runsc, and sockets; files only where a file is taken.",
    options: &[HELP],
    examples: &[
        ("For the running bash", "source <(urpc completion bash)"),
        ("For each zsh", "urpc completion zsh >/usr/local/share/zsh/site-functions/_urpc"),
        ("For each fish", "urpc completion fish >~/.config/fish/completions/urpc.fish"),
    ],
};

const MAN: CommandSpec = CommandSpec {
    name: "man",
    operands: "",
    count: 0..=0,
    about: "print the manual page",
    text: "",
    options: &[HELP],
    examples: &[("Read it", "urpc man | man -l -")],
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_command_and_no_option_of_a_command_is_there_twice() {
        for (index, command) in COMMANDS.iter().enumerate() {
            assert!(COMMANDS[..index].iter().all(|other| other.name != command.name));
            for (index, option) in command.options.iter().enumerate() {
                let others = &command.options[..index];
                assert!(others.iter().all(|other| other.name != option.name));
                assert!(others.iter().all(|o| o.short.is_none() || o.short != option.short));
            }
        }
    }
}
