//! Addresses: a path, an abstract name, or a descriptor that the parent process left open.

use std::ffi::OsStr;
use std::fmt::{self, Write as _};
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::error::Error;
use crate::sys::{self, SocketName};

/// The maximum length of a path in a socket address: `sockaddr_un` has 108 bytes, the last for a
/// NUL (unix(7)).
const LONGEST_PATH: usize = 107;

/// The address of a Unix socket.
///
/// `From` converts a string or a path to a path, whatever the text looks like. [`FromStr`] parses
/// the text forms of the command line: a path, `@NAME` for an abstract name with the escapes `\0`,
/// `\\` and `\xNN`, or `fd:N`. [`Display`](fmt::Display) writes these forms.
///
/// ```
/// use urpc::Address;
///
/// let sandbox: Address = r"@runsc-sandbox.c1\0".parse()?;
/// assert_eq!(sandbox, Address::Abstract(b"runsc-sandbox.c1\0".to_vec()));
/// assert_eq!(sandbox.to_string(), r"@runsc-sandbox.c1\0");
/// assert_eq!(Address::from("@odd"), Address::Path("@odd".into()));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Address {
    /// A socket in the file system, of any length.
    Path(PathBuf),
    /// A name in the abstract namespace: any bytes, without the leading NUL of the socket address.
    /// A trailing NUL is part of the name. Abstract names have no permissions: every process in the
    /// network namespace may connect. So the server should check its peers' credentials.
    Abstract(Vec<u8>),
    /// A descriptor inherited from the parent process: a connected socket for a client, a listening
    /// one for a server. It can be taken once: see
    /// [`process::inherited`](crate::process::inherited). The number itself stays open until this
    /// process ends. So closing does not end such a connection; a shutdown does.
    Inherited(RawFd),
}

impl Address {
    /// The abstract name `name`.
    pub fn abstract_name(name: impl Into<Vec<u8>>) -> Address {
        Address::Abstract(name.into())
    }

    /// Whether it is the path of something that is not a socket, so that no server can be there.
    pub(super) fn is_no_socket(&self) -> bool {
        let Address::Path(path) = self else { return false };
        path.metadata().is_ok_and(|found| !found.file_type().is_socket())
    }

    /// Adds to `error` what was being done, the address, and what is there if that explains it. All
    /// is on one line. The error keeps its number: see [`Error::raw_os_error`].
    pub(super) fn add_context(&self, what: &str, error: io::Error) -> io::Error {
        let mut text = format!("{what} ");
        for character in self.to_string().chars() {
            match character.is_control() {
                true => text.extend(character.escape_default()),
                false => text.push(character),
            }
        }
        let found = if let Address::Path(path) = self { what_is_at(path) } else { "" };
        Error::from(error).while_doing(text, found).into()
    }
}

/// Says what is at `path` if it is not a socket. The kernel reports only that the connection was
/// refused or that there is no such file.
fn what_is_at(path: &Path) -> &'static str {
    match path.metadata().map(|found| found.file_type()) {
        Ok(kind) if kind.is_socket() => "",
        Ok(kind) if kind.is_dir() => "it is a directory, not a Unix socket",
        Ok(kind) if kind.is_file() => "it is a regular file, not a Unix socket",
        Ok(_) => "it is not a Unix socket",
        Err(error)
            if error.kind() == io::ErrorKind::NotFound && looks_like_network_address(path) =>
        {
            "an address is the path of a Unix socket"
        }
        Err(_) => "",
    }
}

/// Whether `path` looks like a URL or like `host:port`.
fn looks_like_network_address(path: &Path) -> bool {
    let text = path.to_string_lossy();
    let port = text.rsplit_once(':').map_or("", |(_, port)| port);
    let has_port = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    text.contains("://") || text.starts_with("unix:") || (has_port && !text.contains('/'))
}

impl<P: AsRef<Path>> From<P> for Address {
    fn from(path: P) -> Address {
        Address::Path(path.as_ref().to_owned())
    }
}

impl From<&Address> for Address {
    fn from(address: &Address) -> Address {
        address.clone()
    }
}

impl FromStr for Address {
    /// Of kind `InvalidInput`. Its text says what is wrong and where.
    type Err = io::Error;

    fn from_str(text: &str) -> io::Result<Address> {
        if let Some(name) = text.strip_prefix('@') {
            return unescape(name).map(Address::Abstract);
        }
        if let Some(number) = text.strip_prefix("fd:") {
            return match number.parse::<RawFd>() {
                Ok(number) if number >= 0 => Ok(Address::Inherited(number)),
                _ => Err(invalid("fd: needs a descriptor number")),
            };
        }
        check_path(text.as_bytes())?;
        Ok(Address::Path(text.into()))
    }
}

fn unescape(name: &str) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(name.len());
    let mut rest = name.as_bytes();
    while let [first, after @ ..] = rest {
        let at = name.len() - rest.len() + 2;
        let byte;
        (byte, rest) = match first {
            b'\\' => escaped(after).ok_or_else(|| {
                invalid(format!("bad escape at byte {at}: write \\0, \\\\ or \\xNN"))
            })?,
            byte => (*byte, after),
        };
        bytes.push(byte);
    }
    Ok(bytes)
}

