//! What Go was seen to do, line by line: in the copy beside this file, in the whole record where
//! `../shared/vectors` is there, and in the file that `URPC_VECTORS` names.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use urpc::json::{
    Bytes, DecodeOptions, Error, Number, RawJson, Token, Tokenizer, Value, decode_into, from_str,
    to_vec,
};

use crate::go_tree::{FloatKey2, Go, hex, text, unhex};
use crate::go_types::*;

/// Deep types of the vectors contain themselves: they are decoded and dropped on a stack of this
/// size.
const STACK: usize = 1 << 30;

#[test]
fn the_copy_is_answered_as_go_answers() {
    replay(include_str!("go_json.jsonl"));
}

#[test]
fn the_whole_record_is_answered_as_go_answers() {
    let recorded = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/vectors/go_json.jsonl");
    let named = std::env::var_os("URPC_VECTORS").map(Into::into);
    for path in [Some(recorded), named].into_iter().flatten() {
        match fs::read_to_string(&path) {
            Ok(lines) => replay(&lines),
            Err(error) => eprintln!("not replayed: {}: {error}", path.display()),
        }
    }
}

fn replay(lines: &str) {
    let lines: Vec<String> = lines.lines().map(str::to_owned).collect();
    let count = lines.len();
    let run = move || lines.iter().filter_map(|line| check_line(line)).collect::<Vec<_>>();
    let failures =
        std::thread::Builder::new().stack_size(STACK).spawn(run).unwrap().join().unwrap();
    let shown = failures.iter().take(50).map(String::as_str).collect::<Vec<_>>().join("\n");
    assert!(failures.is_empty(), "{} of {count} lines differ:\n{shown}", failures.len());
    eprintln!("{count} lines agree");
}

/// What differs, if the line is answered neither as it says nor as its `newest` does.
fn check_line(line: &str) -> Option<String> {
    let line: Value = from_str(line).unwrap_or_else(|error| panic!("{error}: {line:.100}"));
    let mut answers = vec![&line];
    if line["newest"] != Value::Null {
        answers.push(&line["newest"]);
    }
    let complaints: Vec<_> =
        answers.iter().filter_map(|answer| check(&line, answer).err()).collect();
    let id = text(&line["id"]).unwrap();
    let kind = text(&line["type"]).unwrap();
    (complaints.len() == answers.len()).then(|| format!("{id} {kind}: {}", complaints.join(" | ")))
}

fn check(line: &Value, answer: &Value) -> Result<(), String> {
    type Check = fn(&Value, &Value) -> Result<(), String>;
    macro_rules! types {
        ($($name:literal $type:ty),* $(,)?) => {
            match text(&line["type"]).unwrap() {
                $($name => check_as::<$type> as Check,)*
                other => return Err(format!("no type {other}")),
            }
        };
    }
    let check = types! {
        "bool" bool, "int8" i8, "int16" i16, "int32" i32, "int64" i64, "int" i64,
        "uint8" u8, "uint16" u16, "uint32" u32, "uint64" u64, "uint" u64,
        "float32" f32, "float64" f64, "string" String, "bytes" Option<Bytes>, "duration" Nanos,
        "number" Number, "raw" RawJson, "any" Value, "any-float" AnyFloat,
        "[]int" Option<Vec<i64>>, "[]bool" Option<Vec<bool>>, "[]string" Option<Vec<String>>,
        "[]any" Option<Vec<Value>>, "[]bytes" Option<Vec<Option<Bytes>>>, "[]*int" Option<Vec<Option<i64>>>,
        "[][]int" Option<Vec<Option<Vec<i64>>>>, "[]struct:Basic" Option<Vec<Basic>>,
        "[]struct:Inner" Option<Vec<Inner>>,
        "[0]int" [i64; 0], "[3]int" [i64; 3], "[3]uint8" [u8; 3], "[2]string" [String; 2],
        "*int" Option<i64>, "*bool" Option<bool>, "*string" Option<String>, "**int" Option<Option<i64>>,
        "*[]int" Option<Option<Vec<i64>>>, "*struct:Basic" Option<Basic>,
        "map[string]string" Option<BTreeMap<String, String>>, "map[string]int" Option<BTreeMap<String, i64>>,
        "map[string]any" Option<BTreeMap<String, Value>>, "map[string]raw" Option<BTreeMap<String, RawJson>>,
        "map[string]*int" Option<BTreeMap<String, Option<i64>>>,
        "map[string][]int" Option<BTreeMap<String, Option<Vec<i64>>>>,
        "map[string]struct:Inner" Option<BTreeMap<String, Inner>>,
        "map[int]string" Option<BTreeMap<i64, String>>, "map[int8]string" Option<BTreeMap<i8, String>>,
        "map[int64]int" Option<BTreeMap<i64, i64>>, "map[uint8]string" Option<BTreeMap<u8, String>>,
        "map[uint64]bool" Option<BTreeMap<u64, bool>>, "map[float64]string" FloatKey2,
        "struct:Empty" Empty, "struct:Basic" Basic, "struct:Untagged" Untagged, "struct:Fold" Fold,
        "struct:FoldPair" FoldPair, "struct:FoldUni" FoldUni, "struct:Opts" Opts, "struct:Quoted" Quoted,
        "struct:Dash" Dash, "struct:Nested" Nested, "struct:Embed" Embed, "struct:EmbedHidden" EmbedHidden,
        "struct:EmbedNamed" EmbedNamed, "struct:WithPayload" WithPayload, "struct:Call" Call,
        "struct:CallAny" CallAny, "struct:Result" GoResult, "struct:Result<int>" ResultInt,
        "struct:Result<string>" ResultString, "struct:Result<[]string>" ResultStrings,
        "struct:Result<struct:Basic>" ResultBasic, "struct:RawBox" RawBox, "struct:NumBox" NumBox,
        "struct:AnyBox" AnyBox, "struct:BytesBox" BytesBox, "struct:Exec" Exec, "struct:OddTags" OddTags,
        "struct:TreeNode" TreeNode, "struct:Defined" Defined,
    };
    check(line, answer)
}

