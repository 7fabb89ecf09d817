//! What `record!` declares besides structs with named fields, and members that are required.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Debug;

use urpc::Files;
use urpc::json::{DecodeOptions, FromJson, MapKey, ToJson, decode_into, from_str, to_string};

urpc::record! {
    /// Of the words that it knows.
    #[derive(Debug, Default, PartialEq, Clone)]
    enum Mode {
        #[default]
        Process => "process",
        /// Everything.
        All => "all",
        Empty => "",
    }

    #[derive(Debug, Default, PartialEq)]
    pub(crate) enum Open {
        #[default]
        Known => "known",
        Other(String),
    }
}

urpc::record! {
    #[derive(Debug, Default, PartialEq, Clone, Copy)]
    enum Level {
        #[default]
        Zero = 0,
        Low = -1,
        High = 300,
    }
}

urpc::record! {
    #[derive(Debug, Default, PartialEq)]
    struct Id(u32);

    #[derive(Debug, Default)]
    pub struct Carried(pub Files);
}

urpc::record! {
    #[derive(Debug, Default, PartialEq)]
    struct Start {
        mode: Mode => omitempty,
        level: Level => omitempty,
        id: Id => "ID" omitempty required,
        name: Option<String> => required,
    }
}

urpc::record! {
    #[derive(Debug, Default, PartialEq)]
    struct Camel => rename_all "camelCase" {
        id: u8,
        deadline_ns: u8 => omitempty,
        _late_2_x: u8,
        größe_é: u8,
        r#type: u8,
        container_id: u8 => "containerID",
        own: Pascal => embedded,
    }

    #[derive(Debug, Default, PartialEq)]
    struct Pascal => rename_all "PascalCase" {
        r#fn: u8,
        r_x: u8,
        _hidden: u8,
    }

    #[derive(Debug, Default, PartialEq)]
    struct Snake => rename_all "snake_case" {
        a_b: u8,
    }

    #[derive(Debug, Default)]
    struct Plain {
        a_b: u8,
        c: u8,
    }

    #[derive(Debug, Default)]
    struct Renamed => rename_all "camelCase" {
        c: u8,
    }

    #[derive(Debug, Default)]
    struct Mixed {
        plain: Plain => embedded,
        renamed: Renamed => embedded,
    }

    /// Fields that are there, and fields that are not.
    #[derive(Debug, Default, PartialEq)]
    struct Chosen {
        first: u8,
        /// Not there, and of a type that does not exist.
        #[cfg(not(all()))]
        #[allow(unused)]
        gone: Missing => "second" required,
        /// There under both conditions.
        #[allow(unused)]
        #[cfg(all())]
        #[cfg(unix)]
        second: Vec<u8> => required,
        #[cfg(all())]
        #[cfg(any())]
        half: u8,
        #[cfg(unix)]
        last: Pascal => embedded,
    }
}

urpc::record! {
    /// Some of many.
    #[derive(Debug, Default, PartialEq)]
    struct Page<T> {
        items: Vec<T>,
        last: Option<T> => omitempty,
        next: u64 => omitempty,
    }

    #[derive(Debug, Default, PartialEq)]
    struct Borrowing<'a, K: MapKey + Ord, V: std::fmt::Debug> => rename_all "camelCase" {
        full_name: Cow<'a, str>,
        pages: Vec<BTreeMap<K, V>>,
        by_number: Page<u8> => embedded,
    }

    #[derive(Debug, Default)]
    struct Beside<T> {
        text: String,
        part: T,
    }
}

urpc::record! {
    #[derive(Debug, Default, PartialEq)]
    struct Listed<'a, T>(Vec<(Cow<'a, str>, T)>);
}

fn refused<T: FromJson + Default + Debug>(text: &str) -> String {
    from_str::<T>(text).unwrap_err().to_string()
}

