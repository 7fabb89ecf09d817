//! `urpc call` with `KEY=TEXT`, `KEY:=JSON` and `NAME@FILE` instead of ARG.

use std::fs::{self, File};
use std::io::Read;

use urpc::json::RawJson;
use urpc::{Files, Service};

use crate::run::{Ran, Served, command, urpc};
use crate::support::Scratch;

/// Returns the argument, and then the content of each file.
fn host(name: &str) -> Served {
    let service = Service::new("Host", ()).raw_method("Show", |(), arg, mut files, _| {
        let mut shown = vec![RawJson::new(arg)];
        for file in files.release_all() {
            let mut content = String::new();
            File::from(file).read_to_string(&mut content).map_err(|error| error.to_string())?;
            shown.push(RawJson::from_value(&content).map_err(|error| error.to_string())?);
        }
        let shown = urpc::json::to_vec(&shown).map_err(|error| error.to_string())?;
        Ok::<_, String>((RawJson::new(shown), Files::new()))
    });
    Served::new(name, service)
}

fn show(host: &Served, items: &[&str]) -> Ran {
    urpc(&[&["call", "-r", &host.path, "Host.Show"], items].concat())
}

#[test]
fn members_and_files_are_typed_without_quotes() {
    let (host, scratch) = (host("items"), Scratch::new("items-files"));
    let path = scratch.path("out.txt").display().to_string();
    fs::write(&path, "content").unwrap();
    let file = format!("log@{path}");
    let items = ["ContainerID=web", "n:=3", r#"argv:=["sh"]"#, &file];
    let shown = r#"[{"ContainerID":"web","n":3,"argv":["sh"]},"content"]"#;
    assert_eq!(show(&host, &items).success(), shown);
    // Files alone are an empty object with them. They stay in the order in which they are given.
    assert_eq!(show(&host, &[&file, "null@/dev/null"]).success(), r#"[{},"content",""]"#);
}

#[test]
fn texts_are_never_read_as_json_and_json_keeps_its_text() {
    let host = host("items-text");
    for (item, member) in [
        ("a=5", r#""a":"5""#),
        ("a=", r#""a":"""#),
        ("a=b=c", r#""a":"b=c""#),
        ("a=@name", r#""a":"@name""#),
        ("a=say \"hi\"\n", r#""a":"say \"hi\"\n""#),
        ("a b=ü", r#""a b":"ü""#),
        ("a:=1.50", r#""a":1.50"#),
        (r#"a:="A\u0041""#, r#""a":"A\u0041""#),
        ("a:=null", r#""a":null"#),
    ] {
        assert_eq!(show(&host, &[item]).success(), format!("[{{{member}}}]"), "{item}");
    }
}

#[test]
fn one_operand_that_is_json_stays_json() {
    let host = host("items-json");
    for arg in [r#"{"a":"b=c@d"}"#, r#""a=b""#, r#" ["a@b"]"#, "-5", "null"] {
        assert_eq!(show(&host, &[arg]).success(), format!("[{}]", arg.trim()), "{arg}");
    }
}

#[test]
fn the_value_that_is_not_json_is_named_with_its_place() {
    let host = host("items-invalid");
    let ran = show(&host, &["a=b", "argv:=[\"sh\",]"]);
    assert_eq!((ran.status, &*ran.out), (2, ""));
    assert_eq!(
        ran.err,
        "urpc call: argv:= is not JSON: line 1, column 7: expected a value\n  [\"sh\",]\n        ^\n"
    );
    let error = show(&host, &["a:="]).failure(2);
    assert_eq!(error, "urpc call: a:= is empty, which is not JSON\n");
}

#[test]
fn files_are_given_in_one_way() {
    let host = host("items-ways");
    for option in ["--file=/dev/null", "--pipe-in", "--pipe-out", "--pipe-err"] {
        let error = show(&host, &["a@/dev/null", option]).failure(2);
        assert!(error.contains("give files as NAME@FILE or with --file"), "{error}");
    }
    // Without a NAME@FILE, they go together.
    let shown = show(&host, &["a=b", "--file=/dev/null"]).success();
    assert_eq!(shown, r#"[{"a":"b"},""]"#);
}

#[test]
fn bytes_that_are_no_text_are_json_in_a_string_and_refused_in_a_text() {
    use std::os::unix::ffi::OsStrExt;
    let bytes = |text| std::ffi::OsStr::from_bytes(text);
    let call = |arg| urpc(&[bytes(b"call"), bytes(b"--offline"), bytes(b"a"), bytes(b"A.B"), arg]);
    let error = call(bytes(b"a=\xff")).failure(2);
    assert!(error.starts_with("urpc call: a= takes text in UTF-8, not '\\xff'"), "{error}");
    let mut sent = command(&[bytes(b"call"), bytes(b"--offline"), bytes(b"a"), bytes(b"A.B")]);
    let sent = sent.arg(bytes(b"\"\xff\"")).output().unwrap();
    assert_eq!(sent.stdout, b"{\"method\":\"A.B\",\"arg\":\"\xff\"}\n");
}