/// The byte of an escape, and the text after the escape. `text` begins after the backslash.
fn escaped(text: &[u8]) -> Option<(u8, &[u8])> {
    let hex = |digit: &u8| char::from(*digit).to_digit(16);
    match text {
        [b'0', rest @ ..] => Some((0, rest)),
        [b'\\', rest @ ..] => Some((b'\\', rest)),
        [b'x', high, low, rest @ ..] => Some(((hex(high)? << 4 | hex(low)?) as u8, rest)),
        _ => None,
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Path(path) => write!(f, "{}", path.display()),
            Address::Inherited(number) => write!(f, "fd:{number}"),
            Address::Abstract(name) => {
                f.write_char('@')?;
                name.iter().try_for_each(|byte| match byte {
                    0 => f.write_str("\\0"),
                    b'\\' => f.write_str("\\\\"),
                    b' '..=b'~' => f.write_char(char::from(*byte)),
                    _ => write!(f, "\\x{byte:02x}"),
                })
            }
        }
    }
}

/// Calls `act` with `path`. If the path is too long for a socket address, calls it with a path
/// through `/proc/self/fd`, and holds the directory open meanwhile.
pub(super) fn with_short_path<T>(
    path: &Path,
    act: impl FnOnce(&Path) -> io::Result<T>,
) -> io::Result<T> {
    if path.as_os_str().len() <= LONGEST_PATH {
        return act(path);
    }
    let (directory, name) = split(path)?;
    let directory = sys::open_path(directory, 0)?;
    let mut short = PathBuf::from(format!("/proc/self/fd/{}", directory.as_raw_fd()));
    short.push(name);
    if short.as_os_str().len() > LONGEST_PATH {
        return Err(invalid("the last part of the path is too long for a socket"));
    }
    act(&short)
}

fn check_path(path: &[u8]) -> io::Result<()> {
    match path {
        // It would be an abstract name.
        [] => Err(invalid("a path must not be empty")),
        _ if path.contains(&0) => Err(invalid("a path must not contain a NUL")),
        _ => Ok(()),
    }
}

/// `path` as a socket address.
pub(super) fn path_name(path: &Path) -> io::Result<SocketName> {
    let bytes = path.as_os_str().as_bytes();
    check_path(bytes)?;
    let name = SocketName::new(&[bytes, b"\0"].concat());
    name.ok_or_else(|| invalid("the path is too long for a socket"))
}

/// An abstract name as a socket address.
pub(super) fn abstract_name(name: &[u8]) -> io::Result<SocketName> {
    let name = SocketName::new(&[b"\0", name].concat());
    name.ok_or_else(|| invalid("an abstract name must not be longer than 107 bytes"))
}

/// The directory of `path`, and the name in it.
pub(super) fn split(path: &Path) -> io::Result<(&Path, &OsStr)> {
    let name = path.file_name().filter(|_| !path.as_os_str().as_bytes().ends_with(b"/"));
    let name = name.ok_or_else(|| invalid("the path does not end in a file name"))?;
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => Ok((parent, name)),
        _ => Ok((Path::new("."), name)),
    }
}

pub(super) fn invalid(what: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, what.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_forms_read_back_as_they_were_written() {
        for text in ["/run/a.sock", "relative", "fd:3", r"@name", r"@\0a\\\x7f\xff b\0", "@"] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn bad_texts_are_refused_with_the_place() {
        for text in ["", "a\0b", "fd:", "fd:-1", "fd:x", "fd:99999999999", r"@\", r"@\x1", r"@\n"] {
            assert!(text.parse::<Address>().is_err(), "{text:?}");
        }
        let error = r"@abc\q".parse::<Address>().unwrap_err().to_string();
        assert!(error.contains("byte 5"), "{error}");
    }

    #[test]
    fn a_long_path_is_shortened_if_its_last_part_leaves_room_for_it() {
        let act = |length: usize| {
            // `/proc/self/fd/` and a number take at least 16 bytes with the slash.
            let path = format!("/{}{}", "./".repeat(100), "x".repeat(length));
            with_short_path(Path::new(&path), |short| Ok(short.as_os_str().len()))
        };
        for length in 50..LONGEST_PATH {
            match act(length) {
                Ok(short) => assert!(short <= LONGEST_PATH),
                // No number has more than seven digits.
                Err(error) => assert!(length > LONGEST_PATH - 22, "{error}"),
            }
        }
        assert!(act(LONGEST_PATH - 15).is_err());
        // Other tests open files meanwhile, so the number may have more digits the second time.
        let fits_exactly = || {
            let taken = act(50).unwrap() - 50;
            act(LONGEST_PATH - taken).is_ok_and(|short| short == LONGEST_PATH)
        };
        assert!((0..1000).any(|_| fits_exactly()));
    }

    #[test]
    fn a_path_splits_into_its_directory_and_name() {
        assert_eq!(split(Path::new("/a/b")).unwrap(), (Path::new("/a"), OsStr::new("b")));
        assert_eq!(split(Path::new("b")).unwrap(), (Path::new("."), OsStr::new("b")));
        for path in ["/", "a/", "..", ""] {
            assert!(split(Path::new(path)).is_err(), "{path:?}");
        }
    }
}
