//! Typed decoding of the same text into every kind of type.
//!
//! Properties:
//! - Whether a text is JSON, and where it is wrong, does not depend on the type.
//! - A decoded value is encoded and decoded to the same value again. If it cannot be encoded, the
//!   error names the part.
//! - Raw text does not change.
//! - Decoding the text once more into the decoded value succeeds and changes nothing.
//! - An array of nulls leaves the elements that are there.
//! - A memory budget makes no other value. It refuses a larger value, and is enough if it is many
//!   times the size of the text.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::ffi::OsString;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use urpc::Files;
use urpc::json::{self, Bytes, Error, FromJson, Number, RawJson, Text, Time, ToJson, Value};

use super::own_types;
use super::peer::{Tree, Types, WithFiles};

urpc::record! {
    /// Members that are left out when empty, and quoted ones.
    #[derive(Debug, Default)]
    struct Marked {
        a: i64 => "a" omitempty,
        b: Option<bool> => omitempty quoted,
        c: f32 => quoted,
        d: u8 => "straße" quoted,
        e: Vec<u8> => "K" omitempty,
        f: Option<Number> => quoted,
        g: String => "s" quoted omitempty,
        h: i8 => skip,
        r#type: Value => omitempty,
        inner: Box<Inner> => embedded,
        other: Inner => "other",
    }

    /// Embedded in a pointer, and every kind of member that can be empty.
    #[derive(Debug, Default)]
    struct Inner {
        flag: bool => omitempty,
        float: f64 => omitempty,
        bytes: Bytes => omitempty,
        list: [u8; 2] => omitempty,
        nothing: [u8; 0] => omitempty,
        map: BTreeMap<i8, Inner> => omitempty,
        table: HashMap<String, u8> => omitempty,
        boxed: Box<i64> => omitempty,
        quoted: Box<f64> => quoted omitempty,
        number: Number => quoted omitempty,
        floats: BTreeMap<String, Ratio> => omitempty,
        time: Duration => quoted,
        raw: Option<RawJson> => omitempty,
    }

    /// Embeds a record twice. That hides the record's members, but not the members of records in
    /// it.
    #[derive(Debug, Default)]
    struct Twice {
        one: One => embedded,
        other: Other => embedded,
    }

    #[derive(Debug, Default)]
    struct One {
        marked: Marked => embedded,
    }

    #[derive(Debug, Default)]
    struct Other {
        marked: Option<Box<Marked>> => embedded,
    }

    /// What std has and Go has not, and words with a meaning.
    #[derive(Debug, Default)]
    struct Extra {
        pair: (i8, String),
        shared: Rc<str>,
        boxed: Box<str>,
        counted: Arc<Vec<u8>> => omitempty,
        borrowed: Cow<'static, str> => omitempty,
        path: PathBuf => omitempty,
        name: OsString => omitempty,
        queue: VecDeque<u8>,
        set: BTreeSet<String> => omitempty,
        hashed: HashSet<bool>,
        wide: u128,
        negative: i128,
        time: Time => "time",
        address: Text<IpAddr> => omitempty,
        letter: Text<char>,
        mode: Mode,
        level: Level,
        usual: Mode => omitempty,
        lowest: Level => omitempty,
        other: Named => omitempty,
        held: Rc<Ratio>,
        held_by_threads: Box<Arc<Ratio>>,
        wait: Wait,
    }

    /// Records that others may hold too, embedded.
    #[derive(Debug, Default)]
    struct Held {
        wait: Rc<Wait> => embedded,
        ratio: Option<Arc<Ratio>> => embedded,
        wide: u128 => omitempty,
        own: Text<char> => omitempty,
    }

    /// A record of any type.
    #[derive(Debug, Default)]
    struct Around<T> {
        one: T,
        list: Vec<T> => omitempty,
    }

    /// A member that must come, in a record that may be left out.
    #[derive(Debug, Default)]
    struct Needed {
        must: u8 => required,
    }

    #[derive(Debug, Default)]
    struct Wait => rename_all "camelCase" {
        process_id: i32,
        needed: Option<Needed>,
    }

    /// A value that can be decoded and not encoded: infinity.
    #[derive(Debug, Default)]
    struct Ratio {
        ratio: f32 => quoted omitempty,
    }
}