fn check_as<T: Go>(line: &Value, answer: &Value) -> Result<(), String> {
    match (text(&line["kind"]).unwrap(), text(&line["cat"]).unwrap()) {
        ("encode", _) => check_encode::<T>(line, answer),
        ("stream", "sequence") => check_sequence::<T>(line, answer),
        ("stream", _) => check_stream::<T>(line, answer),
        _ => check_decode::<T>(line, answer),
    }
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, ours: T, gos: T) -> Result<(), String> {
    if ours == gos { Ok(()) } else { Err(format!("{what}: ours {ours:.200?}, Go's {gos:.200?}")) }
}

fn flag(value: &Value) -> bool {
    *value == from_str("true").unwrap()
}

fn count(value: &Value) -> usize {
    match value {
        Value::Number(number) => number.parse().unwrap(),
        _ => panic!("no number: {value}"),
    }
}

fn check_encode<T: Go>(line: &Value, answer: &Value) -> Result<(), String> {
    let out = T::from_tree(&line["value"]).and_then(|value| to_vec(&value).ok());
    same(
        "out",
        out.as_deref().map(hex).as_deref(),
        text(&answer["out"]).filter(|_| flag(&answer["ok"])),
    )
}

/// How a decode ended; `consumed` counts up to the value's last byte.
struct Outcome<T> {
    value: T,
    consumed: usize,
    class: &'static str,
}

/// One `Decode` of Go's streaming decoder: the tokenizer finds the value, then it is decoded.
fn decode_one<T: Go>(input: &[u8]) -> Outcome<T> {
    let mut value = T::default();
    let (consumed, class) = match first_value(input) {
        Err(class) => (0, class),
        Ok(end) => (end, class_of(decode_all(&mut value, &input[..end]))),
    };
    Outcome { value, consumed, class }
}

fn decode_all<T: Go>(value: &mut T, text: &[u8]) -> Result<(), Error> {
    decode_into(value, text, &DecodeOptions { typed_depth: usize::MAX, ..DecodeOptions::default() })
}

fn class_of(result: Result<(), Error>) -> &'static str {
    match result {
        Ok(()) => "",
        Err(Error::Fit(_)) => "value",
        Err(_) => "syntax",
    }
}

/// Where the first value ends, or the class of the error before that.
fn first_value(input: &[u8]) -> Result<usize, &'static str> {
    let mut tokenizer = Tokenizer::new();
    let mut rest = input;
    let mut begun = false;
    loop {
        let token = match tokenizer.next(&mut rest) {
            Err(_) => return Err("syntax"),
            Ok(Some(token)) => token,
            Ok(None) => match tokenizer.finish() {
                Ok(Some(token)) => token,
                Ok(None) => return Err("eof"),
                Err(_) if !begun && input.iter().all(u8::is_ascii_whitespace) => return Err("eof"),
                Err(_) => return Err("unexpected_eof"),
            },
        };
        begun = true;
        if tokenizer.is_between_values() {
            return Ok(token.end as usize);
        }
    }
}

fn check_decode<T: Go>(line: &Value, answer: &Value) -> Result<(), String> {
    let input = unhex(text(&line["in"]).unwrap());
    chunking_makes_no_difference(&input)?;
    if text(&line["type"]) == Some("any-float") {
        let mut value = T::default();
        let class = class_of(decode_all(&mut value, &input));
        same("class", class, text(&answer["class"]).unwrap_or_default())?;
        return if class.is_empty() { check_value(&value, answer) } else { Ok(()) };
    }
    let outcome = decode_one::<T>(&input);
    same("class", outcome.class, text(&answer["class"]).unwrap_or_default())?;
    if outcome.class.is_empty() {
        same("consumed", outcome.consumed, count(&answer["consumed"]))?;
        check_value(&outcome.value, answer)?;
    }
    check_whole::<T>(&input, line, answer)
}

