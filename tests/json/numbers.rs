//! The text of numbers: Go's notation of floats, std's own reading of them.

use urpc::json::{Number, from_str, to_string};

#[test]
fn floats_are_written_in_gos_notation() {
    let cases = [
        (0.0, "0"),
        (-0.0, "-0"),
        (1.0, "1"),
        (-1.5, "-1.5"),
        (0.1, "0.1"),
        (100.0, "100"),
        (123456.789, "123456.789"),
        (1e20, "100000000000000000000"),
        (1e21, "1e+21"),
        (123e21, "1.23e+23"),
        (1e-6, "0.000001"),
        (1.5e-6, "0.0000015"),
        (1e-7, "1e-7"),
        (1.25e-10, "1.25e-10"),
        (9223372036854775808.0, "9223372036854776000"),
        (5e-324, "5e-324"),
        (f64::MAX, "1.7976931348623157e+308"),
        (f64::MIN_POSITIVE, "2.2250738585072014e-308"),
        (0.1f32 as f64, "0.10000000149011612"),
    ];
    for (value, text) in cases {
        assert_eq!(to_string(&value).as_deref(), Ok(text));
    }
}

#[test]
fn floats_of_half_the_width_have_their_own_shortest_digits_and_bounds() {
    let cases = [
        (0.1f32, "0.1"),
        (1e21, "1e+21"),
        (1e20, "100000000000000000000"),
        (1e-6, "0.000001"),
        (9.999999e-7, "9.999999e-7"),
        (16777216.0, "16777216"),
        (f32::MAX, "3.4028235e+38"),
        (1e-45, "1e-45"),
    ];
    for (value, text) in cases {
        assert_eq!(to_string(&value).as_deref(), Ok(text));
    }
}

#[test]
fn floats_of_all_magnitudes_read_back_as_themselves() {
    let mut bits = 1u64;
    for _ in 0..20_000 {
        bits = bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let (wide, narrow) = (f64::from_bits(bits), f32::from_bits((bits >> 32) as u32));
        if wide.is_finite() {
            assert_eq!(from_str::<f64>(&to_string(&wide).unwrap()).map(f64::to_bits), Ok(bits));
        }
        if narrow.is_finite() {
            let text = to_string(&narrow).unwrap();
            assert_eq!(from_str::<f32>(&text).map(f32::to_bits), Ok(narrow.to_bits()), "{text}");
        }
    }
}

#[test]
fn exact_numbers_are_json_numbers_or_nothing() {
    for text in ["0", "-0", "12", "1.50", "1E+05", "1e400", "-1.5e-7"] {
        assert_eq!(text.parse::<Number>().map(|number| number.to_string()), Ok(text.to_owned()));
    }
    for text in
        ["", " 1", "1 ", "01", "+1", ".5", "1.", "1e", "0x1", "NaN", "\"1\"", "1,2", "[1]", "null"]
    {
        assert!(text.parse::<Number>().is_err(), "{text:?}");
    }
}

#[test]
fn exact_numbers_become_those_of_rust() {
    let number: Number = "18446744073709551615".parse().unwrap();
    assert_eq!(number.parse(), Ok(u64::MAX));
    assert!(number.parse::<i64>().is_err());
    assert_eq!(Number::from(-5).as_str(), "-5");
    assert_eq!(Number::default().as_str(), "0");
}
