//! The commands that watch and measure: `trace`, `bench`.

use super::super::args::{CommandSpec, Takes};
use super::{COLOR, HELP, ROOT, flag, option};

pub(super) const TRACE: CommandSpec = CommandSpec {
    name: "trace",
    operands: "--listen ADDRESS --to ADDRESS",
    count: 0..=0,
    about: "forward between a client and a server, and print every message",
    text: "\
Forwards each byte and each file unchanged, and prints every message: the time (UTC), the \
connection's number, the direction (-> to the server, <- to the client), the size, the JSON, and \
the files with their type and access. A reply is printed with the time since its call. SIGTERM, \
SIGINT and SIGHUP end it. Then it prints a summary of the calls that were printed, the method with \
the most time first: the number of calls, the errors, those of the errors to which no reply came, and \
the median and 99th percentile of the time.

It forwards whatever becomes of its output. If nobody takes the output, messages are left out of it, \
and a line on standard error says so.",
    options: &[
        option("listen", Takes::One("ADDRESS"), "where clients connect"),
        option("to", Takes::One("ADDRESS"), "the server"),
        option(
            "timeout",
            Takes::One("TIME"),
            "end a connection if the server takes longer to accept it, to read on in a call, or to \
             reply; default: no limit, and 30s for connecting",
        ),
        flag(
            "full",
            None,
            "print complete messages, up to 16M; without it long ones are shortened",
        ),
        flag("json", Some('j'), "print one JSON object per line, with the complete message"),
        flag("summary-only", Some('c'), "print only the summary"),
        option(
            "method",
            Takes::Many("NAME"),
            "print only the calls of this method; NAME may end with *, which stands for any text",
        ),
        option(
            "outcome",
            Takes::One("WHICH"),
            "print only the calls that ended so: success, error, or none (no reply came); a call is \
             printed with its reply",
        ),
        COLOR,
        option(
            "output",
            Takes::One("FILE"),
            "write to FILE instead of standard output; a new file has mode 0600, as it has complete \
             arguments, and one that is not empty is refused",
        ),
        flag("overwrite", None, "with --output: replace what FILE has"),
        option(
            "max-clients",
            Takes::One("N"),
            "the maximum number of clients at a time; default 256; others wait",
        ),
        option("mode", Takes::One("MODE"), "permission bits of the socket; default 0600"),
        flag(
            "replace",
            None,
            "replace a stale socket at the address; creates a file .lock and keeps it",
        ),
        ROOT,
        HELP,
    ],
    examples: &[
        ("Watch what a client says to a server", "urpc trace --listen ./b.sock --to ./a.sock"),
        ("Find the slowest method", "urpc trace -c --listen ./b.sock --to ./a.sock"),
        (
            "Between runsc and the sandbox 'web': one trace here, which need not print",
            "urpc trace --listen /tmp/hop.sock --to runsc:web --output /dev/null",
        ),
        (
            "and one, with runsc, in a network namespace where the sandbox's name is free",
            "unshare --net sh -c 'urpc trace --listen \"@runsc-sandbox.web\\0\" --to /tmp/hop.sock & \
             sleep 1; runsc exec web ps; kill $!'",
        ),
        (
            "Only the calls that fail, into a file",
            "urpc trace --outcome error --output failed.txt --listen ./b.sock --to ./a.sock",
        ),
        (
            "Record calls for a replay",
            "urpc trace --json --output rec.jsonl --listen ./b.sock --to ./a.sock",
        ),
        ("and replay them", "urpc call -k --batch rec.jsonl ./a.sock"),
    ],
};

pub(super) const BENCH: CommandSpec = CommandSpec {
    name: "bench",
    operands: "[ADDRESS METHOD [ARG]]",
    count: 0..=3,
    about: "measure how fast calls are",
    text: "\
Without an address it calls a server of its own. In turns with the calls it measures how long the \
kernel takes for the same bytes and files without urpc: the ratio is the cost of urpc. Where the \
system places the threads matters more than anything else. To compare runs, pin them with taskset. \
With an address there is no ratio: the time of the server's method is in each call.

SIGINT or an error ends it with the figures until then. A call that has no answer a second after \
--seconds, or after SIGINT, is ended, and is not counted. The report is as wide as the terminal, or \
COLUMNS.",
    options: &[
        option("clients", Takes::One("N"), "connections that call at the same time; default 1"),
        option(
            "seconds",
            Takes::One("TIME"),
            "how long to measure, in all; default 3, or with --count until all calls are made",
        ),
        option("count", Takes::One("N"), "make N calls, of all clients together"),
        option(
            "rate",
            Takes::One("N"),
            "make N calls a second, of all clients together; the time of a call counts from when it \
             was due, so a server that stalls does not seem fast",
        ),
        option(
            "timeout",
            Takes::One("TIME"),
            "give up if connecting or one call takes longer; with it each call costs a system call \
             more; default: no limit, and 30s for connecting",
        ),
        option("files", Takes::One("N"), "send N files with each call, up to 253; default 0"),
        option("size", Takes::One("SIZE"), "make ARG a string of SIZE bytes"),
        flag("json", Some('j'), "print one JSON object"),
        ROOT,
        HELP,
    ],
    examples: &[
        ("What urpc costs on this machine", "taskset -c 0 urpc bench"),
        (
            "How a server does at 100 calls a second",
            "urpc bench --rate 100 --count 300 ./a.sock Host.Ping",
        ),
        ("A server under load", "urpc bench --clients 16 --seconds 10 ./a.sock Host.Ping"),
    ],
};
