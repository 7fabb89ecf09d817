//! The service from which the vectors were recorded, on our side: `Peer`, with the same methods,
//! names and outcomes as the Go program in `tests/interop/go`.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;
use std::{fs, io, thread};

use urpc::json::{
    self, Aborted, Bytes, Decoder, Encoder, FromJson, Kind, Number, RawJson, ToJson, Value,
};
use urpc::{Files, Limits, Server, Service};

use crate::exchange::numbered_files;

/// The limit of the Go builds that recorded the vectors.
pub const MAX_FILES: usize = 128;

/// A server with the service and those limits.
pub fn server() -> Server {
    let server = Server::builder().limits(server_limits()).build();
    server.register(service());
    server
}

/// A server's limits as in those builds. They have no limits of time. With those of ours, a server
/// that should close a connection and waits instead would close it in the end as well.
pub fn server_limits() -> Limits {
    let (send_files, receive_files) = (MAX_FILES, MAX_FILES);
    Limits { send_files, receive_files, message_time: None, send_time: None, ..Limits::default() }
}

/// A client's limits as in those builds.
pub fn client_limits() -> Limits {
    Limits { send_files: MAX_FILES, receive_files: MAX_FILES, ..Limits::for_client() }
}

/// The service, for registering.
pub fn service() -> Service<Peer> {
    Service::new("Peer", Peer)
        .method("Echo", |_, arg: RawJson| ok(arg))
        .method("Func", Peer::func)
        .method("Err", |_, _: RawJson| Err::<(), _>("test error"))
        .method("ErrEmpty", |_, _: RawJson| Err::<(), _>(""))
        .method("ErrFiles", |_, _: Files| Err::<Files, _>("test error"))
        .method("CountFiles", |_, files: Files| ok(Count { count: files.len() }))
        .method("CatFiles", Peer::cat_files)
        .method("MakeFiles", |_, arg: MakeFiles| {
            numbered_files(at_least_zero(arg.count), &arg.content)
        })
        .method("TooManyFiles", |_, _: RawJson| numbered_files(MAX_FILES + 1, ""))
        .method("EmptyFiles", |_, _: RawJson| ok(Files::new()))
        .method("FdInfo", Peer::fd_info)
        .method("NaN", |_, _: RawJson| ok(NotANumber { f: f64::NAN }))
        .method("Panic", |_, _: RawJson| -> Result<(), &str> { panic!("Peer.Panic was called") })
        .method("Sleep", Peer::sleep)
        .method("Big", |_, arg: Big| ok(BigResult { data: "x".repeat(at_least_zero(arg.n)) }))
        .method("Types", |_, arg: Types| ok(arg))
}

/// The object of the methods. It has no state.
pub struct Peer;

impl Peer {
    fn func(&self, arg: FuncArg) -> Result<FuncResult, &'static str> {
        Ok(FuncResult { string_result: arg.string_arg, int_result: arg.int_arg })
    }

    fn cat_files(&self, mut files: Files) -> io::Result<Contents> {
        let contents: Vec<String> =
            files.release_all().into_iter().map(read_all).collect::<Result<_, _>>()?;
        Ok(Contents { contents: (!contents.is_empty()).then_some(contents) })
    }

    fn fd_info(&self, files: Files) -> io::Result<FdInfo> {
        if files.is_empty() {
            return Ok(FdInfo { is_nil: true, ..FdInfo::default() });
        }
        let flags = files.iter().map(open_flags).collect::<Result<Vec<u32>, _>>()?;
        let all_with = |flag: u32| flags.iter().map(|flags| flags & flag != 0).collect();
        Ok(FdInfo {
            cloexec: Some(all_with(0o2_000_000)),
            nonblock: Some(all_with(0o4_000)),
            is_nil: false,
        })
    }

    // This method must sleep: meanwhile clients give up, or stop the server.
    #[allow(clippy::unnecessary_wraps)]
    fn sleep(&self, arg: Sleep) -> Result<Empty, &'static str> {
        thread::park_timeout(Duration::from_millis(arg.ms.max(0).unsigned_abs()));
        Ok(Empty {})
    }
}

fn ok<T>(value: T) -> Result<T, &'static str> {
    Ok(value)
}

