//! The values of options: times, sizes, modes, files, methods.
//!
//! It has no side effects. Each error says what was expected.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

/// `5`, `1.5s`, `200ms` or `2m`; above zero, at most a year. What is below a nanosecond is left
/// out. std's parser of floating-point numbers would make the program 14 KiB larger.
pub fn duration(text: &OsStr) -> Result<Duration, String> {
    const LONGEST: Duration = Duration::from_secs(366 * 86400);
    let parse = || {
        let text = text.to_str()?;
        let (number, unit) = match text {
            _ if text.ends_with("ms") => (text.strip_suffix("ms")?, 1_000_000),
            _ if text.ends_with('s') => (text.strip_suffix('s')?, 1_000_000_000),
            _ if text.ends_with('m') => (text.strip_suffix('m')?, 60_000_000_000),
            _ => (text, 1_000_000_000),
        };
        let time = Duration::from_nanos(decimal(number, unit)?);
        Some(time).filter(|time| !time.is_zero() && *time <= LONGEST)
    };
    parse().ok_or_else(|| "a time such as 5, 1.5s, 200ms or 2m".to_owned())
}

/// A number, possibly with a fraction, in so many parts of one.
fn decimal(number: &str, mut unit: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let mut parts = match digits(whole)? {
        "" => 0,
        whole => whole.parse::<u64>().ok()?.checked_mul(unit)?,
    };
    for digit in digits(fraction)?.bytes() {
        unit /= 10;
        parts = parts.checked_add(u64::from(digit - b'0') * unit)?;
    }
    Some(parts)
}

/// `4096`, `64K`, `16M` or `1G`.
pub fn size(text: &OsStr) -> Result<usize, String> {
    let parse = || {
        let text = text.to_str()?;
        let (number, shift) = match text.as_bytes() {
            [number @ .., b'K' | b'k'] => (number, 10),
            [number @ .., b'M' | b'm'] => (number, 20),
            [number @ .., b'G' | b'g'] => (number, 30),
            number => (number, 0),
        };
        let number: usize = digits(std::str::from_utf8(number).ok()?)?.parse().ok()?;
        number.checked_mul(1 << shift)
    };
    parse().ok_or_else(|| "a size such as 4096, 64K or 16M".to_owned())
}

/// An integer from `least` to `most`.
pub fn number(text: &OsStr, least: u32, most: u32) -> Result<u32, String> {
    let number = text.to_str().and_then(digits).and_then(|text| text.parse().ok());
    let number = number.filter(|number| (least..=most).contains(number));
    number.ok_or_else(|| match most {
        u32::MAX => format!("a whole number from {least} up"),
        _ => format!("a whole number from {least} to {most}"),
    })
}

/// A number of calls a second, such as `1000` or `0.5`: how many in 1000 seconds.
pub fn rate(text: &OsStr) -> Result<u64, String> {
    let rate = text.to_str().and_then(|text| decimal(text, 1000));
    let rate = rate.filter(|rate| (1..=1_000_000_000_000).contains(rate));
    rate.ok_or_else(|| "a number of calls a second, such as 1000 or 0.5".to_owned())
}

/// Permission bits in octal: `600`, `0660`.
pub fn mode(text: &OsStr) -> Result<u32, String> {
    let mode = text.to_str().and_then(digits).and_then(|text| u32::from_str_radix(text, 8).ok());
    mode.filter(|mode| *mode <= 0o777).ok_or_else(|| "permission bits such as 0660".to_owned())
}

/// std accepts a plus sign in numbers. Options do not.
fn digits(text: &str) -> Option<&str> {
    Some(text).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))
}

/// A file to send.
#[derive(Debug, PartialEq, Eq)]
pub enum FileToSend {
    Inherited(i32),
    Read(OsString),
    Write(OsString),
}

/// `PATH`, `PATH:w` or `fd:N`. A path of one of these forms needs a `./` before it or a `:r` after
/// it.
pub fn file_to_send(text: &OsStr) -> Result<FileToSend, String> {
    let owned = |bytes: &[u8]| OsStr::from_bytes(bytes).to_owned();
    match text.as_bytes() {
        [b'f', b'd', b':', number @ ..] => {
            let number = number_of(number).ok_or("a descriptor number after fd:")?;
            Ok(FileToSend::Inherited(number))
        }
        b"" | b":r" | b":w" => Err("PATH, PATH:w or fd:N".to_owned()),
        [.., b':', b'r', b'w'] => Err("PATH, PATH:w or fd:N (only :w is known)".to_owned()),
        [path @ .., b':', b'w'] => Ok(FileToSend::Write(owned(path))),
        [path @ .., b':', b'r'] => Ok(FileToSend::Read(owned(path))),
        path => Ok(FileToSend::Read(owned(path))),
    }
}

