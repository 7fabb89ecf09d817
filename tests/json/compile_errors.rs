//! What the compiler says of wrong declarations: in words that say what to do.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::{env, fs};

use crate::available;

/// A declaration, and what must be said of it.
const WRONG: &[(&str, &[&str])] = &[
    ("struct A { list: Vec<u8> => quoted }", &["`quoted` means nothing to a member of type"]),
    (
        "struct A { map: std::collections::BTreeMap<String, u8> => embedded }",
        &["`embedded` means nothing to a member of type", "an embedded member is a record"],
    ),
    (
        "struct A { one: u8 => \"n\", two: u8 => \"n\" }",
        &["two members of `A` have the same name", "`one => n` `two => n`"],
    ),
    ("struct A { r#type: u8, kind: u8 => \"type\" }", &["two members of `A` have the same name"]),
    ("struct A { one: u8 => omitemtpy }", &["record! does not know the word `omitemtpy`"]),
    ("struct A => rename_all \"kebab-case\" { one: u8 }", &["`rename_all` takes \"camelCase\""]),
    (
        "struct A => rename_all \"camelCase\" { a_b: u8, other: u8 => \"aB\" }",
        &["two members of `A` have the same name"],
    ),
    ("struct A => camelCase { one: u8 }", &["`struct Name => rename_all \"camelCase\" { … }`"]),
    ("struct A<T> where T: Copy { one: T }", &["have lifetimes and types, `<'a, T: Bound"]),
    ("struct A<const N: usize> { one: [u8; N] }", &["Structs can have lifetimes and types"]),
    ("enum A<T> { One(T) }", &["Structs can have lifetimes and types", "but no constants"]),
    ("struct A<T> { one: std::collections::BTreeSet<T> }", &["the trait bound `T: Ord` is not"]),
    ("struct A<'a> { one: &'a str }", &["cannot be read from JSON", "a `Cow<str>` instead"]),
    (
        "struct A<'a> { one: B<'a> => embedded } struct B<'a> { two: std::borrow::Cow<'a, str> }",
        &["lifetime may not live long enough"],
    ),
    ("struct A<T> { one: T => embedded }", &["`embedded` means nothing to a member of type `T`"]),
    ("struct A<T> { one: T => quoted }", &["`quoted` means nothing to a member of type `T`"]),
    (
        "struct A<'a> { one: std::borrow::Cow<'a, str> => \"n\", n: u8 }",
        &["two members of `A` have the same name"],
    ),
    ("struct A(u8, u8);", &["structs of one unnamed field, `struct Name(Type);`"]),
    ("union A { one: u8 }", &["record! takes structs with named fields"]),
    ("enum A { One }", &["a variant has its text, `Variant => \"text\"`"]),
    ("struct A { one: std::net::IpAddr }", &["cannot be read from JSON", "urpc::json::Text"]),
    ("struct A { one: Other }", &["cannot be read from JSON", "cannot be written as JSON"]),
];

/// Declarations that must compile.
const RIGHT: &[&str] = &[
    "struct A<> { n: u8 } struct B<'a,> { n: std::borrow::Cow<'a, str> } struct C<T> { n: Vec<T> }",
    "struct A<'a, T: Copy + Ord, U: std::fmt::Debug> { n: std::borrow::Cow<'a, str>, t: T, u: U }",
    "struct A { b: B<u8> => embedded } #[derive(Default)] struct B<T> { n: T, more: Vec<B<T>> }",
    "struct A<T: urpc::json::MapKey + Ord>(std::collections::BTreeMap<T, u8>);",
];

fn rustc(directory: &Path, arguments: &[&str]) -> Output {
    let compiler = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let mut command = Command::new(compiler);
    command.args(["--edition", "2024", "--emit", "metadata", "--crate-type", "lib"]);
    command.arg("--out-dir").arg(directory).args(arguments).output().expect("rustc")
}

/// What the compiler says of that declaration; nothing if it takes it.
fn compile(directory: &Path, declaration: &str) -> String {
    let source = directory.join("declared.rs");
    let program = format!(
        "#![allow(dead_code)]\nextern crate urpc;\n#[derive(Default)]\nstruct Other;\n\
         urpc::record! {{\n    {declaration}\n}}\n"
    );
    fs::write(&source, program).unwrap();
    let library = format!("urpc={}", directory.join("liburpc.rmeta").display());
    let output = rustc(directory, &["--extern", &library, source.to_str().unwrap()]);
    let text = String::from_utf8(output.stderr).unwrap();
    if output.status.success() { String::new() } else { text }
}

/// Removes the directory at the end.
struct Directory(PathBuf);

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn wrong_declarations_are_refused_in_words() {
    if env::var_os("RUSTC").is_none() && !available::or_skip("rustc", available::program("rustc")) {
        return;
    }
    let name = format!("urpc-compile-errors-{}", std::process::id());
    let directory = Directory(env::temp_dir().join(name));
    fs::create_dir(&directory.0).unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs");
    let library = rustc(&directory.0, &["--crate-name", "urpc", root.to_str().unwrap()]);
    assert!(library.status.success(), "{}", String::from_utf8_lossy(&library.stderr));
    for declaration in RIGHT {
        assert_eq!(compile(&directory.0, declaration), "", "{declaration}");
    }
    for (declaration, expected) in WRONG {
        let said = compile(&directory.0, declaration);
        for words in *expected {
            assert!(said.contains(words), "{declaration}:\n{said}\nlacks: {words}");
        }
    }
}
