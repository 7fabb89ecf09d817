//! Any value, to text and back.
//!
//! Properties:
//! - A decoded value is written to a text that reads back as an equal value. So is the compacted
//!   raw text.
//! - An array or object has the same content if it is decoded as a typed one.
//! - A copy is equal and prints the same text.
//! - Parts of a value can be found, taken out and put back.
//! - Error texts are short.
//! - Depth does not overflow the stack.

use std::collections::BTreeMap;

use urpc::json::{self, Number, Object, RawJson, Value};

pub fn run(text: &[u8]) {
    let value = match json::from_slice::<Value>(text) {
        Ok(value) => value,
        Err(error) => return assert!(error.to_string().len() < 300),
    };
    let written = json::to_vec(&value).expect("a value can be written");
    let again: Value = json::from_slice(&written).expect("what was written is read");
    assert!(again == value, "{value} came back as {again}");
    assert_eq!(json::to_vec(&again).as_ref(), Ok(&written));

    let raw = json::to_vec(&RawJson::new(text)).expect("the text is JSON");
    let of_raw: Value = json::from_slice(&raw).expect("compact text is read");
    assert!(of_raw == value, "{value} is {of_raw} when made compact");

    let copy = value.clone();
    assert!(copy == value);
    assert_eq!(copy.to_string().as_bytes(), written);
    assert_eq!(format!("{copy:?}"), format!("{value}"));
    match &value {
        Value::Array(list) => assert!(json::from_slice::<Vec<Value>>(text).as_ref() == Ok(list)),
        Value::Object(map) => {
            let typed = json::from_slice::<BTreeMap<String, Value>>(text);
            assert!(typed.is_ok_and(|typed| typed.iter().eq(map.iter())));
        }
        _ => {}
    }
    check_parts(&value);
    check_views(value);
}

/// A value shows itself as what it is and as nothing else, and is the same if it is made again of
/// what it held.
fn check_views(mut value: Value) {
    let is = [
        value.is_null(),
        value.as_bool().is_some(),
        value.as_number().is_some(),
        value.as_str().is_some(),
        value.as_array().is_some(),
        value.as_object().is_some(),
    ];
    assert_eq!(is.iter().filter(|is| **is).count(), 1, "{value}");
    assert!(value.as_i64().is_none_or(|number| value.as_f64() == Some(number as f64)));
    assert!(value.as_u64().is_none_or(|number| number.to_string() == value.to_string()));
    let raw = RawJson::from_value(&value).expect("a value can be written");
    assert_eq!(raw.as_str().map(str::to_owned), Some(raw.to_string()));
    assert!(
        raw.to_string().parse::<RawJson>().as_ref() == Ok(&raw) && !format!("{raw:?}").is_empty()
    );
    assert!(raw.to_value::<Value>().as_ref() == Ok(&value));
    let copy = value.clone();
    let name = copy.as_object().and_then(|map| map.keys().next()).unwrap_or("none");
    assert!(value.get_mut(name).is_some() == copy.get(name).is_some());
    assert!(value.as_array_mut().is_some() == is[4] && value.as_object_mut().is_some() == is[5]);
    let made = match &value {
        Value::Null => Value::from(None::<bool>),
        Value::Bool(is_true) => Value::from(*is_true),
        Value::Number(_) => Value::from(value.into_number().expect("a number")),
        Value::String(_) => Value::from(value.into_string().expect("a string")),
        Value::Array(_) => Value::from(value.into_array().expect("an array")),
        Value::Object(_) => {
            let mut map = value.into_object().expect("an object");
            let names: Vec<String> = map.keys().map(str::to_owned).collect();
            assert!(map.len() == names.len() && map.is_empty() == names.is_empty());
            for name in &names {
                let member = map.remove(name).expect("a name of the object");
                assert!(!map.contains_key(name) && map.insert(name.clone(), member).is_none());
            }
            assert!(map.values().count() == map.values_mut().count());
            check_collected(&map);
            Value::from(map)
        }
    };
    assert!(made == copy, "{made} is not {copy}");
}

/// An object is the same if it is made of its members in another order, and the last of a name
/// counts.
fn check_collected(map: &Object) {
    let member = |(name, value): (&String, &Value)| (name.clone(), value.clone());
    let mut members: Vec<(String, Value)> = map.iter().map(member).collect();
    members.reverse();
    members.splice(0..0, map.keys().map(|name| (name.to_owned(), Value::Null)));
    let collected: Object = members.into_iter().collect();
    assert!(collected == *map && format!("{collected:?}") == format!("{map:?}"));
    assert!(format!("{:?}", map.iter()).contains(&format!("left: {}", map.iter().size_hint().0)));
    let mut changed = collected.clone();
    for (name, value) in collected {
        let single = Object::from([(name.clone(), value.clone())]);
        assert!(single.len() == 1 && single.get(&name) == Some(&value));
        assert_eq!(changed.insert(name.clone(), Value::Bool(true)), Some(value));
        assert_eq!(changed.get(&name), Some(&Value::Bool(true)));
    }
    assert!((&changed).into_iter().count() == map.len());
}

fn check_parts(value: &Value) {
    match value {
        Value::Array(list) => {
            assert!(list.iter().enumerate().all(|(index, item)| value[index] == *item));
            assert!(value[list.len()] == Value::Null && value["0"] == Value::Null);
            assert!(Value::Array(list.clone()) == *value);
        }
        Value::Object(map) => {
            assert!(map.iter().all(|(name, member)| value[name.as_str()] == *member));
            assert!(value[0] == Value::Null);
            assert!(Value::Object(map.clone()) == *value);
        }
        Value::Number(number) => {
            let same: Number = number.parse().expect("a number");
            assert!(same == *number && format!("{number}") == number.as_str());
            let float: f64 = number.parse().expect("a number is a float's text");
            assert!(
                json::from_str::<f64>(number.as_str())
                    .map_or(float.is_infinite(), |same| same == float)
            );
        }
        _ => assert!(value[0] == Value::Null && value["a"] == Value::Null),
    }
}
