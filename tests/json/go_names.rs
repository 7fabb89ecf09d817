//! The types of the vectors by their Go names.

use std::collections::BTreeMap;
use std::rc::Rc;

use urpc::json::{Bytes, Number, RawJson, Value};

use crate::go_composed;
use crate::go_tree::{Go, GoValue, Made};
use crate::go_types::*;

/// How to make values of a type.
pub struct GoType {
    /// Its zero value.
    pub zero: Box<dyn Fn() -> Box<dyn GoValue>>,
    /// The value that a tree describes.
    pub from_tree: Box<dyn Fn(&Value) -> Made>,
}

impl GoType {
    /// The type of that name. `None` if the tests do not know it.
    pub fn named(name: &str) -> Option<GoType> {
        if let Some(target) = name.strip_prefix("struct:Result<") {
            let target = Rc::new(GoType::named(target.strip_suffix('>')?)?);
            return Some(GoType::result_of(target));
        }
        one_of(name).or_else(|| go_composed::named(name))
    }

    fn of<T: Go>() -> GoType {
        GoType {
            zero: Box::new(|| Box::new(T::default())),
            from_tree: Box::new(|tree| Ok(Box::new(T::from_tree(tree)?))),
        }
    }

    /// A reply whose result starts with the type `target`.
    fn result_of(target: Rc<GoType>) -> GoType {
        let zero = move || {
            let result: Box<dyn GoValue> = Box::new(with_target(&target, ResultOf::default));
            result
        };
        GoType { zero: Box::new(zero), ..GoType::of::<ResultOf>() }
    }
}

type Map<K, V> = Option<BTreeMap<K, V>>;

/// The types that Go's side names, each compiled as a user's would be. Go's list is `kinds` in
/// `tests/interop/go/types.go`. Others are composed when the test runs.
fn one_of(name: &str) -> Option<GoType> {
    if let Some(name) = name.strip_prefix("struct:") {
        return struct_named(name);
    }
    macro_rules! types {
        ($($name:literal $type:ty),* $(,)?) => {
            match name {
                $($name => Some(GoType::of::<$type>()),)*
                _ => None,
            }
        };
    }
    types! {
        "bool" bool, "string" String, "bytes" Option<Bytes>, "number" Number, "raw" RawJson,
        "duration" Nanos, "any" Any, "any-float" Any,
        "int8" i8, "int16" i16, "int32" i32, "int64" i64, "int" i64,
        "uint8" u8, "uint16" u16, "uint32" u32, "uint64" u64, "uint" u64,
        "float32" f32, "float64" f64,
        "[]bool" Option<Vec<bool>>, "[]int" Option<Vec<i64>>, "[]float64" Option<Vec<f64>>,
        "[]string" Option<Vec<String>>, "[]bytes" Option<Vec<Option<Bytes>>>,
        "[]number" Option<Vec<Number>>, "[]raw" Option<Vec<RawJson>>, "[]any" Option<Vec<Any>>,
        "[]*int" Option<Vec<Option<i64>>>, "[]*string" Option<Vec<Option<String>>>,
        "[][]int" Option<Vec<Option<Vec<i64>>>>, "[]struct:Basic" Option<Vec<Basic>>,
        "[]struct:Inner" Option<Vec<Inner>>, "[]struct:BytesBox" Option<Vec<BytesBox>>,
        "[0]int" [i64; 0], "[3]int" [i64; 3], "[2]string" [String; 2], "[3]uint8" [u8; 3],
        "[1]any" [Any; 1], "[3]float32" [f32; 3], "[2]struct:Inner" [Inner; 2],
        "*bool" Option<bool>, "*int" Option<i64>, "*string" Option<String>,
        "*bytes" Option<Option<Bytes>>, "*duration" Option<Nanos>, "*any" Option<Any>,
        "**int" Option<Option<i64>>, "*[]int" Option<Option<Vec<i64>>>,
        "*struct:Basic" Option<Basic>,
        "map[string]bool" Map<String, bool>, "map[string]int" Map<String, i64>,
        "map[string]float64" Map<String, f64>, "map[string]string" Map<String, String>,
        "map[string]bytes" Map<String, Option<Bytes>>, "map[string]raw" Map<String, RawJson>,
        "map[string]any" Map<String, Any>, "map[string]*int" Map<String, Option<i64>>,
        "map[string][]int" Map<String, Option<Vec<i64>>>,
        "map[string]struct:Basic" Map<String, Basic>,
        "map[string]struct:Inner" Map<String, Inner>,
        "map[int8]string" Map<i8, String>, "map[int16]bool" Map<i16, bool>,
        "map[int64]int" Map<i64, i64>, "map[int]string" Map<i64, String>,
        "map[uint8]string" Map<u8, String>, "map[uint64]bool" Map<u64, bool>,
        "map[uint]string" Map<u64, String>, "map[float64]string" FloatKeys,
    }
}

fn struct_named(name: &str) -> Option<GoType> {
    macro_rules! types {
        ($($type:ident)*) => {
            match name {
                "Result" => Some(GoType::of::<GoResult>()),
                $(stringify!($type) => Some(GoType::of::<$type>()),)*
                _ => None,
            }
        };
    }
    types! {
        Empty Basic Untagged Fold FoldPair FoldUni Opts Quoted Dash Inner Nested Left Right Embed
        EmbedHidden EmbedHiddenPtr EmbedNamed WithPayload Call CallAny RawBox NumBox AnyBox
        BytesBox Exec OddTags TreeNode Defined
    }
}
