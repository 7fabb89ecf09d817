//! Decoding keeps to `Limits::decoded_bytes`, and all clients together to `Limits::total_bytes`. A
//! refused message gets a reply, and the connection stays open.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::fmt::Debug;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;

use urpc::json::{
    Bytes, DecodeOptions, Error, FromJson, Number, RawJson, Text, Value, decode_into,
};
use urpc::{Client, Limits, Server, Service, Socket};

use crate::alloc::counted;
use crate::support::TIMEOUT;

urpc::record! {
    #[derive(Debug, Default, Clone, PartialEq)]
    pub struct Small {
        pub name: String,
        pub count: u64,
        pub next: Option<Box<u64>>,
    }

    #[derive(Debug, Default, Clone, PartialEq)]
    pub struct Outer {
        pub wide: Option<Box<Wide>> => embedded,
    }

    #[derive(Debug, Default, Clone, PartialEq, Eq, PartialOrd, Ord)]
    pub struct Wide {
        pub first: u8,
        pub rest: [[u64; 16]; 16],
    }
}

const MIB: usize = 1 << 20;

fn list_of(element: &str, size: usize) -> String {
    let count = size / (element.len() + 1);
    format!("[{}{element}]", format!("{element},").repeat(count - 1))
}

fn object_of(value: &str, members: usize) -> String {
    let members: Vec<String> = (0..members).map(|n| format!("\"{n:x}\":{value}")).collect();
    format!("{{{}}}", members.join(","))
}

/// Decodes `text` with that budget. It must be refused, without more memory than the budget.
fn refuses<T: FromJson + Default + Debug>(text: &str, budget: usize) {
    let options = DecodeOptions { root: "arg", decoded_bytes: budget, ..Default::default() };
    let decode = || decode_into(&mut T::default(), text.as_bytes(), &options);
    let (result, count) = counted(decode);
    let what = format!("{} of {:.20}", std::any::type_name::<T>(), text);
    let Err(Error::Type(error)) = result else { panic!("{what}: {result:?}") };
    assert!(error.expected.contains("raise decoded_bytes"), "{what}: {error}");
    assert!(error.path.starts_with("arg"), "{what}: {error}");
    // The text of the error and permanent allocations are small.
    assert!(count.peak <= (budget + 4096) as isize, "{what}: {count:?}");
    println!("{what}: {error}, {} KiB", count.peak / 1024);
}

#[test]
fn decoding_takes_no_more_than_its_budget() {
    const KIB: usize = 1 << 10;
    let budget = 128 * KIB;
    refuses::<Value>(&list_of("0", 2048 * KIB), budget);
    refuses::<Value>(&list_of("[]", 128 * KIB), budget);
    refuses::<Value>(&list_of("\"\\n\"", 128 * KIB), budget);
    refuses::<Value>(&object_of("0", 12_500), budget);
    refuses::<Vec<Small>>(&list_of("{}", 512 * KIB), budget);
    refuses::<Vec<Small>>(&list_of("{\"next\":1}", 512 * KIB), budget);
    refuses::<Vec<String>>(&list_of("\"a\"", 128 * KIB), budget);
    refuses::<Vec<Number>>(&list_of("1", 128 * KIB), budget);
    refuses::<Vec<RawJson>>(&list_of("1", 128 * KIB), budget);
    refuses::<Vec<Bytes>>(&list_of("\"AAAA\"", 128 * KIB), budget);
    refuses::<Vec<Vec<u8>>>(&list_of("[1]", 128 * KIB), budget);
    refuses::<Vec<BTreeMap<String, u64>>>(&list_of("{\"a\":1}", 128 * KIB), budget);
    refuses::<BTreeMap<String, u64>>(&object_of("1", 12_500), budget);
    refuses::<BTreeMap<u32, u8>>(&object_of("1", 16).replace(|_| false, ""), 100);
    refuses::<HashMap<String, String>>(&object_of("\"\"", 12_500), budget);
    refuses::<String>(&format!("\"{}\"", "a".repeat(256 * KIB)), budget);
    refuses::<String>(&format!("\"{}\"", "\\n".repeat(256 * KIB)), budget);
    refuses::<RawJson>(&list_of("0", 256 * KIB), budget);
    refuses::<Bytes>(&format!("\"{}\"", "AAAA".repeat(128 * KIB)), budget);
    refuses::<Number>(&"1".repeat(256 * KIB), budget);
}

