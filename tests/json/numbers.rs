//! The text of numbers: floats are written in Go's notation, and all numbers are read as std reads
//! them.

use urpc::json::{Number, from_str, to_string};

/// Pseudo-random bits, the same in each run.
fn random_bits() -> impl Iterator<Item = u64> {
    let step = |bits: &u64| {
        Some(bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407))
    };
    std::iter::successors(Some(1), step)
}

#[test]
fn integers_of_all_lengths_are_written_and_read_as_std_does() {
    let powers = (0..20).map(|power| 10u64.pow(power));
    let around = powers.flat_map(|power| [power - 1, power, power + 1]);
    let random = random_bits().take(10_000).zip((0..64).cycle()).map(|(bits, by)| bits >> by);
    for value in around.chain([u64::MAX]).chain(random).chain(0..100_000) {
        let text = value.to_string();
        assert_eq!(to_string(&value).as_ref(), Ok(&text));
        assert_eq!(to_string(&(value as i64)), Ok((value as i64).to_string()));
        assert_eq!(from_str(&text), Ok(value));
        // The same after other bytes, some of which are digits and signs.
        let list = format!("[9876543212345678, {text},{text}]");
        assert_eq!(from_str::<Vec<u64>>(&list).map(|list| list[1..] == [value; 2]), Ok(true));
        let list = format!("[-9876543212345678,-{text}]");
        let negative = text.parse::<i64>().ok().map(|value| -value);
        assert_eq!(from_str::<Vec<i64>>(&list).ok().map(|list| list[1]), negative);
    }
}

#[test]
fn decimals_of_few_places_are_written_as_std_does() {
    for value in (0..40_000).chain((0..1000).map(|value| value * 999_999_999_989u64)) {
        for places in 0..5 {
            let value = value as f64 / 10f64.powi(places);
            assert_eq!(to_string(&-value), Ok((-value).to_string()));
            let value = value as f32;
            if value < 1e6 {
                assert_eq!(to_string(&value), Ok(value.to_string()));
            }
        }
    }
}

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
        (36028797018963968.0, "36028797018963970"),
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
fn f32_has_its_own_shortest_digits_and_limits() {
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
    for bits in random_bits().take(20_000) {
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
fn exponents_of_any_size_are_read_as_std_reads_them() {
    let exponents = [i16::MAX.into(), i32::MAX.into(), i64::MAX.into(), u64::MAX.into(), i128::MAX];
    let around = exponents.into_iter().flat_map(|most| [most - 1, most, most.saturating_add(1)]);
    let texts = around.map(|exponent| exponent.to_string()).chain(["9".repeat(10_000)]);
    for exponent in texts {
        for digits in ["0", "1", "0.0000000000000000000000000001", "123456789012345678901.25"] {
            for sign in ["", "+", "-"] {
                let text = format!("{digits}e{sign}{exponent}");
                let (wide, narrow) = (text.parse().unwrap(), text.parse().unwrap());
                assert_eq!(
                    from_str::<f64>(&text).ok(),
                    Some(wide).filter(|it: &f64| it.is_finite())
                );
                assert_eq!(
                    from_str::<f32>(&text).ok(),
                    Some(narrow).filter(|it: &f32| it.is_finite())
                );
                assert!(from_str::<i64>(&text).is_err() && from_str::<u64>(&text).is_err());
                assert_eq!(from_str::<Number>(&text).unwrap().as_str(), text);
            }
        }
    }
}

#[test]
fn number_accepts_json_numbers_only() {
    for text in ["0", "-0", "12", "1.50", "1E+05", "1e400", "-1.5e-7"] {
        assert_eq!(text.parse::<Number>().map(|number| number.to_string()), Ok(text.to_owned()));
    }
    for text in
        ["", " 1", "1 ", "01", "+1", ".5", "1.", "1e", "0x1", "NaN", "\"1\"", "1,2", "[1]", "null"]
    {
        let refused = text.parse::<Number>().unwrap_err();
        assert_eq!(refused.to_string(), "not a JSON number", "{text:?}");
    }
}

#[test]
fn number_is_parsed_as_a_rust_number() {
    let number: Number = "18446744073709551615".parse().unwrap();
    assert_eq!(number.parse(), Ok(u64::MAX));
    assert!(number.parse::<i64>().is_err());
    assert_eq!(Number::from(-5).as_str(), "-5");
    assert_eq!(Number::default().as_str(), "0");
    assert_eq!(format!("{number:?}"), "18446744073709551615");
}
