//! The types of std that are not in every program: what is read into them and written of them.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::ffi::OsString;
use std::fmt::Debug;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use urpc::json::{
    Bytes, DecodeOptions, Error, FromJson, MapKey, Text, Time, ToJson, Value, decode_into,
    from_str, to_string,
};

#[track_caller]
fn round<T: FromJson + ToJson + Default + PartialEq + Debug>(text: &str, value: T) {
    assert_eq!(from_str::<T>(text).as_ref(), Ok(&value));
    assert_eq!(to_string(&value).unwrap(), text);
}

#[track_caller]
fn refused<T: FromJson + Default + Debug>(text: &str, expected: &str) {
    let error = from_str::<T>(text).unwrap_err().to_string();
    assert!(error.contains(expected), "{error}");
}

fn into<T: FromJson>(mut value: T, text: &str) -> T {
    decode_into(&mut value, text.as_bytes(), &DecodeOptions::default()).unwrap();
    value
}

#[test]
fn tuples_are_arrays_of_just_as_many_elements() {
    round(r#"[1,"a",[true]]"#, (1u8, "a".to_owned(), vec![true]));
    round("[[1],[2,3]]", ((1u8,), (2u8, 3i64)));
    refused::<(u8, u8)>("[1]", "expected an array of 2 elements, not of 1, found an array");
    refused::<(u8, u8)>("[1,2,3]", "expected an array of 2 elements, not of 3");
    refused::<(u8, u8)>("{}", "expected an array, found an object");
    refused::<Vec<(u8, bool)>>("[[1,true],[1,2]]", "[1][1]: expected a boolean");
    assert_eq!(into((1u8, 2u8), "null"), (1, 2));
    assert_eq!(
        to_string(&(1, f64::NAN)).unwrap_err().to_string(),
        "[1]: a number that is not finite"
    );
}

#[test]
fn pointers_are_the_values_that_they_point_to() {
    round("[1,2]", Arc::new(vec![1u8, 2]));
    round("\"x\"", Rc::new(Box::new("x".to_owned())));
    round("[1]", Cow::<[u8]>::Owned(vec![1]));
    round(
        r#"["a","b","c","d"]"#,
        (Cow::Borrowed("a"), Box::<str>::from("b"), Arc::<str>::from("c"), Rc::<str>::from("d")),
    );
    refused::<Arc<u8>>("\"1\"", "expected an integer that fits u8");
    refused::<Box<str>>("1", "expected a string, found number 1");
    assert_eq!(*into(Box::<str>::from("kept"), "null"), *"kept");
}

#[test]
fn a_value_that_others_hold_is_replaced_and_not_changed_for_them() {
    let ours = Arc::new(vec![1u8, 2]);
    assert_eq!(*into(ours.clone(), "[null,3]"), [0, 3]);
    assert_eq!(*ours, [1, 2]);
    assert_eq!(*into(Arc::new(vec![1u8, 2]), "[null,3]"), [1, 3]);
}

#[test]
fn paths_are_strings_and_those_that_are_not_utf_8_are_refused() {
    round("\"/a\\u003cb\"", PathBuf::from("/a<b"));
    round("\"x\"", OsString::from("x"));
    assert_eq!(to_string(Path::new("/a")).unwrap(), "\"/a\"");
    refused::<PathBuf>("[]", "expected a string");
    let odd = OsString::from_vec(b"/\xff".to_vec());
    let reason = "[0]: \"/\\xFF\", which is not UTF-8";
    assert_eq!(to_string(std::slice::from_ref(&odd)).unwrap_err().to_string(), reason);
    assert!(matches!(to_string(&PathBuf::from(odd)), Err(Error::Unencodable { .. })));
}

#[test]
fn what_has_a_text_form_is_a_string_and_none_the_empty_one() {
    round(
        r#"["10.0.0.1","::1",""]"#,
        vec![
            Text::<IpAddr>::from(IpAddr::from([10, 0, 0, 1])),
            Text(Some("::1".parse().unwrap())),
            Text(None),
        ],
    );
    round("\"[::1]:80\"", Text::<SocketAddr>("[::1]:80".parse().ok()));
    round("\"é\"", Text('é'.into()));
    refused::<Text<IpAddr>>("\"10.0.0\"", "expected a string that is an IpAddr");
    refused::<Text<char>>("\"ab\"", "expected a string that is a char, found string \"ab\"");
    refused::<Text<IpAddr>>("7", "expected a string that is an IpAddr, found number 7");
    assert_eq!(into(Text(Some('x')), "null"), Text(Some('x')));
    assert_eq!(into(Text(Some('x')), "\"\""), Text(None));
    assert_eq!(into(vec![Text(Some('x'))], "[null,\"y\"]"), [Text(Some('x')), Text(Some('y'))]);
}

#[test]
fn wide_integers_take_all_their_range_and_nothing_else() {
    round("340282366920938463463374607431768211455", u128::MAX);
    round("-170141183460469231731687303715884105728", i128::MIN);
    for text in ["340282366920938463463374607431768211456", "-0", "1.0", "1e3", "\"1\""] {
        refused::<u128>(text, "expected an integer that fits u128");
    }
    assert_eq!(from_str("-0"), Ok(0i128));
    assert_eq!(into(7u128, "null"), 7);
}

#[test]
fn collections_are_arrays() {
    round("[1,2,3]", VecDeque::from([1u8, 2, 3]));
    round("[1,2,3]", BTreeSet::from([3u8, 1, 2]));
    round("[\"a\"]", HashSet::<String>::from(["a".to_owned()]));
    assert_eq!(from_str("[2,1,2]"), Ok(BTreeSet::from([1u8, 2])));
    assert_eq!(into(VecDeque::from([1u8, 2]), "[null,3,4]"), [1, 3, 4]);
    assert_eq!(into(BTreeSet::from([1u8]), "null"), BTreeSet::new());
    refused::<BTreeSet<u8>>("[1,256]", "[1]: expected an integer that fits u8");
    refused::<VecDeque<u8>>("{}", "expected an array, found an object");
    let mut kept = BTreeSet::from([1u8]);
    decode_into(&mut kept, b"{}", &DecodeOptions::default()).unwrap_err();
    assert_eq!(kept, BTreeSet::from([1]));
}

#[test]
fn an_option_whose_list_is_refused_stays_none_and_that_of_another_value_does_not() {
    fn after<T: FromJson + Default>(text: &str) -> Option<T> {
        let mut option = None;
        decode_into(&mut option, text.as_bytes(), &DecodeOptions::default()).unwrap_err();
        option
    }
    assert_eq!(after::<VecDeque<u8>>("5"), None);
    assert_eq!(after::<BTreeSet<u8>>("5"), None);
    assert_eq!(after::<Cow<[u8]>>("5"), None);
    assert_eq!(after::<Box<Vec<u8>>>("5"), None);
    assert_eq!(after::<u8>("[]"), Some(0));
    assert_eq!(after::<Cow<str>>("5").as_deref(), Some(""));
}

#[test]
fn what_std_types_take_is_within_the_limit_of_decoded_bytes() {
    fn beyond<T: FromJson + Default>(text: &str) {
        let options = DecodeOptions { decoded_bytes: 1000, ..DecodeOptions::default() };
        let error = decode_into(&mut T::default(), text.as_bytes(), &options).unwrap_err();
        assert!(matches!(error, Error::Type(_)), "{error}");
    }
    let list = format!("[{}0]", "0,".repeat(999));
    let text = format!("\"{}\"", "x".repeat(1000));
    beyond::<VecDeque<u8>>(&list);
    beyond::<BTreeSet<u64>>(&list);
    beyond::<HashSet<u64>>(&list);
    beyond::<PathBuf>(&text);
    beyond::<Bytes>(&format!("\"{}\"", "A".repeat(2000)));
    beyond::<Arc<str>>(&text);
    beyond::<Text<IpAddr>>(&text);
    beyond::<Vec<Arc<u64>>>(&list);
    beyond::<(Vec<u8>, u8)>(&format!("[{list},1]"));
}

urpc::record! {
    #[derive(Debug, Default, PartialEq)]
    struct Mixed {
        path: PathBuf => omitempty,
        name: Cow<'static, str> => omitempty quoted,
        set: BTreeSet<u8> => omitempty,
        address: Text<IpAddr> => omitempty,
        wide: u128 => omitempty,
        map: HashMap<u8, u8> => omitempty,
        system: OsString => omitempty,
        slice: Cow<'static, [u8]> => omitempty,
        shared: Arc<Inner> => embedded,
    }

    #[derive(Debug, Default, PartialEq)]
    struct Inner {
        x: i64,
    }
}

#[test]
fn members_of_these_types_are_omitted_quoted_and_embedded_like_others() {
    round(r#"{"x":0}"#, Mixed::default());
    let mixed = Mixed { name: "n".into(), shared: Arc::new(Inner { x: 1 }), ..Mixed::default() };
    round(r#"{"name":"\"n\"","x":1}"#, mixed);
    let all = r#"{"path":"/","name":"\"n\"","set":[1],"address":"::1","wide":1,"map":{"1":2},"system":"s","slice":[1],"x":0}"#;
    round(all, from_str::<Mixed>(all).unwrap());
}

urpc::record! {
    #[derive(Debug, Default)]
    struct Around {
        inner: Inner => embedded,
        count: Option<u64>,
    }

    #[derive(Debug, Default)]
    struct Behind {
        inner: Box<Inner> => embedded,
    }

    #[derive(Debug, Default)]
    struct Absent {
        inner: Box<Option<Box<Inner>>> => embedded,
    }
}

#[test]
fn only_what_is_allocated_counts_as_decoded_bytes() {
    fn without_any<T: FromJson + Default>(text: &str) -> Result<(), Error> {
        let options = DecodeOptions { decoded_bytes: 0, ..DecodeOptions::default() };
        decode_into(&mut T::default(), text.as_bytes(), &options)
    }
    assert_eq!(without_any::<u64>("12345"), Ok(()));
    assert_eq!(without_any::<u128>("5"), Ok(()));
    assert_eq!(without_any::<Duration>("5"), Ok(()));
    assert_eq!(without_any::<bool>("true"), Ok(()));
    // What is made of a string may keep a copy of it.
    assert!(without_any::<Time>("\"2006-01-02T15:04:05Z\"").is_err());
    assert_eq!(without_any::<Around>(r#"{"x":1,"count":2}"#), Ok(()));
    assert_eq!(without_any::<Behind>(r#"{"x":1}"#), Ok(()));
    assert!(without_any::<Absent>(r#"{"x":1}"#).is_err());
}

#[test]
fn a_string_is_a_key_as_it_is() {
    assert_eq!(String::from_key("a key").as_deref(), Some("a key"));
}

urpc::record! {
    #[derive(Debug, Default)]
    struct AnyAndMore {
        any: Value,
        count: u64,
    }
}

#[test]
fn what_follows_a_value_that_takes_too_much_is_decoded_all_the_same() {
    let text = format!(r#"{{"any":[[{}1],{{"a":[2]}}],"count":7}}"#, "1,".repeat(1000));
    let options = DecodeOptions { decoded_bytes: 1000, ..DecodeOptions::default() };
    let mut value = AnyAndMore::default();
    let error = decode_into(&mut value, text.as_bytes(), &options).unwrap_err();
    assert!(matches!(&error, Error::Type(error) if error.offset == 7), "{error}");
    assert_eq!((value.any, value.count), (Value::Null, 7));
}