#[test]
fn a_string_enum_is_one_of_its_texts() {
    assert_eq!(
        from_str(r#"["all","process",""]"#),
        Ok(vec![Mode::All, Mode::Process, Mode::Empty])
    );
    assert_eq!(to_string(&[Mode::Process, Mode::All]).unwrap(), r#"["process","all"]"#);
    let expected = r#"expected one of ["process", "all", ""], found string "none" at byte 0"#;
    assert_eq!(refused::<Mode>("\"none\""), expected);
    assert!(refused::<Mode>("1").ends_with("found number 1 at byte 0"));
    assert!(refused::<Mode>("\"All\"").starts_with("expected one of"));
    let mut mode = Mode::All;
    decode_into(&mut mode, b"null", &DecodeOptions::default()).unwrap();
    assert_eq!(mode, Mode::All);
}

#[test]
fn a_variant_may_keep_the_texts_that_the_others_do_not_have() {
    let read = vec![Open::Known, Open::Other("new".into())];
    assert_eq!(to_string(&read).unwrap(), r#"["known","new"]"#);
    assert_eq!(from_str(r#"["known","new"]"#), Ok(read));
    assert!(refused::<Open>("[]").contains("one of [\"known\"], found an array"));
}

#[test]
fn an_integer_enum_is_one_of_its_numbers() {
    assert_eq!(from_str("[-1,0,300]"), Ok(vec![Level::Low, Level::Zero, Level::High]));
    assert_eq!(to_string(&[Level::Low, Level::High]).unwrap(), "[-1,300]");
    for text in ["1", "0.0", "99999999999999999999", "\"0\"", "{}"] {
        assert!(refused::<Level>(text).starts_with("expected one of [0, -1, 300]"), "{text}");
    }
}

#[test]
fn a_struct_of_one_unnamed_field_is_that_field() {
    assert_eq!(from_str("7"), Ok(Id(7)));
    assert_eq!(to_string(&Id(7)).unwrap(), "7");
    let mut carried = Carried(std::fs::File::open("/dev/null").unwrap().into());
    assert_eq!(carried.files().map(Files::len), Some(1));
    assert!(carried.files_mut().is_some());
}

#[test]
fn a_required_member_that_does_not_come_is_an_error_that_names_it() {
    let whole = Start { id: Id(1), ..Start::default() };
    assert_eq!(from_str(r#"{"id":1,"name":null}"#), Ok(whole));
    let expected = "expected an object with the member \"name\", found an object at byte 0";
    assert_eq!(refused::<Start>(r#"{"ID":1}"#), expected);
    let expected = "[1]: expected an object with the member \"ID\", found an object at byte 24";
    assert_eq!(refused::<Vec<Start>>(r#"[{"ID":1,"name":"long"},{}]"#), expected);
}

#[test]
fn enums_and_such_structs_are_omitted_when_empty() {
    let start = Start { mode: Mode::Empty, name: Some("n".into()), ..Start::default() };
    assert_eq!(to_string(&start).unwrap(), r#"{"name":"n"}"#);
    let start = Start { level: Level::Low, id: Id(2), ..Start::default() };
    assert_eq!(to_string(&start).unwrap(), r#"{"mode":"process","level":-1,"ID":2,"name":null}"#);
}

#[test]
fn all_names_of_a_struct_can_be_renamed() {
    let text = concat!(
        r#"{"id":1,"deadlineNs":2,"late2X":3,"größeé":4,"type":5,"containerID":6,"#,
        r#""Fn":7,"RX":8,"Hidden":9}"#
    );
    let own = Pascal { r#fn: 7, r_x: 8, _hidden: 9 };
    let read =
        Camel {
            id: 1, deadline_ns: 2, _late_2_x: 3, größe_é: 4, r#type: 5, container_id: 6, own
        };
    assert_eq!(to_string(&read).unwrap(), text);
    assert_eq!(from_str(text), Ok(read));
    assert_eq!(to_string(&Snake { a_b: 1 }).unwrap(), r#"{"a_b":1}"#);
}

#[test]
fn a_renamed_member_counts_as_named() {
    let mixed = Mixed { plain: Plain { a_b: 1, c: 2 }, renamed: Renamed { c: 3 } };
    assert_eq!(to_string(&mixed).unwrap(), r#"{"a_b":1,"c":3}"#);
}

#[test]
fn a_field_that_is_not_compiled_is_no_member() {
    let text = r#"{"first":1,"second":[2],"Fn":3,"RX":0,"Hidden":0}"#;
    let last = Pascal { r#fn: 3, ..Pascal::default() };
    let read = Chosen { first: 1, second: vec![2], last };
    assert_eq!(to_string(&read).unwrap(), text);
    assert_eq!(from_str(text), Ok(read));
    assert!(refused::<Chosen>("{}").contains("with the member \"second\""));
}

#[test]
fn a_generic_struct_is_an_object_for_each_type() {
    let text = r#"{"items":[{"items":["a"]}],"next":2}"#;
    let inner = Page { items: vec!["a".to_owned()], ..Page::default() };
    let read = Page { items: vec![inner], last: None, next: 2 };
    assert_eq!(to_string(&read).unwrap(), text);
    assert_eq!(from_str(text), Ok(read));
    let numbers = Page { items: vec![1, 2], last: Some(3), next: 0 };
    assert_eq!(to_string(&numbers).unwrap(), r#"{"items":[1,2],"last":3}"#);
    let error = refused::<Page<u8>>(r#"{"items":[1,"2"]}"#);
    assert!(error.starts_with("items[1]: expected an integer that fits u8"), "{error}");
}

#[test]
fn a_struct_may_borrow_what_it_sends() {
    let name = "n".to_owned();
    let pages = vec![BTreeMap::from([(7, 1.5)])];
    let by_number = Page { next: 2, ..Page::default() };
    let sent = Borrowing { full_name: name.as_str().into(), pages, by_number };
    let text = r#"{"fullName":"n","pages":[{"7":1.5}],"items":[],"next":2}"#;
    assert_eq!(to_string(&sent).unwrap(), text);
    assert_eq!(from_str(text), Ok(sent));
    let listed = Listed(vec![(name.as_str().into(), true)]);
    assert_eq!(to_string(&listed).unwrap(), r#"[["n",true]]"#);
    assert_eq!(from_str(r#"[["n",true]]"#), Ok(listed));
}

#[test]
fn a_member_of_a_generic_struct_is_files_only_for_that_type() {
    let mut files: Beside<Files> = from_str(r#"{"text":"a","part":{}}"#).unwrap();
    assert!(files.files_mut().is_some());
    assert_eq!(to_string(&files).unwrap(), r#"{"text":"a"}"#);
    let mut number: Beside<u8> = from_str(r#"{"text":"a","part":2}"#).unwrap();
    assert!(number.files_mut().is_none());
    assert_eq!(to_string(&number).unwrap(), r#"{"text":"a","part":2}"#);
    assert_eq!(to_string(&files).unwrap(), r#"{"text":"a"}"#);
}
