//! Records: names, defaults, merging, embedding, and the words after `=>`.

use std::collections::BTreeMap;
use std::sync::Mutex;

use urpc::Files;
use urpc::json::{
    Bytes, DecodeOptions, Error, FromJson, Number, RawJson, ToJson, Value, decode_into, from_str,
    to_string,
};

fn into<T: FromJson>(mut value: T, text: &str) -> T {
    decode_into(&mut value, text.as_bytes(), &DecodeOptions::default()).unwrap();
    value
}

urpc::record! {
    #[derive(Debug, Default, PartialEq, Clone)]
    struct Point {
        x: i32,
        y: i32,
    }

    #[derive(Debug, Default, PartialEq, Clone)]
    struct Shape {
        name: String,
        at: Point,
        to: Option<Box<Point>>,
        corners: Vec<Point>,
        pair: [Point; 2],
        by_name: BTreeMap<String, Point>,
    }

    #[derive(Debug, Default, PartialEq)]
    struct Nothing {}

    /// Documented, with attributes and visibilities, which are kept.
    #[derive(Debug, Default, PartialEq)]
    pub(crate) struct Words {
        /// A raw identifier.
        pub r#type: u8,
        #[allow(unused)]
        pub(crate) kind: u8 => "Kind",
        plain: u8,
        r#fn: u8 => omitempty,
    }
}

