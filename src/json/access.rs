//! What a [`Value`] holds: looked at, taken out, put in.

use std::mem;
use std::ops::Index;

use super::number::Number;
use super::value::{Object, Value};

macro_rules! parts {
    ($($variant:ident $what:literal: $as_ref:ident $as_mut:ident $into:ident $ref:ty, $owned:ty)*) => { $(
        #[doc = concat!("The ", $what, " that it is; `None` for anything else.")]
        pub fn $as_ref(&self) -> Option<&$ref> {
            match self {
                Value::$variant(part) => Some(part),
                _ => None,
            }
        }

        #[doc = concat!("The ", $what, " that it is, to be changed; `None` for anything else.")]
        pub fn $as_mut(&mut self) -> Option<&mut $owned> {
            match self {
                Value::$variant(part) => Some(part),
                _ => None,
            }
        }

        #[doc = concat!("Takes the ", $what, " that it is out of it; `None` for anything else.")]
        pub fn $into(mut self) -> Option<$owned> {
            self.$as_mut().map(mem::take)
        }
    )* };
}

/// What it holds.
impl Value {
    parts! {
        String "string": as_str as_string_mut into_string str, String
        Array "array": as_array as_array_mut into_array [Value], Vec<Value>
        Object "object": as_object as_object_mut into_object Object, Object
        Number "number": as_number as_number_mut into_number Number, Number
    }

    /// The boolean that it is; `None` for anything else.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Value::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// The number that it is, if that is written as an integer and fits; `1.0` and `1e3` are not.
    pub fn as_i64(&self) -> Option<i64> {
        self.as_number()?.parse().ok()
    }

    /// As [`as_i64`](Value::as_i64).
    pub fn as_u64(&self) -> Option<u64> {
        self.as_number()?.parse().ok()
    }

    /// The number that it is, rounded; `None` if it is too large for an `f64`.
    pub fn as_f64(&self) -> Option<f64> {
        self.as_number()?.parse().ok().filter(|value: &f64| value.is_finite())
    }

    /// Whether it is `null`.
    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }

    /// The member of that name; `None` if there is none, or no object.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.as_object()?.get(name)
    }

    /// The member of that name, to be changed or taken out with [`mem::take`].
    pub fn get_mut(&mut self, name: &str) -> Option<&mut Value> {
        self.as_object_mut()?.get_mut(name)
    }
}

static NULL: Value = Value::Null;

impl Index<&str> for Value {
    type Output = Value;

    /// The member of that name; `null` if there is none, or no object.
    fn index(&self, name: &str) -> &Value {
        self.get(name).unwrap_or(&NULL)
    }
}

impl Index<usize> for Value {
    type Output = Value;

    /// That element; `null` if there is none, or no array.
    fn index(&self, index: usize) -> &Value {
        self.as_array().and_then(|array| array.get(index)).unwrap_or(&NULL)
    }
}

macro_rules! made_from {
    ($($type:ty => $variant:ident)*) => { $(
        impl From<$type> for Value {
            fn from(part: $type) -> Value {
                Value::$variant(part.into())
            }
        }
    )* };
}

made_from! {
    bool => Bool
    i8 => Number i16 => Number i32 => Number i64 => Number isize => Number
    u8 => Number u16 => Number u32 => Number u64 => Number usize => Number
    Number => Number
    &str => String String => String
    Object => Object
}

impl<T: Into<Value>> From<Vec<T>> for Value {
    fn from(list: Vec<T>) -> Value {
        Value::Array(list.into_iter().map(T::into).collect())
    }
}

/// `null` for `None`.
impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Value {
        value.map_or(Value::Null, T::into)
    }
}
