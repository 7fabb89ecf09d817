//! Wrong usage, and the command's help.

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;

use crate::run::{command, unread_pipe, urpc};

const WORDS: [&str; 9] =
    ["call", "exec", "methods", "serve", "trace", "bench", "demo", "completion", "man"];

#[test]
fn help_names_every_command_and_each_command_has_examples() {
    let help = urpc(&["--help"]).success();
    for word in WORDS {
        assert!(help.contains(&format!("urpc {word}")), "{word}");
        let of_word = urpc(&[word, "--help"]).success();
        assert!(of_word.contains("Usage:") && of_word.contains("Examples:"), "{of_word}");
        assert_eq!(urpc(&[word, "-h"]).success(), of_word);
    }
    assert_eq!(urpc(&["-h"]).success(), help);
    assert_eq!(urpc(&["help"]).success(), help);
    assert_eq!(urpc(&["help", "call"]).success(), urpc(&["call", "--help"]).success());
}

#[test]
fn the_version_is_that_of_the_crate() {
    let version = format!("urpc {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(urpc(&["--version"]).success(), version);
    assert_eq!(urpc(&["-V"]).success(), version);
}

#[test]
fn nothing_is_coloured_where_standard_output_is_no_terminal() {
    for arguments in [&["--help"][..], &["man"], &["demo"]] {
        assert!(!urpc(arguments).success().contains('\u{1b}'));
    }
}

/// Wrong usage, and a part of the error.
const MISTAKES: &[(&[&str], &str)] = &[
    (&[], "no command given"),
    (&["fly"], "unknown command 'fly'"),
    (&["help", "fly"], "unknown command 'fly'"),
    (&["call", "a.sock"], "expected ADDRESS METHOD [ARG or KEY=VALUE...]"),
    (&["call", "a.sock"], "METHOD is missing"),
    (&["call", "--wait", "5", "a.sock", "M"], "--wait takes its time with '=': --wait=5"),
    (&["call", "--timeout", "./a.sock", "M"], "--timeout takes a time such as"),
    (&["call", "--timeout", "./a.sock", "M"], "not './a.sock'"),
    (&["call", "a.sock", "M", "@-"], "write - for standard input"),
    (&["call", "a.sock", "M", "-f", "x:rw"], "only :w is known"),
    (&["call", "a.sock", "M", "1", "2"], "unexpected '2': give one ARG, or"),
    (&["call", "a.sock", "M", "{}", "a=b"], "unexpected 'a=b': give one ARG, or"),
    (&["call", "a.sock", "M", "a=b", "{}"], "unexpected '{}': give one ARG, or"),
    (&["call", "a.sock", "M", "a=b", "a:=1"], "a is given twice"),
    (&["call", "a.sock", "M", "a@/no/such/file"], "a@'/no/such/file': No such file"),
    (&["call", "a.sock", "M", "a@"], "a@ takes PATH, PATH:w or fd:N, not ''"),
    (&["call", "a.sock", "M", "--batch=-"], "unexpected 'M': with --batch, its lines have"),
    (&["call", "a.sock", "--batch=-", "--file=a"], "--file is not for --batch: name the files"),
    (&["call", "a.sock", "--batch=-", "--exec", "a"], "--exec is for one call"),
    (&["call", "a.sock", "M", "--keep-going"], "--keep-going is for --batch"),
    (&["call", "a.sock", "M", "a@b", "--pipe-in"], "give files as NAME@FILE or with --file"),
    (&["call", "--fly", "a.sock", "M"], "unknown option --fly"),
    (&["call", "-x", "a.sock", "M"], "unknown option -x"),
    (&["call", "--raw=1", "a.sock", "M"], "--raw takes no value"),
    (&["call", "a.sock", "M", "--timeout"], "--timeout takes TIME"),
    (&["call", "a.sock", "M", "--timeout", "soon"], "--timeout takes a time such as"),
    (&["call", "a.sock", "M", "--wait=soon"], "--wait takes a time such as"),
    (&["call", "a.sock", "M", "--wait="], "--wait= takes TIME"),
    (&["call", "a.sock", "M", "--wait", "--wait=5"], "--wait is given twice"),
    (&["bench", "--timeout=0"], "--timeout takes a time such as"),
    (&["call", "a.sock", "M", "--max-files", "254"], "a whole number from 0 to 253"),
    (&["call", "a.sock", "M", "--max-message", "x"], "a size such as"),
    (&["call", "a.sock", "M", "--save=a", "--exec", "b"], "--exec and --save"),
    (&["call", "a.sock", "M", "--pipe-in", "--pipe-in"], "--pipe-in is given twice"),
    (&["call", "a.sock", "M", "--raw", "--text"], "give --raw or --text, not both"),
    (&["call", "a.sock", "M", "-qv"], "give --quiet or --verbose, not both"),
    (&["call", "a.sock", "M", "--max-save", "all"], "--max-save takes a size such as"),
    (&["call", "a.sock", "M", "@/no/such/file"], "/no/such/file"),
    (&["call", "a.sock", "M", "--file", "/no/such/file"], "/no/such/file"),
    (&["call", "a.sock", "M", "--file", "fd:99"], "descriptor 99"),
    (&["call", "a.sock", "M", "--file", "fd:x"], "a descriptor number"),
    (&["call", "@bad\\escape", "M"], "bad escape"),
    (&["call", "fd:x", "M"], "descriptor number"),
    (&["call", "", "M"], "no address"),
    (&["call", "runsc:", "M"], "needs the id"),
    (&["call", "runsc:a/b", "M"], "needs the id"),
    (&["serve", "a.sock"], "--method T.M=CMD is missing"),
    (&["serve", "a.sock", "--method", "Echo=cat"], "Type.Method=COMMAND"),
    (&["serve", "a.sock", "--method=A.B=c", "--method=A.B=d"], "A.B is given twice"),
    (&["serve", "a.sock", "--method=A.B=c", "--mode=999"], "permission bits"),
    (&["serve", "a.sock", "--method=A.B=c", "--allow-uid=me"], "a whole number from 0 up"),
    (&["serve", "a.sock", "--method=A.B=c", "--max-clients=0"], "a whole number from 1 up"),
    (
        &["serve", "a.sock", "--method=A.B=c", "--max-message=0"],
        "--max-message takes a size above 0",
    ),
    (&["serve", "@a", "--method=A.B=c", "--mode=0666"], "--mode is only for the path of a socket"),
    (&["serve", "@a", "--method=A.B=c", "--replace"], "--replace is only for the path"),
    (&["trace", "--listen=@a", "--to=b.sock", "--mode=0777"], "--mode is only for the path"),
    (&["serve", "runsc:x", "--method=A.B=c"], "can only be connected to"),
    (&["trace", "--listen", "a.sock"], "--to ADDRESS is missing"),
    (&["trace", "--to", "a.sock"], "--listen ADDRESS is missing"),
    (&["bench", "a.sock"], "METHOD is missing"),
    (&["bench", "--clients", "0"], "a whole number from 1 to 1000"),
    (&["bench", "--size", "2G"], "up to 1G"),
    (&["bench", "--size", "1", "a.sock", "M", "2"], "two arguments"),
    (&["demo", "now"], "unexpected 'now'"),
    (&["completion", "csh"], "no completion for 'csh'"),
    (&["man", "ls"], "unexpected 'ls'"),
];

#[test]
fn what_is_typed_wrongly_is_named_in_one_line_with_status_2() {
    for (arguments, said) in MISTAKES {
        let error = urpc(arguments).failure(2);
        assert!(error.starts_with("urpc") && error.contains(said), "{arguments:?}: {error}");
    }
}

#[test]
fn a_mistake_points_to_the_help_of_its_command_and_a_failure_does_not() {
    for (arguments, status, expected) in [
        (&["fly"][..], 2, "urpc: unknown command 'fly' (see 'urpc --help')\n"),
        (&["demo", "now"], 2, "urpc demo: unexpected 'now' (see 'urpc demo --help')\n"),
        (
            &["call", "5", "A.B", "--root=none"],
            3,
            "urpc call: cannot connect to 5: No such file or directory (os error 2); \
             for a runsc container write runsc:5\n",
        ),
        (
            &["serve", "runsc:x", "--method=A.B=c"],
            2,
            "urpc serve: 'runsc:x' is no address: runsc:ID can only be connected to \
             (see 'urpc serve --help')\n",
        ),
    ] {
        assert_eq!(urpc(arguments).failure(status), expected);
    }
}

#[test]
fn an_address_that_is_no_text_is_a_path_and_no_abstract_name() {
    let of = |address: &'static [u8]| {
        urpc(&["call".as_ref(), OsStr::from_bytes(address), "A.B".as_ref()])
    };
    let error = of(b"@a\xff").failure(2);
    assert!(error.contains(r"'@a\xff' is no address: write odd bytes as \xNN"), "{error}");
    let error = of(b"/no/such\xff").failure(3);
    assert!(error.contains("No such file"), "{error}");
}

#[test]
fn a_reader_who_has_left_is_no_reason_to_complain() {
    for arguments in [&["--help"][..], &["man"], &["demo"], &["completion", "bash"]] {
        let output = command(arguments).stdout(unread_pipe()).output().unwrap();
        assert_eq!(
            (output.status.code(), &output.stderr[..]),
            (Some(0), &b""[..]),
            "{arguments:?}"
        );
    }
}

#[test]
fn output_that_cannot_be_written_is_an_error() {
    let full = File::options().write(true).open("/dev/full").unwrap();
    let output = command(&["man"]).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().contains("standard output"));
}