#[test]
fn missing_members_keep_their_value_and_unknown_ones_are_dropped() {
    assert_eq!(into(Point { x: 1, y: 2 }, r#"{"y":5,"z":[{}]}"#), Point { x: 1, y: 5 });
    assert_eq!(into(Point { x: 1, y: 2 }, "null"), Point { x: 1, y: 2 });
    assert_eq!(into(Point { x: 1, y: 2 }, r#"{"x":null}"#), Point { x: 1, y: 2 });
    assert_eq!(from_str(r#"{"a":1}"#), Ok(Nothing {}));
    assert!(matches!(from_str::<Point>(r#"{"z":[1,]}"#), Err(Error::Syntax(_))));
}

#[test]
fn members_that_come_twice_are_merged() {
    let shape: Shape = from_str(
        r#"{"at":{"x":1},"at":{"y":2},"to":{"x":1},"to":{"y":2},"name":"a","name":null,
            "corners":[{"x":1,"y":2},{"x":3}],"corners":[{"x":9}],"pair":[{"x":1},{"x":2}],"pair":[{"y":3}],
            "by_name":{"a":{"x":1},"b":{"x":2}},"by_name":{"a":{"y":3}}}"#,
    )
    .unwrap();
    assert_eq!(shape.at, Point { x: 1, y: 2 });
    assert_eq!(shape.to, Some(Box::new(Point { x: 1, y: 2 })));
    assert_eq!(shape.name, "a");
    assert_eq!(shape.corners, [Point { x: 9, y: 2 }]);
    assert_eq!(shape.pair, [Point { x: 1, y: 3 }, Point { x: 0, y: 0 }]);
    assert_eq!(shape.by_name["a"], Point { x: 0, y: 3 });
    assert_eq!(shape.by_name["b"], Point { x: 2, y: 0 });
    let shape: Shape = from_str(r#"{"corners":[{"x":1}],"corners":[null,null]}"#).unwrap();
    assert_eq!(shape.corners, [Point { x: 1, y: 0 }, Point { x: 0, y: 0 }]);
}

#[test]
fn null_takes_an_option_away() {
    let shape: Shape = from_str(r#"{"to":{"x":1},"to":null,"to":{"y":2}}"#).unwrap();
    assert_eq!(shape.to, Some(Box::new(Point { x: 0, y: 2 })));
}

#[test]
fn all_members_are_written_in_declared_order() {
    assert_eq!(to_string(&Point::default()).unwrap(), r#"{"x":0,"y":0}"#);
    assert_eq!(to_string(&Nothing {}).unwrap(), "{}");
    let words = Words { r#type: 1, kind: 2, plain: 3, r#fn: 0 };
    assert_eq!(to_string(&words).unwrap(), r#"{"type":1,"Kind":2,"plain":3}"#);
    assert_eq!(from_str(r#"{"TYPE":1,"kind":2,"PLAIN":3,"fn":0}"#), Ok(words));
}

urpc::record! {
    #[derive(Debug, Default, PartialEq)]
    struct Folded {
        kind: u8,
        pass: u8,
        sharp: u8 => "straße",
        sigma: u8 => "Σ",
        micro: u8 => "µm",
    }

    #[derive(Debug, Default, PartialEq)]
    struct Both {
        lower: u8 => "name",
        upper: u8 => "NAME",
    }
}

#[test]
fn names_are_equal_under_simple_folding() {
    let all = |text: &str| into(Folded::default(), text);
    for name in ["kind", "KIND", "\u{212a}ind", "\\u006bind"] {
        assert_eq!(all(&format!("{{\"{name}\":1}}")).kind, 1, "{name}");
    }
    for name in ["paſſ", "PASſ", "pAss"] {
        assert_eq!(all(&format!("{{\"{name}\":1}}")).pass, 1, "{name}");
    }
    assert_eq!(all(r#"{"STRAẞE":1}"#).sharp, 1);
    assert_eq!(all(r#"{"ς":1}"#).sigma, 1);
    assert_eq!(all(r#"{"μM":1}"#).micro, 1);
    for name in ["kınd", "KİND", "strasse", "ki_nd", "kind ", "ｋind", "kin", "kinde", ""] {
        assert_eq!(all(&format!("{{\"{name}\":1}}")), Folded::default(), "{name}");
    }
}

#[test]
fn the_exact_name_goes_before_a_folded_one_and_the_first_declared_before_others() {
    assert_eq!(from_str(r#"{"NAME":1,"name":2,"Name":3}"#), Ok(Both { lower: 3, upper: 1 }));
}

urpc::record! {
    #[derive(Debug, Default)]
    struct Optional {
        flag: bool => omitempty,
        count: i64 => omitempty,
        ratio: f64 => omitempty,
        text: String => omitempty,
        list: Vec<u8> => omitempty,
        none: Option<u8> => omitempty,
        map: BTreeMap<String, u8> => omitempty,
        empty: [u8; 0] => omitempty,
        full: [u8; 1] => omitempty,
        any: Value => omitempty,
        raw: RawJson => omitempty,
        number: Number => omitempty,
        bytes: Bytes => omitempty,
        time: std::time::Duration => omitempty,
        point: Point => omitempty,
        boxed: Box<u8> => omitempty,
    }
}

#[test]
fn what_may_be_omitted_is_omitted_when_empty() {
    let empty = Optional { ratio: -0.0, ..Optional::default() };
    assert_eq!(to_string(&empty).unwrap(), r#"{"full":[0],"point":{"x":0,"y":0}}"#);
    let some =
        Optional { none: Some(0), flag: true, raw: RawJson::new("null"), ..Optional::default() };
    assert_eq!(
        to_string(&some).unwrap(),
        r#"{"flag":true,"none":0,"full":[0],"raw":null,"point":{"x":0,"y":0}}"#
    );
    let all = r#"{"flag":true,"count":-1,"ratio":0.5,"text":"t","list":[0],"none":0,"map":{"":0},"full":[0],"any":false,"raw":0,"number":0,"bytes":"AA==","time":1,"point":{"x":0,"y":0},"boxed":1}"#;
    assert_eq!(to_string(&from_str::<Optional>(all).unwrap()).as_deref(), Ok(all));
}

urpc::record! {
    #[derive(Debug, Default, PartialEq)]
    struct Left {
        x: i64,
        both: i64,
        tag: i64 => "tag",
    }

    #[derive(Debug, Default, PartialEq)]
    struct Right {
        z: i64,
        both: i64,
        untagged: i64 => "Tag",
    }

    #[derive(Debug, Default, PartialEq)]
    struct Outer {
        left: Left => embedded,
        right: Option<Box<Right>> => embedded,
        x: i64,
    }

    #[derive(Debug, Default, PartialEq)]
    struct Tagged {
        deep: Outer => embedded,
        one: OneName => embedded,
        other: OtherName => embedded,
    }

    #[derive(Debug, Default, PartialEq)]
    struct OneName {
        name: i64,
    }

    #[derive(Debug, Default, PartialEq)]
    struct OtherName {
        renamed: i64 => "name",
    }

    #[derive(Debug, Default, PartialEq)]
    struct Loop {
        v: i64,
        again: Option<Box<Loop>> => embedded,
    }
}

#[test]
fn members_of_embedded_records_count_as_the_outer_ones() {
    let outer: Outer = from_str(r#"{"x":1,"tag":2,"both":3,"left":{"x":4}}"#).unwrap();
    assert_eq!(outer, Outer { left: Left { tag: 2, ..Left::default() }, right: None, x: 1 });
    assert_eq!(to_string(&outer).unwrap(), r#"{"tag":2,"x":1}"#);
}

#[test]
fn an_embedded_option_comes_with_the_first_of_its_members() {
    let outer: Outer = from_str(r#"{"z":5}"#).unwrap();
    assert_eq!(outer.right, Some(Box::new(Right { z: 5, ..Right::default() })));
    assert_eq!(to_string(&outer).unwrap(), r#"{"tag":0,"z":5,"Tag":0,"x":0}"#);
}

#[test]
fn of_a_name_twice_at_one_depth_the_tagged_one_wins() {
    let tagged: Tagged = from_str(r#"{"name":1,"x":2,"tag":3}"#).unwrap();
    assert_eq!((tagged.one.name, tagged.other.renamed), (0, 1));
    assert_eq!((tagged.deep.x, tagged.deep.left.tag), (2, 3));
}

urpc::record! {
    #[derive(Debug, Default, PartialEq)]
    struct Pair {
        f: i64 => "F",
        g: i64 => "g",
    }

    #[derive(Debug, Default, PartialEq)]
    struct PairAndOne {
        pair: Pair => embedded,
        h: i64 => "H",
    }

    #[derive(Debug, Default, PartialEq)]
    struct FirstWay {
        inner: PairAndOne => embedded,
    }

    #[derive(Debug, Default, PartialEq)]
    struct SecondWay {
        inner: Option<PairAndOne> => embedded,
    }

    #[derive(Debug, Default, PartialEq)]
    struct TwoWays {
        first: FirstWay => embedded,
        second: SecondWay => embedded,
        z: i64 => "Z",
    }
}

#[test]
fn a_record_embedded_twice_at_one_level_hides_its_own_members_and_not_those_embedded_in_it() {
    assert_eq!(to_string(&TwoWays::default()).unwrap(), r#"{"F":0,"g":0,"Z":0}"#);
    let ways: TwoWays = from_str(r#"{"F":1,"g":2,"H":3,"Z":4}"#).unwrap();
    let inner = PairAndOne { pair: Pair { f: 1, g: 2 }, h: 0 };
    let expected = TwoWays { first: FirstWay { inner }, z: 4, ..TwoWays::default() };
    assert_eq!(ways, expected);
}

#[test]
fn a_record_embedded_in_itself_adds_no_members() {
    assert_eq!(from_str(r#"{"v":1}"#), Ok(Loop { v: 1, again: None }));
    assert_eq!(to_string(&Loop::default()).unwrap(), r#"{"v":0}"#);
}

#[test]
fn errors_in_embedded_records_name_the_member() {
    let error = from_str::<Outer>(r#"{"z":"a"}"#).unwrap_err();
    assert!(error.to_string().starts_with("z: expected an integer"), "{error}");
}

urpc::record! {
    #[derive(Debug, Default)]
    struct Payload {
        files: Files,
    }

    #[derive(Debug, Default)]
    struct Exec {
        payload: Payload => embedded,
        argv: Vec<String>,
        spare: Files,
        boxed: Option<Box<Files>>,
    }

    #[derive(Debug, Default)]
    struct Boxed {
        maybe: Option<Box<Files>>,
    }

    #[derive(Debug, Default)]
    struct TwoPayloads {
        one: Payload => embedded,
        two: Payload => embedded,
    }

    #[derive(Debug, Default)]
    struct Lists {
        list: Vec<Files>,
        maybe: Option<Payload>,
    }

    #[derive(Debug, Default)]
    struct Plain {
        nested: Payload,
        state: Mutex<Vec<std::rc::Rc<u8>>> => skip,
    }
}

#[test]
fn files_are_no_members_and_the_first_place_gets_them() {
    let mut exec: Exec =
        from_str(r#"{"files":{"a":1},"argv":["x"],"spare":5,"payload":7}"#).unwrap();
    assert_eq!(to_string(&exec).unwrap(), r#"{"argv":["x"]}"#);
    assert!(std::ptr::eq(exec.files().unwrap(), &exec.payload.files));
    let place = exec.files_mut().unwrap() as *const Files;
    assert_eq!(place, &exec.payload.files as *const Files);
}

#[test]
fn files_behind_pointers_get_those_of_the_message_if_they_are_there() {
    let mut empty = Boxed::default();
    assert!(empty.files_mut().is_none());
    let mut boxed = Boxed { maybe: Some(Box::default()) };
    let place = boxed.files_mut().unwrap() as *const Files;
    assert_eq!(place, boxed.maybe.as_deref().unwrap() as *const Files);
}

fn one_file() -> Files {
    std::fs::File::open("/dev/null").unwrap().into()
}

#[test]
fn files_that_would_not_be_sent_are_refused_and_empty_lists_of_them_are_not() {
    let mut plain = Plain::default();
    assert!(plain.files().is_none() && plain.files_mut().is_none());
    assert_eq!(to_string(&plain).unwrap(), r#"{"nested":{}}"#);
    plain.nested.files = one_file();
    let error = to_string(&plain).unwrap_err().to_string();
    assert!(error.starts_with("nested.files: these files would not be sent"), "{error}");
    assert!(error.contains("`embedded`"), "{error}");
    plain.nested.files.release(0);
    assert_eq!(to_string(&plain).unwrap(), r#"{"nested":{}}"#);
}

#[test]
fn of_several_lists_of_files_only_the_one_that_is_sent_may_hold_some() {
    let payload = |files| Payload { files };
    let mut exec = Exec { payload: payload(one_file()), ..Exec::default() };
    assert_eq!(to_string(&exec).unwrap(), r#"{"argv":[]}"#);
    exec.spare = one_file();
    assert!(to_string(&exec).unwrap_err().to_string().starts_with("spare: these files"));
    let exec = Exec { boxed: Some(Box::new(one_file())), ..Exec::default() };
    assert!(to_string(&exec).unwrap_err().to_string().starts_with("boxed: these files"));
    let two = TwoPayloads { one: payload(one_file()), two: payload(Files::new()) };
    assert_eq!(to_string(&two).unwrap(), "{}");
    let two = TwoPayloads { one: payload(Files::new()), two: payload(one_file()) };
    assert!(to_string(&two).unwrap_err().to_string().starts_with("files: these files"));
}

#[test]
fn files_in_lists_maps_and_options_of_an_argument_are_refused() {
    let refused = |path: &str, value: &dyn ToJson| {
        let error = to_string(value).unwrap_err().to_string();
        assert!(error.starts_with(&format!("{path}these files would not be sent")), "{error}");
    };
    refused("[1]: ", &vec![Files::new(), one_file()]);
    refused("[0].files: ", &[Payload { files: one_file() }]);
    refused("[\"a\"]: ", &BTreeMap::from([("a".to_owned(), one_file())]));
    refused("[1]: ", &(1, one_file()));
    refused("list[0]: ", &Lists { list: vec![one_file()], ..Lists::default() });
    refused(
        "maybe.files: ",
        &Lists { maybe: Some(Payload { files: one_file() }), ..Lists::default() },
    );
    let held = [one_file(), one_file()];
    for sent in [&held[0] as &dyn ToJson, &Some(one_file()), &Box::new(one_file())] {
        assert_eq!(to_string(sent).unwrap(), "{}");
    }
}

#[test]
fn what_is_skipped_is_of_any_type_and_not_on_the_wire() {
    let plain: Plain = from_str(r#"{"state":[1],"nested":{}}"#).unwrap();
    assert!(plain.state.lock().unwrap().is_empty());
}
