//! Hostile input: deep values on small stacks, and memory and work in proportion to the text.

use std::collections::BTreeMap;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use urpc::json::{
    Bytes, DecodeOptions, Error, MAX_DEPTH, Number, Object, RawJson, Value, decode_into,
    from_slice, from_str, to_string, to_vec,
};

use crate::alloc::counted;

/// Runs `work` on a stack of 64 KiB.
fn on_a_small_stack(work: impl FnOnce() + Send + 'static) {
    thread::Builder::new().stack_size(64 << 10).spawn(work).unwrap().join().unwrap();
}

/// `levels` arrays and objects in turn, one inside the other.
fn deep(levels: usize) -> String {
    let open: String =
        (0..levels).map(|level| if level % 2 == 0 { "[" } else { "{\"a\":" }).collect();
    let close: String =
        (0..levels).rev().map(|level| if level % 2 == 0 { "]" } else { "}" }).collect();
    open + "1" + &close
}

urpc::record! {
    #[derive(Debug, Default, Clone)]
    struct Node {
        v: i64,
        next: Option<Box<Node>> => omitempty,
        kids: Vec<Node> => omitempty,
        by_name: BTreeMap<String, Node> => omitempty,
    }

    #[derive(Debug, Default)]
    struct Known {
        name: String,
        count: u64,
        raw: RawJson,
    }
}

#[test]
fn a_value_of_every_level_needs_no_stack() {
    on_a_small_stack(|| {
        let text = deep(MAX_DEPTH);
        let value: Value = from_str(&text).unwrap();
        let copy = value.clone();
        assert!(value == copy);
        assert_eq!(to_string(&copy).unwrap(), text);
        assert_eq!(format!("{copy:?}").len(), text.len());
        let other: Value = from_str(&text.replace('1', "2")).unwrap();
        assert!(other != value);
    });
}

#[test]
fn a_value_of_every_small_shape_is_dropped() {
    let around = |parts: &[String]| {
        let list = parts.join(",");
        let map = parts.iter().enumerate().map(|(name, part)| format!("\"{name}\":{part}"));
        [format!("[{list}]"), format!("{{{}}}", map.collect::<Vec<_>>().join(","))]
    };
    let mut shapes = vec!["1".to_owned(), "\"a\"".to_owned(), "[]".to_owned()];
    for _ in 0..2 {
        let ones = shapes.iter().flat_map(|one| around(std::slice::from_ref(one)));
        let pairs = shapes.iter().flat_map(|one| shapes.iter().map(move |two| (one, two)));
        let pairs = pairs.flat_map(|(one, two)| around(&[one.clone(), two.clone()]));
        shapes = ones.chain(pairs).collect();
    }
    let (done, all_dropped) = mpsc::channel();
    thread::spawn(move || {
        for shape in shapes {
            assert_eq!(to_string(&from_str::<Value>(&shape).unwrap()).unwrap(), shape);
        }
        done.send(()).unwrap();
    });
    // It takes milliseconds. A drop that loops would never end.
    all_dropped.recv_timeout(Duration::from_secs(60)).unwrap();
}

#[test]
fn a_value_put_together_deeper_than_any_text_is_dropped_without_stack() {
    on_a_small_stack(|| {
        let nest =
            |value, _| Value::Array(vec![Value::Object(Object::from([("a".to_owned(), value)]))]);
        let value = (0..100_000).fold(Value::Null, nest);
        assert_eq!(to_vec(&value).unwrap().len(), "[{\"a\":}]".len() * 100_000 + 4);
    });
}

#[test]
fn a_value_with_others_beside_each_level_is_dropped_without_stack_and_whole() {
    let list = |first, second| Value::Array(vec![first, second]);
    let map = |first, second| {
        Value::Object(Object::from([("a".to_owned(), first), ("b".to_owned(), second)]))
    };
    on_a_small_stack(move || {
        let one = || Value::Bool(true);
        let ((), count) = counted(|| {
            drop((0..50_000).fold(Value::Null, |value, _| list(one(), list(value, one()))));
            drop((0..50_000).fold(Value::Null, |value, _| map(one(), map(value, one()))));
        });
        assert_eq!(count.live, 0);
    });
}

#[test]
fn raw_values_of_every_level_need_no_stack() {
    on_a_small_stack(|| {
        let text = deep(MAX_DEPTH);
        let raw: RawJson = from_str(&text).unwrap();
        assert_eq!(to_string(&raw).unwrap(), text);
        let deeper = RawJson::new(format!("[{text}]"));
        assert!(to_string(&deeper).is_err());
    });
}