#[test]
fn what_is_made_of_other_types_takes_no_more_than_its_budget() {
    const KIB: usize = 1 << 10;
    let budget = 128 * KIB;
    // The list itself takes 128 KiB of this.
    refuses::<Vec<Rc<str>>>(&list_of("null", 512 * KIB), 192 * KIB);
    refuses::<Vec<Rc<str>>>(&list_of("\"\"", 512 * KIB), 192 * KIB);
    refuses::<Vec<Arc<str>>>(&list_of("\"\"", 512 * KIB), 192 * KIB);
    refuses::<Vec<Arc<str>>>(&list_of("\"a\"", 512 * KIB), budget);
    refuses::<Vec<PathBuf>>(&list_of("\"a\"", 512 * KIB), budget);
    refuses::<Vec<Text<PathBuf>>>(&list_of("\"a\"", 512 * KIB), budget);
    refuses::<Vec<Rc<u8>>>(&list_of("1", 512 * KIB), budget);
    refuses::<Vec<(String, Box<u8>)>>(&list_of("[\"a\",1]", 512 * KIB), budget);
    refuses::<Vec<VecDeque<u8>>>(&list_of("[1]", 512 * KIB), budget);
    refuses::<Vec<HashSet<u8>>>(&list_of("[1]", 512 * KIB), budget);
    refuses::<Vec<HashSet<[u64; 16]>>>(&list_of("[[]]", 512 * KIB), budget);
    refuses::<Vec<BTreeSet<u8>>>(&list_of("[1]", 512 * KIB), budget);
    refuses::<Vec<BTreeSet<String>>>(&list_of("[\"\"]", 512 * KIB), budget);
    refuses::<Vec<BTreeSet<Wide>>>(&list_of("[{}]", 512 * KIB), budget);
    refuses::<Vec<Outer>>(&list_of("{\"first\":1}", 512 * KIB), budget);
    let numbers: Vec<String> = (0..40_000).map(|n| n.to_string()).collect();
    let numbers = format!("[{}]", numbers.join(","));
    refuses::<VecDeque<u64>>(&numbers, budget);
    refuses::<HashSet<u64>>(&numbers, budget);
    refuses::<BTreeSet<u64>>(&numbers, budget);
}

/// Finds the least budget with which `text` is decoded. It must be what the value holds then, or
/// more: for the allocator, for what has grown and held the old memory meanwhile, and for std's estimates.
fn charges<T: FromJson + Default>(text: &str) {
    let decode = |budget| {
        let options = DecodeOptions { decoded_bytes: budget, ..Default::default() };
        counted(|| {
            let mut value = T::default();
            decode_into(&mut value, text.as_bytes(), &options).map(|()| value)
        })
    };
    let (mut least, mut enough) = (0, MIB);
    while least < enough {
        let middle = (least + enough) / 2;
        match decode(middle).0 {
            Ok(_) => enough = middle,
            Err(_) => least = middle + 1,
        }
    }
    let held = decode(least).1.live as usize;
    let what = format!("{} of {text:.20}: {held} are held, {least}", std::any::type_name::<T>());
    assert!(held <= least && least <= 6 * held + 128, "{what}");
}

type Block = Box<[u64; 16]>;

#[test]
fn each_type_is_charged_with_what_it_holds() {
    charges::<Option<Block>>("[]");
    charges::<Option<Box<Block>>>("[]");
    charges::<Option<[Block; 8]>>("[]");
    charges::<Option<Cow<'static, Block>>>("[]");
    charges::<Option<Bytes>>(&format!("\"{}\"", "AAAA".repeat(200)));
    charges::<Option<Outer>>("{\"first\":1}");
    charges::<Vec<Block>>("[[]]");
    for count in [1, 3, 4, 8, 30, 100] {
        let numbers: Vec<String> = (0..count).map(|n| n.to_string()).collect();
        let numbers = format!("[{}]", numbers.join(","));
        charges::<HashSet<u64>>(&numbers);
        charges::<BTreeSet<u64>>(&numbers);
        charges::<HashMap<String, [u64; 16]>>(&object_of("[]", count));
        charges::<HashMap<String, Block>>(&object_of("[]", count));
        charges::<BTreeMap<String, [u64; 16]>>(&object_of("[]", count));
        charges::<BTreeMap<String, Block>>(&object_of("[]", count));
    }
}