urpc::record! {
    /// A text that is one of several.
    #[derive(Debug, Default)]
    enum Mode {
        #[default]
        Process => "process",
        All => "all",
    }
}

urpc::record! {
    /// A text that is one of several, or another.
    #[derive(Debug, Default)]
    enum Named {
        #[default]
        None => "",
        Other(String),
    }
}

urpc::record! {
    /// A number that is one of several.
    #[derive(Debug, Default)]
    enum Level {
        #[default]
        Low = 1,
        High = 2,
    }
}

pub fn run(text: &[u8]) {
    let raw = json::from_slice::<RawJson>(text);
    if let Ok(raw) = &raw {
        check_raw(text, raw);
    }
    let verdict = raw.map(drop);
    assert_eq!(json::to_vec(&RawJson::new(text)).is_ok(), text.is_empty() || verdict.is_ok());
    check_budget::<String>(text, String::len);
    check_budget::<Vec<Value>>(text, |list| size_of_val(&list[..]));
    check_types(text, &verdict);
    own_types::check(text);
    check_nulls::<Vec<i64>>(text);
    check_nulls::<Vec<String>>(text);
    check_nulls::<Vec<Number>>(text);
    check_nulls::<[u8; 3]>(text);
    check_nulls::<Vec<Box<bool>>>(text);
    check_nulls::<Vec<Tree>>(text);
    check_nulls::<Bytes>(text);
}

fn check_types(text: &[u8], verdict: &Result<(), Error>) {
    check::<bool>(text, verdict);
    check::<(i8, i16)>(text, verdict);
    check::<(i32, i64)>(text, verdict);
    check::<(u8, u16)>(text, verdict);
    check::<(u32, u64)>(text, verdict);
    check::<(isize, usize)>(text, verdict);
    check::<(f32, f64)>(text, verdict);
    check::<(String, Bytes)>(text, verdict);
    check::<(Number, Duration)>(text, verdict);
    check::<(Value, RawJson)>(text, verdict);
    check::<(Vec<i64>, Vec<Option<String>>)>(text, verdict);
    check::<([u8; 3], [Vec<bool>; 2])>(text, verdict);
    check::<(BTreeMap<String, f64>, BTreeMap<i16, Value>)>(text, verdict);
    check::<(HashMap<u64, Bytes>, HashMap<String, Marked>)>(text, verdict);
    check::<(Option<Box<f64>>, Option<Option<u8>>)>(text, verdict);
    check::<(Marked, Types)>(text, verdict);
    check::<(Tree, WithFiles)>(text, verdict);
    check::<(Vec<Tree>, Vec<Marked>)>(text, verdict);
    check::<((), Files)>(text, verdict);
    check::<(Inner, [Ratio; 2])>(text, verdict);
    check::<(Twice, Option<Bytes>)>(text, verdict);
    check::<(Extra, Vec<Extra>)>(text, verdict);
    check::<(Time, Text<SocketAddr>)>(text, verdict);
    check::<(Mode, Level)>(text, verdict);
    check::<(Named, BTreeMap<u8, Named>)>(text, verdict);
    check::<(u128, i128)>(text, verdict);
    check::<(Held, Around<Held>)>(text, verdict);
    check::<(Around<u8>, Around<Around<String>>)>(text, verdict);
    check::<(VecDeque<Option<u8>>, BTreeSet<i8>)>(text, verdict);
}

/// Types that are checked one after another.
trait Checked {
    fn check(text: &[u8], verdict: &Result<(), Error>);
}

impl<A: FromJson + ToJson + Default, B: FromJson + ToJson + Default> Checked for (A, B) {
    fn check(text: &[u8], verdict: &Result<(), Error>) {
        check_one::<A>(text, verdict);
        check_one::<B>(text, verdict);
    }
}

impl Checked for bool {
    fn check(text: &[u8], verdict: &Result<(), Error>) {
        check_one::<bool>(text, verdict);
    }
}

fn check<T: Checked>(text: &[u8], verdict: &Result<(), Error>) {
    T::check(text, verdict);
}

