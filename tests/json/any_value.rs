//! What `Value`, `RawJson`, `Bytes` and `Number` give to a user who looks into them.

use std::mem;

use urpc::json::{Bytes, Error, Number, Object, RawJson, Value, from_str, to_string};

#[test]
fn a_value_is_looked_at_as_what_it_is_and_as_nothing_else() {
    let value: Value =
        from_str(r#"{"s":"x","b":true,"i":-7,"u":18446744073709551615,"f":1.5,"l":[1],"z":null}"#)
            .unwrap();
    assert_eq!(value["s"].as_str(), Some("x"));
    assert_eq!(value["b"].as_bool(), Some(true));
    assert_eq!(value["i"].as_i64(), Some(-7));
    assert_eq!((value["i"].as_u64(), value["i"].as_f64()), (None, Some(-7.0)));
    assert_eq!((value["u"].as_i64(), value["u"].as_u64()), (None, Some(u64::MAX)));
    assert_eq!((value["f"].as_f64(), value["f"].as_i64()), (Some(1.5), None));
    assert_eq!(value["l"].as_array().map(<[_]>::len), Some(1));
    assert_eq!(value.as_object().map(Object::len), Some(7));
    assert_eq!(value["f"].as_number().map(Number::as_str), Some("1.5"));
    assert!(value["z"].is_null() && !value["s"].is_null());
    for name in ["b", "i", "l", "z"] {
        let part = value.get(name).unwrap();
        assert!(part.as_str().is_none() && part.as_object().is_none(), "{name}");
    }
    assert_eq!(
        (value["s"].as_bool(), value["s"].as_f64(), value["s"].as_array()),
        (None, None, None)
    );
    assert_eq!(from_str::<Value>("1e400").unwrap().as_f64(), None);
    assert_eq!(from_str::<Value>("1.0").unwrap().as_i64(), None);
}

#[test]
fn indexing_what_is_not_there_gives_null_and_get_gives_none() {
    let value: Value = from_str(r#"{"a":[{"b":1}],"n":null}"#).unwrap();
    for missing in [&value["x"], &value["a"][1], &value["a"]["b"], &value[0], &value["x"][9]["y"]] {
        assert!(missing.is_null());
    }
    assert_eq!(value["a"][0]["b"].as_i64(), Some(1));
    assert_eq!((value.get("x"), value.get("n")), (None, Some(&Value::Null)));
    assert_eq!(value["a"].get("b"), None);
}

#[test]
fn parts_are_moved_out_of_a_value_and_the_rest_stays() {
    let mut value: Value = from_str(r#"{"s":"x","l":[1,"y"],"o":{"a":{}}}"#).unwrap();
    let list = value.get_mut("l").map(mem::take).and_then(Value::into_array).unwrap();
    let texts: Vec<String> = list.into_iter().filter_map(Value::into_string).collect();
    assert_eq!(texts, ["y"]);
    value.get_mut("s").and_then(Value::as_string_mut).unwrap().push('!');
    assert_eq!(value.to_string(), r#"{"l":null,"o":{"a":{}},"s":"x!"}"#);
    let mut inner =
        value.as_object_mut().unwrap().remove("o").and_then(Value::into_object).unwrap();
    assert!(inner.contains_key("a") && inner.keys().eq(["a"]));
    inner.values_mut().for_each(|value| *value = true.into());
    assert_eq!(Value::from(inner).to_string(), r#"{"a":true}"#);
    assert_eq!(value.into_string(), None);
}

#[test]
fn a_value_is_made_of_all_that_it_can_hold() {
    let members: [(&str, Value); 8] = [
        ("bool", true.into()),
        ("list", vec![1u8, 2].into()),
        ("none", None::<u8>.into()),
        ("number", "1.50".parse::<Number>().unwrap().into()),
        ("object", Object::from([("a", "b")]).into()),
        ("some", Some("x").into()),
        ("text", String::from("y").into()),
        ("u64", u64::MAX.into()),
    ];
    let expected = r#"{"bool":true,"list":[1,2],"none":null,"number":1.50,"object":{"a":"b"},"some":"x","text":"y","u64":18446744073709551615}"#;
    assert_eq!(Value::from(Object::from(members)).to_string(), expected);
    let object: Object = [("b", 1), ("a", 2), ("b", 3)].into_iter().collect();
    assert_eq!(to_string(&Value::from(object)).unwrap(), r#"{"a":2,"b":3}"#);
}

#[test]
fn a_number_is_made_of_each_float_that_is_finite() {
    for (float, text) in [(0.1, "0.1"), (-0.0, "-0"), (1e21, "1e+21"), (5e-324, "5e-324")] {
        assert_eq!(Number::try_from(float).unwrap().as_str(), text);
    }
    assert_eq!(Number::try_from(0.1f32).unwrap().as_str(), "0.1");
    for float in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert!(Number::try_from(float).is_err(), "{float}");
    }
}

#[test]
fn raw_json_is_made_of_values_and_texts_and_gives_them_back() {
    let raw: RawJson = " {\"a\" : [1.0]}\n".parse().unwrap();
    assert_eq!(
        (raw.as_str(), raw.to_string().as_str()),
        (Some("{\"a\" : [1.0]}"), "{\"a\" : [1.0]}")
    );
    assert_eq!(format!("{raw:?}"), "RawJson({\"a\" : [1.0]})");
    assert_eq!(raw.to_value::<Value>().unwrap()["a"][0].as_f64(), Some(1.0));
    assert!(matches!(raw.to_value::<u8>(), Err(Error::Type(_))));
    assert!(matches!("[1,]".parse::<RawJson>(), Err(Error::Syntax(_))));
    assert!(matches!("{} {}".parse::<RawJson>(), Err(Error::Syntax(_))));
    assert_eq!(RawJson::default().to_value::<u8>(), Err(Error::UnexpectedEnd));
    assert_eq!(RawJson::from_value("<").unwrap().as_str(), Some("\"\\u003c\""));
    assert!(matches!(RawJson::from_value(&f64::NAN), Err(Error::Unencodable { .. })));
}

#[test]
fn raw_json_that_is_not_utf_8_has_no_str_and_can_be_shown() {
    let raw = RawJson::new(*b"\"\xff\"");
    assert_eq!((raw.as_str(), raw.to_string().as_str()), (None, "\"\u{fffd}\""));
}

#[test]
fn bytes_are_a_slice_and_made_of_one() {
    let bytes = Bytes::from(&b"abc"[..]);
    let slice: &[u8] = &bytes;
    assert_eq!((slice, bytes.first(), bytes.as_ref().len()), (&b"abc"[..], Some(&b'a'), 3));
    assert_eq!(to_string(&bytes).unwrap(), r#""YWJj""#);
}

#[test]
fn the_members_of_an_object_are_counted_shown_and_taken_out_in_order() {
    let object = Object::from([("b", 2), ("a", 1), ("c", 3)]);
    let mut members = object.iter();
    assert_eq!(members.size_hint(), (3, Some(3)));
    assert_eq!(members.next(), Some((&"a".to_owned(), &Value::from(1))));
    assert_eq!(members.size_hint(), (2, Some(2)));
    assert_eq!(format!("{members:?}"), "Iter { left: 2 }");
    assert!(format!("{object:?}").starts_with("{\"a\": "), "{object:?}");
    let names: Vec<String> = object.into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["a", "b", "c"]);
}

#[test]
fn members_in_any_order_are_sorted_and_of_several_with_one_name_the_last_stays() {
    for count in [3, 40] {
        let member = |n: usize| format!(r#""{:02}":{n}"#, n % count);
        let text: Vec<String> = (0..2 * count).rev().chain(count..2 * count).map(member).collect();
        let value: Value = from_str(&format!("{{{}}}", text.join(","))).unwrap();
        let sorted: Vec<String> = (count..2 * count).map(member).collect();
        assert_eq!(value.to_string(), format!("{{{}}}", sorted.join(",")));
    }
}

#[test]
fn a_text_whose_wrong_bytes_were_replaced_takes_no_more_memory_than_it_has_bytes() {
    for text in [&b"\"\xff\""[..], b"\"ab\xff\xffc\xff\"", b"\"\xff\xffabcdefghijklmn\""] {
        let text: String = urpc::json::from_slice(text).unwrap();
        assert_eq!(text.capacity(), text.len(), "{text}");
    }
}