#[test]
fn skipping_every_level_needs_no_stack() {
    on_a_small_stack(|| {
        let inner = deep(MAX_DEPTH - 1);
        assert!(from_str::<Known>(&format!("{{\"unknown\":{inner},\"count\":1}}")).is_ok());
        assert!(from_str::<()>(&deep(MAX_DEPTH)).is_ok());
        assert!(matches!(from_str::<i64>(&deep(MAX_DEPTH)), Err(Error::Type(_))));
        assert!(matches!(from_str::<()>(&deep(MAX_DEPTH + 1)), Err(Error::Syntax(_))));
        assert!(from_str::<[i64; 1]>(&format!("[1,{inner}]")).is_ok());
    });
}

/// A linked list of `nodes` nodes.
fn chain(nodes: usize) -> String {
    "{\"v\":1,\"next\":".repeat(nodes - 1) + "{\"v\":1}" + &"}".repeat(nodes - 1)
}

#[test]
fn typed_values_have_a_depth_limit_that_is_a_type_error() {
    assert!(from_str::<Node>(&chain(128)).is_ok());
    let mut node = Node::default();
    let error =
        decode_into(&mut node, chain(129).as_bytes(), &DecodeOptions::default()).unwrap_err();
    let text = "expected fewer levels of records, arrays and objects (raise typed_depth), \
                found an object below 128 of them at byte";
    assert!(error.to_string().contains(text), "{error}");
    assert_eq!((node.v, node.next.unwrap().v), (1, 1));
    let lists = "{\"kids\":[".repeat(65) + &"]}".repeat(65);
    assert!(matches!(from_str::<Node>(&lists), Err(Error::Type(_))));
    let maps = "{\"by_name\":{\"a\":".repeat(64) + "{}" + &"}}".repeat(64);
    assert!(matches!(from_str::<Node>(&maps), Err(Error::Type(_))));
}

#[test]
fn the_limit_of_typed_values_can_be_lowered_and_raised() {
    let limited = |typed_depth, text: &str| {
        let options = DecodeOptions { typed_depth, ..DecodeOptions::default() };
        decode_into(&mut Node::default(), text.as_bytes(), &options)
    };
    assert!(
        limited(2, &chain(2)).is_ok()
            && limited(2, &chain(3)).is_err()
            && limited(0, "{}").is_err()
    );
    let raised = move || assert!(limited(MAX_DEPTH, &chain(MAX_DEPTH)).is_ok());
    thread::Builder::new().stack_size(256 << 20).spawn(raised).unwrap().join().unwrap();
}

#[test]
fn a_syntax_error_below_the_limit_of_typed_values_is_still_found() {
    let text = chain(200).replace("{\"v\":1}", "{\"v\":01}");
    assert!(matches!(from_str::<Node>(&text), Err(Error::Syntax(_))));
}

/// The most memory that decoding `text` holds, in bytes for each byte of the text.
fn growth<T: urpc::json::FromJson + Default>(text: &[u8]) -> f64 {
    let (_, count) = counted(|| from_slice::<T>(text).is_ok());
    count.peak as f64 / text.len() as f64
}

#[test]
fn what_is_skipped_or_refused_takes_no_memory() {
    let members: String =
        (0..20_000).map(|index| format!("\"member {index}\":[{index},\"\\n\"],")).collect();
    let text = format!("{{{members}\"count\":1}}");
    let (known, count) = counted(|| from_str::<Known>(&text));
    assert_eq!(known.map(|known| known.count), Ok(1));
    assert!(count.peak < 1000, "{count:?}");
    assert!(growth::<i64>(text.as_bytes()) < 0.01);
    assert!(growth::<Vec<u8>>(&[b'['; MAX_DEPTH]) < 0.1);
}

#[test]
fn strings_bytes_and_raw_values_take_what_their_text_takes() {
    let plain = to_vec(&"x".repeat(1 << 20)).unwrap();
    assert!(growth::<String>(&plain) < 1.1);
    assert!(growth::<RawJson>(&plain) < 1.1);
    assert!(growth::<Bytes>(&to_vec(&"AAAA".repeat(1 << 18)).unwrap()) < 1.1);
    let escapes = to_vec(&"\n".repeat(1 << 19)).unwrap();
    assert!(growth::<String>(&escapes) < 1.1);
    let broken = [b"\"", &[0xff; 1 << 16][..], b"\""].concat();
    assert!(growth::<String>(&broken) < 8.0);
    assert!(growth::<Number>(&[b'1'; 1 << 20]) < 1.1);
}

