//! `urpc call --save`: limits, files that are not read from their offset, holes.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, MetadataExt};

use urpc::json::RawJson;
use urpc::{Files, Service, process};

use crate::run::{Ran, Served, names_in, urpc};
use crate::support::Scratch;

/// A server whose method returns `file`.
fn giving(name: &str, file: File) -> Served {
    let service = Service::new("Host", ()).raw_method("Give", move |(), _, _, _| {
        let copy = file.try_clone().map_err(|error| error.to_string())?;
        Ok::<_, String>((RawJson::new(*b"1"), Files::from(copy)))
    });
    Served::new(name, service)
}

/// Saves `file` with the `options`, as `0` in the directory.
fn save(name: &str, file: File, options: &[&str]) -> (Ran, Scratch) {
    let (host, scratch) = (giving(name, file), Scratch::new(&format!("{name}-out")));
    let directory = scratch.path("").into_os_string().into_string().unwrap();
    let ran = urpc(&[&["call", &host.path, "Host.Give", "--save", &directory], options].concat());
    (ran, scratch)
}

fn temporary_file(scratch: &Scratch) -> File {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(true);
    options.open(scratch.path("file")).unwrap()
}

#[test]
fn a_file_that_was_written_to_its_end_is_stored_from_its_start() {
    let scratch = Scratch::new("save-offset");
    let mut file = temporary_file(&scratch);
    file.write_all(b"whole").unwrap();
    let (ran, saved) = save("save-offset", file.try_clone().unwrap(), &[]);
    assert!(ran.status == 0 && ran.err.contains("file 0: 5 bytes in "), "{}", ran.err);
    assert_eq!(fs::read(saved.path("0")).unwrap(), b"whole");
    // The sender's offset is as it was.
    assert_eq!(file.stream_position().unwrap(), 5);
}

#[test]
fn holes_stay_holes() {
    const SIZE: u64 = 256 << 20;
    let scratch = Scratch::new("save-holes");
    let file = temporary_file(&scratch);
    file.write_all_at(b"x", SIZE / 2).unwrap();
    file.set_len(SIZE).unwrap();
    let (ran, saved) = save("save-holes", file, &[]);
    assert_eq!((ran.status, &*ran.out), (0, "1\n"), "{}", ran.err);
    let stored = File::open(saved.path("0")).unwrap();
    let metadata = stored.metadata().unwrap();
    assert_eq!(metadata.len(), SIZE);
    assert!(metadata.blocks() * 512 < SIZE / 16, "{} blocks", metadata.blocks());
    let mut byte = [0];
    stored.read_exact_at(&mut byte, SIZE / 2).unwrap();
    assert_eq!(&byte, b"x");
}

#[test]
fn a_file_above_the_limit_is_named_with_the_option_and_nothing_is_left() {
    let scratch = Scratch::new("save-limit");
    let mut file = temporary_file(&scratch);
    file.write_all(&[b'x'; 5000]).unwrap();
    let (from, mut to) = process::pipe().unwrap();
    to.write_all(&[b'x'; 5000]).unwrap();
    let zeros = File::open("/dev/zero").unwrap();
    for (file, bytes) in [(file, "5000"), (from, "5000"), (zeros, "8192")] {
        let (ran, saved) = save("save-limit", file.try_clone().unwrap(), &["--max-save", "4K"]);
        assert_eq!((ran.status, &*ran.out), (2, "1\n"), "{}", ran.err);
        assert!(ran.err.contains(": more than 4096 bytes (raise --max-save)"), "{}", ran.err);
        assert!(names_in(&saved.path("")).is_empty());
        if bytes == "5000" && file.metadata().unwrap().is_file() {
            let (ran, saved) = save("save-limit", file, &["--max-save", bytes]);
            assert_eq!(ran.status, 0, "{}", ran.err);
            assert_eq!(fs::metadata(saved.path("0")).unwrap().len(), 5000);
        }
    }
}

#[test]
fn the_limit_is_one_gib_if_nothing_else_is_said() {
    let scratch = Scratch::new("save-default");
    let file = temporary_file(&scratch);
    file.set_len((1 << 30) + 1).unwrap();
    let (ran, _saved) = save("save-default", file, &[]);
    assert!(ran.err.contains(": more than 1073741824 bytes (raise --max-save)"), "{}", ran.err);
}

#[test]
fn a_pipe_is_stored_up_to_its_end_also_if_its_sender_made_it_non_blocking() {
    let (mut theirs, ours) = std::os::unix::net::UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    let writer = std::thread::spawn(move || {
        for _ in 0..100 {
            theirs.write_all(&[b'x'; 3000]).unwrap();
        }
    });
    let file = File::from(std::os::fd::OwnedFd::from(ours));
    let (ran, saved) = save("save-stream", file, &[]);
    writer.join().unwrap();
    assert_eq!(ran.status, 0, "{}", ran.err);
    let mut stored = File::open(saved.path("0")).unwrap();
    let mut content = Vec::new();
    stored.seek(SeekFrom::Start(0)).and_then(|_| stored.read_to_end(&mut content)).unwrap();
    assert!(content.len() == 300_000 && content.iter().all(|byte| *byte == b'x'));
}
