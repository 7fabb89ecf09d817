//! Colour, for a terminal only.

use std::io::IsTerminal;

use crate::args::Parsed;
use crate::outcome::Failure;

pub const KEY: &str = "\x1b[1;34m";
pub const END: &str = "\x1b[0m";

/// Whether to colour what goes to `stream`: as `--color` says. By default, if `stream` is a
/// terminal that knows colours and `NO_COLOR` is not set (no-color.org).
pub fn is_wanted(parsed: &Parsed, stream: &impl IsTerminal) -> Result<bool, Failure> {
    let variable = |name: &str| std::env::var_os(name).unwrap_or_default();
    let when = parsed.value("color").unwrap_or("auto".as_ref());
    match when.to_str() {
        Some("always") => Ok(true),
        Some("never") => Ok(false),
        Some("auto") => {
            let is_refused = !variable("NO_COLOR").is_empty() || variable("TERM") == "dumb";
            Ok(stream.is_terminal() && !is_refused)
        }
        _ => Err(Failure::value("color", when, "auto, always or never")),
    }
}
