//! A short description of a received file: type, mode, access and size.

use std::fs::{self, File, FileType};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};

urpc::record! {
    /// One file, as `trace --json` prints it.
    #[derive(Debug, Default, Clone, PartialEq)]
    pub struct Description {
        pub kind: String => "type",
        /// Permission bits in octal.
        pub mode: String,
        pub access: String,
        pub size: u64,
    }
}

impl Description {
    pub fn of(file: BorrowedFd<'_>) -> Description {
        let access = access(file).unwrap_or("unknown access").to_owned();
        let Ok(metadata) = file.try_clone_to_owned().and_then(|file| File::from(file).metadata())
        else {
            return Description { kind: "unknown".to_owned(), access, ..Description::default() };
        };
        let kind = kind(metadata.file_type()).to_owned();
        let mode = format!("{:04o}", metadata.mode() & 0o7777);
        Description { kind, mode, access, size: metadata.len() }
    }

    /// `regular file, mode 0644, read-only, 12 bytes`
    pub fn line(&self) -> String {
        let size = match &*self.kind {
            "regular file" => format!(", {} bytes", self.size),
            _ => String::new(),
        };
        format!("{}, mode {}, {}{size}", self.kind, self.mode, self.access)
    }
}

fn kind(kind: FileType) -> &'static str {
    match kind {
        _ if kind.is_file() => "regular file",
        _ if kind.is_dir() => "directory",
        _ if kind.is_fifo() => "pipe",
        _ if kind.is_socket() => "socket",
        _ if kind.is_char_device() => "character device",
        _ if kind.is_block_device() => "block device",
        // A timer, an event counter and their like have no type.
        _ => "anonymous file",
    }
}

/// From the `flags:` line of proc_pid_fdinfo(5), an octal number with the flags of open(2).
fn access(file: BorrowedFd<'_>) -> Option<&'static str> {
    const O_PATH: u32 = 0o10000000;
    let info = fs::read_to_string(format!("/proc/self/fdinfo/{}", file.as_raw_fd())).ok()?;
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:"))?;
    let flags = u32::from_str_radix(flags.trim(), 8).ok()?;
    Some(match flags & 3 {
        _ if flags & O_PATH != 0 => "path only",
        0 => "read-only",
        1 => "write-only",
        _ => "read-write",
    })
}
