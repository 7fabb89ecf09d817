//! The commands that are for gVisor's sandboxes alone.

use super::{CommandSpec, HELP, Opt, ROOT, Takes, flag, option};

pub const METHODS: CommandSpec = CommandSpec {
    name: "methods",
    operands: "[ADDRESS | NAME]",
    count: 0..=1,
    about: "list the methods of gVisor's control server",
    text: "\
The list is a table in this program: each method with the builds that have it (2022: December 2022 \
and August 2026; 2023+: only the latter), the number of files that are sent (n: as many as the \
argument says), and an argument in which ID stands for the container.

With NAME, a name of the table, standard output is an argument that can be edited and sent as it is; \
what else is known of the method goes to standard error.

With ADDRESS the first column says whether the server has the method. To find out, each method is \
called with the number 0 and no files: no method takes a number, and gVisor's server refuses an \
argument that does not fit before it runs the method. So no method runs, and nothing changes but \
the log of newer builds, which names each call. debug.Stacks, which only reads, is called first: \
unless the server refuses that call in the words of gVisor, no other method is called, since \
other servers may run a method with any argument.

An operand that is no name of the table is an address if it has a slash, begins with @, fd: or \
runsc:, or is a file; write ./NAME for a socket that has the name of a method.",
    options: &[
        option(
            "timeout",
            Takes::One("TIME"),
            "give up if connecting and all calls together take longer; default: 30s",
        ),
        ROOT,
        HELP,
    ],
    examples: &[
        ("What gVisor's control server has", "urpc methods"),
        ("What the server of a sandbox has, with its id in the arguments", "urpc methods runsc:web"),
        (
            "An argument to edit, and the call",
            "urpc methods containerManager.Signal >arg && $EDITOR arg && urpc call runsc:web \
             containerManager.Signal @arg",
        ),
    ],
};

pub const EXEC: CommandSpec = CommandSpec {
    name: "exec",
    operands: "runsc:ID [--] CMD...",
    count: 2..=usize::MAX,
    about: "run a program in a container of runsc, as if it ran here",
    text: "\
The program's standard streams are pipes that are copied, or with --tty the terminal. It has the \
environment, the directory and the capabilities that 'runsc exec' would give it: those of the \
container's specification. CMD is found by the PATH of that environment.

The exit status is the program's, or 128 and the signal's number if a signal ended it. It is 2 if the \
command line is wrong, and 128 if urpc failed otherwise: the program was not started, or its status \
was not learned.

SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1 and SIGUSR2 are passed on to the program, and with --tty \
to all programs in its foreground, SIGTSTP and SIGWINCH too. Before the program runs they end urpc, \
and so does one to which the sandbox does not answer within 5 seconds. \
urpc ends when the program ends, and does not wait for processes that it left behind. It reads \
standard input ahead of the program: in a shell's loop that reads from there, add </dev/null.",
    options: &[
        option("cwd", Takes::One("DIR"), "where the program starts, from the container's root; default: as the container's"),
        Opt {
            name: "env",
            short: Some('e'),
            takes: Takes::Many("NAME=VALUE"),
            about: "set a variable of the program's environment",
        },
        Opt {
            name: "user",
            short: Some('u'),
            takes: Takes::One("UID[:GID]"),
            about: "the numbers of the program's user and group; default 0:0",
        },
        flag(
            "tty",
            Some('t'),
            "give the program the terminal that is standard input, for all three streams; it sets the \
             terminal's mode and reads its size itself",
        ),
        ROOT,
        HELP,
    ],
    examples: &[
        ("Run a program and get its status", "urpc exec runsc:web -- sh -c 'exit 3'; echo $?"),
        ("A shell on this terminal", "urpc exec --tty runsc:web sh"),
        ("Copy a file into the container", "urpc exec runsc:web tee /tmp/here <file >/dev/null"),
    ],
};
