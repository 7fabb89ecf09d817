//! `urpc call --save`: stores the files of the reply.
//!
//! A file is stored from its start to its end, wherever the sender's offset is, if it can be read so
//! (pread(2)). Otherwise, as a pipe, up to its end. Each has a limit, because a peer can send
//! `/dev/zero`. Zeros are not written: holes stay holes.

use std::fmt::Display;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::fd::BorrowedFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::{Mutex, MutexGuard, PoisonError};

use urpc::Files;

use crate::args::quoted;
use crate::clients;
use crate::filelist::Description;
use crate::outcome::{Failure, Outcome, say};
use crate::streams;

/// The file that is being stored.
static UNFINISHED: Mutex<Option<PathBuf>> = Mutex::new(None);

fn unfinished() -> MutexGuard<'static, Option<PathBuf>> {
    UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The most bytes of one file, by default.
pub const DEFAULT_MOST: u64 = 1 << 30;

/// Stores as many files as it can, because it may not be possible to repeat the call. Each has at
/// most `most` bytes. Calls `report` with a line for each that is stored.
pub fn save(directory: &Path, files: &Files, most: u64, report: &dyn Fn(&str)) -> Outcome {
    fs::create_dir_all(directory)
        .map_err(|error| Failure::local(quoted(directory.as_os_str()), error))?;
    let (count, mut stored) = (files.len(), 0);
    for index in 0..count {
        let Some(file) = files.get(index) else { continue };
        let path = directory.join(index.to_string());
        let what = Description::of(file).line();
        match store(file, &path, most) {
            Ok(size) => {
                stored += 1;
                report(&format!("file {index}: {size} bytes in {} ({what})", path.display()));
            }
            Err(error) => {
                say(&format!("file {index}: not in {}: {error} ({what})", path.display()))
            }
        }
    }
    match count - stored {
        0 => Ok(()),
        lost => Err(Failure::Local(format!("{lost} of {count} files could not be stored"))),
    }
}

/// Checks before the call that `directory` can be one, because a call cannot be undone.
pub fn check(directory: &Path) -> Outcome {
    let said = |what: &dyn Display| {
        let name = quoted(directory.as_os_str());
        Err(Failure::Local(format!("--save {name}: {what}; nothing was called")))
    };
    match fs::metadata(directory) {
        _ if directory.as_os_str().is_empty() => {
            Err(Failure::value("save", directory.as_os_str(), "a directory"))
        }
        Ok(found) if found.is_file() => said(&"it is a regular file, not a directory"),
        Ok(found) if !found.is_dir() => said(&"it is not a directory"),
        Err(error) if error.kind() != io::ErrorKind::NotFound => said(&error),
        _ => Ok(()),
    }
}

/// From now on SIGINT, SIGTERM and SIGHUP remove an incomplete file before they end this process. It
/// blocks them in all threads that are started later.
pub fn abandon_on_signals() -> Outcome {
    let signals = clients::stop_signals()?;
    clients::spawn(move || {
        if let Ok(number) = signals.wait() {
            abandon();
            process::exit(128 + number);
        }
    })
}

/// Removes an incomplete file. The thread that stores it does nothing more. Use it only at the end
/// of the process.
pub fn abandon() {
    let unfinished = unfinished();
    if let Some(path) = &*unfinished {
        let _ = fs::remove_file(path);
    }
    // The lock stays held, so that no other file is begun.
    std::mem::forget(unfinished);
}

fn store(file: BorrowedFd<'_>, path: &Path, most: u64) -> io::Result<u64> {
    let mut from = File::from(file.try_clone_to_owned()?);
    let copied = begin(path).and_then(|to| copy(&mut from, &to, most));
    let mut unfinished = unfinished();
    if copied.is_err() && unfinished.is_some() {
        // The file was created above. An incomplete one is removed.
        let _ = fs::remove_file(path);
    }
    *unfinished = None;
    copied
}

/// Reads and writes itself: `io::copy` would use splice(2), which in gVisor (2022) takes a pipe that
/// is empty for one that has ended.
fn copy(from: &mut File, to: &File, most: u64) -> io::Result<u64> {
    let too_large = || io::Error::other(format!("more than {most} bytes (raise --max-save)"));
    let mut buffer = [0; 64 * 1024];
    let (mut at, mut has_offsets) = (0, true);
    // Nothing is read of a file that says that it is too large.
    if from.metadata()?.len() > most {
        return Err(too_large());
    }
    loop {
        let read = streams::when_readable(from, |from| match has_offsets {
            true => from.read_at(&mut buffer, at),
            false => from.read(&mut buffer),
        });
        let length = match read {
            Err(error) if error.kind() == io::ErrorKind::NotSeekable && at == 0 && has_offsets => {
                has_offsets = false;
                continue;
            }
            read => read?,
        };
        let block = &buffer[..length];
        if length == 0 {
            to.set_len(at)?;
            return Ok(at);
        }
        if at + length as u64 > most {
            return Err(too_large());
        }
        if block.iter().any(|byte| *byte != 0) {
            to.write_all_at(block, at)?;
        }
        at += length as u64;
    }
}

fn begin(path: &Path) -> io::Result<File> {
    let mut unfinished = unfinished();
    let file = OpenOptions::new().write(true).create_new(true).open(path)?;
    *unfinished = Some(path.to_owned());
    Ok(file)
}
