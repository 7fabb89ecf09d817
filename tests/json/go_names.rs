//! The types of the vectors by their Go names.

use std::collections::BTreeMap;
use std::rc::Rc;

use urpc::json::{Bytes, Number, RawJson, Value};

use crate::go_composed;
use crate::go_tree::{Go, GoValue, NoValue};
use crate::go_types::*;

/// How to make values of a type.
pub struct GoType {
    /// Its zero value.
    pub zero: Box<dyn Fn() -> Box<dyn GoValue>>,
    /// The value that a tree describes.
    pub from_tree: Box<dyn Fn(&Value) -> Result<Box<dyn GoValue>, NoValue>>,
}

impl GoType {
    /// The type of that name. `None` if the tests do not know it.
    pub fn named(name: &str) -> Option<GoType> {
        if let Some(target) = name.strip_prefix("struct:Result<") {
            let target = Rc::new(GoType::named(target.strip_suffix('>')?)?);
            return Some(GoType::result_of(target));
        }
        if name == "map[float64]string" {
            return Some(GoType::of::<FloatKeys>());
        }
        let (constructor, base) = name.split_at(base_of(name)?);
        scalar_type(constructor, base)
            .or_else(|| keyed_type(constructor, base))
            .or_else(|| struct_type(constructor, base))
            .or_else(|| go_composed::named(name))
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

/// Where the part of a name begins that is not the mark of a pointer, a slice, an array or a map.
fn base_of(name: &str) -> Option<usize> {
    let mut at = 0;
    loop {
        let rest = &name[at..];
        at += match rest {
            _ if rest.starts_with('*') => 1,
            _ if rest.starts_with('[') || rest.starts_with("map[") => rest.find(']')? + 1,
            _ => return Some(at),
        };
    }
}

/// Maps with integer keys.
fn keyed_type(constructor: &str, base: &str) -> Option<GoType> {
    match base {
        "string" => of_keyed::<String>(constructor),
        "int" => of_keyed::<i64>(constructor),
        "bool" => of_keyed::<bool>(constructor),
        _ => None,
    }
}

fn of_keyed<T: Go>(constructor: &str) -> Option<GoType> {
    type Keyed<K, T> = Option<BTreeMap<K, T>>;
    Some(match constructor {
        "map[int]" | "map[int64]" => GoType::of::<Keyed<i64, T>>(),
        "map[int8]" => GoType::of::<Keyed<i8, T>>(),
        "map[int16]" => GoType::of::<Keyed<i16, T>>(),
        "map[int32]" => GoType::of::<Keyed<i32, T>>(),
        "map[uint]" | "map[uint64]" => GoType::of::<Keyed<u64, T>>(),
        "map[uint8]" => GoType::of::<Keyed<u8, T>>(),
        "map[uint16]" => GoType::of::<Keyed<u16, T>>(),
        "map[uint32]" => GoType::of::<Keyed<u32, T>>(),
        _ => return None,
    })
}

fn scalar_type(constructor: &str, base: &str) -> Option<GoType> {
    macro_rules! types {
        ($($name:literal $type:ty),*) => {
            match base {
                $($name => of_scalars::<$type>(constructor),)*
                _ => None,
            }
        };
    }
    types! {
        "bool" bool, "int8" i8, "int16" i16, "int32" i32, "int64" i64, "int" i64, "uint8" u8,
        "uint16" u16, "uint32" u32, "uint64" u64, "uint" u64, "float32" f32, "float64" f64,
        "string" String, "bytes" Option<Bytes>, "duration" Nanos, "number" Number, "raw" RawJson,
        "any" Any, "any-float" Any
    }
}

fn of_scalars<T: Go>(constructor: &str) -> Option<GoType> {
    Some(match constructor {
        "[0]" => GoType::of::<[T; 0]>(),
        "[1]" => GoType::of::<[T; 1]>(),
        "[3]" => GoType::of::<[T; 3]>(),
        "[4]" => GoType::of::<[T; 4]>(),
        "[]*" => GoType::of::<Option<Vec<Option<T>>>>(),
        "[][]" => GoType::of::<Option<Vec<Option<Vec<T>>>>>(),
        "**" => GoType::of::<Option<Option<T>>>(),
        "*[]" => GoType::of::<Option<Option<Vec<T>>>>(),
        "map[string]*" => GoType::of::<Option<BTreeMap<String, Option<T>>>>(),
        "map[string][]" => GoType::of::<Option<BTreeMap<String, Option<Vec<T>>>>>(),
        _ => return of_structs::<T>(constructor),
    })
}

fn struct_type(constructor: &str, base: &str) -> Option<GoType> {
    macro_rules! types {
        ($($name:ident $type:ident),*) => {
            match base.strip_prefix("struct:")? {
                $(stringify!($name) => of_structs::<$type>(constructor),)*
                _ => None,
            }
        };
    }
    types! {
        Empty Empty, Basic Basic, Untagged Untagged, Fold Fold, FoldPair FoldPair, FoldUni FoldUni,
        Opts Opts, Quoted Quoted, Dash Dash, Inner Inner, Nested Nested, Left Left, Right Right,
        Embed Embed, EmbedHidden EmbedHidden, EmbedHiddenPtr EmbedHiddenPtr, EmbedNamed EmbedNamed,
        WithPayload WithPayload, Call Call, CallAny CallAny, Result GoResult, RawBox RawBox,
        NumBox NumBox, AnyBox AnyBox, BytesBox BytesBox, Exec Exec, OddTags OddTags,
        TreeNode TreeNode, Defined Defined
    }
}

fn of_structs<T: Go>(constructor: &str) -> Option<GoType> {
    Some(match constructor {
        "" => GoType::of::<T>(),
        "[]" => GoType::of::<Option<Vec<T>>>(),
        "[2]" => GoType::of::<[T; 2]>(),
        "*" => GoType::of::<Option<T>>(),
        "map[string]" => GoType::of::<Option<BTreeMap<String, T>>>(),
        _ => return None,
    })
}
