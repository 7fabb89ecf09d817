//! The files that a command leaves to be sent back.
//!
//! A client may decide what a command leaves, as with `tar x`. So only regular files that the
//! command made are sent: no directory, from which every file of the system can be reached, and
//! nothing outside of the command's directory, to which a link may lead.

use std::cmp::Ordering;
use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use urpc::Files;
use urpc::socket::control::SCM_MAX_FD;

use crate::args::quoted;
use crate::log;

/// The files in `directory`, in the order of their names. With `any` also directories, and what
/// links there name.
pub fn open_all(directory: &Path, any: bool) -> Result<Files, String> {
    let failed = |error: io::Error| format!("cannot list the files to return: {error}");
    let mut paths: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(directory).map_err(failed)? {
        if paths.len() == SCM_MAX_FD {
            return Err(format!("more than {SCM_MAX_FD} files to return"));
        }
        let path = entry.map_err(failed)?.path();
        let at = paths.partition_point(|before| in_order(before, &path) == Ordering::Less);
        paths.insert(at, path);
    }
    let directory = fs::canonicalize(directory).map_err(failed)?;
    paths.iter().map(|path| open(path, (!any).then_some(&directory))).collect()
}

/// Numbers by their value, then the other names by their bytes.
fn in_order(one: &Path, other: &Path) -> Ordering {
    let key = |path: &Path| {
        let name = path.file_name().unwrap_or_default().as_encoded_bytes().to_vec();
        let is_number = name.iter().all(u8::is_ascii_digit);
        let zeros = name.iter().take_while(|digit| **digit == b'0' && is_number).count();
        let digits = if is_number { name.len() - zeros } else { 0 };
        (!is_number, digits, name[zeros..].to_vec(), zeros)
    };
    key(one).cmp(&key(other))
}

/// Opens a file. It must be below `directory`, if there is one.
fn open(path: &Path, directory: Option<&PathBuf>) -> Result<File, String> {
    let name = quoted(path.file_name().unwrap_or_default());
    let failed = |error: io::Error| format!("cannot return {name}: {error}");
    let kind = fs::metadata(path).map_err(failed)?.file_type();
    if kind.is_fifo() {
        // Opening a named pipe waits for its other end, and the command that may be that end has
        // ended.
        return Err(format!("cannot return {name}: it is a named pipe"));
    }
    let opened = match directory {
        None => File::open(path).map(Some),
        Some(_) if !kind.is_file() => Ok(None),
        Some(directory) => open_own(path, directory),
    };
    opened.map_err(failed)?.ok_or_else(|| {
        let refused =
            format!("cannot return {name}: it is not a regular file that the command made");
        log::say("serve", &format!("{refused} (--return-any sends it nevertheless)"));
        refused
    })
}

/// Opens a regular file in `directory`. `None` if it is elsewhere: by a link, or as another name of
/// a file there.
fn open_own(path: &Path, directory: &Path) -> io::Result<Option<File>> {
    // Opening a device can have effects, so look before.
    if !fs::canonicalize(path)?.starts_with(directory) {
        return Ok(None);
    }
    let file = File::open(path)?;
    // A process of the command may still run, and change the path. This is what was opened.
    let opened = fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd()))?;
    let metadata = file.metadata()?;
    let is_own = metadata.is_file() && metadata.nlink() == 1 && opened.starts_with(directory);
    Ok(is_own.then_some(file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_in_their_order_before_other_names() {
        let mut names = ["x", "10", "2", "00", "1", "1a", "0", "02", "99999999999999999999999"];
        names.sort_by(|one, other| in_order(Path::new(one), Path::new(other)));
        assert_eq!(names, ["0", "00", "1", "2", "02", "10", "99999999999999999999999", "1a", "x"]);
    }
}
