//! The Go types of the recorded vectors, as records. Where Go distinguishes nil and empty, the type
//! here is an `Option`.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

use urpc::Files;
use urpc::json::{
    Aborted, Bytes, Decoder, Encoder, FromJson, Kind, MapKey, Number, RawJson, ToJson, Value,
};

use crate::go_names::GoType;
use crate::go_tree::{self, Go, GoValue, NoValue, foreign};

type Slice<T> = Option<Vec<T>>;
type GoMap<K, V> = Option<BTreeMap<K, V>>;

/// Declares records with the Go names of their fields. The trees of values use these names.
macro_rules! go_structs {
    ($($name:ident {
        $($field:ident = $go:literal : $type:ty $(=> $($wire:literal)? $($word:ident)*)?),* $(,)?
    })*) => { $(
        urpc::record! {
            #[derive(Debug, Default)]
            #[allow(non_snake_case)]
            pub struct $name {
                $(pub $field: $type $(=> $($wire)? $($word)*)?),*
            }
        }

        impl GoValue for $name {}

        impl Go for $name {
            #[allow(unused)]
            fn from_tree(tree: &Value) -> Result<Self, NoValue> {
                let mut fields = go_tree::fields(tree)?;
                let mut field = |name: &str| fields.remove(name).ok_or_else(|| foreign(tree));
                let value = $name { $($field: Go::from_tree(field($go)?)?),* };
                if fields.is_empty() { Ok(value) } else { Err(foreign(tree)) }
            }
        }
    )* };
}

