//! The size of the library and the command, and the time to build them.

use std::path::Path;
use std::process::Command;
use std::time::Instant;
use std::{env, fs};

use crate::report::Row;

/// Counts lines, about as CI does, whose goals these are. With `build` it also builds the command twice, which takes a minute.
pub fn measure(build: bool) {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let library = lines_below(&source) as f64;
    Row::new("lines of the library", library, "").at_most(11_400.0).emit();
    let sys = lines_below(&source.join("sys")) as f64;
    Row::new("lines of sys", sys, "").at_most(580.0).emit();
    if build {
        builds();
    }
}

/// The number of lines that are not blank, comment or test, without the command line's.
fn lines_below(directory: &Path) -> usize {
    let entries = fs::read_dir(directory).expect("the source is there").flatten();
    let lines = |path: &Path| match path.file_name().and_then(|name| name.to_str()) {
        Some("bin" | "tests" | "tests.rs") => 0,
        _ if path.is_dir() => lines_below(path),
        _ => lines_in(&fs::read_to_string(path).unwrap_or_default()),
    };
    entries.map(|entry| lines(&entry.path())).sum()
}

fn lines_in(text: &str) -> usize {
    if text.contains("\n#![cfg(test)]") {
        return 0;
    }
    let code = text.split("\n#[cfg(test)]").next().unwrap_or_default();
    let counts = |line: &&str| !line.trim().is_empty() && !line.trim().starts_with("//");
    code.lines().filter(counts).count()
}

fn builds() {
    let target = env::temp_dir().join("urpc-bench-build");
    let _ = fs::remove_dir_all(&target);
    let cargo = |arguments: &[&str], flags: &str| {
        let mut command = Command::new(env::var("CARGO").unwrap_or("cargo".to_owned()));
        command.args(["build", "--quiet", "--manifest-path"]);
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")).args(arguments);
        command.env("CARGO_TARGET_DIR", &target).env("RUSTFLAGS", flags);
        assert!(command.status().is_ok_and(|status| status.success()), "it builds");
    };
    let began = Instant::now();
    cargo(&["--release"], "");
    Row::new("cold release build", began.elapsed().as_secs_f64(), "s").at_most(10.0).emit();
    let triple = format!("{}-unknown-linux-gnu", env::consts::ARCH);
    let arguments = ["--profile", "min", "--bin", "urpc", "--target", &triple];
    cargo(&arguments, "-C target-feature=+crt-static");
    let size = fs::metadata(target.join(triple).join("min/urpc")).map_or(0, |file| file.len());
    Row::new("static command, size profile", size as f64 / 1024.0, "KiB")
        .at_most(600.0)
        .note("glibc, and std as shipped; `.ci/steps/size` builds a smaller one")
        .emit();
    let _ = fs::remove_dir_all(&target);
}