fn at_least_zero(count: i64) -> usize {
    usize::try_from(count).unwrap_or(0)
}

fn read_all(file: OwnedFd) -> io::Result<String> {
    io::read_to_string(fs::File::from(file))
}

/// The flags of an open file with close-on-exec, for which fcntl(2) would need two calls.
fn open_flags(file: impl AsFd) -> io::Result<u32> {
    use std::os::fd::AsRawFd;
    let info = fs::read_to_string(format!("/proc/self/fdinfo/{}", file.as_fd().as_raw_fd()))?;
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
    let flags = flags.and_then(|text| u32::from_str_radix(text.trim(), 8).ok());
    flags.ok_or_else(|| io::Error::other("fdinfo names no flags"))
}

urpc::record! {
    /// Nothing.
    #[derive(Debug, Default)]
    pub struct Empty {}

    /// What `Func` takes.
    #[derive(Debug, Default)]
    pub struct FuncArg {
        /// Any text.
        pub string_arg: String => "StringArg",
        /// Any number.
        pub int_arg: i64 => "IntArg",
    }

    /// What `Func` gives: what it took.
    #[derive(Debug, Default, PartialEq)]
    pub struct FuncResult {
        /// The text.
        pub string_result: String => "StringResult",
        /// The number.
        pub int_result: i64 => "IntResult",
    }

    /// What `CountFiles` gives.
    #[derive(Debug, Default, PartialEq)]
    pub struct Count {
        /// How many files came.
        pub count: usize => "Count",
    }

    /// What `CatFiles` gives.
    #[derive(Debug, Default, PartialEq)]
    pub struct Contents {
        /// What the files held, in their order.
        pub contents: Option<Vec<String>> => "Contents",
    }

    /// What `MakeFiles` takes.
    #[derive(Debug, Default)]
    pub struct MakeFiles {
        /// How many files to give.
        pub count: i64 => "Count",
        /// What each holds, before its index.
        pub content: String => "Content",
    }

    /// What `FdInfo` gives.
    #[derive(Debug, Default, PartialEq)]
    pub struct FdInfo {
        /// Which files are closed by an exec.
        pub cloexec: Option<Vec<bool>> => "Cloexec",
        /// Which files do not block.
        pub nonblock: Option<Vec<bool>> => "Nonblock",
        /// Whether no files came.
        pub is_nil: bool => "IsNil",
    }

    struct NotANumber {
        f: f64 => "F",
    }

    #[derive(Default)]
    struct Sleep {
        ms: i64 => "Ms",
    }

    #[derive(Default)]
    struct Big {
        n: i64 => "N",
    }

    #[derive(Default)]
    struct BigResult {
        data: String => "Data",
    }

    #[derive(Default)]
    struct Embedded {
        emb_int: i64 => "EmbInt",
        emb_str: String => "emb_str" omitempty,
    }

    #[derive(Default)]
    struct Inner {
        a: i64 => "A",
        bee: String,
    }

    /// A member of every type that the two sides must agree on.
    #[derive(Default)]
    pub struct Types {
        embedded: Embedded => embedded,
        i8: i8 => "I8",
        i16: i16 => "I16",
        i32: i32 => "I32",
        i64: i64 => "I64",
        i: i64 => "I",
        u8: u8 => "U8",
        u16: u16 => "U16",
        u32: u32 => "U32",
        u64: u64 => "U64",
        u: u64 => "U",
        f32: f32 => "F32",
        f64: f64 => "F64",
        bool: bool => "Bool",
        str: String => "Str",
        byt: Option<Bytes> => "Byt",
        arr: [i64; 3] => "Arr",
        sl: Option<Vec<i64>> => "Sl",
        ms: Option<BTreeMap<String, i64>> => "MS",
        mi: Option<BTreeMap<i64, String>> => "MI",
        ptr: Option<i64> => "Ptr",
        p_in: Option<Inner> => "PIn",
        r#in: Inner => "In",
        any: Floats => "Any",
        raw: RawJson => "Raw" omitempty,
        num: Number => "Num" omitempty,
        om_i: i64 => "om_i" omitempty,
        om_s: String => "OmS" omitempty,
        om_p: Option<Inner> => "OmP" omitempty,
        dash: i64 => "-",
        qi: i64 => "QI" quoted,
        q_b: bool => "q_b" quoted,
        qf: f64 => "QF" quoted,
        qs: String => "QS" quoted,
        dur: i64 => "Dur",
        time: Time => "Time",
    }
}

