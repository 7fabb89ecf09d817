//! `urpc serve --return-files`: what a command may send back.

use std::fs::{self, File};
use std::io::Read;

use urpc::{Client, Files};

use crate::host::{Host, remote_error};
use crate::support::{Scratch, shell_quoted};

fn contents(mut files: Files) -> Vec<String> {
    let content = |file| {
        let mut content = String::new();
        File::from(file).read_to_string(&mut content).unwrap();
        content
    };
    files.release_all().into_iter().map(content).collect()
}

fn files_of(client: &Client, method: &str) -> Files {
    client.call_raw(method, b"1", &[]).unwrap().1
}

#[test]
fn files_come_back_in_the_order_of_their_numbers() {
    let make = "--method=A.B=for n in 10 9 x 0 2 1; do printf $n > \"$URPC_RETURN/$n\"; done";
    let host = Host::start("return-order", &["--return-files", make]);
    let order = contents(files_of(&host.client(), "A.B"));
    assert_eq!(order, ["0", "1", "2", "9", "10", "x"]);
    host.stop("TERM");
}

#[test]
fn a_link_to_a_file_that_the_command_made_sends_that_file() {
    let make = "--method=A.B=cd \"$URPC_RETURN\"; echo made > 1; ln -s 1 0";
    let host = Host::start("return-own", &["--return-files", make]);
    assert_eq!(contents(files_of(&host.client(), "A.B")), ["made\n", "made\n"]);
    host.stop("TERM");
}

/// What a command may leave that reaches beyond its directory. `$FAR` is a file elsewhere.
const BEYOND: [(&str, &str); 6] = [
    ("Link", "ln -s \"$FAR\" \"$URPC_RETURN/0\""),
    ("Hard", "ln \"$FAR\" \"$URPC_RETURN/0\""),
    ("Root", "ln -s / \"$URPC_RETURN/0\""),
    ("Directory", "mkdir \"$URPC_RETURN/0\""),
    ("Proc", "ln -s /proc/self/status \"$URPC_RETURN/0\""),
    ("Device", "ln -s /dev/null \"$URPC_RETURN/0\""),
];

#[test]
fn what_the_command_did_not_make_is_sent_only_if_that_was_asked_for() {
    let scratch = Scratch::new("return-beyond-far");
    let far = scratch.path("far");
    fs::write(&far, "far away").unwrap();
    let method = |(name, script): &(&str, &str)| {
        format!("--method=A.{name}={}", script.replace("\"$FAR\"", &shell_quoted(&far)))
    };
    let methods: Vec<String> = BEYOND.iter().map(method).collect();
    for option in ["--return-files", "--return-any"] {
        let options: Vec<&str> = methods.iter().map(String::as_str).chain([option]).collect();
        let host = Host::start("return-beyond", &options);
        for (name, _) in BEYOND {
            let (client, method) = (host.client(), format!("A.{name}"));
            if option == "--return-any" {
                assert_eq!(files_of(&client, &method).len(), 1, "{name}");
            } else {
                let error = remote_error(client.call(&method, &1));
                let expected = "cannot return '0': it is not a regular file that the command made";
                assert_eq!(error, expected, "{name}");
            }
        }
        let said = host.stop("TERM");
        assert_eq!(said.contains("--return-any"), option == "--return-files", "{said}");
    }
}

#[test]
fn a_client_is_not_told_where_the_server_keeps_files() {
    let host = Host::start("return-nowhere", &["--return-files", "--method=A.B=:"]);
    let tmp = host.scratch.path("tmp");
    fs::remove_dir_all(&tmp).unwrap();
    let error = remote_error(host.client().call("A.B", &1));
    fs::create_dir(&tmp).unwrap();
    assert_eq!(error, "the server has no directory for the files to return");
    assert!(host.stop("TERM").contains(tmp.to_str().unwrap()));
}