go_structs! {
    Empty {}
    Basic { a = "A": i64, b = "B": String, c = "C": bool }
    Untagged { Name = "Name": String, Count = "Count": i64, Flag = "Flag": bool }
    Fold {
        kind = "Kind": String,
        pass = "Pass": i64,
        under = "Under": i64 => "a_b-1",
        bond = "Plain": i64,
    }
    FoldPair { name = "Lower": i64, NAME = "Upper": i64 }
    FoldUni {
        e = "E": i64 => "É",
        s = "S": i64 => "straße",
        g = "G": i64 => "Σ",
        d = "D": i64 => "ǆ",
        m = "M": i64 => "µm",
    }
    Opts {
        b = "B": bool => omitempty,
        i = "I": i64 => omitempty,
        u = "U": u8 => omitempty,
        f = "F": f64 => omitempty,
        s = "S": String => omitempty,
        l = "L": Vec<i64> => omitempty,
        m = "M": BTreeMap<String, i64> => omitempty,
        p = "P": Option<i64> => omitempty,
        a = "A": [i64; 0] => omitempty,
        a2 = "A2": [i64; 2] => omitempty,
        x = "X": Any => omitempty,
        t = "T": Basic => omitempty,
        r = "R": RawJson => omitempty,
        n = "N": Number => omitempty,
        d = "D": Nanos => omitempty,
        y = "Y": Bytes => omitempty,
        Mp = "Mp": BTreeMap<String, String> => omitempty,
    }
    Quoted {
        i = "I": i64 => quoted,
        i8 = "I8": i8 => quoted,
        u = "U": u64 => quoted,
        f = "F": f64 => quoted,
        f32 = "F32": f32 => quoted,
        b = "B": bool => quoted,
        s = "S": String => quoted,
        p = "P": Option<i64> => quoted,
        n = "N": Number => quoted,
        l = "L": Slice<i64>, // quoted in Go, where that has no effect
        o = "O": i64 => omitempty quoted,
    }
    Dash { hyphen = "Hyphen": i64 => "-", shown = "Shown": i64, Hidden = "Hidden": i64 => skip }
    Inner { x = "X": i64, y = "Y": String }
    Nested {
        name = "Name": String,
        inner = "In": Inner => "in",
        ptr = "Ptr": Option<Inner>,
        list = "List": Slice<Inner>,
        arr = "Arr": [Inner; 2],
        map = "Map": GoMap<String, Inner>,
        pp = "PP": Option<Option<i64>>,
    }
    Left { x = "X": i64 => "x", both = "Both": i64 => "both", tag = "Tag": i64 => "tag" }
    Right { z = "Z": i64 => "z", both = "Both": i64 => "both", Tag = "Tag": i64 }
    Embed {
        left = "Left": Left => embedded,
        right = "Right": Option<Box<Right>> => embedded,
        x = "X": i64 => "x",
        sub = "Sub": Inner => "sub",
    }
    Hidden { h = "H": i64 }
    EmbedHidden { hidden = "hidden": Hidden => embedded, v = "V": i64 }
    EmbedHiddenPtr { h = "hidden": Unfillable => omitempty, v = "V": i64 }
    EmbedNamed { inner = "Inner": Inner, v = "V": i64 }
    Payload { files = "Files": Files }
    WithPayload {
        payload = "Payload": Payload => embedded,
        data = "Data": String,
        args = "Args": Slice<String>,
    }
    Call { method = "Method": String, arg = "Arg": RawJson }
    CallAny { method = "Method": String, arg = "Arg": Any }
    GoResult { success = "Success": bool, err = "Err": String, result = "Result": Any }
    ResultOf { success = "Success": bool, err = "Err": String, result = "Result": Slot }
    RawBox { r = "R": RawJson, p = "P": Option<RawJson> }
    NumBox {
        n = "N": Number,
        p = "P": Option<Number>,
        l = "L": Slice<Number>,
        d = "D": Nanos,
        q = "Q": Option<Nanos>,
    }
    AnyBox { v = "V": Any }
    BytesBox {
        b = "B": Option<Bytes>,
        l = "L": Slice<Option<Bytes>>,
        a = "A": [u8; 3],
        p = "P": Option<Option<Bytes>>,
    }
    Exec {
        filename = "Filename": String,
        argv = "Argv": Slice<String>,
        envv = "Envv": Slice<String>,
        wd = "WorkingDirectory": String,
        KUID = "KUID": u32,
        KGID = "KGID": u32,
        extraKGIDs = "ExtraKGIDs": Slice<u32>,
        StdioIsPty = "StdioIsPty": bool,
        limits = "Limits": BTreeMap<String, u64> => omitempty,
        timeout = "Timeout": Nanos,
        payload = "Payload": Payload => embedded,
    }
    OddTags {
        space = "Space": i64 => "a b",
        punct = "Punct": i64 => "!#$%&()*+-./:;<=>?@[]^_{|}~",
        html = "Html": i64 => "x<y&z",
        Empty = "Empty": i64,
        Comma = "Comma": i64 => omitempty,
        uni = "Uni": i64 => "日本",
        str = "Str": i64 => "n" omitempty quoted,
    }
    TreeNode {
        v = "V": i64,
        next = "Next": Option<Box<TreeNode>> => omitempty,
        kids = "Kids": Vec<Option<TreeNode>> => omitempty,
    }
    Defined { s = "S": String, i = "I": i16, b = "B": Option<Bytes>, m = "M": GoMap<String, i16> }
}

/// Go's duration, which may be negative.
#[derive(Debug, Default)]
pub struct Nanos(pub i64);

impl FromJson for Nanos {
    fn decode(&mut self, decoder: &mut Decoder<'_>) -> Result<(), Aborted> {
        self.0.decode(decoder)
    }
}

impl ToJson for Nanos {
    fn encode(&self, encoder: &mut Encoder<'_>) -> Result<(), Aborted> {
        self.0.encode(encoder)
    }

    fn is_empty(&self) -> bool {
        self.0 == 0
    }
}

/// The member of an embedded pointer. Go cannot set it.
#[derive(Debug, Default)]
pub struct Unfillable;

impl FromJson for Unfillable {
    fn decode(&mut self, decoder: &mut Decoder<'_>) -> Result<(), Aborted> {
        decoder.mismatch("nothing")
    }
}

impl ToJson for Unfillable {
    fn encode(&self, encoder: &mut Encoder<'_>) -> Result<(), Aborted> {
        Err(encoder.fail("a member of a nil pointer"))
    }

    fn is_empty(&self) -> bool {
        true
    }
}

/// An interface that holds a pointer to the caller's value, until `null` detaches it.
pub enum Slot {
    Attached(Box<dyn GoValue>),
    Detached(Any),
}