#[test]
fn any_value_takes_at_most_so_much_for_a_byte_and_for_a_level() {
    let flat = |element: &str| format!("[{}0]", format!("{element},").repeat(100_000));
    let members: String = (0..100_000).map(|index| format!("\"{index:x}\":0,")).collect();
    let texts = [
        (0, flat("0")),
        (0, flat("[]")),
        (0, flat("{}")),
        (0, flat("\"\"")),
        (0, format!("{{{members}\"\":0}}")),
        (MAX_DEPTH, "[".repeat(MAX_DEPTH) + &"]".repeat(MAX_DEPTH)),
        (MAX_DEPTH, "[".repeat(MAX_DEPTH)),
        (MAX_DEPTH, "{\"\":".repeat(MAX_DEPTH) + "0" + &"}".repeat(MAX_DEPTH)),
        (MAX_DEPTH, "[{\"\":".repeat(MAX_DEPTH / 2) + "0" + &"}]".repeat(MAX_DEPTH / 2)),
    ];
    for (levels, text) in texts {
        let (_, count) = counted(|| from_str::<Value>(&text).is_ok());
        let allowed = 32 * text.len() + 1000 * levels;
        assert!(count.peak < allowed as isize, "{text:.20}: {count:?}, allowed {allowed}");
    }
}

#[test]
fn many_members_cost_a_fixed_number_of_allocations_each() {
    let cost = |members: usize| {
        let list: String =
            (0..members).map(|index| format!("\"key {index}\":\"value\",")).collect();
        let text = format!("{{{list}\"last\":\"\"}}");
        let (map, count) = counted(|| from_str::<BTreeMap<String, String>>(&text).unwrap());
        assert_eq!(map.len(), members + 1);
        count.allocations as f64 / members as f64
    };
    let (few, many) = (cost(1_000), cost(100_000));
    assert!(many < few * 1.1 && many < 4.0, "{few} {many}");
}

#[test]
fn a_value_of_many_maps_and_lists_is_dropped_with_few_allocations() {
    for part in ["{\"a\":1}", "[1]"] {
        let value: Value =
            from_str(&format!("[{part}{}]", format!(",{part}").repeat(999))).unwrap();
        let ((), count) = counted(|| drop(value));
        assert!(count.allocations < 10, "{part}: {count:?}");
    }
}

#[test]
fn a_long_list_is_written_with_few_allocations() {
    let list: Vec<u64> = (0..100_000).collect();
    let (text, count) = counted(|| to_vec(&list).unwrap());
    assert!(text.len() > 500_000 && count.allocations < 20, "{count:?}");
}

#[test]
fn a_number_of_a_million_digits_is_one_token_and_no_integer() {
    let digits = "9".repeat(1 << 20);
    assert_eq!(from_str::<Number>(&digits).unwrap().as_str().len(), 1 << 20);
    assert!(matches!(from_str::<u64>(&digits), Err(Error::Type(_))));
    assert!(matches!(from_str::<f64>(&digits), Err(Error::Type(_))));
    assert_eq!(from_str::<f64>(&format!("0.{}", "0".repeat(1 << 20))), Ok(0.0));
}

#[test]
fn decoding_into_a_value_uses_its_memory_again() {
    let text = to_vec(&vec!["a string of some length".to_owned(); 100]).unwrap();
    let mut list: Vec<String> = from_slice(&text).unwrap();
    let (result, count) = counted(|| decode_into(&mut list, &text, &DecodeOptions::default()));
    assert_eq!((result, count.allocations), (Ok(()), 0));
}

#[test]
fn encoding_into_a_buffer_with_room_allocates_nothing() {
    let known =
        Known { name: "a <name>\n".to_owned(), count: 7, raw: RawJson::new("[1, {\"a\":2}]") };
    let mut out = Vec::with_capacity(1000);
    // A record's members are resolved at its first use.
    urpc::json::encode_to(&known, &mut out).unwrap();
    let (result, count) = counted(|| urpc::json::encode_to(&known, &mut out));
    assert_eq!((result, count.allocations), (Ok(()), 0));
}
