//! `urpc call --save`: stores the files of the reply.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use urpc::Files;

use crate::args::quoted;
use crate::filelist::Description;
use crate::outcome::{Failure, Outcome, say};
use crate::streams;

/// The file that is being stored.
static UNFINISHED: Mutex<Option<PathBuf>> = Mutex::new(None);

fn unfinished() -> MutexGuard<'static, Option<PathBuf>> {
    UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Stores as many files as it can, because it may not be possible to repeat the call.
pub fn save(directory: &Path, files: &Files) -> Outcome {
    fs::create_dir_all(directory)
        .map_err(|error| Failure::local(quoted(directory.as_os_str()), error))?;
    let (count, mut stored) = (files.len(), 0);
    for index in 0..count {
        let Some(file) = files.get(index) else { continue };
        let path = directory.join(index.to_string());
        let what = Description::of(file).line();
        match store(file, &path) {
            Ok(size) => {
                stored += 1;
                say(&format!("file {index}: {size} bytes in {} ({what})", path.display()));
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

fn store(file: BorrowedFd<'_>, path: &Path) -> io::Result<u64> {
    let mut from = File::from(file.try_clone_to_owned()?);
    let mut to = begin(path)?;
    // An interrupted copy loses nothing: what it has read is in the new file.
    let copied = streams::when_readable(&mut from, |from| copy(from, &mut to))
        .and_then(|()| Ok(to.metadata()?.len()));
    let mut unfinished = unfinished();
    if copied.is_err() {
        // The file was created above. An incomplete one is removed.
        let _ = fs::remove_file(path);
    }
    *unfinished = None;
    copied
}

/// `io::copy` would use splice(2), which in gVisor (2022) takes a pipe that is empty for one that has
/// ended.
fn copy(from: &mut File, to: &mut File) -> io::Result<()> {
    let mut buffer = [0; 64 * 1024];
    loop {
        match from.read(&mut buffer)? {
            0 => return Ok(()),
            length => to.write_all(&buffer[..length])?,
        }
    }
}

fn begin(path: &Path) -> io::Result<File> {
    let mut unfinished = unfinished();
    let file = OpenOptions::new().write(true).create_new(true).open(path)?;
    *unfinished = Some(path.to_owned());
    Ok(file)
}
