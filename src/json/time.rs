//! Points in time, as Go's `time.Time`.

use std::time::{Duration, SystemTime};

use super::scalars::decode_token;
use super::{Aborted, Decoder, Encoder, FromJson, Kind, ToJson};

/// A point in time: a string with date, time of day and up to nine digits of a second (RFC 3339),
/// as Go's `time.Time`. It is written in UTC, whichever offset it was read with. One that is then not
/// in the years 0 to 9999 is an error, as for Go's `UTC()`. `default()` is Go's zero, the first
/// second of the year 1.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use urpc::json::Time;
///
/// let time: Time = urpc::json::from_str(r#""1970-01-01T01:00:00.5+01:00""#)?;
/// assert_eq!(time.0, SystemTime::UNIX_EPOCH + Duration::from_millis(500));
/// assert_eq!(urpc::json::to_string(&time)?, r#""1970-01-01T00:00:00.5Z""#);
/// assert_eq!(urpc::json::to_string(&Time::default())?, r#""0001-01-01T00:00:00Z""#);
/// # Ok::<(), urpc::json::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub SystemTime);

impl Default for Time {
    fn default() -> Self {
        Time(at(days_before(1, 1) * DAY, 0).unwrap_or(SystemTime::UNIX_EPOCH))
    }
}

impl From<SystemTime> for Time {
    fn from(time: SystemTime) -> Self {
        Time(time)
    }
}

impl FromJson for Time {
    fn decode(&mut self, decoder: &mut Decoder<'_>) -> Result<(), Aborted> {
        let expected = || "a time such as \"2006-01-02T15:04:05Z\"".into();
        decode_token(&mut self.0, Kind::String, decoder, parse, expected)
    }
}

impl ToJson for Time {
    fn encode(&self, encoder: &mut Encoder<'_>) -> Result<(), Aborted> {
        match format(self.0) {
            Some(text) => text.encode(encoder),
            None => Err(encoder.fail("a time that is not in the years 0 to 9999")),
        }
    }
}

/// Seconds.
const DAY: i64 = 24 * 60 * 60;
const NANOSECONDS: i128 = 1_000_000_000;

/// That many seconds and nanoseconds after 1970 began.
fn at(seconds: i64, nanoseconds: u32) -> Option<SystemTime> {
    let part = Duration::new(0, nanoseconds);
    let whole = Duration::from_secs(seconds.unsigned_abs());
    let start = match seconds {
        0.. => SystemTime::UNIX_EPOCH.checked_add(whole),
        _ => SystemTime::UNIX_EPOCH.checked_sub(whole),
    };
    start?.checked_add(part)
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn month_days(year: i64, month: i64) -> i64 {
    match month {
        2 => 28 + i64::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// The days from 1970 until that month of a year from 0 to 10000 begins.
fn days_before(year: i64, month: i64) -> i64 {
    const UNTIL_1970: i64 = 719_528; // from the year 0 on
    // The year 0 is a leap year, and so are those before `year` that 4, not 100, but 400 divides.
    let leaps = (year + 3) / 4 - (year + 99) / 100 + (year + 399) / 400;
    let months: i64 = (1..month).map(|month| month_days(year, month)).sum();
    year * 365 + leaps + months - UNTIL_1970
}

/// Reads what Go does: an hour may have one digit, a comma may stand before the fraction, and
/// digits after the ninth are dropped. Go up to 1.19 also took offsets beyond a day and some that
/// are no numbers.
fn parse(text: &str) -> Option<SystemTime> {
    let mut rest = text.as_bytes();
    let year = number(&mut rest, 4)?;
    eat(&mut rest, b"-")?;
    let month = number(&mut rest, 2).filter(|month| (1..=12).contains(month))?;
    eat(&mut rest, b"-")?;
    let day = number(&mut rest, 2).filter(|day| (1..=month_days(year, month)).contains(day))?;
    eat(&mut rest, b"T")?;
    let hour = number(&mut rest, 2).or_else(|| number(&mut rest, 1)).filter(|&hour| hour < 24)?;
    eat(&mut rest, b":")?;
    let minute = number(&mut rest, 2).filter(|&minute| minute < 60)?;
    eat(&mut rest, b":")?;
    let second = number(&mut rest, 2).filter(|&second| second < 60)?;
    let mut nanoseconds = 0;
    if eat(&mut rest, b".,").is_some() {
        let mut unit = 100_000_000;
        nanoseconds = number(&mut rest, 1)? * unit;
        while let Some(digit) = number(&mut rest, 1) {
            unit /= 10;
            nanoseconds += digit * unit;
        }
    }
    let offset = match eat(&mut rest, b"Z+-")? {
        b'Z' => 0,
        sign => {
            let hours = number(&mut rest, 2).filter(|&hours| hours <= 24)?;
            eat(&mut rest, b":")?;
            let minutes = number(&mut rest, 2).filter(|&minutes| minutes <= 60)?;
            (hours * 60 + minutes) * if sign == b'-' { -60 } else { 60 }
        }
    };
    let days = days_before(year, month) + day - 1;
    let seconds = days * DAY + (hour * 60 + minute) * 60 + second - offset;
    if rest.is_empty() { at(seconds, nanoseconds as u32) } else { None }
}

/// Takes a number of so many digits.
fn number(rest: &mut &[u8], digits: usize) -> Option<i64> {
    let (number, behind) = rest.split_at_checked(digits)?;
    if !number.iter().all(u8::is_ascii_digit) {
        return None;
    }
    *rest = behind;
    Some(number.iter().fold(0, |value, digit| value * 10 + i64::from(digit - b'0')))
}

/// Takes a byte that is one of these.
fn eat(rest: &mut &[u8], one_of: &[u8]) -> Option<u8> {
    let (&first, behind) = rest.split_first().filter(|(first, _)| one_of.contains(first))?;
    *rest = behind;
    Some(first)
}

/// `None` if the year has not four digits.
fn format(time: SystemTime) -> Option<String> {
    // Before the subtraction: in the std of some Rust versions, that of the earliest time never ends.
    let begin_of = |year| at(days_before(year, 1) * DAY, 0);
    if !(begin_of(0)?..begin_of(10_000)?).contains(&time) {
        return None;
    }
    let since = match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(after) => after.as_nanos() as i128,
        Err(before) => -(before.duration().as_nanos() as i128),
    };
    let (seconds, nanoseconds) =
        (since.div_euclid(NANOSECONDS) as i64, since.rem_euclid(NANOSECONDS));
    let (days, second) = (seconds.div_euclid(DAY), seconds.rem_euclid(DAY));
    // The year by its average length, which is less than a year off.
    let guess = ((days - days_before(0, 1)) as f64 / 365.2425) as i64;
    let year = (guess - 1..=guess + 1).rev().find(|&year| days_before(year, 1) <= days)?;
    let month = (1..=12).rev().find(|&month| days_before(year, month) <= days)?;
    let day = days - days_before(year, month) + 1;
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let mut text = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
    if nanoseconds != 0 {
        text += format!(".{nanoseconds:09}").trim_end_matches('0');
    }
    Some(text + "Z")
}
