//! What Go did, line by line. The vectors are the copy next to this file, the full vectors if
//! `../shared/vectors` exists, and the file that `URPC_VECTORS` names. A line of that file may differ
//! if its type is the one that `URPC_MAY_DIFFER` names.

use std::fs;
use std::path::Path;

use urpc::json::{DecodeOptions, Error, Token, Tokenizer, Value, decode_into, from_str, to_vec};

use crate::go_names::GoType;
use crate::go_tree::{GoValue, NoValue, hex, text, unhex};
use crate::go_types::AS_FLOATS;

/// Deep types of the vectors contain themselves. They are decoded and dropped on a stack of this
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
    let differences =
        std::thread::Builder::new().stack_size(STACK).spawn(run).unwrap().join().unwrap();
    let may_differ = std::env::var("URPC_MAY_DIFFER").unwrap_or_default();
    let (expected, failures): (Vec<_>, Vec<_>) = differences.into_iter().partition(|line| {
        !may_differ.is_empty() && line.split(' ').nth(1) == Some(&*(may_differ.clone() + ":"))
    });
    let shown = failures.iter().take(50).map(String::as_str).collect::<Vec<_>>().join("\n");
    assert!(failures.is_empty(), "{} of {count} lines differ:\n{shown}", failures.len());
    eprintln!("{} lines agree, {} may differ", count - expected.len(), expected.len());
}

/// The difference, if the result is neither the line's answer nor its `newest` answer.
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
    let name = text(&line["type"]).unwrap();
    let named = GoType::named(name).ok_or_else(|| format!("the tests know no type {name}"))?;
    // A line that contradicts itself proves nothing.
    let ok = match text(&line["kind"]).unwrap() {
        "encode" => answer["out"] != Value::Null,
        _ => answer["class"] == Value::Null,
    };
    same("ok", ok, flag(&answer["ok"]))?;
    match (text(&line["kind"]).unwrap(), text(&line["cat"]).unwrap()) {
        ("decode", _) if name == "any-float" => check_floats(&named, line, answer),
        ("decode", _) => check_decode(&named, line, answer),
        ("encode", _) => check_encode(&named, line, answer),
        ("stream", "sequence") => check_sequence(&named, line, answer),
        ("stream", _) => check_stream(&named, line, answer),
        (kind, _) => Err(format!("the tests know no lines of kind {kind}")),
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

fn check_encode(named: &GoType, line: &Value, answer: &Value) -> Result<(), String> {
    let out = match (named.from_tree)(&line["value"]) {
        Ok(value) => to_vec(&*value).ok(),
        Err(NoValue::Refused) => None,
        Err(NoValue::Foreign(tree)) => return Err(format!("the tests cannot build {tree}")),
    };
    same(
        "out",
        out.as_deref().map(hex).as_deref(),
        text(&answer["out"]).filter(|_| flag(&answer["ok"])),
    )
}

/// How a decode ended. `consumed` counts up to the value's last byte.
struct Outcome {
    value: Box<dyn GoValue>,
    consumed: usize,
    class: &'static str,
}

/// One `Decode` of Go's streaming decoder: the tokenizer finds the value, then it is decoded.
fn decode_one(named: &GoType, input: &[u8]) -> Outcome {
    let mut value = (named.zero)();
    let (consumed, class) = match first_value(input) {
        Err(class) => (0, class),
        Ok(end) => (end, class_of(decode_all(&mut *value, &input[..end]))),
    };
    Outcome { value, consumed, class }
}

/// `Unmarshal`, with which an interface always holds floats.
fn decode_whole(named: &GoType, input: &[u8]) -> (Box<dyn GoValue>, &'static str) {
    let mut value = (named.zero)();
    AS_FLOATS.set(true);
    let class = class_of(decode_all(&mut *value, input));
    AS_FLOATS.set(false);
    (value, class)
}

fn decode_all(value: &mut dyn GoValue, text: &[u8]) -> Result<(), Error> {
    decode_into(value, text, &DecodeOptions { typed_depth: usize::MAX, ..DecodeOptions::default() })
}

fn class_of(result: Result<(), Error>) -> &'static str {
    match result {
        Ok(()) => "",
        Err(Error::Type(_)) => "value",
        Err(_) => "syntax",
    }
}