fn number_of(digits_only: &[u8]) -> Option<i32> {
    digits(std::str::from_utf8(digits_only).ok()?)?.parse().ok()
}

/// A method that a command answers.
#[derive(Debug, PartialEq, Eq)]
pub struct MethodSpec {
    pub type_name: String,
    pub method: String,
    pub command: OsString,
}

/// `Type.Method=COMMAND`. As on the wire, the last dot before the `=` separates type and method.
pub fn method(text: &OsStr) -> Result<MethodSpec, String> {
    let parse = || {
        let at = text.as_bytes().iter().position(|byte| *byte == b'=')?;
        let (name, command) = (&text.as_bytes()[..at], &text.as_bytes()[at + 1..]);
        let (type_name, method) = std::str::from_utf8(name).ok()?.rsplit_once('.')?;
        let is_complete = !type_name.is_empty() && !method.is_empty() && !command.is_empty();
        is_complete.then(|| MethodSpec {
            type_name: type_name.to_owned(),
            method: method.to_owned(),
            command: OsStr::from_bytes(command).to_owned(),
        })
    };
    parse().ok_or_else(|| "Type.Method=COMMAND".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn os(text: &str) -> &OsStr {
        OsStr::new(text)
    }

    #[test]
    fn times_have_units_and_are_above_zero() {
        for (text, milliseconds) in [
            ("5", 5000),
            ("1.5s", 1500),
            ("200ms", 200),
            ("2m", 120_000),
            ("0.25", 250),
            (".5m", 30_000),
            ("1.", 1000),
            ("31622400", 31_622_400_000),
        ] {
            assert_eq!(duration(os(text)), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
        assert_eq!(duration(os("0.0000015ms")), Ok(Duration::from_nanos(1)));
        for text in [
            "",
            ".",
            "0",
            "0.0",
            "-1",
            "s",
            "1e3",
            "inf",
            "1h",
            "nan",
            "+1",
            "1 s",
            "99999999999m",
            "1.2.3",
            "31622401",
            "0.0000000001",
            "99999999999999999999",
        ] {
            assert!(duration(os(text)).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_have_units_and_do_not_overflow() {
        assert_eq!(size(os("64K")), Ok(65536));
        assert_eq!(size(os("0")), Ok(0));
        for text in ["", "K", "-1", "1T", "1.5K", "99999999999999999999", "18446744073709551615K"] {
            assert!(size(os(text)).is_err(), "{text}");
        }
    }

    #[test]
    fn a_rate_is_a_number_above_zero() {
        assert_eq!(rate(os("1000")), Ok(1_000_000));
        assert_eq!(rate(os("0.5")), Ok(500));
        for text in ["", ".", "0", "-1", "1e3", "inf", "nan", "+1", "9999999999"] {
            assert!(rate(os(text)).is_err(), "{text}");
        }
    }

    #[test]
    fn numbers_and_modes_keep_to_their_range() {
        assert_eq!(number(os("253"), 0, 253), Ok(253));
        assert_eq!(number(os("254"), 0, 253).unwrap_err(), "a whole number from 0 to 253");
        assert!(number(os("+1"), 0, 253).is_err());
        assert_eq!(mode(os("0660")), Ok(0o660));
        assert!(mode(os("1777")).is_err() && mode(os("8")).is_err() && mode(os("")).is_err());
    }

    #[test]
    fn a_file_is_a_path_to_read_or_write_or_a_number() {
        let path = |path: &str| OsString::from(path);
        assert_eq!(file_to_send(os("a:b")), Ok(FileToSend::Read(path("a:b"))));
        assert_eq!(file_to_send(os("a:w")), Ok(FileToSend::Write(path("a"))));
        assert_eq!(file_to_send(os("a:w:r")), Ok(FileToSend::Read(path("a:w"))));
        assert_eq!(file_to_send(os("fd:7")), Ok(FileToSend::Inherited(7)));
        assert_eq!(file_to_send(os("./fd:7")), Ok(FileToSend::Read(path("./fd:7"))));
        for text in ["", ":w", "fd:", "fd:x", "fd:-1", "fd:99999999999"] {
            assert!(file_to_send(os(text)).is_err(), "{text}");
        }
    }

    #[test]
    fn a_method_has_a_type_a_name_and_a_command() {
        let spec = method(os("a.Host.Echo=cat a=b")).unwrap();
        assert_eq!((&*spec.type_name, &*spec.method), ("a.Host", "Echo"));
        assert_eq!(spec.command, "cat a=b");
        for text in ["", "Echo=cat", "Host.Echo", "Host.=cat", ".Echo=cat", "Host.Echo="] {
            assert!(method(os(text)).is_err(), "{text}");
        }
    }
}