/// Any value with its numbers as floats, as Go decodes a member of type `any`.
#[derive(Default)]
struct Floats(Value);

impl FromJson for Floats {
    fn decode(&mut self, decoder: &mut Decoder<'_>) -> Result<(), Aborted> {
        let (mut value, text) = (Value::Null, decoder.raw_value()?);
        if json::decode_into(&mut value, text, &json::DecodeOptions::default()).is_err() {
            return decoder.mismatch("a value");
        }
        match with_floats(&mut value) {
            true => self.0 = value,
            false => return decoder.mismatch("numbers in the range of f64"),
        }
        Ok(())
    }
}

impl ToJson for Floats {
    fn encode(&self, encoder: &mut Encoder<'_>) -> Result<(), Aborted> {
        self.0.encode(encoder)
    }
}

/// Rounds every number in `value`. `false` if one is too large.
fn with_floats(value: &mut Value) -> bool {
    match value {
        Value::Number(number) => {
            let Ok(rounded) = number.parse::<f64>() else { return false };
            match json::to_string(&rounded).map(|text| text.parse()) {
                Ok(Ok(text)) => *number = text,
                _ => return false,
            }
            true
        }
        Value::Array(list) => list.iter_mut().all(with_floats),
        Value::Object(map) => map.values_mut().all(with_floats),
        _ => true,
    }
}

/// A time in the form of RFC 3339, which Go checks and writes in its own way.
struct Time(String);

impl Default for Time {
    fn default() -> Time {
        Time("0001-01-01T00:00:00Z".to_owned())
    }
}

impl FromJson for Time {
    fn decode(&mut self, decoder: &mut Decoder<'_>) -> Result<(), Aborted> {
        const EXPECTED: &str = "a time in the form of RFC 3339";
        match decoder.kind() {
            Kind::Null => Ok(()),
            Kind::String => match normal_time(decoder.text()) {
                Some(time) => {
                    self.0 = time;
                    Ok(())
                }
                None => decoder.mismatch(EXPECTED),
            },
            _ => decoder.mismatch(EXPECTED),
        }
    }
}

impl ToJson for Time {
    fn encode(&self, encoder: &mut Encoder<'_>) -> Result<(), Aborted> {
        encoder.string(&self.0);
        Ok(())
    }
}

/// The time as Go writes it, without trailing zeros in its fraction. `None` if it is not a time.
fn normal_time(text: &str) -> Option<String> {
    let (seconds, after) = text.split_at_checked(19)?;
    let form_fits = seconds.bytes().zip(b"0000-00-00T00:00:00").all(|(byte, form)| match form {
        b'0' => byte.is_ascii_digit(),
        _ => byte == *form,
    });
    if !form_fits || !is_on_the_calendar(seconds) {
        return None;
    }
    let zone_at = after.find(['Z', '+', '-'])?;
    let (fraction, zone) = after.split_at(zone_at);
    let digits = match fraction.strip_prefix('.') {
        Some(digits) if !digits.is_empty() => digits,
        None if fraction.is_empty() => "",
        _ => return None,
    };
    let zone_fits = zone == "Z" || (zone.len() == 6 && zone.as_bytes()[3] == b':');
    if !zone_fits || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let digits = digits.trim_end_matches('0');
    let point = if digits.is_empty() { "" } else { "." };
    Some(format!("{seconds}{point}{digits}{zone}"))
}

/// Whether this day and this second exist. The caller has checked the form.
fn is_on_the_calendar(seconds: &str) -> bool {
    let number = |from: usize, to: usize| seconds[from..to].parse::<u32>().unwrap_or(u32::MAX);
    let (year, month, day) = (number(0, 4), number(5, 7), number(8, 10));
    let is_leap_year = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        4 | 6 | 9 | 11 => 30,
        2 => 28 + u32::from(is_leap_year),
        1..=12 => 31,
        _ => 0,
    };
    (1..=days).contains(&day) && number(11, 13) < 24 && number(14, 16) < 60 && number(17, 19) < 60
}
