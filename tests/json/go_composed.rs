//! Types of any depth, such as `map[string][]*int`. The type of the elements is chosen when the test
//! runs. The pointer, list, array or map around them is the crate's own.

use std::collections::BTreeMap;
use std::rc::Rc;

use urpc::json::{Aborted, Decoder, Encoder, FromJson, ToJson, Value};

use crate::go_names::GoType;
use crate::go_tree::{Go, GoValue, NoValue};
use crate::go_types::{target, with_target};

/// A value of the type that [`target`] returns when it is made.
struct Element(Box<dyn GoValue>);

impl Default for Element {
    fn default() -> Self {
        Element((target().zero)())
    }
}

impl FromJson for Element {
    fn decode(&mut self, decoder: &mut Decoder<'_>) -> Result<(), Aborted> {
        self.0.decode(decoder)
    }
}

impl ToJson for Element {
    fn encode(&self, encoder: &mut Encoder<'_>) -> Result<(), Aborted> {
        self.0.encode(encoder)
    }
}

impl GoValue for Element {}

impl Go for Element {
    fn from_tree(tree: &Value) -> Result<Self, NoValue> {
        (target().from_tree)(tree).map(Element)
    }
}

/// A value that contains elements, and their type.
struct Composed<C> {
    element: Rc<GoType>,
    value: C,
}

impl<C: FromJson> FromJson for Composed<C> {
    fn decode(&mut self, decoder: &mut Decoder<'_>) -> Result<(), Aborted> {
        with_target(&self.element, || self.value.decode(decoder))
    }
}

impl<C: ToJson> ToJson for Composed<C> {
    fn encode(&self, encoder: &mut Encoder<'_>) -> Result<(), Aborted> {
        self.value.encode(encoder)
    }
}

impl<C: FromJson + ToJson> GoValue for Composed<C> {}

/// The type of that name: a pointer, list, array or map, and what it contains. `None` if the tests
/// do not know it.
pub fn named(name: &str) -> Option<GoType> {
    let end = if name.starts_with('*') { 0 } else { name.find(']')? };
    let (constructor, element) = name.split_at(end + 1);
    macro_rules! types {
        ($($constructor:literal $type:ty),* $(,)?) => {
            match constructor {
                $($constructor => of::<$type>(element),)*
                _ => None,
            }
        };
    }
    type List = Option<Vec<Element>>;
    type Map<K> = Option<BTreeMap<K, Element>>;
    types! {
        "*" Option<Element>, "[]" List, "[0]" [Element; 0], "[1]" [Element; 1], "[2]" [Element; 2],
        "[3]" [Element; 3], "[4]" [Element; 4], "[5]" [Element; 5], "[6]" [Element; 6],
        "[7]" [Element; 7], "[8]" [Element; 8], "map[string]" Map<String>, "map[int]" Map<i64>,
        "map[int8]" Map<i8>, "map[int16]" Map<i16>, "map[int32]" Map<i32>, "map[int64]" Map<i64>,
        "map[uint]" Map<u64>, "map[uint8]" Map<u8>, "map[uint16]" Map<u16>,
        "map[uint32]" Map<u32>, "map[uint64]" Map<u64>,
    }
}

fn of<C: Go>(element: &str) -> Option<GoType> {
    let element = Rc::new(GoType::named(element)?);
    let make = move |value: &dyn Fn() -> Result<C, NoValue>| {
        let value = with_target(&element, value)?;
        let composed: Box<dyn GoValue> = Box::new(Composed { element: Rc::clone(&element), value });
        Ok(composed)
    };
    let zero = make.clone();
    Some(GoType {
        zero: Box::new(move || zero(&|| Ok(C::default())).expect("every type has a zero")),
        from_tree: Box::new(move |tree| make(&|| C::from_tree(tree))),
    })
}

#[test]
fn a_type_of_any_depth_is_decoded_and_written() {
    let decode = |name: &str, text: &str| {
        let mut value = (GoType::named(name).expect(name).zero)();
        let options = urpc::json::DecodeOptions::default();
        let fits = urpc::json::decode_into(&mut *value, text.as_bytes(), &options).is_ok();
        (fits, urpc::json::to_string(&*value).unwrap())
    };
    for (name, text, expected) in [
        (
            "[]map[string][]*int",
            r#"[{"b":[1,null],"a":null},null]"#,
            r#"[{"a":null,"b":[1,null]},null]"#,
        ),
        ("[2][3]uint8", "[[1],[2,3,4,5]]", "[[1,0,0],[2,3,4]]"),
        ("***bool", "true", "true"),
        ("map[int8]map[string]float64", r#"{"-1":{"a":1.50}}"#, r#"{"-1":{"a":1.5}}"#),
        (
            "[]struct:Result<[][]bytes>",
            r#"[{"result":[["AQ=="]]}]"#,
            r#"[{"success":false,"err":"","result":[["AQ=="]]}]"#,
        ),
    ] {
        assert_eq!(decode(name, text), (true, expected.to_owned()), "{name}");
    }
    let partial = decode("[][][]string", r#"[[["a",1],2],"b"]"#);
    assert_eq!(partial, (false, r#"[[["a",""],null],null]"#.to_owned()));
}
