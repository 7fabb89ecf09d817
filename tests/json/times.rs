//! `Time`, as Go's `time.Time` reads and writes it.

use std::time::{Duration, SystemTime};

use urpc::json::{Time, from_str, to_string};

/// What Go 1.19 does with these: the text, the seconds since 1970, and what is written again after
/// `UTC()`. A dash and an exclamation mark stand for an error.
const AS_GO: &str = "\
1970-01-01T00:00:00Z 0 1970-01-01T00:00:00Z
2006-01-02T15:04:05Z 1136214245 2006-01-02T15:04:05Z
2006-01-02T15:04:05.000Z 1136214245 2006-01-02T15:04:05Z
2006-01-02T15:04:05.1Z 1136214245.1 2006-01-02T15:04:05.1Z
2006-01-02T15:04:05,25Z 1136214245.25 2006-01-02T15:04:05.25Z
2006-01-02T15:04:05.123456789Z 1136214245.123456789 2006-01-02T15:04:05.123456789Z
2006-01-02T15:04:05.1234567899Z 1136214245.123456789 2006-01-02T15:04:05.123456789Z
2006-01-02T5:04:05Z 1136178245 2006-01-02T05:04:05Z
2006-01-02T15:04:05+01:00 1136210645 2006-01-02T14:04:05Z
2006-01-02T15:04:05-23:59 1136300585 2006-01-03T15:03:05Z
2006-01-02T15:04:05+24:00 1136127845 2006-01-01T15:04:05Z
0001-01-01T00:00:00Z -62135596800 0001-01-01T00:00:00Z
0000-01-01T00:00:00Z -62167219200 0000-01-01T00:00:00Z
0000-02-29T00:00:00Z -62162121600 0000-02-29T00:00:00Z
9999-12-31T23:59:59-24:60 253402390799 !
9999-12-31T00:00:00-23:59 253402300740 9999-12-31T23:59:00Z
0000-01-01T00:00:00+01:00 -62167222800 !
9999-12-31T23:59:59.999999999Z 253402300799.999999999 9999-12-31T23:59:59.999999999Z
2000-02-29T12:00:00Z 951825600 2000-02-29T12:00:00Z
2024-02-29T00:00:00Z 1709164800 2024-02-29T00:00:00Z
1969-12-31T23:59:59.5Z -1.5 1969-12-31T23:59:59.5Z
1900-02-29T12:00:00Z -
2023-02-29T00:00:00Z -
2006-13-02T15:04:05Z -
2006-00-02T15:04:05Z -
2006-01-00T15:04:05Z -
2006-04-31T15:04:05Z -
2006-01-02T24:00:00Z -
2006-01-02T15:60:05Z -
2006-01-02T15:04:60Z -
2006-01-02t15:04:05Z -
2006-01-02T15:04:05z -
2006-01-02T15:04:05 -
2006-01-02T15:04:05.Z -
2006-01-02T15:04:05+0100 -
2006-01-02T15:04:05Z+01:00 -
2006-01-02T15:04:05+01:000 -
2006-01-02T15:04:05+01:61 -
12006-01-02T15:04:05Z -
2006-1-02T15:04:05Z -
2006-01-02 -";

/// Whole seconds, floored or negative as in Go, and the digits after them.
fn since_1970(time: Time) -> String {
    let nanoseconds = match time.0.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(after) => after.as_nanos() as i128,
        Err(before) => -(before.duration().as_nanos() as i128),
    };
    let second = 1_000_000_000;
    let (whole, part) = (nanoseconds.div_euclid(second), nanoseconds.rem_euclid(second));
    format!("{whole}.{part:09}").trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[test]
fn times_are_read_and_written_as_go_does() {
    for line in AS_GO.lines() {
        let parts: Vec<&str> = line.split(' ').collect();
        let read = from_str::<Time>(&format!("\"{}\"", parts[0]));
        match parts[1] {
            "-" => assert!(read.is_err(), "{line}"),
            since => {
                let time = read.unwrap_or_else(|error| panic!("{line}: {error}"));
                assert_eq!(since_1970(time), since, "{line}");
                let written = to_string(&time).unwrap_or_else(|_| "\"!\"".to_owned());
                assert_eq!(written, format!("\"{}\"", parts[2]), "{line}");
            }
        }
    }
}

#[test]
fn every_day_of_four_centuries_goes_there_and_back() {
    for day in 0..400 * 366u64 {
        let time = Time(SystemTime::UNIX_EPOCH + Duration::from_secs(day * 86_400));
        let text = to_string(&time).unwrap();
        assert_eq!(from_str(&text), Ok(time), "{text}");
    }
}

#[test]
fn the_default_is_the_year_1_and_null_leaves_a_time() {
    assert_eq!(to_string(&Time::default()).unwrap(), "\"0001-01-01T00:00:00Z\"");
    let mut time = Time(SystemTime::UNIX_EPOCH);
    urpc::json::decode_into(&mut time, b"null", &Default::default()).unwrap();
    assert_eq!(time, Time(SystemTime::UNIX_EPOCH));
}

#[test]
fn a_year_of_five_digits_is_not_written_and_no_other_kind_is_read() {
    let late = SystemTime::UNIX_EPOCH + Duration::from_secs(253_402_300_800);
    let early = SystemTime::UNIX_EPOCH - Duration::from_secs(62_167_219_201);
    for time in [late, early] {
        let error = to_string(&Time(time)).unwrap_err();
        assert_eq!(error.to_string(), "a time that is not in the years 0 to 9999");
    }
    let error = from_str::<Time>("1").unwrap_err();
    assert!(error.to_string().starts_with("expected a time such as"), "{error}");
}

#[test]
fn a_time_is_made_of_one_of_std() {
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_136_214_245);
    assert_eq!(to_string(&Time::from(time)).as_deref(), Ok("\"2006-01-02T15:04:05Z\""));
}