#[test]
fn a_queue_is_decoded_into_without_a_copy_of_its_elements() {
    for (text, left) in [("[]", 0), ("[7]", 1), ("5", MIB), ("null", 0)] {
        let mut queue = VecDeque::from(vec![1u8; MIB]);
        let decode = || decode_into(&mut queue, text.as_bytes(), &DecodeOptions::default());
        let (_, count) = counted(decode);
        assert!(count.peak <= 4096, "{text}: {count:?}");
        assert_eq!(queue.len(), left, "{text}");
    }
}

#[test]
fn the_error_names_the_place_and_what_fits_is_kept() {
    let mut lists: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let text = format!(r#"{{"a":["b"],"c":["d","{}"]}}"#, "e".repeat(5000));
    let options = DecodeOptions { root: "arg", decoded_bytes: 5000, ..Default::default() };
    let error = decode_into(&mut lists, text.as_bytes(), &options).unwrap_err().to_string();
    assert!(error.starts_with("arg[\"c\"][1]: expected values that take less memory"), "{error}");
    assert_eq!(lists["a"], ["b"]);
    assert_eq!(lists["c"][0], "d");
}

#[test]
fn a_syntax_error_after_the_budget_is_used_up_is_still_found() {
    let options = DecodeOptions { decoded_bytes: 1000, ..Default::default() };
    let text = format!("[{}01]", "\"0123456789\",".repeat(1000));
    let result = decode_into(&mut Value::Null, text.as_bytes(), &options);
    assert!(matches!(result, Err(Error::Syntax(_))), "{result:?}");
}

fn server(limits: Limits) -> Server {
    let server = Server::builder().limits(limits).build();
    let service = Service::new("Peer", ())
        .method("Value", |_: &(), _: Value| Ok::<_, String>(()))
        .method("Text", |_: &(), text: String| Ok::<_, String>(text));
    server.register(service);
    server
}

#[test]
fn a_call_beyond_the_budget_is_refused_and_the_next_one_answered() {
    let server = server(Limits { decoded_bytes: MIB, ..Limits::default() });
    let (ours, theirs) = Socket::pair().unwrap();
    server.start_handling(theirs).unwrap();
    let client = Client::new(ours);
    let list = list_of("0", MIB);
    let error = client.call_raw("Peer.Value", list.as_bytes(), &[]).unwrap_err();
    assert!(error.as_remote().is_some() && error.to_string().contains("decoded_bytes"), "{error}");
    assert_eq!(client.call::<String>("Peer.Text", &"next").unwrap(), "next");
    drop(client);
    server.stop(TIMEOUT);
}

#[test]
fn a_client_refuses_a_result_beyond_the_budget_and_goes_on() {
    let server = server(Limits::default());
    let (ours, theirs) = Socket::pair().unwrap();
    server.start_handling(theirs).unwrap();
    let limits = Limits { decoded_bytes: 100_000, ..Limits::for_client() };
    let client = Client::builder().limits(limits).build(ours);
    let error = client.call::<String>("Peer.Text", &"a".repeat(100_001)).unwrap_err();
    assert!(matches!(error, urpc::Error::Result { .. }) && error.is_usable(), "{error}");
    assert_eq!(error.limit(), Some(urpc::Limit::DecodedBytes));
    assert_eq!(client.call::<String>("Peer.Text", &"next").unwrap(), "next");
    drop(client);
    server.stop(TIMEOUT);
}

#[test]
fn a_message_that_was_refused_for_the_total_leaves_its_connection_in_step() {
    let server = server(Limits { total_bytes: MIB, ..Limits::default() });
    let (ours, theirs) = Socket::pair().unwrap();
    server.start_handling(theirs).unwrap();
    let client = Client::new(ours);
    for _ in 0..3 {
        let error = client.call::<String>("Peer.Text", &"a".repeat(2 * MIB)).unwrap_err();
        assert!(error.to_string().contains("out of memory: all clients"), "{error}");
        let text = "b".repeat(200_000);
        assert_eq!(client.call::<String>("Peer.Text", &text).unwrap(), text);
    }
    drop(client);
    server.stop(TIMEOUT);
}

urpc::record! {
    #[derive(Debug, Default, Clone)]
    struct Scalars {
        yes: bool => quoted,
        count: u64 => quoted,
        share: f64 => quoted,
        plain: (bool, u64, f64),
    }
}

/// What there is no room for is left out, and nothing that was written before goes with it.
#[test]
fn a_result_of_any_scalars_beyond_the_total_is_refused_as_such() {
    let server = Server::builder().limits(Limits { total_bytes: MIB, ..Limits::default() }).build();
    let scalars = Scalars { yes: true, count: 7, share: 0.25, plain: (false, 8, 1.5e-9) };
    let many = move |_: &(), count: usize| Ok::<_, String>(vec![scalars.clone(); count]);
    server.register(Service::new("Peer", ()).method("Many", many));
    let (ours, theirs) = Socket::pair().unwrap();
    server.start_handling(theirs).unwrap();
    let client = Client::new(ours);
    for count in 30_000..30_050 {
        let error = client.call_raw("Peer.Many", count.to_string().as_bytes(), &[]).unwrap_err();
        assert!(error.to_string().contains("raise total_bytes"), "{error}");
    }
    assert!(client.call_raw("Peer.Many", b"1", &[]).is_ok());
    drop(client);
    server.stop(TIMEOUT);
}

#[test]
fn what_a_call_decoded_is_free_again_once_it_is_answered() {
    let limits = Limits { total_bytes: 4 * MIB, ..Limits::default() };
    let server = Server::builder().limits(limits).build();
    let count = |_: &(), list: Vec<u64>| Ok::<_, String>(list.len());
    server.register(Service::new("Peer", ()).method("Count", count));
    let list = list_of("7", MIB / 8);
    for _ in 0..2 {
        let (ours, theirs) = Socket::pair().unwrap();
        server.start_handling(theirs).unwrap();
        let client = Client::new(ours);
        for _ in 0..12 {
            let (result, _) = client.call_raw("Peer.Count", list.as_bytes(), &[]).unwrap();
            assert_eq!(result.as_str(), Some("65536"));
        }
    }
    server.stop(TIMEOUT);
}

/// The most memory that decoding `text` takes, in bytes for each byte of the text.
fn factor<T: FromJson + Default>(text: &str) -> f64 {
    let (decoded, count) = counted(|| urpc::json::from_slice::<T>(text.as_bytes()).is_ok());
    assert!(decoded, "{text:.20}");
    count.peak as f64 / text.len() as f64
}

#[test]
fn decoding_takes_as_many_bytes_for_one_as_the_readme_says() {
    let text = format!("\"{}\"", "a".repeat(MIB));
    let records = list_of("{\"name\":\"abc\",\"count\":12}", MIB);
    let factors = [
        ("a string", factor::<String>(&text), 1.0),
        ("a `Value` of small numbers", factor::<Value>(&list_of("0", MIB)), 25.0),
        ("an array of small records", factor::<Vec<Small>>(&records), 4.0),
        ("an array of empty records", factor::<Vec<Small>>(&list_of("{}", MIB)), 30.0),
        ("a `BTreeMap`", factor::<BTreeMap<String, u64>>(&object_of("1", 65_536)), 8.0),
        ("a `HashMap`", factor::<HashMap<String, u64>>(&object_of("1", 65_536)), 12.0),
    ];
    for (what, measured, most) in factors {
        println!("{what}: {measured:.1}");
        assert!(measured <= most + 0.05, "{what}: {measured:.2}, said to be {most}");
    }
}
