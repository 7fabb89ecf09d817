//! A new directory that only this user may enter. Dropping it removes it with all its files.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

pub struct Scratch(PathBuf);

impl Scratch {
    /// Creates it in the directory for temporary files.
    pub fn new() -> io::Result<Scratch> {
        Scratch::below(&std::env::temp_dir()).map_err(|error| {
            let text = format!("{error} (TMPDIR may name another directory)");
            io::Error::new(error.kind(), text)
        })
    }

    pub fn below(parent: &Path) -> io::Result<Scratch> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        loop {
            let count = COUNT.fetch_add(1, Ordering::Relaxed);
            let name = format!("urpc-{}-{count}", std::process::id());
            let path = parent.join(name);
            match DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => return Ok(Scratch(path)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => {
                    let text = format!("cannot make {}: {error}", path.display());
                    return Err(io::Error::new(error.kind(), text));
                }
            }
        }
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Removes it before it is dropped.
    pub fn remove(&self) {
        // A process that was killed may still make a last file.
        let is_left = |_: &u32| {
            let removed = fs::remove_dir_all(&self.0);
            removed.is_err_and(|error| error.kind() == io::ErrorKind::DirectoryNotEmpty)
        };
        let pause = |_| thread::sleep(Duration::from_millis(10));
        (0..100).take_while(is_left).for_each(pause);
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        self.remove();
    }
}
