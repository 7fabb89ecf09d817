//! The manual page.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::run::urpc;
use crate::support::available;

/// What a program that reads the manual page prints, which must succeed without a word on standard
/// error.
fn read_by(command: &mut Command) -> String {
    let mut reader = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let manual = urpc(&["man"]).success();
    reader.stdin.take().unwrap().write_all(manual.as_bytes()).unwrap();
    let output = reader.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    text
}

#[test]
fn groff_sets_it_without_a_warning() {
    if available::or_skip("groff", available::program("groff")) {
        let page = read_by(Command::new("groff").args(["-ww", "-man", "-Tascii", "-rLL=80n"]));
        assert!(page.contains("containerManager.ExecuteAsync") && page.contains("\\xNN"), "{page}");
    }
}

#[test]
fn mandoc_has_nothing_to_say_about_it() {
    if available::or_skip("mandoc", available::program("mandoc")) {
        assert_eq!(read_by(Command::new("mandoc").arg("-Tlint")), "");
    }
}

#[test]
fn it_has_every_command_and_the_usual_sections() {
    let manual = urpc(&["man"]).success();
    assert!(manual.starts_with(".TH URPC 1 \"20"), "{manual}");
    let commands =
        ["CALL", "EXEC", "METHODS", "SERVE", "TRACE", "BENCH", "DEMO", "COMPLETION", "MAN"];
    let usual = ["NAME", "SYNOPSIS", "DESCRIPTION", "EXIT STATUS", "ENVIRONMENT", "SEE ALSO"];
    let sections = usual.map(str::to_owned).into_iter();
    for section in sections.chain(commands.map(|command| format!("URPC {command}"))) {
        assert!(manual.contains(&format!(".SH {section}\n")), "{section}");
    }
}
