//! The one table of commands and options, from which the parser, `--help`, the manual page and the
//! completions are made.

use super::args::{CommandSpec, Opt, Takes};

pub const ABOUT: &str = "call, serve and watch gVisor's urpc: JSON over a Unix socket, with files";

/// What is said once, below all commands.
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
  3  transport: no connection or one that broke, a malformed message, time out";

const HELP: Opt = flag("help", Some('h'), "print this help and exit");

const ROOT: Opt = option(
    "root",
    Takes::One("DIR"),
    "where runsc keeps its state, for runsc:ID; default $XDG_RUNTIME_DIR/runsc, else /var/run/runsc",
);

const MAX_FILES: Opt = option(
    "max-files",
    Takes::One("N"),
    "the most files to send and to receive with a message, up to 253; default 128 and 253",
);

const MAX_MESSAGE: Opt =
    option("max-message", Takes::One("SIZE"), "the most bytes of a received message; default 16M");

const fn flag(name: &'static str, short: Option<char>, about: &'static str) -> Opt {
    Opt { name, short, takes: Takes::Nothing, about }
}

const fn option(name: &'static str, takes: Takes, about: &'static str) -> Opt {
    Opt { name, short: None, takes, about }
}

pub const COMMANDS: &[CommandSpec] = &[CALL, SERVE, TRACE, BENCH, DEMO, COMPLETION, MAN];

const CALL: CommandSpec = CommandSpec {
    name: "call",
    operands: "ADDRESS METHOD [ARG]",
    count: 2..=3,
    about: "call a method and print its result",
    text: "\
ARG is JSON, @FILE to read it from a file, or - for standard input; null if it is left out. The \
result is printed as indented JSON with its numbers exactly as they came. Files that come back are \
listed on standard error, or stored, or handed to a program.

Files and pipes ride in the order in which their options are typed. The connection is closed as \
soon as the reply is in; pipes are copied until the remote program closes them. With --pipe-out, \
stdout carries only the remote program's output, and the result goes to standard error.

A peer written in Go makes a pipe, socket or terminal that it gets non-blocking, for everybody who \
shares it. So do not pass a standard stream with --file fd:0, fd:1 or fd:2: the --pipe options \
pass fresh pipes instead and copy.",
    options: &[
        Opt {
            name: "file",
            short: Some('f'),
            takes: Takes::Many("FILE"),
            about: "send a file: PATH to read, PATH:w to write (it is created or emptied), fd:N \
                    inherited",
        },
        flag("pipe-in", None, "send a pipe to read from, and copy standard input into it"),
        flag("pipe-out", None, "send a pipe to write to, and copy it to standard output"),
        flag("pipe-err", None, "send a pipe to write to, and copy it to standard error"),
        option(
            "save",
            Takes::One("DIR"),
            "store the files that came back as DIR/0, DIR/1 and on; none is overwritten",
        ),
        option(
            "exec",
            Takes::Rest("CMD..."),
            "run a program: the files that came back are its descriptors 3 and up, URPC_FILES says \
             how many, the result is its standard input; its exit status is ours",
        ),
        option(
            "timeout",
            Takes::One("TIME"),
            "give up after TIME: 5, 1.5s, 200ms, 2m; default: never, and for connecting 30s",
        ),
        MAX_FILES,
        MAX_MESSAGE,
        flag("raw", Some('r'), "print the result byte for byte as it came"),
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
            "Send a file, store those that come back",
            "urpc call --file in.txt --save out ./a.sock Store.Put",
        ),
        (
            "A program on what came back",
            "urpc call ./a.sock Log.Open '{\"Name\":\"today\"}' --exec sh -c 'tail -n 3 <&3'",
        ),
    ],
};