/// Where the first value ends, or the class of the error before its end.
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

fn check_decode(named: &GoType, line: &Value, answer: &Value) -> Result<(), String> {
    let input = unhex(text(&line["in"]).unwrap());
    chunking_makes_no_difference(&input)?;
    let outcome = decode_one(named, &input);
    same("class", outcome.class, text(&answer["class"]).unwrap_or_default())?;
    if outcome.class.is_empty() {
        same("consumed", outcome.consumed, count(&answer["consumed"]))?;
    }
    check_value(&*outcome.value, outcome.class, line, answer)?;
    let (_, class) = decode_whole(named, &input);
    let differs = answer["whole"] != Value::Null;
    same("whole", class, whole_class(if differs { &answer["whole"] } else { answer }))
}

/// `Unmarshal` reports every early end as a syntax error.
fn whole_class(answer: &Value) -> &str {
    match text(&answer["class"]).unwrap_or_default() {
        "eof" | "unexpected_eof" => "syntax",
        class => class,
    }
}

fn check_floats(named: &GoType, line: &Value, answer: &Value) -> Result<(), String> {
    let (value, class) = decode_whole(named, &unhex(text(&line["in"]).unwrap()));
    same("class", class, text(&answer["class"]).unwrap_or_default())?;
    check_value(&*value, class, line, answer)
}

/// Checks the decoded value. If a part did not fit, it is checked if the line says what was kept.
fn check_value(
    value: &dyn GoValue,
    class: &str,
    line: &Value,
    answer: &Value,
) -> Result<(), String> {
    let expected = match (text(&answer["out"]), text(&answer["out_hex"])) {
        (Some(text), _) => text.as_bytes().to_vec(),
        (None, Some(hex)) => unhex(hex),
        (None, None) if class.is_empty() => {
            same("out_err", answer["out_err"] != Value::Null, true)?;
            return same("out", to_vec(value).is_err(), true);
        }
        (None, None) => return Ok(()),
    };
    let out = to_vec(value).map_err(|error| format!("out: {error}"))?;
    same("out", out.escape_ascii().to_string(), expected.escape_ascii().to_string())?;
    match text(&line["type"]).unwrap() {
        "string" | "bytes" | "raw" | "number" => {
            same("bytes", value.content().as_deref().map(hex).as_deref(), text(&answer["bytes"]))
        }
        "float32" | "float64" => same("bits", value.bits().as_deref(), text(&answer["bits"])),
        _ => Ok(()),
    }
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

/// The number of bytes that a reader of one byte at a time has taken when the value is complete.
fn check_stream(named: &GoType, line: &Value, answer: &Value) -> Result<(), String> {
    let input = unhex(text(&line["in"]).unwrap());
    let (read, class) = read_one(&mut Tokenizer::new(), &input);
    same("read", read, count(&answer["read"]))?;
    let end = first_value(&input).unwrap_or(0);
    let mut value = (named.zero)();
    let class = class.unwrap_or_else(|| class_of(decode_all(&mut *value, &input[..end])));
    same("class", class, text(&answer["class"]).unwrap_or_default())?;
    if class.is_empty() { check_value(&*value, class, line, answer) } else { Ok(()) }
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

fn check_sequence(named: &GoType, line: &Value, answer: &Value) -> Result<(), String> {
    let input = unhex(text(&line["in"]).unwrap());
    let mut rest = &input[..];
    let mut outs = Vec::new();
    let last = loop {
        let Outcome { value, consumed, class } = decode_one(named, rest);
        match class {
            "" => outs.push(Value::String(String::from_utf8(to_vec(&*value).unwrap()).unwrap())),
            "value" => outs.push(Value::String("!value".to_owned())),
            other => break other,
        }
        rest = &rest[consumed..];
    };
    same("outs", Value::Array(outs).to_string(), answer["outs"].to_string())?;
    same("final", last, text(&answer["final"]).unwrap())
}