fn check_value<T: Go>(value: &T, answer: &Value) -> Result<(), String> {
    let out = to_vec(value);
    if answer["out_err"] != Value::Null {
        return same("out", out.is_err(), true);
    }
    let expected = match (text(&answer["out"]), text(&answer["out_hex"])) {
        (Some(text), _) => text.as_bytes().to_vec(),
        (None, hex) => unhex(hex.unwrap()),
    };
    same(
        "out",
        out.as_deref().map(<[u8]>::escape_ascii).unwrap().to_string(),
        expected.escape_ascii().to_string(),
    )?;
    if let Some(bytes) = text(&answer["bytes"]) {
        same("bytes", value.content().as_deref().map(hex).as_deref(), Some(bytes))?;
    }
    if let Some(bits) = text(&answer["bits"]) {
        same("bits", value.bits().as_deref(), Some(bits))?;
    }
    Ok(())
}

/// `Unmarshal` of the same input. Where it makes floats of numbers in an `any` ours keeps them
/// exact.
fn check_whole<T: Go>(input: &[u8], line: &Value, answer: &Value) -> Result<(), String> {
    let whole = &answer["whole"];
    let expected =
        text(&if *whole == Value::Null { answer } else { whole }["class"]).unwrap_or_default();
    if ["any", "Any", "Opts", "Result"]
        .iter()
        .any(|name| text(&line["type"]).unwrap().contains(name))
        && expected == "value"
    {
        return Ok(());
    }
    let expected = if expected.contains("eof") { "syntax" } else { expected };
    same("whole", class_of(decode_all(&mut T::default(), input)), expected)
}

/// The tokens of a text in one chunk and in chunks of a few sizes are the same.
fn chunking_makes_no_difference(input: &[u8]) -> Result<(), String> {
    let whole = tokens(input, input.len().max(1));
    [1, 2, 3, 7].iter().try_for_each(|&size| same("tokens", tokens(input, size), whole.clone()))
}

fn tokens(input: &[u8], size: usize) -> (Vec<Token>, String) {
    let mut tokenizer = Tokenizer::new();
    let mut tokens = Vec::new();
    for mut chunk in input.chunks(size) {
        loop {
            match tokenizer.next(&mut chunk) {
                Ok(Some(token)) => tokens.push(token),
                Ok(None) => break,
                Err(error) => return (tokens, error.to_string()),
            }
        }
    }
    let end = tokenizer.finish().map(|token| tokens.extend(token));
    (tokens, format!("{end:?} {}", tokenizer.depth()))
}

/// How many bytes a reader of one byte a time has taken when the value is known to be whole.
fn check_stream<T: Go>(line: &Value, answer: &Value) -> Result<(), String> {
    let input = unhex(text(&line["in"]).unwrap());
    let mut tokenizer = Tokenizer::new();
    let (read, class) = read_one(&mut tokenizer, &input);
    same("read", read, count(&answer["read"]))?;
    let end = first_value(&input).unwrap_or(0);
    let mut value = T::default();
    let class = class.unwrap_or_else(|| class_of(decode_all(&mut value, &input[..end])));
    same("class", class, text(&answer["class"]).unwrap_or_default())?;
    if class.is_empty() { check_value(&value, answer) } else { Ok(()) }
}

fn read_one(tokenizer: &mut Tokenizer, input: &[u8]) -> (usize, Option<&'static str>) {
    for (index, byte) in input.iter().enumerate() {
        let mut chunk = std::slice::from_ref(byte);
        loop {
            match tokenizer.next(&mut chunk) {
                Ok(Some(_)) if tokenizer.is_between_values() => return (index + 1, None),
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(_) => return (index + 1, Some("syntax")),
            }
        }
    }
    (input.len(), Some("needs_more"))
}

fn check_sequence<T: Go>(line: &Value, answer: &Value) -> Result<(), String> {
    let input = unhex(text(&line["in"]).unwrap());
    let mut rest = &input[..];
    let mut outs = Vec::new();
    let last = loop {
        let Outcome { value, consumed, class } = decode_one::<T>(rest);
        match class {
            "" => outs.push(Value::String(String::from_utf8(to_vec(&value).unwrap()).unwrap())),
            "value" => outs.push(Value::String("!value".to_owned())),
            other => break other,
        }
        rest = &rest[consumed..];
    };
    same("outs", Value::List(outs).to_string(), answer["outs"].to_string())?;
    same("final", last, text(&answer["final"]).unwrap())
}
