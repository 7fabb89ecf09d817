//! Colour, for a terminal only.

use crate::args::Parsed;
use crate::outcome::Failure;
use crate::relay::Direction;

pub const KEY: &str = "\x1b[1;34m";
pub const END: &str = "\x1b[0m";

/// Whether to colour: as `--color` says. By default, on a terminal that knows colours if `NO_COLOR`
/// is not set (no-color.org).
pub fn is_wanted(parsed: &Parsed, is_terminal: bool) -> Result<bool, Failure> {
    let variable = |name: &str| std::env::var_os(name).unwrap_or_default();
    let when = parsed.value("color").unwrap_or("auto".as_ref());
    match when.to_str() {
        Some("always") => Ok(true),
        Some("never") => Ok(false),
        Some("auto") => {
            let is_refused = !variable("NO_COLOR").is_empty() || variable("TERM") == "dumb";
            Ok(is_terminal && !is_refused)
        }
        _ => Err(Failure::value("color", when, "auto, always or never")),
    }
}

/// A direction's arrow.
pub fn arrow(direction: Direction, is_coloured: bool) -> &'static str {
    match direction {
        _ if !is_coloured => direction.arrow(),
        Direction::Call => "\x1b[32m->\x1b[0m",
        Direction::Reply => "\x1b[36m<-\x1b[0m",
    }
}
