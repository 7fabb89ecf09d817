//! The lines of a trace, as text and as JSON.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use urpc::json::Number;

use crate::filelist::Description;
use crate::histogram::{duration, seconds};
use crate::pretty;
use crate::relay::{Direction, Message};
use crate::terminal::{self, Style};

/// The reply to a call: its method, and how long it took.
pub struct Answer<'a> {
    pub method: &'a str,
    pub time: Duration,
}

/// A connection was opened or closed.
pub fn event(as_json: bool, number: u64, event: &str, uid: i64) -> String {
    match as_json {
        true => format!(
            "{{\"time\":{},\"connection\":{number},\"event\":\"{event}\",\"uid\":{uid}}}\n",
            since_1970()
        ),
        false => format!("{} #{number} {event} (uid {uid})\n", time_of_day()),
    }
}

/// No reply came to a call.
pub fn unanswered(as_json: bool, number: u64, method: &str) -> String {
    if !as_json {
        return format!("{} #{number} no reply to {}\n", time_of_day(), terminal::visible(method));
    }
    let line = Unanswered {
        time: time(),
        connection: number,
        event: "unanswered".to_owned(),
        method: method.to_owned(),
    };
    // Text and numbers can always be encoded.
    let line = urpc::json::to_string(&line).unwrap_or_default();
    let mut shown = String::new();
    terminal::push(&mut shown, line.as_bytes(), Style::Json);
    shown + "\n"
}

/// A message as text, with at most `most` bytes of it. `arrow` is its direction.
pub fn as_text(
    number: u64,
    arrow: &str,
    message: &Message,
    answer: Option<&Answer<'_>>,
    most: usize,
) -> String {
    let broken = if message.complete { "" } else { " (incomplete message)" };
    let after = answer.map_or(String::new(), |answer| {
        let nanoseconds = u64::try_from(answer.time.as_nanos()).unwrap_or(u64::MAX);
        format!(" after {}", duration(nanoseconds))
    });
    let shown = &message.text[..message.text.len().min(most)];
    let mut text = format!(
        "{} #{number} {} {} bytes{after}{broken} {}\n",
        time_of_day(),
        arrow,
        message.size,
        pretty::one_line(shown, message.size),
    );
    for (index, file) in message.files.iter().enumerate() {
        text.push_str(&format!("{:20}file {index}: {}\n", "", file.line()));
    }
    if message.more_files > 0 {
        text.push_str(&format!("{:20}and {} files more\n", "", message.more_files));
    }
    text
}

urpc::record! {
    /// A line of `--json` for a call without a reply.
    #[derive(Debug, Default)]
    struct Unanswered {
        time: Number,
        connection: u64,
        event: String,
        method: String,
    }

    /// A line of `--json`, without the message itself.
    #[derive(Debug, Default)]
    struct Line {
        time: Number,
        connection: u64,
        event: String,
        direction: String,
        /// Of a reply: the call's method, and the seconds since the call.
        reply_to: Option<String> => omitempty,
        latency: Option<Number> => omitempty,
        size: u64,
        files: Vec<Description>,
        /// Files beyond those, of a message that cannot be a call or a reply.
        more_files: u64 => omitempty,
        /// The bytes of an incomplete message.
        text: String => omitempty,
    }
}

/// The message is last. It keeps its text except for white space, because it must be one line. The
/// library would write it as Go does, with its own escapes.
pub fn as_json(
    number: u64,
    direction: Direction,
    message: Message,
    answer: Option<&Answer<'_>>,
) -> String {
    let is_complete = message.complete && message.size == message.text.len() as u64;
    let (raw, text) = match is_complete {
        true => (pretty::one_line(&message.text, message.size), String::new()),
        false => ("null".to_owned(), String::from_utf8_lossy(&message.text).into_owned()),
    };
    let line = Line {
        time: time(),
        connection: number,
        event: "message".to_owned(),
        direction: direction.name().to_owned(),
        reply_to: answer.map(|answer| answer.method.to_owned()),
        latency: answer.map(|answer| seconds(answer.time)),
        size: message.size,
        files: message.files,
        more_files: message.more_files,
        text,
    };
    // Text and numbers can always be encoded.
    let line = urpc::json::to_string(&line).unwrap_or_default();
    let mut shown = String::new();
    terminal::push(&mut shown, line.strip_suffix('}').unwrap_or("{").as_bytes(), Style::Json);
    shown + &format!(",\"message\":{raw}}}\n")
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// The time since 1970, with microseconds.
fn since_1970() -> String {
    let now = now();
    format!("{}.{:06}", now.as_secs(), now.subsec_micros())
}

pub fn time() -> Number {
    since_1970().parse().unwrap_or_default()
}

/// `12:34:56.123456`, UTC.
fn time_of_day() -> String {
    let now = now();
    let second = now.as_secs() % 86_400;
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{hour:02}:{minute:02}:{second:02}.{:06}", now.subsec_micros())
}