fn check_raw(text: &[u8], raw: &RawJson) {
    assert_eq!(raw.as_bytes(), text.trim_ascii(), "raw text stays");
    let compact = json::to_vec(raw).expect("a text that was read");
    let again: RawJson = json::from_slice(&compact).expect("what was written is read");
    assert_eq!(json::to_vec(&again).as_ref(), Ok(&compact), "compact text stays");
    let is_text = std::str::from_utf8(&compact).is_ok();
    assert_eq!(json::to_string(raw).ok().map(String::into_bytes), is_text.then_some(compact));
}

/// With a budget of so many bytes for each byte of a text, every type here can be decoded.
const ENOUGH: usize = 2048;

/// Decodes with a budget.
fn decode_within<T: FromJson + Default>(text: &[u8], decoded_bytes: usize) -> Result<T, Error> {
    let mut value = T::default();
    let options = json::DecodeOptions { decoded_bytes, ..json::DecodeOptions::default() };
    json::decode_into(&mut value, text, &options).map(|()| value)
}

/// Checks that a value with more memory than the budget is refused.
fn check_budget<T: FromJson + Default>(text: &[u8], owned: impl Fn(&T) -> usize) {
    let budget = text.len() / 2;
    let is_over = json::from_slice::<T>(text).is_ok_and(|value| owned(&value) > budget);
    assert!(!is_over || decode_within::<T>(text, budget).is_err(), "more than {budget} bytes");
}

/// Checks that with a budget a value is decoded to the same, or refused because of the budget.
fn check_budgets<T: FromJson + ToJson + Default>(text: &[u8], written: &[u8]) {
    let enough = decode_within::<T>(text, (text.len() + 1) * ENOUGH);
    assert_eq!(enough.and_then(|value| json::to_vec(&value)).as_deref(), Ok(written));
    match decode_within::<T>(text, text.len() * 8) {
        Ok(value) => assert_eq!(json::to_vec(&value).as_deref(), Ok(written)),
        Err(error) => assert!(error.to_string().contains("decoded_bytes"), "{error}"),
    }
}

fn check_one<T: FromJson + ToJson + Default>(text: &[u8], verdict: &Result<(), Error>) {
    let decoded = json::from_slice::<T>(text);
    let mut value = match (decoded, verdict) {
        (Ok(value), Ok(())) => value,
        (Err(Error::Type(type_error)), Ok(())) => {
            assert!((type_error.offset as usize) < text.len() && type_error.found.len() < 200);
            return;
        }
        (Err(error), verdict) => return assert_eq!(Err(error), *verdict),
        (Ok(_), Err(error)) => panic!("{error} went unseen"),
    };
    let written = match json::to_vec(&value) {
        Ok(written) => written,
        // An infinity in a quoted float.
        Err(Error::Unencodable { path, .. }) => return assert!(!path.is_empty()),
        Err(error) => panic!("{error}"),
    };
    check_budgets::<T>(text, &written);
    let again = json::from_slice::<T>(&written).expect("what was written is read");
    let rewritten = json::to_vec(&again).expect("what was read is written");
    assert_eq!(written.escape_ascii().to_string(), rewritten.escape_ascii().to_string());
    json::decode_into(&mut value, text, &json::DecodeOptions::default()).expect("into itself");
    let rewritten = json::to_vec(&value).expect("what was written once");
    assert_eq!(written.escape_ascii().to_string(), rewritten.escape_ascii().to_string());
}

/// For an array of values that `null` does not empty.
fn check_nulls<T: FromJson + ToJson + Default>(text: &[u8]) {
    let Ok(mut value) = json::from_slice::<T>(text) else { return };
    let Ok(Value::Array(elements)) = &json::from_slice(text) else { return };
    let written = json::to_vec(&value).expect("what was read is written");
    let nulls = format!("[{}]", vec!["null"; elements.len()].join(","));
    json::decode_into(&mut value, nulls.as_bytes(), &json::DecodeOptions::default())
        .expect("nulls");
    assert_eq!(json::to_vec(&value), Ok(written), "{nulls}");
}