thread_local! {
    /// The type of the value in a new slot, or of the elements of a composed type.
    static TARGET: RefCell<Option<Rc<GoType>>> = const { RefCell::new(None) };
    /// Whether an interface turns numbers into floats, as Go does without `UseNumber`.
    pub static AS_FLOATS: Cell<bool> = const { Cell::new(false) };
}

pub fn target() -> Rc<GoType> {
    TARGET.with_borrow(|target| target.clone()).expect("the type of what is contained")
}

/// Runs `run` with `target` as [`TARGET`].
pub fn with_target<T>(target: &Rc<GoType>, run: impl FnOnce() -> T) -> T {
    let before = TARGET.replace(Some(Rc::clone(target)));
    let result = run();
    TARGET.set(before);
    result
}

impl Default for Slot {
    fn default() -> Self {
        Slot::Attached((target().zero)())
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Slot")
    }
}

impl FromJson for Slot {
    fn decode(&mut self, decoder: &mut Decoder<'_>) -> Result<(), Aborted> {
        match self {
            Slot::Attached(value) if decoder.kind() != Kind::Null => value.decode(decoder),
            Slot::Detached(value) => value.decode(decoder),
            _ => {
                *self = Slot::Detached(Any::default());
                Ok(())
            }
        }
    }
}

impl ToJson for Slot {
    fn encode(&self, encoder: &mut Encoder<'_>) -> Result<(), Aborted> {
        match self {
            Slot::Attached(value) => value.encode(encoder),
            Slot::Detached(value) => value.encode(encoder),
        }
    }
}

/// An interface: the decoded value, or the text that a tree put there.
#[derive(Debug)]
pub enum Any {
    Decoded(Value),
    Written(Vec<u8>),
}

impl Default for Any {
    fn default() -> Self {
        Any::Decoded(Value::Null)
    }
}

impl FromJson for Any {
    fn decode(&mut self, decoder: &mut Decoder<'_>) -> Result<(), Aborted> {
        let mut value = Value::Null;
        value.decode(decoder)?;
        let mut fits = true;
        if AS_FLOATS.get() {
            with_floats(&mut value, &mut fits);
        }
        *self = Any::Decoded(value);
        if fits { Ok(()) } else { decoder.mismatch("numbers that fit f64") }
    }
}

impl ToJson for Any {
    fn encode(&self, encoder: &mut Encoder<'_>) -> Result<(), Aborted> {
        match self {
            Any::Decoded(value) => value.encode(encoder),
            Any::Written(text) => RawJson::new(text.clone()).encode(encoder),
        }
    }

    fn is_empty(&self) -> bool {
        matches!(self, Any::Decoded(Value::Null))
    }
}

/// Replaces every number in the value by the text that Go writes for the float.
fn with_floats(value: &mut Value, fits: &mut bool) {
    match value {
        Value::Number(number) => {
            let float = number.parse::<f64>().unwrap_or(f64::INFINITY);
            *fits &= float.is_finite();
            *value = urpc::json::to_string(&float)
                .map_or(Value::Null, |text| Value::Number(text.parse().unwrap()));
        }
        Value::Array(list) => list.iter_mut().for_each(|value| with_floats(value, fits)),
        Value::Object(map) => map.values_mut().for_each(|value| with_floats(value, fits)),
        _ => {}
    }
}

/// Go's `map[float64]string`, which newer versions support.
#[derive(Debug, Default)]
pub struct FloatKeys(GoMap<FloatKey, String>);

impl FromJson for FloatKeys {
    fn decode(&mut self, decoder: &mut Decoder<'_>) -> Result<(), Aborted> {
        self.0.decode(decoder)
    }
}

impl ToJson for FloatKeys {
    fn encode(&self, encoder: &mut Encoder<'_>) -> Result<(), Aborted> {
        self.0.encode(encoder)
    }
}

/// Its key.
#[derive(Debug, Default, PartialEq)]
pub struct FloatKey(f64);

impl Eq for FloatKey {}

impl PartialOrd for FloatKey {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for FloatKey {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl MapKey for FloatKey {
    const EXPECTED: &'static str = "a float";

    fn from_key(name: &str) -> Option<Self> {
        name.parse().ok().map(FloatKey)
    }

    fn to_key(&self) -> std::borrow::Cow<'_, str> {
        self.0.to_string().into()
    }
}