const SERVE: CommandSpec = CommandSpec {
    name: "serve",
    operands: "ADDRESS",
    count: 1..=1,
    about: "serve methods that commands answer",
    text: "\
Each method is answered by a shell command: the argument's JSON is its standard input, its \
standard output is the result (JSON; nothing at all is null). Files that came with the call are \
its descriptors 3 and up; URPC_FILES says how many, URPC_METHOD which method was called. A status \
other than 0 is a remote error with the last line of its standard error as text. It inherits \
nothing else.

A call ends when its command has ended and nobody holds the command's output open any more. A \
process that the command leaves in the background keeps the call open unless both its outputs \
go elsewhere: 'sleep 60 >/dev/null 2>&1 &'.

As process 1 of a container, serve also waits for orphaned processes, as an init does.

SIGTERM and SIGINT stop the server: commands that run are waited for and answered. The same again \
ends it without waiting. Its socket is removed.",
    options: &[
        option("method", Takes::Many("T.M=CMD"), "answer the method T.M with the command CMD"),
        flag("text", Some('t'), "a command's output is text: the result is a JSON string of it"),
        flag(
            "return-files",
            None,
            "give each command an empty directory, URPC_RETURN: what it leaves there, files or \
             links to files, is sent back in the order of the names",
        ),
        option("mode", Takes::One("MODE"), "permission bits of the socket; default 0600"),
        flag(
            "replace",
            None,
            "remove a socket at ADDRESS on which nobody listens any more; leaves ADDRESS.lock",
        ),
        option(
            "allow-uid",
            Takes::Many("UID"),
            "serve only clients of this user id; 65534 stands for everybody whom a user namespace does \
             not map, and in gVisor every client has the id of the server",
        ),
        option("max-clients", Takes::One("N"), "the most clients at a time; default 1024"),
        MAX_FILES,
        MAX_MESSAGE,
        option(
            "idle-timeout",
            Takes::One("TIME"),
            "end a connection that is silent for TIME; default: never",
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
            "urpc serve ./a.sock --return-files --method 'Log.Open=ln -s /var/log/syslog \"$URPC_RETURN/0\"'",
        ),
    ],
};

const TRACE: CommandSpec = CommandSpec {
    name: "trace",
    operands: "--listen ADDRESS --to ADDRESS",
    count: 0..=0,
    about: "stand between a client and a server and show what they say",
    text: "\
Forwards each byte and each file unchanged, and prints every message: the time (UTC), the \
connection's number, -> for client to server and <- for the way back, size, JSON, and the files \
with their type and access. SIGTERM and SIGINT end it.",
    options: &[
        option("listen", Takes::One("ADDRESS"), "where clients connect"),
        option("to", Takes::One("ADDRESS"), "the server"),
        flag("full", None, "print messages whole, up to 16M, and not shortened"),
        flag("json", Some('j'), "print one JSON object a line, with the message whole"),
        option("mode", Takes::One("MODE"), "permission bits of the socket; default 0600"),
        flag(
            "replace",
            None,
            "remove a socket at the address on which nobody listens any more; leaves a file .lock",
        ),
        ROOT,
        HELP,
    ],
    examples: &[(
        "Watch what a client says to a server",
        "urpc trace --listen ./b.sock --to ./a.sock",
    )],
};

const BENCH: CommandSpec = CommandSpec {
    name: "bench",
    operands: "[ADDRESS METHOD [ARG]]",
    count: 0..=3,
    about: "measure how fast calls are",
    text: "\
Without an address it calls a server of its own and measures, in turns, what the kernel takes for \
as many bytes and files sent there and back with no urpc at all: the ratio says what urpc costs. \
How the system places the threads decides more than anything else: pin both with taskset to \
compare.",
    options: &[
        option("clients", Takes::One("N"), "connections that call at the same time; default 1"),
        option("seconds", Takes::One("TIME"), "how long; default 3"),
        option("files", Takes::One("N"), "send N files with each call, up to 253; default 0"),
        option("size", Takes::One("SIZE"), "make ARG a string of SIZE bytes"),
        flag("json", Some('j'), "print one JSON object"),
        ROOT,
        HELP,
    ],
    examples: &[
        ("What urpc costs on this machine", "taskset -c 0 urpc bench"),
        ("A server under load", "urpc bench --clients 16 --seconds 10 ./a.sock Host.Ping"),
    ],
};

const DEMO: CommandSpec = CommandSpec {
    name: "demo",
    operands: "",
    count: 0..=0,
    about: "show a server, a client, and all that goes over the wire",
    text: "\
Starts a server and a client on a socket in a fresh directory, makes a few calls, and prints each \
message as it went over the wire. It needs nothing and leaves nothing behind.",
    options: &[HELP],
    examples: &[("One screen to begin with", "urpc demo")],
};

const COMPLETION: CommandSpec = CommandSpec {
    name: "completion",
    operands: "bash|zsh|fish",
    count: 1..=1,
    about: "print a completion script for a shell",
    text: "",
    options: &[HELP],
    examples: &[("For the running bash", "source <(urpc completion bash)")],
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
    fn no_word_and_no_option_of_a_word_is_there_twice() {
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
